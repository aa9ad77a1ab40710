//! Texts: problems as a person reads them, and what people write as text.

pub(super) mod notation;
pub(super) mod problem;
pub(super) mod report;
pub(super) mod time;
