//! Reload of a log evaluator: it goes on with what the one of the same name knew.

use haetae_plugin::Timestamp;

use super::LogEvaluator;
use crate::engine::alarm::{
    changes::Changes,
    id::Occurrences,
    view::{CHANGED, Change, Transition},
};

impl LogEvaluator {
    /// Goes on with the alarms of `before`, and where it was in the queues that it reads on.
    pub(in crate::engine) fn succeed(
        &mut self,
        mut before: Self,
        now: Timestamp,
        occurrences: &mut Occurrences,
        changes: &mut Changes,
    ) {
        if self.rule.identity() != before.rule.identity() {
            before.close_all(CHANGED, now, occurrences, changes);
            return;
        }
        for cursor in &mut self.cursors {
            let known = before.cursors.iter().position(|known| known.source == cursor.source);
            if let Some(at) = known {
                *cursor = before.cursors.swap_remove(at);
            }
        }
        let (rule, cursors) = (self.rule.clone(), std::mem::take(&mut self.cursors));
        *self = Self { rule, cursors, ..before };
        // Numbers may have changed: all are judged as soon as time moves.
        self.due_all_now();
        self.limit.judge_anew();
    }

    /// Ends all alarms: nothing judges them any more.
    pub(in crate::engine) fn close_all(
        &self,
        reason: &str,
        now: Timestamp,
        occurrences: &mut Occurrences,
        changes: &mut Changes,
    ) {
        for id in &self.gone {
            changes.delete(id.clone());
        }
        for (labels, log_alarm) in &self.alarms {
            let mut last = log_alarm.occurrence - 1;
            let fires = log_alarm.view(&self.rule, labels).filter(|_| log_alarm.severity.is_some());
            if let Some(view) = fires {
                let alarm = view.over(now, reason);
                changes.store(log_alarm.stored(labels, log_alarm.occurrence, alarm.clone()));
                changes.transitions.push(Transition { change: Change::Closed, alarm, at: now });
                last = log_alarm.occurrence;
            } else if log_alarm.stored {
                changes.delete(log_alarm.id());
            }
            if last > 0 {
                occurrences.remember(log_alarm.fingerprint, last);
            }
        }
    }
}
