//! `haetae backtest`: the past judged again, as configured and as proposed.

mod gate;
mod progress_line;
mod range;
mod report;
mod total;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use tokio_util::sync::CancellationToken;

use self::{gate::Gate, progress_line::ProgressLine, range::Range, report::Report};
use super::{Common, exit, fit, output};
use crate::{
    backtest::{self, BacktestError, Head, Job},
    clock::Clock,
    config::{self, Files, Plan},
    plugin::{catalog::Catalog, library::Storage},
    signal,
};

#[derive(Debug, Args)]
#[command(
    after_help = "What a source's reader knows of the range is judged slot by slot as the daemon would have judged it,
in an engine of its own: nothing is sent, and a running daemon is not asked: thresholds count that
stand in the configuration, not those that people set. A run that was
interrupted goes on where it was when the same command is given again.

Examples:
  haetae backtest --from 7d
  haetae backtest --from 7d --set 'vm-cpu.critical.above=95' --set 'vm-cpu.critical.for=5m'
  haetae backtest --from 2026-03-01 --to 2026-03-08 --evaluator vm-cpu --proposed new.toml
  haetae -o json backtest --from 24h --proposed new.toml --fail-if 'alarms>+10%'

Exit codes: 0 ok, 1 a source does not answer or --fail-if holds, 2 usage, 3 no such evaluator, 78 bad
configuration, 130 interrupted"
)]
pub(super) struct Arguments {
    /// Where it begins: a time ago (`7d`), a date or a time
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Where it ends: `now`, a time ago, a date or a time
    #[arg(long, value_name = "TIME", default_value = "now")]
    to: String,
    /// Judge this evaluator alone; may be repeated
    #[arg(long, value_name = "NAME")]
    evaluator: Vec<String>,
    /// Compare with the configuration in which this file's tables replace those of their names
    #[arg(long, value_name = "FILE")]
    proposed: Option<PathBuf>,
    /// Compare with the configuration in which this is set; may be repeated
    #[arg(long, value_name = "NAME.KEY=VALUE")]
    set: Vec<String>,
    /// Fail if the proposal adds more than this: `alarms`, `notices`, `flaps`, by number or percent
    #[arg(long, value_name = "WHAT>+N[%]")]
    fail_if: Vec<Gate>,
    /// Where an unfinished run is kept (default: where this user's programs keep theirs)
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Begin anew, whatever is kept of an earlier run
    #[arg(long)]
    restart: bool,
}

/// Why it ends early: what to say, and the exit code.
type Early = (String, u8);

pub(super) fn run(common: &Common, arguments: &Arguments) -> u8 {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            output::say(format!("cannot start: {error}"));
            return exit::FOUND;
        }
    };
    let code = runtime.block_on(judged(common, arguments)).unwrap_or_else(|(text, code)| {
        if !text.is_empty() {
            output::say(text);
        }
        code
    });
    // A reader that hangs is not waited for.
    runtime.shutdown_background();
    code
}

async fn judged(common: &Common, arguments: &Arguments) -> Result<u8, Early> {
    let proposes = arguments.proposed.is_some() || !arguments.set.is_empty();
    if !arguments.fail_if.is_empty() && !proposes {
        return Err(("--fail-if compares: add --proposed or --set".into(), exit::USAGE));
    }
    // Before plugins are looked for.
    Range::parse(&arguments.from, &arguments.to, Clock::System.now())
        .map_err(|text| (text, exit::USAGE))?;
    let files = read(common)?;
    let storage = Storage::Memory;
    let catalog =
        Catalog::scan(files.plugin_directories(), &files.allowed_plugins(), storage).tried_first();
    let mut plans = vec![planned(common, &files, &catalog, "")?];
    if proposes {
        plans.push(planned(common, &proposed(common, arguments)?, &catalog, "as proposed: ")?);
    }
    choose(&mut plans, &arguments.evaluator, &catalog)?;
    let asks = backtest::asks(&plans, &catalog);
    let asks = asks.map_err(|error| (error.to_string(), exit::FOUND))?;
    let named = format!("{} {}", arguments.from, arguments.to);
    let state = arguments.state.clone().unwrap_or_else(|| kept(&asks, &named, &files));
    if arguments.restart {
        forget(&state)?;
    }
    let head = head(arguments, asks, named, &state)?;
    let range = Range { from: head.from, to: head.to };
    let slowest = plans.iter().flat_map(|plan| &plan.sources).map(|source| source.interval).max();
    range.holds(slowest.unwrap_or_default()).map_err(|text| (text, exit::USAGE))?;
    let stop = CancellationToken::new();
    if let Err(error) = signal::watch(stop.clone(), signal::Hangup::Stop) {
        output::say(format!("signals are not watched: {error}"));
    }
    let mut progress_line = ProgressLine::new(range, common.quiet);
    let kept = state.clone();
    let job = Job { plans, catalog: Arc::new(catalog), head, state, stop };
    let outcome = backtest::run(job, move |progress| progress_line.show(progress)).await;
    let outcome = outcome.map_err(|failure| failed(&failure, &kept))?;
    if !outcome.finished {
        let text = format!(
            "interrupted {}: the same command goes on from there; what was answered is kept in {}",
            range.share(outcome.progress.until),
            kept.display()
        );
        return Err((text, exit::INTERRUPTED));
    }
    for (source, complaint) in &outcome.complaints {
        output::say(format!("source `{source}`: not everything was taken: {complaint}"));
    }
    let report = Report::new(range, &outcome);
    report.show(common);
    let exceeded = arguments.fail_if.iter().filter(|gate| gate.holds(&report));
    let exceeded: Vec<&Gate> = exceeded.collect();
    for gate in &exceeded {
        output::say(format!("--fail-if {gate}: it does"));
    }
    Ok(if exceeded.is_empty() { 0 } else { exit::FOUND })
}

