//! Restore: the engine goes on with what the store holds.

use std::collections::BTreeSet;

use tokio::task::spawn_blocking;
use tracing::info;

use super::StartError;
use crate::{
    clock::Clock,
    config::{Plan, Source},
    deliver::outbox::STORE,
    engine::{Effects, Engine, Input, Past, Problem, SYSTEM, SourceTiming, Standing},
    http::thresholds::registry::in_force,
    store::{Store, StoreError},
};

/// An engine that goes on.
pub(super) struct Restored {
    pub(super) engine: Engine,
    /// What going on led to.
    pub(super) effects: Effects,
    /// Problems of instances that an earlier run has told of.
    pub(super) raised: Vec<(String, Problem)>,
}

/// Makes the engine of a plan; while it takes one page of what was stored, the next is read.
pub(super) async fn restore(
    store: &Store,
    plan: &Plan,
    clock: &Clock,
) -> Result<Restored, StartError> {
    let overrides = in_force(&plan.overrides, &plan.thresholds, &store.thresholds().await?);
    let now = clock.now();
    let mut engine = Engine::new(timings(plan), plan.thresholds.clone(), now);
    // Nothing is judged, nor restored, by numbers that are not in force.
    engine.step(Input::Overrides(overrides), now);
    let mut restored = Restored { engine, effects: Effects::default(), raised: Vec::new() };
    restored.engine.restore(store.past().await?, &BTreeSet::new(), clock.now());
    let mut alarms = 0;
    let mut page = store.standings("").await?;
    while let Some(last) = page.last() {
        let (instances, now) = (instances(plan), clock.now());
        let take = spawn_blocking(move || {
            let standings = page.standings()?;
            let count = standings.len();
            restored.raised.extend(raised(&standings));
            let past = Past { standings, ..Past::default() };
            let effects = restored.engine.restore(past, &instances, now);
            restored.effects.extend(effects);
            Ok::<_, StoreError>((restored, count))
        });
        let (taken, next) = tokio::join!(take, store.standings(&last));
        let count;
        (restored, count) = taken.map_err(|error| StartError::Thread(error.into()))??;
        alarms += count;
        page = next?;
    }
    if alarms > 0 {
        info!(alarms, "alarms of an earlier run go on");
    }
    Ok(restored)
}

fn timings(plan: &Plan) -> Vec<SourceTiming> {
    let timing = |source: &Source| SourceTiming {
        name: source.name.clone(),
        interval: source.interval,
        deadline: source.deadline,
        max_series: source.limits.max_series,
    };
    plan.sources.iter().map(timing).collect()
}

/// What system alarms may be about.
fn instances(plan: &Plan) -> BTreeSet<String> {
    let sources = plan.sources.iter().map(|source| &source.name);
    let names = sources.chain(plan.sinks.iter().map(|sink| &sink.name)).cloned();
    names.chain([STORE.to_owned()]).collect()
}

/// Problems that fired when the daemon ended.
fn raised(standings: &[Standing]) -> Vec<(String, Problem)> {
    let own = standings.iter().filter(|one| one.alarm.evaluator == SYSTEM);
    let pair = |one: &Standing| {
        let problem = Problem::parse(one.labels.get("problem")?)?;
        Some((one.labels.get("instance")?.clone(), problem))
    };
    own.filter_map(pair).collect()
}
