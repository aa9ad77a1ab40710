//! The outbox over the API: what waits, what is dead, what is owed; trying again, dropping.

use axum::{
    Router,
    extract::{ConnectInfo, Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    View,
    answer::Json,
    peer::Peer,
    problem::problem,
    request::{JsonBody, Parameters},
};
use crate::{
    deliver::commit::report_dead_letters,
    store::{Debt, JournalEvent, OutboxRow, Record, StoreError, Transaction},
};

/// Rows of an answer at the most; the next ones come `after` the last.
const PAGE: i64 = 500;

/// Rows that are changed in one transaction.
const PORTION: usize = 100;

/// What is asked of `GET /api/v1/outbox`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Rows after this one.
    pub after: String,
    /// Of this sink alone.
    pub sink: Option<String>,
    /// Dead letters alone.
    pub dead: bool,
}

/// The answer of `GET /api/v1/outbox`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxAnswer {
    /// Notifications that wait or are dead, oldest first.
    pub notifications: Vec<OutboxRow>,
    /// Records that sinks rejected.
    pub records: Vec<DeadRecord>,
    /// There is more: ask for what comes after it.
    pub next: Option<String>,
}

/// A record that a sink rejected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadRecord {
    /// Its name: the source, `#`, a number.
    pub id: String,
    /// The source that it is of.
    pub source: String,
    /// The sink that rejected it.
    pub sink: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// What it is.
    pub what: String,
}

/// The answer of `GET /api/v1/obligations`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ObligationsAnswer {
    /// Open and lost ones; with `?all=true` the closed ones too.
    pub obligations: Vec<Debt>,
}

/// The answer of a change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangedAnswer {
    /// How many rows were changed.
    pub changed: usize,
}

/// Which rows a change is about.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chosen {
    /// These.
    pub ids: Vec<String>,
    /// All dead letters, of one sink if `sink` names it.
    pub all_dead: bool,
    /// See `all_dead`.
    pub sink: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AllParameter {
    all: bool,
}

/// The paths.
pub(super) fn router() -> Router<View> {
    Router::new()
        .route("/api/v1/outbox", get(list))
        .route("/api/v1/outbox/{id}", get(show))
        .route("/api/v1/outbox/redrive", post(redrive))
        .route("/api/v1/outbox/drop", post(drop_rows))
        .route("/api/v1/obligations", get(obligations))
}

async fn list(State(view): State<View>, Parameters(filter): Parameters<Filter>) -> Response {
    match view.soon(page(&view, &filter)).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => failed(&error),
    }
}

async fn page(view: &View, filter: &Filter) -> Result<OutboxAnswer, StoreError> {
    let rows = view.parts().store.waiting(&filter.after, PAGE).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|rows| rows >= PAGE);
    let next = rows.last().filter(|_| full).map(|row| row.id.clone());
    let wanted = |row: &OutboxRow| {
        (row.dead || !filter.dead) && filter.sink.as_ref().is_none_or(|sink| *sink == row.sink)
    };
    let notifications = rows.into_iter().filter(wanted).collect();
    // Records come with the first page.
    let records = if filter.after.is_empty() { records(view, filter).await } else { Vec::new() };
    Ok(OutboxAnswer { notifications, records, next })
}

async fn records(view: &View, filter: &Filter) -> Vec<DeadRecord> {
    let mut records = Vec::new();
    for (source, queue) in &view.shown().queues {
        // A queue that can't be read now says so in `status`.
        let dead = queue.dead(usize::try_from(PAGE).unwrap_or(usize::MAX)).await;
        let dead = dead.unwrap_or_default().into_iter();
        records.extend(dead.filter(|item| !item.redriven).map(|item| DeadRecord {
            id: format!("{source}#{}", item.id),
            source: source.clone(),
            sink: item.consumer.clone(),
            reason: item.reason.clone(),
            at: item.time,
            what: what(&item.batch),
        }));
    }
    records.retain(|record| filter.sink.as_ref().is_none_or(|sink| *sink == record.sink));
    records
}

/// A record in a few words.
fn what(batch: &Result<haetae_plugin::Batch, String>) -> String {
    let Ok(haetae_plugin::Batch::Samples(samples)) = batch else {
        return batch.as_ref().err().map_or_else(|| "a record".into(), Clone::clone);
    };
    let words = samples.iter().map(|(series, point)| {
        let labels: Vec<_> =
            series.labels().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}{{{}}} {}", series.name(), labels.join(","), point.value)
    });
    words.collect::<Vec<_>>().join(" ")
}

async fn show(State(view): State<View>, Path(id): Path<String>) -> Response {
    match view.soon(view.parts().store.one_waiting(&id.to_uppercase())).await {
        Ok(Some(row)) => Json(row).into_response(),
        Ok(None) => no_such(),
        Err(error) => failed(&error),
    }
}

