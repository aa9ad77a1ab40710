//! The queue's write-ahead log, as far as it takes to tear commits off its end.
#![allow(unreachable_pub, clippy::expect_used, clippy::indexing_slicing, reason = "for a test")]

use std::{
    fs::{self, OpenOptions},
    path::Path,
};

const HEADER: usize = 32;
const FRAME: usize = 24;

/// Cuts the last commits off a log; says how many there were.
pub fn tear(path: &Path, commits: usize) -> usize {
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
    let all = ends.len() - 1;
    let end = ends[all.saturating_sub(commits)];
    let file = OpenOptions::new().write(true).open(path).expect("the log");
    file.set_len(end.try_into().expect("it fits")).and_then(|()| file.sync_all()).expect("cut");
    all
}
