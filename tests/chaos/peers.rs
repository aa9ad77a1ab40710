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
    support::{Home, evaluator, file_sink, influx_query, influx_source, mail_sink},
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
        let head = format!(
            "[daemon]\nstate = \"HOME/state\"\nstore = {{ url = \"{store}\", password = {{ file = \"HOME/secret\" }} }}\n[http]\nlisten = \"{address}\"\n"
        );
        let source = format!("http://{}", self.source.address());
        let sink = self.sink.address().port();
        home.write_configuration(&(head + &configuration(&source, sink)));
    }
}

/// What the source and the mail sink have in common; the deadline is `DEADLINE`.
const KEYS: &str = "username = 'haetae'\npassword = { file = 'HOME/secret' }\ndeadline = '2s'\n";

/// Half of the hosts by their points as they are, half by a mean that InfluxDB computes.
fn configuration(source: &str, sink: u16) -> String {
    let newest = "SELECT value FROM load WHERE $window GROUP BY host";
    let mean = "SELECT mean(value) FROM mean_load WHERE $window GROUP BY host";
    let judged = |name: &str, metric: &str, title: &str| {
        let keys = "by = ['host']\nflap = false\ncritical = { above = 90 }";
        let summary = format!("summary = \"{title} of {{{{host}}}} at {{{{value}}}}\"");
        evaluator(name, "paas", metric, &format!("{keys}\n{summary}"))
    };
    [
        influx_source("paas", source, "cf", "2s", KEYS),
        influx_query("paas", "load", newest, ""),
        influx_query("paas", "mean_load", mean, "window = '4s'"),
        judged("load", "load", "load"),
        judged("mean", "mean_load", "mean load"),
        mail_sink(sink, &["load", "mean"]),
        format!("starttls = \"never\"\n{KEYS}"),
        file_sink("told", &["load", "mean", "system"]),
    ]
    .concat()
}
