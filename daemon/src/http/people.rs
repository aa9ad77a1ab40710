//! What people do, over the API: acts on alarms, one or many, and silences. The actor is the user
//! at the other end of the socket; nobody can claim to be another.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    Router,
    extract::{ConnectInfo, Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    View,
    alarm::find,
    answer::Json,
    peer::Peer,
    problem::{problem, stopping},
    request::JsonBody,
    shown,
};
use crate::{
    engine::{AlarmView, notify::Why},
    people::{ActRequest, BulkRequest, Filter, PeopleError, ShownSilence, SilenceRequest},
    store::{Handled, StoreError},
};

/// How far back alarms that have ended are listed.
const BACK: std::time::Duration = std::time::Duration::from_hours(30 * 24);
/// Alarms that have ended in one answer at the most.
const ENDED: i64 = 1000;
/// Those that a filter looks through: what it means may have ended before many others.
const LOOKED_THROUGH: i64 = 20_000;

/// Alarms whose mutes are asked in one question.
const ASKED: usize = 200;

/// The answer of `GET /api/v1/alarms`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AlarmsAnswer {
    /// All alarms that are not ok, worst first; then those that have ended, newest first, if they
    /// are asked for.
    pub alarms: Vec<ListedAlarm>,
    /// Why it is not known now how they are handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

/// An alarm and what people did about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListedAlarm {
    /// The alarm.
    #[serde(flatten)]
    pub alarm: AlarmView,
    /// How it is handled.
    #[serde(default)]
    pub handling: Handled,
    /// What mutes it for every sink alike, but for how it is handled.
    #[serde(default)]
    pub muted: Vec<Why>,
}

/// The answer of `GET /api/v1/silences`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SilencesAnswer {
    /// Silences, newest first.
    pub silences: Vec<ShownSilence>,
}

/// What `GET /api/v1/alarms` asks for: `match` (again and again), `unseen`, `all`.
#[derive(Debug, Default)]
struct AlarmFilter {
    matchers: Vec<String>,
    /// Those that ended while nobody had taken them up, alone.
    unseen: bool,
    /// All that have ended of late, too.
    all: bool,
}

impl AlarmFilter {
    fn of(query: Option<&str>) -> Result<Self, PeopleError> {
        let mut wanted = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let yes = || {
                let wrong = |_| PeopleError::Senseless(format!("`{name}` is true or false"));
                value.parse().map_err(wrong)
            };
            match name.as_ref() {
                "match" => wanted.matchers.push(value.into_owned()),
                "unseen" => wanted.unseen = yes()?,
                "all" => wanted.all = yes()?,
                _ => {
                    let text = format!("nothing reads `{name}`: ask by `match`, `unseen`, `all`");
                    return Err(PeopleError::Senseless(text));
                }
            }
        }
        Ok(wanted)
    }
}

/// The paths.
pub(super) fn router() -> Router<View> {
    Router::new()
        .route("/api/v1/alarms/{id}/acts", post(act))
        .route("/api/v1/alarms/acts", post(act_on_all))
        .route("/api/v1/silences", get(silences).post(silence))
        .route("/api/v1/silences/{id}", delete(end_silence))
}

pub(super) async fn alarms(State(view): State<View>, RawQuery(query): RawQuery) -> Response {
    let wanted = match AlarmFilter::of(query.as_deref()) {
        Ok(wanted) => wanted,
        Err(error) => return failed(&error),
    };
    match listed(&view, &wanted).await {
        Ok(Some(mut answer)) => {
            if mark_muted(&view, &mut answer.alarms).await.is_none() {
                return stopping();
            }
            let filled = |one: ListedAlarm| ListedAlarm { alarm: shown::filled(one.alarm), ..one };
            answer.alarms = answer.alarms.into_iter().map(filled).collect();
            Json(answer).into_response()
        }
        Ok(None) => stopping(),
        Err(error) => failed(&error),
    }
}

/// Notes what mutes each alarm that fires: few in one question, so that nothing waits for it.
async fn mark_muted(view: &View, listed: &mut [ListedAlarm]) -> Option<()> {
    let mut firing: Vec<_> = listed.iter_mut().filter(|one| one.alarm.is_firing()).collect();
    for some in firing.chunks_mut(ASKED) {
        let alarms = some.iter().map(|one| one.alarm.clone()).collect();
        for (one, muted) in some.iter_mut().zip(view.muted(alarms).await?) {
            one.muted = muted;
        }
    }
    Some(())
}

