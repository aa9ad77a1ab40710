//! Names: each instance has one of its own, in all files together.

use crate::config::{
    read::section::{Part, Section},
    text::problem::{Code, Problem},
};

/// The built-in evaluator of alarms about haetae itself.
pub(super) const SYSTEM: &str = "system";

/// Refuses names that are taken, and tables that are given twice.
pub(in crate::config) fn check(sections: &[Section<'_>], problems: &mut Vec<Problem>) {
    for (at, section) in sections.iter().enumerate() {
        if section.name == SYSTEM {
            problems.push(Problem::new(Code::ReservedName, section.head()));
        }
        let earlier = sections.iter().take(at).find(|earlier| clash(earlier, section));
        let Some(earlier) = earlier else {
            continue;
        };
        let code = match section.name {
            "" => Code::DuplicateTable,
            _ => Code::DuplicateName,
        };
        problems.push(
            Problem::new(code, section.head())
                .with("name", section.name)
                .with("section", section)
                .with("other", earlier.head())
                .with_words("role", vec![earlier.part.word()]),
        );
    }
}

fn clash(earlier: &Section<'_>, section: &Section<'_>) -> bool {
    let named = |part| matches!(part, Part::Sources | Part::Evaluators | Part::Sinks);
    match (named(earlier.part), named(section.part)) {
        (true, true) => earlier.name == section.name,
        (false, false) => earlier.part == section.part && !section.part.is_list(),
        _ => false,
    }
}
