//! Silences: made, previewed, listed and ended by people.

use haetae_plugin::{Timestamp, options::Duration};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{
    People, PeopleError,
    filter::fits,
    named::{IdMatch, candidates},
};
use crate::{
    engine::{
        AlarmView, Input, Matcher, Silence,
        mute::{calendar::Recurring, silence::SilenceSpan},
    },
    store::{AuditEntry, HAETAE, Store, StoreError, StoredSilence, StoredSpan, Transaction},
};

/// Silences that may be open at once.
const MOST: i64 = 1000;
/// Silences that are listed at the most.
const LISTED: i64 = 1000;
/// Alarms that one silence waits for at the most.
const AWAITED: usize = 1000;
/// Alarms that an answer names at the most.
const NAMED: usize = 1000;

/// The body of `POST /api/v1/silences`: exactly one of `for`, `until`, `until_resolved` and `every`;
/// beside `every`, `for` or `until` end the whole of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SilenceRequest {
    /// Which alarms; all must match.
    #[serde(rename = "match")]
    pub matchers: Vec<String>,
    /// Why.
    pub reason: String,
    /// From when; none: now.
    pub from: Option<Timestamp>,
    /// For how long.
    #[serde(rename = "for")]
    pub lasts: Option<Duration>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// Until all that match now have ended.
    pub until_resolved: bool,
    /// Days and hours that come again: `Mon-Fri 22:00-07:00`.
    pub every: Option<String>,
    /// The IANA time zone of the hours.
    pub zone: Option<String>,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SilenceAnswer {
    /// What was made, or would be: then without an id.
    pub silence: ShownSilence,
    /// How many alarms that fire match.
    pub mutes: usize,
    /// Ids of them; not more than a thousand.
    pub alarms: Vec<String>,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

/// A silence and how it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShownSilence {
    /// What is stored.
    #[serde(flatten)]
    pub stored: StoredSilence,
    /// Whether it holds.
    pub state: SilenceState,
    /// When the clock changes that next.
    pub next_change: Option<Timestamp>,
}

/// Whether a silence holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SilenceState {
    /// It does.
    Active,
    /// It will.
    Waiting,
    /// It does not and will not.
    Over,
}

impl SilenceState {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Waiting => "waiting",
            Self::Over => "over",
        }
    }
}

impl People {
    /// Makes a silence; `alarms` are those that do not rest now.
    pub async fn silence(
        &self,
        request: &SilenceRequest,
        alarms: &[AlarmView],
        by: &str,
    ) -> Result<SilenceAnswer, PeopleError> {
        let _ordered = self.order.lock().await;
        let now = self.now();
        let matchers = matchers(&request.matchers)?;
        if request.reason.trim().is_empty() {
            return Err(PeopleError::senseless("say why, with `reason`: others will read it"));
        }
        let muted: Vec<_> = alarms
            .iter()
            .filter(|alarm| alarm.is_firing() && fits(&matchers, alarm))
            .map(|alarm| alarm.id.clone())
            .collect();
        let mut stored = StoredSilence {
            id: String::new(),
            matchers: matchers.iter().map(Matcher::to_string).collect(),
            span: span(request, &muted, now)?,
            author: by.into(),
            reason: request.reason.trim().into(),
            created: now,
            ended: None,
            version: 0,
        };
        resolve(&stored)?;
        if !request.dry_run {
            stored = self.add(stored, by).await?;
            self.report(Input::Silences(load(&self.store, now).await?)).await;
        }
        Ok(SilenceAnswer {
            silence: show(stored, now, |id| muted.iter().any(|muted| muted == id)),
            mutes: muted.len(),
            alarms: muted.into_iter().take(NAMED).collect(),
            dry_run: request.dry_run,
        })
    }

