//! Delivery: from a change of an alarm to the sinks that it concerns.

mod changes;
pub mod commit;
pub mod dispatch;
mod expiry;
pub mod handoff;
pub mod metrics;
pub mod recipient;
mod record;
pub mod render;
mod results;
pub mod retention;
mod thread;
pub mod work;
mod writer;
