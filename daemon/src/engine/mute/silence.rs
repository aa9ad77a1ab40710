//! Silences: what a person does not want to be told of for a while.

use haetae_plugin::Timestamp;

use super::{calendar::Recurring, matcher::Matcher};

/// A silence, or a maintenance of the configuration.
#[derive(Clone, Debug)]
pub struct Silence {
    /// Its id; of a maintenance, its name.
    pub id: String,
    /// Which alarms; all must match. They see `severity` and `evaluator` as labels too.
    pub matchers: Vec<Matcher>,
    /// Who made it; of a maintenance, the place in the configuration: `haetae.toml:12`.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When it holds.
    pub span: SilenceSpan,
}

/// When a silence holds.
#[derive(Clone, Debug)]
pub enum SilenceSpan {
    /// From and until; the end is not part of it.
    Between(Timestamp, Timestamp),
    /// From then until each of these alarms has ended: those that fired when it was made.
    UntilResolved {
        /// From when.
        from: Timestamp,
        /// Ids of alarms.
        alarms: Vec<String>,
    },
    /// In windows that come again.
    Recurring(Recurring),
}

impl Silence {
    /// If it holds: until when, `None` if no time ends it. `lives` says whether the alarm with
    /// this id has not ended: one that mutes until then mutes all that match until the last has.
    pub fn holds(&self, at: Timestamp, lives: impl Fn(&str) -> bool) -> Option<Option<Timestamp>> {
        match &self.span {
            SilenceSpan::Between(from, until) => {
                (*from <= at && at < *until).then_some(Some(*until))
            }
            SilenceSpan::UntilResolved { from, alarms } => {
                (*from <= at && alarms.iter().any(|alarm| lives(alarm))).then_some(None)
            }
            SilenceSpan::Recurring(every) => every.holds(at),
        }
    }

    /// When it begins or ceases to hold next by the clock alone, if ever.
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        match &self.span {
            SilenceSpan::Between(from, until) => {
                [*from, *until].into_iter().filter(|it| *it > at).min()
            }
            SilenceSpan::UntilResolved { from, .. } => Some(*from).filter(|from| *from > at),
            SilenceSpan::Recurring(every) => every.next_change(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn silence(span: SilenceSpan) -> Silence {
        let (author, reason) = ("kim".into(), "work".into());
        Silence { id: "s".into(), matchers: Vec::new(), author, reason, span }
    }

    #[test]
    fn a_silence_holds_from_its_start_until_before_its_end() {
        let silence = silence(SilenceSpan::Between(at(10), at(20)));
        for (time, holds, change) in [
            (9, None, Some(at(10))),
            (10, Some(Some(at(20))), Some(at(20))),
            (19, Some(Some(at(20))), Some(at(20))),
            (20, None, None),
        ] {
            assert_eq!(silence.holds(at(time), |_| true), holds, "{time}");
            assert_eq!(silence.next_change(at(time)), change, "{time}");
        }
    }

    #[test]
    fn one_until_resolved_holds_while_one_of_its_alarms_lives() {
        let alarms = vec!["A".into(), "B".into()];
        let silence = silence(SilenceSpan::UntilResolved { from: at(10), alarms });
        assert_eq!(silence.holds(at(9), |_| true), None);
        assert_eq!(silence.holds(at(10), |id| id == "B"), Some(None));
        assert_eq!(silence.holds(at(10), |_| false), None);
        assert_eq!(silence.next_change(at(9)), Some(at(10)));
        assert_eq!(silence.next_change(at(10)), None);
    }

    #[test]
    fn one_that_comes_again_holds_in_its_windows() {
        let every = Recurring::parse("00:01-00:02", TimeZone::UTC).unwrap();
        let silence = silence(SilenceSpan::Recurring(every));
        assert_eq!(silence.holds(at(60), |_| false), Some(Some(at(120))));
        assert_eq!(silence.next_change(at(120)), Some(at(86460)));
    }
}
