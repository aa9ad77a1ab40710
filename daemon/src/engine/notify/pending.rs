//! Pending: what a step leads to, and the timers.

use std::collections::{BTreeMap, BTreeSet};

use haetae_plugin::Timestamp;

use super::{Flush, StoredGroup, Withheld, rows::GroupState};
use crate::engine::{Effects, Handling, alarm::id::AlarmId};

/// What a timer is for; sinks and groups go by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The acknowledgement of an alarm ends.
    Handling(AlarmId),
    /// A silence or a maintenance begins or ends.
    Silences,
    /// The quiet hours of a sink end.
    Quiet(usize),
    /// A sink may be told again.
    Rate(usize),
    /// A group of a sink may have something to tell.
    Group(usize, u32),
}

/// Effects in the making, and the timers.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) timers: BTreeSet<(Timestamp, Timer)>,
    /// Groups that wait for nothing, not even for the moment to be over.
    pub(super) urgent: BTreeSet<(usize, u32)>,
    pub(super) flushes: Vec<Flush>,
    pub(super) handled: Vec<(String, Handling)>,
    withheld: Vec<Withheld>,
    /// By sink and key: the last one counts.
    rows: BTreeMap<(String, String), Option<GroupState>>,
}

impl Pending {
    /// The next timer that ran out before this moment.
    pub(super) fn ring_before(&mut self, now: Timestamp) -> Option<Timer> {
        let (at, _) = self.timers.first()?;
        if *at >= now {
            return None;
        }
        self.timers.pop_first().map(|(_, timer)| timer)
    }

    /// Replaces what is stored.
    pub(super) fn store(&mut self, sink: &str, key: String, row: GroupState) {
        self.rows.insert((sink.into(), key), Some(row));
    }

    /// Deletes what is stored.
    pub(super) fn forget(&mut self, sink: &str, key: String) {
        self.rows.insert((sink.into(), key), None);
    }

    /// Says why a sink is not told of an alarm.
    pub(super) fn withhold(&mut self, withheld: Withheld) {
        self.withheld.push(withheld);
    }

    /// Hands over what the step led to.
    pub(super) fn drain(&mut self, effects: &mut Effects) {
        effects.flushes.append(&mut self.flushes);
        effects.handled.append(&mut self.handled);
        effects.withheld.append(&mut self.withheld);
        for ((sink, key), row) in std::mem::take(&mut self.rows) {
            let state = row.map(|row| serde_json::to_string(&row)).transpose();
            // What has no text leaves what is stored as it is: no state would delete it.
            if let Ok(state) = state {
                effects.groups.push(StoredGroup { sink, key, state });
            }
        }
    }
}
