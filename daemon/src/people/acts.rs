//! Acts on alarms: one, or all that a filter means.

use std::collections::{BTreeMap, HashSet};

use haetae_plugin::{Timestamp, options::Duration};
use serde::{Deserialize, Serialize};

use super::{People, PeopleError};
use crate::{
    engine::{
        AlarmView, Input,
        alarm::handling::{Action, CloseCode, Phase, Refusal},
    },
    store::{AuditEntry, Handled, StoreError, Transaction},
};

/// Alarms that one call changes at the most; the rest is left for the next.
const MOST: usize = 10_000;
/// Of those, how many are one transaction.
const PORTION: usize = 500;
/// The longest comment, in bytes.
const COMMENT: usize = 4096;

/// What a person says. Those without a key have braces too: serde lets them pass any key else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Said {
    /// They know.
    Acknowledge {
        /// For how long.
        #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
        lasts: Option<Duration>,
        /// Until when; if both are missing, until it worsens or ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Also while it worsens.
        #[serde(default)]
        sticky: bool,
    },
    /// Who is to see to it.
    Assign {
        /// Who; none: nobody any more.
        #[serde(default)]
        owner: Option<String>,
    },
    /// Something worth writing down.
    Note {},
    /// They work on it.
    Progress {},
    /// They are done with it.
    Close {
        /// What it was.
        code: CloseCode,
    },
    /// It is unhandled again.
    Reopen {},
    /// They have looked at one that ended.
    Seen {},
}

/// The body of `POST /api/v1/alarms/{id}/acts`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActRequest {
    /// What.
    #[serde(flatten)]
    pub said: Said,
    /// In their words.
    #[serde(default)]
    pub comment: String,
    /// The version that they have seen: if it is another one now, nothing is done.
    #[serde(default)]
    pub version: Option<i64>,
}

/// Its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActAnswer {
    /// The alarm.
    pub alarm: String,
    /// How it is handled now.
    pub handling: Handled,
}

/// The body of `POST /api/v1/alarms/acts`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BulkRequest {
    /// What.
    #[serde(flatten)]
    pub said: Said,
    /// In their words.
    #[serde(default)]
    pub comment: String,
    /// On alarms that fit all of these.
    #[serde(rename = "match")]
    pub matchers: Vec<String>,
    /// Among those that ended while nobody had taken them up, in place of those that fire.
    #[serde(default)]
    pub unseen: bool,
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// Its answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BulkAnswer {
    /// How many alarms fit.
    pub matched: usize,
    /// How many were changed; in a dry run, would be.
    pub changed: usize,
    /// Their ids.
    pub alarms: Vec<String>,
    /// Those that were not, and why.
    pub refused: Vec<RefusedAct>,
    /// How many were not looked at: more than one call takes. Ask again.
    pub left: usize,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

/// An alarm that an act does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedAct {
    /// The alarm.
    pub alarm: String,
    /// Why.
    pub why: String,
}

/// What is done to some alarms.
#[derive(Clone)]
struct Plan {
    act: Action,
    comment: String,
    by: String,
    /// The version that all of them must have.
    version: Option<i64>,
    dry_run: bool,
}

/// What came of it.
#[derive(Default)]
struct ActionResult {
    changed: BTreeMap<String, (Handled, Handled)>,
    refused: Vec<(String, PeopleError)>,
    /// Whether nothing was changed.
    dry_run: bool,
}

impl Said {
    fn act(&self, now: Timestamp) -> Result<Action, PeopleError> {
        Ok(match self {
            Self::Acknowledge { lasts: Some(_), until: Some(_), .. } => {
                return Err(PeopleError::senseless("say either `for` or `until`"));
            }
            Self::Acknowledge { lasts, until, sticky } => {
                let until = lasts.map(|lasts| now.after(*lasts)).or(*until);
                Action::Acknowledge { until, sticky: *sticky }
            }
            Self::Assign { owner } => {
                let owner = owner.as_deref().map(str::trim).filter(|owner| !owner.is_empty());
                Action::Assign { owner: owner.map(Into::into) }
            }
            Self::Note {} => Action::Note,
            Self::Progress {} => Action::Progress,
            Self::Close { code } => Action::Close { code: *code },
            Self::Reopen {} => Action::Reopen,
            Self::Seen {} => Action::Seen,
        })
    }
}

