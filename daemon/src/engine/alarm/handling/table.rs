//! The table of handling: what each act makes of each state, and why not.

use super::{Phase, Refusal};

/// A state without who and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StateKind {
    Unhandled,
    Acknowledged,
    InProgress,
    Closed,
    Seen,
}

/// An act without what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ActionKind {
    Acknowledge,
    Assign,
    Note,
    Progress,
    Close,
    Reopen,
    Seen,
}

/// What an act does: the state stays, another one comes, or it is refused.
type ActionEffect = Result<Option<StateKind>, Refusal>;

const STAYS: ActionEffect = Ok(None);
const OPEN: ActionEffect = Ok(Some(StateKind::Unhandled));
const ACKED: ActionEffect = Ok(Some(StateKind::Acknowledged));
const WORKS: ActionEffect = Ok(Some(StateKind::InProgress));
const DONE: ActionEffect = Ok(Some(StateKind::Closed));
const LOOKED: ActionEffect = Ok(Some(StateKind::Seen));
const ENDED: ActionEffect = Err(Refusal::Ended);
const FIRES: ActionEffect = Err(Refusal::Fires);
const CLOSED: ActionEffect = Err(Refusal::Closed);
const BUSY: ActionEffect = Err(Refusal::InProgress);
const NOTHING: ActionEffect = Err(Refusal::Unhandled);
const SEEN: ActionEffect = Err(Refusal::Seen);

/// (act, whether the alarm fires, what it does to unhandled, acknowledged, in progress, closed,
/// seen). None that was seen fires: the next occurrence is another one.
const TABLE: [(ActionKind, bool, [ActionEffect; 5]); 14] = [
    (ActionKind::Acknowledge, true, [ACKED, ACKED, BUSY, CLOSED, ENDED]),
    (ActionKind::Acknowledge, false, [ENDED, ENDED, ENDED, ENDED, ENDED]),
    (ActionKind::Assign, true, [STAYS, STAYS, STAYS, CLOSED, ENDED]),
    (ActionKind::Assign, false, [STAYS, STAYS, STAYS, CLOSED, STAYS]),
    (ActionKind::Note, true, [STAYS, STAYS, STAYS, STAYS, ENDED]),
    (ActionKind::Note, false, [STAYS, STAYS, STAYS, STAYS, STAYS]),
    (ActionKind::Progress, true, [WORKS, WORKS, WORKS, CLOSED, ENDED]),
    (ActionKind::Progress, false, [WORKS, WORKS, WORKS, CLOSED, WORKS]),
    (ActionKind::Close, true, [DONE, DONE, DONE, CLOSED, ENDED]),
    (ActionKind::Close, false, [DONE, DONE, DONE, CLOSED, DONE]),
    (ActionKind::Reopen, true, [NOTHING, OPEN, OPEN, OPEN, ENDED]),
    (ActionKind::Reopen, false, [NOTHING, OPEN, OPEN, OPEN, OPEN]),
    (ActionKind::Seen, true, [FIRES, FIRES, FIRES, FIRES, FIRES]),
    (ActionKind::Seen, false, [LOOKED, SEEN, SEEN, SEEN, SEEN]),
];

/// What an act does in a state; `None`: the state stays as it is.
pub(super) fn outcome(state: StateKind, act: ActionKind, phase: Phase) -> ActionEffect {
    let fires = match phase {
        Phase::Pending => return Err(Refusal::Pending),
        Phase::Firing => true,
        Phase::Ended => false,
    };
    let row = TABLE.iter().find(|(of, when, _)| *of == act && *when == fires);
    row.and_then(|(_, _, outcomes)| outcomes.get(state as usize).copied()).unwrap_or(STAYS)
}
