//! The table of handling: what each act makes of each state, and why not.

use super::{Phase, Refusal};

/// A state without who and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Unhandled,
    Acknowledged,
    InProgress,
    Closed,
    Seen,
}

/// An act without what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Acknowledge,
    Assign,
    Note,
    Progress,
    Close,
    Reopen,
    Seen,
}

/// What an act does: the state stays, another one comes, or it is refused.
type Outcome = Result<Option<State>, Refusal>;

const STAYS: Outcome = Ok(None);
const OPEN: Outcome = Ok(Some(State::Unhandled));
const ACKED: Outcome = Ok(Some(State::Acknowledged));
const WORKS: Outcome = Ok(Some(State::InProgress));
const DONE: Outcome = Ok(Some(State::Closed));
const LOOKED: Outcome = Ok(Some(State::Seen));
const ENDED: Outcome = Err(Refusal::Ended);
const FIRES: Outcome = Err(Refusal::Fires);
const CLOSED: Outcome = Err(Refusal::Closed);
const BUSY: Outcome = Err(Refusal::InProgress);
const NOTHING: Outcome = Err(Refusal::Unhandled);
const SEEN: Outcome = Err(Refusal::Seen);

/// (act, whether the alarm fires, what it does to unhandled, acknowledged, in progress, closed,
/// seen). None that was seen fires: the next occurrence is another one.
const TABLE: [(Act, bool, [Outcome; 5]); 14] = [
    (Act::Acknowledge, true, [ACKED, ACKED, BUSY, CLOSED, ENDED]),
    (Act::Acknowledge, false, [ENDED, ENDED, ENDED, ENDED, ENDED]),
    (Act::Assign, true, [STAYS, STAYS, STAYS, CLOSED, ENDED]),
    (Act::Assign, false, [STAYS, STAYS, STAYS, CLOSED, STAYS]),
    (Act::Note, true, [STAYS, STAYS, STAYS, STAYS, ENDED]),
    (Act::Note, false, [STAYS, STAYS, STAYS, STAYS, STAYS]),
    (Act::Progress, true, [WORKS, WORKS, WORKS, CLOSED, ENDED]),
    (Act::Progress, false, [WORKS, WORKS, WORKS, CLOSED, WORKS]),
    (Act::Close, true, [DONE, DONE, DONE, CLOSED, ENDED]),
    (Act::Close, false, [DONE, DONE, DONE, CLOSED, DONE]),
    (Act::Reopen, true, [NOTHING, OPEN, OPEN, OPEN, ENDED]),
    (Act::Reopen, false, [NOTHING, OPEN, OPEN, OPEN, OPEN]),
    (Act::Seen, true, [FIRES, FIRES, FIRES, FIRES, FIRES]),
    (Act::Seen, false, [LOOKED, SEEN, SEEN, SEEN, SEEN]),
];

/// What an act does in a state; `None`: the state stays as it is.
pub(super) fn outcome(state: State, act: Act, phase: Phase) -> Outcome {
    let fires = match phase {
        Phase::Pending => return Err(Refusal::Pending),
        Phase::Firing => true,
        Phase::Ended => false,
    };
    let row = TABLE.iter().find(|(of, when, _)| *of == act && *when == fires);
    row.and_then(|(_, _, outcomes)| outcomes.get(state as usize).copied()).unwrap_or(STAYS)
}
