//! Printing: data to stdout, talk to stderr; a reader that has gone is no error.

use std::io::{self, Write};

use haetae_plugin::Severity;
use serde::Serialize;

use crate::config::Unreadable;

/// Prints a line of data.
pub(super) fn line(text: impl AsRef<str>) {
    // The reader may have gone: `haetae … | head`.
    drop(writeln!(io::stdout().lock(), "{}", text.as_ref()));
}

/// Prints an answer as JSON.
pub(super) fn json(answer: &impl Serialize) {
    line(serde_json::to_string_pretty(answer).unwrap_or_default());
}

/// Says why the configuration can't be read, and what to do.
pub(super) fn unreadable(error: &Unreadable) {
    say(format!("{error}: {}", error.source));
    say("  give another file with --config FILE, or try `haetae run --demo`, which needs none");
}

/// Says something to the person at the terminal.
pub(super) fn say(text: impl AsRef<str>) {
    // Nowhere to complain if stderr is closed.
    drop(writeln!(io::stderr().lock(), "{}", text.as_ref()));
}

/// Whether text is coloured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style(bool);

impl Style {
    pub(super) const fn new(colour: bool) -> Self {
        Self(colour)
    }

    pub(super) const fn is_coloured(self) -> bool {
        self.0
    }

    pub(super) fn severity(self, severity: Severity, text: &str) -> String {
        match severity {
            Severity::Critical => self.paint("1;31", text),
            Severity::Warning => self.paint("33", text),
        }
    }

    pub(super) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }
}

/// A table without lines, wide as its content.
pub(super) fn table(head: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    table.set_header(head.iter().copied());
    table
}

/// Prints a table without spaces at the ends of lines.
pub(super) fn show(table: &comfy_table::Table) {
    for row in table.lines() {
        line(row.trim_end());
    }
}
