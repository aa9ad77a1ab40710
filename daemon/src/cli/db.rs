//! `haetae db`: the store as a database.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Common, exit, output};
use crate::{
    config::Daemon,
    store::{Findings, Location, Store, StoreError, UnreadableRow},
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Look through the whole store; it changes nothing, and the daemon may be running
    #[command(after_help = "Example:\n  haetae db check")]
    Check,
    /// Write a copy of the store to a new file; the daemon may be running
    #[command(after_help = "Example:\n  haetae db backup /var/backups/haetae.db")]
    Backup {
        /// The file; it must not exist yet
        file: PathBuf,
    },
}

pub(super) fn run(common: &Common, verb: &Verb) -> u8 {
    let files = match common.files() {
        Ok(files) => files,
        Err(code) => return code,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(show(common, &files.daemon(), verb)),
        Err(error) => {
            output::say(format!("cannot start: {error}"));
            exit::FOUND
        }
    }
}

async fn show(common: &Common, daemon: &Daemon, verb: &Verb) -> u8 {
    let location = match crate::app::store_location(daemon) {
        Ok(location) => location,
        Err(error) => {
            output::say(error.to_string());
            return exit::CONFIG;
        }
    };
    let done = match verb {
        Verb::Check => check(common, &location).await,
        Verb::Backup { file } => backup(&location, file).await,
    };
    match done {
        Ok(()) => 0,
        Err((code, text)) => {
            output::say(text);
            code
        }
    }
}

/// The exit code, and what to say.
type DbFailure = (u8, String);

fn failed(error: &StoreError) -> DbFailure {
    (exit::FOUND, error.to_string())
}

fn is_there(path: &Path) -> Result<(), DbFailure> {
    if path.exists() {
        return Ok(());
    }
    let text = format!("there is no store at {} yet: `haetae run` makes it", path.display());
    Err((exit::NOT_FOUND, text))
}

async fn check(common: &Common, location: &Location) -> Result<(), DbFailure> {
    if let Location::File(path) = location {
        is_there(path)?;
    }
    let findings = Store::examine(location).await.map_err(|error| failed(&error))?;
    if common.is_json() {
        output::json(&findings);
        return verdict(&findings);
    }
    for UnreadableRow { table, row, why } in &findings.unreadable {
        output::say(format!("{location}: row {row} of {table} can't be read: {why}"));
    }
    if findings.unreadable.is_empty() {
        output::line(format!("{location}: whole"));
    }
    for (name, rows) in &findings.rows {
        output::line(format!("  {name:<18} {rows} rows"));
    }
    verdict(&findings)
}

/// Rows that can't be read are passed over by the daemon, which says so; a backup may have them.
fn verdict(findings: &Findings) -> Result<(), DbFailure> {
    match findings.unreadable.len() {
        0 => Ok(()),
        count => Err((
            exit::FOUND,
            format!(
                "{count} rows can't be read: haetae goes on without them; a backup may have them (`haetae db backup` makes them)"
            ),
        )),
    }
}

async fn backup(location: &Location, file: &Path) -> Result<(), DbFailure> {
    let Location::File(path) = location else {
        let text =
            format!("{location} is PostgreSQL: back it up with its own tools, such as pg_dump");
        return Err((exit::REFUSED, text));
    };
    is_there(path)?;
    if file.exists() {
        let text = format!("{} exists: give a file that does not", file.display());
        return Err((exit::REFUSED, text));
    }
    Store::back_up(location, file).await.map_err(|error| failed(&error))?;
    let bytes = std::fs::metadata(file).map(|file| file.len()).unwrap_or_default();
    output::line(format!("{} bytes in {}", bytes, file.display()));
    output::line(
        "to go back to it: stop haetae, put it in the store's place, remove the store's -wal and -shm, start haetae once with --accept-loss",
    );
    Ok(())
}