    async fn add(&self, silence: StoredSilence, by: &str) -> Result<StoredSilence, PeopleError> {
        let (now, actor) = (silence.created, by.to_owned());
        let add = move |transaction: &mut Transaction<'_>| {
            let open = transaction.open_silences(now, MOST)?;
            if i64::try_from(open.len()).is_ok_and(|open| open >= MOST) {
                return Err(PeopleError::senseless(format!(
                    "there are {MOST} silences already: end some, or use fewer with wider matchers"
                )));
            }
            let silence = transaction.add_silence(silence)?;
            let audit_entry = AuditEntry {
                at: now,
                about: &silence.id,
                actor: &actor,
                act: "silenced",
                detail: &silence.reason,
                before: String::new(),
                after: text(&silence)?,
            };
            transaction.record_deeds(&[audit_entry])?;
            Ok(silence)
        };
        self.store.write(add).await
    }

    /// Ends a silence before its time.
    pub async fn end_silence(&self, id: &str, by: &str) -> Result<StoredSilence, PeopleError> {
        let _ordered = self.order.lock().await;
        let now = self.now();
        let before = self.named(id).await?;
        if !end(&self.store, &before, by, now).await? {
            let text = format!("the silence `{}` is over already", before.id);
            return Err(PeopleError::Unknown(text));
        }
        self.report(Input::Silences(load(&self.store, now).await?)).await;
        Ok(StoredSilence { ended: Some(now), version: before.version + 1, ..before })
    }

    /// The silence of an id, or of the start of one: one that is not over, if there is such a one.
    async fn named(&self, id: &str) -> Result<StoredSilence, PeopleError> {
        let (given, id) = (id, &*id.to_uppercase());
        if let Some(silence) = self.store.silence(id).await? {
            return Ok(silence);
        }
        let open = self.store.open_silences(self.now(), MOST).await?;
        let mut named = IdMatch::among(open, id, |silence| &silence.id);
        if named == IdMatch::Nothing {
            let all = self.store.silences(LISTED).await?;
            named = IdMatch::among(all, id, |silence| &silence.id);
        }
        match named {
            IdMatch::One(silence) => Ok(silence),
            IdMatch::Nothing => Err(PeopleError::Unknown(format!(
                "no silence `{given}`; see `haetae silence list`"
            ))),
            IdMatch::Several(all) => Err(PeopleError::Several(candidates(&all, |one| {
                (
                    one.id.clone(),
                    format!("{} ({}: {})", one.matchers.join(" "), one.author, one.reason),
                )
            }))),
        }
    }

    /// Silences, newest first; those that are over too, if `all`.
    pub async fn silences(
        &self,
        all: bool,
        lives: impl Fn(&str) -> bool,
    ) -> Result<Vec<ShownSilence>, PeopleError> {
        let now = self.now();
        let stored = self.store.silences(LISTED).await?;
        let shown = stored.into_iter().map(|silence| show(silence, now, &lives));
        Ok(shown.filter(|one| all || one.state != SilenceState::Over).collect())
    }
}

/// What the engine is told: all that may still hold. A silence whose alarms are over is ended.
pub async fn load(store: &Store, now: Timestamp) -> Result<Vec<Silence>, StoreError> {
    let open = store.open_silences(now, MOST).await?;
    let mut silences = Vec::with_capacity(open.len());
    for stored in open {
        if let StoredSpan::UntilResolved { alarms, .. } = &stored.span
            && !any_lives(store, alarms).await?
        {
            end(store, &stored, HAETAE, now).await?;
            continue;
        }
        match resolve(&stored) {
            Ok(silence) => silences.push(silence),
            // It was one when it was made: a zone may be gone from this machine.
            Err(error) => warn!(silence = stored.id, %error, "a silence cannot be kept"),
        }
    }
    Ok(silences)
}

