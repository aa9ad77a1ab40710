//! Transcripts: what a person sees who types commands, with what differs from run to run replaced by
//! something as wide, so that columns stay where they are.

use std::{collections::BTreeMap, fmt::Write, process::Output};

use regex::{Captures, Regex};

use crate::support::{Home, user};

/// What was typed, what was answered, and how it ended.
pub struct Transcript<'a> {
    home: &'a Home,
    environment: Vec<(&'a str, &'a str)>,
    text: String,
}

impl<'a> Transcript<'a> {
    /// An empty one.
    pub fn of(home: &'a Home) -> Self {
        Self { home, environment: Vec::new(), text: String::new() }
    }

    /// The same with a variable of the environment from here on.
    pub fn set(&mut self, name: &'a str, value: &'a str) {
        self.environment.push((name, value));
        writeln!(self.text, "$ export {name}={value}\n").expect("text");
    }

    /// Types a command: words, those with spaces in quotes.
    pub fn type_in(&mut self, command: &str) -> &mut Self {
        let words = words(command);
        let mut process = self.home.command(&words.iter().map(String::as_str).collect::<Vec<_>>());
        process.env("TZ", "UTC").envs(self.environment.iter().copied());
        let output = process.output().expect("it runs");
        self.note(command, &output)
    }

    /// Writes down what a command said.
    pub fn note(&mut self, command: &str, output: &Output) -> &mut Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        writeln!(self.text, "$ haetae {command}").expect("text");
        self.text.push_str(&text(&output.stdout));
        for line in text(&output.stderr).lines() {
            writeln!(self.text, "! {line}").expect("text");
        }
        let code = output.status.code().expect("it was not killed");
        writeln!(self.text, "{}", if code == 0 { String::new() } else { format!("[exit {code}]\n") })
            .expect("text");
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
    let word = Regex::new(r#"(?:'[^']*'|[^\s'])+"#).expect("a pattern");
    word.find_iter(command).map(|word| word.as_str().replace('\'', "")).collect()
}

/// What differs from run to run becomes something as wide; the same becomes the same.
fn redacted(text: &str, home: &str) -> String {
    let me = user();
    let text = text.replace(home, "/tmp/haetae-home00");
    let text = Regex::new(&format!(r"\b{me}\b")).expect("a name").replace_all(&text, "kim");
    let patterns = [
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
        r"\b\d\d:\d\d:\d\d\b",
        r"\b[0-9a-f]{12}(-\d+)?\b",
        r"\b01[0-9A-HJKMNP-TV-Z]{24}\b",
        r"\b[0-9a-f]{64}\b",
        r"127\.0\.0\.1:\d{5}",
    ];
    let either = Regex::new(&patterns.map(|one| format!("(?:{one})")).join("|")).expect("patterns");
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    either
        .replace_all(&text, |found: &Captures<'_>| {
            let found = &found[0];
            if found.contains(':') {
                return dull(found);
            }
            let number = known.len() + 1;
            known.entry(found.into()).or_insert_with(|| numbered(found, number)).clone()
        })
        .into_owned()
}

/// A time or an address with all digits the same.
fn dull(found: &str) -> String {
    found.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

/// An id that says which one it is: as wide, and with its occurrence.
fn numbered(found: &str, number: usize) -> String {
    let (name, rest) = found.split_once('-').map_or((found, None), |(name, rest)| (name, Some(rest)));
    let name = format!("{}{number:02}", "0".repeat(name.len().saturating_sub(2)));
    rest.map_or(name.clone(), |rest| format!("{name}-{rest}"))
}
