//! Expected: what is known of an identity that must be there.

use std::time::Duration;

/// In how many parts the time until it is forgotten is counted in the store: after a restart as
/// much as one part is counted anew.
const PARTS: u128 = 24;

/// That an identity must be there.
#[derive(Clone, Debug)]
pub(super) struct ExpectedIdentity {
    /// How long it is remembered while it is silent; `None`: for good, it is named.
    forget: Option<Duration>,
    /// For how long it has been silent, as judged slots tell.
    pub(super) silent: Duration,
    /// Whether it ever had a fresh point.
    heard: bool,
}

impl ExpectedIdentity {
    /// One that the evaluator names.
    pub(super) fn named() -> Self {
        Self { forget: None, silent: Duration::ZERO, heard: false }
    }

    /// One that is expected once it has spoken.
    pub(super) fn learned(forget: Duration) -> Self {
        Self { forget: Some(forget), silent: Duration::ZERO, heard: false }
    }

    /// The same after it has been silent for that long already.
    pub(super) fn silent_for(self, silent: Duration, heard: bool) -> Self {
        Self { silent, heard, ..self }
    }

    /// The same, of which is known what was known before.
    pub(super) fn after(self, before: &Self) -> Self {
        self.silent_for(before.silent, before.heard)
    }

    /// Whether it is known by name, so that it need never have spoken.
    pub(super) fn is_named(&self) -> bool {
        self.forget.is_none()
    }

    /// Counts a slot; `heard`: it has had a fresh point some time.
    pub(super) fn hear(&mut self, speaks: bool, heard: bool, passed: Duration) {
        self.heard |= heard;
        self.silent = if speaks { Duration::ZERO } else { self.silent.saturating_add(passed) };
    }

    /// Whether it is expected no more, for it never spoke or has been silent for too long.
    pub(super) fn is_forgotten(&self) -> bool {
        self.forget.is_some_and(|forget| !self.heard || self.silent >= forget)
    }

    /// What the store remembers of it: how many parts of its time are over. Nothing if it is named
    /// or forgotten.
    pub(super) fn remembered(&self) -> Option<u32> {
        let forget = self.forget.filter(|_| !self.is_forgotten())?;
        let parts = self.silent.as_nanos().saturating_mul(PARTS) / forget.as_nanos().max(1);
        u32::try_from(parts).ok()
    }
}
