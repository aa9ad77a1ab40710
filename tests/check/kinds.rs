//! Kinds as plugins would offer them.

use std::path::PathBuf;

use haetae::config::{Facts, Kinds, Unusable};
use haetae_plugin::{Kind, Metric, Records, options::Duration};
use serde_json::{Value, json};

pub(crate) struct Offered;

impl Kinds for Offered {
    fn names(&self) -> Vec<String> {
        ["host", "influx", "syslog", "file", "slack", "broken"].map(String::from).into()
    }

    fn kind(&self, name: &str) -> Result<Facts, Unusable> {
        let secret =
            json!({ "oneOf": [reference("credential"), reference("file"), reference("env")] });
        let (source, sink, properties) = match name {
            "host" => (Some(Records::Samples), None, json!({ "disks": list() })),
            "influx" => {
                let warn = json!({ "type": "integer", "minimum": 1, "maximum": 255 });
                let properties = json!({
                    "url": { "type": "string" },
                    "password": { "anyOf": [{ "$ref": "#/$defs/Secret" }, { "type": "null" }] },
                    "chunk": warn,
                    "mode": { "oneOf": [{ "const": "flux" }, { "const": "influxql" }] },
                    "timeout": { "type": "string", "format": Duration::FORMAT },
                    "tags": { "type": "array", "items": { "type": "string" }, "maxItems": 2 },
                });
                (Some(Records::Samples), None, properties)
            }
            "syslog" => (Some(Records::Logs), None, json!({})),
            "file" => (None, Some(Records::Notifications), json!({ "path": { "type": "string" } })),
            "slack" => {
                (None, Some(Records::Notifications), json!({ "url": { "$ref": "#/$defs/Secret" } }))
            }
            "archive" => (None, Some(Records::Logs), json!({})),
            "greedy" => {
                (Some(Records::Samples), None, json!({ "interval": { "type": "integer" } }))
            }
            "mad" => (Some(Records::Samples), None, json!({ "a": { "type": "none such" } })),
            "broken" => {
                return Err(Unusable::Broken {
                    file: "/usr/lib/haetae/libhaetae_broken.so".into(),
                    cause: "built for ABI 2.0".into(),
                    cure: "rebuild it against haetae-plugin 1".into(),
                });
            }
            _ => return Err(Unusable::Unknown),
        };
        let required = match name {
            "file" => vec!["path"],
            "slack" => vec!["url"],
            _ => Vec::new(),
        };
        let schema = json!({
            "type": "object", "properties": properties, "required": required,
            "additionalProperties": false, "$defs": { "Secret": secret },
        });
        Ok(Facts {
            schema,
            source: source.map(|one| vec![one]),
            sink: sink.map(|one| vec![one]),
            reader: name == "influx",
        })
    }

    fn metrics(&self, kind: &str, options: &Value) -> Result<Vec<Metric>, String> {
        let gauge = |name| Metric::new(name, "percent", Kind::GAUGE, "");
        match kind {
            "host" => Ok(vec![gauge("cpu_total_used_percent"), gauge("memory_used_percent")]),
            "influx" if options.get("url") == Some(&json!("refused")) => {
                Err("`refused` is no URL".into())
            }
            "influx" if options.get("mode") == Some(&json!("flux")) => {
                let mut metric = gauge("vm_cpu");
                metric.window = Some("10m".parse().unwrap());
                Ok(vec![metric])
            }
            _ => Ok(Vec::new()),
        }
    }

    fn searched(&self) -> Vec<PathBuf> {
        vec!["/usr/local/lib/haetae/plugins".into(), "/usr/lib/haetae/plugins".into()]
    }
}

fn reference(key: &str) -> Value {
    json!({
        "type": "object", "properties": { key: { "type": "string" } },
        "required": [key], "additionalProperties": false,
    })
}

fn list() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}
