//! Kinds as plugins would offer them.

use std::path::PathBuf;

use haetae::config::{Facts, Kinds, Unusable};
use haetae_plugin::{Kind, Metric, Records, Secret, options::Duration};
use schemars::JsonSchema;
use serde_json::{Value, json};

pub(crate) struct Offered;

impl Kinds for Offered {
    fn names(&self) -> Vec<String> {
        ["host", "influx", "syslog", "file", "slack", "broken"].map(String::from).into()
    }

    fn kind(&self, name: &str) -> Result<Facts, Unusable> {
        let (source, sink, schema) = match name {
            "host" => (Some(Records::Samples), None, Value::Null),
            "influx" => (Some(Records::Samples), None, schema::<Influx>()),
            "syslog" => (Some(Records::Logs), None, Value::Null),
            "file" => (None, Some(Records::Notifications), schema::<File>()),
            "slack" => (None, Some(Records::Notifications), schema::<Slack>()),
            "archive" => (None, Some(Records::Logs), Value::Null),
            "greedy" => (Some(Records::Samples), None, schema::<Greedy>()),
            "mad" => (Some(Records::Samples), None, json!({ "type": "none such" })),
            "broken" => {
                return Err(Unusable::Broken {
                    file: "/usr/lib/haetae/libhaetae_broken.so".into(),
                    cause: "built for ABI 2.0".into(),
                    cure: "rebuild it against haetae-plugin 1".into(),
                });
            }
            _ => return Err(Unusable::Unknown),
        };
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
                metric.window = Some(std::time::Duration::from_mins(10).into());
                Ok(vec![metric])
            }
            _ => Ok(Vec::new()),
        }
    }

    fn searched(&self) -> Vec<PathBuf> {
        vec!["/usr/local/lib/haetae/plugins".into(), "/usr/lib/haetae/plugins".into()]
    }
}

fn schema<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

#[haetae_plugin::options]
#[derive(Default)]
#[serde(default)]
struct Influx {
    /// Where it is.
    url: String,
    password: Option<Secret>,
    #[schemars(range(min = 1, max = 255))]
    chunk: u32,
    mode: Mode,
    timeout: Option<Duration>,
    #[schemars(length(max = 2))]
    tags: Vec<String>,
    /// What is asked.
    query: Vec<Query>,
}

#[haetae_plugin::options]
#[derive(Default)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// The old language.
    #[default]
    InfluxQl,
    /// The new language.
    Flux,
}

#[haetae_plugin::options]
#[expect(dead_code, reason = "only its schema is used")]
struct Query {
    metric: String,
    window: Option<Duration>,
}

#[haetae_plugin::options]
#[expect(dead_code, reason = "only its schema is used")]
struct File {
    path: PathBuf,
}

#[haetae_plugin::options]
#[expect(dead_code, reason = "only its schema is used")]
struct Slack {
    url: Secret,
}

#[haetae_plugin::options]
#[expect(dead_code, reason = "only its schema is used")]
struct Greedy {
    interval: u32,
}
