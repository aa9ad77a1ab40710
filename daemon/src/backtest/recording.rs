//! Recordings: what readers answered, on disk chunk by chunk.
//!
//! A recording is the state of an unfinished backtest: the engine is deterministic, so that what
//! it was given is where it stands. A chunk is one frame, `length crc32 postcard`, and synced
//! before the next is asked for; what a kill cut off is dropped when it is opened again.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use haetae_plugin::{Line, Timestamp};
use serde::{Deserialize, Serialize};

/// How it begins; the number is that of its form.
const MAGIC: &[u8] = b"haetae backtest 1\n";
/// Bytes of its head at most.
const HEAD: u64 = 4096;
/// Bytes of a frame at most.
const FRAME: u32 = 1 << 30;

/// A recording can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The disk refuses.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another backtest writes it.
    #[error("{0} is in use by another backtest: wait for it, or give another file with --state")]
    Taken(PathBuf),
    /// It is something else.
    #[error("{0} is not the state of a backtest: give another file with --state")]
    Foreign(PathBuf),
    /// It is of other questions.
    #[error(
        "{0} is the state of a backtest that asks something else (another range, other sources): remove it, or give another file with --state"
    )]
    Other(PathBuf),
}

/// What a recording is of: its first line after the magic one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// What tells its questions from others, but for their range.
    pub asks: String,
    /// Slots after this time are asked for.
    pub from: Timestamp,
    /// The last one is not after this time.
    pub to: Timestamp,
    /// How the range was given: `7d now` means the same range when the run goes on.
    pub range: String,
}

impl Head {
    /// The head of a recording, if there is one.
    pub fn read(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let mut text = Vec::new();
        BufReader::new(file).take(HEAD).read_to_end(&mut text).ok()?;
        let rest = text.strip_prefix(MAGIC)?;
        let line = rest.split(|byte| *byte == b'\n').next()?;
        serde_json::from_slice(line).ok()
    }
}

/// An open recording.
#[derive(Debug)]
pub(super) struct Recording {
    path: PathBuf,
    file: BufReader<File>,
    /// Where the next frame is, or will be.
    at: u64,
    /// Whether all that it has was read.
    read: bool,
}

/// What was answered about a piece of time, after the chunk before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Chunk {
    /// Up to when.
    pub(super) until: Timestamp,
    /// For each stream and each metric that it is asked for, in order.
    pub(super) answers: Vec<Vec<Vec<Packed>>>,
    /// Whether it stood in the recording.
    #[serde(skip)]
    pub(super) recorded: bool,
}

/// One series of an answer: times as second differences, which are mostly zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Packed {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) unit: String,
    times: Vec<i64>,
    values: Vec<f64>,
}

