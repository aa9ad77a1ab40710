//! What the source would have yielded at each slot of a range.

use std::{collections::BTreeMap, time::Duration};

use haetae_plugin::{Call, Result, Samples, Timestamp, Window};

use crate::{
    query::{Asked, Query},
    server::Server,
    statement::Range,
};

/// Slots: the first, the time between two, and the end that none reaches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slots {
    pub(crate) from: Timestamp,
    pub(crate) every: Duration,
    pub(crate) to: Timestamp,
}

impl Slots {
    /// The slots, oldest first.
    fn iter(self) -> impl Iterator<Item = Timestamp> {
        let every = self.every.max(Duration::from_millis(1));
        let next = move |slot: &Timestamp| Some(slot.after(every));
        std::iter::successors(Some(self.from), next).take_while(move |slot| *slot < self.to)
    }

    /// Asks a query for all of them.
    pub(crate) fn ask(self, query: &mut Query, server: &Server, call: Call) -> Result<Samples> {
        let mut samples = Samples::at(self.to);
        let Some(last) = self.iter().last() else { return Ok(samples) };
        let Some(window) = query.window() else {
            let asked =
                Asked::in_window(None, Window { from: self.from.before(self.every), to: last });
            query.ask(server, asked, call, &mut samples)?;
            return Ok(samples);
        };
        if !query.takes_windows() {
            for slot in self.iter() {
                let asked = Asked::in_window(Some(window), Window { from: slot, to: slot });
                query.ask(server, asked, call, &mut samples)?;
            }
            return Ok(samples);
        }
        for (first, last) in self.rows(window) {
            let range = Range { from: first.before(window), to: last };
            let asked = Asked { range, stamp: last, windows: Some(window) };
            query.ask(server, asked, call, &mut samples)?;
        }
        Ok(self.only(&samples))
    }

    /// Windows overlap where they are longer than the time between two slots: the slots are dealt
    /// into rows in which one window ends where the next begins. The first and last of each.
    fn rows(self, window: Duration) -> Vec<(Timestamp, Timestamp)> {
        let length = i64::try_from(window.as_nanos()).unwrap_or(i64::MAX).max(1);
        let mut rows = BTreeMap::new();
        for slot in self.iter() {
            let row = rows.entry(slot.nanos().rem_euclid(length)).or_insert((slot, slot));
            row.1 = slot;
        }
        rows.into_values().collect()
    }

    /// The values of slots; windows between two slots were asked for too where those are shorter.
    fn only(self, samples: &Samples) -> Samples {
        let every = i64::try_from(self.every.as_nanos()).unwrap_or(i64::MAX).max(1);
        let mut own = Samples::at(self.to);
        for (series, point) in samples.iter() {
            let since = point.time.nanos().saturating_sub(self.from.nanos());
            if since >= 0 && since % every == 0 && point.time < self.to {
                own.push_flagged(series, point.value, point.time, point.flags);
            }
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_cover_each_slot_once_by_windows_that_touch() {
        let at = Timestamp::from_nanos;
        for (every, window) in [(30, 30), (30, 60), (30, 600), (40, 60), (60, 30), (70, 30), (7, 5)]
        {
            let [every, window] = [every, window].map(Duration::from_nanos);
            let slots = Slots { from: at(1003), every, to: at(3000) };
            let mut covered = Vec::new();
            for (first, last) in slots.rows(window) {
                let ends = std::iter::successors(Some(first), |end| Some(end.after(window)));
                covered.extend(ends.take_while(|end| *end <= last));
            }
            let wanted: Vec<_> = slots.iter().collect();
            covered.retain(|end| wanted.contains(end));
            covered.sort();
            assert_eq!(covered, wanted, "{every:?} {window:?}");
        }
    }
}
