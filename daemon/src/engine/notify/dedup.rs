//! Dedup: whether a group has something to tell, as a table.

use haetae_plugin::Reason;

/// What there is to tell of a group. Muted alarms do not count, but for their ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of the table")]
pub(in crate::engine) struct Facts {
    /// The sink knows of an alarm of the group that fires or whose end it is owed.
    pub(super) knows: bool,
    /// An alarm that it does not know of fires.
    pub(super) new: bool,
    /// A person took back that an alarm is closed.
    pub(super) reopened: bool,
    /// Nobody took it up.
    pub(super) escalated: bool,
    /// An alarm began to come and go.
    pub(super) flapping: bool,
    /// A severity rose.
    pub(super) worse: bool,
    /// A severity fell.
    pub(super) better: bool,
    /// An end is owed.
    pub(super) ended: bool,
    /// All ends that are owed came without evidence.
    pub(super) closed: bool,
    /// An alarm that it knows of fires on, be it muted.
    pub(super) fires: bool,
    /// It is time to tell it again, and an alarm that it knows of fires unmuted.
    pub(super) repeat: bool,
    /// Something that would be told is muted.
    pub(super) muted: bool,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Verdict {
    /// It is told.
    Notify(Reason),
    /// It is not.
    Keep(Keep),
}

/// Why nothing is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Keep {
    /// All that could be told is muted.
    Muted,
    /// The sink knows of nothing, and nothing fires.
    Unknown,
    /// The sink knows all that there is.
    Same,
}

/// A row fits if all facts that it names are so.
struct Row {
    are: &'static [fn(&Facts) -> bool],
    verdict: Verdict,
}

const fn row(are: &'static [fn(&Facts) -> bool], verdict: Verdict) -> Row {
    Row { are, verdict }
}

/// The first row that fits decides.
const TABLE: &[Row] = &[
    row(&[|it| it.escalated], Verdict::Notify(Reason::Escalated)),
    row(&[|it| it.flapping], Verdict::Notify(Reason::Flapping)),
    row(&[|it| it.new, |it| !it.knows], Verdict::Notify(Reason::First)),
    row(&[|it| it.new], Verdict::Notify(Reason::NewAlarms)),
    row(&[|it| it.reopened], Verdict::Notify(Reason::Reopened)),
    row(&[|it| it.worse], Verdict::Notify(Reason::Worse)),
    row(&[|it| it.ended, |it| !it.fires, |it| it.closed], Verdict::Notify(Reason::Closed)),
    row(&[|it| it.ended, |it| !it.fires], Verdict::Notify(Reason::Resolved)),
    row(&[|it| it.ended], Verdict::Notify(Reason::SomeResolved)),
    row(&[|it| it.better], Verdict::Notify(Reason::Better)),
    row(&[|it| it.repeat], Verdict::Notify(Reason::Repeat)),
    row(&[|it| it.muted], Verdict::Keep(Keep::Muted)),
    row(&[|it| !it.knows], Verdict::Keep(Keep::Unknown)),
    row(&[], Verdict::Keep(Keep::Same)),
];

/// What comes of the facts.
pub(super) fn verdict(facts: &Facts) -> Verdict {
    let mut rows = TABLE.iter();
    let found = rows.find(|row| row.are.iter().all(|is| is(facts)));
    found.map_or(Verdict::Keep(Keep::Same), |row| row.verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Facts = Facts {
        knows: false,
        new: false,
        reopened: false,
        escalated: false,
        flapping: false,
        worse: false,
        better: false,
        ended: false,
        closed: true,
        fires: false,
        repeat: false,
        muted: false,
    };
    const KNOWN: Facts = Facts { knows: true, fires: true, ..NONE };

    #[test]
    fn each_row_of_the_table_decides_as_it_says() {
        use Reason::{Better, Closed, Escalated, First, Flapping, NewAlarms, Reopened, Repeat};
        use Reason::{Resolved, SomeResolved, Worse};
        let cases = [
            // Nobody knows of anything.
            (Facts { new: true, ..NONE }, Verdict::Notify(First)),
            (NONE, Verdict::Keep(Keep::Unknown)),
            (Facts { muted: true, ..NONE }, Verdict::Keep(Keep::Muted)),
            // What fires is more than what is known.
            (Facts { new: true, ..KNOWN }, Verdict::Notify(NewAlarms)),
            (Facts { new: true, ended: true, ..KNOWN }, Verdict::Notify(NewAlarms)),
            (Facts { new: true, ended: true, fires: false, ..KNOWN }, Verdict::Notify(NewAlarms)),
            (Facts { worse: true, ..KNOWN }, Verdict::Notify(Worse)),
            (Facts { worse: true, ended: true, better: true, ..KNOWN }, Verdict::Notify(Worse)),
            (Facts { better: true, ..KNOWN }, Verdict::Notify(Better)),
            // Nothing fires of what was known.
            (
                Facts { ended: true, fires: false, closed: false, ..KNOWN },
                Verdict::Notify(Resolved),
            ),
            (Facts { ended: true, fires: false, ..KNOWN }, Verdict::Notify(Closed)),
            // Some of it fires on.
            (Facts { ended: true, ..KNOWN }, Verdict::Notify(SomeResolved)),
            (Facts { ended: true, better: true, ..KNOWN }, Verdict::Notify(SomeResolved)),
            // All of it does.
            (Facts { repeat: true, ..KNOWN }, Verdict::Notify(Repeat)),
            (Facts { repeat: true, muted: true, ..KNOWN }, Verdict::Notify(Repeat)),
            (KNOWN, Verdict::Keep(Keep::Same)),
            (Facts { muted: true, ..KNOWN }, Verdict::Keep(Keep::Muted)),
            // What people and the clock say.
            (Facts { reopened: true, ..NONE }, Verdict::Notify(Reopened)),
            (Facts { reopened: true, new: true, ..KNOWN }, Verdict::Notify(NewAlarms)),
            (Facts { escalated: true, new: true, ..NONE }, Verdict::Notify(Escalated)),
            (Facts { flapping: true, ended: true, ..KNOWN }, Verdict::Notify(Flapping)),
        ];
        for (facts, expected) in cases {
            assert_eq!(verdict(&facts), expected, "{facts:?}");
        }
    }
}