impl People {
    /// Does something about one alarm.
    pub async fn act(
        &self,
        alarm: &AlarmView,
        request: &ActRequest,
        by: &str,
    ) -> Result<ActAnswer, PeopleError> {
        let act = sensible(&request.said, &request.comment, self.now())?;
        let (comment, version) = (request.comment.trim().into(), request.version);
        let plan = Plan { act, comment, by: by.into(), version, dry_run: false };
        let mut outcome = self.carry_out(std::slice::from_ref(alarm), &plan).await?;
        if let Some((_, error)) = outcome.refused.pop() {
            return Err(error);
        }
        let changed = outcome.changed.pop_first();
        let (alarm, (_, handling)) = changed.ok_or(PeopleError::Conflict)?;
        Ok(ActAnswer { alarm, handling })
    }

    /// Does the same about many alarms, which were chosen by the request's filter.
    pub async fn act_on_all(
        &self,
        alarms: &[AlarmView],
        request: &BulkRequest,
        by: &str,
    ) -> Result<BulkAnswer, PeopleError> {
        let act = sensible(&request.said, &request.comment, self.now())?;
        let (comment, dry_run) = (request.comment.trim().into(), request.dry_run);
        let plan = Plan { act, comment, by: by.into(), version: None, dry_run };
        let (now, later) = alarms.split_at(alarms.len().min(MOST));
        let mut outcome = ActionResult::default();
        // In portions, between which others write; the filter chose each by itself.
        for portion in now.chunks(PORTION) {
            let one = self.carry_out(portion, &plan).await?;
            outcome.changed.extend(one.changed);
            outcome.refused.extend(one.refused);
        }
        let refused =
            |(alarm, error): (String, PeopleError)| RefusedAct { alarm, why: error.to_string() };
        Ok(BulkAnswer {
            matched: alarms.len(),
            changed: outcome.changed.len(),
            alarms: outcome.changed.into_keys().collect(),
            refused: outcome.refused.into_iter().map(refused).collect(),
            left: later.len(),
            dry_run,
        })
    }

    /// One transaction; then the engine hears of each.
    async fn carry_out(
        &self,
        alarms: &[AlarmView],
        plan: &Plan,
    ) -> Result<ActionResult, PeopleError> {
        let _ordered = self.order.lock().await;
        let (now, plan, alarms) = (self.now(), plan.clone(), alarms.to_vec());
        let outcome =
            self.store.write(move |transaction| plan.carry_out(transaction, &alarms, now)).await?;
        if outcome.dry_run {
            return Ok(outcome);
        }
        for (alarm, (before, after)) in &outcome.changed {
            if before.handling != after.handling {
                let handling = after.handling.clone();
                self.report(Input::Handled { alarm: alarm.clone(), handling }).await;
            }
        }
        Ok(outcome)
    }
}

impl Plan {
    fn carry_out(
        &self,
        transaction: &mut Transaction<'_>,
        alarms: &[AlarmView],
        now: Timestamp,
    ) -> Result<ActionResult, PeopleError> {
        let ids: Vec<_> = alarms.iter().map(|alarm| alarm.id.clone()).collect();
        let mut before = transaction.handled(&ids)?;
        let mut outcome = ActionResult { dry_run: self.dry_run, ..ActionResult::default() };
        for alarm in alarms {
            let before = before.remove(&alarm.id).unwrap_or_default();
            match self.after(alarm, &before, now) {
                Ok(after) => drop(outcome.changed.insert(alarm.id.clone(), (before, after))),
                Err(error) => outcome.refused.push((alarm.id.clone(), error)),
            }
        }
        if self.dry_run || outcome.changed.is_empty() {
            return Ok(outcome);
        }
        let changes = outcome.changed.iter().map(|(id, (_, after))| (id.as_str(), after));
        let written = transaction.handle(&changes.collect::<Vec<_>>())?;
        // What another daemon on the same store changed meanwhile is left as that one did.
        if written.len() < outcome.changed.len() {
            let written: HashSet<_> = written.into_iter().collect();
            let slower = outcome.changed.extract_if(.., |id, _| !written.contains(id));
            outcome.refused.extend(slower.map(|(id, _)| (id, PeopleError::Conflict)));
        }
        let audit_entries =
            outcome.changed.iter().map(|(id, (before, after))| self.audit_entry(id, before, after));
        transaction.record_deeds(&audit_entries.collect::<Result<Vec<_>, _>>()?)?;
        Ok(outcome)
    }

