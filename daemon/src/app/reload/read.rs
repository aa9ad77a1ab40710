//! Reading the configuration again, whole: what `haetae check` would say of it.

use std::path::PathBuf;

use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::{
    config::{Checked, Files, Plan, Severity},
    language::Language,
    plugin::{
        catalog::{Catalog, Libraries},
        library::Storage,
    },
};

/// What was read.
pub(super) struct Read {
    /// There is one if nothing is wrong.
    pub(super) plan: Option<(Plan, Catalog)>,
    pub(super) report: Report,
    /// What is wrong, in a line.
    pub(super) broken: String,
}

/// What a check found.
#[derive(Default)]
pub(super) struct Report {
    pub(super) problems: Vec<Value>,
    plain: String,
    coloured: String,
}

impl Report {
    pub(super) fn text(&self, colour: bool) -> &str {
        if colour { &self.coloured } else { &self.plain }
    }
}

/// Reads and checks. It takes a while: each plugin's file is read, and new ones are tried by a child.
pub(super) async fn read(file: PathBuf, state: PathBuf, libraries: Libraries) -> Read {
    let read = spawn_blocking(move || {
        let files = match Files::read(&file) {
            Ok(files) => files,
            Err(error) => return failed(format!("{error}: {}", error.source)),
        };
        let storage = Storage::Directory(state.join("plugins"));
        let (directories, allowed) = (files.plugin_directories(), files.allowed_plugins());
        let catalog = Catalog::scan(directories, &allowed, storage).tried_first();
        let catalog = catalog.going_on_with(libraries);
        let checked = files.plan(&catalog);
        judged(checked, catalog, files.language().unwrap_or_default())
    });
    read.await.unwrap_or_else(|error| failed(format!("it could not be checked: {error}")))
}

fn failed(broken: String) -> Read {
    let report = Report { plain: broken.clone(), coloured: broken.clone(), problems: Vec::new() };
    Read { plan: None, report, broken }
}

fn judged(checked: Checked, catalog: Catalog, language: Language) -> Read {
    let findings: Vec<_> =
        checked.problems.iter().map(|problem| problem.finding(language)).collect();
    let mut errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let first = errors.next().map_or_else(String::new, |finding| {
        let file = finding.file.display();
        format!("{file}:{}: {} {}", finding.line, finding.code, finding.message)
    });
    let more = errors.count();
    let broken = match more {
        0 => first,
        more => format!("{first} (and {more} more, see `haetae check`)"),
    };
    let report = Report {
        problems: findings.iter().filter_map(|one| serde_json::to_value(one).ok()).collect(),
        plain: checked.report(language, false).trim_end().into(),
        coloured: checked.report(language, true).trim_end().into(),
    };
    Read { plan: checked.plan.map(|plan| (plan, catalog)), report, broken }
}
