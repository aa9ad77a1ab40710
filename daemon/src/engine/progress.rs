//! Progress: how much a part of a step is, and whether there is more to do.

/// Alarms that a part is about: many make a part heavy, few make many transactions. In tests so few
/// that whatever they say holds of steps with many parts.
pub(super) const PART: usize = if cfg!(test) { 3 } else { 256 };

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    Done,
}
