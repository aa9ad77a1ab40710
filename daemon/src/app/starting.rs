//! Starting what a plan says, part by part: at the start all of it, in a reload what is not running.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    App, Channels,
    running::{RunningPump, RunningQueue, RunningSink, RunningSource, RunningStage},
    wiring::{Wired, WiredSink},
};
use crate::{
    config::Source,
    deliver::{dispatch::Dispatch, recipient::Recipients, retention::Pruner},
    http::Shown,
    pipeline::{
        feed::Feed, intake::Intake, log_reader::LogReader, part::RecordFilter, pump::Pump,
        refill::Refill,
    },
    plugin::{
        sink::Deliverer,
        source::{Caller, Mark},
    },
};

impl App {
    /// Runs a source and its feed.
    pub(super) fn start_source(&mut self, source: &Source, wired: Wired, refill: Option<Refill>) {
        let Wired { supervisor, shown } = wired;
        let Channels { inputs, reserve, .. } = &self.channels;
        let clock = &self.shared.clock;
        let (stages, tasks) = (&self.stages, &self.tasks);
        let (outputs, going) =
            watch::channel(self.records.outputs(&self.plan, &source.name, inputs));
        let (refills, asked) = mpsc::channel(1);
        if let Some(refill) = refill {
            // It is empty.
            drop(refills.try_send(refill));
        }
        // One batch is in flight.
        let (handovers, batches) = mpsc::channel(1);
        let feed_stop = self.stop.child_token();
        let feed = Feed {
            source: source.name.clone(),
            intake: Intake::new(source),
            outputs: going,
            refills: asked,
            reserve: reserve.clone(),
            clock: clock.clone(),
            batches,
            stop: feed_stop.clone(),
        };
        let stop = self.stop.child_token();
        let feed =
            RunningStage::spawn(stages, &tasks.feeds, stop, format!("feed {}", source.name), feed);
        let directory = self.plan.daemon.state.join("instances").join(&source.name);
        let stop = supervisor.stop().clone();
        let mark = Some(Mark::within(&directory));
        let caller = Caller::new(supervisor, source.interval, clock.clone(), handovers, mark);
        let name = format!("source {}", source.name);
        let caller = RunningStage::spawn(stages, &tasks.sources, stop, name, caller);
        let running = RunningSource {
            plan: source.clone(),
            shown,
            outputs,
            refills,
            caller,
            feed,
            feed_stop,
        };
        self.running.sources.insert(source.name.clone(), running);
    }

    /// Takes in a sink; it delivers once its deliverer is started.
    pub(super) fn add_sink(&mut self, wired: WiredSink) -> (String, Deliverer) {
        let WiredSink { supervisor, shown, plan, takes, outlet, deliveries } = wired;
        let clock = self.shared.clock.clone();
        let name = plan.name.clone();
        let before = self.running.sinks.remove(&name);
        let (handoff, wake, metrics, dispatcher) = match before {
            Some(before) => (before.handoff, before.wake, before.metrics, before.dispatcher),
            None => Default::default(),
        };
        let deliverer = None;
        let sink = RunningSink {
            plan,
            shown,
            takes,
            outlet,
            handoff,
            wake,
            metrics,
            deliverer,
            dispatcher,
        };
        self.running.sinks.insert(name.clone(), sink);
        (name, Deliverer { supervisor, deliveries, clock })
    }

    pub(super) fn start_deliverer(&mut self, name: &str, deliverer: Deliverer) {
        let Some(sink) = self.running.sinks.get_mut(name) else { return };
        // It ends when nobody can send to it any more.
        let stop = self.stop.child_token();
        let name = format!("sink {name}");
        sink.deliverer =
            Some(RunningStage::spawn(&self.stages, &self.tasks.sinks, stop, name, deliverer));
    }

    /// Runs what leads from the queues of the plan to its sinks.
    pub(super) fn start_pumps(&mut self) {
        for (wanted, sink) in self.wanted() {
            let key = (wanted.source.clone(), sink.clone());
            let Some(running) = self.running.sinks.get(&sink) else { continue };
            let queue = self.records.queues().get(&wanted.source);
            let consumer = queue.and_then(|queue| queue.consumer(&sink));
            let Some(consumer) = consumer.filter(|_| !self.running.pumps.contains_key(&key)) else {
                continue;
            };
            let leave = CancellationToken::new();
            let pump = Pump {
                consumer,
                outlet: running.outlet.clone(),
                wanted: wanted.clone(),
                status: running.shown.0.clone(),
                stop: self.stop.clone(),
                leave: leave.clone(),
            };
            let name = format!("pump {} to {sink}", wanted.source);
            let running = RunningStage::spawn(&self.stages, &self.tasks.feeds, leave, name, pump);
            self.running.pumps.insert(key, RunningPump { wanted, running });
        }
    }

