//! Health: whether every stage answers, and whether the daemon judges and can write. Nobody is asked.

use std::time::Duration;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::View;
use crate::stage::StageStatus;

/// An engine that is further behind does not judge.
const BEHIND: Duration = Duration::from_secs(15);
/// One that has not moved for so long will not.
const STUCK: Duration = Duration::from_mins(5);

impl View {
    /// Answers `GET /healthz`: whether every stage answers.
    pub(super) fn health(&self) -> Response {
        answer("ok", &self.unhealthy())
    }

    /// Answers `GET /readyz`: whether it judges and can write.
    pub(super) fn readiness(&self) -> Response {
        answer("ready", &self.unready())
    }

    /// What is wrong with stages, in words.
    pub(crate) fn unhealthy(&self) -> Vec<String> {
        let stages = self.parts().stages.unwell();
        let down = stages.iter().filter(|stage| !stage.running);
        let mut causes: Vec<_> = down.map(StageStatus::words).collect();
        // Whoever waits for the store is not mended by being started again.
        if self.store_failing().is_none() {
            causes.extend(self.engine_behind(STUCK));
        }
        causes
    }

    /// Why it does not judge, or can't write, in words.
    pub(crate) fn unready(&self) -> Vec<String> {
        if !self.is_ready() {
            return vec!["starting: alarms of an earlier run are read".into()];
        }
        let store = self.store_failing();
        let now = self.parts().clock.now();
        let store = store.map(|(cause, since)| {
            format!("the store fails for {} s: {cause}", now.since(since).as_secs())
        });
        let engine = self.engine_behind(BEHIND);
        self.unhealthy().into_iter().chain(store).chain(engine).collect()
    }

    fn engine_behind(&self, limit: Duration) -> Option<String> {
        let behind = self.parts().heartbeat.behind();
        let is = behind >= limit && self.is_ready();
        is.then(|| format!("the engine is {} s behind", behind.as_secs()))
    }
}

fn answer(well: &str, causes: &[String]) -> Response {
    if causes.is_empty() {
        return format!("{well}\n").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, causes.join("\n") + "\n").into_response()
}
