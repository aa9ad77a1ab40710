//! What a sink is given to send to people. Crosses as JSON: unknown fields are ignored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A group of alarms at the moment of sending to one sink.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Notification {
    /// Names the group for as long as it lasts: the same for all notifications about it, and never
    /// given again to another one.
    pub key: String,
    /// Why it is sent now.
    pub reason: Reason,
    /// Whether any alarm of the group is firing.
    pub status: Status,
    /// The worst severity in it.
    pub severity: Severity,
    /// What the alarms have in common.
    pub labels: BTreeMap<String, String>,
    /// The alarms, worst first; of very many, the first of them.
    pub alarms: Vec<Alarm>,
    /// How many more alarms it is about than `alarms` has.
    #[serde(default)]
    pub more: u32,
    /// One line, rendered in the sink's language.
    pub title: String,
    /// The whole message as plain text, rendered in the sink's language.
    pub text: String,
    /// The whole message as an HTML document, rendered in the sink's language.
    #[serde(default)]
    pub html: String,
    /// The language of title and texts: `en` or `ko`.
    #[serde(default)]
    pub language: String,
    /// Those of the sink's recipients who do not have it yet; empty: all of them.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// Sent again, it is the same: receivers drop what they have seen.
    pub idempotency_key: String,
    /// The key of the notification that it answers: the one that began what this sink is told of its
    /// alarms. None: it begins a thread of its own, whatever its reason is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
    /// When the daemon made it.
    pub time: Timestamp,
    /// 1 for the first try.
    pub attempt: u32,
}

/// An alarm as a notification shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Alarm {
    /// Its id: `haetae alarm show ID`.
    pub id: String,
    /// The evaluator that raised it.
    pub evaluator: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Firing or resolved.
    pub status: Status,
    /// Its severity, the last one if resolved.
    pub severity: Severity,
    /// The value that was judged last; none if there never was one.
    #[serde(default)]
    pub value: Option<f64>,
    /// The unit of the value.
    #[serde(default)]
    pub unit: String,
    /// Since when it fires.
    pub since: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub ended: Option<Timestamp>,
    /// One line on what is wrong.
    pub summary: String,
    /// Where it says what to do.
    #[serde(default)]
    pub runbook: Option<String>,
    /// The newest log lines that it is about, oldest first: a few, cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excerpts: Vec<String>,
}

/// Whether something is wrong now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is.
    Firing,
    /// It was.
    Resolved,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Look at it today.
    Warning,
    /// Look at it now.
    Critical,
}

impl Severity {
    /// Its word, as the label `severity` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Why a notification is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// The first about its group.
    First,
    /// Alarms joined the group.
    NewAlarms,
    /// A severity rose.
    Worse,
    /// A severity fell, and it still fires.
    Better,
    /// All alarms of the group ended.
    Resolved,
    /// Some alarms of the group ended.
    SomeResolved,
    /// It still fires, and it is time to say so again.
    Repeat,
    /// It is not watched any more: its rule or its sink was changed or removed, or a person closed it.
    Closed,
    /// A person took back that it is closed.
    Reopened,
    /// Nobody took it up in time, so others are told.
    Escalated,
    /// It comes and goes: no more is said until it settles.
    Flapping,
    /// Many groups changed at once and are told together.
    Digest,
    /// A reason that this build does not know.
    #[serde(other)]
    Other,
}

impl Reason {
    /// Its word, as JSON has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::NewAlarms => "new-alarms",
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Resolved => "resolved",
            Self::SomeResolved => "some-resolved",
            Self::Repeat => "repeat",
            Self::Closed => "closed",
            Self::Reopened => "reopened",
            Self::Escalated => "escalated",
            Self::Flapping => "flapping",
            Self::Digest => "digest",
            Self::Other => "other",
        }
    }
}

impl Notification {
    /// A notification of one alarm, whose key, labels, severity and status are the alarm's.
    pub fn of(alarm: Alarm, reason: Reason, time: Timestamp) -> Self {
        Self {
            key: format!("{}/{}", alarm.evaluator, alarm.id),
            reason,
            status: alarm.status,
            severity: alarm.severity,
            labels: alarm.labels.clone(),
            title: alarm.summary.clone(),
            text: String::new(),
            html: String::new(),
            language: String::new(),
            recipients: Vec::new(),
            idempotency_key: format!("{}/{}", alarm.id, time.nanos()),
            answers: None,
            time,
            attempt: 1,
            alarms: vec![alarm],
            more: 0,
        }
    }
}

impl Alarm {
    /// A firing alarm without value, labels or text.
    pub fn firing(id: String, evaluator: String, severity: Severity, since: Timestamp) -> Self {
        Self {
            id,
            evaluator,
            labels: BTreeMap::new(),
            status: Status::Firing,
            severity,
            value: None,
            unit: String::new(),
            since,
            ended: None,
            summary: String::new(),
            runbook: None,
            excerpts: Vec::new(),
        }
    }
}
