//! What a source says about the metrics that it yields.

use serde::{Deserialize, Serialize};

use crate::{Kind, options};

/// One metric of a source: its documentation, and what `haetae check` judges evaluators by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Metric {
    /// The series' name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// `gauge`, `counter` or `state`.
    pub kind: String,
    /// The names of its labels.
    #[serde(default)]
    pub labels: Vec<String>,
    /// One sentence on what is measured.
    #[serde(default)]
    pub help: String,
    /// The window that the server computes over, if it does.
    #[serde(default)]
    pub window: Option<options::Duration>,
}

impl Metric {
    /// A metric without labels.
    pub fn new(name: &str, unit: &str, kind: Kind, help: &str) -> Self {
        Self {
            name: name.into(),
            unit: unit.into(),
            kind: kind.as_str().into(),
            labels: Vec::new(),
            help: help.into(),
            window: None,
        }
    }

    /// Names its labels.
    #[must_use]
    pub fn labels(mut self, labels: &[&str]) -> Self {
        self.labels = labels.iter().map(|&label| label.into()).collect();
        self
    }

    /// The server computes it over this window.
    #[must_use]
    pub fn window(mut self, window: std::time::Duration) -> Self {
        self.window = Some(window.into());
        self
    }
}
