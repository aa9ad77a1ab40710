//! Rehearsal: what a configuration would do, in virtual time; no plugin is opened, no secret read.
//!
//! A rule test is the engine alone. A scenario is the whole way to what sinks get: engine, store,
//! outbox and dispatchers are the real ones, and a sink is a post that writes down what it is given.

pub mod kinds;
mod play;
mod post;
mod rig;
mod rule;
pub mod scenario;
mod stage;
mod steps;
mod strip;
mod told;
mod turns;
mod verdict;

pub use self::{
    play::{PlayError, play},
    rule::{Happened, rehearse},
    strip::Strip,
    told::{Line, Played},
    verdict::{Entry, Outcome},
};
