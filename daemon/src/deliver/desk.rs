//! The desk of a dispatcher that waits for work: what is written for it meanwhile is laid there,
//! claimed already, so that it need not be looked for.

use std::sync::{Mutex, PoisonError};

use crate::store::Claimed;

/// Where claimed rows lie; they are in the outbox too, so that none is lost with it.
#[derive(Debug, Default)]
pub struct Desk(Mutex<Papers>);

#[derive(Debug, Default)]
struct Papers {
    open: bool,
    rows: Vec<Claimed>,
}

impl Desk {
    /// Its dispatcher has nothing to do.
    pub fn open(&self) {
        self.papers(|papers| papers.open = true);
    }

    /// Whether rows are welcome.
    pub fn is_open(&self) -> bool {
        self.papers(|papers| papers.open && papers.rows.is_empty())
    }

    /// Rows that are durable now. Its dispatcher may have turned to others meanwhile: it comes
    /// to these, or their lease ends.
    pub fn lay(&self, rows: Vec<Claimed>) {
        self.papers(|papers| papers.rows.extend(rows));
    }

    /// Its dispatcher takes what lies there and has something to do.
    pub fn take(&self) -> Vec<Claimed> {
        self.papers(|papers| {
            papers.open = false;
            std::mem::take(&mut papers.rows)
        })
    }

    fn papers<T>(&self, f: impl FnOnce(&mut Papers) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
