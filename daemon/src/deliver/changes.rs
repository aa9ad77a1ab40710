//! Changes: what alarms do, as lines of the daemon's log; of a storm a few, and how many there were.

use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use tracing::info;

use super::render::{Voice, controls};
use crate::{engine::Transition, language::Language};

/// Lines in a second at the most: who reads more, asks; and a storm is not held up by its log.
const LINES: u32 = 100;
const SECOND: Duration = Duration::from_secs(1);

/// Writes changes of alarms into the log.
pub(super) struct Changes {
    voice: Voice,
    begun: Instant,
    lines: u32,
    left_out: u64,
}

impl Changes {
    pub(super) const fn new(now: Instant) -> Self {
        let voice = Voice { language: Language::En, zone: TimeZone::UTC };
        Self { voice, begun: now, lines: 0, left_out: 0 }
    }

    /// A line of each, or of as many as there may be.
    pub(super) fn note<'a>(
        &mut self,
        transitions: impl Iterator<Item = &'a Transition>,
        now: Instant,
    ) {
        self.pass(now);
        for transition in transitions {
            if self.lines < LINES {
                self.lines += 1;
                self.write(transition);
            } else {
                self.left_out += 1;
            }
        }
    }

    /// Says how many there were more, once the second is over.
    pub(super) fn pass(&mut self, now: Instant) {
        if now.duration_since(self.begun) < SECOND {
            return;
        }
        if self.left_out > 0 {
            let more = self.left_out;
            info!("{more} more alarms changed in the meantime: see `haetae alarm list --all`");
        }
        (self.begun, self.lines, self.left_out) = (now, 0, 0);
    }

    fn write(&self, Transition { change, alarm, .. }: &Transition) {
        let what = controls::title(&self.voice.summary(alarm));
        let (id, severity) = (&alarm.id, alarm.severity.as_str());
        if let (true, Some(reason)) = (change.is_end(), &alarm.reason) {
            info!(alarm = id, severity, reason, "{}: {what}", change.as_str());
        } else {
            info!(alarm = id, severity, "{}: {what}", change.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use haetae_plugin::{Severity, Timestamp};

    use super::*;
    use crate::{
        clock::monotonic,
        engine::{AlarmView, Change, Condition, Evidence, Summaries},
    };

    #[test]
    fn of_a_storm_a_few_are_written_and_the_rest_is_counted() {
        let time = Timestamp::from_seconds(7);
        let alarm = AlarmView {
            id: "a-1".into(),
            evaluator: "cpu".into(),
            labels: BTreeMap::new(),
            severity: Severity::Critical,
            condition: Condition::Firing,
            evidence: Evidence::Fresh,
            flapping: false,
            since: time,
            updated: time,
            ended: None,
            value: None,
            unit: String::new(),
            summaries: Summaries::default(),
            runbook: None,
            threshold: None,
            reason: None,
            excerpts: Vec::new(),
        };
        let transition = Transition { change: Change::Fired, alarm, at: time };
        let storm = vec![transition; 1000];
        let now = monotonic();
        let mut changes = Changes::new(now);
        changes.note(storm.iter(), now);
        assert_eq!((changes.lines, changes.left_out), (LINES, 900));
        changes.note(storm.iter().take(5), now + SECOND / 2);
        assert_eq!((changes.lines, changes.left_out), (LINES, 905));
        // Whoever comes in the next second is written again, after the number of those before.
        changes.note(storm.iter().take(5), now + SECOND);
        assert_eq!((changes.lines, changes.left_out), (5, 0));
    }
}
