//! The write-ahead log, looked at before `SQLite` does: what that can't read it takes for the
//! unfinished end of a commit, and throws away without a word.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

const HEADER: usize = 32;
const FRAME: usize = 24;
/// The last bit says in which byte order the sums are taken.
const MAGIC: u32 = 0x377f_0682;

/// What is wrong with the log at `path`; nothing, if there is none or if only its last commit is
/// unfinished, as it is after a power loss.
pub fn damage(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut file = BufReader::with_capacity(1 << 16, file);
    let mut header = [0; HEADER];
    if !fill(&mut file, &mut header)? {
        return Ok(None);
    }
    // The head is on the disk before the first frame is begun: without one nothing is lost.
    let is_bare = file.get_ref().metadata()?.len() < (HEADER + FRAME) as u64;
    if is_bare {
        return Ok(None);
    }
    let Some(log) = Log::of(&header) else {
        return Ok(Some("the head of its write-ahead log is damaged".into()));
    };
    let mut frame = vec![0; FRAME + log.page];
    let mut sums = log.sums;
    let mut broken_at = None;
    // Commits behind the first broken frame: one may be the one that was under way, since the next
    // is begun only when it is on the disk.
    let mut commits = 0;
    let mut number = 0_u64;
    while fill(&mut file, &mut frame)? {
        number += 1;
        // Left over from before the log was begun again.
        if word(&frame, 2, false) != log.salts.0 || word(&frame, 3, false) != log.salts.1 {
            broken_at.get_or_insert(number);
            continue;
        }
        if broken_at.is_none() {
            log.sum(&mut sums, frame.get(..8).unwrap_or_default());
            log.sum(&mut sums, frame.get(FRAME..).unwrap_or_default());
            if sums != (word(&frame, 4, false), word(&frame, 5, false)) {
                broken_at = Some(number);
            }
        }
        if broken_at.is_some() && word(&frame, 1, false) != 0 {
            commits += 1;
        }
    }
    let frame = broken_at.unwrap_or_default();
    Ok((commits > 1).then(|| {
        format!("its write-ahead log is damaged at frame {frame}: {commits} commits are lost")
    }))
}

struct Log {
    page: usize,
    salts: (u32, u32),
    sums: (u32, u32),
    little: bool,
}

impl Log {
    fn of(header: &[u8; HEADER]) -> Option<Self> {
        let magic = word(header, 0, false);
        let page = usize::try_from(word(header, 2, false)).ok()?;
        let salts = (word(header, 4, false), word(header, 5, false));
        let mut log = Self { page, salts, sums: (0, 0), little: magic & 1 == 0 };
        let mut sums = (0, 0);
        log.sum(&mut sums, header.get(..24)?);
        log.sums = sums;
        let is = magic & !1 == MAGIC
            && page.is_power_of_two()
            && (512..=65536).contains(&page)
            && sums == (word(header, 6, false), word(header, 7, false));
        is.then_some(log)
    }

    /// Goes on with both sums over pairs of words.
    fn sum(&self, sums: &mut (u32, u32), bytes: &[u8]) {
        for pair in bytes.chunks_exact(8) {
            sums.0 = sums.0.wrapping_add(word(pair, 0, self.little)).wrapping_add(sums.1);
            sums.1 = sums.1.wrapping_add(word(pair, 1, self.little)).wrapping_add(sums.0);
        }
    }
}

fn word(bytes: &[u8], index: usize, little: bool) -> u32 {
    let word = bytes.get(index * 4..).and_then(|rest| rest.first_chunk()).copied();
    let word = word.unwrap_or_default();
    if little { u32::from_le_bytes(word) } else { u32::from_be_bytes(word) }
}

/// Whether there was enough to fill it.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}
