//! Pages: rows that one thread reads and another one goes on with.

use std::collections::HashSet;

use tokio::sync::mpsc;

use super::{
    StoreError,
    database::{Connection, Parameter, Parameters, Row},
};

/// Rows in a page.
const ROWS: i64 = 1_000;
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

/// A table that is read page by page.
pub(super) struct KeyedTable<const K: usize> {
    pub(super) name: &'static str,
    /// Answers with so many rows after a key, in its order.
    pub(super) sql: &'static str,
    /// The columns of that answer that are the key.
    pub(super) key: [usize; K],
}

/// The key of a row, if it can be read: else that of the row before stays.
fn copy_key<const K: usize>(row: &dyn Row, key: [usize; K], end: &mut [String; K]) {
    let texts = key.map(|column| row.text(column));
    if texts.iter().any(Result::is_err) {
        return;
    }
    for (end, text) in end.iter_mut().zip(texts.into_iter().flatten()) {
        end.clear();
        end.push_str(text);
    }
}

/// Both ends.
pub fn pages() -> (PageSender, PageReceiver) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let (back, taken) = std::sync::mpsc::channel();
    (PageSender { pages: sender, taken }, PageReceiver { pages: receiver, taken: back })
}

impl PageSender {
    /// Sends all rows of a table, in the order of its key; `read` puts each into a page. The answer is
    /// what can't be read, in words. A row may come twice if others are hurt.
    pub(super) fn send_all<const K: usize>(
        &self,
        connection: &mut dyn Connection,
        KeyedTable { name, sql, key }: KeyedTable<K>,
        read: impl Fn(&dyn Row, &mut Page) -> Result<(), StoreError>,
    ) -> Result<Vec<String>, StoreError> {
        let mut unread = Vec::new();
        let mut after = [const { String::new() }; K];
        let mut ends = HashSet::from([after.clone()]);
        loop {
            let (mut page, mut rows, mut end) = (self.empty(), 0, after.clone());
            let texts = after.iter().map(Parameter::from);
            let row: Parameters<'_> = texts.chain([Parameter::from(ROWS)]).collect();
            connection.query(sql, &[row], &mut |row| {
                rows += 1;
                copy_key(row, key, &mut end);
                if let Err(error) = read(row, &mut page) {
                    unread.push(format!("a row of {name} can't be read: {error}"));
                }
                Ok(())
            })?;
            if self.pages.blocking_send(page).is_err() || rows < ROWS {
                return Ok(unread);
            }
            // Where rows do not lie in their order it could go round in circles.
            if !ends.insert(end.clone()) {
                unread.push(format!("rows of {name} are out of order: some can't be read"));
                return Ok(unread);
            }
            after = end;
        }
    }

    /// A page without rows.
    fn empty(&self) -> Page {
        let mut page = self.taken.try_recv().unwrap_or_default();
        page.clear();
        page
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
    use crate::store::{Location, Store};

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

    #[tokio::test]
    async fn the_last_row_of_a_page_that_cannot_be_read_costs_itself_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haetae.db");
        let store = Store::open(Location::File(path.clone()), "test").await.unwrap();
        let text =
            "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 1500)
            INSERT INTO alarms SELECT CASE WHEN n = 1000 THEN CAST(x'61ff' AS TEXT)
                WHEN n < 1000 THEN format('a%04d', n) ELSE format('b%04d', n) END, '' FROM n";
        rusqlite::Connection::open(&path).unwrap().execute_batch(text).unwrap();
        let (read, mut pages) = pages();
        let take = async {
            let mut ids = Vec::new();
            while let Some(page) = pages.next().await {
                ids.extend(page.rows().map(|[id, _]| id.to_owned()));
                pages.give_back(page);
            }
            ids
        };
        let (ids, read) = tokio::join!(take, store.standings(read));
        read.unwrap();
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert_eq!(ids.len(), 1_499);
        assert!(store.passed_over().unwrap().contains("a row of alarms"));
    }
}
