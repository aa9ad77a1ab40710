//! Evidence: what an alarm's condition rests on now. It never changes the condition by itself.

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

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
    pub(super) fn beside(self, down: Option<Timestamp>, late: bool) -> Self {
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

    #[test]
    fn it_is_shown_by_its_kind() {
        let shown = serde_json::to_string(&Evidence::NoData { since: None }).unwrap();
        assert_eq!(shown, r#"{"kind":"no-data","since":null}"#);
    }
}
