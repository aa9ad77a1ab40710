//! What people do about alarms: one by its id, or all that match.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use haetae_plugin::{Timestamp, options::Duration};

use super::{handling, path, voice};
use crate::{
    cli::{Common, client, exit, output},
    engine::alarm::handling::CloseCode,
    people::{ActAnswer, ActRequest, BulkAnswer, BulkRequest, Said},
};

/// Ids that a text answer names at the most; JSON names all.
const NAMED: usize = 100;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Act {
    /// Say that you know: it is not told again until it worsens, ends, or the time is up
    #[command(
        after_help = "Examples:\n  haetae alarm ack 3f9c2a --for 2h --comment 'disk ordered'\n  haetae alarm ack 3f9c2a --until 2026-11-26T09:00\n  haetae alarm ack 3f9c2a --sticky\n  haetae alarm ack --match severity=warning --match 'host=~\"db.*\"' --for 1h --dry-run"
    )]
    Ack {
        #[command(flatten)]
        which: AlarmSelection,
        /// For how long, like 90m or 2h
        #[arg(long = "for", value_name = "DURATION", value_parser = crate::cli::duration)]
        lasts: Option<Duration>,
        /// Until when, like 2026-11-26T09:00; without both, until it worsens or ends
        #[arg(long, value_name = "TIME", conflicts_with = "lasts", value_parser = crate::cli::time)]
        until: Option<Timestamp>,
        /// Also while it worsens
        #[arg(long)]
        sticky: bool,
        /// Why, for others
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        comment: String,
    },
    /// Say who is to see to it; without --to, nobody
    #[command(
        after_help = "Examples:\n  haetae alarm assign 3f9c2a --to lee\n  haetae alarm assign 3f9c2a"
    )]
    Assign {
        #[command(flatten)]
        which: AlarmSelection,
        /// Who
        #[arg(long, value_name = "NAME")]
        to: Option<String>,
        /// Why, for others
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        comment: String,
    },
    /// Write something down
    #[command(after_help = "Example:\n  haetae alarm note 3f9c2a --comment 'same as last week'")]
    Note {
        #[command(flatten)]
        which: AlarmSelection,
        /// What
        #[arg(long, alias = "note", value_name = "TEXT")]
        comment: String,
    },
    /// Say that you work on it
    #[command(
        after_help = "Example:\n  haetae alarm progress 3f9c2a --comment 'restarting the cell'"
    )]
    Progress {
        #[command(flatten)]
        which: AlarmSelection,
        /// What you do
        #[arg(
            long,
            alias = "note",
            value_name = "TEXT",
            default_value = "",
            hide_default_value = true
        )]
        comment: String,
    },
    /// Say that it is done with, and what it was
    #[command(
        after_help = "Examples:\n  haetae alarm close 3f9c2a --code real --comment 'disk replaced'\n  haetae alarm close --match evaluator=cpu --code noise --comment 'load test'"
    )]
    Close {
        #[command(flatten)]
        which: AlarmSelection,
        /// What it was
        #[arg(long, value_enum)]
        code: Code,
        /// More about it
        #[arg(
            long,
            alias = "note",
            value_name = "TEXT",
            default_value = "",
            hide_default_value = true
        )]
        comment: String,
    },
    /// Make it unhandled again
    #[command(
        after_help = "Example:\n  haetae alarm reopen 3f9c2a --comment 'it was not the disk'"
    )]
    Reopen {
        #[command(flatten)]
        which: AlarmSelection,
        /// Why
        #[arg(
            long,
            alias = "note",
            value_name = "TEXT",
            default_value = "",
            hide_default_value = true
        )]
        comment: String,
    },
    /// Say that you looked at one that ended while nobody had taken it up
    #[command(
        after_help = "Examples:\n  haetae alarm seen 3f9c2a55d1e08b47-1\n  haetae alarm seen --match evaluator=cpu --comment 'nightly backup'"
    )]
    Seen {
        #[command(flatten)]
        which: AlarmSelection,
        /// What you found
        #[arg(
            long,
            alias = "note",
            value_name = "TEXT",
            default_value = "",
            hide_default_value = true
        )]
        comment: String,
    },
}

/// Which alarms.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["id", "matchers"]))]
pub(in crate::cli) struct AlarmSelection {
    /// Its id, or the start of it
    id: Option<String>,
    /// All that fire and match, like severity="warning"; `evaluator`, `condition` and `handling` count as labels
    #[arg(long = "match", value_name = "MATCHER")]
    matchers: Vec<String>,
    /// With --match: those that ended while nobody had taken them up, in place of those that fire
    #[arg(long, requires = "matchers")]
    unseen: bool,
    /// With --match: only say which
    #[arg(long, requires = "matchers")]
    dry_run: bool,
}

