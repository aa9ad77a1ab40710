//! Who breaches when.

use std::time::Duration;

use haetae_plugin::{Error, Result, Timestamp};

use crate::platform::{APPLICATIONS, CELLS};

/// In how many cycles one cell breaches.
const CYCLES_A_CELL: i64 = 3;

/// Who breaches when: a function of time alone.
pub(crate) struct Schedule {
    cycle: i64,
    first: i64,
}

/// What can breach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Breaks {
    /// Memory of the containers of an application.
    Application(usize),
    /// CPU of a cell.
    Cell(usize),
    /// Nothing that this simulation breaks.
    Never,
}

/// What breaches at one time.
#[derive(Debug, PartialEq)]
pub(crate) struct Breaches {
    application: Option<usize>,
    cell: Option<usize>,
}

impl Schedule {
    /// The schedule of `seed`, whose cycle is longer than nothing.
    pub(crate) fn new(cycle: Duration, seed: u64) -> Result<Self> {
        let cycle = i64::try_from(cycle.as_nanos()).ok().filter(|cycle| *cycle > 0);
        let cycle =
            cycle.ok_or_else(|| Error::config("cycle: longer than 0 s, at most 292 years"))?;
        Ok(Self { cycle, first: i64::try_from(seed % 1_000_000).unwrap_or_default() })
    }

    /// What breaches at `now`: only in the middle half of a cycle.
    pub(crate) fn at(&self, now: Timestamp) -> Breaches {
        let phase = now.nanos().rem_euclid(self.cycle);
        let (start, end) = (self.cycle / 4, self.cycle - self.cycle / 4);
        if phase < start || phase >= end {
            return Breaches { application: None, cell: None };
        }
        let turn = now.nanos().div_euclid(self.cycle).saturating_add(self.first);
        let cell = (turn.rem_euclid(CYCLES_A_CELL) == 0).then(|| turn.div_euclid(CYCLES_A_CELL));
        Breaches {
            application: Some(index(turn, APPLICATIONS.len())),
            cell: cell.map(|turn| index(turn, CELLS)),
        }
    }
}

impl Breaches {
    /// Whether this one is among them.
    pub(crate) fn hit(&self, what: Breaks) -> bool {
        match what {
            Breaks::Application(application) => self.application == Some(application),
            Breaks::Cell(cell) => self.cell == Some(cell),
            Breaks::Never => false,
        }
    }
}

/// The turn among `count`.
fn index(turn: i64, count: usize) -> usize {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    usize::try_from(turn.rem_euclid(count)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Breaches {
        Schedule::new(Duration::from_secs(20), 0).unwrap().at(Timestamp::from_millis(millis))
    }

    #[test]
    fn breaches_lie_in_the_middle_half_and_rotate() {
        for (millis, application, cell) in [
            (0, None, None),
            (4_999, None, None),
            (5_000, Some(0), Some(0)),
            (14_999, Some(0), Some(0)),
            (15_000, None, None),
            (25_000, Some(1), None),
            (45_000, Some(2), None),
            (65_000, Some(3), Some(1)),
            (20_000 * 20 + 5_000, Some(0), None),
            (-15_000, Some(19), None),
            (-1, None, None),
        ] {
            assert_eq!(at(millis), Breaches { application, cell }, "{millis} ms");
        }
    }

    #[test]
    fn a_cycle_of_no_time_is_refused() {
        let error = Schedule::new(Duration::ZERO, 1).err().unwrap();
        assert_eq!(error.message(), "cycle: longer than 0 s, at most 292 years");
        assert!(Schedule::new(Duration::MAX, 1).is_err());
        assert!(Schedule::new(Duration::from_nanos(1), 1).is_ok());
    }
}
