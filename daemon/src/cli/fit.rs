//! Fit: lines and tables that are no wider than the terminal, broken between words.

use std::io;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};
use rustix::termios::tcgetwinsize;
use unicode_width::UnicodeWidthStr;

use crate::config;

/// Reports are so wide at the least and at the most.
const NARROWEST: usize = 40;
const WIDEST: usize = 110;

/// How wide what goes to stdout may be; none: it goes to no terminal.
fn columns() -> Option<usize> {
    let terminal = || Some(usize::from(tcgetwinsize(io::stdout()).ok()?.ws_col));
    config::columns().or_else(terminal).filter(|columns| *columns > 0)
}

/// How wide a report may be: as the terminal is, and not wider than one reads.
pub(super) fn report_width() -> usize {
    let talk = || Some(usize::from(tcgetwinsize(io::stderr()).ok()?.ws_col));
    columns().or_else(talk).unwrap_or(WIDEST).clamp(NARROWEST, WIDEST)
}

/// The lines of a text; those after the first begin with `indent` spaces.
pub(super) fn lines(text: &str, indent: usize) -> Vec<String> {
    columns().map_or_else(|| vec![text.into()], |columns| within(text, indent, columns))
}

fn within(text: &str, indent: usize, columns: usize) -> Vec<String> {
    let start = text.len() - text.trim_start_matches(' ').len();
    let (head, words) = text.split_at(start);
    let mut words = words.split(' ');
    let mut line = head.to_owned() + words.next().unwrap_or_default();
    let mut lines = Vec::new();
    for word in words {
        if width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent) + word));
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.push(line);
    lines
}

/// How wide a text is on a terminal; colours take no room.
fn width(text: &str) -> usize {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().width();
    first
        + parts
            .map(|part| part.split_once('m').map_or(part, |(_, rest)| rest).width())
            .sum::<usize>()
}

/// Makes a table fit, if words need not be broken for it; else it stays as it is.
pub(super) fn table(table: &mut Table) {
    let Some(columns) = columns() else { return };
    if table.lines().map(|line| width(line.trim_end())).max().unwrap_or_default() <= columns + 1 {
        return;
    }
    let longest = |texts: Vec<String>| {
        let words = texts.iter().flat_map(|text| text.split_whitespace());
        words.map(width).max().unwrap_or_default()
    };
    let count = table.column_count();
    let words: Vec<_> = (0..count)
        .map(|at| {
            let head = table.header().and_then(|head| Some(head.cell_iter().nth(at)?.content()));
            let cells = table.row_iter().filter_map(|row| Some(row.cell_iter().nth(at)?.content()));
            longest(head.into_iter().chain(cells).collect())
        })
        .collect();
    // One space between columns; the one before the first is not shown.
    if words.iter().sum::<usize>() + count > columns + 1 {
        return;
    }
    for (column, word) in table.column_iter_mut().zip(words) {
        let word = u16::try_from(word + 1).unwrap_or(u16::MAX);
        column.set_padding((1, 0));
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(word)));
    }
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(columns + 1).unwrap_or(u16::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_by_their_width_on_a_terminal() {
        assert_eq!(within("  one two three", 4, 9), ["  one two", "    three"]);
        assert_eq!(within("  one two three", 4, 15), ["  one two three"]);
        // A wide character takes two columns, a colour none.
        assert_eq!(within("서버 부하 높음", 2, 9), ["서버 부하", "  높음"]);
        assert_eq!(within("\u{1b}[31mone two\u{1b}[0m", 2, 7), ["\u{1b}[31mone two\u{1b}[0m"]);
        // What has no space is not broken.
        assert_eq!(within("a http://127.0.0.1/metrics", 2, 9), ["a", "  http://127.0.0.1/metrics"]);
    }
}
