//! What a sink's verdicts say of the sink itself: whether it takes anything, and what it does not
//! take however often it is tried.

use std::{collections::BTreeMap, time::Duration};

use haetae_plugin::{Batch, Notification, Outcome, Timestamp, Verdict};

use crate::plugin::status::InstanceState;

/// A notification that is tried again for so long means that something is wrong with the sink,
/// though others go through.
const DEGRADED: Duration = Duration::from_mins(2);
const FAILING: Duration = Duration::from_mins(10);
/// How long one that is not tried again is remembered, beyond what its peer asked for: it was given
/// up, or dropped by hand.
const REMEMBERED: Duration = Duration::from_mins(6);
/// How many are remembered.
const MOST: usize = 1000;

/// Notifications that a sink is to be given again.
#[derive(Debug, Default)]
pub(super) struct Retries(BTreeMap<String, WaitingItem>);

#[derive(Debug)]
struct WaitingItem {
    /// Since when it waits.
    since: Timestamp,
    /// The peer's words.
    reason: String,
    /// When it is forgotten.
    until: Timestamp,
}

/// Of a batch, what is needed to tell its notifications apart.
#[derive(Debug)]
pub(super) struct Offered {
    count: usize,
    notifications: Vec<OfferedNotification>,
}

#[derive(Debug)]
struct OfferedNotification {
    key: String,
    made: Timestamp,
    attempt: u32,
}

/// What is wrong with a sink.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SinkTrouble {
    pub(super) state: InstanceState,
    pub(super) cause: String,
    pub(super) cure: &'static str,
    /// How long its peer asked to be left alone.
    pub(super) asked: Option<Duration>,
}

impl Offered {
    /// What is known of a batch before a sink has it.
    pub(super) fn of(batch: &Batch) -> Self {
        let notifications = match batch {
            Batch::Notifications(all) => all.iter().map(OfferedNotification::of).collect(),
            _ => Vec::new(),
        };
        Self { count: batch.len(), notifications }
    }
}

impl OfferedNotification {
    fn of(notification: &Notification) -> Self {
        let Notification { idempotency_key, time, attempt, .. } = notification;
        Self { key: idempotency_key.clone(), made: *time, attempt: *attempt }
    }
}

