//! A cursor: how far a log evaluator has read one source's queue, and how far that source has spoken.

use std::collections::BTreeMap;

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

use super::{matching::Found, rule::RuleIdentity};

/// A batch of a source's queue, as far as log evaluators want it.
#[derive(Clone, Debug)]
pub struct LogBatch {
    /// The source.
    pub source: String,
    /// The id of its queue.
    pub queue: String,
    /// The batch's sequence.
    pub position: i64,
    /// What was found in it.
    pub found: Found,
}

/// Where a log evaluator goes on in the queue of a source. It is written with what followed from
/// the batches up to there.
#[derive(Clone, Debug, PartialEq)]
pub struct LogCursor {
    /// The evaluator.
    pub evaluator: String,
    /// The source.
    pub source: String,
    /// The id of its queue; positions of another one mean nothing.
    pub queue: String,
    /// The sequence of the last batch that was judged.
    pub position: i64,
    /// What else it goes on with.
    pub state: CursorState,
}

/// Up to which batch what follows from it is written, by source and evaluator.
pub type Positions = BTreeMap<(String, String), i64>;

impl LogCursor {
    /// Whose it is: the source, the evaluator.
    pub fn of(&self) -> (String, String) {
        (self.source.clone(), self.evaluator.clone())
    }
}

/// What is kept of a cursor beside its position.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CursorState {
    /// Up to when the source was heard.
    pub(super) heard: Option<Timestamp>,
    /// Up to when the source has vouched to have said everything: what is older comes again.
    pub(super) vouched: Option<Timestamp>,
    /// When the evaluator began.
    pub(super) begun: Option<Timestamp>,
    /// What told alarms apart; none: it was not written down yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<RuleIdentity>,
    /// The time up to which it has judged.
    pub(super) clock: Timestamp,
    /// Records of this source.
    pub(super) records: u64,
    /// Matches of this source.
    pub(super) matches: u64,
}

/// A cursor at work.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) source: String,
    pub(super) queue: String,
    pub(super) position: i64,
    pub(super) state: CursorState,
    /// Whether nobody listened for a while: the daemon or the source was down.
    broken: bool,
}

impl Cursor {
    /// A cursor that has read nothing.
    pub(super) fn new(source: &str) -> Self {
        let (queue, state) = (String::new(), CursorState::default());
        Self { source: source.into(), queue, position: i64::MIN, state, broken: false }
    }

    /// Goes on where an earlier run has ended.
    pub(super) fn resume(&mut self, stored: LogCursor) {
        let LogCursor { queue, position, state, .. } = stored;
        *self =
            Self { queue, position, state, broken: true, source: std::mem::take(&mut self.source) };
    }

    /// The next batch; false: it was judged before.
    pub(super) fn moves_to(&mut self, queue: &str, position: i64) -> bool {
        if self.queue == queue && position <= self.position {
            return false;
        }
        self.queue = queue.into();
        self.position = position;
        true
    }

    /// Its place in the queue is gone: it takes whatever comes.
    pub(super) fn rewind(&mut self) {
        self.position = i64::MIN;
    }

    /// Nobody listens to the source now.
    pub(super) fn breaks(&mut self) {
        self.broken = true;
    }

    /// Whether a match of this time was counted before the source said it again.
    pub(super) fn has_had(&self, time: Timestamp) -> bool {
        self.state.vouched.is_some_and(|vouched| time <= vouched)
    }

    /// From when to when nobody had listened when it spoke again: a source that vouches for the
    /// time before has missed nothing of it.
    pub(super) fn gap(&mut self, found: &Found) -> Option<(Timestamp, Timestamp)> {
        let first = found.span.map(|(first, _)| first).or(found.vouched)?;
        let broken = std::mem::take(&mut self.broken);
        let before = self.state.heard.filter(|_| broken && found.vouched.is_none())?;
        Some((before, first))
    }

    /// It was heard up to `at`.
    pub(super) fn hears(&mut self, at: Timestamp) {
        self.state.heard = self.state.heard.max(Some(at));
    }

    /// All of a batch was judged.
    pub(super) fn done(&mut self, found: &Found) {
        let last = found.span.map(|(_, last)| last);
        self.state.heard = self.state.heard.max(last).max(found.vouched);
        self.state.vouched = self.state.vouched.max(found.vouched);
        self.state.records += found.records;
    }
}

impl CursorState {
    /// Takes what a clock that went back to `now` has stamped out of the future.
    pub(super) fn follow_clock(&mut self, now: Timestamp) {
        self.clock = self.clock.min(now);
        for time in [&mut self.heard, &mut self.vouched, &mut self.begun] {
            *time = time.map(|time| time.min(now));
        }
    }
}
