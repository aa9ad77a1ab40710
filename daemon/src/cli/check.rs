//! `haetae check`: every problem of the configuration at once.

use clap::Args;
use serde_json::json;

use super::{Common, exit, output};
use crate::{
    config::{Checked, Files, Language},
    plugin::catalog::{Catalog, Storage},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  haetae check\n  haetae -c my.toml -o json check\n  haetae check --language ko")]
pub(super) struct Arguments {
    /// The language of the messages [default: [daemon] language]
    #[arg(long, value_enum)]
    language: Option<Speech>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Speech {
    /// English
    En,
    /// Korean
    Ko,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> u8 {
    let files = match Files::read(&common.config) {
        Ok(files) => files,
        Err(error) => {
            output::say(error.to_string());
            return exit::FOUND;
        }
    };
    let catalog = Catalog::scan(files.plugin_directories(), &files.allowed_plugins(), Storage::Memory);
    let checked = files.plan(&catalog);
    let language = match arguments.language {
        Some(Speech::En) => Language::En,
        Some(Speech::Ko) => Language::Ko,
        None => files.language(),
    };
    if common.is_json() {
        output::json(&json!({ "ok": checked.plan.is_some(), "problems": checked.problems_json(language) }));
    } else {
        output::line(checked.render(language, common.style().is_coloured()).trim_end());
    }
    u8::from(has_errors(&checked)) * exit::FOUND
}

fn has_errors(checked: &Checked) -> bool {
    checked.plan.is_none()
}