async fn obligations(
    State(view): State<View>,
    Parameters(which): Parameters<AllParameter>,
) -> Response {
    match view.soon(view.parts().store.obligations(which.all, 10_000)).await {
        Ok(obligations) => Json(ObligationsAnswer { obligations }).into_response(),
        Err(error) => failed(&error),
    }
}

async fn redrive(
    State(view): State<View>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    JsonBody(chosen): JsonBody<Chosen>,
) -> Response {
    answer(&chosen, change(&view, &chosen, JournalEvent::Redriven, peer).await)
}

async fn drop_rows(
    State(view): State<View>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    JsonBody(chosen): JsonBody<Chosen>,
) -> Response {
    answer(&chosen, change(&view, &chosen, JournalEvent::Dropped, peer).await)
}

fn answer(chosen: &Chosen, changed: Result<usize, StoreError>) -> Response {
    match changed {
        // Of all that there are none is no mistake; of one that is named it is.
        Ok(0) if !chosen.all_dead => no_such(),
        Ok(changed) => Json(ChangedAnswer { changed }).into_response(),
        Err(error) => failed(&error),
    }
}

/// Changes the chosen rows and says how many there were; many in portions, between which the store
/// is free for others.
async fn change(
    view: &View,
    chosen: &Chosen,
    act: JournalEvent,
    peer: Peer,
) -> Result<usize, StoreError> {
    let parts = view.parts();
    let change = DeadLetterChange { act, actor: peer.name().await, now: parts.clock.now() };
    let mut changed = 0;
    let mut notifications = Vec::new();
    for id in &chosen.ids {
        if let Some((source, number)) = id.rsplit_once('#') {
            let Ok(number) = number.parse() else { continue };
            changed += usize::from(change.record(view, source, number).await);
        } else {
            notifications.extend(parts.store.one_waiting(&id.to_uppercase()).await?);
        }
    }
    changed += change.notifications(view, notifications).await?;
    if chosen.all_dead {
        let mut filter = Filter { dead: true, sink: chosen.sink.clone(), ..Filter::default() };
        loop {
            let page = page(view, &filter).await?;
            for record in &page.records {
                let Some((source, number)) = record.id.rsplit_once('#') else { continue };
                let Ok(number) = number.parse() else { continue };
                changed += usize::from(change.record(view, source, number).await);
            }
            changed += change.notifications(view, page.notifications).await?;
            let Some(next) = page.next else { break };
            filter.after = next;
        }
    }
    let shown = view.shown();
    shown.recipients.wake_all();
    let sinks = shown.recipients.iter().map(|sink| &sink.plan.name);
    report_dead_letters(&parts.store, sinks, &parts.events).await?;
    Ok(changed)
}

/// What is done to dead letters.
#[derive(Clone)]
struct DeadLetterChange {
    act: JournalEvent,
    actor: String,
    now: Timestamp,
}

impl DeadLetterChange {
    async fn notifications(&self, view: &View, rows: Vec<OutboxRow>) -> Result<usize, StoreError> {
        let mut changed = 0;
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let (change, portion) = (self.clone(), rows.by_ref().take(PORTION).collect::<Vec<_>>());
            let done = view.parts().store.write(move |transaction| {
                let mut changed = 0;
                for row in &portion {
                    changed += usize::from(change.notification(transaction, row)?);
                }
                Ok::<_, StoreError>(changed)
            });
            changed += done.await?;
        }
        Ok(changed)
    }

    fn notification(
        &self,
        transaction: &mut Transaction<'_>,
        row: &OutboxRow,
    ) -> Result<bool, StoreError> {
        let (act, at) = (self.act, self.now);
        let about = transaction.alarms_of(&row.id, &row.notification)?;
        let done = match act {
            JournalEvent::Redriven => transaction.redrive(&row.id, at)?,
            _ => transaction.drop_row(&row.id)?,
        };
        if !done {
            return Ok(false);
        }
        if act == JournalEvent::Dropped {
            let ends = about.iter().filter(|about| about.ends);
            let ends: Vec<_> = ends.map(|about| about.alarm.as_str()).collect();
            transaction.lose(&row.sink, &ends, "its notice was dropped", at)?;
            // The end of what was never told needs not be told either.
            transaction.withdraw(&row.sink)?;
        }
        let detail = format!("{}: {}", row.sink, row.reason);
        let records = about.iter().map(|about| Record {
            at,
            alarm: &about.alarm,
            actor: &self.actor,
            act,
            detail: detail.clone(),
        });
        transaction.record_all(records)?;
        Ok(true)
    }

    async fn record(&self, view: &View, source: &str, number: i64) -> bool {
        let shown = view.shown();
        let Some(queue) = shown.queues.get(source) else { return false };
        let done = match self.act {
            JournalEvent::Redriven => queue.redrive(number).await,
            _ => queue.drop_dead(number).await,
        };
        done.unwrap_or(false)
    }
}

fn no_such() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "no such notification or record",
        "it may have been delivered; see `haetae outbox list`",
    )
}

fn failed(error: &StoreError) -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer", &error.to_string())
}
