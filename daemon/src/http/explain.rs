//! Explain: why each sink was told of an alarm or not, and what it is told next; from what the
//! engine would do now, what waits in the outbox, who is owed an end, and the journal.

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use haetae_plugin::{Reason, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    View,
    alarm::find,
    answer::Json,
    problem::{no_answer, stopping},
    shown::{self, Happened},
};
use crate::{
    engine::{
        AlarmView,
        notify::{Explanation, Why},
    },
    people::thresholds::Threshold,
    store::{Debt, Handled, OutboxRow, StoreError},
};

/// Rows of the outbox and of the journal in one answer at the most.
const MOST: i64 = 1000;

/// The answer of `GET /api/v1/alarms/{id}/explain`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExplainAnswer {
    /// The alarm.
    pub alarm: AlarmView,
    /// How it is handled.
    pub handling: Handled,
    /// When it was asked.
    pub now: Timestamp,
    /// Each sink that could be told, or was.
    pub sinks: Vec<ExplainedSink>,
    /// The threshold by whose numbers it was judged last, if there still is one.
    #[serde(default)]
    pub threshold: Option<Threshold>,
    /// Where what is named here stands in the configuration: its evaluator, sources that are down.
    pub places: BTreeMap<String, String>,
    /// What happened to it, oldest first.
    pub history: Vec<Happened>,
}

/// One sink and one alarm.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExplainedSink {
    /// What the engine says of it.
    #[serde(flatten)]
    pub explanation: Explanation,
    /// What waits for it about the alarm, or is a dead letter, oldest first.
    pub waiting: Vec<WaitingNotice>,
    /// That it was told, and whether it is owed an end; none: nothing has arrived there.
    pub debt: Option<Debt>,
}

/// A row of the outbox, without its words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WaitingNotice {
    /// Its name, for `haetae outbox show`.
    pub id: String,
    /// Why it is to be told.
    pub reason: Reason,
    /// Since when it waits.
    pub since: Timestamp,
    /// When it is tried next.
    pub due: Timestamp,
    /// How often it was tried.
    pub attempts: i64,
    /// Whether it was given up or rejected.
    pub dead: bool,
    /// What the sink said the last time.
    pub failure: String,
}

/// The path.
pub(super) fn router() -> Router<View> {
    Router::new().route("/api/v1/alarms/{id}/explain", get(explain))
}

async fn explain(State(view): State<View>, Path(id): Path<String>) -> Response {
    let alarm = match find(&view, &id).await {
        Ok(alarm) => alarm,
        Err(response) => return response,
    };
    let Some(explanations) = view.explain(&alarm.id).await else { return stopping() };
    match answer(&view, alarm, explanations).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => no_answer(&error),
    }
}

async fn answer(
    view: &View,
    alarm: AlarmView,
    explanations: Vec<Explanation>,
) -> Result<ExplainAnswer, StoreError> {
    let (parts, shown) = (view.parts(), view.shown());
    let (store, id) = (&parts.store, alarm.id.as_str());
    let known = async {
        tokio::try_join!(
            store.waiting_about(id, MOST),
            store.obligations_of(id),
            store.handling(id),
            store.history(id, MOST),
        )
    };
    let (mut waiting, mut debts, handling, history) = view.soon(known).await?;
    let mut sinks: Vec<_> = explanations
        .into_iter()
        .map(|explanation| take(explanation, &mut waiting, &mut debts))
        .collect();
    // Sinks that got it from others: as a fallback, or before the configuration was changed.
    while let Some(name) = debts.first().map(|debt| debt.sink.clone()).or_else(|| {
        let row: Option<&OutboxRow> = waiting.first();
        row.map(|row| row.sink.clone())
    }) {
        let place = shown.places.get(&name).cloned().unwrap_or_default();
        let bare = Explanation { sink: name, place, ..Explanation::default() };
        sinks.push(take(bare, &mut waiting, &mut debts));
    }
    let down =
        sinks.iter().flat_map(|sink| &sink.explanation.against).filter_map(|why| match why {
            Why::SourceDown { source } => Some(source.as_str()),
            _ => None,
        });
    let named = down.chain([alarm.evaluator.as_str()]);
    let place = |name: &str| Some((name.to_owned(), shown.places.get(name)?.clone()));
    let places = named.filter_map(place).collect();
    let threshold = match &alarm.threshold {
        // One that was removed since has a history, and no numbers.
        Some(id) => parts.thresholds.one(id).await.ok(),
        None => None,
    };
    let now = parts.clock.now();
    let (alarm, history) = (shown::filled(alarm), history.into_iter().map(Into::into).collect());
    Ok(ExplainAnswer { alarm, handling, now, sinks, threshold, places, history })
}

/// Takes what is of one sink.
fn take(
    explanation: Explanation,
    waiting: &mut Vec<OutboxRow>,
    debts: &mut Vec<Debt>,
) -> ExplainedSink {
    let name = &explanation.sink;
    let rows = waiting.extract_if(.., |row| row.sink == *name);
    let notice = |row: OutboxRow| WaitingNotice {
        id: row.id,
        reason: row.notification.reason,
        since: row.created,
        due: row.due,
        attempts: row.attempts,
        dead: row.dead,
        failure: row.reason,
    };
    let waiting = rows.map(notice).collect();
    let debt = debts.extract_if(.., |debt| debt.sink == *name).next();
    ExplainedSink { explanation, waiting, debt }
}
