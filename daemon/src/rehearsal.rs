//! Rehearsal: what a configuration would do, in virtual time; no plugin is opened, no secret read.

pub mod kinds;
mod rule;
mod strip;
mod verdict;

pub use self::{
    rule::{Happened, rehearse},
    strip::Strip,
    verdict::{Entry, Outcome},
};