    /// What each sink of the plan wants of each source.
    pub(super) fn wanted(&self) -> Vec<(RecordFilter, String)> {
        let mut all = Vec::new();
        for source in &self.plan.sources {
            for sink in self.plan.sinks.iter().filter(|sink| sink.inputs.contains(&source.name)) {
                let (source, labels) = (source.name.clone(), source.labels.clone());
                let wanted = RecordFilter { source, labels, matchers: sink.matchers.clone() };
                all.push((wanted, sink.name.clone()));
            }
        }
        all
    }

    pub(super) fn start_log_readers(&mut self, readers: Vec<LogReader>) {
        for reader in readers {
            let (source, stop) = (reader.source.clone(), reader.stop.clone());
            let name = format!("log reader {source}");
            let running = RunningStage::spawn(&self.stages, &self.tasks.feeds, stop, name, reader);
            self.running.log_readers.insert(source, running);
        }
    }

    /// Runs what tells of each queue.
    pub(super) fn start_queue_watches(&mut self) {
        let Channels { events, reserve, .. } = &self.channels;
        let (stages, tasks) = (&self.stages, &self.tasks.feeds);
        for (source, queue) in self.records.queues() {
            let watch = self.records.watch(source, reserve, events);
            let Some(watch) = watch.filter(|_| !self.running.queues.contains_key(source)) else {
                continue;
            };
            let name = format!("queue watch {source}");
            let watch = RunningStage::spawn(stages, tasks, self.stop.child_token(), name, watch);
            let (queue, stop) = (queue.clone(), self.stop.child_token());
            let told = stop.clone();
            let ended = async move {
                tokio::select! {
                    () = queue.ended() => {}
                    () = told.cancelled() => {}
                }
            };
            let end =
                RunningStage::spawn_critical(stages, tasks, stop, format!("queue {source}"), ended);
            self.running.queues.insert(source.clone(), RunningQueue { watch, end });
        }
    }

    /// Runs what delivers the notifications of each sink that takes any.
    pub(super) fn start_dispatchers(&mut self) {
        let Channels { events, recipients, .. } = &self.channels;
        for (name, sink) in &mut self.running.sinks {
            if sink.dispatcher.is_some() || !sink.notifies() {
                continue;
            }
            let stop = self.tasks.written.child_token();
            let dispatch = Dispatch {
                name: name.clone(),
                recipients: recipients.subscribe(),
                store: self.store.clone(),
                clock: self.shared.clock.clone(),
                events: events.clone(),
                stop: stop.clone(),
            };
            let (stages, tasks) = (&self.stages, &self.tasks.sinks);
            let name = format!("dispatcher {name}");
            sink.dispatcher = Some(RunningStage::spawn(stages, tasks, stop, name, dispatch));
        }
    }

    pub(super) fn start_retention(&mut self) {
        let stop = self.stop.child_token();
        let retention = Pruner {
            keep: self.plan.retention,
            store: self.store.clone(),
            clock: self.shared.clock.clone(),
            sinks: self.notified().into_iter().collect(),
            events: self.channels.events.clone(),
            stop: stop.clone(),
        };
        let (stages, tasks) = (&self.stages, &self.tasks.outbox);
        let running = RunningStage::spawn(stages, tasks, stop, "retention".into(), retention);
        self.running.retention = Some(running);
    }

    /// The sinks that take notifications.
    pub(super) fn notified(&self) -> Vec<String> {
        let sinks = self.running.sinks.iter().filter(|(_, sink)| sink.notifies());
        sinks.map(|(name, _)| name.clone()).collect()
    }

    /// All sinks as delivery sees them.
    pub(super) fn recipients(&self) -> Recipients {
        let sinks = self.running.sinks.values().map(|sink| sink.recipient(&self.plan));
        Recipients::new(sinks.collect())
    }

    /// What is shown of the plan.
    pub(super) fn show(&self) {
        let sources = self.running.sources.values().map(|source| &source.shown);
        let shown = sources.chain(self.running.sinks.values().map(|sink| &sink.shown));
        self.view.parts().shown.send_replace(Arc::new(Shown {
            instances: shown.cloned().collect(),
            refused: self.refused.clone(),
            queues: self.records.queues().clone(),
            recipients: self.channels.recipients.borrow().clone(),
            places: self.plan.places.clone(),
        }));
    }
}
