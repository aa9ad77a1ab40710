//! The language of an answer: as asked, else that of the configuration.

use super::Common;
use crate::language::Language;

/// A language by its code.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Choice {
    /// English
    En,
    /// Korean
    Ko,
}

impl From<Choice> for Language {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::En => Self::En,
            Choice::Ko => Self::Ko,
        }
    }
}

/// The language that is asked for, else that of the configuration, if there is one.
pub(super) fn chosen(common: &Common, choice: Option<Choice>) -> Result<Language, u8> {
    if let Some(choice) = choice {
        return Ok(choice.into());
    }
    let files = common.files_if_any()?;
    Ok(files.and_then(|files| files.language()).unwrap_or_default())
}