impl Retries {
    /// What a delivery says of the sink, if something is wrong with it.
    pub(super) fn judge(
        &mut self,
        offered: &Offered,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Option<SinkTrouble> {
        self.remember(offered, outcome, now);
        if let Some(reason) = config(outcome) {
            let cause = format!("wrong options: {reason}");
            let cure = "correct its options or credentials and restart; what waits is kept";
            return Some(SinkTrouble { state: InstanceState::Failing, cause, cure, asked: None });
        }
        let oldest = self.0.values().min_by_key(|waiting| waiting.since);
        if let Some(reason) =
            again(outcome, offered.count).filter(|_| !is_taken(outcome, offered.count))
        {
            let waits = oldest.map_or_else(String::new, |oldest| waits(oldest.since));
            let cause = format!("not delivered now: {reason}{waits}");
            let cure = "look at its peer; it is tried again with growing pauses";
            let asked = all(outcome).filter_map(asked).max();
            return Some(SinkTrouble { state: InstanceState::Failing, cause, cure, asked });
        }
        let oldest = oldest.filter(|oldest| now.since(oldest.since) >= DEGRADED)?;
        let state = if now.since(oldest.since) >= FAILING {
            InstanceState::Failing
        } else {
            InstanceState::Degraded
        };
        let late = self.0.values().filter(|waiting| now.since(waiting.since) >= DEGRADED).count();
        let (reason, waits) = (&oldest.reason, waits(oldest.since));
        let cause = format!("{late} notifications are tried again and again: {reason}{waits}");
        let cure = "look at its peer and at `haetae outbox list`; others are delivered";
        Some(SinkTrouble { state, cause, cure, asked: None })
    }

    /// Remembers what is tried again, and forgets what is not.
    fn remember(&mut self, offered: &Offered, outcome: &Outcome, now: Timestamp) {
        self.0.retain(|_, waiting| now < waiting.until);
        for (index, OfferedNotification { key, made, attempt }) in (0..).zip(&offered.notifications)
        {
            let Some((reason, after)) = retried(outcome, index) else {
                self.0.remove(key);
                continue;
            };
            let until = now.after(REMEMBERED + after.unwrap_or_default());
            if let Some(waiting) = self.0.get_mut(key) {
                (waiting.reason, waiting.until) = (reason.into(), until);
            } else if self.0.len() < MOST {
                // Before its first try it waited for something else.
                let since = if *attempt > 1 { (*made).min(now) } else { now };
                self.0.insert(key.clone(), WaitingItem { since, reason: reason.into(), until });
            }
        }
    }
}

/// Why the item at `index`, or a part of it, is to be tried again, and how long the peer asked to
/// wait.
fn retried(outcome: &Outcome, index: u32) -> Option<(&str, Option<Duration>)> {
    let own = outcome.recipients.iter().filter(|(item, ..)| *item == index);
    let recipients = own.map(|(_, _, verdict)| verdict);
    [outcome.of(index)].into_iter().chain(recipients).find_map(|verdict| match verdict {
        Verdict::Retry { reason, after } => Some((reason.as_str(), *after)),
        Verdict::Config { reason } => Some((reason.as_str(), None)),
        _ => None,
    })
}

/// Which option is wrong, if one is.
fn config(outcome: &Outcome) -> Option<&str> {
    all(outcome).find_map(|verdict| match verdict {
        Verdict::Config { reason } => Some(reason.as_str()),
        _ => None,
    })
}

/// Why something is to be tried again.
fn again(outcome: &Outcome, count: usize) -> Option<&str> {
    let verdicts = all(outcome).skip(usize::from(!is_default_used(outcome, count)));
    verdicts.into_iter().find_map(|verdict| match verdict {
        Verdict::Retry { reason, .. } => Some(reason.as_str()),
        _ => None,
    })
}

/// Whether any item was taken, or will never be: the sink got on.
fn is_taken(outcome: &Outcome, count: usize) -> bool {
    let is_done =
        |verdict: &Verdict| matches!(verdict, Verdict::Delivered | Verdict::Rejected { .. });
    let default = is_default_used(outcome, count) && is_done(&outcome.verdict);
    default || outcome.except.iter().any(|(_, verdict)| is_done(verdict))
}

/// Whether there are items without a verdict of their own.
fn is_default_used(outcome: &Outcome, count: usize) -> bool {
    outcome.except.len() < count || count == 0
}

/// Every verdict: the one on most items first.
fn all(outcome: &Outcome) -> impl Iterator<Item = &Verdict> {
    let items = outcome.except.iter().map(|(_, verdict)| verdict);
    let recipients = outcome.recipients.iter().map(|(_, _, verdict)| verdict);
    [&outcome.verdict].into_iter().chain(items).chain(recipients)
}

fn asked(verdict: &Verdict) -> Option<Duration> {
    match verdict {
        Verdict::Retry { after, .. } => *after,
        _ => None,
    }
}

/// How old the oldest is, as a point in time: that stays true.
fn waits(since: Timestamp) -> String {
    let since = jiff::Timestamp::from_second(since.seconds()).unwrap_or_default();
    format!("; the oldest waits since {since}")
}

#[cfg(test)]
mod tests {
    use haetae_plugin::{Alarm, Notification, Reason, Severity};

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn at(seconds: u64) -> Timestamp {
        START.after(Duration::from_secs(seconds))
    }

    /// A batch of notifications with these keys, made at the start.
    fn batch(keys: &[&str], attempt: u32) -> Offered {
        let one = |key: &&str| {
            let alarm = Alarm::firing((*key).into(), "e".into(), Severity::Critical, START);
            let mut one = Notification::of(alarm, Reason::First, START);
            (one.idempotency_key, one.attempt) = ((*key).into(), attempt);
            one
        };
        Offered::of(&Batch::Notifications(keys.iter().map(one).collect()))
    }

