//! A series that evaluators read: its recent points, and who has it.

use std::time::Duration;

use haetae_plugin::Series;
use smallvec::SmallVec;

use super::{route::Route, window::Window};

/// A series that evaluators read.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) series: Series,
    pub(super) window: Window,
    /// For how long an evaluator needs a point.
    pub(super) keep: Duration,
    readers: SmallVec<[SeriesReader; 1]>,
    /// How many of its readers do not have it: never took it, or have let go of it.
    unread: usize,
    /// Whether it waits to be offered to those.
    offered: bool,
}

#[derive(Debug)]
struct SeriesReader {
    evaluator: usize,
    attached: bool,
}

impl Tracked {
    /// A series without points, which nobody has.
    pub(super) fn new(series: Series, routes: &[Route]) -> Self {
        let reader = |route: &Route| SeriesReader { evaluator: route.evaluator, attached: false };
        Self {
            series,
            window: Window::default(),
            keep: routes.iter().map(|route| route.keep).max().unwrap_or_default(),
            readers: routes.iter().map(reader).collect(),
            unread: routes.len(),
            offered: false,
        }
    }

    /// An evaluator has it.
    pub(super) fn attach(&mut self, evaluator: usize) {
        let reader = self.readers.iter_mut().find(|reader| reader.evaluator == evaluator);
        if let Some(reader) = reader.filter(|reader| !reader.attached) {
            reader.attached = true;
            self.unread -= 1;
        }
    }

    /// An evaluator has let go of it.
    pub(super) fn detach(&mut self, evaluator: usize) {
        let reader = self.readers.iter_mut().find(|reader| reader.evaluator == evaluator);
        if let Some(reader) = reader.filter(|reader| reader.attached) {
            reader.attached = false;
            self.unread += 1;
        }
    }

    /// Whether it has spoken and is to be offered to a reader that does not have it; said once.
    pub(super) fn wants_offer(&mut self) -> bool {
        let wants = !self.offered && self.unread > 0;
        self.offered |= wants;
        wants
    }

    /// Offers it to each reader that does not have it; `attach`, which is told whether it has
    /// ended, says whether that one takes it.
    pub(super) fn offer(&mut self, mut attach: impl FnMut(usize, (&Series, bool)) -> bool) {
        self.offered = false;
        let ended = !self.window.goes_on();
        for reader in self.readers.iter_mut().filter(|reader| !reader.attached) {
            reader.attached = attach(reader.evaluator, (&self.series, ended));
            self.unread -= usize::from(reader.attached);
        }
    }

    /// Whether it waits to be offered.
    pub(super) fn is_offered(&self) -> bool {
        self.offered
    }

    /// Whether nobody has it.
    pub(super) fn is_unread(&self) -> bool {
        self.unread == self.readers.len()
    }
}
