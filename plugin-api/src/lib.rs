//! All that a plugin of the [haetae](https://github.com/haetae/haetae) monitoring daemon may know.
//!
//! A plugin is an ordinary Rust crate with `crate-type = ["cdylib"]`, this one dependency and no
//! `unsafe`. It implements one or more roles, plain blocking traits, for a *kind* of service, and
//! exports them; the daemon gives each configured instance a thread of its own and a deadline.
//!
//! ```
//! use haetae_plugin::{Batch, Call, Context, Records, Result, Samples, Series, Source};
//!
//! haetae_plugin::export! { kind "answer" { source: Answer } }
//!
//! #[haetae_plugin::options]
//! struct Options {}
//!
//! struct Answer(Series);
//!
//! impl Source for Answer {
//!     const YIELDS: &'static [Records] = &[Records::Samples];
//!     type Options = Options;
//!     fn open(_: Options, _: Context) -> Result<Self> {
//!         Ok(Self(Series::gauge("answer", "1").build()))
//!     }
//!     fn collect(&mut self, call: Call) -> Result<Batch> {
//!         Ok(Samples::at(call.window.to).with(&self.0, 42.0).into())
//!     }
//! }
//! ```
//!
//! Panics are contained, threads belong to the instance, and what the daemon lends
//! (HTTP, secrets, time, log, metrics) comes with the [`Context`].

pub mod abi;
mod batch;
mod context;
mod error;
pub mod export;
mod guard;
pub mod http;
mod log;
mod metric;
mod notification;
pub mod options;
mod question;
mod role;
mod sample;
mod secret;
mod series;
pub mod testing;
mod time;

pub use batch::{Batch, Outcome, Records, Verdict};
pub use context::{Context, Counter, Gauge, Level, SocketGuard};
pub use error::{Error, Fault, Result};
pub use haetae_plugin_macros::options;
pub use log::{LogRecord, Logs};
pub use metric::Metric;
pub use notification::{Alarm, Notification, Reason, Severity, Status};
pub use question::{Answer, Line, Question};
pub use role::{Call, Reader, Sink, Source};
pub use sample::{Point, Samples};
pub use secret::{Reference, Secret, SecretValue};
pub use series::{Kind, Series, SeriesBuilder};
pub use time::{Timestamp, Window};

// Re-exported for the macros: a plugin needs no other dependency.
#[doc(hidden)]
pub use schemars;
#[doc(hidden)]
pub use serde;
#[doc(hidden)]
pub use serde_json;

/// The version of the boundary that this build speaks: this crate's own.
pub const ABI_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The compiler of this build, for messages about plugins that don't fit.
pub const RUSTC: &str = env!("HAETAE_RUSTC");
