//! Restore: the engine goes on with what the store holds.

use std::collections::BTreeSet;

use tokio::task::spawn_blocking;
use tracing::info;

use super::StartError;
use crate::{
    clock::Clock,
    config::{Plan, Source},
    deliver::outbox::STORE,
    engine::{Effects, Engine, Past, Problem, SYSTEM, SourceTiming, Standing},
    store::Store,
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
    let engine = Engine::new(timings(plan), plan.thresholds.clone(), clock.now());
    let mut restored = Restored { engine, effects: Effects::default(), raised: Vec::new() };
    let mut past = store.past().await?;
    past.standings = store.standings("").await?;
    let mut alarms = 0;
    loop {
        let after = past.standings.last().map(|standing| standing.alarm.id.clone());
        let (instances, now) = (instances(plan), clock.now());
        alarms += past.standings.len();
        let take = spawn_blocking(move || {
            restored.raised.extend(raised(&past.standings));
            let effects = restored.engine.restore(past, &instances, now);
            restored.effects.extend(effects);
            restored
        });
        let next = async {
            match &after {
                Some(after) => store.standings(after).await,
                None => Ok(Vec::new()),
            }
        };
        let (taken, next) = tokio::join!(take, next);
        restored = taken.map_err(|error| StartError::Thread(error.into()))?;
        past = Past { standings: next?, ..Past::default() };
        if past.standings.is_empty() {
            if alarms > 0 {
                info!(alarms, "alarms of an earlier run go on");
            }
            return Ok(restored);
        }
    }
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
