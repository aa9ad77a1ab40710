//! The ledger: what the test made happen, and so what people must have been told. It knows nothing
//! of the daemon.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use crate::chance::Chance;

/// What a value means: nothing, a warning, a critical alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    #[default]
    Well,
    Warning,
    Critical,
}

impl Level {
    const ALL: [Self; 3] = [Self::Well, Self::Warning, Self::Critical];

    fn value(self) -> u32 {
        match self {
            Self::Well => 1,
            Self::Warning => 70,
            Self::Critical => 95,
        }
    }

    /// As the daemon calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What happened to each id.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The level of each id now.
    pub now: BTreeMap<String, Level>,
    /// For each id its alarms, and for each alarm the notices that are due, in order.
    pub due: BTreeMap<String, Vec<Vec<&'static str>>>,
    version: u32,
}

impl Ledger {
    /// So many ids, all well.
    pub fn of(ids: u32) -> Self {
        let now = (0..ids).map(|id| (format!("id-{id:02}"), Level::Well)).collect();
        Self { now, due: BTreeMap::new(), version: 0 }
    }

    /// Changes some of the ids, the first time and every fourth most of them; returns how many.
    pub fn change(&mut self, chance: &mut Chance) -> usize {
        let mut changed = 0;
        let of_six = if self.version % 4 == 1 { 5 } else { 1 };
        for id in self.now.keys().cloned().collect::<Vec<_>>() {
            if chance.below(6) < of_six {
                let others: Vec<_> =
                    Level::ALL.into_iter().filter(|level| *level != self.now[&id]).collect();
                self.set(&id, others[chance.index(2)]);
                changed += 1;
            }
        }
        changed
    }

    /// Sets one.
    pub fn set(&mut self, id: &str, level: Level) {
        let before = std::mem::replace(self.now.get_mut(id).expect("an id"), level);
        let alarms = self.due.entry(id.into()).or_default();
        match (before, level) {
            (Level::Well, Level::Well) => {}
            (Level::Well, _) => alarms.push(vec!["first"]),
            (_, Level::Well) => alarms.last_mut().expect("it fires").push("resolved"),
            _ if level > before => alarms.last_mut().expect("it fires").push("worse"),
            _ if level < before => alarms.last_mut().expect("it fires").push("better"),
            _ => {}
        }
    }

    /// Writes what the source reads, whole; returns the name that it will say it has read.
    pub fn write(&mut self, path: &Path) -> String {
        self.version += 1;
        let name = format!("v{}", self.version);
        let mut text = format!("{name}\n");
        for (id, level) in &self.now {
            writeln!(text, "{id} {}", level.value()).expect("a text");
        }
        let beside = path.with_extension("beside");
        fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).expect("its own file");
        name
    }
}
