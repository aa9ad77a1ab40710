//! The outbox's entrance: what follows from the engine's effects, as one durable transaction.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use haetae_plugin::Timestamp;
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::{sleep, timeout},
};
use tracing::{error, info, warn};

use super::{
    changes::Changes,
    recipient::Recipients,
    writer::{Writing, WrittenRows},
};
use crate::{
    clock::{Clock, monotonic},
    engine::{Effects, Problem, Transition, log::Positions},
    memory,
    plugin::event::Event,
    retry::Backoff,
    store::{Store, StoreError, health::Health, reserve::Reserve},
};

/// Effects that become durable in one transaction at the most.
const TOGETHER: usize = 256;
/// Alarms that they are about, so many that no more effects are added.
const HEAVY: usize = 256;
/// Alarms that were written without a pause, so many that the memory they took is given back.
const STORM: usize = 30_000;
/// How often it is looked whether there is room for the reserve again.
const LOOK: Duration = Duration::from_secs(5);
/// The same while much is written.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// What the alarm of a full disk says when it was not the store that met it first.
const NO_ROOM: &str = "less than 64 MiB are free where the state is: records wait in their sources until there is more";
/// The name of the store as an instance of system alarms.
pub const STORE: &str = "store";

/// Writes what happened, before anybody is told of it.
pub struct Outbox {
    /// Where it is written.
    pub store: Store,
    /// How the store is, for whoever looks.
    pub health: Health,
    /// Room for the worst.
    pub reserve: Reserve,
    /// Whom it concerns.
    pub recipients: watch::Receiver<Recipients>,
    /// The time.
    pub clock: Clock,
    /// Shows transitions as they become durable; a watcher that is too slow skips some.
    pub watchers: broadcast::Sender<Transition>,
    /// How far log evaluators are written, for the queues that they read.
    pub written: watch::Sender<Positions>,
    /// The newest plan that what is written follows from.
    pub plan: watch::Sender<u64>,
    /// Where problems of the store are told.
    pub events: mpsc::Sender<Event>,
}

impl Outbox {
    /// Takes over what an earlier run left: its leases, and what waits for sinks that are gone;
    /// `lost` says what of it is missing.
    pub async fn adopt(&self, lost: Option<String>) -> Result<(), StoreError> {
        let (now, recipients) = (self.clock.now(), self.recipients.borrow().clone());
        self.store.write(move |transaction| transaction.release(now)).await?;
        give_up_removed(&self.store, &recipients, now).await?;
        let sinks = recipients.iter().map(|sink| &sink.plan.name);
        report_dead_letters(&self.store, sinks, &self.events).await?;
        let lost = lost.or_else(|| self.store.passed_over());
        if let Some(lost) = &lost {
            error!(store = %self.store.location(), "the store has lost something: {lost}");
        }
        let event = Event { instance: STORE.into(), problem: Problem::StoreLost, detail: lost };
        // Nobody waits for this task yet: the pipeline takes it.
        drop(self.events.send(event).await);
        Ok(())
    }

    /// Writes until no more effects can come.
    pub async fn run(self, mut effects: mpsc::Receiver<Effects>) {
        let mut trouble = StoreTrouble::of_an_earlier_run(self.reserve.is_given_up());
        let mut looked = monotonic();
        let mut changes = Changes::new(looked);
        let mut storm = 0;
        loop {
            let first = match timeout(LOOK, effects.recv()).await {
                Ok(Some(first)) => first,
                Ok(None) => return,
                Err(_) => {
                    if storm >= STORM {
                        memory::give_back();
                    }
                    storm = 0;
                    changes.pass(monotonic());
                    self.ask(&mut trouble).await;
                    self.check_reserve(&mut trouble);
                    continue;
                }
            };
            let mut weight = first.standings.len();
            let mut joined = vec![first];
            while joined.len() < TOGETHER
                && weight < HEAVY
                && let Ok(next) = effects.try_recv()
            {
                weight += next.standings.len();
                joined.push(next);
            }
            let joined = Arc::new(joined);
            self.keep(&joined, &mut trouble).await;
            if self.watchers.receiver_count() > 0 {
                for transition in joined.iter().flat_map(|effects| &effects.transitions) {
                    // Whoever watched may have gone.
                    drop(self.watchers.send(transition.clone()));
                }
            }
            self.recipients.borrow().wake_all();
            // Whoever was woken goes first: what the log takes would be time that the notice waits.
            tokio::task::yield_now().await;
            let transitions = joined.iter().flat_map(|effects| &effects.transitions);
            changes.note(transitions, monotonic());
            storm += weight;
            // Without trouble, a look now and then is enough.
            if trouble.is_any() || looked.elapsed() >= LOOK_AGAIN {
                self.check_reserve(&mut trouble);
                looked = monotonic();
            }
        }
    }

