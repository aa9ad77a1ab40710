//! A threshold as a row of the store, and back.

use haetae_plugin::Timestamp;
use serde_json::{Map, Value};

use super::NEW;
use crate::{config::ThresholdText, store::StoredThreshold};

/// A row over the one before, or a new one.
pub(super) fn stored(
    text: &ThresholdText,
    actor: &str,
    before: Option<&StoredThreshold>,
    now: Timestamp,
) -> StoredThreshold {
    let levels = [("warning", &text.warning), ("critical", &text.critical)];
    let levels = levels.into_iter().filter_map(|(key, it)| Some((key.to_owned(), it.clone()?)));
    StoredThreshold {
        id: before.map_or_else(|| NEW.into(), |before| before.id.clone()),
        evaluator: text.evaluator.clone(),
        matchers: Value::from(text.matchers.clone()).to_string(),
        levels: Value::Object(levels.collect::<Map<_, _>>()).to_string(),
        author: actor.into(),
        reason: text.reason.clone(),
        created: before.map_or(now, |before| before.created),
        updated: now,
        version: before.map_or(1, |before| before.version),
    }
}

pub(super) fn text(row: &StoredThreshold) -> ThresholdText {
    let levels: Map<String, Value> = serde_json::from_str(&row.levels).unwrap_or_default();
    ThresholdText {
        evaluator: row.evaluator.clone(),
        matchers: serde_json::from_str(&row.matchers).unwrap_or_default(),
        warning: levels.get("warning").cloned(),
        critical: levels.get("critical").cloned(),
        reason: row.reason.clone(),
    }
}

pub(super) fn written(row: &StoredThreshold) -> String {
    serde_json::to_string(&text(row)).unwrap_or_default()
}
