//! Delivery: from a change of an alarm to the sinks that it concerns.

mod controls;
pub mod dispatch;
mod expiry;
mod fate;
mod group;
pub mod handoff;
pub mod outbox;
mod outcome;
pub mod recipient;
pub mod render;
pub mod retention;
mod thread;
mod withheld;
pub mod work;
mod writing;
