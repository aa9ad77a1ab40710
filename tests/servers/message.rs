//! A message of HTTP, as far as a peer must read it that the test plays.
#![allow(clippy::expect_used, unreachable_pub, reason = "a test's own")]

use std::io::BufRead;

/// The body of the next message with a `content-length`; `None` at the end.
pub fn body(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}
