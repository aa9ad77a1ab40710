//! Alarms: what people see of one, what outlives the process, how it is handled.

pub(super) mod changes;
pub(super) mod flap;
pub mod handling;
pub(super) mod id;
pub(super) mod labels;
pub(super) mod limit;
pub(super) mod stored;
pub(super) mod summary;
pub(super) mod view;
