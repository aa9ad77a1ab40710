//! Time zones: whether the database has one of a name.

use crate::config::{
    read::section::Section,
    text::problem::{Code, Problem},
};

/// Refuses a time zone that the database doesn't have.
pub(in crate::config) fn bad_zone(
    section: &Section<'_>,
    pointer: &str,
    zone: Option<&str>,
    problems: &mut Vec<Problem>,
) {
    let Some(zone) = zone else {
        return;
    };
    if jiff::tz::TimeZone::get(zone).is_err() {
        problems.push(Problem::new(Code::BadZone, section.value(pointer)).with("zone", zone));
    }
}
