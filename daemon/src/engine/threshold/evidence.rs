//! Evidence: what an alarm's condition rests on now. It never changes the condition by itself.

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

use super::rule::Then;

/// What the newest slot had to go by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Evidence {
    /// A value of every series.
    #[default]
    Fresh,
    /// Not enough yet: a source has not said all, a series has no point, a window is too empty.
    Late,
    /// A series stopped while its source went on.
    NoData {
        /// The time of its last point; none if all that it had was delayed.
        since: Option<Timestamp>,
    },
    /// A source is down.
    SourceDown {
        /// Since when.
        since: Timestamp,
    },
    /// A value that is no number.
    EvaluationError,
}

/// What the series of an identity had to say at a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// All of them have ended.
    Ended,
    /// One of them brought a value that is no number.
    Error,
    /// Each has a value.
    All,
    /// Some have a value, the others are silent.
    SomeSilent,
    /// Some have a value, the others may still come.
    SomeLate,
    /// None has a value, and some may still come.
    Late,
    /// None has a value, and all are silent.
    Silent,
}

/// What follows from it for the condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It stays.
    Hold,
    /// The joined value is judged.
    Judge,
    /// The joined value is judged if the missing ones could but make it worse.
    JudgePart,
    /// It is over.
    End,
    /// It is over: absence is good.
    EndSilent,
    /// It fires for want of data, if there ever was any.
    Raise,
}

/// What evidence is shown, and what follows for the condition under each `no_data.then`.
const WEIGHT: [(EvidenceKind, [Effect; 3]); 7] = [
    // what is shown; then = hold, alarm, ok
    (EvidenceKind::Fresh, [Effect::End; 3]),        // ended
    (EvidenceKind::Error, [Effect::Hold; 3]),       // error
    (EvidenceKind::Fresh, [Effect::Judge; 3]),      // all
    (EvidenceKind::NoData, [Effect::JudgePart; 3]), // some silent
    (EvidenceKind::Late, [Effect::JudgePart; 3]),   // some late
    (EvidenceKind::Late, [Effect::Hold; 3]),        // late
    (EvidenceKind::NoData, [Effect::Hold, Effect::Raise, Effect::EndSilent]), // silent
];

/// The evidence that an identity can have by itself.
#[derive(Clone, Copy)]
enum EvidenceKind {
    Fresh,
    Late,
    NoData,
    Error,
}

impl Heard {
    /// What of an identity's series has been heard, counted.
    pub(super) fn of(alive: usize, absent: usize, silent: usize, errors: usize) -> Self {
        if alive == 0 {
            Self::Ended
        } else if errors > 0 {
            Self::Error
        } else if absent == 0 {
            Self::All
        } else if absent < alive {
            if silent > 0 { Self::SomeSilent } else { Self::SomeLate }
        } else if silent < alive {
            Self::Late
        } else {
            Self::Silent
        }
    }

    /// The evidence that is shown, and what follows; `since` is when a silent one spoke last.
    pub(super) const fn weigh(self, then: Then, since: Option<Timestamp>) -> (Evidence, Effect) {
        let [ended, error, all, some_silent, some_late, late, silent] = WEIGHT;
        let (kind, [hold, alarm, ok]) = match self {
            Self::Ended => ended,
            Self::Error => error,
            Self::All => all,
            Self::SomeSilent => some_silent,
            Self::SomeLate => some_late,
            Self::Late => late,
            Self::Silent => silent,
        };
        let evidence = match kind {
            EvidenceKind::Fresh => Evidence::Fresh,
            EvidenceKind::Late => Evidence::Late,
            EvidenceKind::NoData => Evidence::NoData { since },
            EvidenceKind::Error => Evidence::EvaluationError,
        };
        let effect = match then {
            Then::Hold => hold,
            Then::Alarm => alarm,
            Then::Ok => ok,
        };
        (evidence, effect)
    }
}

impl Evidence {
    /// What it is in words, and since when.
    pub const fn words(self) -> (&'static str, Option<Timestamp>) {
        match self {
            Self::Fresh => ("fresh", None),
            Self::Late => ("late", None),
            Self::NoData { since } => ("no data", since),
            Self::SourceDown { since } => ("source down", Some(since)),
            Self::EvaluationError => ("evaluation error: the value is no number", None),
        }
    }

    /// What is known of the source outweighs what its series said before.
    pub(in crate::engine) fn beside(self, down: Option<Timestamp>, late: bool) -> Self {
        match (down, self) {
            (Some(since), _) => Self::SourceDown { since },
            (None, Self::Fresh) if late => Self::Late,
            (None, own) => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_down_source_outweighs_all_and_late_outweighs_fresh() {
        let at = Timestamp::from_seconds(1);
        let no_data = Evidence::NoData { since: Some(at) };
        let cases = [
            (Evidence::Fresh, None, false, Evidence::Fresh),
            (Evidence::Fresh, None, true, Evidence::Late),
            (no_data, None, true, no_data),
            (no_data, Some(at), true, Evidence::SourceDown { since: at }),
        ];
        for (own, down, late, shown) in cases {
            assert_eq!(own.beside(down, late), shown);
        }
    }

    /// What was heard (series alive, absent, silent, with errors), what is shown, and what follows
    /// where `no_data.then` is hold, alarm and ok.
    const CELLS: &str = "
        0 0 0 0  fresh              End       End       End
        1 0 0 1  evaluation         Hold      Hold      Hold
        3 1 1 1  evaluation         Hold      Hold      Hold
        1 0 0 0  fresh              Judge     Judge     Judge
        3 1 1 0  no                 JudgePart JudgePart JudgePart
        3 2 1 0  no                 JudgePart JudgePart JudgePart
        3 1 0 0  late               JudgePart JudgePart JudgePart
        1 1 0 0  late               Hold      Hold      Hold
        3 3 2 0  late               Hold      Hold      Hold
        1 1 1 0  no                 Hold      Raise     EndSilent
        3 3 3 0  no                 Hold      Raise     EndSilent
    ";

    #[test]
    fn each_cell_of_what_was_heard_and_no_data_is_as_the_table_says() {
        let since = Some(Timestamp::from_seconds(1));
        let mut seen = Vec::new();
        for row in CELLS.lines().filter(|line| !line.trim().is_empty()) {
            let words: Vec<_> = row.split_whitespace().collect();
            let [alive, absent, silent, errors] =
                [0, 1, 2, 3].map(|at: usize| words[at].parse().unwrap());
            let heard = Heard::of(alive, absent, silent, errors);
            seen.push(format!("{heard:?}"));
            for (then, effect) in [Then::Hold, Then::Alarm, Then::Ok].into_iter().zip(&words[5..]) {
                let (evidence, follows) = heard.weigh(then, since);
                let shown = evidence.words();
                assert!(shown.0.starts_with(words[4]), "{row}: {evidence:?}");
                assert_eq!(shown.1, since.filter(|_| words[4] == "no"), "{row}");
                assert_eq!(format!("{follows:?}"), *effect, "{row} {then:?}");
            }
        }
        seen.dedup();
        assert_eq!(seen.len(), WEIGHT.len(), "{seen:?}");
    }

    #[test]
    fn it_is_shown_by_its_kind() {
        let shown = serde_json::to_string(&Evidence::NoData { since: None }).unwrap();
        assert_eq!(shown, r#"{"kind":"no-data","since":null}"#);
    }
}
