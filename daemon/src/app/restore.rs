//! Restore: the engine goes on with what the store holds.

use std::collections::BTreeSet;

use tokio::task::spawn_blocking;
use tracing::{error, info};

use super::{StartError, directory::STATE};
use crate::{
    clock::Clock,
    config::{Plan, Source},
    deliver::commit::STORE,
    engine::{
        CLOCK, Effects, Engine, Input, Past,
        log::{LogCursor, LogRule},
    },
    memory,
    people::{self, thresholds::in_force},
    pipeline::problems::HAETAE,
    store::{self, Standings, Store, StoreError, Transaction, pages},
};

/// An engine that goes on.
pub(super) struct Restored {
    pub(super) engine: Engine,
    /// What going on led to.
    pub(super) effects: Effects,
}

/// Makes the engine of a plan, which goes on with what was stored but for its alarms; beside it,
/// where log evaluators go on.
pub(super) async fn begin(
    store: &Store,
    plan: &Plan,
    clock: &Clock,
) -> Result<(Restored, Vec<LogCursor>), StartError> {
    let timings = plan.sources.iter().map(Source::timing).collect();
    let now = clock.now();
    let engine = Engine::new(timings, plan.thresholds.clone(), now);
    let (inhibits, maintenance) = (plan.inhibits.clone(), plan.maintenance.clone());
    let engine = engine.with_logs(plan.logs.clone());
    let mut engine = engine.with_routes(plan.routes(), inhibits, maintenance);
    // Nothing is judged, nor restored, by numbers that are not in force.
    let overrides = in_force(&plan.overrides, &plan.thresholds, &store.thresholds().await?);
    engine.step(Input::Overrides(overrides), now);
    let handlings = store.handlings().await?.into_iter();
    let handlings = handlings.map(|(alarm, handled)| (alarm, handled.handling)).collect();
    // What people said is known before anything is judged.
    let silences = people::load(store, clock.now()).await?;
    let mut past = Past { handlings, silences, ..store.past().await? };
    past.cursors = cursors(store, plan, past.cursors).await?;
    let cursors = past.cursors.clone();
    let effects = engine.restore(past, &BTreeSet::new(), clock.now());
    Ok((Restored { engine, effects }, cursors))
}

/// Goes on with the alarms that were stored.
pub(super) async fn alarms(
    store: &Store,
    plan: &Plan,
    clock: &Clock,
    restored: Restored,
) -> Result<Restored, StartError> {
    let restored = groups(store, clock, restored).await?;
    let (restored, alarms) = standings(store, plan, clock, restored).await?;
    memory::give_back();
    if alarms > 0 {
        info!(alarms, "alarms of an earlier run go on");
    }
    Ok(restored)
}

/// The engine goes on with what sinks were told together, before the alarms themselves.
async fn groups(
    store: &Store,
    clock: &Clock,
    mut restored: Restored,
) -> Result<Restored, StartError> {
    let (read, mut pages) = pages();
    let clock = clock.clone();
    let take = spawn_blocking(move || {
        let mut unreadable = Vec::new();
        while let Some(page) = pages.blocking_next() {
            let (effects, unread) =
                restored.engine.restore_groups(&store::groups(&page), clock.now());
            restored.effects.extend(effects);
            unreadable.extend(unread);
            pages.give_back(page);
        }
        (restored, unreadable)
    });
    let (taken, read) = tokio::join!(take, store.group_pages(read));
    read?;
    let (restored, unreadable) = taken.map_err(|error| StartError::Thread(error.into()))?;
    for group in &unreadable {
        error!(group, "what a sink was told of by an earlier run can't be read: it is passed over");
    }
    store.pass_over(unreadable.into_iter().map(|group| format!("the group {group}")));
    Ok(restored)
}

/// The engine goes on with the alarms of an earlier run; how many there are.
async fn standings(
    store: &Store,
    plan: &Plan,
    clock: &Clock,
    mut restored: Restored,
) -> Result<(Restored, usize), StartError> {
    let (instances, clock_of_engine) = (instances(plan), clock.clone());
    let (read, mut pages) = pages();
    let take = spawn_blocking(move || {
        let (mut alarms, mut unreadable) = (0, Vec::new());
        while let Some(page) = pages.blocking_next() {
            let found = Standings::of(&page);
            pages.give_back(page);
            alarms += found.standings.len();
            unreadable.extend(found.unreadable);
            let now = clock_of_engine.now();
            let effects = restored.engine.restore_alarms(&found.standings, &instances, now);
            restored.effects.extend(effects);
        }
        (restored, alarms, unreadable)
    });
    let (taken, read) = tokio::join!(take, store.standings(read));
    read?;
    let (restored, alarms, unreadable) = taken.map_err(|error| StartError::Thread(error.into()))?;
    for (alarm, why) in &unreadable {
        error!(alarm, why, "an alarm of an earlier run can't be read: it is set aside");
        store.pass_over([format!("the alarm {alarm} can't be read: {why}")]);
    }
    if !unreadable.is_empty() {
        let now = clock.now();
        store.write(move |transaction| transaction.set_aside(&unreadable, now)).await?;
    }
    Ok((restored, alarms))
}

/// The cursors of log evaluators that there still are; the others are forgotten.
async fn cursors(
    store: &Store,
    plan: &Plan,
    stored: Vec<LogCursor>,
) -> Result<Vec<LogCursor>, StoreError> {
    let reads = |cursor: &LogCursor| {
        let own = |rule: &&LogRule| rule.name == cursor.evaluator;
        plan.logs.iter().find(own).is_some_and(|rule| rule.inputs.contains(&cursor.source))
    };
    let (kept, gone): (Vec<_>, Vec<_>) = stored.into_iter().partition(reads);
    if !gone.is_empty() {
        let forget = move |transaction: &mut Transaction<'_>| {
            gone.iter().try_for_each(|LogCursor { evaluator, source, .. }| {
                transaction.forget_log_cursor(evaluator, source)
            })
        };
        store.write(forget).await?;
    }
    Ok(kept)
}

/// What system alarms may be about.
pub(super) fn instances(plan: &Plan) -> BTreeSet<String> {
    let sources = plan.sources.iter().map(|source| &source.name);
    let names = sources.chain(plan.sinks.iter().map(|sink| &sink.name));
    let names = names.chain(plan.thresholds.iter().map(|evaluator| &evaluator.name));
    let names = names.chain(plan.logs.iter().map(|evaluator| &evaluator.name)).cloned();
    names.chain([STORE, HAETAE, CLOCK, STATE].map(str::to_owned)).collect()
}
