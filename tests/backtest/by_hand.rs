//! By hand: what evaluators count, from the values that were written, in as few lines as it takes.
#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a test's own"
)]

use std::time::Duration;

use haetae::engine::last_slot;
use haetae_plugin::Timestamp;

/// What is compared.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub fired: u64,
    pub resolved: u64,
    pub open: u64,
    /// Seconds.
    pub in_alarm: u64,
    pub longest: u64,
}

/// Which time is judged, and how far apart points are; a slot has a point at most.
#[derive(Clone, Copy)]
pub struct Rule {
    pub from: i64,
    pub to: i64,
    /// The time of the first point.
    pub begin: i64,
    pub step: i64,
    pub source: &'static str,
}

impl Rule {
    /// Of each slot the index of the newest point that is not after it.
    fn slots(self) -> impl Iterator<Item = usize> {
        let every = Duration::from_secs(self.step.unsigned_abs());
        let from = Timestamp::from_seconds(self.from);
        let first = last_slot(self.source, every, from).after(every);
        let slots = std::iter::successors(Some(first), move |slot| Some(slot.after(every)));
        let slots = slots.take_while(move |slot| *slot <= Timestamp::from_seconds(self.to));
        slots.map(move |slot| {
            let since = slot.since(Timestamp::from_seconds(self.begin)).as_secs();
            usize::try_from(since / self.step.unsigned_abs()).expect("small")
        })
    }

    /// The end of the range after the last slot, for alarms that are open: in seconds.
    fn rest(self) -> u64 {
        let every = Duration::from_secs(self.step.unsigned_abs());
        let to = Timestamp::from_seconds(self.to);
        to.since(last_slot(self.source, every, to)).as_nanos().try_into().expect("small")
    }

    pub fn newest(
        self,
        values: &[Vec<Option<u32>>],
        above: u32,
        clear: u32,
        hold: i64,
        clear_for: i64,
    ) -> Count {
        self.count(values, hold, clear_for, (above.into(), clear.into()), |host, at| {
            host[at].map(f64::from)
        })
    }

    /// The mean of `(slot - points * step, slot]`: of two points at least, the newest of the slot.
    pub fn own_window(
        self,
        values: &[Vec<Option<u32>>],
        points: usize,
        above: f64,
        clear: f64,
        hold: i64,
    ) -> Count {
        self.count(values, hold, 0, (above, clear), |host, at| {
            host[at]?;
            let inside: Vec<f64> = host[at + 1 - points..=at]
                .iter()
                .flatten()
                .map(|value| f64::from(*value))
                .collect();
            (inside.len() >= 2).then(|| inside.iter().sum::<f64>() / inside.len() as f64)
        })
    }

    /// The mean of `slot - points * step ≤ time < slot`, whichever points there are.
    pub fn pushed_down(
        self,
        values: &[Vec<Option<u32>>],
        points: usize,
        above: f64,
        hold: i64,
    ) -> Count {
        self.count(values, hold, 0, (above, above), |host, at| {
            let inside: Vec<f64> = host[at + 1 - points..=at]
                .iter()
                .flatten()
                .map(|value| f64::from(*value))
                .collect();
            (!inside.is_empty()).then(|| inside.iter().sum::<f64>() / inside.len() as f64)
        })
    }

    fn count(
        self,
        values: &[Vec<Option<u32>>],
        hold: i64,
        clear_for: i64,
        (above, clear): (f64, f64),
        read: impl Fn(&[Option<u32>], usize) -> Option<f64>,
    ) -> Count {
        let mut count = Count::default();
        let mut nanos = 0;
        for host in values {
            // Since which slot it fires, and how many slots on end have spoken for a change.
            let (mut fires, mut lasts, mut before) = (None, None, None);
            let mut last = 0;
            for at in self.slots() {
                last = at;
                let Some(value) = read(host, at) else { continue };
                let follows = before == Some(at.wrapping_sub(1));
                before = Some(at);
                let (turns, wait) = if fires.is_none() {
                    (value > above, hold)
                } else {
                    (value <= clear, clear_for)
                };
                lasts = turns
                    .then(|| lasts.map_or(0, |held: i64| held + i64::from(follows) * self.step));
                if lasts.is_some_and(|held| held >= wait) {
                    lasts = None;
                    match fires.take() {
                        None => {
                            count.fired += 1;
                            fires = Some(at);
                        }
                        Some(since) => {
                            count.resolved += 1;
                            let lasted = (at - since) as u64 * self.step.unsigned_abs();
                            count.in_alarm += lasted;
                            count.longest = count.longest.max(lasted);
                        }
                    }
                }
            }
            if let Some(since) = fires {
                count.open += 1;
                let lasted = (last - since) as u64 * self.step.unsigned_abs();
                nanos += self.rest();
                count.in_alarm += lasted;
                count.longest = count.longest.max(lasted + self.rest() / 1_000_000_000);
            }
        }
        count.in_alarm += nanos / 1_000_000_000;
        count
    }
}
