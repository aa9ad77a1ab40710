//! Transcripts: what a person sees who types commands, with what differs from run to run replaced by
//! something as wide, so that columns stay where they are.

use std::{collections::BTreeMap, process::Output};

use regex::{Captures, Regex};

use crate::support::{Home, user};

/// What was typed, what was answered, and how it ended.
pub struct Transcript<'a> {
    home: &'a Home,
    text: String,
}

impl<'a> Transcript<'a> {
    /// An empty one.
    pub fn of(home: &'a Home) -> Self {
        Self { home, text: String::new() }
    }

    /// Types a command: words, those with spaces in quotes.
    pub fn type_in(&mut self, command: &str) -> &mut Self {
        let words = words(command);
        let mut process = self.home.command(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let output = process.env("TZ", "UTC").output().expect("it runs");
        self.note(command, &output)
    }

    /// Writes down what a command said: lines of stderr are marked, and so is a code that is not 0.
    pub fn note(&mut self, command: &str, output: &Output) -> &mut Self {
        let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut text = format!("$ haetae {command}\n{}", lines(&output.stdout));
        for line in lines(&output.stderr).lines() {
            text += format!("! {line}").trim_end();
            text += "\n";
        }
        let code = output.status.code().expect("it was not killed");
        if code != 0 {
            text.push_str("[exit ");
            text.push_str(&code.to_string());
            text.push_str("]\n");
        }
        self.text += &(text + "\n");
        self
    }

    /// Numbers that count what happens meanwhile become zeros, from here back.
    pub fn without_counts(&mut self) -> &mut Self {
        let counts = Regex::new(r" ([1-9]\d*)( {2,}|\n| rows\b| firing\b)").expect("a pattern");
        let zero = |found: &Captures<'_>| {
            let spaces = if found[2].starts_with("  ") { found[1].len() - 1 } else { 0 };
            format!(" 0{}{}", " ".repeat(spaces), &found[2])
        };
        // Twice: what ends one is what the next begins with.
        for _ in 0..2 {
            self.text = counts.replace_all(&self.text, zero).into_owned();
        }
        self
    }

    /// Compares it with the one that was reviewed.
    pub fn is(&self, name: &str) {
        let home = self.home.path("").display().to_string();
        let text = redacted(&self.text, home.trim_end_matches('/'));
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(".");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, text));
    }
}

/// The words of a command as a shell takes them.
fn words(command: &str) -> Vec<String> {
    let word = Regex::new(r"(?:'[^']*'|[^\s'])+").expect("a pattern");
    word.find_iter(command).map(|word| word.as_str().replace('\'', "")).collect()
}

/// What differs from run to run becomes something as wide; the same becomes the same.
pub fn redacted(text: &str, home: &str) -> String {
    let text = text.replace(home, "/tmp/haetae-home00");
    let me = user();
    // As the one who did it; the word may stand elsewhere too.
    let me = Regex::new(&format!(r"(\(|\bby |: |  ){me}\b")).expect("a name");
    let text = me.replace_all(&text, "${1}kim");
    let patterns = [
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
        r"\b[0-9a-f]{12}(?:-\d+)?\b",
        r"\b01[0-9A-HJKMNP-TV-Z]{24}\b",
        r"\b[0-9a-f]{64}\b",
        r"\b127\.0\.0\.1:\d{5}\b",
        r"\b\d+ bytes\b",
        r"/\d{19}\b",
        r"; (?:try|시도) \d+",
    ];
    let either = Regex::new(&patterns.join("|")).expect("patterns");
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let same = |found: &Captures<'_>| {
        let found = &found[0];
        if found.contains([':', ' ', '/']) {
            return found.replace(|c: char| c.is_ascii_digit(), "0");
        }
        let number = known.len() + 1;
        known.entry(found.into()).or_insert_with(|| numbered(found, number)).clone()
    };
    either.replace_all(&text, same).into_owned()
}

/// An id that says which one it is: as wide as the other, and with its occurrence.
fn numbered(found: &str, number: usize) -> String {
    let (name, rest) = found.split_at(found.find('-').unwrap_or(found.len()));
    format!("{number:0>width$}{rest}", width = name.len())
}