    fn after(
        &self,
        alarm: &AlarmView,
        before: &Handled,
        now: Timestamp,
    ) -> Result<Handled, PeopleError> {
        if self.version.is_some_and(|version| version != before.version) {
            return Err(PeopleError::Conflict);
        }
        let phase = if alarm.ended.is_some() {
            Phase::Ended
        } else if alarm.is_firing() {
            Phase::Firing
        } else {
            Phase::Pending
        };
        let handling = before.handling.after(&self.act, &self.by, phase, now)?;
        let words = if self.comment.is_empty() { &before.note } else { &self.comment };
        Ok(Handled { handling, note: words.clone(), version: before.version + 1, updated: now })
    }

    fn audit_entry<'b>(
        &'b self,
        about: &'b str,
        before: &Handled,
        after: &Handled,
    ) -> Result<AuditEntry<'b>, StoreError> {
        let text = |handled: &Handled| {
            let text = serde_json::to_string(&handled.handling);
            text.map_err(|error| StoreError::Unreadable(error.to_string()))
        };
        Ok(AuditEntry {
            at: after.updated,
            about,
            actor: &self.by,
            act: self.act.as_str(),
            detail: &self.comment,
            before: text(before)?,
            after: text(after)?,
        })
    }
}

/// The act that is meant, if it is one.
fn sensible(said: &Said, comment: &str, now: Timestamp) -> Result<Action, PeopleError> {
    if comment.len() > COMMENT {
        let text = format!("the comment has {} bytes, at most {COMMENT} are kept", comment.len());
        return Err(PeopleError::Senseless(text));
    }
    if *said == (Said::Note {}) && comment.trim().is_empty() {
        return Err(PeopleError::senseless("a note needs words"));
    }
    let act = said.act(now)?;
    match act {
        // Before anything is looked up: it fits no alarm.
        Action::Acknowledge { until: Some(until), .. } if until <= now => {
            Err(PeopleError::Senseless(Refusal::Past.to_string()))
        }
        act => Ok(act),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dry run that is misspelt must not be taken for the act.
    #[test]
    fn a_key_that_nobody_reads_is_refused() {
        let acts = [
            r#""act":"acknowledge""#,
            r#""act":"assign""#,
            r#""act":"note""#,
            r#""act":"progress""#,
            r#""act":"close","code":"noise""#,
            r#""act":"reopen""#,
            r#""act":"seen""#,
        ];
        for act in acts {
            let bulk = |more: &str| {
                let text = format!(r#"{{{act},"match":["a=b"]{more}}}"#);
                serde_json::from_str::<BulkRequest>(&text).map_err(|error| error.to_string())
            };
            assert!(bulk("").is_ok_and(|bulk| !bulk.dry_run), "{act}");
            assert!(bulk(r#","dry_run":true,"unseen":true"#).is_ok_and(|bulk| bulk.dry_run));
            assert!(bulk(r#","dryrun":true"#).is_err_and(|why| why.contains("dryrun")), "{act}");
            let one = format!(r#"{{{act},"comment":"c","version":1,"unitl":5}}"#);
            let one = serde_json::from_str::<ActRequest>(&one).map_err(|error| error.to_string());
            assert!(one.is_err_and(|why| why.contains("unitl")), "{act}");
        }
        let until = r#"{"act":"acknowledge","until":5,"sticky":true}"#;
        let until = serde_json::from_str::<ActRequest>(until).unwrap().said;
        assert!(matches!(until, Said::Acknowledge { until: Some(_), sticky: true, .. }));
    }
}
