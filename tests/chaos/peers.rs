//! The real servers, each behind a proxy that can be bad, and the configuration that uses them.

use std::{fmt::Write, fs, time::Duration};

use crate::{
    daemon::SECRET,
    events::Peer,
    servers::{
        faulty_proxy::{Fault, FaultyProxy},
        influx::Influx,
        postgres::Postgres,
        smtp_sink::SmtpSink,
    },
    support::Home,
    words::{HTTP, POSTGRESQL, SMTP},
};

/// The deadline of a call to a plugin.
pub const DEADLINE: Duration = Duration::from_secs(2);

pub struct Peers {
    influx: Influx,
    postgres: Postgres,
    smtp: SmtpSink,
    source: FaultyProxy,
    sink: FaultyProxy,
    store: FaultyProxy,
}

impl Peers {
    pub fn start(home: &Home) -> Self {
        let influx = Influx::start();
        influx.execute("CREATE DATABASE cf");
        let postgres = Postgres::start();
        let smtp = SmtpSink::start(&home.path("mails"), &[format!("login=haetae:{SECRET}")]);
        let source = FaultyProxy::start(&influx.address, HTTP);
        let sink = FaultyProxy::start(&format!("127.0.0.1:{}", smtp.port()), SMTP);
        let store = FaultyProxy::start(&postgres.address(), POSTGRESQL);
        Self { influx, postgres, smtp, source, sink, store }
    }

    /// From now on a peer does that.
    pub fn set(&self, peer: Peer, fault: Fault) {
        match peer {
            Peer::Source => self.source.set(fault),
            Peer::Sink => self.sink.set(fault),
            Peer::Store => self.store.set(fault),
        }
    }

    /// Writes the value of each host, to InfluxDB itself: of those with an even number as `mean_load`.
    pub fn write<'a>(&self, values: impl Iterator<Item = (&'a str, u32)>) {
        let mut lines = String::new();
        for (number, (host, value)) in values.enumerate() {
            let name = if number % 2 == 0 { "mean_load" } else { "load" };
            writeln!(lines, "{name},host={host} value={value}").expect("a text");
        }
        self.influx.write("cf", &lines);
    }

    /// Writes the configuration; the daemon listens at `address`.
    pub fn configure(&self, home: &Home, address: &str) {
        fs::write(home.path("secret"), SECRET).expect("its own file");
        let url = self.postgres.database("haetae");
        let store = url.replace(&self.postgres.address(), &self.store.address().to_string());
        let text = CONFIGURATION
            .replace("HOME", &home.path("").display().to_string())
            .replace("LISTEN", address)
            .replace("STORE", &store)
            .replace("SOURCE", &self.source.address().to_string())
            .replace("SINK", &self.sink.address().to_string());
        fs::write(home.path("haetae.toml"), text).expect("the configuration");
    }
}

/// Half of the hosts by their points as they are, half by a mean that InfluxDB computes.
const CONFIGURATION: &str = r#"
[daemon]
state = "HOME/state"
store = { url = "STORE", password = { file = "HOME/secret" } }
[http]
listen = "LISTEN"
[sources.paas]
plugin = "influx"
url = "http://SOURCE"
database = "cf"
username = "haetae"
password = { file = "HOME/secret" }
interval = "2s"
deadline = "2s"
[[sources.paas.query]]
metric = "load"
influxql = "SELECT value FROM load WHERE $window GROUP BY host"
[[sources.paas.query]]
metric = "mean_load"
window = "4s"
influxql = "SELECT mean(value) FROM mean_load WHERE $window GROUP BY host"
[evaluators.load]
inputs = ["paas"]
metric = "load"
by = ["host"]
flap = false
critical = { above = 90 }
summary = "load of {{host}} at {{value}}"
[evaluators.mean]
inputs = ["paas"]
metric = "mean_load"
by = ["host"]
flap = false
critical = { above = 90 }
summary = "mean load of {{host}} at {{value}}"
[sinks.mail]
plugin = "email"
group_by = "alarm"
group_wait = "0s"
group_interval = "0s"
deadline = "2s"
inputs = ["load", "mean"]
server = "smtp://SINK"
starttls = "never"
username = "haetae"
password = { file = "HOME/secret" }
from = "haetae@monitor.test"
to = ["ops@mail.test"]
[sinks.told]
plugin = "file"
group_by = "alarm"
group_wait = "0s"
group_interval = "0s"
inputs = ["load", "mean", "system"]
path = "HOME/told.jsonl"
"#;
