//! The outbox's entrance: what follows from the engine's effects, as one durable transaction.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use haetae_plugin::Timestamp;
use tokio::{
    sync::{Notify, broadcast, mpsc},
    time::{sleep, timeout},
};
use tracing::{error, info, warn};

use super::{
    dispatch::GRACE,
    recipient::{Recipient, Recipients},
    render::quantity,
};
use crate::{
    clock::Clock,
    engine::{Change, Effects, Problem, Transition},
    plugin::event::Event,
    retry::Backoff,
    store::{
        Act, Claimed, HAETAE, Kind, Notice, Record, Store, StoreError, Transaction, health::Health,
        reserve::Reserve,
    },
};

/// Effects that become durable in one transaction at the most.
const TOGETHER: usize = 256;
/// Transitions whose notices are rendered at once.
const CHUNK: usize = 512;
/// Rows that are laid on a desk at once: what a dispatcher delivers well within their lease.
const HELD: usize = 2048;
/// How often it is looked whether there is room for the reserve again.
const LOOK: Duration = Duration::from_secs(5);
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
    pub recipients: Recipients,
    /// Wakes the dispatcher of each sink.
    pub wakes: BTreeMap<String, Arc<Notify>>,
    /// The time.
    pub clock: Clock,
    /// Shows transitions as they become durable; a watcher that is too slow skips some.
    pub watchers: broadcast::Sender<Transition>,
    /// Where problems of the store are told.
    pub events: mpsc::Sender<Event>,
}

impl Outbox {
    /// Takes over what an earlier run left: its leases, and what waits for sinks that are gone.
    pub async fn adopt(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let gone = |name: &String| self.recipients.iter().all(|sink| sink.plan.name != *name);
        let mut transaction = self.store.begin().await?;
        transaction.release(now).await?;
        for sink in transaction.sinks_of_outbox().await?.iter().filter(|name| gone(name)) {
            let letters = transaction.bury_all(sink, "its sink was removed").await?;
            warn!(sink, letters, "a sink was removed: what waited for it are dead letters");
        }
        for sink in transaction.sinks_told().await?.iter().filter(|name| gone(name)) {
            let lost = transaction.lose_all(sink, "its sink was removed", now).await?;
            if lost > 0 {
                warn!(sink, obligations = lost, "a sink was removed: ends cannot be told any more");
            }
        }
        transaction.commit().await?;
        let counts = self.store.counts().await?;
        for sink in self.recipients.iter() {
            let name = &sink.plan.name;
            let dead = counts.iter().find(|count| count.dead && count.sink == *name);
            let detail = dead.map(|dead| dead_letters(dead.count));
            let event = Event { instance: name.clone(), problem: Problem::DeadLetters, detail };
            // Nobody waits for this task yet: the pipeline takes it.
            drop(self.events.send(event).await);
        }
        Ok(())
    }

    /// Writes until no more effects can come.
    pub async fn run(self, mut effects: mpsc::Receiver<Effects>) {
        let mut trouble = Trouble::of_an_earlier_run(self.reserve.is_given_up());
        loop {
            let first = match timeout(LOOK, effects.recv()).await {
                Ok(Some(first)) => first,
                Ok(None) => return,
                Err(_) => {
                    self.look(&mut trouble);
                    continue;
                }
            };
            let mut together = vec![first];
            while together.len() < TOGETHER
                && let Ok(next) = effects.try_recv()
            {
                together.push(next);
            }
            self.keep(&together, &mut trouble).await;
            for transition in together.into_iter().flat_map(|effects| effects.transitions) {
                // Nobody may be watching.
                drop(self.watchers.send(transition));
            }
            self.wakes.values().for_each(|wake| wake.notify_one());
            self.look(&mut trouble);
        }
    }

