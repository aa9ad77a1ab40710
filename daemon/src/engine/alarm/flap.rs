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

use super::view::Change;
use crate::engine::threshold::rule::Flap;

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
pub(in crate::engine) struct Flaps {
    /// The parts in which it changed, the newest in the lowest bit.
    changes: u32,
    flapping: bool,
    /// When the newest of them began.
    at: Timestamp,
}

impl Flaps {
    /// Takes what a slot did to the alarm, and says whether that makes it flap or settle.
    pub(in crate::engine) fn judge(
        &mut self,
        edge: bool,
        at: Timestamp,
        flap: Option<&Flap>,
        every: Duration,
    ) -> Option<Change> {
        if !edge && *self == Self::default() {
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
        if edge {
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
    pub(in crate::engine) fn is_flapping(&self) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        tests::harness::{Harness, MINUTE, run, threshold},
        threshold::rule::Threshold,
    };

    /// A slot a minute, from the first one on; the scores that were seen.
    fn scores(flaps: &mut Flaps, from: u32, slots: &[bool]) -> Vec<String> {
        let flap = Flap::default();
        let each = (from..).zip(slots).map(|(slot, changed)| {
            let at = Timestamp::from_seconds(1_700_000_000).after(MINUTE * slot);
            flaps.judge(*changed, at, Some(&flap), MINUTE);
            format!("{:.1}{}", score(flaps.aged(at, MINUTE)), if flaps.flapping { "!" } else { "" })
        });
        each.collect()
    }

    #[test]
    fn icinga_so_many_changes_in_a_row_score_as_there() {
        let seen = scores(&mut Flaps::default(), 0, &[true; 25]);
        let vectors = [
            (1, "5.9"),
            (2, "11.7"),
            (3, "17.4"),
            (4, "23.0"),
            (5, "28.5"),
            (6, "33.9!"),
            (10, "54.5!"),
            (20, "99.0!"),
            // It can't reach 100 %.
            (25, "99.0!"),
        ];
        for (changes, score) in vectors {
            assert_eq!(seen[changes - 1], score, "{changes}");
        }
    }

    #[test]
    fn icinga_from_saturation_so_many_quiet_slots_score_as_there() {
        let mut flaps = Flaps::default();
        scores(&mut flaps, 0, &[true; 20]);
        let seen = scores(&mut flaps, 20, &[false; 21]);
        for (quiet, score) in [(12, "34.8!"), (13, "30.1!"), (14, "25.5!"), (15, "21.0")] {
            assert_eq!(seen[quiet - 1], score, "{quiet}");
        }
        assert_eq!((seen[18].as_str(), flaps), ("4.0", Flaps::default()));
    }

    #[test]
    fn icinga_differs_a_gap_is_as_long_as_the_slots_that_would_have_been_in_it() {
        let (mut judged, mut gap) = (Flaps::default(), Flaps::default());
        for flaps in [&mut judged, &mut gap] {
            scores(flaps, 0, &[true; 20]);
        }
        let slot_by_slot = scores(&mut judged, 20, &[false; 15]);
        assert_eq!(scores(&mut gap, 34, &[false]), slot_by_slot[14..]);
        // A day is long enough to settle, whatever the last slots were.
        let mut long = Flaps::default();
        scores(&mut long, 0, &[true; 20]);
        assert_eq!(scores(&mut long, 1460, &[true]), ["5.9"]);
    }

    #[test]
    fn the_score_depends_on_the_age_of_changes_alone() {
        let start = Timestamp::from_seconds(1_700_000_000);
        let decay = Some(MINUTE * 20);
        let flap = Flap { decay, ..Flap::default() };
        // The same changes, a minute apart, judged every minute, every ten seconds, and with gaps.
        let seen = [1, 6, 0].map(|looks: u32| {
            let mut flaps = Flaps::default();
            let mut begun = None;
            for slot in 0..10 {
                let at = start.after(MINUTE * slot);
                if flaps.judge(true, at, Some(&flap), Duration::from_secs(10)).is_some() {
                    begun = Some(slot);
                }
                for look in 1..looks {
                    let at = at.after(Duration::from_secs(10) * look);
                    flaps.judge(false, at, Some(&flap), Duration::from_secs(10));
                }
            }
            (begun, flaps)
        });
        assert_eq!(seen[0].0, Some(5));
        assert_eq!(seen[1], seen[0]);
        assert_eq!(seen[2], seen[0]);
        // Forward or back, the age is the same.
        let flaps = seen[0].1;
        for minutes in 0..25 {
            let (ahead, back) = (MINUTE * minutes, MINUTE * minutes);
            let part = MINUTE;
            assert_eq!(
                flaps.aged(flaps.at.after(ahead), part),
                flaps.aged(flaps.at.before(back), part)
            );
        }
    }

    #[test]
    fn twenty_slots_of_an_evaluator_are_the_default_whatever_every_is() {
        let flap = Flap::default();
        for every in [2, 30, 3600].map(Duration::from_secs) {
            let mut flaps = Flaps::default();
            let judge = |flaps: &mut Flaps, slot: u32, changed| {
                let at = Timestamp::from_seconds(1_700_000_000).after(every * slot);
                flaps.judge(changed, at, Some(&flap), every)
            };
            let begun = (0..20).filter_map(|slot| judge(&mut flaps, slot, true).map(|_| slot));
            assert_eq!(begun.collect::<Vec<_>>(), [5], "{every:?}");
            let settled = (20..60).filter_map(|slot| judge(&mut flaps, slot, false).map(|_| slot));
            assert_eq!(settled.collect::<Vec<_>>(), [34], "{every:?}");
            assert_eq!(flaps, Flaps::default());
        }
    }

    #[test]
    fn it_is_told_once_when_it_begins_and_once_when_it_settles_beside_its_occurrences() {
        let (harness, seen, _) = run(threshold(0), "#.#.#.#.................");
        assert_eq!(seen, "F-F-F-F-----------------");
        let cleared = "Resolved: cleared";
        let expected = ["Fired", cleared, "Fired", cleared, "Fired", cleared, "Flapping: cleared"];
        let expected = [&expected[..], &["Fired", cleared, "Settled"]].concat();
        assert_eq!(harness.changes(), expected);
        let pace = |one: &&crate::engine::Transition| one.change.is_flapping();
        let pace: Vec<_> = harness.transitions.iter().filter(pace).collect();
        assert!(pace[0].alarm.id.ends_with("-3") && pace[0].alarm.flapping);
        // Nothing fires when it settles: it bears the id of what would fire next.
        assert!(pace[1].alarm.id.ends_with("-5") && !pace[1].alarm.flapping);
        assert!(harness.transitions[7].alarm.flapping, "{:?}", harness.transitions[7]);
        // Five bits weigh less than 25 % when the newest is nine slots old.
        let (_, fired, ..) = run(Threshold { flap: None, ..threshold(0) }, "#.#.#.#.#.");
        assert_eq!(fired, "F-F-F-F-F-");
    }

    #[test]
    fn time_alone_settles_what_flaps_and_leaves_it_firing() {
        // After a quarter of an hour its source answers, and says nothing of the series.
        let (harness, seen, _) = run(threshold(0), "#.#.#.#!!!!!!!!!!!!!xxx");
        assert_eq!(seen, "F-F-F-FFFFFFFFFFFFFFFFF");
        let settled = harness.transitions.iter().filter(|one| one.change == Change::Settled);
        let settled: Vec<_> = settled.collect();
        assert_eq!(settled.len(), 1);
        assert_eq!(harness.changes().iter().filter(|change| *change == "Fired").count(), 4);
        // It is told of the occurrence that fires, and of no other.
        assert_eq!(settled[0].alarm.id, harness.alarms()[0].id);
        assert!(!harness.alarms()[0].flapping);
    }

    #[test]
    fn without_flap_nothing_flaps_and_what_did_settles() {
        let none = Threshold { flap: None, ..threshold(0) };
        let (harness, ..) = run(none.clone(), "#.#.#.#.#.");
        assert!(!harness.changes().iter().any(|change| change.starts_with("Flapping")));
        assert!(
            harness.stored.rows().all(|row| row.alarm.ended.is_some()),
            "nothing is remembered"
        );
        let mut harness = Harness::new(vec![threshold(0)]);
        harness.slots("#.#.#.");
        harness.restart(vec![none], 0, false);
        harness.slots("..");
        assert_eq!(harness.changes().last().map(String::as_str), Some("Settled"));
        assert!(
            harness.stored.rows().all(|row| row.alarm.ended.is_some()),
            "nothing is remembered"
        );
    }

    #[test]
    fn that_changes_no_longer_count_is_written_only_where_nothing_else_is_left() {
        let mut harness = Harness::new(vec![threshold(0)]);
        harness.slots("#");
        let written = harness.stored.0.clone();
        assert_eq!(written.len(), 1);
        harness.slots(&"#".repeat(30));
        assert_eq!(harness.stored.0, written);
        // After a restart it is too old as well.
        harness.restart(vec![threshold(0)], 0, false);
        harness.slots("#.#.#.");
        assert!(!harness.changes().iter().any(|change| change.starts_with("Flapping")));
        harness.slots(&".".repeat(30));
        assert!(
            harness.stored.rows().all(|row| row.alarm.ended.is_some()),
            "nothing is remembered"
        );
    }

    #[test]
    fn a_restart_takes_nothing_from_the_score_but_time() {
        let flaps_after = |down: u32| {
            let mut harness = Harness::new(vec![threshold(0)]);
            harness.slots("#.#.#");
            harness.restart(vec![threshold(0)], down, false);
            harness.slot(".");
            harness.changes().iter().any(|change| change.starts_with("Flapping"))
        };
        assert!(flaps_after(0));
        assert!(!flaps_after(10));
        // While it flaps and fires, it is shown so after a restart too.
        let mut harness = Harness::new(vec![threshold(0)]);
        harness.slots("#.#.#.#");
        assert!(harness.alarms()[0].flapping);
        harness.restart(vec![threshold(0)], 1, false);
        assert!(harness.alarms()[0].flapping);
    }
}
