//! Fates: what became of each notification of a batch, after what its sink says.

use std::time::Duration;

use haetae_plugin::{Outcome, Verdict};

use crate::plugin::sink::Undelivered;

/// The least pause of what waits for a person to correct an option: a server may count wrong passwords.
pub(super) const CONFIG_PAUSE: Duration = Duration::from_secs(15);

/// What became of one notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DeliveryResult {
    /// The peer has it.
    Delivered,
    /// It is tried again: for all of its recipients, or for those who are left.
    Retry { reason: String, after: Option<Duration>, left: Vec<String> },
    /// It will never be taken.
    Dead { reason: String },
}

/// What became of one notification, and of recipients that will never take it, with why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowResult {
    pub(super) result: DeliveryResult,
    pub(super) rejected: Vec<(String, String)>,
}

impl DeliveryResult {
    /// Whether nobody has anything of it.
    pub(super) fn is_untouched(&self) -> bool {
        matches!(self, Self::Retry { left, .. } if left.is_empty())
    }
}

/// What became of each of `count` notifications.
pub(super) fn results(count: usize, outcome: &Result<Outcome, Undelivered>) -> Vec<RowResult> {
    let indices = 0..u32::try_from(count).unwrap_or(u32::MAX);
    match outcome {
        Ok(outcome) => indices.map(|index| result(outcome, index)).collect(),
        Err(Undelivered { reason, wait }) => {
            let result =
                DeliveryResult::Retry { reason: reason.clone(), after: *wait, left: Vec::new() };
            indices.map(|_| RowResult { result: result.clone(), rejected: Vec::new() }).collect()
        }
    }
}

fn result(outcome: &Outcome, index: u32) -> RowResult {
    let own = outcome.recipients.iter().filter(|(item, ..)| *item == index);
    let (mut left, mut rejected, mut why) = (Vec::new(), Vec::new(), None);
    for (_, recipient, verdict) in own {
        match verdict {
            Verdict::Delivered => {}
            Verdict::Rejected { reason } => rejected.push((recipient.clone(), reason.clone())),
            Verdict::Retry { reason, after } => {
                left.push(recipient.clone());
                why = Some((reason.clone(), *after));
            }
            Verdict::Config { reason } => {
                left.push(recipient.clone());
                why = Some((reason.clone(), Some(CONFIG_PAUSE)));
            }
            _ => left.push(recipient.clone()),
        }
    }
    let result = match outcome.of(index) {
        Verdict::Delivered if left.is_empty() => DeliveryResult::Delivered,
        Verdict::Delivered => {
            let (reason, after) = why.unwrap_or_else(|| ("some recipients are left".into(), None));
            DeliveryResult::Retry { reason, after, left }
        }
        Verdict::Retry { reason, after } => {
            DeliveryResult::Retry { reason: reason.clone(), after: *after, left: Vec::new() }
        }
        // Nothing is rejected for a wrong option: it waits for a person.
        Verdict::Config { reason } => DeliveryResult::Retry {
            reason: reason.clone(),
            after: Some(CONFIG_PAUSE),
            left: Vec::new(),
        },
        Verdict::Rejected { reason } => {
            DeliveryResult::Dead { reason: format!("rejected: {reason}") }
        }
        _ => {
            DeliveryResult::Retry { reason: "not delivered".into(), after: None, left: Vec::new() }
        }
    };
    // Rejected whole, it is one dead letter and not one for each recipient.
    if matches!(result, DeliveryResult::Dead { .. }) {
        rejected.clear();
    }
    RowResult { result, rejected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry() -> Verdict {
        Verdict::Retry { reason: "busy".into(), after: None }
    }

    fn rejected() -> Verdict {
        Verdict::Rejected { reason: "no such box".into() }
    }

    #[test]
    fn each_notification_has_the_fate_that_its_verdicts_say() {
        let some_left = Outcome::delivered().but_for(0, "a@x", retry());
        let some_rejected = Outcome::delivered().but_for(0, "a@x", rejected());
        let left =
            DeliveryResult::Retry { reason: "busy".into(), after: None, left: vec!["a@x".into()] };
        let again = DeliveryResult::Retry { reason: "busy".into(), after: None, left: vec![] };
        let dead = DeliveryResult::Dead { reason: "rejected: no such box".into() };
        let options = Verdict::Config { reason: "token".into() };
        let person = DeliveryResult::Retry {
            reason: "token".into(),
            after: Some(CONFIG_PAUSE),
            left: vec![],
        };
        let pair = ("a@x".to_owned(), "no such box".to_owned());
        let cases = [
            (Outcome::delivered(), DeliveryResult::Delivered, vec![]),
            (Outcome::all(retry()), again, vec![]),
            (Outcome::all(rejected()).but_for(0, "a@x", rejected()), dead.clone(), vec![]),
            (Outcome::delivered().but(0, rejected()), dead, vec![]),
            (Outcome::all(options), person, vec![]),
            (some_left, left, vec![]),
            (some_rejected, DeliveryResult::Delivered, vec![pair]),
        ];
        for (outcome, result, rejected) in cases {
            assert_eq!(
                results(1, &Ok(outcome.clone())),
                [RowResult { result, rejected }],
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn what_no_peer_has_seen_is_tried_again_whole() {
        let undelivered = Undelivered { reason: "hung".into(), wait: None };
        let result = DeliveryResult::Retry { reason: "hung".into(), after: None, left: vec![] };
        assert_eq!(results(2, &Err(undelivered)), vec![RowResult { result, rejected: vec![] }; 2]);
    }
}
