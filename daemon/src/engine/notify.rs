//! Notify: who is told what and when. Alarms are muted, grouped for each sink, and told or not,
//! with a reason for either.

pub(in crate::engine) mod active;
mod dedup;
mod due;
mod escalate;
mod explain;
mod flapping;
mod flush;
mod group_state;
mod notifier;
mod pending;
mod reload;
mod restore;
mod rows;
mod sink_groups;
mod start;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use haetae_plugin::{Reason, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    alarm::{id::AlarmId, view::AlarmView},
    mute::{calendar::Recurring, matcher::Matcher},
};

pub(super) use self::{active::Views, notifier::Notifier};
pub use super::mute::inhibit::Inhibit;

/// A sink as the engine sees it.
#[derive(Clone, Debug)]
pub struct Route {
    /// The sink.
    pub sink: String,
    /// Where the configuration says so: `haetae.toml:12`.
    pub place: String,
    /// The evaluators that it is told of.
    pub inputs: Vec<String>,
    /// Whether it is told of system alarms: it names `system`, or no sink does.
    pub system: bool,
    /// Which of their alarms; all must match. They see `severity` and `evaluator` as labels too.
    pub matchers: Vec<Matcher>,
    /// What makes a group.
    pub group_by: GroupBy,
    /// How long a new group waits for more.
    pub group_wait: Duration,
    /// The least time between two notices of a group, but for repeats.
    pub group_interval: Duration,
    /// How long after a notice the same is told again: the first time, the second …; the last one
    /// goes on. Empty: never.
    pub repeat: Vec<Duration>,
    /// Whether ends are told.
    pub resolved: bool,
    /// When nobody is to be woken.
    pub quiet: Option<Quiet>,
    /// Who is told if nobody takes it up.
    pub escalate: Option<Escalate>,
    /// The most notices in a while; what is more becomes a digest.
    pub rate: Rate,
}

/// What makes a group of alarms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// Each occurrence of an alarm is one.
    Alarm,
    /// Those that are alike in these labels; `severity` and `evaluator` count as labels.
    Labels(Vec<String>),
}

/// When a sink is told of nothing but the worst.
#[derive(Clone, Debug)]
pub struct Quiet {
    /// Where the configuration says so.
    pub place: String,
    /// When.
    pub hours: Recurring,
    /// What is told all the same.
    pub except: Vec<Matcher>,
}

/// Who is told if nobody takes a group up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalate {
    /// Where the configuration says so.
    pub place: String,
    /// After how long.
    pub after: Duration,
    /// The sink that is told.
    pub to: String,
    /// Whether an acknowledgement of all of its alarms stops it.
    pub unless_acknowledged: bool,
}

/// The most notices in a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; zero: as many as there are.
    pub most: u32,
    /// In how long.
    pub per: Duration,
}

/// What a sink is told: a row of the outbox, yet without words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flush {
    /// The sink.
    pub sink: String,
    /// The group, for as long as it lasts.
    pub key: String,
    /// What its alarms have in common.
    pub labels: BTreeMap<String, String>,
    /// Why.
    pub reason: Reason,
    /// The alarms: those that fire as they are now, worst first, then those whose end is told.
    pub alarms: Vec<AlarmView>,
    /// Ids of those among them that are new, changed or ended since the notice before.
    pub news: Vec<String>,
    /// When it was decided.
    pub at: Timestamp,
}

/// What is stored of a group, under its sink and its labels' text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredGroup {
    /// The sink.
    pub sink: String,
    /// The group, for as long as it lasts.
    pub key: String,
    /// What the engine goes on from, as JSON; only the engine reads it. None: the group is over.
    pub state: Option<String>,
}

impl StoredGroup {
    /// The alarm, if this is what is stored of one in a group: the group tells the sink of its end,
    /// if the sink was told of it.
    pub fn alarm(&self) -> Option<&str> {
        let (_, alarm) = self.key.rsplit_once('#')?;
        AlarmId::parse(alarm).map(|_| alarm)
    }

    /// Whether the engine can go on from this state.
    pub fn check(state: &str) -> serde_json::Result<()> {
        rows::GroupState::read(state).map(drop)
    }
}

/// That a sink is not told of an alarm for now, or not any more withheld from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Withheld {
    /// The sink.
    pub sink: String,
    /// The alarm.
    pub alarm: String,
    /// Why; none: nothing stands against it any more.
    pub why: Option<Why>,
    /// When it was decided.
    pub at: Timestamp,
}

/// Why a sink is not told of an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Why {
    /// Its inputs or matchers leave the alarm pending.
    NotWanted {
        /// The line of the configuration.
        place: String,
    },
    /// A person does not want to hear of it.
    Silenced {
        /// The silence.
        silence: String,
        /// Who made it.
        author: String,
        /// Why.
        reason: String,
        /// Until when, if that is known.
        until: Option<Timestamp>,
    },
    /// The configuration says that it is worked on.
    Maintenance {
        /// The line of the configuration.
        place: String,
        /// Until when.
        until: Option<Timestamp>,
    },
    /// Another alarm explains it.
    Inhibited {
        /// The line of the configuration.
        place: String,
        /// The alarm.
        by: String,
    },
    /// Its source is down: there is one alarm about that.
    SourceDown {
        /// The source.
        source: String,
    },
    /// A person has it in hand, or is done with it.
    Handled {
        /// `acknowledged`, `in progress` or `closed`.
        how: String,
        /// Who.
        by: String,
        /// Until when.
        until: Option<Timestamp>,
    },
    /// It is night.
    Quiet {
        /// The line of the configuration.
        place: String,
        /// Until when.
        until: Option<Timestamp>,
    },
    /// It comes and goes.
    Flapping,
    /// It was over before nothing stood against telling it any more.
    Ended,
    /// Its group waits for more, or was told of something else just now.
    Grouped {
        /// The line of the configuration.
        place: String,
        /// When the group is told.
        due: Timestamp,
    },
    /// It was told, and it is not yet time to tell it again.
    RepeatNotDue {
        /// The line of the configuration.
        place: String,
        /// When it was told.
        #[serde(rename = "told")]
        notified: Timestamp,
        /// When it is told again; none: never.
        due: Option<Timestamp>,
    },
    /// The daemon has just started: its sources have not all spoken.
    Starting {
        /// Until when at the latest.
        until: Timestamp,
    },
}

/// What is known of one alarm and one sink: why it was told or not, and what comes next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The sink.
    pub sink: String,
    /// The line of the configuration that makes the sink want it, or not.
    pub place: String,
    /// The group that it is in, if there is one.
    pub group: Option<String>,
    /// When it was told last, and why.
    #[serde(rename = "told")]
    pub notified: Option<(Timestamp, Reason)>,
    /// All that stands against telling it now.
    pub against: Vec<Why>,
    /// When what is told next if nothing changes.
    pub next: Option<(Timestamp, Reason)>,
}
