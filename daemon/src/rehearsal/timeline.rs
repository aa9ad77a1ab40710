//! A strip: where each alarm stood, a character a slot.

use std::collections::BTreeMap;

use haetae_plugin::Severity;

use crate::engine::{AlarmView, Condition};

/// What a terminal shows in a line.
const WIDTH: usize = 100;
/// More alarms than this nobody compares by eye.
const MOST: usize = 8;

/// The conditions of the alarms of a test: `.` ok, `p` pending, `W` warning, `C` critical, `r`
/// recovering.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    slots: usize,
    rows: BTreeMap<BTreeMap<String, String>, String>,
}

impl Timeline {
    /// Each alarm's labels and its line.
    pub fn rows(&self) -> impl Iterator<Item = (&BTreeMap<String, String>, &str)> {
        self.rows.iter().map(|(labels, row)| (labels, row.as_str()))
    }

    /// Whether it takes no more.
    pub(super) fn is_full(&self) -> bool {
        self.slots >= WIDTH
    }

    /// Adds a slot.
    pub(super) fn add<'a>(&mut self, alarms: impl Iterator<Item = &'a AlarmView>) {
        if self.is_full() {
            return;
        }
        for alarm in alarms {
            if self.rows.len() >= MOST && !self.rows.contains_key(&alarm.labels) {
                continue;
            }
            let row = self.rows.entry(alarm.labels.clone()).or_default();
            // An alarm that is seen for the first time was ok before.
            row.extend(std::iter::repeat_n('.', self.slots.saturating_sub(row.len())));
            row.push(character(alarm));
        }
        self.slots += 1;
        for row in self.rows.values_mut().filter(|row| row.len() < self.slots) {
            row.push('.');
        }
    }
}

fn character(alarm: &AlarmView) -> char {
    match (alarm.condition, alarm.severity) {
        (Condition::Ok, _) => '.',
        (Condition::Pending, _) => 'p',
        (Condition::Recovering, _) => 'r',
        (Condition::Firing, Severity::Warning) => 'W',
        (Condition::Firing, Severity::Critical) => 'C',
    }
}