fn read(common: &Common) -> Result<Files, Early> {
    common.files().map_err(|code| (String::new(), code))
}

fn proposed(common: &Common, arguments: &Arguments) -> Result<Files, Early> {
    let mut files = read(common)?;
    if let Some(path) = &arguments.proposed {
        let unreadable =
            |error: config::UnreadableFile| (format!("{error}: {}", error.source), exit::CONFIG);
        files.overlay(path).map_err(unreadable)?;
    }
    for one in &arguments.set {
        files.set(one).map_err(|error| (format!("--set {error}"), exit::USAGE))?;
    }
    Ok(files)
}

fn planned(common: &Common, files: &Files, catalog: &Catalog, which: &str) -> Result<Plan, Early> {
    let checked = files.plan(catalog);
    let coloured = common.style_of_talk().is_coloured();
    let report = || {
        checked.report_within(fit::report_width(), files.language().unwrap_or_default(), coloured)
    };
    match checked.plan {
        Some(plan) => Ok(plan),
        None => Err((format!("{which}{}", report().trim_end()), exit::CONFIG)),
    }
}

/// Leaves the evaluators that are to be judged.
fn choose(plans: &mut [Plan], names: &[String], catalog: &Catalog) -> Result<(), Early> {
    let known: BTreeSet<String> =
        plans.iter().flat_map(|plan| &plan.thresholds).map(|one| one.name.clone()).collect();
    let logs: BTreeSet<String> =
        plans.iter().flat_map(|plan| &plan.logs).map(|one| one.name.clone()).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(*name)) {
        if logs.contains(name) {
            let text = format!("`{name}` is of kind \"log\": a backtest judges thresholds alone");
            return Err((text, exit::NOT_FOUND));
        }
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        return Err((format!("no evaluator `{name}`; there are: {known}"), exit::NOT_FOUND));
    }
    let mut left_out = BTreeSet::new();
    for plan in plans.iter_mut() {
        let (judged, other): (Vec<_>, Vec<_>) =
            plan.thresholds.clone().into_iter().partition(|one| match names {
                [] => backtest::readable(one, plan, catalog),
                names => names.contains(&one.name),
            });
        plan.thresholds = judged;
        if names.is_empty() {
            left_out.extend(other.into_iter().map(|one| one.name.clone()));
        }
    }
    let all = names.is_empty();
    let names = left_out.into_iter().collect::<Vec<_>>().join(", ");
    if plans.iter().all(|plan| plan.thresholds.is_empty()) {
        let text = match names.as_str() {
            "" => "there is no evaluator to judge by".to_owned(),
            names => {
                format!(
                    "nobody knows the past of what these read, no source has a reader: {names}; `haetae plugin list` says which plugins have one"
                )
            }
        };
        return Err((text, exit::FOUND));
    }
    if !names.is_empty() {
        output::say(format!("left out, as their sources have no reader: {names}"));
    }
    if !logs.is_empty() && all {
        let logs = logs.into_iter().collect::<Vec<_>>().join(", ");
        output::say(format!("left out, as no reader answers with lines of a log: {logs}"));
    }
    Ok(())
}

/// Where an unfinished run is kept by default.
fn kept(asks: &str, named: &str, files: &Files) -> PathBuf {
    let directory = match config::state_home() {
        Some(home) => home.join("haetae"),
        None => files.state().join("backtest"),
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let named: String = named.chars().map(plain).collect();
    directory.join(format!("backtest-{}-{named}.state", asks.get(..12).unwrap_or(asks)))
}

fn forget(state: &Path) -> Result<(), Early> {
    match fs::remove_file(state) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err((format!("{}: {error}", state.display()), exit::FOUND))
        }
        _ => Ok(()),
    }
}

/// The head of the recording: of the unfinished run if there is one, else a new one.
fn head(arguments: &Arguments, asks: String, range: String, state: &Path) -> Result<Head, Early> {
    let usage = |text| (text, exit::USAGE);
    let Range { from, to } =
        Range::parse(&arguments.from, &arguments.to, Clock::System.now()).map_err(usage)?;
    if let Some(head) = Head::read(state).filter(|head| head.range == range && head.asks == asks) {
        let own = Range { from: head.from, to: head.to };
        output::say(format!("goes on with the unfinished run of {own} (--restart begins anew)"));
        return Ok(head);
    }
    Ok(Head { asks, from, to, range })
}

fn failed(failure: &BacktestError, state: &Path) -> Early {
    let text = match failure {
        BacktestError::Unanswered(_) => format!(
            "{failure}\n  what was answered before is kept in {}: the same command goes on from there",
            state.display()
        ),
        _ => failure.to_string(),
    };
    (text, exit::FOUND)
}
