//! Reads mail back, by the standards alone and not by what wrote it.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "shared with the end-to-end test, and each uses a part of it"
)]

/// A message or a part of one.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// Names and unfolded values, encoded words decoded.
    headers: Vec<(String, String)>,
    body: String,
}

impl Decoded {
    /// Reads a message whose lines end with CRLF.
    pub(crate) fn read(message: &str) -> Self {
        let (head, body) = message.split_once("\r\n\r\n").expect("an empty line");
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let headers = unfolded.split("\r\n").map(|line| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"));
            (name.to_owned(), words(value))
        });
        Self { headers: headers.collect(), body: body.to_owned() }
    }

    /// The value of the one header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "two of {name}: {self:#?}");
        value
    }

    /// The names of the headers.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The text, decoded.
    pub(crate) fn text(&self) -> String {
        let bytes = match self.header("Content-Transfer-Encoding") {
            Some("base64") => base64(&self.body),
            Some("quoted-printable") => quoted(&self.body.replace("=\r\n", "")),
            Some("7bit") | None => self.body.clone().into_bytes(),
            other => panic!("{other:?}"),
        };
        String::from_utf8(bytes).expect("UTF-8")
    }

    /// The parts of a multipart message.
    pub(crate) fn parts(&self) -> Vec<Self> {
        let kind = self.header("Content-Type").expect("a type");
        let (_, boundary) = kind.split_once("boundary=").expect("a boundary");
        let body = format!("\r\n{}", self.body);
        let mark = format!("\r\n--{}", boundary.trim_matches('"'));
        let mut parts: Vec<_> = body.split(&mark).skip(1).collect();
        assert!(parts.pop().is_some_and(|end| end.starts_with("--")), "{body}");
        parts.into_iter().map(|part| Self::read(part.trim_start_matches("\r\n"))).collect()
    }
}

/// Encoded words decoded (RFC 2047); the space between two of them is not part of the text.
fn words(value: &str) -> String {
    let mut text = String::new();
    let mut was_encoded = false;
    for word in value.split(' ') {
        let encoded = word.strip_prefix("=?utf-8?").and_then(|word| word.strip_suffix("?="));
        if !(text.is_empty() || was_encoded && encoded.is_some()) {
            text.push(' ');
        }
        was_encoded = encoded.is_some();
        match encoded.and_then(|word| word.split_once('?')) {
            None => text.push_str(word),
            Some((kind, word)) => {
                let bytes = match kind {
                    "b" | "B" => base64(word),
                    _ => quoted(&word.replace('_', " ")),
                };
                text.push_str(std::str::from_utf8(&bytes).expect("whole letters in each word"));
            }
        }
    }
    text
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.chars().filter(|letter| !letter.is_whitespace() && *letter != '=') {
        let digit = DIGITS.find(letter).unwrap_or_else(|| panic!("{letter:?} is no base64"));
        bits = bits << 6 | u32::try_from(digit).expect("below 64");
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).expect("a byte"));
        }
    }
    bytes
}

fn quoted(text: &str) -> Vec<u8> {
    let mut parts = text.split('=');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
        bytes.extend(rest.as_bytes());
    }
    bytes
}
