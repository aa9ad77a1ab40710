//! Needs: which metrics of which sources the evaluators read, and since when.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use haetae_plugin::{Metric, Timestamp};
use sha2::{Digest, Sha256};

use crate::{
    config::{Kinds, Plan, Source},
    engine::{last_slot, threshold::rule::Threshold},
    plugin::catalog::Catalog,
};

/// A source that can't be asked about its past.
#[derive(Debug, thiserror::Error)]
#[error(
    "source `{source_name}` (plugin `{kind}`) has no reader, so nobody knows its past; evaluators that read it: {evaluators}"
)]
pub struct UnreadableSource {
    source_name: String,
    kind: String,
    evaluators: String,
}

/// All that has to be asked.
#[derive(Clone, Debug)]
pub(super) struct Needs {
    pub(super) streams: Vec<Stream>,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// A source that is asked, for one plan or for several that configure it alike.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) source: Source,
    /// The plans whose engines hear it, by their places.
    pub(super) sides: Vec<usize>,
    pub(super) asked: Vec<NeededMetric>,
    /// What the source says of its metrics.
    pub(super) metrics: Vec<Metric>,
}

/// A metric that is asked for.
#[derive(Clone, Debug)]
pub(super) struct NeededMetric {
    pub(super) metric: String,
    /// How long before the range its points fill windows.
    pub(super) before: Duration,
    /// Whether its server computes a window, so that it has values at slots only.
    pub(super) at_slots: bool,
}

/// Whether all sources of an evaluator can be asked about their past.
pub fn readable(threshold: &Threshold, plan: &Plan, catalog: &Catalog) -> bool {
    let mut sources = plan.sources.iter().filter(|one| threshold.inputs.contains(&one.name));
    sources.all(|source| catalog.kind(&source.kind).is_ok_and(|facts| facts.reader))
}

impl Needs {
    /// What the evaluators of all plans need.
    pub(super) fn of(
        plans: &[Plan],
        catalog: &Catalog,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Self, UnreadableSource> {
        let mut needs = Self { streams: Vec::new(), from, to };
        for (side, plan) in plans.iter().enumerate() {
            for source in &plan.sources {
                needs.add(side, source, &plan.thresholds, catalog)?;
            }
        }
        Ok(needs)
    }

    fn add(
        &mut self,
        side: usize,
        source: &Source,
        thresholds: &[Arc<Threshold>],
        catalog: &Catalog,
    ) -> Result<(), UnreadableSource> {
        let reading = thresholds.iter().filter(|one| one.inputs.contains(&source.name));
        let reading: Vec<_> = reading.collect();
        if reading.is_empty() {
            return Ok(());
        }
        if !catalog.kind(&source.kind).is_ok_and(|facts| facts.reader) {
            let names: BTreeSet<&str> = reading.iter().map(|one| one.name.as_str()).collect();
            return Err(UnreadableSource {
                source_name: source.name.clone(),
                kind: source.kind.clone(),
                evaluators: names.into_iter().collect::<Vec<_>>().join(", "),
            });
        }
        let at = self.streams.iter().position(|known| alike(&known.source, source));
        let at = at.unwrap_or_else(|| {
            // A source that does not say what it yields yields points.
            let metrics = catalog.metrics(&source.kind, &source.options.0).unwrap_or_default();
            let (source, sides, asked) = (source.clone(), Vec::new(), Vec::new());
            self.streams.push(Stream { source, sides, asked, metrics });
            self.streams.len() - 1
        });
        let Some(stream) = self.streams.get_mut(at) else { return Ok(()) };
        stream.sides.push(side);
        for threshold in reading {
            stream.need(threshold);
        }
        Ok(())
    }

    /// When the first point is needed.
    pub(super) fn start(&self) -> Timestamp {
        let starts = self.streams.iter().flat_map(|stream| {
            stream.asked.iter().map(|asked| stream.slot(self.from).before(asked.before))
        });
        starts.min().unwrap_or(self.from)
    }

    /// The longest time between two slots of a source.
    pub(super) fn slowest(&self) -> Duration {
        self.streams.iter().map(|stream| stream.source.interval).max().unwrap_or_default()
    }

    /// What tells recordings apart: all that readers are asked, but for the range. What is made of
    /// their answers may change between two runs.
    pub(super) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        for Stream { source, asked, .. } in &self.streams {
            let Source { name, kind, interval, labels, limits, .. } = source;
            part(&format!("{name} {kind} {interval:?} {labels:?} {limits:?} {}", source.options.0));
            for asked in asked {
                part(&format!("{asked:?}"));
            }
        }
        let digest = hash.finalize();
        let start = digest.iter().take(16);
        format!("{:032x}", start.fold(0_u128, |start, byte| (start << 8) | u128::from(*byte)))
    }
}

impl Stream {
    /// Its newest slot that is not later than `time`.
    pub(super) fn slot(&self, time: Timestamp) -> Timestamp {
        last_slot(&self.source.name, self.source.interval, time)
    }

    fn need(&mut self, threshold: &Threshold) {
        let before = threshold.over.map(|over| over.length).unwrap_or_default();
        let metric = &threshold.metric;
        let known = self.asked.iter_mut().find(|known| known.metric == *metric);
        if let Some(known) = known {
            known.before = known.before.max(before);
        } else {
            let mut windows = self.metrics.iter().filter(|one| one.window.is_some());
            let at_slots = windows.any(|one| one.name == *metric);
            self.asked.push(NeededMetric { metric: metric.clone(), before, at_slots });
        }
    }
}

/// Whether one question answers for both.
fn alike(one: &Source, other: &Source) -> bool {
    let wanted = |source: &Source| {
        let Source { name, kind, options, interval, labels, limits, .. } = source.clone();
        (name, kind, options, interval, labels, limits)
    };
    wanted(one) == wanted(other)
}
