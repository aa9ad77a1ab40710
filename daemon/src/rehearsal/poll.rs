//! Turns: the engine and the dispatchers do what is due, with the real clock standing still.

use std::time::Duration;

use super::{
    error::RunError,
    notified::Notified,
    rig::Dispatcher,
    world::{Speaker, World},
};
use crate::{engine::Input, plugin::event::Event};

/// How soon a dispatcher looks again at what it could not deliver.
const NAP: Duration = Duration::from_secs(5);
/// Turns at one time; what leads to more of them is a loop.
const ROUNDS: usize = 100;

impl World {
    /// The engine and the dispatchers do what is due, until nothing is left to do at this time.
    pub(super) async fn tick(&mut self) -> Result<(), RunError> {
        self.release();
        self.input(Input::Tick).await?;
        for _ in 0..ROUNDS {
            let mut delivered = self.poll_dispatchers().await;
            let mut events = Vec::new();
            if let Some(rig) = &mut self.rig {
                while let Ok(event) = rig.events.try_recv() {
                    events.push(event);
                }
            }
            delivered |= !events.is_empty();
            for event in events {
                let Event { instance, problem, detail } = event;
                self.input(Input::Problem { instance, problem, detail }).await?;
            }
            if !delivered {
                return Ok(());
            }
        }
        Err(RunError::Endless(self.now))
    }

    fn release(&mut self) {
        let now = self.now;
        for (name, _) in self.releases.extract_if(.., |_, at| *at <= now) {
            if let Some(fake_sink) = self.fake_sinks.get(&name) {
                fake_sink.release();
            }
        }
    }

    /// Each dispatcher does what is due; whether any sink was told anything.
    async fn poll_dispatchers(&mut self) -> bool {
        let Some(rig) = &mut self.rig else { return false };
        for (name, dispatcher) in &mut rig.dispatchers {
            let Some(fake_sink) = self.fake_sinks.get(name) else { continue };
            if self.releases.contains_key(name) {
                continue;
            }
            let mut task = match std::mem::replace(dispatcher, Dispatcher::Moving) {
                Dispatcher::Busy(task) => task,
                Dispatcher::Idle(idle) => rig.tasks.spawn(async move {
                    let (dispatch, mut work) = *idle;
                    dispatch.poll(&mut work).await;
                    (dispatch, work)
                }),
                Dispatcher::Moving => continue,
            };
            tokio::select! {
                done = &mut task => {
                    if let Ok(idle) = done {
                        *dispatcher = Dispatcher::Idle(Box::new(idle));
                    }
                }
                () = fake_sink.holds.notified() => {
                    let length = fake_sink.held().unwrap_or_default();
                    self.releases.insert(name.clone(), self.now.saturating_add(length));
                    *dispatcher = Dispatcher::Busy(task);
                }
            }
        }
        let before = self.heard.len();
        for (name, fake_sink) in &self.fake_sinks {
            for notification in fake_sink.taken() {
                let alarms = notification.alarms.iter().map(|alarm| {
                    let mut labels = alarm.labels.clone();
                    labels.insert("severity".into(), alarm.severity.as_str().into());
                    labels
                });
                self.heard.push(Notified {
                    at: self.now,
                    sink: name.clone(),
                    why: notification.reason.as_str().into(),
                    withheld: false,
                    alarms: alarms.collect(),
                    title: notification.title.clone(),
                });
            }
        }
        self.heard.len() > before
    }

    /// When something happens next.
    pub(super) async fn next(&self) -> Result<Duration, RunError> {
        let soon = self.now.saturating_add(Duration::from_nanos(1));
        let mut next = self.sources.values().map(Speaker::at).min().unwrap_or(Duration::MAX);
        next = self.releases.values().fold(next, |next, at| next.min(*at));
        let Some(rig) = &self.rig else { return Ok(next) };
        if let Some(due) = rig.engine.next_due() {
            next = next.min(self.since_start(due).max(soon));
        }
        for name in rig.dispatchers.keys().filter(|name| !self.releases.contains_key(*name)) {
            if let Some(due) = rig.outbox.store.next_due(name).await? {
                // What is due already was not taken.
                let due = self.since_start(due);
                let again = self.now.saturating_add(NAP);
                next = next.min(if due > self.now { due } else { again });
            }
        }
        Ok(next.max(soon))
    }
}
