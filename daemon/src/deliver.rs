//! Delivery: from a transition of an alarm to the sinks that it concerns.

pub mod dispatch;
pub mod render;
