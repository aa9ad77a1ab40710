//! Pages: rows that one thread reads and another one goes on with.

use tokio::sync::mpsc;

/// Pages that wait to be taken.
const WAITING: usize = 2;

/// Rows of texts in one piece: whoever reads them allocates nothing for each, so that two threads
/// don't wait for each other in the allocator.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    /// Where each text ends.
    ends: Vec<usize>,
    /// Ids of rows of which the rest can't be read, and why.
    pub(super) unreadable: Vec<(String, String)>,
}

impl Page {
    pub(super) fn push<const N: usize>(&mut self, row: [&str; N]) {
        for text in row {
            self.text.push_str(text);
            self.ends.push(self.text.len());
        }
    }

    /// Each row of so many texts.
    pub(super) fn rows<const N: usize>(&self) -> impl Iterator<Item = [&str; N]> {
        let mut start = 0;
        self.ends.chunks_exact(N).map(move |ends| {
            let mut row = [""; N];
            for (text, end) in row.iter_mut().zip(ends) {
                *text = self.text.get(start..*end).unwrap_or_default();
                start = *end;
            }
            row
        })
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.unreadable.clear();
    }
}

/// Where pages go; those that were taken come back and are written again.
#[derive(Debug)]
pub struct PageSender {
    pages: mpsc::Sender<Page>,
    taken: std::sync::mpsc::Receiver<Page>,
}

/// Where pages come from.
#[derive(Debug)]
pub struct PageReceiver {
    pages: mpsc::Receiver<Page>,
    taken: std::sync::mpsc::Sender<Page>,
}

/// Both ends.
pub fn pages() -> (PageSender, PageReceiver) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let (back, taken) = std::sync::mpsc::channel();
    (PageSender { pages: sender, taken }, PageReceiver { pages: receiver, taken: back })
}

impl PageSender {
    /// A page without rows.
    pub(super) fn empty(&self) -> Page {
        let mut page = self.taken.try_recv().unwrap_or_default();
        page.clear();
        page
    }

    /// Hands a page on; whether anybody takes it.
    pub(super) fn send(&self, page: Page) -> bool {
        self.pages.blocking_send(page).is_ok()
    }
}

impl PageReceiver {
    /// The next page; none: there are no more.
    pub async fn next(&mut self) -> Option<Page> {
        self.pages.recv().await
    }

    /// The same on a thread that may wait.
    pub fn blocking_next(&mut self) -> Option<Page> {
        self.pages.blocking_recv()
    }

    /// Gives a page back of which nothing is needed any more.
    pub fn give_back(&self, page: Page) {
        // Whoever reads may have ended.
        drop(self.taken.send(page));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_pushed() {
        let mut page = Page::default();
        let rows = [["a", ""], ["", "각"], ["b", "c"]];
        for row in rows {
            page.push(row);
        }
        assert_eq!(page.rows().collect::<Vec<[&str; 2]>>(), rows);
        page.clear();
        assert_eq!(page.rows::<2>().count(), 0);
    }
}
