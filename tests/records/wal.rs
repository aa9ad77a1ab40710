//! A write-ahead log, as far as it takes to tear commits off its end.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "a wrong index fails the test")]

use std::{
    fs::{self, OpenOptions},
    path::Path,
};

/// What stands before the first frame.
pub const HEADER: usize = 32;
/// What stands before the page of a frame.
pub const FRAME: usize = 24;

/// Where commits end in a log; first the header's end.
pub fn ends(path: &Path) -> Vec<usize> {
    let bytes = fs::read(path).expect("a write-ahead log");
    let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four"));
    let page = usize::try_from(word(8)).expect("a page");
    let mut ends = vec![HEADER];
    let mut at = HEADER;
    while at + FRAME + page <= bytes.len() && (word(at + 8), word(at + 12)) == (word(16), word(20))
    {
        let is_commit = word(at + 4) != 0;
        at += FRAME + page;
        if is_commit {
            ends.push(at);
        }
    }
    ends
}

/// Cuts a file off at a place.
pub fn cut(path: &Path, end: usize) {
    let file = OpenOptions::new().write(true).open(path).expect("the log");
    file.set_len(end.try_into().expect("it fits")).and_then(|()| file.sync_all()).expect("cut");
}

/// Cuts the last commits off a log; says how many there were.
pub fn tear(path: &Path, commits: usize) -> usize {
    let ends = ends(path);
    let all = ends.len() - 1;
    cut(path, ends[all.saturating_sub(commits)]);
    all
}
