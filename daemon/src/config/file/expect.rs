//! `expect` of an evaluator, as the text has it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Matcher;

/// `expect`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum Expect {
    Word(ExpectWord),
    Named(Vec<IdentityLabels>),
}

/// `expect` without names.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum ExpectWord {
    Learned,
}

/// An identity: its label, or its labels.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum IdentityLabels {
    One(Matcher),
    Several(Vec<Matcher>),
}
