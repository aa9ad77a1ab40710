//! The roles that a plugin can play: plain blocking traits, a deadline on every call.

use std::time::{Duration, Instant};

use crate::{
    Answer, Batch, Context, Metric, Outcome, Question, Records, Result, Window, options::Options,
};

/// Produces samples, log records or notifications.
///
/// One batch is in flight: `collect`, then a durable commit if anyone needs it durable, then
/// `ack`, then `collect` again. A poller is called once every `interval`. A listener owns its
/// sockets on threads that it starts with [`Context::spawn`] and is called again at once.
pub trait Source: Sized + Send + 'static {
    /// What it can yield.
    const YIELDS: &'static [Records];
    /// Its options: `#[haetae_plugin::options] struct …`.
    type Options: Options;

    /// The metrics that these options yield. Pure; `haetae check` and `plugin doc` read it.
    fn metrics(_options: &Self::Options) -> Vec<Metric> {
        Vec::new()
    }

    /// Connects. Called on the instance's own thread, again after a fault.
    fn open(options: Self::Options, context: Context) -> Result<Self>;

    /// Whether it listens: then it is called again at once, and not replaced after a hang.
    fn listens(&self) -> bool {
        false
    }

    /// What is known by the deadline; empty is fine. A poller answers for `call.window`.
    fn collect(&mut self, call: Call) -> Result<Batch>;

    /// The batch returned last is durable, or needs not be.
    fn ack(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Takes samples, log records or notifications away.
pub trait Sink: Sized + Send + 'static {
    /// What it takes.
    const TAKES: &'static [Records];
    /// Its options.
    type Options: Options;

    /// Connects.
    fn open(options: Self::Options, context: Context) -> Result<Self>;

    /// Delivers a batch and classes the peer's answer. An error means: try all of it again.
    fn deliver(&mut self, batch: &Batch, call: Call) -> Result<Outcome>;
}

/// Answers questions on demand: a chart's range, a log search, an inventory.
pub trait Reader: Sized + Send + 'static {
    /// Its options.
    type Options: Options;

    /// Connects.
    fn open(options: Self::Options, context: Context) -> Result<Self>;

    /// Answers one question.
    fn query(&mut self, question: &Question, call: Call) -> Result<Answer>;
}

/// One call of a role: until when it must return, and what it is about.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Call {
    /// When it must have returned; past it the instance counts as hung.
    pub deadline: Instant,
    /// For a poller: from its last acknowledged slot to this one. Empty for other roles.
    pub window: Window,
}

impl Call {
    /// A call that must return within `timeout`.
    pub fn within(timeout: Duration, window: Window) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "a deadline is monotonic, not the daemon's clock"
        )]
        let now = Instant::now();
        Self { deadline: now + timeout, window }
    }

    /// The time that is left.
    pub fn remaining(&self) -> Duration {
        #[expect(
            clippy::disallowed_methods,
            reason = "a deadline is monotonic, not the daemon's clock"
        )]
        let now = Instant::now();
        self.deadline.saturating_duration_since(now)
    }
}
