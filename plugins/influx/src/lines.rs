//! A batch as lines, each with the item that it is of.

use std::ops::Range;

use haetae_plugin::{Samples, Series};

use crate::{line, verdicts::Verdicts};

/// Lines in one buffer.
pub(crate) struct Lines {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

/// One line: the item's index in its batch, and where the line begins.
struct Item {
    index: u32,
    start: usize,
}

impl Lines {
    /// The lines of all points that have a value; those that can't be written are rejected.
    ///
    /// A point without a value counts as delivered: there is nothing of it that InfluxDB could
    /// have. Lines of one measurement stand together: what is refused is refused for all of them.
    pub(crate) fn of(samples: &Samples, verdicts: &mut Verdicts) -> Self {
        let keys: Vec<_> = samples.series().iter().map(line::key).collect();
        let known = |series: u32| usize::try_from(series).ok();
        let name = |series: u32| samples.series().get(known(series)?).map(Series::name);
        let points = samples.points().iter().zip(0_u32..);
        let mut points: Vec<_> = points.filter(|(point, _)| line::has_value(point)).collect();
        // Stable: of two values at one time the later one counts.
        points.sort_by_key(|(point, _)| name(point.series));
        let mut lines = Self { bytes: Vec::new(), items: Vec::with_capacity(points.len()) };
        for (point, index) in points {
            let key = known(point.series).and_then(|series| keys.get(series));
            let Some(key) = key else { continue };
            let start = lines.bytes.len();
            let pushed = key
                .as_ref()
                .map_err(|reason| *reason)
                .and_then(|key| line::push(&mut lines.bytes, key, point));
            match pushed {
                Ok(()) => lines.items.push(Item { index, start }),
                Err(reason) => verdicts.reject(index, reason),
            }
        }
        lines
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The bytes of some of them.
    pub(crate) fn bytes(&self, lines: &Range<usize>) -> &[u8] {
        let start = |at: usize| self.items.get(at).map_or(self.bytes.len(), |item| item.start);
        self.bytes.get(start(lines.start)..start(lines.end)).unwrap_or_default()
    }

    /// One of them, without its end.
    pub(crate) fn line(&self, at: usize) -> &[u8] {
        self.bytes(&(at..at + 1)).trim_ascii_end()
    }

    /// The items that some of them are of.
    pub(crate) fn items(&self, lines: Range<usize>) -> impl Iterator<Item = u32> {
        self.items.get(lines).unwrap_or_default().iter().map(|item| item.index)
    }
}
