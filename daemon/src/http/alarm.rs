//! The alarm that a request means: it is named by how its id starts.

use axum::{http::StatusCode, response::Response};
use jiff::tz::TimeZone;

use super::{
    View,
    problem::{no_answer, problem, stopping},
};
use crate::{
    deliver::render::Voice,
    engine::AlarmView,
    language::Language,
    people::{CANDIDATES, IdMatch, candidates},
    store::StoreError,
};

/// The alarm whose id starts so; the answer if there is not just one.
pub(super) async fn find(view: &View, id: &str) -> Result<AlarmView, Response> {
    let Some(live) = view.find(id).await else { return Err(stopping()) };
    let mut named = IdMatch::among(live, id, |alarm: &AlarmView| &alarm.id);
    if named == IdMatch::Nothing {
        let ended = view.soon(ended(view, id)).await.map_err(|error| no_answer(&error))?;
        named = IdMatch::among(ended, id, |alarm: &AlarmView| &alarm.id);
    }
    match named {
        IdMatch::One(alarm) => Ok(alarm),
        IdMatch::Several(all) => {
            let voice = Voice { language: Language::En, zone: TimeZone::UTC };
            let words = |alarm: &AlarmView| (alarm.id.clone(), voice.summary(alarm));
            let title = "more than one alarm starts so";
            Err(problem(StatusCode::CONFLICT, title, &candidates(&all, words)))
        }
        IdMatch::Nothing => {
            Err(problem(StatusCode::NOT_FOUND, "no such alarm", "see `haetae alarm list --all`"))
        }
    }
}

/// Alarms that have ended, or rest, and whose ids start so.
async fn ended(view: &View, id: &str) -> Result<Vec<AlarmView>, StoreError> {
    let store = &view.parts().store;
    let mut ended: Vec<_> = store.alarm(id).await?.into_iter().collect();
    if ended.is_empty() {
        ended = store.ended_from(id, CANDIDATES + 1).await?;
    }
    Ok(ended.into_iter().map(|standing| standing.alarm).collect())
}
