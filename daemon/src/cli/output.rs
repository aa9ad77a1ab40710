//! Printing: data to stdout, talk to stderr; a reader that has gone is no error.

use std::io::{self, Write};

use haetae_plugin::Severity;
use serde::Serialize;
use serde_json::Value;

use super::{exit, fit};
use crate::{config::UnreadableFile, json, telemetry};

/// Prints a line of data.
pub(super) fn line(text: impl AsRef<str>) {
    // The reader may have gone: `haetae … | head`.
    drop(writeln!(io::stdout().lock(), "{}", text.as_ref()));
}

/// Prints a text, on a terminal broken between words; what is behind the first line is indented.
pub(super) fn text(text: &str, indent: usize) {
    fit::lines(text, indent).iter().for_each(line);
}

/// Prints an answer as JSON.
pub(super) fn json(answer: &impl Serialize) {
    line(json::to_string_pretty(answer).unwrap_or_default());
}

/// Prints a name and its value, lines of it below each other; nothing without a value.
pub(super) fn row(name: &str, value: &str) {
    for (at, part) in value.lines().enumerate() {
        text(format!("  {:<10} {part}", if at == 0 { name } else { "" }).trim_end(), 13);
    }
}

/// A text of several lines in one.
pub(super) fn in_one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(" ")
}

/// A text from elsewhere as a terminal may show it: a control character, but for the end of a line,
/// becomes the picture of it, so that nobody's comment or log line moves a cursor or hides a line.
pub(super) fn plain(text: &str) -> String {
    let picture = |c: char| match c {
        '\n' => c,
        '\t' => ' ',
        '\u{7f}' => '␡',
        c if c < ' ' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(' '),
        c if c.is_control() || is_turn(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(picture).collect()
}

/// Whether it turns the direction of what follows.
const fn is_turn(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The same for each text in an answer.
pub(super) fn plain_answer(answer: Value) -> Value {
    match answer {
        Value::String(text) => Value::String(plain(&text)),
        Value::Array(all) => all.into_iter().map(plain_answer).collect(),
        Value::Object(all) => {
            all.into_iter().map(|(name, value)| (plain(&name), plain_answer(value))).collect()
        }
        other => other,
    }
}

/// Says why the configuration can't be read, and what to do; the exit code of it.
pub(super) fn unreadable(error: &UnreadableFile) -> u8 {
    say(format!("{error}: {}", error.source));
    say("  give another file with --config FILE, or try `haetae run --demo`, which needs none");
    exit::CONFIG
}

/// Says something to the person at the terminal.
pub(super) fn say(text: impl AsRef<str>) {
    // After what was logged before it. Nowhere to complain if stderr is closed.
    telemetry::flush();
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

/// Prints a table without spaces at the beginnings and the ends of lines, on a terminal as wide as that.
pub(super) fn show(table: &comfy_table::Table) {
    let mut table = table.clone();
    fit::table(&mut table);
    for row in table.lines() {
        line(row.strip_prefix(' ').unwrap_or(&row).trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_elsewhere_does_nothing_to_a_terminal() {
        let answer =
            serde_json::json!({ "note": ["a\u{1b}[2Jb\r\nc\t\u{7f}\u{9b}\u{202e}해태", 7] });
        let shown = plain_answer(answer);
        assert_eq!(shown["note"][0], "a␛[2Jb␍\nc ␡\u{fffd}\u{fffd}해태");
        assert_eq!(shown["note"][1], 7);
        assert_eq!(in_one_line("a\nb\n"), "a b");
    }
}
