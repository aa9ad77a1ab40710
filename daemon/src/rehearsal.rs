//! Rehearsal: what a configuration would do, in virtual time; no plugin is opened, no secret read.
//!
//! A rule test is the engine alone. A scenario is the whole way to what sinks get: engine, store,
//! outbox and dispatchers are the real ones, and a sink is a post that writes down what it is given.

mod error;
mod fake_sink;
mod happened;
pub mod kinds;
mod notified;
mod poll;
mod rig;
mod rule;
mod run;
pub mod scenario;
mod steps;
mod timeline;
mod verdict;
mod world;

pub use self::{
    error::RunError,
    happened::Happened,
    notified::{ReportLine, RunReport},
    rule::rehearse,
    run::run_scenario,
    timeline::Timeline,
    verdict::{Compared, TestResult},
};
