//! `[retention]`: from the text to the plan.

use std::time::Duration;

use crate::config::{
    file::{self, Keep},
    plan,
    read::{schema, section::Section},
    text::problem::{Code, Problem},
};

/// History goes by days.
const LEAST: Duration = Duration::from_hours(24);

/// Reads how long history is kept.
pub(in crate::config) fn read(
    section: Option<Section<'_>>,
    problems: &mut Vec<Problem>,
) -> plan::Retention {
    let mut file = file::RetentionSection::default();
    if let Some(section) = section {
        let judged = schema::own::<file::RetentionSection>(&section);
        problems.extend(judged.problems);
        file = judged.accepted;
    }
    let mut length = |key: &str, keep| match keep {
        Keep::Forever => None,
        Keep::For(length) => {
            if let Some(section) = section
                && length < LEAST
            {
                let place = section.value(&format!("/{key}"));
                problems.push(Problem::new(Code::KeptTooShort, place).with("key", key));
            }
            Some(length)
        }
    };
    plan::Retention {
        alarms: length("alarms", file.alarms),
        journal: length("journal", file.journal),
        notices: length("notices", file.notices),
        dead_letters: length("dead_letters", file.dead_letters),
    }
}
