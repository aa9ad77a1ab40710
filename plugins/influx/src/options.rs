//! The options of the kind `influx`.

use haetae_plugin::{Metric, Secret, http::HttpOptions, options::Duration};

/// The options of the kind `influx`.
#[haetae_plugin::options]
#[serde(default)]
#[schemars(extend("anyOf" = [{ "required": ["url", "database"] }, { "required": ["udp"] }]))]
pub(crate) struct Options {
    /// The server, such as `https://influx.example:8086`.
    #[schemars(regex(pattern = r"^https?://[^/?#@\s]+(/[^?#\s]*)?$"))]
    pub(crate) url: Option<String>,
    /// The database.
    #[schemars(length(min = 1))]
    pub(crate) database: Option<String>,
    /// The retention policy; without it the database's default one.
    #[schemars(length(min = 1))]
    pub(crate) retention_policy: Option<String>,
    /// The user, where the server asks for one. A reader needs no more than READ.
    pub(crate) username: Option<String>,
    /// The password of `username`.
    pub(crate) password: Option<Secret>,
    /// How to reach the server.
    pub(crate) http: HttpOptions,
    /// What a source asks, a table for each metric.
    pub(crate) query: Vec<Query>,
    /// `host:port` of an InfluxDB's UDP listener: a sink sends there instead of to `url`, and
    /// what is lost on the way is lost unseen.
    #[schemars(regex(pattern = r"^.+:[0-9]{1,5}$"))]
    pub(crate) udp: Option<String>,
    /// Bytes of one datagram at most; a line that is longer goes alone.
    #[schemars(range(min = 64, max = 65_507))]
    pub(crate) datagram: usize,
    /// Whether a sink compresses what it posts.
    pub(crate) gzip: bool,
    /// Lines of one POST at most.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) batch: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: None,
            database: None,
            retention_policy: None,
            username: None,
            password: None,
            http: HttpOptions::default(),
            query: Vec::new(),
            udp: None,
            datagram: 512, // as Telegraf's
            gzip: true,
            batch: 5000,
        }
    }
}

/// One metric and the InfluxQL that yields it.
#[haetae_plugin::options]
#[derive(Clone)]
pub(crate) struct Query {
    /// The metric's name.
    #[schemars(length(min = 1))]
    pub(crate) metric: String,
    /// Its unit.
    #[serde(default = "one")]
    pub(crate) unit: String,
    /// `gauge` or `counter`.
    #[serde(default)]
    pub(crate) kind: Kind,
    /// The window that InfluxDB computes over; it yields one value a series. Without it each
    /// point keeps its own time.
    #[serde(default)]
    pub(crate) window: Option<Duration>,
    /// How late its points may reach InfluxDB: so much of the time before is asked again, and slots
    /// wait for it, but never longer than the source's interval. By default the interval, or as
    /// late as points were. Only of points as they are, without `window` and calls.
    #[serde(default)]
    pub(crate) delay: Option<Duration>,
    /// One SELECT or SHOW. `$window` stands for its range of time: `WHERE … AND $window`.
    #[schemars(length(min = 1))]
    pub(crate) influxql: String,
}

/// How the values of a metric are to be read.
#[haetae_plugin::options]
#[derive(Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A value that goes up and down.
    #[default]
    Gauge,
    /// A total that only grows and starts again at zero.
    Counter,
}

fn one() -> String {
    "1".into()
}

impl Query {
    /// What `haetae check` is told of it.
    pub(crate) fn declared(&self) -> Metric {
        let kind = match self.kind {
            Kind::Gauge => haetae_plugin::Kind::GAUGE,
            Kind::Counter => haetae_plugin::Kind::COUNTER,
        };
        let metric = Metric::new(&self.metric, &self.unit, kind, self.influxql.trim());
        match self.window {
            Some(window) => metric.window(*window),
            None => metric,
        }
    }
}
