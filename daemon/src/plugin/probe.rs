//! Trying libraries: each is opened by a child of this program first, so that one that crashes or hangs
//! when it is opened ends the child, and is refused as every other file that can't be loaded.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io::{BufRead, BufReader, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use haetae_plugin::{Metric, export::Description};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    image::Image,
    library::{self, Loaded, Storage},
    refusal::Refusal,
};

/// How long a library may take to be opened, or to answer.
const LIMIT: Duration = Duration::from_secs(15);
/// The most memory that a damaged one can ask for.
const MEMORY: u64 = 8 << 30;

/// What the child is asked about the file of that number.
#[derive(Serialize, Deserialize)]
enum ProbeRequest {
    Describe(usize),
    Metrics(usize, String, String),
}

/// What a library that could be opened says of itself.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Tried {
    /// Of the bytes that were opened.
    pub(super) sha256: String,
    pub(super) description: Description,
}

/// What is wrong with a file, as the child says it.
#[derive(Serialize, Deserialize)]
struct ProbeError {
    code: String,
    cause: String,
    cure: String,
}

/// One child for all files, started when it is first needed and again after each crash.
pub(super) struct Probe {
    /// The program that tries, and what it is told before the files.
    program: (PathBuf, Vec<String>),
    files: Vec<PathBuf>,
    limit: Duration,
    running: Mutex<Option<ProbeChild>>,
}

struct ProbeChild {
    child: Child,
    questions: ChildStdin,
    answers: Receiver<String>,
    reader: Option<JoinHandle<()>>,
}

impl Probe {
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        // This very program, also while its file is replaced.
        let program = ("/proc/self/exe".into(), vec!["plugin-probe".into(), "--".into()]);
        Self { program, files, limit: LIMIT, running: Mutex::default() }
    }

    /// What the library in `file` says of itself.
    pub(super) fn describe(&self, file: &Path) -> Result<Tried, Refusal> {
        let described: Result<_, ProbeError> = self.ask(file, ProbeRequest::Describe)?;
        described
            .map_err(|ProbeError { code, cause, cure }| Refusal::described(file, code, cause, cure))
    }

    /// What a source of `kind` yields with these options.
    pub(super) fn metrics(
        &self,
        file: &Path,
        kind: &str,
        options: String,
    ) -> Result<Vec<Metric>, String> {
        let metrics = |at| ProbeRequest::Metrics(at, kind.into(), options);
        self.ask(file, metrics).map_err(|refusal| refusal.to_string())?
    }

    fn ask<T: DeserializeOwned>(
        &self,
        file: &Path,
        question: impl FnOnce(usize) -> ProbeRequest,
    ) -> Result<T, Refusal> {
        let untried = |error: &dyn std::fmt::Display| Refusal::untried(file, error);
        let at = self.files.iter().position(|known| known == file);
        let question = question(at.ok_or_else(|| untried(&"it is none of the files"))?);
        let question = serde_json::to_string(&question).map_err(|error| untried(&error))?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let child = match running.take() {
            Some(child) => running.insert(child),
            None => running.insert(self.start().map_err(|error| untried(&error))?),
        };
        // One that has ended takes no question; how it ended is found below.
        drop(writeln!(child.questions, "{question}"));
        match child.answers.recv_timeout(self.limit) {
            Ok(answer) => serde_json::from_str(&answer).map_err(|error| untried(&error)),
            Err(RecvTimeoutError::Timeout) => {
                *running = None;
                Err(Refusal::hangs(file, self.limit))
            }
            Err(RecvTimeoutError::Disconnected) => {
                // One that only closed what it answers on is not waited for.
                drop(child.child.kill());
                let ended = child.child.wait();
                *running = None;
                Err(Refusal::crashes(file, &ended.map_or_else(|error| error.to_string(), how)))
            }
        }
    }

    fn start(&self) -> std::io::Result<ProbeChild> {
        let (program, arguments) = &self.program;
        let mut command = Command::new(program);
        command.arg0("haetae").args(arguments).args(&self.files);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(questions), Some(lines)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        // A question is asked after the answer to the one before.
        let (answered, answers) = sync_channel(1);
        let read = move || {
            // What a damaged library says of itself may be no text.
            for line in BufReader::new(lines).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                if answered.send(line).is_err() {
                    return;
                }
            }
        };
        let reader = thread::Builder::new().name("plugin probe".into()).spawn(read)?;
        Ok(ProbeChild { child, questions, answers, reader: Some(reader) })
    }
}

