//! haetae: a plugin-based monitoring and alarm daemon. See ARCHITECTURE.md.

pub mod app;
pub mod backtest;
pub mod cli;
pub mod clock;
pub mod config;
pub mod deliver;
pub mod descriptors;
pub mod engine;
pub mod fault;
pub mod http;
pub mod json;
pub mod language;
pub mod memory;
pub mod people;
pub mod pipeline;
pub mod plugin;
pub mod redact;
pub mod rehearsal;
pub mod retry;
pub mod signal;
pub mod stage;
pub mod store;
pub mod systemd;
pub mod telemetry;
