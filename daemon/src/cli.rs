//! The command line: one file a verb. Data goes to stdout, talk to stderr.

mod alarm;
mod backtest;
mod check;
mod client;
mod db;
mod demo;
mod explain;
mod outbox;
mod output;
mod plugin;
mod run;
mod scenario;
mod silence;
mod status;
mod test;
mod threshold;

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};
use haetae_plugin::Timestamp;

use crate::{config, memory, plugin::probe, telemetry};

/// Exit codes; the manual documents them.
pub mod exit {
    /// A check failed, or something was found.
    pub const FOUND: u8 = 1;
    /// What was asked makes no sense; clap answers so too.
    pub const USAGE: u8 = 2;
    /// Nothing of that name.
    pub const NOT_FOUND: u8 = 3;
    /// The daemon can't be reached.
    pub const UNREACHABLE: u8 = 4;
    /// It does not fit the state of things.
    pub const REFUSED: u8 = 5;
    /// It was done in part.
    pub const PARTLY: u8 = 6;
    /// A part of the daemon ended that it can't go on without; systemd starts it again.
    pub const FAILED: u8 = 70;
    /// A bad configuration at start; systemd does not restart on it.
    pub const CONFIG: u8 = 78;
    /// It was interrupted.
    pub const INTERRUPTED: u8 = 130;
}

/// haetae watches platforms and raises alarms.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "Examples:
  haetae run --demo                 watch this machine and a simulated PaaS; no root, no other server
  haetae check                      show every problem of /etc/haetae/haetae.toml
  haetae test                       run the rule tests that stand in it
  haetae -c my.toml run             run a configuration of your own
  haetae -o json alarm list         the alarms, for other programs

Exit codes: 0 ok, 1 problems found, 2 usage, 3 not found, 4 daemon unreachable,
  5 refused, 6 done in part, 70 the daemon failed, 78 bad configuration at start, 130 interrupted";

/// What every verb understands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Common options")]
struct Common {
    /// The configuration; drop-ins are read from `conf.d` beside it
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        default_value = "/etc/haetae/haetae.toml"
    )]
    config: PathBuf,
    /// How answers are printed
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// When text is coloured
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto)]
    color: Colour,
    /// The daemon's admin socket (default: admin.sock in the configuration's state directory)
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Log more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Log warnings and errors only
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Colour {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the daemon
    Run(run::Arguments),
    /// Show every problem of the configuration; starts nothing, reads no secret
    Check(check::Arguments),
    /// Judge the past again, by the configuration as it is and as it is proposed, and compare
    Backtest(backtest::Arguments),
    /// Run the rule tests of the configuration in virtual time; starts nothing, reads no secret
    Test(test::Arguments),
    /// Look at plugins
    #[command(
        subcommand,
        after_help = "Examples:\n  haetae plugin list\n  haetae plugin doc influx"
    )]
    Plugin(plugin::Verb),
    /// Look at alarms, and handle them
    #[command(
        subcommand,
        after_help = "Examples:\n  haetae alarm list\n  haetae alarm show 3f9c2a\n  haetae alarm ack 3f9c2a --for 2h --comment 'disk ordered'\n  haetae alarm close --match evaluator=cpu --code noise --dry-run\n\nWhy a sink was told of one or not: haetae explain 3f9c2a"
    )]
    Alarm(alarm::Verb),
    /// Silence alarms for a while
    #[command(
        subcommand,
        after_help = "Examples:\n  haetae silence add --match host=db1 --for 2h --reason 'patching db1'\n  haetae silence list\n  haetae silence end 01K9Z3Q4M8XJ0T5C2R7V6W1Y0B\n\n`haetae silence add --help` shows those until resolved and those that come again."
    )]
    Silence(silence::Verb),
    /// Look at thresholds, set and remove them
    #[command(
        subcommand,
        after_help = "Examples:\n  haetae threshold list\n  haetae threshold set --evaluator vm-cpu --match 'ip=\"10.0.0.1\"' --critical above=95,clear=90 --reason 'batch host'\n  haetae threshold history 01K9Z3Q4M8XJ0T5C2R7V6W1Y0B"
    )]
    Threshold(threshold::Verb),
    /// Look at what waits for sinks and at dead letters; try them again, drop them
    #[command(
        subcommand,
        after_help = "Examples:\n  haetae outbox list\n  haetae outbox redrive --all --sink mail"
    )]
    Outbox(outbox::Verb),
    /// Check and back up the store
    #[command(
        subcommand,
        after_help = "Examples:\n  haetae db check\n  haetae db backup /var/backups/haetae.db"
    )]
    Db(db::Verb),
    /// Say why each sink was told of an alarm or not, and what it is told next
    Explain(explain::Arguments),
    /// Show what the running daemon does
    Status(status::Arguments),
    /// Open plugins for another process of ours, which asks what they say of themselves
    #[command(hide = true)]
    PluginTrial {
        /// The libraries
        files: Vec<PathBuf>,
    },
}

/// A time as a person gives it: with an offset, or as the clock here shows it.
fn time(text: &str) -> Result<Timestamp, String> {
    config::moment(text, &jiff::tz::TimeZone::system()).ok_or_else(|| {
        format!("`{text}` is no time: write 2026-11-25T03:12, or 2026-11-25T03:12+09:00")
    })
}

/// Runs the program.
pub fn main() -> ExitCode {
    memory::hold_little();
    let Cli { common, verb } = Cli::parse();
    let quiet = common.quiet
        || !matches!(verb, Verb::Run(_))
        || matches!(&verb, Verb::Run(run) if run.is_demo());
    telemetry::start(common.verbose, quiet);
    let code = match verb {
        Verb::Run(arguments) => run::run(&common, &arguments),
        Verb::Check(arguments) => check::run(&common, &arguments),
        Verb::Backtest(arguments) => backtest::run(&common, &arguments),
        Verb::Test(arguments) => test::run(&common, &arguments),
        Verb::Plugin(verb) => plugin::run(&common, verb),
        Verb::Alarm(verb) => alarm::run(&common, &verb),
        Verb::Threshold(verb) => threshold::run(&common, &verb),
        Verb::Silence(verb) => silence::run(&common, &verb),
        Verb::Outbox(verb) => outbox::run(&common, &verb),
        Verb::Db(verb) => db::run(&common, &verb),
        Verb::Explain(arguments) => explain::run(&common, &arguments),
        Verb::Status(arguments) => status::run(&common, &arguments),
        Verb::PluginTrial { files } => u8::from(probe::answer(&files).is_err()) * exit::FOUND,
    };
    telemetry::flush();
    ExitCode::from(code)
}

impl Common {
    fn is_json(&self) -> bool {
        self.output == Format::Json
    }

    fn style(&self) -> output::Style {
        let colour = match self.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => std::io::stdout().is_terminal(),
        };
        output::Style::new(colour)
    }
}