impl Drop for ProbeChild {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
        // Its end is the end of what is read.
        drop(self.reader.take().map(JoinHandle::join));
    }
}

/// How a process ended, in words.
fn how(ended: ExitStatus) -> String {
    let signals = [
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGFPE, "SIGFPE"),
        (libc::SIGTRAP, "SIGTRAP"),
        (libc::SIGKILL, "SIGKILL"),
    ];
    match ended.signal() {
        Some(signal) => match signals.iter().find(|(known, _)| *known == signal) {
            Some((_, name)) => (*name).into(),
            None => format!("signal {signal}"),
        },
        None => format!("an exit of the process, code {}", ended.code().unwrap_or_default()),
    }
}

/// The child: answers one line a question, until there are no more.
pub fn answer(files: &[PathBuf]) -> std::io::Result<()> {
    let limits = [(Resource::Core, 0), (Resource::As, MEMORY)];
    for (resource, limit) in limits {
        // A lower one that is there already is as good.
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(resource, limit).unwrap_or_default();
    }
    // Whatever a library prints is no answer.
    let mut answers = std::fs::File::from(rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 0)?);
    rustix::stdio::dup2_stdout(std::io::stderr())?;
    let mut opened = BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?)? {
            ProbeRequest::Describe(at) => {
                let tried = open(files, at, &mut opened).map(|(sha256, loaded)| Tried {
                    sha256: sha256.clone(),
                    description: loaded.description.clone(),
                });
                serde_json::to_string(&tried)
            }
            ProbeRequest::Metrics(at, kind, options) => {
                let metrics = open(files, at, &mut opened).map_err(|error| error.cause);
                let metrics = metrics.and_then(|(_, loaded)| {
                    let metrics = loaded.library.metrics(&kind, &options);
                    metrics.map_err(|error| error.to_string())
                });
                serde_json::to_string(&metrics)
            }
        };
        writeln!(answers, "{}", answer?)?;
    }
    Ok(())
}

/// The library of that number with the digest of its bytes, opened when first asked for.
fn open<'a>(
    files: &[PathBuf],
    at: usize,
    opened: &'a mut BTreeMap<usize, (String, Loaded)>,
) -> Result<&'a (String, Loaded), ProbeError> {
    match opened.entry(at) {
        Entry::Occupied(known) => Ok(known.into_mut()),
        Entry::Vacant(new) => {
            let wrong = |Refusal { code, cause, cure, .. }: Refusal| {
                let code = code.into();
                ProbeError { code, cause, cure }
            };
            let file = files.get(at).map_or(Path::new(""), PathBuf::as_path);
            let (image, bytes) = Image::read(file).map_err(wrong)?;
            let loaded = library::open(&image, &bytes, &Storage::Memory).map_err(wrong)?;
            Ok(new.insert((image.sha256, loaded)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(script: &str) -> String {
        let program = ("/bin/sh".into(), vec!["-c".into(), script.into()]);
        let (files, limit) = (vec![PathBuf::from("x.so")], Duration::from_millis(300));
        let probe = Probe { program, files, limit, running: Mutex::default() };
        let refusals = [(); 2].map(|()| probe.describe(Path::new("x.so")).map(|_| ()).unwrap_err());
        // What comes after it is tried by another child.
        assert_eq!(refusals[0], refusals[1]);
        refusals[0].to_string()
    }

    #[test]
    fn a_library_that_ends_or_holds_the_child_is_refused() {
        let cases = [
            ("kill -SEGV $$", "crashed with SIGSEGV when it was opened"),
            ("kill -ABRT $$", "crashed with SIGABRT when it was opened"),
            ("exit 3", "crashed with an exit of the process, code 3 when it was opened"),
            ("exec sleep 60", "did not answer within 300ms when it was opened"),
            // Answers that are no text, and none any more from one that lives.
            (r"while read q; do printf '\377\n'; done", "expected value at line 1"),
            ("exec >&-; exec sleep 60", "crashed with SIGKILL when it was opened"),
        ];
        for (script, cause) in cases {
            assert!(said(script).contains(cause), "{script}: {}", said(script));
        }
    }
}
