//! Texts: problems as a person reads them, languages, and what people write as text.

pub(super) mod language;
pub(super) mod notation;
pub(super) mod problem;
pub(super) mod report;
pub(super) mod speech;
pub(super) mod time;
