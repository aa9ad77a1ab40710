//! Pages: rows that one thread reads and another one goes on with.

use tokio::sync::mpsc;

/// Pages that wait to be taken.
const WAITING: usize = 2;

/// Where pages go. Those that were taken come back: freed by the thread that made them, they do not
/// make it wait for the allocator.
#[derive(Debug)]
pub struct PageSender<T> {
    pages: mpsc::Sender<T>,
    taken: std::sync::mpsc::Receiver<T>,
}

/// Where pages come from.
#[derive(Debug)]
pub struct PageReceiver<T> {
    pages: mpsc::Receiver<T>,
    taken: std::sync::mpsc::Sender<T>,
}

/// Both ends.
pub fn pages<T>() -> (PageSender<T>, PageReceiver<T>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let (back, taken) = std::sync::mpsc::channel();
    (PageSender { pages: sender, taken }, PageReceiver { pages: receiver, taken: back })
}

impl<T> PageSender<T> {
    /// Hands a page on; whether anybody takes it.
    pub(super) fn send(&self, page: T) -> bool {
        self.taken.try_iter().for_each(drop);
        self.pages.blocking_send(page).is_ok()
    }
}

impl<T> PageReceiver<T> {
    /// The next page; none: there are no more.
    pub async fn next(&mut self) -> Option<T> {
        self.pages.recv().await
    }

    /// The same on a thread that may wait.
    pub fn blocking_next(&mut self) -> Option<T> {
        self.pages.blocking_recv()
    }

    /// Gives a page back of which nothing is needed any more.
    pub fn give_back(&self, page: T) {
        // Whoever made it may have ended.
        drop(self.taken.send(page));
    }
}
