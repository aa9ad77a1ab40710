//! Flapping: an alarm that comes and goes, as a score of its changes.
//!
//! The last `decay` is cut into twenty equal parts. A part in which the alarm began or ended
//! counts 0.80 if it is the oldest and 1.18 if it is the newest; the score is a hundred times
//! their sum over twenty. By default a part is as long as a slot: then it is Icinga's score, so
//! long as slots follow each other. It depends on how long ago changes were and on nothing else: on
//! both edges alike, on a gap as on slots that were judged, whatever `every` is or was, and on a
//! clock that went back as on one that went ahead.

use std::time::Duration;

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

use super::{alarm::Change, threshold::Flap};

/// How many parts of time are looked back on.
const PARTS: u32 = 20;
/// One bit for each of them.
const ALL: u32 = (1 << PARTS) - 1;
/// What the newest part weighs, in hundredths, and how much less each older one does.
const NEWEST: u32 = 118;
const STEP: u32 = 2;

/// The recent changes of one identity: they outlive its occurrences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Flaps {
    /// The parts in which it changed, the newest in the lowest bit.
    changes: u32,
    flapping: bool,
    /// When the newest of them began.
    at: Timestamp,
}

impl Flaps {
    /// Takes what a slot did to the alarm, and says whether that makes it flap or settle.
    pub(super) fn judge(
        &mut self,
        changed: bool,
        at: Timestamp,
        flap: Option<&Flap>,
        every: Duration,
    ) -> Option<Change> {
        if !changed && *self == Self::default() {
            return None;
        }
        let Some(flap) = flap else {
            let was = std::mem::take(&mut self.flapping);
            // What has settled is stored once more before it is forgotten.
            self.changes &= if was { ALL } else { 0 };
            return was.then_some(Change::Settled).or_else(|| self.forget());
        };
        let part = flap.decay.map_or(every, |decay| decay / PARTS).max(Duration::from_nanos(1));
        let mut changes = self.aged(at, part);
        if changed {
            changes |= 1;
            let into = at.since(self.at).as_nanos() % part.as_nanos();
            let into = if changes == 1 { 0 } else { u64::try_from(into).unwrap_or(0) };
            *self = Self { changes, at: at.before(Duration::from_nanos(into)), ..*self };
        } else if changes == 0 && !self.flapping {
            return self.forget();
        }
        let score = score(changes);
        if !self.flapping && score > flap.start {
            self.flapping = true;
            Some(Change::Flapping)
        } else if self.flapping && score <= flap.stop {
            self.flapping = false;
            Some(Change::Settled)
        } else {
            None
        }
    }

    /// Whether it has come and gone too often of late.
    pub(super) fn is_flapping(&self) -> bool {
        self.flapping
    }

    /// Its changes as they lie at a time.
    fn aged(&self, at: Timestamp, part: Duration) -> u32 {
        let age = at.since(self.at).max(self.at.since(at)).as_nanos() / part.as_nanos();
        let age = u32::try_from(age).unwrap_or(PARTS).min(PARTS);
        (self.changes << age) & ALL
    }

    fn forget(&mut self) -> Option<Change> {
        *self = Self::default();
        None
    }
}

/// The score of changes, in percent.
fn score(changes: u32) -> f64 {
    let parts = (0..PARTS).filter(|age| changes & (1 << age) != 0);
    f64::from(parts.map(|age| NEWEST - STEP * age).sum::<u32>()) / f64::from(PARTS)
}
