//! Delivery: from a change of an alarm to the sinks that it concerns.

pub mod dispatch;
mod fate;
pub mod outbox;
pub mod recipient;
pub mod render;
