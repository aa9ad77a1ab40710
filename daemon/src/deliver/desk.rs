//! The desk of a dispatcher: what is written for it is laid there, claimed already, so that it need not
//! be looked for.

use std::sync::{Mutex, PoisonError};

use crate::store::Claimed;

/// The most rows on a desk: what a dispatcher delivers well within their lease.
const MOST: usize = 4096;

/// Where claimed rows lie; they are in the outbox too, so that none is lost with it.
#[derive(Debug, Default)]
pub struct Desk(Mutex<Papers>);

#[derive(Debug, Default)]
struct Papers {
    open: bool,
    rows: Vec<Claimed>,
}

impl Desk {
    /// Its dispatcher is about to look for what was written past the desk: what comes after that
    /// may be laid there again.
    pub fn open(&self) {
        self.papers(|papers| papers.open = true);
    }

    /// Something was written past it: rows that are laid here would overtake that.
    pub fn close(&self) {
        self.papers(|papers| papers.open = false);
    }

    /// How many rows are welcome.
    pub fn room(&self) -> usize {
        let room = |papers: &mut Papers| MOST.saturating_sub(papers.rows.len());
        self.papers(|papers| if papers.open { room(papers) } else { 0 })
    }

    /// Rows that are durable now. Its dispatcher may have turned to others meanwhile: it comes
    /// to these, or their lease ends.
    pub fn lay(&self, rows: Vec<Claimed>) {
        self.papers(|papers| papers.rows.extend(rows));
    }

    /// Whether nothing lies there.
    pub fn is_empty(&self) -> bool {
        self.papers(|papers| papers.rows.is_empty())
    }

    /// Its dispatcher takes what lies there.
    pub fn take(&self) -> Vec<Claimed> {
        self.papers(|papers| std::mem::take(&mut papers.rows))
    }

    /// Its dispatcher turns to what is older, and takes what lies there.
    pub fn leave(&self) -> Vec<Claimed> {
        self.close();
        self.take()
    }

    fn papers<T>(&self, f: impl FnOnce(&mut Papers) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
