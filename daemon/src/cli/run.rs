//! `haetae run`: the daemon.

use std::{convert::Infallible, future::pending, sync::Arc, time::Duration};

use clap::Args;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Common, demo, exit, output, plan};
use crate::{
    app::{App, Reloads, RunOptions, StartError},
    clock::Clock,
    config, descriptors, fault,
    http::reload::Request,
    memory,
    signal::{self, Hangup},
    store::Loss,
    systemd,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  haetae run\n  haetae -c my.toml run\n  haetae run --demo")]
pub(super) struct Arguments {
    /// Watch this machine and a simulated PaaS: no root, no configuration, no other server
    #[arg(long)]
    demo: bool,
    /// Go on with a store that has lost something, or with a new one in its place: what it knew
    /// since, of alarms and of what waits for sinks, is lost
    #[arg(long, conflicts_with = "demo")]
    accept_loss: bool,
}

impl Arguments {
    pub(super) const fn is_demo(&self) -> bool {
        self.demo
    }
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> u8 {
    if let Err(error) = descriptors::raise() {
        warn!(%error, "the limit of open files can't be raised");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            output::say(format!("cannot start: {error}"));
            return exit::FOUND;
        }
    };
    let code = if arguments.demo {
        runtime.block_on(demo::run(common))
    } else {
        runtime.block_on(daemon(common, arguments.accept_loss))
    };
    // Threads of hung plugins are not waited for.
    runtime.shutdown_background();
    code
}

async fn daemon(common: &Common, accept_loss: bool) -> u8 {
    let files = match common.files() {
        Ok(files) => files,
        Err(code) => return code,
    };
    let Some((plan, catalog)) = plan::checked(common, &files) else { return exit::CONFIG };
    // What it was read from is not kept for as long as it runs.
    drop(files);
    fault::read_from(config::faults());
    let (stop, reloads) = (CancellationToken::new(), Reloads::default());
    let ask = reloads.ask.clone();
    // Where as many wait already, one of them reads what there is now.
    let reload = move || drop(ask.try_send(Request::unheard()));
    if let Err(error) = signal::watch(stop.clone(), Hangup::Ask(Box::new(reload))) {
        warn!(%error, "signals are not watched");
    }
    let options = RunOptions {
        plan,
        file: Some(common.config().to_path_buf()),
        reloads,
        catalog: Arc::new(catalog),
        clock: Clock::System,
        socket: common.socket.clone().or_else(config::runtime_socket),
        token: None,
        if_lost: if accept_loss { Loss::Accepted } else { Loss::Refused },
        stop,
    };
    match App::start(options).await {
        Ok(app) => {
            app.log("started");
            systemd::ready(&app.summary());
            tokio::select! {
                ended = app.finish() => ended.map_or(exit::FAILED, |()| 0),
                never = give_back() => match never {},
            }
        }
        Err(StartError::Stopped) => 0,
        Err(error) => {
            output::say(format!("haetae does not start: {error}"));
            exit::FOUND
        }
    }
}

/// What only the start needed is given back, and what only the first minute did.
async fn give_back() -> Infallible {
    memory::give_back_files();
    tokio::time::sleep(Duration::from_mins(1)).await;
    memory::give_back();
    memory::give_back_files();
    pending().await
}
