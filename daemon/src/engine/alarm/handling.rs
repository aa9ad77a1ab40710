//! Handling: what people do about an alarm. Independent of its condition.
//!
//! It belongs to one occurrence: what fires again is a new one, and nobody has handled that yet.

mod table;

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

use super::view::Change;

/// What people have done about one occurrence of an alarm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Handling {
    /// Where it stands.
    #[serde(flatten)]
    pub state: HandlingState,
    /// Who is to see to it.
    pub owner: Option<String>,
}

/// Where the handling of an alarm stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum HandlingState {
    /// Nobody has taken it up.
    #[default]
    Unhandled,
    /// Somebody knows: it is not told again.
    Acknowledged {
        /// Who.
        by: String,
        /// Until when; none: until it changes.
        until: Option<Timestamp>,
        /// Whether it holds while the severity changes, until the alarm ends.
        sticky: bool,
    },
    /// Somebody works on it.
    InProgress {
        /// Who.
        by: String,
    },
    /// It is done with.
    Closed {
        /// Who said so.
        by: String,
        /// What it was.
        code: CloseCode,
    },
    /// It ended while nobody had taken it up, and somebody has looked at it since.
    Seen {
        /// Who.
        by: String,
    },
}

/// What an alarm turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloseCode {
    /// A real trouble.
    Real,
    /// No trouble.
    Noise,
    /// The same as another one.
    Duplicate,
    /// A trouble that was planned.
    Expected,
}

/// What a person does about an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Says that they know.
    Acknowledge {
        /// Until when; none: until it changes.
        until: Option<Timestamp>,
        /// Whether it holds while the severity changes.
        sticky: bool,
    },
    /// Says who is to see to it; none: nobody any more.
    Assign {
        /// Who.
        owner: Option<String>,
    },
    /// Writes something down.
    Note,
    /// Works on it.
    Progress,
    /// Is done with it.
    Close {
        /// What it was.
        code: CloseCode,
    },
    /// Makes it unhandled again.
    Reopen,
    /// Has looked at one that ended while nobody had taken it up.
    Seen,
}

/// Where the alarm itself stands when somebody does something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It does not fire yet.
    Pending,
    /// It fires.
    Firing,
    /// It is over.
    Ended,
}

/// Why an act does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// It does not fire.
    #[error("it does not fire yet: there is nothing to handle")]
    Pending,
    /// It fires.
    #[error("it still fires: acknowledge it, or close it")]
    Fires,
    /// It is over.
    #[error("it has ended: say that it was seen, or close it")]
    Ended,
    /// Somebody works on it.
    #[error("somebody works on it, which says more than to acknowledge it")]
    InProgress,
    /// It is closed.
    #[error("it is closed: reopen it first")]
    Closed,
    /// Nobody has taken it up.
    #[error("nobody has taken it up: there is nothing to reopen")]
    Unhandled,
    /// Somebody has looked at it, or done more.
    #[error("somebody has looked at it already")]
    Seen,
    /// The end of an acknowledgement is not in the future.
    #[error("the acknowledgement would end before it begins")]
    Past,
}

impl Handling {
    /// What it is after an act, or why the act does not fit.
    pub fn after(
        &self,
        act: &Action,
        by: &str,
        phase: Phase,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        if let Action::Acknowledge { until: Some(until), .. } = act
            && *until <= now
        {
            return Err(Refusal::Past);
        }
        let next = table::outcome(self.state.kind(), act.kind(), phase)?;
        let state = match next {
            None => self.state.clone(),
            Some(_) => act.leads_to(by),
        };
        let owner = match act {
            Action::Assign { owner } => owner.clone(),
            // Whoever works on it sees to it, unless somebody else was asked to.
            Action::Progress => self.owner.clone().or_else(|| Some(by.into())),
            _ => self.owner.clone(),
        };
        Ok(Self { state, owner })
    }

    /// What it is after the alarm changed, if that changes it.
    ///
    /// What was said of a lesser trouble does not hold for a worse one, unless it was said to.
    /// Whoever works on it goes on. The end of the alarm leaves everything as it was.
    pub fn after_change(&self, change: Change) -> Option<Self> {
        let falls = matches!(
            self.state,
            HandlingState::Acknowledged { sticky: false, .. } | HandlingState::Closed { .. }
        );
        (change == Change::Worse && falls).then(|| self.unhandled())
    }