async fn any_lives(store: &Store, alarms: &[String]) -> Result<bool, StoreError> {
    for alarm in alarms {
        // One that is not written yet has just begun.
        if store.alarm(alarm).await?.is_none_or(|standing| standing.alarm.ended.is_none()) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn end(
    store: &Store,
    silence: &StoredSilence,
    by: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (silence, actor) = (silence.clone(), by.to_owned());
    let end = move |transaction: &mut Transaction<'_>| {
        if !transaction.end_silence(&silence.id, now)? {
            return Ok(false);
        }
        let after = StoredSilence { ended: Some(now), ..silence.clone() };
        let audit_entry = AuditEntry {
            at: now,
            about: &silence.id,
            actor: &actor,
            act: "silence ended",
            detail: &silence.reason,
            before: text(&silence)?,
            after: text(&after)?,
        };
        transaction.record_deeds(&[audit_entry])?;
        Ok(true)
    };
    store.write(end).await
}

fn text(silence: &StoredSilence) -> Result<String, StoreError> {
    serde_json::to_string(silence).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// Reads matchers; one of them must leave something out.
fn matchers(texts: &[String]) -> Result<Vec<Matcher>, PeopleError> {
    let read =
        |text: &String| Matcher::parse(text).map_err(|error| PeopleError::matcher(text, &error));
    let matchers: Vec<_> = texts.iter().map(read).collect::<Result<_, _>>()?;
    if matchers.iter().all(|matcher| matcher.matches(None)) {
        return Err(PeopleError::senseless(
            "this would silence everything: give a matcher that not every alarm fits, like evaluator=\"cpu\"",
        ));
    }
    Ok(matchers)
}

/// When it is to hold.
fn span(
    request: &SilenceRequest,
    muted: &[String],
    now: Timestamp,
) -> Result<StoredSpan, PeopleError> {
    let from = request.from.unwrap_or(now);
    let until = match (request.lasts, request.until) {
        (Some(_), Some(_)) => return Err(PeopleError::senseless("say either `for` or `until`")),
        (Some(lasts), None) => Some(from.after(*lasts)),
        (None, until) => until,
    };
    if until.is_some_and(|until| until <= from.max(now)) {
        return Err(PeopleError::senseless("the silence would end before it begins"));
    }
    if request.zone.is_some() && request.every.is_none() {
        return Err(PeopleError::senseless("`zone` is that of hours: say `every` too"));
    }
    match (&request.every, request.until_resolved, until) {
        (None, false, Some(until)) => Ok(StoredSpan::Between { from, until }),
        (None, true, None) if muted.is_empty() => {
            Err(PeopleError::senseless("nothing that fires matches: there is no end to wait for"))
        }
        (None, true, None) if muted.len() > AWAITED => Err(PeopleError::senseless(format!(
            "{} alarms match, a silence waits for the end of {AWAITED} at the most: say `for`",
            muted.len()
        ))),
        (None, true, None) => Ok(StoredSpan::UntilResolved { from, alarms: muted.to_vec() }),
        (Some(every), false, until) => {
            let zone = request.zone.clone().ok_or_else(|| {
                PeopleError::senseless("hours need their `zone`, like Asia/Seoul")
            })?;
            Ok(StoredSpan::Recurring { every: every.clone(), zone, from, until })
        }
        _ => Err(PeopleError::senseless(
            "say how long: one of `for`, `until`, `until_resolved`, `every`",
        )),
    }
}

/// What a stored silence says.
fn resolve(stored: &StoredSilence) -> Result<Silence, PeopleError> {
    let read =
        |text: &String| Matcher::parse(text).map_err(|error| PeopleError::matcher(text, &error));
    let span = match &stored.span {
        StoredSpan::Between { from, until } => SilenceSpan::Between(*from, *until),
        StoredSpan::UntilResolved { from, alarms } => {
            SilenceSpan::UntilResolved { from: *from, alarms: alarms.clone() }
        }
        StoredSpan::Recurring { every, zone, from, until } => {
            let zone = TimeZone::get(zone).map_err(|_| {
                PeopleError::Senseless(format!("`{zone}` is no time zone: write Asia/Seoul"))
            })?;
            let every = Recurring::parse(every, zone);
            let every = every.map_err(|error| PeopleError::Senseless(error.to_string()))?;
            SilenceSpan::Recurring(every.between(Some(*from), *until))
        }
    };
    Ok(Silence {
        id: stored.id.clone(),
        matchers: stored.matchers.iter().map(read).collect::<Result<_, _>>()?,
        author: stored.author.clone(),
        reason: stored.reason.clone(),
        span,
    })
}

fn show(stored: StoredSilence, now: Timestamp, lives: impl Fn(&str) -> bool) -> ShownSilence {
    let over = |stored| ShownSilence { stored, state: SilenceState::Over, next_change: None };
    if stored.ended.is_some() {
        return over(stored);
    }
    let Ok(silence) = resolve(&stored) else { return over(stored) };
    let next_change = silence.next_change(now);
    let state = if silence.holds(now, lives).is_some() {
        SilenceState::Active
    } else if next_change.is_some() {
        SilenceState::Waiting
    } else {
        SilenceState::Over
    };
    ShownSilence { stored, state, next_change }
}
