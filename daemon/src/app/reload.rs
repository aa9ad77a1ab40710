//! Reload: what changed in the configuration is stopped and started while the rest goes on.
//!
//! All that can fail is done first and changes nothing that runs. From the moment in which the engine is
//! handed the plan the reload goes through; a kill in its midst is a restart with the new configuration.

mod prepare;
mod read;
mod take_over;

use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

pub(super) use self::prepare::Prepared;
use self::read::Read;
use super::{App, StartError, restore};
use crate::{
    config::{Plan, Source},
    engine::{Input, Override, Problem, Setting},
    http::reload::{Configuration, FailedReload, ReloadAnswer, ReloadResult, Request},
    memory,
    pipeline::problems::HAETAE,
    plugin::{catalog::Catalog, event::Event},
    store::StoreError,
    systemd,
};

/// How long it waits for the engine, which may be busy with a storm.
const ENGINE: Duration = Duration::from_secs(10);
/// How long a source may take to end: its call is left, and what it has open is closed.
const SOURCE: Duration = Duration::from_secs(10);

/// Why a configuration that was read is not taken up.
#[derive(Debug, thiserror::Error)]
enum Refused {
    /// Something of it is read at the start alone.
    #[error("{0} can't be changed by a reload: restart haetae, or put back what it was")]
    Restart(&'static str),
    /// Something of it can't be started, or the store does not answer.
    #[error("{0}; haetae goes on as before, reload again when that is mended")]
    Start(#[from] StartError),
    /// It has too much to do.
    #[error("the engine has more to do than it gets done just now: reload again later")]
    Busy,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Start(error.into())
    }
}

impl App {
    /// Reloads whenever somebody asks, for all together who have asked by then. Ends when nobody can.
    pub(super) async fn reload_when_asked(&mut self) {
        // What an earlier run could not read it has read now.
        self.tell_reload(None).await;
        while let Some(first) = self.asked.recv().await {
            let mut asked = vec![first];
            while let Ok(next) = self.asked.try_recv() {
                asked.push(next);
            }
            systemd::reloading();
            let (answer, report) = self.reload().await;
            systemd::ready(&self.summary());
            for Request { colour, reply } in asked {
                let report = report.text(colour).to_owned();
                // Whoever asked may have gone.
                drop(reply.send(ReloadAnswer { report, ..answer.clone() }));
            }
            memory::give_back();
        }
        std::future::pending::<()>().await;
    }

    /// Reads the configuration and takes it up, or changes nothing; says which.
    async fn reload(&mut self) -> (ReloadAnswer, read::Report) {
        let Some(file) = self.file.clone() else {
            let error = "the demo has no configuration to reload".to_owned();
            return (self.answer(ReloadResult::Refused, Some(error)), read::Report::default());
        };
        let state = self.plan.daemon.state.clone();
        let Read { plan, report, broken } = read::read(file, state, self.libraries.clone()).await;
        let (result, error) = match (plan, broken) {
            (Some((plan, catalog)), _) => match self.take_up(plan, &catalog).await {
                Ok(()) => (ReloadResult::Reloaded, None),
                Err(refused) => (ReloadResult::Refused, Some(refused.to_string())),
            },
            (None, broken) => (ReloadResult::Invalid, Some(broken)),
        };
        let now = self.shared.clock.now();
        let configuration = &self.view.parts().configuration;
        if let Some(error) = &error {
            warn!("the configuration was not reloaded, haetae goes on as before: {error}");
            let failed = Some(FailedReload { at: now, cause: error.clone() });
            configuration.send_modify(|configuration| configuration.failed = failed);
        } else {
            let taken = Configuration::of(&self.plan, self.file.clone(), now);
            configuration.send_replace(taken);
            self.log("reloaded");
        }
        self.tell_reload(error.clone()).await;
        let problems = report.problems.clone();
        (ReloadAnswer { problems, ..self.answer(result, error) }, report)
    }