    /// Writes effects, however long it takes: what is not durable did not happen.
    async fn keep(&self, effects: &[Effects], trouble: &mut Trouble) {
        let mut pause = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        loop {
            let wait = match self.write(effects).await {
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

    /// One transaction; what idle dispatchers are to do of it is on their desks afterwards.
    async fn write(&self, effects: &[Effects]) -> Result<(), StoreError> {
        let mut writing = Writing {
            now: self.clock.now(),
            transaction: self.store.begin().await?,
            held: Vec::new(),
        };
        writing.alarms(effects).await?;
        for one in effects {
            writing.transaction.lapse(&one.handled, writing.now).await?;
        }
        let transitions: Vec<_> = effects.iter().flat_map(|one| &one.transitions).collect();
        for together in transitions.chunks(CHUNK) {
            writing.journal(together).await?;
            // What flaps or settles stands where it stood: sinks are told of that.
            let told: Vec<_> =
                together.iter().copied().filter(|one| !one.change.is_pace()).collect();
            // An end asks who knows of the beginning: that is written first.
            for alike in told.chunk_by(|a, b| a.change.is_end() == b.change.is_end()) {
                if alike.first().is_some_and(|one| one.change.is_end()) {
                    writing.ends(alike, &self.recipients).await?;
                } else {
                    writing.problems(alike, &self.recipients).await?;
                }
            }
        }
        writing.transaction.commit().await?;
        for (sink, rows) in writing.held {
            sink.desk.lay(rows);
        }
        Ok(())
    }

    fn works(&self, trouble: &mut Trouble) {
        self.health.works();
        if trouble.end(Problem::StoreFailing) {
            info!("the store works again");
        }
    }

    fn fails(&self, problem: Problem, error: &StoreError, trouble: &mut Trouble) {
        let text = error.to_string();
        self.health.fails(&text, self.clock.now());
        if trouble.begin(problem, &text) {
            error!("{text}; nothing is lost: what happened is kept in memory and sources wait");
        }
    }

    /// Tells of trouble, as soon as the pipeline takes it, and ends it when there is room again.
    fn look(&self, trouble: &mut Trouble) {
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
        while let Some(event) = trouble.untold.first() {
            let event = Event { instance: STORE.into(), problem: event.0, detail: event.1.clone() };
            if self.events.try_send(event).is_err() {
                return;
            }
            trouble.untold.remove(0);
        }
    }
}

/// A transaction in the making.
struct Writing<'a> {
    now: Timestamp,
    transaction: Transaction<'a>,
    /// What is written for dispatchers that wait.
    held: Vec<(&'a Recipient, Vec<Claimed>)>,
}

impl<'a> Writing<'a> {
    /// Alarms as they stand after all effects.
    async fn alarms(&mut self, effects: &[Effects]) -> Result<(), StoreError> {
        let mut last = BTreeMap::new();
        for one in effects {
            let kept = one.standings.iter().map(|standing| (&standing.alarm.id, Some(standing)));
            last.extend(kept);
            last.extend(one.gone.iter().map(|id| (id, None)));
        }
        let gone = last.iter().filter(|(_, standing)| standing.is_none());
        let gone: Vec<_> = gone.map(|(id, _)| (*id).clone()).collect();
        self.transaction.save_alarms(last.into_values().flatten()).await?;
        self.transaction.forget_alarms(&gone).await
    }

    async fn journal(&mut self, transitions: &[&Transition]) -> Result<(), StoreError> {
        let records = transitions.iter().map(|one| Record {
            at: one.at,
            alarm: &one.alarm.id,
            actor: HAETAE,
            act: Act::Changed,
            detail: detail(one),
        });
        self.transaction.record_all(records).await
    }

    async fn ends(
        &mut self,
        transitions: &[&Transition],
        recipients: &Recipients,
    ) -> Result<(), StoreError> {
        let ids: Vec<_> = transitions.iter().map(|one| one.alarm.id.clone()).collect();
        let mut knowing = BTreeMap::<String, Vec<String>>::new();
        for (alarm, sink) in self.transaction.knowing(&ids).await? {
            knowing.entry(alarm).or_default().push(sink);
        }
        let mut notices = Vec::new();
        for one in transitions {
            let sinks = knowing.get(&one.alarm.id).into_iter().flatten();
            // A sink that does not tell of ends owes none.
            let owing = sinks.filter_map(|name| recipients.get(name));
            let owing = owing.filter(|sink| sink.plan.resolved);
            notices.extend(owing.map(|sink| self.notice(one, sink, Kind::Closing, None)));
        }
        self.transaction.enqueue(&notices, self.now).await?;
        self.transaction.forget_told(&ids).await
    }

    async fn problems(
        &mut self,
        transitions: &[&Transition],
        recipients: &'a Recipients,
    ) -> Result<(), StoreError> {
        for sink in recipients.iter() {
            let mut room = if sink.desk.is_open() { self.room(sink) } else { 0 };
            let lease = self.now.after(sink.plan.deadline + GRACE);
            let mut notices = Vec::new();
            let wanted =
                transitions.iter().filter(|one| recipients.wants(&sink.plan.name, &one.alarm));
            for one in wanted {
                // Nothing of a new alarm can wait yet, so this is the first of its thread.
                let held = room > 0 && one.change == Change::Fired;
                room -= usize::from(held);
                notices.push(self.notice(one, sink, Kind::Problem, held.then_some(lease)));
            }
            let rows = self.transaction.enqueue(&notices, self.now).await?;
            if !rows.is_empty() {
                self.held.push((sink, rows));
            }
        }
        Ok(())
    }

    /// How many more rows are held for a sink.
    fn room(&self, sink: &Recipient) -> usize {
        let held = self.held.iter().filter(|(of, _)| of.plan.name == sink.plan.name);
        HELD.saturating_sub(held.map(|(_, rows)| rows.len()).sum())
    }

    fn notice<'b>(
        &self,
        transition: &'b Transition,
        sink: &'b Recipient,
        kind: Kind,
        lease: Option<Timestamp>,
    ) -> Notice<'b> {
        let Transition { change, alarm, at } = transition;
        Notice {
            sink: &sink.plan.name,
            alarm: &alarm.id,
            kind,
            notification: sink.voice.notification(alarm, change.reason(), *at, self.now),
            give_up: sink.plan.give_up,
            lease,
        }
    }
}

/// What is wrong with the store, and what of it was not told yet.
#[derive(Default)]
struct Trouble {
    /// Each ends by itself: a disk may be full while the store fails for another reason.
    problems: Vec<Problem>,
    /// Few: a problem is told when it begins and when it ends.
    untold: Vec<(Problem, Option<String>)>,
}

impl Trouble {
    /// What an earlier run told of is over until it shows again; a disk that still is full is not.
    fn of_an_earlier_run(still_full: bool) -> Self {
        let over = if still_full { &[][..] } else { &[Problem::DiskFull] };
        let over = over.iter().chain(&[Problem::StoreFailing]);
        Self { problems: Vec::new(), untold: over.map(|problem| (*problem, None)).collect() }
    }

