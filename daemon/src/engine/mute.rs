//! What mutes an alarm: silences, inhibition, maintenance and quiet hours.

pub mod calendar;
pub(super) mod fits;
pub(super) mod inhibit;
pub mod matcher;
pub(super) mod reasons;
pub mod silence;