    /// When it changes by itself, if ever.
    pub fn expires(&self) -> Option<Timestamp> {
        match self.state {
            HandlingState::Acknowledged { until, .. } => until,
            _ => None,
        }
    }

    /// What it is at `now`, if the time changes it: an acknowledgement ends.
    pub fn after_time(&self, now: Timestamp) -> Option<Self> {
        self.expires().is_some_and(|until| until <= now).then(|| self.unhandled())
    }

    /// What the three states of PaaS-TA's `alarms.resolve_status` are here; `by` is who set it.
    pub fn of_paasta(resolve_status: &str, by: &str) -> Option<Self> {
        let by = by.to_owned();
        let state = match resolve_status.trim() {
            "1" => HandlingState::Unhandled,
            "2" => HandlingState::InProgress { by },
            // It had no codes: whoever completed it took it seriously.
            "3" => HandlingState::Closed { by, code: CloseCode::Real },
            _ => return None,
        };
        Some(Self { state, owner: None })
    }

    fn unhandled(&self) -> Self {
        Self { state: HandlingState::Unhandled, owner: self.owner.clone() }
    }
}

impl HandlingState {
    /// Its word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unhandled => "unhandled",
            Self::Acknowledged { .. } => "acknowledged",
            Self::InProgress { .. } => "in progress",
            Self::Closed { .. } => "closed",
            Self::Seen { .. } => "seen",
        }
    }

    /// Who brought it there.
    pub fn by(&self) -> Option<&str> {
        match self {
            Self::Unhandled => None,
            Self::Acknowledged { by, .. }
            | Self::InProgress { by }
            | Self::Closed { by, .. }
            | Self::Seen { by } => Some(by),
        }
    }

    const fn kind(&self) -> table::StateKind {
        match self {
            Self::Unhandled => table::StateKind::Unhandled,
            Self::Acknowledged { .. } => table::StateKind::Acknowledged,
            Self::InProgress { .. } => table::StateKind::InProgress,
            Self::Closed { .. } => table::StateKind::Closed,
            Self::Seen { .. } => table::StateKind::Seen,
        }
    }
}

impl CloseCode {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Noise => "noise",
            Self::Duplicate => "duplicate",
            Self::Expected => "expected",
        }
    }
}

