//! What a plan needs that does not run yet: made before anything of what runs is touched.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    app::{
        App, StartError,
        records::{OpenedQueues, matchings},
        wiring::{Wired, WiredSink, Wiring, windows},
    },
    config::Plan,
    engine::log::Matching,
    pipeline::refill::Refill,
    plugin::catalog::Catalog,
};

/// What a plan needs that does not run yet.
pub(in crate::app) struct Prepared {
    /// Sources that are new or others than before.
    pub(in crate::app) sources: BTreeMap<String, Wired>,
    /// Sinks that are new or others than before.
    pub(in crate::app) sinks: Vec<WiredSink>,
    /// Windows that are new or longer than before, by source.
    pub(in crate::app) refills: BTreeMap<String, Refill>,
    pub(in crate::app) queues: OpenedQueues,
    pub(in crate::app) matchings: BTreeMap<String, Arc<Matching>>,
}

impl App {
    /// Makes what a plan needs; an error has changed nothing.
    pub(in crate::app) async fn prepare(
        &self,
        plan: &Plan,
        catalog: &Catalog,
    ) -> Result<Prepared, StartError> {
        let (shared, events) = (self.shared.clone(), self.channels.events.clone());
        let wiring = Wiring { catalog, shared, events, plan, stop: &self.stop };
        let (mut sources, mut sinks) = (BTreeMap::new(), Vec::new());
        let mut refills = BTreeMap::new();
        for source in &plan.sources {
            let running = self.running.sources.get(&source.name);
            if running.is_none_or(|running| running.plan != *source) {
                sources.insert(source.name.clone(), wiring.source(source)?);
            }
            let before = running.map(|_| windows(&self.plan, &source.name)).unwrap_or_default();
            if let Some(refill) = wiring.refill(source, &before)? {
                refills.insert(source.name.clone(), refill);
            }
        }
        for sink in &plan.sinks {
            let running = self.running.sinks.get(&sink.name);
            if running.is_none_or(|running| !running.is_of(sink)) {
                sinks.push(wiring.sink(sink)?);
            }
        }
        let matchings = matchings(plan)?;
        let queues = self.records.open(plan).await?;
        Ok(Prepared { sources, sinks, refills, queues, matchings })
    }
}
