//! Events: which peer is bad when and how, and when the daemon is killed, drawn by lot.

use std::{collections::BTreeMap, time::Duration};

use crate::{chance::Chance, ledger::Stays, servers::faulty_proxy::Fault};

/// The peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    Source,
    Sink,
    Store,
}

impl Peer {
    pub const ALL: [Self; 3] = [Self::Source, Self::Sink, Self::Store];
}

/// A time from the first to the second.
type Range = (Duration, Duration);

/// How long things last.
#[derive(Clone, Copy)]
pub struct Times {
    fault: Range,
    calm: Range,
    /// Each fourth calm: so long that all that is due must have been told.
    long_calm: Duration,
    kill: Range,
    pub stays: Stays,
}

const fn seconds(from: u64, to: u64) -> Range {
    (Duration::from_secs(from), Duration::from_secs(to))
}

/// So long after a kill the next daemon still starts.
const STARTING: Range = (Duration::ZERO, Duration::from_secs(1));

impl Times {
    /// For a run of minutes or hours.
    pub const LONG: Self = Self {
        fault: seconds(5, 40),
        calm: seconds(10, 50),
        long_calm: Duration::from_secs(100),
        kill: seconds(5, 70),
        stays: Stays { calm: Duration::from_secs(40), told: Duration::from_secs(20) },
    };
    /// For the gate.
    pub const SHORT: Self = Self {
        fault: seconds(3, 8),
        calm: seconds(3, 8),
        long_calm: Duration::from_secs(8),
        kill: seconds(10, 20),
        stays: Stays { calm: Duration::from_secs(6), told: Duration::from_secs(3) },
    };
}

/// What is to be done now.
#[derive(Debug, PartialEq)]
pub enum Event {
    /// These peers are bad from now on.
    Faults(Vec<(Peer, Fault)>),
    /// All peers are well again.
    Calm,
    Kill,
}

pub struct Events {
    times: Times,
    chance: Chance,
    next_change: Duration,
    next_kill: Duration,
    /// The kill waits for a mail to arrive: the daemon is busy then.
    at_mail: bool,
    is_bad: bool,
    /// Those that begin at `next_change`, while the daemon that was just killed starts.
    drawn: Vec<(Peer, Fault)>,
    calms: usize,
    pub faults: BTreeMap<(Peer, Fault), usize>,
    pub kills: usize,
    /// Those while a peer was bad.
    pub kills_in_faults: usize,
}

impl Events {
    pub fn of(times: Times, mut chance: Chance) -> Self {
        let next_change = between(&mut chance, times.calm);
        let next_kill = between(&mut chance, times.kill);
        Self {
            times,
            chance,
            next_change,
            next_kill,
            at_mail: false,
            is_bad: false,
            drawn: Vec::new(),
            calms: 0,
            faults: BTreeMap::new(),
            kills: 0,
            kills_in_faults: 0,
        }
    }

    /// What is due, if anything; `mailed` says that a mail has just arrived.
    pub fn next(&mut self, at: Duration, mailed: bool) -> Option<Event> {
        // One that waits for a mail in vain comes all the same.
        let late = self.next_kill + Duration::from_secs(10);
        if at >= self.next_kill && (!self.at_mail || mailed || at >= late) {
            // One of five is killed again while it starts.
            let range = if self.chance.below(5) == 0 { STARTING } else { self.times.kill };
            self.next_kill = at + between(&mut self.chance, range);
            self.at_mail = range != STARTING && self.chance.below(2) == 0;
            return Some(self.kill());
        }
        if at < self.next_change {
            return None;
        }
        if !self.is_bad {
            return Some(self.next_faults(at));
        }
        self.is_bad = false;
        self.calms += 1;
        let is_long = self.calms.is_multiple_of(4);
        let calm = between(&mut self.chance, self.times.calm);
        self.next_change = at + if is_long { self.times.long_calm } else { calm };
        Some(Event::Calm)
    }

    /// A store may become bad while a daemon takes up what is in it: then it is killed before.
    fn next_faults(&mut self, at: Duration) -> Event {
        if self.drawn.is_empty() {
            self.drawn = self.draw();
            let of_store = self.drawn.iter().any(|(peer, _)| *peer == Peer::Store);
            if of_store && self.chance.below(2) == 0 {
                self.next_change = at + self.chance.time(STARTING.1);
                return self.kill();
            }
        }
        self.is_bad = true;
        self.next_change = at + between(&mut self.chance, self.times.fault);
        Event::Faults(std::mem::take(&mut self.drawn))
    }

    fn kill(&mut self) -> Event {
        self.kills += 1;
        self.kills_in_faults += usize::from(self.is_bad);
        Event::Kill
    }

    /// When something is due next, a mail aside.
    pub fn until(&self) -> Duration {
        self.next_kill.min(self.next_change)
    }

    /// One peer that is bad, or two.
    fn draw(&mut self) -> Vec<(Peer, Fault)> {
        let (first, two) = (self.chance.index(3), self.chance.below(3) == 0);
        let second = (first + 1 + self.chance.index(2)) % 3;
        let bad: Vec<_> = [first, second]
            .into_iter()
            .take(if two { 2 } else { 1 })
            .map(|peer| (Peer::ALL[peer], Fault::ALL[self.chance.index(Fault::ALL.len())]))
            .collect();
        for one in &bad {
            *self.faults.entry(*one).or_default() += 1;
        }
        bad
    }
}

fn between(chance: &mut Chance, (from, to): Range) -> Duration {
    from + chance.time(to.saturating_sub(from))
}
