//! `[[thresholds]]`, as people and programs write one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A threshold as it is written: the keys are those of `[[thresholds]]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThresholdText {
    /// The evaluator whose numbers it overrides.
    pub evaluator: String,
    /// For which of its alarms; all must match.
    #[serde(rename = "match")]
    pub matchers: Vec<String>,
    /// Replaces the evaluator's level whole, as `{ "above": 85, "clear": 80, "for": "2m" }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<Value>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical: Option<Value>,
    /// Why.
    pub reason: String,
}