impl Recording {
    /// Opens the recording of these questions, or begins it.
    pub(super) fn open(path: &Path, head: &Head) -> Result<Self, RecordingError> {
        let failed = |source| RecordingError::Io { path: path.into(), source };
        let line = serde_json::to_vec(head).map_err(|error| failed(error.into()))?;
        let head = [MAGIC, &line, b"\n"].concat();
        let file = match File::options().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                begin(path, &head).map_err(failed)?
            }
            Err(error) => return Err(failed(error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(RecordingError::Taken(path.into())),
            Err(fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut file = BufReader::with_capacity(1 << 20, file);
        let mut own = vec![0; head.len()];
        let whole = filled(&mut file, &mut own).map_err(failed)?;
        if !own.starts_with(MAGIC) {
            return Err(RecordingError::Foreign(path.into()));
        }
        if !whole || own != head {
            return Err(RecordingError::Other(path.into()));
        }
        Ok(Self { path: path.into(), file, at: head.len() as u64, read: false })
    }

    /// The next chunk that it has; from the first `None` on it takes new ones.
    pub(super) fn next(&mut self) -> Result<Option<Chunk>, RecordingError> {
        if self.read {
            return Ok(None);
        }
        match self.frame() {
            Ok(Some(chunk)) => Ok(Some(chunk)),
            Ok(None) => {
                self.read = true;
                let file = self.file.get_mut();
                let cut = file.set_len(self.at).and_then(|()| file.seek(SeekFrom::Start(self.at)));
                cut.map(|_| None).map_err(|source| self.failed(source))
            }
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Adds a chunk; it stands when this returns.
    pub(super) fn add(&mut self, chunk: &Chunk) -> Result<(), RecordingError> {
        let body = postcard::to_stdvec(chunk).map_err(io::Error::other);
        let body = body.map_err(|source| self.failed(source))?;
        let length = u32::try_from(body.len()).ok().filter(|length| *length <= FRAME);
        let length = length.ok_or_else(|| self.failed(io::Error::other("a chunk is too large")))?;
        let crc = crc32fast::hash(&body);
        let frame = [&length.to_le_bytes(), &crc.to_le_bytes(), body.as_slice()].concat();
        let file = self.file.get_mut();
        let added = file.write_all(&frame).and_then(|()| file.sync_data());
        added.map_err(|source| self.failed(source))?;
        self.at += frame.len() as u64;
        Ok(())
    }

    /// Removes it: it is of no more use.
    pub(super) fn remove(self) {
        // Left behind it is only in the way: the next run of the same questions reads it.
        drop(fs::remove_file(&self.path));
    }

    /// The next frame; `None` at the end, and where one was cut off.
    fn frame(&mut self) -> io::Result<Option<Chunk>> {
        let (mut length, mut crc) = ([0; 4], [0; 4]);
        if !filled(&mut self.file, &mut length)? || !filled(&mut self.file, &mut crc)? {
            return Ok(None);
        }
        let (length, crc) = (u32::from_le_bytes(length), u32::from_le_bytes(crc));
        if length > FRAME {
            return Ok(None);
        }
        let mut body = Vec::new();
        self.file.by_ref().take(length.into()).read_to_end(&mut body)?;
        if body.len() as u64 != u64::from(length) || crc32fast::hash(&body) != crc {
            return Ok(None);
        }
        // Zeros are a frame too by their sum: one that says nothing is none.
        let Ok(chunk) = postcard::from_bytes::<Chunk>(&body) else { return Ok(None) };
        self.at += 8 + u64::from(length);
        Ok(Some(Chunk { recorded: true, ..chunk }))
    }

    fn failed(&self, source: io::Error) -> RecordingError {
        RecordingError::Io { path: self.path.clone(), source }
    }
}

impl Packed {
    /// Packs a series of an answer.
    pub(super) fn of(line: Line) -> Self {
        let (mut before, mut step) = (0_i64, 0_i64);
        let times = line.points.iter().map(|(time, _)| {
            let now = time.nanos().wrapping_sub(before);
            let change = now.wrapping_sub(step);
            (before, step) = (time.nanos(), now);
            change
        });
        let times = times.collect();
        let values = line.points.iter().map(|(_, value)| *value).collect();
        Self { name: line.name, labels: line.labels, unit: line.unit, times, values }
    }

    /// How many points it has.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Its points.
    pub(super) fn points(&self) -> impl Iterator<Item = (Timestamp, f64)> {
        let (mut before, mut step) = (0_i64, 0_i64);
        self.times.iter().zip(&self.values).map(move |(change, value)| {
            step = step.wrapping_add(*change);
            before = before.wrapping_add(step);
            (Timestamp::from_nanos(before), *value)
        })
    }
}

/// Begins a recording under its name only once its head stands.
fn begin(path: &Path, head: &[u8]) -> io::Result<File> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(head)?;
    file.as_file().sync_all()?;
    let mut file = file.persist(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()?;
    file.rewind()?;
    Ok(file)
}

/// Fills the buffer; false at the end of the file.
fn filled(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(until: i64) -> Chunk {
        let points = (0..until).map(|at| (Timestamp::from_nanos(at * at * 7 - 40), 0.1)).collect();
        let labels = BTreeMap::from([("a".to_owned(), until.to_string())]);
        let line = Line { name: "m".into(), labels, unit: "1".into(), points };
        let answers = vec![vec![vec![Packed::of(line)], Vec::new()]];
        Chunk { until: Timestamp::from_nanos(until), answers, recorded: true }
    }

    fn head(asks: &str) -> Head {
        let (from, to) = (Timestamp::from_nanos(-40), Timestamp::from_nanos(9));
        Head { asks: asks.into(), from, to, range: "7d now".into() }
    }

    fn all(recording: &mut Recording) -> Vec<Chunk> {
        std::iter::from_fn(|| recording.next().unwrap()).collect()
    }

    #[test]
    fn points_survive_packing() {
        let points = [i64::MIN, i64::MAX, 0, 5, 5].map(|at| (Timestamp::from_nanos(at), 1.5));
        let line = Line {
            name: "m".into(),
            labels: BTreeMap::new(),
            unit: "1".into(),
            points: points.to_vec(),
        };
        assert_eq!(Packed::of(line).points().collect::<Vec<_>>(), points);
    }

    #[test]
    fn wherever_a_kill_cuts_it_off_it_goes_on_from_the_last_whole_chunk() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/state");
        let mut recording = Recording::open(&path, &head("q")).unwrap();
        assert!(all(&mut recording).is_empty());
        let mut ends = vec![fs::metadata(&path).unwrap().len()];
        for until in 1..4 {
            recording.add(&chunk(until)).unwrap();
            ends.push(fs::metadata(&path).unwrap().len());
        }
        drop(recording);
        let whole = fs::read(&path).unwrap();
        for cut in ends[0]..=ends[3] {
            let mut torn = whole[..usize::try_from(cut).unwrap()].to_vec();
            // What the disk never got may read as zeros.
            torn.resize(whole.len().min(torn.len() + 20), 0);
            let same = |end: &&u64| {
                let end = usize::try_from(**end).unwrap();
                torn.get(..end) == whole.get(..end)
            };
            let intact = ends.iter().filter(same).count() - 1;
            fs::write(&path, &torn).unwrap();
            let mut recording = Recording::open(&path, &head("q")).unwrap();
            let kept = (1..).take(intact).map(chunk);
            assert_eq!(all(&mut recording), kept.collect::<Vec<_>>(), "{cut}");
            recording.add(&chunk(9)).unwrap();
            drop(recording);
            let again = all(&mut Recording::open(&path, &head("q")).unwrap());
            assert_eq!((again.len(), again.last()), (intact + 1, Some(&chunk(9))), "{cut}");
        }
    }

    #[test]
    fn one_of_other_questions_and_one_in_use_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let held = Recording::open(&path, &head("q")).unwrap();
        assert!(matches!(Recording::open(&path, &head("q")), Err(RecordingError::Taken(_))));
        drop(held);
        assert_eq!(Head::read(&path), Some(head("q")));
        assert!(matches!(Recording::open(&path, &head("r")), Err(RecordingError::Other(_))));
        for text in ["", "haetae", "something else, longer than the head of one"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(Recording::open(&path, &head("q")), Err(RecordingError::Foreign(_))));
            assert_eq!(Head::read(&path), None);
        }
    }
}
