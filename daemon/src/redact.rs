//! Redaction: what a peer echoes of our credentials goes no further.
//!
//! A value is found as it is, as JSON, as a URL has it, and within base64, whatever stands before it
//! there, such as a user's name. One of fewer than four bytes is not looked for: it would be found
//! in ordinary words, and hides nobody's door.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{
    Engine,
    engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// What stands in the place of a value.
const HIDDEN: &str = "***";
/// Shorter values are not looked for.
const SHORTEST: usize = 4;
/// How many values are known at one time: of credentials that change, the last ones.
const MOST: usize = 16;

/// The values that must not be shown.
#[derive(Default)]
pub struct Secrets(Mutex<Vec<Secret>>);

/// One value, and the forms in which it may come back.
struct Secret {
    value: Vec<u8>,
    /// As they are.
    texts: BTreeSet<String>,
    /// Within base64.
    encoded: BTreeSet<String>,
}

impl Secrets {
    /// One value.
    pub fn of(value: &[u8]) -> Self {
        let secrets = Self::default();
        secrets.learn(value);
        secrets
    }

    /// From now on this value is not shown.
    pub fn learn(&self, value: &[u8]) {
        let mut secrets = self.locked();
        if value.len() < SHORTEST || secrets.iter().any(|known| known.value == value) {
            return;
        }
        if secrets.len() >= MOST {
            secrets.remove(0);
        }
        secrets.push(Secret::new(value));
    }

    /// The text without these values.
    pub fn redact<'a>(&self, text: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
        let mut text = text.into();
        let secrets = self.locked();
        for token in secrets.iter().flat_map(|secret| &secret.encoded) {
            while let Some(at) = text.find(token.as_str()) {
                text = without_token(&text, at).into();
            }
        }
        let mut plain: Vec<&String> = secrets.iter().flat_map(|secret| &secret.texts).collect();
        // One may be a part of another.
        plain.sort_by_key(|form| std::cmp::Reverse(form.len()));
        for form in plain {
            if text.contains(form.as_str()) {
                text = text.replace(form.as_str(), HIDDEN).into();
            }
        }
        text
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Secret>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Secret {
    fn new(value: &[u8]) -> Self {
        let mut texts = BTreeSet::new();
        if let Ok(text) = std::str::from_utf8(value) {
            let json = serde_json::to_string(text).unwrap_or_default();
            texts.insert(text.to_owned());
            texts.insert(json.trim_matches('"').to_owned());
            texts.insert(text.escape_debug().to_string());
        }
        for (upper, plus) in [(true, false), (false, false), (true, true), (false, true)] {
            texts.insert(of_url(value, upper, plus));
        }
        let mut encoded = BTreeSet::new();
        for before in 0..3 {
            encoded.insert(base64(value, before, &STANDARD_NO_PAD));
            encoded.insert(base64(value, before, &URL_SAFE_NO_PAD));
        }
        texts.retain(|form| form.len() >= SHORTEST);
        Self { value: value.to_vec(), texts, encoded }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.value.fill(0);
        // The optimiser may not see that nobody reads the zeros.
        std::hint::black_box(&self.value);
    }
}

/// The text without the word of base64 that has something in it at `at`.
fn without_token(text: &str, at: usize) -> String {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "+/-_".contains(letter);
    let (before, behind) = text.split_at(at);
    let before = before.trim_end_matches(is_part);
    let behind = behind.trim_start_matches(is_part).trim_start_matches('=');
    format!("{before}{HIDDEN}{behind}")
}

/// Percent-encoding, with digits of either case and spaces in either form.
fn of_url(value: &[u8], upper: bool, plus: bool) -> String {
    let mut out = String::new();
    for byte in value {
        if *byte == b' ' && plus {
            out.push('+');
        } else if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            let digits = format!("%{byte:02X}");
            out.push_str(&if upper { digits } else { digits.to_lowercase() });
        }
    }
    out
}

/// The characters of base64 that are the value's alone if so many bytes stand before it.
fn base64(value: &[u8], before: usize, alphabet: &GeneralPurpose) -> String {
    let text = alphabet.encode([&vec![0; before], value].concat());
    let (first, end) = ((before * 8).div_ceil(6), (before + value.len()) * 8 / 6);
    text.get(first..end).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_each_of_its_forms() {
        let secrets = Secrets::of(b"p w/\"x\xc3\xa9");
        for (text, expected) in [
            ("535 no: p w/\"xé!", "535 no: ***!"),
            (r#"{"password":"p w/\"xé"}"#, r#"{"password":"***"}"#),
            ("GET /?p=p%20w%2F%22x%C3%A9&q=1", "GET /?p=***&q=1"),
            ("GET /?p=p%20w%2f%22x%c3%a9&q=1", "GET /?p=***&q=1"),
            ("GET /?p=p+w%2F%22x%C3%A9&q=1", "GET /?p=***&q=1"),
            // base64 of it alone, of `u:` and it, of `us:` and it, of `\0use\0` and it.
            ("AUTH cCB3LyJ4w6k=", "AUTH ***"),
            ("Basic dTpwIHcvInjDqQ== no", "Basic *** no"),
            ("Basic dXM6cCB3LyJ4w6k=", "Basic ***"),
            ("AUTH PLAIN AHVzZQBwIHcvInjDqQ==", "AUTH PLAIN ***"),
            ("nothing of it", "nothing of it"),
        ] {
            assert_eq!(secrets.redact(text), expected, "{text}");
        }
    }

    #[test]
    fn of_values_that_contain_one_another_nothing_is_left() {
        let secrets = Secrets::of(b"secret");
        secrets.learn(b"secret-and-more");
        assert_eq!(secrets.redact("secret-and-more secret"), "*** ***");
    }

    #[test]
    fn what_is_very_short_is_not_looked_for_and_many_values_are_bounded() {
        let secrets = Secrets::of(b"abc");
        secrets.learn(b"");
        assert_eq!(secrets.redact("abc"), "abc");
        for number in 0..100 {
            secrets.learn(format!("value-{number:03}").as_bytes());
        }
        assert_eq!(secrets.locked().len(), MOST);
        assert_eq!(secrets.redact("value-099 value-001"), "*** value-001");
    }
}