    /// Writes effects, however long it takes: what is not durable did not happen.
    async fn keep(&self, effects: &Arc<Vec<Effects>>, trouble: &mut StoreTrouble) {
        let mut pause = Backoff::new(Duration::from_millis(100), LOOK);
        loop {
            let wait = match self.write(Arc::clone(effects)).await {
                Ok(()) => return self.works(trouble),
                Err(error @ StoreError::Full(_)) if self.reserve.give_up() => {
                    self.fails(Problem::DiskFull, &error, trouble);
                    Duration::ZERO
                }
                Err(error @ StoreError::Full(_)) => {
                    self.fails(Problem::DiskFull, &error, trouble);
                    pause.failed()
                }
                Err(error) => {
                    self.fails(Problem::StoreFailing, &error, trouble);
                    pause.failed()
                }
            };
            sleep(wait).await;
        }
    }

    /// One transaction; what dispatchers are to do of it is handed over afterwards.
    ///
    /// [`Self::run`] does this with all that it is given; a driver of its own may, step by step.
    pub async fn write(&self, effects: Arc<Vec<Effects>>) -> Result<(), StoreError> {
        let (now, recipients) = (self.clock.now(), self.recipients.borrow().clone());
        let (written, those) = (Arc::clone(&effects), recipients.clone());
        let rows = self
            .store
            .write(move |transaction| Writing::new(now, transaction, &those).all(&written));
        let WrittenRows { held, past } = rows.await?;
        for (sink, rows) in held {
            if let Some(sink) = recipients.get(&sink) {
                sink.handoff.hand_over(rows);
            }
        }
        for sink in past {
            if let Some(sink) = recipients.get(&sink) {
                sink.handoff.close();
            }
        }
        let cursors = effects.iter().flat_map(|one| &one.cursors);
        let positions: BTreeMap<_, _> = cursors.map(|one| (one.of(), one.position)).collect();
        if !positions.is_empty() {
            self.written.send_modify(|written| written.extend(positions));
        }
        if let Some(plan) = effects.iter().filter_map(|one| one.plan).max() {
            self.plan.send_replace(plan);
        }
        Ok(())
    }

    /// Asks whether the store can be written though nothing is to be: else nobody would know.
    async fn ask(&self, trouble: &mut StoreTrouble) {
        match self.store.probe().await {
            Ok(()) => self.works(trouble),
            Err(error) => self.fails(Problem::StoreFailing, &error, trouble),
        }
    }

    fn works(&self, trouble: &mut StoreTrouble) {
        self.health.works();
        if trouble.end(Problem::StoreFailing) {
            info!("the store works again");
        }
    }

    fn fails(&self, problem: Problem, error: &StoreError, trouble: &mut StoreTrouble) {
        let text = error.to_string();
        self.health.fails(&text, self.clock.now());
        if trouble.begin(problem, &text) {
            error!("{text}; nothing is lost: what happened is kept in memory and sources wait");
        }
    }

    /// Tells of trouble, as soon as the pipeline takes it, and ends it when there is room again.
    fn check_reserve(&self, trouble: &mut StoreTrouble) {
        if self.reserve.is_tight() {
            // Whoever met it first: what is delivered must be recorded, cursors too.
            self.reserve.give_up();
        }
        if self.reserve.is_given_up() {
            if self.reserve.restore() {
                info!("the disk has room again");
                trouble.end(Problem::DiskFull);
            } else if trouble.begin(Problem::DiskFull, NO_ROOM) {
                error!("{NO_ROOM}");
            }
        }
        // The pipeline may be waiting for this very task: it is never waited for.
        while let Some(event) = trouble.unreported.first() {
            let event = Event { instance: STORE.into(), problem: event.0, detail: event.1.clone() };
            if self.events.try_send(event).is_err() {
                return;
            }
            trouble.unreported.remove(0);
        }
    }
}

