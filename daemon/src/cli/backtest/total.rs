//! Totals: what is counted of one side.

use crate::backtest::Side;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Alarms,
    Notices,
    Flaps,
}

impl What {
    pub(super) const ALL: [Self; 3] = [Self::Alarms, Self::Notices, Self::Flaps];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Alarms => "alarms",
            Self::Notices => "notices",
            Self::Flaps => "flaps",
        }
    }
}

/// How many there are of it.
pub(super) fn total(side: &Side, what: What) -> u64 {
    let counts = side.evaluators.values();
    match what {
        What::Alarms => counts.map(|one| one.fired).sum(),
        What::Flaps => counts.map(|one| one.flaps).sum(),
        What::Notices => side.sinks.values().flat_map(|sink| sink.values()).sum(),
    }
}