impl Action {
    /// What the journal calls it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Acknowledge { .. } => "acknowledged",
            Self::Assign { .. } => "assigned",
            Self::Note => "noted",
            Self::Progress => "in progress",
            Self::Close { .. } => "closed",
            Self::Reopen => "reopened",
            Self::Seen => "seen",
        }
    }

    const fn kind(&self) -> table::ActionKind {
        match self {
            Self::Acknowledge { .. } => table::ActionKind::Acknowledge,
            Self::Assign { .. } => table::ActionKind::Assign,
            Self::Note => table::ActionKind::Note,
            Self::Progress => table::ActionKind::Progress,
            Self::Close { .. } => table::ActionKind::Close,
            Self::Reopen => table::ActionKind::Reopen,
            Self::Seen => table::ActionKind::Seen,
        }
    }

    /// The state that an act which changes it leads to.
    fn leads_to(&self, by: &str) -> HandlingState {
        let by = by.to_owned();
        match self {
            Self::Acknowledge { until, sticky } => {
                HandlingState::Acknowledged { by, until: *until, sticky: *sticky }
            }
            Self::Progress => HandlingState::InProgress { by },
            Self::Close { code } => HandlingState::Closed { by, code: *code },
            Self::Seen => HandlingState::Seen { by },
            Self::Reopen | Self::Assign { .. } | Self::Note => HandlingState::Unhandled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1000);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(1000 + second)
    }

    fn handling(state: HandlingState) -> Handling {
        Handling { state, owner: None }
    }

    fn acknowledged(until: Option<Timestamp>, sticky: bool) -> Handling {
        handling(HandlingState::Acknowledged { by: "kim".into(), until, sticky })
    }

    fn states() -> [Handling; 5] {
        let by = || "kim".to_owned();
        [
            Handling::default(),
            acknowledged(None, false),
            handling(HandlingState::InProgress { by: by() }),
            handling(HandlingState::Closed { by: by(), code: CloseCode::Noise }),
            handling(HandlingState::Seen { by: by() }),
        ]
    }

    fn acts() -> [Action; 7] {
        [
            Action::Acknowledge { until: None, sticky: false },
            Action::Assign { owner: Some("lee".into()) },
            Action::Note,
            Action::Progress,
            Action::Close { code: CloseCode::Real },
            Action::Reopen,
            Action::Seen,
        ]
    }

    /// What each act makes of unhandled, acknowledged, in progress, closed, seen; first while the
    /// alarm fires, then when it has ended.
    const WANTED: [[&str; 5]; 14] = [
        ["acknowledged", "acknowledged", "!in-progress", "!closed", "!ended"],
        ["!ended", "!ended", "!ended", "!ended", "!ended"],
        ["unhandled", "acknowledged", "in progress", "!closed", "!ended"],
        ["unhandled", "acknowledged", "in progress", "!closed", "seen"],
        ["unhandled", "acknowledged", "in progress", "closed", "!ended"],
        ["unhandled", "acknowledged", "in progress", "closed", "seen"],
        ["in progress", "in progress", "in progress", "!closed", "!ended"],
        ["in progress", "in progress", "in progress", "!closed", "in progress"],
        ["closed", "closed", "closed", "!closed", "!ended"],
        ["closed", "closed", "closed", "!closed", "closed"],
        ["!unhandled", "unhandled", "unhandled", "unhandled", "!ended"],
        ["!unhandled", "unhandled", "unhandled", "unhandled", "unhandled"],
        ["!fires", "!fires", "!fires", "!fires", "!fires"],
        ["seen", "!seen", "!seen", "!seen", "!seen"],
    ];

    #[test]
    fn each_act_leads_from_each_state_where_the_table_says() {
        let cases = acts()
            .into_iter()
            .flat_map(|act| [Phase::Firing, Phase::Ended].map(|phase| (act.clone(), phase)));
        for ((act, phase), wanted) in cases.zip(WANTED) {
            for (before, wanted) in states().iter().zip(wanted) {
                let after = before.after(&act, "lee", phase, NOW);
                let found = match &after {
                    Ok(after) => after.state.as_str().to_owned(),
                    Err(refusal) => {
                        let word = serde_json::to_value(refusal).unwrap();
                        format!("!{}", word.as_str().unwrap())
                    }
                };
                assert_eq!(found, wanted, "{act:?} on {before:?} while {phase:?}");
            }
        }
        for act in acts() {
            let pending = Handling::default().after(&act, "lee", Phase::Pending, NOW);
            assert_eq!(pending, Err(Refusal::Pending), "{act:?}");
        }
    }

    #[test]
    fn an_act_says_who_and_an_owner_stays() {
        let open = Handling::default();
        let act = |before: &Handling, act| before.after(&act, "kim", Phase::Firing, NOW).unwrap();
        let owned = act(&open, Action::Assign { owner: Some("lee".into()) });
        assert_eq!(owned, Handling { state: HandlingState::Unhandled, owner: Some("lee".into()) });
        let works = act(&owned, Action::Progress);
        assert_eq!((works.state.by(), works.owner.as_deref()), (Some("kim"), Some("lee")));
        assert_eq!(act(&open, Action::Progress).owner.as_deref(), Some("kim"));
        assert_eq!(act(&works, Action::Assign { owner: None }).owner, None);
        let ack = Action::Acknowledge { until: Some(at(60)), sticky: true };
        let wanted =
            HandlingState::Acknowledged { by: "kim".into(), until: Some(at(60)), sticky: true };
        assert_eq!(act(&owned, ack), Handling { state: wanted, owner: Some("lee".into()) });
    }

    /// (rule of Icinga or Alerta, before, what happens, after); none: it stays.
    #[test]
    fn conditions_and_time_end_what_the_rules_of_others_say() {
        let [open, normal, works, closed, seen] = states();
        let sticky = acknowledged(None, true);
        let (timed, timed_sticky) =
            (acknowledged(Some(at(60)), false), acknowledged(Some(at(60)), true));
        let cases: &[(&str, &Handling, Change, bool)] = &[
            (
                "Icinga, Alerta: a normal one is dropped when it worsens",
                &normal,
                Change::Worse,
                true,
            ),
            (
                "Alerta: not when it gets better; ours differs from Icinga's, which drops it at any change",
                &normal,
                Change::Better,
                false,
            ),
            ("Icinga: a sticky one holds at any change", &sticky, Change::Worse, false),
            ("Icinga: a sticky one holds at any change", &sticky, Change::Better, false),
            (
                "Icinga drops both at OK; ours belong to the occurrence: history, and the next one is unhandled",
                &normal,
                Change::Resolved,
                false,
            ),
            ("the same", &sticky, Change::Resolved, false),
            ("the same", &normal, Change::Closed, false),
            (
                "Icinga: one with an end is dropped before it all the same",
                &timed,
                Change::Worse,
                true,
            ),
            ("Icinga: unless it is sticky", &timed_sticky, Change::Worse, false),
            ("Alerta: a closed one reopens when it worsens", &closed, Change::Worse, true),
            ("Alerta: and not when it gets better", &closed, Change::Better, false),
            ("ours: whoever works on it goes on", &works, Change::Worse, false),
            ("nothing to drop", &open, Change::Worse, false),
            ("nothing to drop", &seen, Change::Worse, false),
        ];
        for (rule, before, change, falls) in cases {
            let after = before.after_change(*change);
            let state = after.as_ref().map(|after| after.state.as_str());
            assert_eq!(state, falls.then_some("unhandled"), "{rule}: {before:?} {change:?}");
        }
        for (rule, before, second, ends) in [
            ("Icinga, Alerta: it ends in time", &timed, 60, true),
            ("not before", &timed, 59, false),
            ("Icinga: a sticky one too", &timed_sticky, 60, true),
            ("without an end never", &normal, i64::from(u32::MAX), false),
            ("only acknowledgements end", &works, i64::from(u32::MAX), false),
        ] {
            let state = before.after_time(at(second)).map(|after| after.state.as_str());
            assert_eq!(state, ends.then_some("unhandled"), "{rule}");
        }
    }

    #[test]
    fn alerta_returns_to_the_state_before_ours_to_unhandled() {
        let works = &states()[2];
        let after = works.after(&Action::Reopen, "lee", Phase::Firing, NOW).unwrap();
        assert_eq!(after.state, HandlingState::Unhandled);
    }

    #[test]
    fn alerta_ends_an_acknowledgement_by_default_ours_only_if_asked_and_never_in_the_past() {
        let ack = |until| Action::Acknowledge { until, sticky: false };
        let open = Handling::default();
        let done = open.after(&ack(None), "kim", Phase::Firing, NOW).unwrap();
        assert_eq!(done.expires(), None);
        let refused = open.after(&ack(Some(NOW)), "kim", Phase::Firing, NOW);
        assert_eq!(refused, Err(Refusal::Past));
        // Who acknowledges again gives it another end.
        let again = done.after(&ack(Some(at(5))), "lee", Phase::Firing, NOW).unwrap();
        assert_eq!((again.expires(), again.state.by()), (Some(at(5)), Some("lee")));
    }

    #[test]
    fn an_owner_outlasts_what_falls() {
        let owned = Handling { owner: Some("lee".into()), ..acknowledged(Some(at(9)), false) };
        let wanted = Handling { owner: Some("lee".into()), ..Handling::default() };
        assert_eq!(owned.after_change(Change::Worse), Some(wanted.clone()));
        assert_eq!(owned.after_time(at(9)), Some(wanted));
    }

    #[test]
    fn the_states_of_paasta_are_unhandled_in_progress_and_closed() {
        let word = |status| Handling::of_paasta(status, "admin").map(|it| it.state.as_str());
        let words = ["1", "2", " 3", "4", ""].map(word);
        assert_eq!(words, [Some("unhandled"), Some("in progress"), Some("closed"), None, None]);
    }

    #[test]
    fn it_is_stored_and_read_back() {
        for handling in states().into_iter().chain([acknowledged(Some(at(1)), true)]) {
            let text = serde_json::to_string(&handling).unwrap();
            assert_eq!(serde_json::from_str::<Handling>(&text).unwrap(), handling, "{text}");
        }
        let text = serde_json::to_string(&Handling::default()).unwrap();
        assert_eq!(text, r#"{"state":"unhandled","owner":null}"#);
    }
}