/// What is wrong with the store, and what of it was not told yet.
#[derive(Default)]
struct StoreTrouble {
    /// Each ends by itself: a disk may be full while the store fails for another reason.
    problems: Vec<Problem>,
    /// Few: a problem is told when it begins and when it ends.
    unreported: Vec<(Problem, Option<String>)>,
}

impl StoreTrouble {
    /// What an earlier run told of is over until it shows again; a disk that still is full is not.
    fn of_an_earlier_run(still_full: bool) -> Self {
        let over = if still_full { &[][..] } else { &[Problem::DiskFull] };
        let over = over.iter().chain(&[Problem::StoreFailing]);
        Self { problems: Vec::new(), unreported: over.map(|problem| (*problem, None)).collect() }
    }

    /// Whether there is any, or some is still to be told.
    fn is_any(&self) -> bool {
        !self.problems.is_empty() || !self.unreported.is_empty()
    }

    /// Whether it is new.
    fn begin(&mut self, problem: Problem, detail: &str) -> bool {
        let new = !self.problems.contains(&problem);
        if new {
            self.problems.push(problem);
            self.unreported.push((problem, Some(detail.into())));
        }
        new
    }

    /// Whether it was there.
    fn end(&mut self, problem: Problem) -> bool {
        let before = self.problems.len();
        self.problems.retain(|other| *other != problem);
        let ended = self.problems.len() < before;
        if ended {
            self.unreported.push((problem, None));
        }
        if self.unreported.len() > 8 {
            warn!("problems of the store come and go faster than they can be told");
            self.unreported.drain(..self.unreported.len() - 4);
        }
        ended
    }
}

/// Gives up what waits for sinks that are gone: notifications, and the ends of what they were told.
pub async fn give_up_removed(
    store: &Store,
    recipients: &Recipients,
    now: Timestamp,
) -> Result<(), StoreError> {
    let recipients = recipients.clone();
    let given_up = store.write(move |transaction| {
        let gone = |name: &String| recipients.iter().all(|sink| sink.plan.name != *name);
        let why = "its sink was removed";
        let (mut letters, mut debts) = (Vec::new(), Vec::new());
        for sink in transaction.sinks_of_outbox()?.into_iter().filter(gone) {
            letters.push((transaction.bury_all(&sink, why)?, sink));
        }
        for sink in transaction.notified_sinks()?.into_iter().filter(gone) {
            debts.push((transaction.lose_all(&sink, why, now)?, sink));
        }
        Ok::<_, StoreError>((letters, debts))
    });
    let (letters, debts) = given_up.await?;
    for (letters, sink) in letters {
        warn!(sink, letters, "a sink was removed: what waited for it are dead letters");
    }
    for (obligations, sink) in debts.into_iter().filter(|(number, _)| *number > 0) {
        warn!(sink, obligations, "a sink was removed: ends cannot be told any more");
    }
    Ok(())
}

/// Tells the pipeline of each of these sinks how many dead letters it has.
pub async fn report_dead_letters(
    store: &Store,
    sinks: impl Iterator<Item = &String>,
    events: &mpsc::Sender<Event>,
) -> Result<(), StoreError> {
    let counts = store.counts().await?;
    for sink in sinks {
        let dead = counts.iter().find(|count| count.dead && count.sink == *sink);
        let detail = dead.map(|dead| dead_letters(dead.count));
        let event = Event { instance: sink.clone(), problem: Problem::DeadLetters, detail };
        // The pipeline is gone only while the daemon stops.
        drop(events.send(event).await);
    }
    Ok(())
}

/// What a system alarm says of dead letters.
fn dead_letters(count: i64) -> String {
    format!("{count} notifications were given up or rejected; see `haetae outbox list --dead`")
}