    /// Whether it is new.
    fn begin(&mut self, problem: Problem, detail: &str) -> bool {
        let new = !self.problems.contains(&problem);
        if new {
            self.problems.push(problem);
            self.untold.push((problem, Some(detail.into())));
        }
        new
    }

    /// Whether it was there.
    fn end(&mut self, problem: Problem) -> bool {
        let before = self.problems.len();
        self.problems.retain(|other| *other != problem);
        let ended = self.problems.len() < before;
        if ended {
            self.untold.push((problem, None));
        }
        if self.untold.len() > 8 {
            warn!("problems of the store come and go faster than they can be told");
            self.untold.drain(..self.untold.len() - 4);
        }
        ended
    }
}

/// What a system alarm says of dead letters.
pub fn dead_letters(count: i64) -> String {
    format!("{count} notifications were given up or rejected; see `haetae outbox list --dead`")
}

/// A few words for the journal.
fn detail(transition: &Transition) -> String {
    let alarm = &transition.alarm;
    let (change, severity) = (transition.change.as_str(), alarm.severity.as_str());
    let value = alarm.value.map(|value| format!(" at {}", quantity(value, &alarm.unit)));
    let reason = alarm.reason.as_ref().map(|reason| format!(": {reason}"));
    format!("{change} {severity}{}{}", value.unwrap_or_default(), reason.unwrap_or_default())
}
