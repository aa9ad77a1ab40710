//! `haetae reload`: the running daemon reads its configuration again, whole or not at all.

use std::io::IsTerminal;

use clap::Args;

use super::{Colour, Common, client, exit, output};
use crate::http::reload::{Configuration, ReloadAnswer, ReloadRequest, ReloadResult};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  haetae reload\n  haetae -o json reload\n\nWhat runs and did not change goes on; a bad configuration changes nothing. [daemon] state,\nstore and socket_group, [http] listen and [plugins] need a restart.\nExit codes: 0 reloaded, 78 the configuration has errors, 5 it can't be taken up without a restart, or now"
)]
pub(super) struct Arguments {}

pub(super) fn run(common: &Common, _arguments: &Arguments) -> u8 {
    let colour = match common.color {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => std::io::stdout().is_terminal(),
    };
    let asked = ReloadRequest { colour: colour && !common.is_json() };
    // Its report has colours that are meant: what others wrote is plain in it already.
    let answer: ReloadAnswer = match client::post_for_exact(common, "/api/v1/reload", &asked) {
        Ok(answer) => answer,
        Err(code) => return code,
    };
    let code = match answer.result {
        ReloadResult::Reloaded => 0,
        ReloadResult::Invalid => exit::CONFIG,
        ReloadResult::Refused => exit::REFUSED,
    };
    if common.is_json() {
        output::json(&answer);
        return code;
    }
    // Where all is well there is nothing to report.
    if !answer.ok && !answer.report.is_empty() || !answer.problems.is_empty() {
        output::line(&answer.report);
    }
    match &answer.error {
        None => output::line(done(&answer.configuration)),
        Some(_) if answer.result == ReloadResult::Invalid => {
            output::say("not reloaded: haetae goes on as before");
        }
        Some(error) => output::say(format!("not reloaded: {}", output::plain(error))),
    }
    code
}

fn done(configuration: &Configuration) -> String {
    let Configuration { sources, evaluators, sinks, .. } = configuration;
    format!("reloaded: {sources} sources, {evaluators} evaluators, {sinks} sinks")
}