    fn answer(&self, result: ReloadResult, error: Option<String>) -> ReloadAnswer {
        ReloadAnswer {
            ok: result == ReloadResult::Reloaded,
            result,
            error,
            problems: Vec::new(),
            report: String::new(),
            configuration: self.view.parts().configuration.borrow().clone(),
        }
    }

    /// Says in the log what it runs by.
    pub fn log(&self, what: &str) {
        let configuration = self.view.parts().configuration.borrow().clone();
        let Configuration { file, sources, evaluators, sinks, .. } = configuration;
        info!(
            version = env!("CARGO_PKG_VERSION"),
            configuration = %file.unwrap_or_default().display(),
            sources,
            evaluators,
            sinks,
            http = %self.address,
            socket = %self.socket.display(),
            store = %self.view.store(),
            "{what}"
        );
    }

    /// What it runs by, in a few words.
    pub fn summary(&self) -> String {
        let configuration = self.view.parts().configuration.borrow();
        let Configuration { sources, evaluators, sinks, failed, .. } = &*configuration;
        let failed = failed.as_ref().map_or("", |_| "; the last reload failed");
        format!("{sources} sources, {evaluators} evaluators, {sinks} sinks{failed}")
    }

    async fn tell_reload(&self, detail: Option<String>) {
        let event = Event { instance: HAETAE.into(), problem: Problem::ReloadFailed, detail };
        // The pipeline is gone only while the daemon stops.
        drop(self.channels.events.send(event).await);
    }

    /// Goes on by another plan.
    async fn take_up(&mut self, plan: Plan, catalog: &Catalog) -> Result<(), Refused> {
        if let Some(key) = fixed(&self.plan, &plan) {
            return Err(Refused::Restart(key));
        }
        let prepared = self.prepare(&plan, catalog).await?;
        let registry = self.view.parts().thresholds.clone();
        let number = self.number + 1;
        let committed = registry
            .reload(&plan, async |overrides| self.hand_over(&plan, number, overrides).await);
        if let Err(refused) = committed.await {
            self.records.undo(prepared.queues).await;
            return Err(refused);
        }
        self.number = number;
        self.refused = catalog.refused().to_vec();
        self.take_over(plan, prepared).await;
        Ok(())
    }

    /// Hands the plan to the engine; an error has changed nothing. What fed it by the plan before and will
    /// not go on has ended by then.
    async fn hand_over(
        &mut self,
        plan: &Plan,
        number: u64,
        overrides: Vec<Override>,
    ) -> Result<(), Refused> {
        let place = timeout(ENGINE, self.channels.inputs.clone().reserve_owned());
        // It ends only when the daemon does.
        let Ok(Ok(place)) = place.await else { return Err(Refused::Busy) };
        let readers = std::mem::take(&mut self.running.log_readers);
        for reader in readers.into_values() {
            reader.end(SOURCE).await;
        }
        self.end_sources(plan).await;
        let setting = Setting {
            sources: plan.sources.iter().map(Source::timing).collect(),
            thresholds: plan.thresholds.clone(),
            overrides,
            logs: plan.logs.clone(),
            routes: plan.routes(),
            inhibits: plan.inhibits.clone(),
            maintenance: plan.maintenance.clone(),
            instances: Some(restore::instances(plan)),
            number: Some(number),
        };
        place.send(Input::Reload(Box::new(setting)));
        Ok(())
    }
}

/// What is read at the start alone, if it is another one.
fn fixed(before: &Plan, after: &Plan) -> Option<&'static str> {
    let keys = [
        ("[daemon] state", before.daemon.state == after.daemon.state),
        ("[daemon] store", before.daemon.store == after.daemon.store),
        ("[daemon] socket_group", before.daemon.socket_group == after.daemon.socket_group),
        ("[http] listen", before.http == after.http),
        ("[plugins] path", before.plugins.path == after.plugins.path),
        ("[plugins] allow", before.plugins.allow == after.plugins.allow),
    ];
    keys.into_iter().find(|(_, is_same)| !is_same).map(|(key, _)| key)
}