/// The alarms that are wanted; none: the daemon is stopping.
async fn listed(view: &View, wanted: &AlarmFilter) -> Result<Option<AlarmsAnswer>, PeopleError> {
    let filter = Filter::parse(&wanted.matchers)?;
    let (mut alarms, mut incomplete) = (Vec::new(), None);
    if !wanted.unseen {
        let Some(overview) = view.overview().await else { return Ok(None) };
        let handlings = view.soon(view.parts().store.handlings()).await;
        let mut handlings = handlings.unwrap_or_else(|error| {
            // The alarms themselves are the engine's.
            incomplete = Some(error.to_string());
            BTreeMap::default()
        });
        alarms.extend(overview.alarms.into_iter().map(|alarm| {
            let handling = handlings.remove(&alarm.id).unwrap_or_default();
            ListedAlarm { alarm, handling, muted: Vec::new() }
        }));
    }
    if wanted.unseen || wanted.all {
        let most = if wanted.matchers.is_empty() { ENDED } else { LOOKED_THROUGH };
        alarms.extend(ended(view, wanted.unseen, most).await?);
    }
    alarms.retain(|one| filter.fits(&one.alarm, &one.handling.handling));
    Ok(Some(AlarmsAnswer { alarms, incomplete }))
}

/// Alarms that ended of late; `unseen`: those that nobody did anything about.
async fn ended(view: &View, unseen: bool, most: i64) -> Result<Vec<ListedAlarm>, StoreError> {
    let since = view.parts().clock.now().before(BACK);
    let ended = view.soon(view.parts().store.ended(since, unseen, most)).await?;
    let listed = ended.into_iter().map(|(standing, handling)| ListedAlarm {
        alarm: standing.alarm,
        handling,
        muted: Vec::new(),
    });
    Ok(listed.collect())
}

async fn act(
    State(view): State<View>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<ActRequest>,
) -> Response {
    let alarm = match find(&view, &id).await {
        Ok(alarm) => alarm,
        Err(response) => return response,
    };
    answer(view.parts().people.act(&alarm, &request, &peer.name().await).await)
}

async fn act_on_all(
    State(view): State<View>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    JsonBody(request): JsonBody<BulkRequest>,
) -> Response {
    if request.matchers.is_empty() {
        let text = "give at least one matcher, like severity=\"warning\"";
        return failed(&PeopleError::Senseless(text.into()));
    }
    let matchers = request.matchers.clone();
    let wanted = AlarmFilter { matchers, unseen: request.unseen, all: false };
    let alarms = match listed(&view, &wanted).await {
        // Which alarms are meant may hang on how they are handled.
        Ok(Some(AlarmsAnswer { incomplete: Some(cause), .. })) => {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer", &cause);
        }
        Ok(Some(answer)) => answer.alarms,
        Ok(None) => return stopping(),
        Err(error) => return failed(&error),
    };
    // A pending one is nobody's business yet.
    let alarms = alarms.into_iter().map(|one| one.alarm);
    let alarms: Vec<_> = alarms.filter(|it| it.is_firing() || it.ended.is_some()).collect();
    answer(view.parts().people.act_on_all(&alarms, &request, &peer.name().await).await)
}

async fn silences(State(view): State<View>, RawQuery(query): RawQuery) -> Response {
    let all = match AlarmFilter::of(query.as_deref()) {
        Ok(wanted) => wanted.all,
        Err(error) => return failed(&error),
    };
    let Some(overview) = view.overview().await else { return stopping() };
    let lives: BTreeSet<_> = overview.alarms.iter().map(|it| it.id.as_str()).collect();
    let silences = view.soon(view.parts().people.silences(all, |id| lives.contains(id))).await;
    answer(silences.map(|silences| SilencesAnswer { silences }))
}

async fn silence(
    State(view): State<View>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    JsonBody(request): JsonBody<SilenceRequest>,
) -> Response {
    let Some(overview) = view.overview().await else { return stopping() };
    answer(view.parts().people.silence(&request, &overview.alarms, &peer.name().await).await)
}

async fn end_silence(
    State(view): State<View>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<String>,
) -> Response {
    answer(view.parts().people.end_silence(&id, &peer.name().await).await)
}

fn answer(done: Result<impl Serialize, PeopleError>) -> Response {
    match done {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &PeopleError) -> Response {
    let (status, title) = match error {
        PeopleError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer"),
        PeopleError::Senseless(_) => (StatusCode::BAD_REQUEST, "not done"),
        PeopleError::Refused(_) | PeopleError::Conflict => (StatusCode::CONFLICT, "not done"),
        PeopleError::Several(_) => (StatusCode::CONFLICT, "more than one silence starts so"),
        PeopleError::Unknown(_) => (StatusCode::NOT_FOUND, "nothing to end"),
    };
    problem(status, title, &error.to_string())
}

/// When an alarm is listed: those that have ended by their end.
impl ListedAlarm {
    /// Since when it stands as it does.
    pub fn since(&self) -> Timestamp {
        self.alarm.ended.unwrap_or(self.alarm.since)
    }
}
