//! What is done to the files of a store.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
};

use rusqlite::Connection;

use crate::{
    chance::Chance,
    wal::{self, FRAME},
};

pub const STORE: &str = "haetae.db";
pub const LOG: &str = "haetae.db-wal";
/// What the writer of the store says of its log, beside it.
pub const MARK: &str = "haetae.db-mark";
const PAGE: usize = 4096;
/// What stands before the first page's own header.
const FILE_HEADER: usize = 100;

/// One thing.
#[derive(Clone, Debug)]
pub enum Hurt {
    Nothing,
    /// One bit of a file is another one.
    Bit {
        file: &'static str,
        at: usize,
        bit: u32,
    },
    /// The log ends here.
    Cut(usize),
    /// A file is not there.
    Gone(&'static str),
    /// A file is of zero length.
    Empty(&'static str),
    /// The log is the one of an earlier moment.
    Earlier,
    /// The last transaction was never committed, and of it the log has bytes that are no frame.
    Bytes(Vec<u8>),
    /// The same: it has half a frame.
    HalfAFrame,
    /// The same: it has whole frames, and no commit.
    Uncommitted,
}

impl Hurt {
    /// Does it to the store in a folder; `earlier` is where a log of an earlier moment is.
    pub fn apply(&self, folder: &Path, earlier: &Path) {
        let (store, log) = (folder.join(STORE), folder.join(LOG));
        match self {
            Self::Nothing => {}
            Self::Bit { file, at, bit } => {
                let path = folder.join(file);
                let mut bytes = fs::read(&path).expect("the file");
                bytes[*at] ^= 1 << bit;
                fs::write(path, bytes).expect("written");
            }
            Self::Cut(end) => wal::cut(&log, *end),
            Self::Gone(file) => fs::remove_file(folder.join(file))
                .unwrap_or_else(|error| panic!("{file} beside the store: {error}")),
            Self::Empty(file) => wal::cut(&folder.join(file), 0),
            Self::Earlier => drop(fs::copy(earlier, log).expect("copied")),
            Self::Bytes(bytes) => append(&log, bytes),
            Self::HalfAFrame => {
                let bytes = fs::read(&log).expect("the log");
                let first = *wal::ends(&log).first().expect("its header");
                // With the salts of its log, as a write that a power failure tore.
                append(&log, &bytes[first..first + FRAME + PAGE / 2]);
            }
            Self::Uncommitted => uncommitted(&store, &log),
        }
    }
}

impl fmt::Display for Hurt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bit { file, at, bit } => {
                let (what, number) = match *file {
                    LOG => ("frame", at.saturating_sub(wal::HEADER) / (FRAME + PAGE) + 1),
                    _ => ("page", at / PAGE + 1),
                };
                write!(f, "bit {bit} of byte {at} of {file} ({what} {number})")
            }
            Self::Bytes(bytes) => write!(f, "{} bytes after the last commit", bytes.len()),
            other => write!(f, "{other:?}"),
        }
    }
}

/// Appends to a log behind its last commit.
fn append(log: &Path, bytes: &[u8]) {
    wal::cut(log, *wal::ends(log).last().expect("a commit"));
    let mut file = OpenOptions::new().append(true).open(log).expect("the log");
    file.write_all(bytes).expect("written");
}

/// Leaves a log as a kill does in the middle of a transaction that needs more memory than it has.
fn uncommitted(store: &Path, log: &Path) {
    let before = wal::ends(log);
    let database = Connection::open(store).expect("the store");
    let text = "PRAGMA cache_size = 10; PRAGMA cache_spill = 10; BEGIN;
        CREATE TABLE spilled (bytes BLOB);
        INSERT INTO spilled WITH RECURSIVE count(n) AS
            (VALUES (1) UNION ALL SELECT n + 1 FROM count WHERE n < 100)
            SELECT randomblob(4000) FROM count;";
    database.execute_batch(text).expect("written");
    let (as_it_is, whole) = (fs::read(log).expect("the log"), fs::read(store).expect("the store"));
    drop(database);
    // Its end took the log away.
    fs::write(log, as_it_is).expect("written");
    fs::write(store, whole).expect("written");
    let last = *before.last().expect("a commit");
    assert_eq!(wal::ends(log), before, "nothing more is committed");
    let length = fs::metadata(log).expect("the log").len();
    assert!(length > (last + 10 * (FRAME + PAGE)) as u64, "nothing was spilled");
}

/// A bit of a log, of what is committed there.
pub fn of_log(folder: &Path, chance: &mut Chance) -> Hurt {
    let end = *wal::ends(&folder.join(LOG)).last().expect("a commit");
    Hurt::Bit { file: LOG, at: chance.index(end), bit: chance.below(8) }
}

/// A bit of a store, where something is.
pub fn of_store(used: &[usize], chance: &mut Chance) -> Hurt {
    Hurt::Bit { file: STORE, at: used[chance.index(used.len())], bit: chance.below(8) }
}

/// The places of a store where something is: not in its free pages, nor between the cells of a page
/// and its head.
pub fn used(store: &Path) -> Vec<usize> {
    let bytes = fs::read(store).expect("the store");
    let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four")) as usize;
    let half =
        |at: usize| usize::from(u16::from_be_bytes(bytes[at..at + 2].try_into().expect("two")));
    assert_eq!(half(16), PAGE, "the size of a page");
    let mut free = BTreeSet::new();
    let mut trunk = word(32);
    while trunk != 0 && free.insert(trunk) {
        let at = (trunk - 1) * PAGE;
        free.extend((0..word(at + 4)).map(|leaf| word(at + 8 + 4 * leaf)));
        trunk = word(at);
    }
    let mut used = Vec::new();
    for page in 0..bytes.len() / PAGE {
        let start = page * PAGE;
        if free.contains(&(page + 1)) {
            continue;
        }
        let head = start + if page == 0 { FILE_HEADER } else { 0 };
        // A page of a table or of an index; the pages of long values are full of them.
        let size = match bytes[head] {
            2 | 5 => 12,
            10 | 13 => 8,
            _ => 0,
        };
        if size == 0 {
            used.extend(start..start + PAGE);
            continue;
        }
        used.extend(start..head + size + 2 * half(head + 3));
        used.extend(start + half(head + 5)..start + PAGE);
    }
    used
}
