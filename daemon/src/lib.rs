//! haetae: a plugin-based monitoring and alarm daemon. See ARCHITECTURE.md.

pub mod config;
pub mod engine;