/// What an alarm was.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum Code {
    /// A real trouble
    Real,
    /// No trouble
    Noise,
    /// The same as another one
    Duplicate,
    /// A trouble that was planned
    Expected,
}

impl From<Code> for CloseCode {
    fn from(code: Code) -> Self {
        match code {
            Code::Real => Self::Real,
            Code::Noise => Self::Noise,
            Code::Duplicate => Self::Duplicate,
            Code::Expected => Self::Expected,
        }
    }
}

impl Act {
    /// Which alarms, what, and in which words.
    fn parts(&self) -> (&AlarmSelection, Said, &str) {
        match self {
            Self::Ack { which, lasts, until, sticky, comment } => {
                let (lasts, until, sticky) = (*lasts, *until, *sticky);
                (which, Said::Acknowledge { lasts, until, sticky }, comment)
            }
            Self::Assign { which, to, comment } => {
                (which, Said::Assign { owner: to.clone() }, comment)
            }
            Self::Note { which, comment } => (which, Said::Note {}, comment),
            Self::Progress { which, comment } => (which, Said::Progress {}, comment),
            Self::Close { which, code, comment } => {
                (which, Said::Close { code: (*code).into() }, comment)
            }
            Self::Reopen { which, comment } => (which, Said::Reopen {}, comment),
            Self::Seen { which, comment } => (which, Said::Seen {}, comment),
        }
    }

    /// What is done, as a participle.
    const fn done(&self) -> &'static str {
        match self {
            Self::Ack { .. } => "acknowledged",
            Self::Assign { .. } => "assigned",
            Self::Note { .. } => "noted",
            Self::Progress { .. } => "taken up",
            Self::Close { .. } => "closed",
            Self::Reopen { .. } => "reopened",
            Self::Seen { .. } => "marked as seen",
        }
    }
}

pub(super) fn run(common: &Common, act: &Act) -> Result<(), u8> {
    let (which, said, comment) = act.parts();
    let comment = comment.to_owned();
    let Some(id) = &which.id else { return many(common, act, said, comment) };
    let request = ActRequest { said, comment, version: None };
    let answer: ActAnswer = client::post(common, &format!("{}/acts", path(id)?), &request)?;
    if common.is_json() {
        output::json(&answer);
    } else {
        let text = handling(&answer.handling.handling, false, &voice());
        output::line(format!("{}  {text}", answer.alarm));
    }
    Ok(())
}

fn many(common: &Common, act: &Act, said: Said, comment: String) -> Result<(), u8> {
    let (which, ..) = act.parts();
    // Nothing else can be marked as seen.
    let unseen = which.unseen || said == (Said::Seen {});
    let (matchers, dry_run) = (which.matchers.clone(), which.dry_run);
    let request = BulkRequest { said, comment, matchers, unseen, dry_run };
    let answer: BulkAnswer = client::post(common, "/api/v1/alarms/acts", &request)?;
    if common.is_json() {
        output::json(&answer);
    } else {
        confirm(act, &answer);
    }
    match (answer.changed, answer.refused.len() + answer.left) {
        (_, 0) if answer.matched > 0 => Ok(()),
        (_, 0) => Err(exit::NOT_FOUND),
        (0, _) => Err(exit::REFUSED),
        _ => Err(exit::PARTLY),
    }
}

/// Ids on stdout, what came of it on stderr.
fn confirm(act: &Act, answer: &BulkAnswer) {
    for id in answer.alarms.iter().take(NAMED) {
        output::line(id);
    }
    if answer.alarms.len() > NAMED {
        let more = answer.alarms.len() - NAMED;
        output::say(format!("… and {more} more; -o json names all"));
    }
    for refused in answer.refused.iter().take(NAMED) {
        output::say(format!("{}: {}", refused.alarm, refused.why));
    }
    let alarms = if answer.changed == 1 { "alarm" } else { "alarms" };
    let (changed, done) = (answer.changed, act.done());
    output::say(match (answer.matched, answer.dry_run) {
        (0, _) => "no alarm matches".into(),
        (_, true) => format!("{changed} {alarms} would be {done}. Nothing changed."),
        (_, false) => format!("{changed} {alarms} {done}."),
    });
    if answer.left > 0 {
        output::say(format!("{} more match: ask again", answer.left));
    }
}
