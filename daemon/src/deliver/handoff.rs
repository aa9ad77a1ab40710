//! The handoff to a dispatcher: rows that are written for it come to it claimed already, so that it need
//! not look for them.

use std::sync::{Mutex, PoisonError};

use crate::store::Claimed;

/// The most rows that wait here: what a dispatcher delivers well within their lease.
const MOST: usize = 4096;

/// Where claimed rows wait; they are in the outbox too, so that none is lost with it.
#[derive(Debug, Default)]
pub struct Handoff(Mutex<HandoffState>);

#[derive(Debug, Default)]
struct HandoffState {
    is_open: bool,
    rows: Vec<Claimed>,
}

impl Handoff {
    /// Its dispatcher is about to look for what was written to the outbox alone: what comes after
    /// that may be handed over again.
    pub fn open(&self) {
        self.with(|state| state.is_open = true);
    }

    /// Something was written to the outbox alone: rows that are handed over would overtake that.
    pub fn close(&self) {
        self.with(|state| state.is_open = false);
    }

    /// How many rows may be handed over.
    pub fn free(&self) -> usize {
        let free = |state: &mut HandoffState| MOST.saturating_sub(state.rows.len());
        self.with(|state| if state.is_open { free(state) } else { 0 })
    }

    /// Rows that are durable now. Its dispatcher may have turned to others meanwhile: it comes
    /// to these, or their lease ends.
    pub fn hand_over(&self, rows: Vec<Claimed>) {
        self.with(|state| state.rows.extend(rows));
    }

    /// Whether nothing waits here.
    pub fn is_empty(&self) -> bool {
        self.with(|state| state.rows.is_empty())
    }

    /// Its dispatcher takes what waits.
    pub fn take(&self) -> Vec<Claimed> {
        self.with(|state| std::mem::take(&mut state.rows))
    }

    /// Its dispatcher turns to what is older, and takes what waits.
    pub fn close_and_take(&self) -> Vec<Claimed> {
        self.close();
        self.take()
    }

    fn with<T>(&self, f: impl FnOnce(&mut HandoffState) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
