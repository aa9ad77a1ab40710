//! Problems of an instance: each is told to the pipeline when it begins and when it is over, and is a
//! line of the log once.

use tracing::warn;

use super::Supervisor;
use crate::{
    engine::Problem,
    plugin::{event::Event, instance::Role, status::InstanceState},
};

impl Supervisor {
    pub(super) async fn broken(
        &mut self,
        state: InstanceState,
        problem: Problem,
        cause: &str,
        cure: &str,
    ) {
        self.status.fail(state, cause, cure, self.shared.clock.now());
        // What it means is another alarm, and no other line of the log.
        self.warn(problem, cause);
        if problem != self.problem() {
            self.raise(self.problem(), cause).await;
        }
        self.raise(problem, cause).await;
    }

    /// What it means for the pipeline that this instance does not work.
    pub(super) fn problem(&self) -> Problem {
        match self.spec.role {
            Role::Source => Problem::SourceDown,
            _ => Problem::SinkFailing,
        }
    }

    pub(super) fn warn(&self, problem: Problem, cause: &str) {
        if !self.raised.contains(&problem) {
            warn!(instance = self.spec.name, problem = problem.as_str(), "{cause}");
        }
    }

    pub(super) async fn raise(&mut self, problem: Problem, detail: &str) {
        if !self.raised.contains(&problem) {
            self.before.retain(|before| *before != problem);
            self.raised.push(problem);
            self.report(problem, Some(detail.into())).await;
        }
    }

    pub(super) async fn report(&self, problem: Problem, detail: Option<String>) {
        let event = Event { instance: self.spec.name.clone(), problem, detail };
        // The pipeline is gone only while the daemon stops.
        drop(self.events.send(event).await);
    }
}
