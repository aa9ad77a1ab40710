//! What became of the items of one batch, until all of it is known.

use haetae_plugin::{Outcome, Verdict};

/// What became of each item; delivered unless something else is said of it.
pub(crate) struct Verdicts {
    items: usize,
    rejected: Vec<(u32, String)>,
    /// Items to which something befell that stops more than themselves.
    stopped: Vec<(Verdict, Vec<u32>)>,
}

impl Verdicts {
    /// All of `items` are delivered.
    pub(crate) fn new(items: usize) -> Self {
        Self { items, rejected: Vec::new(), stopped: Vec::new() }
    }

    /// The peer will never take this item.
    pub(crate) fn reject(&mut self, item: u32, reason: impl Into<String>) {
        self.rejected.push((item, reason.into()));
    }

    /// These items share a verdict.
    pub(crate) fn stop(&mut self, items: impl IntoIterator<Item = u32>, verdict: Verdict) {
        self.stopped.push((verdict, items.into_iter().collect()));
    }

    /// The outcome; the verdict of most items is said once.
    pub(crate) fn outcome(self) -> Outcome {
        let named = self.stopped.iter().map(|(_, items)| items.len()).sum::<usize>();
        let delivered = self.items.saturating_sub(named + self.rejected.len());
        let mut stopped = self.stopped;
        stopped.sort_by_key(|(_, items)| std::cmp::Reverse(items.len()));
        let most = stopped.first().filter(|(_, items)| items.len() > delivered);
        let outcome = match most.map(|(verdict, _)| verdict.clone()) {
            None => Outcome::delivered(),
            Some(verdict) => {
                let (_, common) = stopped.remove(0);
                let mut is_named = vec![false; self.items];
                let others = stopped.iter().flat_map(|(_, items)| items);
                let others = others.chain(self.rejected.iter().map(|(item, _)| item));
                for item in common.iter().chain(others) {
                    let item = usize::try_from(*item).ok();
                    if let Some(named) = item.and_then(|item| is_named.get_mut(item)) {
                        *named = true;
                    }
                }
                let delivered = is_named.iter().zip(0_u32..).filter(|(named, _)| !**named);
                delivered.fold(Outcome::all(verdict), |outcome, (_, item)| {
                    outcome.but(item, Verdict::Delivered)
                })
            }
        };
        let stopped = stopped.into_iter().flat_map(|(verdict, items)| {
            items.into_iter().map(move |item| (item, verdict.clone()))
        });
        let rejected = self.rejected.into_iter();
        let rejected = rejected.map(|(item, reason)| (item, Verdict::Rejected { reason }));
        stopped.chain(rejected).fold(outcome, |outcome, (item, verdict)| outcome.but(item, verdict))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_item_has_its_verdict_and_the_common_one_is_said_once(
            fates in prop::collection::vec(0..4_u8, 0..40),
        ) {
            let retry = || Verdict::Retry { reason: "busy".into(), after: None };
            let config = || Verdict::Config { reason: "who?".into() };
            let mut verdicts = Verdicts::new(fates.len());
            let of = |fate: u8| {
                let items = fates.iter().zip(0_u32..).filter(move |(it, _)| **it == fate);
                items.map(|(_, item)| item).collect::<Vec<_>>()
            };
            verdicts.stop(of(1), retry());
            verdicts.stop(of(2), config());
            for item in of(3) {
                verdicts.reject(item, "bad");
            }
            let outcome = verdicts.outcome();
            for (fate, item) in fates.iter().zip(0_u32..) {
                let expected = match fate {
                    0 => Verdict::Delivered,
                    1 => retry(),
                    2 => config(),
                    _ => Verdict::Rejected { reason: "bad".into() },
                };
                prop_assert_eq!(outcome.of(item), &expected);
            }
            let common = [0, 1, 2].map(|fate| of(fate).len()).into_iter().max().unwrap_or(0);
            prop_assert_eq!(outcome.except.len(), fates.len() - common);
        }
    }
}
