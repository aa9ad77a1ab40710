//! The store that is hurt: notices of twelve alarms wait in it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    harness::{ALARMS, Harness, Keys, LIMIT, name},
    hurt::{LOG, STORE},
    support::{Daemon, within},
};

/// A store as a daemon left it that was killed, and as one left it that was stopped.
pub struct Origin {
    folder: TempDir,
    pub keys: Keys,
}

impl Origin {
    /// Lets the alarms fire while their sink is away.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("haetae-").tempdir().expect("a folder");
        let mut origin = Self { folder, keys: Keys::new() };
        for path in [origin.killed(), origin.stopped()] {
            fs::create_dir(path).expect("a folder");
        }
        let harness = Harness::new();
        harness.webhook.refuses(true);
        // So that its tables are in the file already.
        assert!(started(&harness).stop(), "it ends well");
        let daemon = started(&harness);
        fires(&harness, &daemon, ALARMS / 3);
        fs::copy(harness.state().join(LOG), origin.earlier()).expect("its log");
        origin.keys = fires(&harness, &daemon, ALARMS);
        // Without a chance to write anything.
        daemon.kill();
        Harness::copy(&harness.state(), &origin.killed());
        let daemon = started(&harness);
        assert_eq!(fires(&harness, &daemon, ALARMS), origin.keys, "they still wait");
        assert!(daemon.stop(), "it ends well");
        Harness::copy(&harness.state(), &origin.stopped());
        assert!(harness.webhook.taken().is_empty(), "nobody was notified");
        let length = |path: PathBuf| fs::metadata(path).map_or(0, |file| file.len());
        assert!(length(origin.killed().join(LOG)) > 0, "the killed one left a log");
        assert_eq!(length(origin.stopped().join(LOG)), 0, "the stopped one left none");
        assert!(length(origin.stopped().join(STORE)) > 0);
        origin
    }

    pub fn killed(&self) -> PathBuf {
        self.folder.path().join("killed")
    }

    pub fn stopped(&self) -> PathBuf {
        self.folder.path().join("stopped")
    }

    /// The log of the killed one as it was when a third of the alarms had fired.
    pub fn earlier(&self) -> PathBuf {
        self.folder.path().join("earlier")
    }
}

fn started(harness: &Harness) -> Daemon {
    let daemon = harness.start(&[]);
    daemon.unwrap_or_else(|output| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// Waits until the first alarms have fired and their notices were refused; the notices.
fn fires(harness: &Harness, daemon: &Daemon, count: usize) -> Keys {
    harness.control.connected();
    let waiting = within(LIMIT, || {
        harness.say(count, 99.0);
        let listed = harness.home.json(&["outbox", "list", "--sink", "webhook"])?;
        let rows = listed["notifications"].as_array()?;
        let refused = |row: &Value| row["reason"].as_str().is_some_and(|it| !it.is_empty());
        (rows.len() == count && rows.iter().all(refused)).then(|| rows.clone())
    });
    let waiting = waiting.unwrap_or_else(|| {
        panic!("{count} do not wait: {:#?}\n{:#?}", harness.home.json(&["status"]), daemon.lines())
    });
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let of = |row: &Value| {
        let notice = &row["notification"];
        (text(&notice["idempotency_key"]), text(&notice["labels"]["host"]))
    };
    let keys: BTreeMap<_, _> = waiting.iter().map(of).collect();
    let hosts: Vec<_> = (0..count).map(name).collect();
    assert!(hosts.iter().all(|host| keys.values().any(|it| it == host)), "{keys:#?}");
    keys
}

/// Keeps the files of a store whose case failed, to be looked at; where they are.
pub fn kept(store: &Path, name: &str) -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("damage").join(name);
    fs::create_dir_all(&to).expect("a folder");
    Harness::copy(store, &to);
    to
}
