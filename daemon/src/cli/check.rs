//! `haetae check`: every problem of the configuration at once.

use clap::Args;
use serde_json::json;

use super::{Common, exit, fit, language::Choice, output};
use crate::{
    config::Finding,
    language::Language,
    plugin::{catalog::Catalog, library::Storage},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  haetae check\n  haetae -c my.toml -o json check\n  haetae check --language ko"
)]
pub(super) struct Arguments {
    /// The language of the messages [default: [daemon] language]
    #[arg(long, value_enum)]
    language: Option<Choice>,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> u8 {
    let files = match common.files() {
        Ok(files) => files,
        Err(code) => return code,
    };
    let catalog =
        Catalog::scan(files.plugin_directories(), &files.allowed_plugins(), Storage::Memory)
            .tried_first();
    let checked = files.plan(&catalog);
    let asked = arguments.language.map(Language::from);
    let language = asked.or_else(|| files.language()).unwrap_or_default();
    if common.is_json() {
        let found = checked.problems.iter().map(|problem| problem.finding(language));
        let found: Vec<Finding> = found.collect();
        output::json(&json!({ "ok": checked.plan.is_some(), "problems": found }));
    } else {
        output::line(
            checked
                .report_within(fit::report_width(), language, common.style().is_coloured())
                .trim_end(),
        );
    }
    u8::from(checked.plan.is_none()) * exit::FOUND
}
