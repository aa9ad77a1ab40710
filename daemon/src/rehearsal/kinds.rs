//! Kinds as a rehearsal takes them: every plugin is there, and its options are its own business.

use haetae_plugin::{Metric, Records};
use serde_json::{Value, json};

use crate::config::{Facts, Kinds, Unusable};

/// Every kind, with every role and every option. `check` asks the plugins.
#[derive(Clone, Copy, Debug)]
pub struct Any;

impl Kinds for Any {
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn kind(&self, _: &str) -> Result<Facts, Unusable> {
        let all = || Some(vec![Records::Samples, Records::Logs, Records::Notifications]);
        Ok(Facts { schema: json!({ "type": "object" }), source: all(), sink: all(), reader: true })
    }

    fn metrics(&self, _: &str, _: &Value) -> Result<Vec<Metric>, String> {
        Ok(Vec::new())
    }
}