    fn retry() -> Verdict {
        Verdict::Retry { reason: "451 later".into(), after: None }
    }

    fn rejected() -> Verdict {
        Verdict::Rejected { reason: "550 never".into() }
    }

    fn shown(trouble: Option<SinkTrouble>) -> Option<(InstanceState, String)> {
        trouble.map(|trouble| (trouble.state, trouble.cause))
    }

    #[test]
    fn a_delivery_of_which_nothing_is_taken_is_a_failing_sink() {
        let failing = || {
            let cause = "not delivered now: 451 later; the oldest waits since 2023-11-14T22:13:20Z";
            Some((InstanceState::Failing, cause.to_owned()))
        };
        let cases = [
            (Outcome::all(retry()), failing()),
            (Outcome::delivered().but(0, retry()).but(1, retry()), failing()),
            (Outcome::delivered().but(0, retry()), None),
            (Outcome::delivered().but(0, retry()).but(1, rejected()), None),
            (Outcome::delivered().but_for(0, "a@x", retry()), None),
            (Outcome::all(retry()).but(0, Verdict::Delivered), None),
            (Outcome::all(retry()).but(0, Verdict::Delivered).but(1, Verdict::Delivered), None),
            (Outcome::all(rejected()), None),
            (Outcome::delivered(), None),
        ];
        for (outcome, expected) in cases {
            let judged = Retries::default().judge(&batch(&["a", "b"], 1), &outcome, START);
            assert_eq!(shown(judged), expected, "{outcome:?}");
        }
    }

    #[test]
    fn one_that_is_tried_again_for_minutes_degrades_the_sink_until_it_is_taken() {
        let mut retries = Retries::default();
        let mixed = Outcome::delivered().but(0, retry());
        assert_eq!(retries.judge(&batch(&["a", "b"], 1), &mixed, at(0)), None);
        assert_eq!(retries.judge(&batch(&["a", "c"], 2), &mixed, at(119)), None);
        let cause = "1 notifications are tried again and again: 451 later; \
                     the oldest waits since 2023-11-14T22:13:20Z";
        // Others go through meanwhile, also in calls of their own.
        let state = |trouble: Option<SinkTrouble>| trouble.map(|trouble| trouble.state);
        let judged = shown(retries.judge(&batch(&["d"], 1), &Outcome::delivered(), at(120)));
        assert_eq!(judged, Some((InstanceState::Degraded, cause.into())));
        let judged = retries.judge(&batch(&["a", "e"], 3), &mixed, at(400));
        assert_eq!(state(judged), Some(InstanceState::Degraded));
        let judged = retries.judge(&batch(&["a", "e"], 4), &mixed, at(600));
        assert_eq!(state(judged), Some(InstanceState::Failing));
        let judged = retries.judge(&batch(&["a"], 5), &Outcome::delivered(), at(601));
        assert_eq!(judged, None);
    }

    #[test]
    fn a_recipient_that_is_tried_again_counts_and_what_was_given_up_is_forgotten() {
        let mut retries = Retries::default();
        let partly = Outcome::delivered().but_for(0, "a@x", retry());
        retries.judge(&batch(&["a"], 1), &partly, at(0));
        let other = |retries: &mut Retries, seconds| {
            let judged = retries.judge(&batch(&["b"], 1), &Outcome::delivered(), at(seconds));
            judged.map(|trouble| trouble.state)
        };
        assert_eq!(other(&mut retries, 200), Some(InstanceState::Degraded));
        assert_eq!(other(&mut retries, 361), None);
        // After a restart its age is known from what is stored.
        retries.judge(&batch(&["c"], 7), &Outcome::all(retry()), at(700));
        assert_eq!(other(&mut retries, 701), Some(InstanceState::Failing));
    }
}
