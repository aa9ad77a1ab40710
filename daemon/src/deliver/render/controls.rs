//! Characters that show nothing and change how what is around them is shown: a label or a log line of
//! somebody's may not rewrite a title or a mail.

/// A title: one line, and whatever has no shape of its own stands there by its number.
pub(in crate::deliver) fn title(text: &str) -> String {
    let spaced = text.split(['\n', '\r', '\t']).filter(|part| !part.is_empty());
    let line = spaced.collect::<Vec<_>>().join(" ");
    shown(&line, |letter| letter.is_control() || is_turn(letter) || is_mark(letter))
}

/// A text of several lines. Text that runs from right to left needs no character that turns what is
/// around it; the marks that only say which way a neutral one runs stay.
pub(super) fn body(text: &str) -> String {
    shown(text, |letter| is_turn(letter) || letter.is_control() && !"\n\t".contains(letter))
}

fn shown(text: &str, is_hidden: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_hidden(letter) {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Whether it turns the direction of what follows: embeddings, overrides, isolates and their ends.
const fn is_turn(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether it is a mark of direction, of no width.
const fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_shape_is_shown_by_its_number() {
        let cases = [
            ("a\u{202e}gpj.exe", r"a\u{202e}gpj.exe", r"a\u{202e}gpj.exe"),
            ("\u{2066}a\u{2069}", r"\u{2066}a\u{2069}", r"\u{2066}a\u{2069}"),
            (
                "a\u{200f}b\u{61c}c\u{200e}",
                r"a\u{200f}b\u{61c}c\u{200e}",
                "a\u{200f}b\u{61c}c\u{200e}",
            ),
            (
                "bell\u{7}, \u{1b}[31mred\u{9b}",
                r"bell\u{7}, \u{1b}[31mred\u{9b}",
                r"bell\u{7}, \u{1b}[31mred\u{9b}",
            ),
            ("two\r\nlines\tand", "two lines and", "two\\u{d}\nlines\tand"),
            ("שלום, 알람 – é", "שלום, 알람 – é", "שלום, 알람 – é"),
        ];
        for (text, as_title, as_body) in cases {
            assert_eq!(title(text), as_title);
            assert_eq!(body(text), as_body);
        }
    }
}
