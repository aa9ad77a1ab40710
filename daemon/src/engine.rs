//! The engine: pure and synchronous, it turns evidence into alarms.

pub mod matcher;
pub mod threshold;
