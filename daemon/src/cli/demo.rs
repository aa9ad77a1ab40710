//! `haetae run --demo`: this machine and a simulated PaaS, alarms printed as they happen.

use std::{path::PathBuf, sync::Arc};

use jiff::tz::TimeZone;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    Common, exit, fit,
    output::{self, Style},
    plan,
};
use crate::{
    app::{App, Reloads, RunOptions},
    clock::Clock,
    config::Files,
    deliver::render::{Voice, quantity},
    engine::{Change, Transition},
    language::Language,
    plugin::image::hex,
    signal::{self, Hangup},
};

/// What the demo runs; `STATE` is replaced by its temporary directory.
const PIPELINE: &str = include_str!("../../../etc/demo.toml");

/// Runs the demo until it is interrupted; its directory goes with it.
pub(super) async fn run(common: &Common) -> u8 {
    let directory = match tempfile::Builder::new().prefix("haetae-demo-").tempdir() {
        Ok(directory) => directory,
        Err(error) => {
            output::say(format!(
                "no temporary directory can be made: {error}; set TMPDIR to one that this user may write"
            ));
            return exit::FOUND;
        }
    };
    // A JSON string without control characters is a TOML string.
    let state = serde_json::Value::from(directory.path().display().to_string());
    let text = PIPELINE.replace("\"STATE\"", &state.to_string());
    let files = Files::from_texts(vec![(PathBuf::from("demo.toml"), text)]);
    let Some((plan, catalog)) = plan::checked(common, &files) else {
        output::say(
            "the demo needs the plugins `host` and `demo` beside the program: cargo build --release",
        );
        return exit::CONFIG;
    };
    let stop = CancellationToken::new();
    if let Err(error) = signal::watch(stop.clone(), Hangup::Stop) {
        warn!(%error, "signals are not watched");
    }
    let token = token();
    let options = RunOptions {
        plan,
        file: None,
        reloads: Reloads::default(),
        catalog: Arc::new(catalog),
        clock: Clock::System,
        socket: None,
        if_lost: crate::store::Loss::default(),
        token: Some(token.clone()),
        stop: stop.clone(),
    };
    let app = match App::start(options).await {
        Ok(app) => app,
        Err(error) => {
            output::say(format!("the demo does not start: {error}"));
            return exit::FOUND;
        }
    };
    greet(&app, &token);
    let mut transitions = app.watch();
    show(&mut transitions, &stop, common.style()).await;
    drop(transitions);
    let code = app.finish().await.map_or(exit::FAILED, |()| 0);
    if let Err(error) = directory.close() {
        output::say(format!("the demo's directory could not be removed: {error}"));
    }
    code
}

/// Prints transitions until the demo is interrupted.
async fn show(transitions: &mut Receiver<Transition>, stop: &CancellationToken, style: Style) {
    let voice = Voice { language: Language::En, zone: TimeZone::system() };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            next = transitions.recv() => match next {
                Ok(transition) => output::text(&shown(&transition, &voice, style), 20),
                Err(RecvError::Lagged(skipped)) => {
                    output::say(format!("({skipped} more alarms, not shown)"));
                }
                Err(RecvError::Closed) => return,
            },
        }
    }
}

fn greet(app: &App, token: &str) {
    let address = app.address();
    for text in [
        "Demo: this machine's own metrics and a simulated PaaS: 2 zones, 12 cells, 140 containers. Nothing leaves this machine.",
        "All that it keeps is in a temporary directory. Ctrl-C ends the demo and leaves nothing behind.",
    ] {
        fit::lines(text, 0).iter().for_each(output::say);
    }
    output::say(format!("  metrics   http://{address}/metrics"));
    output::say(format!(
        "  alarms    curl -s -H 'Authorization: Bearer {token}' http://{address}/api/v1/alarms"
    ));
    output::say(format!("  status    haetae status --socket {}", app.socket().display()));
    output::say("The first alarm comes within seconds.\n");
}

/// One line: time, severity, what, value, since.
fn shown(transition: &Transition, voice: &Voice, style: Style) -> String {
    let alarm = &transition.alarm;
    let word = match transition.change {
        change @ (Change::Resolved | Change::Closed | Change::Settled) => {
            style.good(change.as_str())
        }
        change @ Change::Flapping => style.severity(alarm.severity, change.as_str()),
        _ => style.severity(alarm.severity, &format!("{:<8}", alarm.severity.as_str())),
    };
    let value = alarm.value.map_or_else(String::new, |value| quantity(value, &alarm.unit));
    let what = output::plain(&output::in_one_line(&voice.summary(alarm)));
    let since = voice.time(alarm.since);
    let since = since.split(' ').nth(1).unwrap_or(&since);
    let at = voice.time(transition.at);
    let at = at.split(' ').nth(1).unwrap_or(&at);
    format!("{at}  {word}  {what}  {value}  {}", style.dim(&format!("since {since}")))
}

/// A token nobody can guess, for this run alone.
fn token() -> String {
    let mut bytes = [0_u8; 24];
    if getrandom::fill(&mut bytes).is_err() {
        // Without randomness nobody shall be let in: the token is then not printable as a header.
        return "\n".into();
    }
    hex(&bytes)
}
