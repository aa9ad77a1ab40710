//! What runs of a plan, each part with what stops it alone: a reload stops and starts what changed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use haetae_plugin::Records;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use crate::{
    config::{Sink, Source},
    deliver::{handoff::Handoff, metrics::DeliveryMetrics},
    pipeline::{feed::Outputs, part::RecordFilter, refill::Refill},
    plugin::{lend::Cells, sink::Outlet, status::Status},
    stage::{Stage, Stages},
};

/// What runs of a plan, by name.
#[derive(Default)]
pub(super) struct RunningPlan {
    pub(super) sources: BTreeMap<String, RunningSource>,
    pub(super) sinks: BTreeMap<String, RunningSink>,
    /// By source and sink.
    pub(super) pumps: BTreeMap<(String, String), RunningPump>,
    /// What reads queues for log evaluators, by source.
    pub(super) log_readers: BTreeMap<String, RunningStage>,
    /// What sees to queues, by source.
    pub(super) queues: BTreeMap<String, RunningQueue>,
    pub(super) retention: Option<RunningStage>,
}

/// A source that runs.
pub(super) struct RunningSource {
    pub(super) plan: Source,
    pub(super) shown: (Status, Cells),
    /// Where its batches go.
    pub(super) outputs: watch::Sender<Outputs>,
    pub(super) refills: mpsc::Sender<Refill>,
    pub(super) caller: RunningStage,
    pub(super) feed: RunningStage,
    /// A batch that waits for room in its feed is left.
    pub(super) feed_stop: CancellationToken,
}

/// A sink that runs.
pub(super) struct RunningSink {
    pub(super) plan: Sink,
    pub(super) shown: (Status, Cells),
    pub(super) takes: Vec<Records>,
    pub(super) outlet: Outlet,
    pub(super) handoff: Arc<Handoff>,
    pub(super) wake: Arc<Notify>,
    pub(super) metrics: DeliveryMetrics,
    pub(super) deliverer: Option<RunningStage>,
    /// One that takes no notifications has none.
    pub(super) dispatcher: Option<RunningStage>,
}

/// What leads from a queue to a sink.
pub(super) struct RunningPump {
    pub(super) wanted: RecordFilter,
    pub(super) running: RunningStage,
}

/// What tells of a queue, and of its end.
pub(super) struct RunningQueue {
    pub(super) watch: RunningStage,
    pub(super) end: RunningStage,
}

/// A stage that can be stopped alone.
pub(super) struct RunningStage {
    name: String,
    stages: Stages,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl RunningStage {
    /// Runs a stage until `stop`.
    pub(super) fn spawn(
        stages: &Stages,
        tasks: &TaskTracker,
        stop: CancellationToken,
        name: String,
        stage: impl Stage,
    ) -> Self {
        let task = stages.spawn_until(&stop, tasks, name.clone(), stage);
        Self { name, stages: stages.clone(), stop, task }
    }

    /// Watches for the end of what can't be started again, until `stop`.
    pub(super) fn spawn_critical(
        stages: &Stages,
        tasks: &TaskTracker,
        stop: CancellationToken,
        name: String,
        end: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let task = stages.spawn_critical_until(&stop, tasks, name.clone(), end);
        Self { name, stages: stages.clone(), stop, task }
    }

    /// Asks it to stop.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Stops it. One that does not end in time is given up: what was under way is nobody's any more.
    pub(super) async fn end(mut self, within: Duration) {
        self.stop();
        if timeout(within, &mut self.task).await.is_err() {
            self.task.abort();
            self.stages.forget(&self.name);
            warn!(stage = self.name, "a stage did not end in {within:?}: it is given up");
        }
    }
}

impl RunningSink {
    /// Whether its instance is the one that this plan wants: the rest of a plan is about what it is told.
    pub(super) fn is_of(&self, plan: &Sink) -> bool {
        let Sink { kind, options, deadline, .. } = &self.plan;
        (kind, options, deadline) == (&plan.kind, &plan.options, &plan.deadline)
    }

    pub(super) fn notifies(&self) -> bool {
        self.takes.contains(&Records::Notifications)
    }
}
