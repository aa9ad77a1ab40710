//! Lengths of time: what the daemon can go by.

use std::time::Duration;

use crate::config::{
    read::section::Section,
    text::problem::{Code, Problem},
};

/// Nothing in the daemon goes by finer steps.
pub(super) const SHORTEST: Duration = Duration::from_secs(1);

/// Refuses a length of time in the text that is below [`SHORTEST`].
pub(super) fn too_short(
    section: &Section<'_>,
    pointer: &str,
    length: Duration,
    problems: &mut Vec<Problem>,
) {
    if section.has(pointer) && length < SHORTEST {
        let problem = Problem::new(Code::TooShort, section.value(pointer));
        let key = pointer.rsplit('/').next().unwrap_or_default();
        problems.push(problem.with("key", key));
    }
}
