//! The command line: one file a verb. Data goes to stdout, talk to stderr.

mod alarm;
mod backtest;
mod check;
mod client;
mod db;
mod demo;
mod denied;
mod explain;
mod fit;
mod language;
mod outbox;
mod output;
mod plan;
mod plugin;
mod reload;
mod run;
mod scenario;
mod silence;
mod status;
mod test;
mod threshold;

use std::{
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use haetae_plugin::{Timestamp, options::Duration};

use crate::{
    config::{self, Files, UnreadableFile},
    language::Language,
    memory,
    plugin::probe,
    telemetry,
};

/// Exit codes; the manual documents them.
pub mod exit {
    /// It could not be done, or something was found.
    pub const FOUND: u8 = 1;
    /// What was asked makes no sense; clap answers so too.
    pub const USAGE: u8 = 2;
    /// There is nothing of that name.
    pub const NOT_FOUND: u8 = 3;
    /// The daemon, or its store, does not answer.
    pub const UNREACHABLE: u8 = 4;
    /// It does not fit the state of things, or is not for this user.
    pub const REFUSED: u8 = 5;
    /// It was done in part.
    pub const PARTLY: u8 = 6;
    /// A part of the daemon ended that it can't go on without; systemd starts it again.
    pub const FAILED: u8 = 70;
    /// The configuration can't be read or is wrong; systemd does not restart on it.
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

/// The configuration of which nobody says that it is another.
const CONFIG: &str = "/etc/haetae/haetae.toml";

const CONFIG_HELP: &str = "The configuration; drop-ins are read from `conf.d` beside it [default: /etc/haetae/haetae.toml]";

const EXAMPLES: &str = "Examples:
  haetae run --demo           watch this machine and a simulated PaaS, at once
  haetae check                show every problem of /etc/haetae/haetae.toml
  haetae test                 run the rule tests that stand in it
  haetae -c my.toml run       run a configuration of your own
  haetae -o json alarm list   the alarms, for other programs

Exit codes, of every command alike:
  0    done; also if there was nothing to do
  1    it could not be done, or something was found: problems, failed tests
  2    the command line, or what it asks for, makes no sense
  3    there is nothing of that name
  4    the daemon, or its store, does not answer
  5    refused: it does not fit how things are, or this user may not ask
  6    done in part
  70   a part of the daemon ended that it needs; systemd starts it again
  78   the configuration can't be read or is wrong; of `check` that is 1
  130  interrupted";

/// What every verb understands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Common options")]
struct Common {
    #[arg(short, long, global = true, value_name = "FILE", help = CONFIG_HELP)]
    config: Option<PathBuf>,
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
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is dumb
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
        after_help = "Examples:\n  haetae silence add --match host=db1 --for 2h --comment 'patching db1'\n  haetae silence list\n  haetae silence end 01K9Z3Q4M8XJ0T5C2R7V6W1Y0B\n\n`haetae silence add --help` shows those until resolved and those that come again."
    )]
    Silence(silence::Verb),
    /// Look at thresholds, set and remove them
    #[command(
        subcommand,
        after_help = "Examples:\n  haetae threshold list\n  haetae threshold set --evaluator vm-cpu --match 'ip=\"10.0.0.1\"' --critical above=95,clear=90 --comment 'batch host'\n  haetae threshold history 01K9Z3Q4M8XJ0T5C2R7V6W1Y0B"
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
    /// Have the running daemon read its configuration again, whole or not at all
    Reload(reload::Arguments),
    /// Show what the running daemon does
    Status(status::Arguments),
    /// Open plugins for another process of ours, which asks what they say of themselves
    #[command(hide = true)]
    PluginProbe {
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

/// A length of time, as the configuration takes it and with its words where it does not.
fn duration(text: &str) -> Result<Duration, String> {
    text.parse().map_err(|_| config::no_duration(text, Language::En))
}

/// Runs the program.
pub fn main() -> ExitCode {
    memory::hold_little();
    let Cli { common, verb } = Cli::parse();
    let quiet = common.quiet
        || !matches!(verb, Verb::Run(_))
        || matches!(&verb, Verb::Run(run) if run.is_demo());
    telemetry::start(common.verbose, quiet, common.colours(&io::stderr()));
    let code = if let Err(error) = common.named_config() {
        output::unreadable(&error)
    } else {
        run_verb(&common, verb)
    };
    telemetry::flush();
    ExitCode::from(code)
}

fn run_verb(common: &Common, verb: Verb) -> u8 {
    match verb {
        Verb::Run(arguments) => run::run(common, &arguments),
        Verb::Check(arguments) => check::run(common, &arguments),
        Verb::Backtest(arguments) => backtest::run(common, &arguments),
        Verb::Test(arguments) => test::run(common, &arguments),
        Verb::Plugin(verb) => plugin::run(common, verb),
        Verb::Alarm(verb) => alarm::run(common, &verb),
        Verb::Threshold(verb) => threshold::run(common, &verb),
        Verb::Silence(verb) => silence::run(common, &verb),
        Verb::Outbox(verb) => outbox::run(common, &verb),
        Verb::Db(verb) => db::run(common, &verb),
        Verb::Explain(arguments) => explain::run(common, &arguments),
        Verb::Reload(arguments) => reload::run(common, &arguments),
        Verb::Status(arguments) => status::run(common, &arguments),
        Verb::PluginProbe { files } => u8::from(probe::answer(&files).is_err()) * exit::FOUND,
    }
}

impl Common {
    fn is_json(&self) -> bool {
        self.output == Format::Json
    }

    /// The files of the configuration; an error has been said.
    fn files(&self) -> Result<Files, u8> {
        Files::read(self.config()).map_err(|error| output::unreadable(&error))
    }

    /// The same for verbs that can do without: none if nobody names one and there is none.
    fn files_if_any(&self) -> Result<Option<Files>, u8> {
        if self.config.is_some() {
            self.files().map(Some)
        } else {
            Ok(Files::read(self.config()).ok())
        }
    }

    /// The configuration.
    fn config(&self) -> &Path {
        self.config.as_deref().unwrap_or_else(|| Path::new(CONFIG))
    }

    /// A configuration that somebody names is there, also for verbs that could do without one:
    /// else they would ask another daemon than the one that is meant.
    fn named_config(&self) -> Result<(), UnreadableFile> {
        let Some(path) = &self.config else { return Ok(()) };
        let unreadable = |source| UnreadableFile { path: path.clone(), source };
        fs::File::open(path).map(drop).map_err(unreadable)
    }

    /// The style of what goes to stdout.
    fn style(&self) -> output::Style {
        output::Style::new(self.colours(&io::stdout()))
    }

    /// The style of what is said on stderr.
    fn style_of_talk(&self) -> output::Style {
        output::Style::new(self.colours(&io::stderr()))
    }

    fn colours(&self, stream: &impl IsTerminal) -> bool {
        match self.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => stream.is_terminal() && !config::wants_no_colour(),
        }
    }
}
