//! Taking over: the engine has the plan, and what is around it follows. Nothing here can fail for good:
//! what the store or a disk does not do now is done at the next reload or start.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::sleep;
use tracing::warn;

use super::{Prepared, SOURCE};
use crate::{
    app::{
        App,
        records::has_queue,
        running::{RunningPump, RunningQueue, RunningSink, RunningSource, RunningStage},
        wiring::{Wired, WiredSink},
    },
    config::{Plan, Sink},
    deliver::{
        commit::{give_up_removed, report_dead_letters},
        recipient::{Recipient, Recipients},
    },
    engine::{Problem, log::Matching},
    pipeline::refill::Refill,
    plugin::{event::Event, sink::Deliverer},
    retry::Backoff,
    store::{StoreError, Transaction},
};

/// What an instance may take beyond its deadline to end what is under way, and to close.
const BEYOND: Duration = Duration::from_secs(15);
/// How long what is due to a sink that is gone is tried once more.
const LAST_TRY: Duration = Duration::from_secs(20);
/// How long something else may take to end.
const OTHER: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl App {
    /// Stops what the plan does not have any more, and starts what it has and what does not run.
    pub(super) async fn take_over(&mut self, plan: Plan, prepared: Prepared) {
        let Prepared { sources, sinks, refills, queues, matchings } = prepared;
        let before = std::mem::replace(&mut self.plan, plan);
        self.records.take(&self.plan, queues);
        // What is watched goes first: a sink that hangs keeps nobody from being judged.
        self.read_logs(matchings);
        self.lead_sources();
        self.start_sources(sources, refills);
        self.start_queue_watches();
        let removed = self.exchange_sinks(sinks).await;
        let is_kept = self.plan.retention == before.retention;
        if !is_kept || names(&self.plan.sinks) != names(&before.sinks) {
            if let Some(retention) = self.running.retention.take() {
                retention.end(OTHER).await;
            }
            self.start_retention();
        }
        let number = self.number;
        // All that the plan before led to is written then. It ends only when the daemon does.
        drop(self.channels.written.wait_for(|written| *written >= number).await);
        self.end_sinks(removed).await;
        self.clear_queues().await;
        self.forget(&before).await;
        self.show();
    }

    /// Ends the sources that the plan does not have, or has otherwise.
    pub(super) async fn end_sources(&mut self, plan: &Plan) {
        let is_other = |name: &String, running: &mut RunningSource| {
            plan.sources.iter().find(|source| source.name == *name) != Some(&running.plan)
        };
        let ended: Vec<_> = self.running.sources.extract_if(.., is_other).collect();
        for (_, source) in &ended {
            source.caller.stop();
            // It ends when nobody can hand it a batch any more, which is no failure then.
            source.feed.stop();
        }
        for (_, source) in ended {
            source.caller.end(SOURCE).await;
            // A batch that waits for room is left.
            source.feed_stop.cancel();
            source.feed.end(SOURCE).await;
        }
    }

    pub(in crate::app) fn read_logs(&mut self, matchings: BTreeMap<String, Arc<Matching>>) {
        let readers = self.records.log_readers(matchings, &self.channels.inputs, &self.stop);
        self.start_log_readers(readers);
    }

    pub(in crate::app) fn start_sources(
        &mut self,
        mut wired: BTreeMap<String, Wired>,
        mut refills: BTreeMap<String, Refill>,
    ) {
        for source in self.plan.sources.clone() {
            let refill = refills.remove(&source.name);
            if let Some(wired) = wired.remove(&source.name) {
                self.start_source(&source, wired, refill);
            } else if let (Some(running), Some(refill)) =
                (self.running.sources.get(&source.name), refill)
            {
                // One that is still busy with another goes on: windows fill by themselves.
                drop(running.refills.try_send(refill));
            }
        }
    }

    /// Leads the batches of each source to where they are to go now.
    fn lead_sources(&self) {
        for (name, source) in &self.running.sources {
            let outputs = self.records.outputs(&self.plan, name, &self.channels.inputs);
            source.outputs.send_replace(outputs);
        }
    }

    /// Exchanges sinks and what leads to them. Those that are gone are told what was decided before; they
    /// are the answer.
    async fn exchange_sinks(&mut self, wired: Vec<WiredSink>) -> Vec<RunningSink> {
        let plan = self.plan.clone();
        let is_gone =
            |name: &String, _: &mut RunningSink| plan.sinks.iter().all(|sink| sink.name != *name);
        let removed: Vec<_> =
            self.running.sinks.extract_if(.., is_gone).map(|(_, it)| it).collect();
        // One of another kind may take no notifications any more.
        for sink in &wired {
            let running = self.running.sinks.get_mut(&sink.plan.name);
            let dispatcher = running.filter(|it| it.plan.kind != sink.plan.kind);
            if let Some(dispatcher) = dispatcher.and_then(|it| it.dispatcher.take()) {
                dispatcher.end(LAST_TRY).await;
            }
        }
        let exchanged = self.add_sinks(wired);
        for sink in &plan.sinks {
            if let Some(running) = self.running.sinks.get_mut(&sink.name) {
                running.plan = sink.clone();
            }
        }
        self.join_recipients(&removed);
        self.show();
        self.end_pumps(&exchanged).await;
        for ExchangedSink { name, before, deliverer } in exchanged {
            if let Some((before, deadline)) = before {
                // Two at once might be in each other's way.
                before.end(deadline + BEYOND).await;
            }
            self.start_deliverer(&name, deliverer);
        }
        self.start_pumps();
        self.start_dispatchers();
        removed
    }

    /// Whom notifications may be for until all of the plan before is written: those that are gone too.
    fn join_recipients(&self, removed: &[RunningSink]) {
        let is_removed =
            |one: &&Recipient| removed.iter().any(|sink| sink.plan.name == one.plan.name);
        // Whoever keeps what was before keeps sinks from ending.
        let known = self.channels.recipients.borrow().clone();
        let known = known.all().filter(is_removed).cloned();
        let all = self.recipients().all().cloned().chain(known).collect();
        self.channels.recipients.send_replace(Recipients::new(all));
    }

    /// Takes in sinks that are new or others; with each what delivered to it before.
    fn add_sinks(&mut self, wired: Vec<WiredSink>) -> Vec<ExchangedSink> {
        let mut exchanged = Vec::new();
        for sink in wired {
            let before = self.running.sinks.get_mut(&sink.plan.name).and_then(|before| {
                let deliverer = before.deliverer.take()?;
                // Its end, which comes when nobody can send to it any more, is no failure.
                deliverer.stop();
                Some((deliverer, before.plan.deadline))
            });
            let (name, deliverer) = self.add_sink(sink);
            exchanged.push(ExchangedSink { name, before, deliverer });
        }
        exchanged
    }

    /// Ends the pumps that lead to another sink, or lead there otherwise: each delivers what is under way.
    async fn end_pumps(&mut self, exchanged: &[ExchangedSink]) {
        let wanted = self.wanted();
        let is_other = |key: &(String, String), pump: &mut RunningPump| {
            let sink = &key.1;
            exchanged.iter().any(|it| it.name == *sink)
                || !wanted.iter().any(|(it, name)| name == sink && *it == pump.wanted)
        };
        let ended: Vec<_> = self.running.pumps.extract_if(.., is_other).collect();
        for (_, pump) in &ended {
            pump.running.stop();
        }
        for (_, pump) in ended {
            pump.running.end(LAST_TRY).await;
        }
    }

    /// Ends sinks that are gone: what is due to them is tried once more, the rest are dead letters.
    async fn end_sinks(&mut self, removed: Vec<RunningSink>) {
        for sink in &removed {
            if let Some(dispatcher) = &sink.dispatcher {
                dispatcher.stop();
            }
        }
        let mut deliverers = Vec::new();
        for sink in removed {
            let RunningSink { plan, deliverer, dispatcher, .. } = sink;
            if let Some(dispatcher) = dispatcher {
                dispatcher.end(LAST_TRY).await;
            }
            deliverers.extend(deliverer.map(|deliverer| (deliverer, plan.deadline)));
        }
        self.channels.recipients.send_replace(self.recipients());
        self.show();
        for (deliverer, deadline) in deliverers {
            deliverer.end(deadline + BEYOND).await;
        }
    }

    /// Closes queues that nobody reads any more; what was told of them is over.
    async fn clear_queues(&mut self) {
        let plan = &self.plan;
        let is_unread = |source: &String, _: &mut RunningQueue| !has_queue(plan, source);
        let gone: Vec<_> = self.running.queues.extract_if(.., is_unread).collect();
        for (_, RunningQueue { watch, end }) in &gone {
            // That it is closed is no failure.
            watch.stop();
            end.stop();
        }
        self.records.clear(plan).await;
        for (source, RunningQueue { watch, end }) in gone {
            watch.end(OTHER).await;
            end.end(OTHER).await;
            for problem in Problem::of_queues() {
                let event = Event { instance: source.clone(), problem, detail: None };
                // The pipeline is gone only while the daemon stops.
                drop(self.channels.events.send(event).await);
            }
        }
    }

    /// What the store holds of sinks and log evaluators that are gone goes, as at a start.
    async fn forget(&self, before: &Plan) {
        let added = self.plan.sinks.iter().map(|sink| &sink.name);
        let known = names(&before.sinks);
        let added: Vec<_> = added.filter(|name| !known.contains(&name.as_str())).collect();
        let mut pause = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let recipients = self.channels.recipients.borrow().clone();
            let done = async {
                give_up_removed(&self.store, &recipients, self.shared.clock.now()).await?;
                report_dead_letters(&self.store, added.iter().copied(), &self.channels.events)
                    .await?;
                self.forget_cursors(before).await
            };
            let Err(error) = done.await else { return };
            warn!(%error, "what waits for sinks that were removed is not given up yet");
            sleep(pause.failed()).await;
        }
    }

    async fn forget_cursors(&self, before: &Plan) -> Result<(), StoreError> {
        let pairs = |plan: &Plan| {
            let pairs = plan.logs.iter().flat_map(|rule| {
                rule.inputs.iter().map(|source| (rule.name.clone(), source.clone()))
            });
            pairs.collect::<Vec<_>>()
        };
        let (mut gone, kept) = (pairs(before), pairs(&self.plan));
        gone.retain(|pair| !kept.contains(pair));
        if gone.is_empty() {
            return Ok(());
        }
        let forget = move |transaction: &mut Transaction<'_>| {
            gone.iter().try_for_each(|(evaluator, source)| {
                transaction.forget_log_cursor(evaluator, source)
            })
        };
        self.store.write(forget).await
    }
}

/// A sink that is new or another one.
struct ExchangedSink {
    name: String,
    /// What delivered to it before, and for how long a delivery may last.
    before: Option<(RunningStage, Duration)>,
    /// What delivers to it now.
    deliverer: Deliverer,
}

fn names(sinks: &[Sink]) -> Vec<&str> {
    sinks.iter().map(|sink| sink.name.as_str()).collect()
}
