//! What the source `numbered` wrote down, compared with what InfluxDB holds.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::Path,
};

use crate::servers::influx::Influx;

/// Series of the source, as it is configured here.
pub const SERIES: u64 = 4;
/// Points of its batches.
pub const POINTS: u64 = 8;

/// A point: the label `series`, the time in nanoseconds, the value.
pub type Item = (String, i64, u64);

/// What the source wrote down.
#[derive(Debug, Default)]
pub struct Book {
    batches: BTreeMap<u64, Batch>,
    /// How often it was opened.
    pub runs: usize,
}

#[derive(Debug)]
struct Batch {
    items: Vec<Item>,
    acked: bool,
    /// No later one was yielded in its run: at the kill it may have been anywhere.
    is_last: bool,
}

/// How what was yielded and what is stored differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Points that are acknowledged and stored.
    pub stored: usize,
    /// Batches that are acknowledged and not stored whole.
    pub lost: Vec<u64>,
    /// Batches that are stored, were in flight at a kill, and are not acknowledged.
    pub in_flight: Vec<u64>,
    /// Batches that are stored without an excuse: not acknowledged and not in flight, or in part.
    pub unexplained: Vec<u64>,
    /// Points that nobody yielded, or that are in the database under another time.
    pub foreign: Vec<Item>,
}

impl Book {
    /// Reads the log.
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("the source's log");
        let mut book = Self::default();
        let mut last = None;
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let number = |at: usize| words[at].parse::<u64>().expect("a number");
            match words[..] {
                ["open", "."] => {
                    book.runs += 1;
                    last = None;
                }
                ["yielded", _, _, _, time, "."] => {
                    let time: i64 = time.parse().expect("a time");
                    let item = |index: u64| {
                        let at = time + i64::try_from(index).expect("few");
                        ((index % SERIES).to_string(), at, number(2) + index)
                    };
                    let items = (0..number(3)).map(item).collect();
                    if let Some(before) = last.replace(number(1)) {
                        book.batch(before).is_last = false;
                    }
                    let batch = Batch { items, acked: false, is_last: true };
                    let twice = book.batches.insert(number(1), batch);
                    assert!(twice.is_none(), "a number was given twice: {line}");
                }
                ["acked", _, "."] => {
                    assert_eq!(last, Some(number(1)), "it is not the one in flight: {line}");
                    book.batch(number(1)).acked = true;
                }
                // A kill tore it: what it was to say did not happen.
                _ => assert!(!line.ends_with('.'), "{line}"),
            }
        }
        book
    }

    fn batch(&mut self, number: u64) -> &mut Batch {
        self.batches.get_mut(&number).expect("it was yielded")
    }

    /// How many batches were acknowledged.
    pub fn acked(&self) -> usize {
        self.batches.values().filter(|batch| batch.acked).count()
    }

    /// How many batches were yielded.
    pub fn yielded(&self) -> usize {
        self.batches.len()
    }

    /// Compares it with what is stored.
    pub fn compare(&self, stored: &BTreeSet<Item>) -> Comparison {
        let mut comparison = Comparison::default();
        let mut known = BTreeSet::new();
        for (number, batch) in &self.batches {
            let there = batch.items.iter().filter(|item| stored.contains(*item)).count();
            known.extend(&batch.items);
            let whole = there == batch.items.len();
            match (batch.acked, whole, there) {
                (true, true, _) => comparison.stored += there,
                (true, false, _) => comparison.lost.push(*number),
                (false, true, _) if batch.is_last => comparison.in_flight.push(*number),
                (false, _, 0) => {}
                (false, ..) => comparison.unexplained.push(*number),
            }
        }
        comparison.foreign = stored.iter().filter(|item| !known.contains(*item)).cloned().collect();
        comparison
    }

    /// Asserts that both hold the same, but for what was in flight at a kill.
    pub fn must_be(&self, stored: &BTreeSet<Item>, kills: usize) -> Comparison {
        let found = self.compare(stored);
        assert_eq!(found.lost, [0; 0], "acknowledged and not stored: {self} {found}");
        assert_eq!(found.unexplained, [0; 0], "stored, neither acknowledged nor in flight");
        assert_eq!(found.foreign, [], "stored, never yielded");
        assert!(found.in_flight.len() <= kills, "one batch is in flight at a kill: {found}");
        assert!(found.stored > 0, "nothing was compared: {self}");
        found
    }
}

impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (yielded, acked) = (self.yielded(), self.acked());
        write!(f, "{yielded} batches in {} runs, {acked} acknowledged", self.runs)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} acknowledged points stored, {} batches lost, {} more batches stored that were in flight",
            self.stored,
            self.lost.len(),
            self.in_flight.len()
        )
    }
}

/// All that InfluxDB holds of the source.
pub fn stored(influx: &Influx, database: &str) -> BTreeSet<Item> {
    let answer = influx.query(database, r#"SELECT value FROM numbered GROUP BY "series""#);
    let tables = answer["series"].as_array().cloned().unwrap_or_default();
    let mut items = BTreeSet::new();
    for table in &tables {
        let series = table["tags"]["series"].as_str().expect("its label");
        for row in table["values"].as_array().expect("rows") {
            let time = row[0].as_i64().expect("nanoseconds");
            let value = row[1].as_f64().expect("a number");
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "compared with what it was made of"
            )]
            let number = value as u64;
            let twice = !items.insert((series.to_owned(), time, number));
            assert!(!twice, "a point twice: {series} {time}");
        }
    }
    items
}

#[test]
fn the_comparison_finds_missing_and_surplus_records() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("log");
    let text = "open .\nyielded 1 0 2 100 .\nacked 1 .\nyielded 2 2 2 200 .\nopen .\nyielded 3 4 2 300 .\nyielded 4 6 2 400 .\nacked 4 .\nyield";
    fs::write(&path, text).expect("written");
    let book = Book::read(&path);
    let item = |series: &str, time, value| (series.to_owned(), time, value);
    let first = [item("0", 100, 0), item("1", 101, 1)];
    let flying = [item("0", 200, 2), item("1", 201, 3)];
    let idle = [item("0", 300, 4), item("1", 301, 5)];
    let last = [item("0", 400, 6), item("1", 401, 7)];
    let with = |parts: &[&[Item]]| parts.concat().into_iter().collect::<BTreeSet<_>>();
    let found = |parts: &[&[Item]]| book.compare(&with(parts));
    let all = found(&[&first, &last]);
    assert_eq!(all, Comparison { stored: 4, ..Comparison::default() });
    assert_eq!(found(&[&first, &flying, &last]).in_flight, [2]);
    assert_eq!(found(&[&first, &flying[..1], &last]).unexplained, [2], "a part of it");
    assert_eq!(found(&[&first, &idle, &last]).unexplained, [3], "a later one was yielded");
    assert_eq!(found(&[&first[1..], &last]).lost, [1]);
    assert_eq!(found(&[&first]).lost, [4]);
    let late = [item("1", 402, 7)];
    let wrong = found(&[&first, &last[..1], &late]);
    assert_eq!((wrong.lost, wrong.foreign), (vec![4], late.to_vec()));
}
