//! The ledger: which host is in breach, and what mails said of it. It knows nothing of the daemon.

use std::{collections::BTreeMap, time::Duration};

use crate::{chance::Chance, mails::Mail};

/// The value of a host that is calm, and of one in breach.
pub const CALM: u32 = 1;
pub const BREACH: u32 = 95;

/// So long nothing is wrong with any peer before what is not told counts as lost: half a minute until all is
/// well, and some slots of a source.
pub const PATIENCE: Duration = Duration::from_secs(45);
/// So long it may take whatever is wrong meanwhile: several faults, one after the other.
pub const LONGEST: Duration = Duration::from_mins(10);

/// Where a host is; times are since the beginning.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It is calm, and all that was told of it is over.
    Calm { until: Duration },
    /// It is in breach, and nobody was told.
    Breach { since: Duration },
    /// It is in breach, and that was told by this mail; for a while longer.
    Told { first: Mail, until: Duration },
    /// It is calm again, and nobody was told.
    Ending { first: Mail, since: Duration },
    /// What was due did not come: it is left out from now on.
    Lost,
}

/// How long hosts stay calm, and in breach once that was told, at the most.
#[derive(Clone, Copy)]
pub struct Stays {
    pub calm: Duration,
    pub told: Duration,
}

/// What was counted and measured.
#[derive(Default)]
pub struct Counts {
    pub breaches: usize,
    pub told: usize,
    pub answered: usize,
    pub copies: usize,
    /// The longest from a breach, or its end, to the mail; and of that the time when all was well.
    pub longest: Duration,
    pub longest_quiet: Duration,
}

/// How things stand when something happens.
#[derive(Clone, Copy)]
pub struct Now {
    /// Since the beginning.
    pub at: Duration,
    /// The last instant when a peer was bad or the daemon was killed.
    pub trouble: Duration,
}

pub struct Ledger {
    pub hosts: BTreeMap<String, State>,
    stays: Stays,
    chance: Chance,
    /// When each Message-ID came last, and what it was.
    known: BTreeMap<String, (Duration, Mail)>,
    /// No breach begins any more.
    is_ending: bool,
    pub counts: Counts,
    /// What is wrong: `missed`, `unanswered`, `false` or `copy`, and more words.
    pub wrong: Vec<String>,
}

impl Ledger {
    pub fn of(hosts: impl Iterator<Item = String>, stays: Stays, mut chance: Chance) -> Self {
        let hosts = hosts.map(|host| (host, State::Calm { until: chance.time(stays.calm) }));
        Self {
            hosts: hosts.collect(),
            stays,
            chance,
            known: BTreeMap::new(),
            is_ending: false,
            counts: Counts::default(),
            wrong: Vec::new(),
        }
    }

    /// Time has come to this: what each host's value is from now on, and what has just changed.
    pub fn advance(&mut self, now: Now) -> Vec<String> {
        let mut changes = Vec::new();
        for (host, state) in &mut self.hosts {
            match state {
                State::Calm { until } if *until <= now.at && !self.is_ending => {
                    self.counts.breaches += 1;
                    changes.push(format!("{host} in breach"));
                    *state = State::Breach { since: now.at };
                }
                State::Told { first, until } if *until <= now.at || self.is_ending => {
                    changes.push(format!("{host} calm"));
                    *state = State::Ending { first: first.clone(), since: now.at };
                }
                State::Breach { since } if is_late(*since, now) => {
                    self.wrong.push(format!("missed: {host}, in breach since {since:.1?}"));
                    *state = State::Lost;
                }
                State::Ending { first, since } if is_late(*since, now) => {
                    let alarm = &first.alarm;
                    self.wrong
                        .push(format!("unanswered: {alarm} of {host}, over since {since:.1?}"));
                    *state = State::Lost;
                }
                _ => {}
            }
        }
        changes
    }

    /// The value of each host.
    pub fn values(&self) -> impl Iterator<Item = (&str, u32)> {
        self.hosts.iter().map(|(host, state)| {
            let is_breach = matches!(state, State::Breach { .. } | State::Told { .. });
            (host.as_str(), if is_breach { BREACH } else { CALM })
        })
    }

    /// A mail has arrived.
    pub fn hears(&mut self, now: Now, mail: Mail) {
        if let Some((before, known)) = self.known.insert(mail.id.clone(), (now.at, mail.clone())) {
            return self.hears_again(now, before, &known, &mail);
        }
        let Some(state) = self.hosts.get_mut(&mail.host) else {
            return self.wrong.push(format!("false: {mail:?} is of no host"));
        };
        let next = match (&*state, mail.reason.as_str()) {
            (State::Breach { since }, "first") if mail.answers.is_none() => {
                self.counts.told += 1;
                self.counts.measure(*since, now);
                State::Told { first: mail, until: now.at + self.chance.time(self.stays.told) }
            }
            (State::Ending { first, since }, "resolved") if mail.ends(first) => {
                self.counts.answered += 1;
                self.counts.measure(*since, now);
                State::Calm { until: now.at + self.chance.time(self.stays.calm) }
            }
            (state, _) => {
                return self
                    .wrong
                    .push(format!("false: {mail:?} at {:.1?}, while {state:?}", now.at));
            }
        };
        *state = next;
    }

    /// The same Message-ID once more: the same mail, and something was wrong since it came before.
    fn hears_again(&mut self, now: Now, before: Duration, known: &Mail, mail: &Mail) {
        self.counts.copies += 1;
        if known != mail {
            self.wrong.push(format!("copy: {mail:?} is not {known:?}"));
        }
        // A mail is on its way for a moment when what is wrong begins or has just ended.
        if now.trouble + crate::peers::DEADLINE * 2 < before {
            self.wrong.push(format!("copy: {mail:?} at {before:.1?} and again at {:.1?}", now.at));
        }
    }

    /// From now on no breach begins.
    pub fn end(&mut self) {
        self.is_ending = true;
    }

    /// Nothing is due any more.
    pub fn is_settled(&self) -> bool {
        self.hosts.values().all(|state| matches!(state, State::Calm { .. } | State::Lost))
    }
}

/// Whether that which is due since then should be here.
fn is_late(since: Duration, now: Now) -> bool {
    now.at.saturating_sub(since.max(now.trouble)) > PATIENCE
        || now.at.saturating_sub(since) > LONGEST
}

impl Counts {
    fn measure(&mut self, since: Duration, now: Now) {
        self.longest = self.longest.max(now.at.saturating_sub(since));
        let quiet = now.at.saturating_sub(since.max(now.trouble));
        self.longest_quiet = self.longest_quiet.max(quiet);
    }
}
