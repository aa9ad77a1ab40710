//! Sources and sinks as they stand in a test's configuration, where HOME is the test's home.

use std::net::SocketAddr;

macro_rules! written {
    () => {
        r#"
[sources.written]
plugin = "written"
path = "HOME/values"
interval = "1s"
"#
    };
}

macro_rules! judged {
    () => {
        concat!(
            written!(),
            r#"
[evaluators.levels]
inputs = ["written"]
metric = "written_value"
by = ["id"]
critical = { above = 90 }
flap = false
summary = "{{id}} is at {{value}}"
"#
        )
    };
}

/// Values that the test writes.
pub const WRITTEN: &str = written!();

/// The same, judged.
pub const JUDGED: &str = judged!();

/// The same, and a sink that is notified of each alarm at once.
pub const LEVELS: &str = concat!(
    judged!(),
    r#"
[sinks.told]
plugin = "file"
group_by = "alarm"
group_wait = "0s"
group_interval = "0s"
inputs = ["levels", "system"]
path = "HOME/told.jsonl"
"#
);

/// Values that the test writes, judged by two severities, and a sink that groups as by default.
pub fn load() -> String {
    let levels = "by = ['id']\nwarning = { above = 50 }\ncritical = { above = 90 }";
    let sink = "\n[sinks.file]\nplugin = 'file'\ninputs = ['load']\npath = 'HOME/file.jsonl'\n";
    [WRITTEN, &evaluator("load", "written", "written_value", levels), sink].concat()
}

/// A sink of values that are judged as `load`, whose peer is not there.
pub const BROKEN: &str = r#"
[sinks.broken]
plugin = "post"
url = "http://127.0.0.1:1/"
inputs = ["load"]
group_by = "alarm"
group_wait = "0s"
"#;

/// A sink of the records themselves.
pub const SAMPLES: &str = r#"
[sinks.samples]
plugin = "file"
inputs = ["written"]
path = "HOME/samples.jsonl"
"#;

/// A sink of this kind that notifies of each alarm alone and at once; `keys` are its other lines.
pub fn sink(name: &str, kind: &str, inputs: &[&str], keys: &str) -> String {
    format!(
        "\n[sinks.{name}]\nplugin = {kind:?}\ngroup_by = \"alarm\"\ngroup_wait = \"0s\"\ngroup_interval = \"0s\"\ninputs = {inputs:?}\n{keys}\n"
    )
}

/// Such a sink that writes to `NAME.jsonl` in the home.
pub fn file_sink(name: &str, inputs: &[&str]) -> String {
    sink(name, "file", inputs, &format!("path = \"HOME/{name}.jsonl\""))
}

/// Such a sink, `mail`, that sends to a server on a port of loopback; lines that follow are keys of it.
pub fn mail_sink(port: u16, inputs: &[&str]) -> String {
    let server = format!("server = \"smtp://127.0.0.1:{port}\"");
    let people = "from = \"haetae@monitor.test\"\nto = [\"ops@mail.test\"]";
    sink("mail", "email", inputs, &format!("{server}\n{people}"))
}

/// A source that says what the test says, over a connection to this address.
pub fn scripted_source(control: SocketAddr) -> String {
    format!(
        "\n[sources.scripted]\nplugin = \"scripted\"\ninterval = \"1s\"\ncontrol = \"{control}\"\n"
    )
}

/// Its processes, each second, of the machine that the test runs on.
pub const PROCESSES: &str = r#"
[sources.own]
plugin = "host"
interval = "1s"
processes = 1000
processes_every = "1s"
"#;

/// A source whose applications come and go, one after the other, in such a cycle.
pub fn demo_source(name: &str, cycle: &str) -> String {
    format!("\n[sources.{name}]\nplugin = \"demo\"\ninterval = \"1s\"\ncycle = {cycle:?}\n")
}

/// A source that asks an InfluxDB; `keys` are its other lines, its queries follow.
pub fn influx_source(name: &str, url: &str, database: &str, interval: &str, keys: &str) -> String {
    format!(
        "\n[sources.{name}]\nplugin = \"influx\"\nurl = {url:?}\ndatabase = {database:?}\ninterval = {interval:?}\n{keys}\n"
    )
}

/// A query of such a source; `keys` are its other lines.
pub fn influx_query(source: &str, metric: &str, influxql: &str, keys: &str) -> String {
    format!("[[sources.{source}.query]]\nmetric = {metric:?}\ninfluxql = {influxql:?}\n{keys}\n")
}

/// A sink that keeps what a source yields in an InfluxDB.
pub fn influx_sink(name: &str, url: &str, database: &str, source: &str) -> String {
    format!(
        "\n[sinks.{name}]\nplugin = \"influx\"\nurl = {url:?}\ndatabase = {database:?}\ninputs = [{source:?}]\n"
    )
}

/// An evaluator of a metric of a source; `keys` are its other lines.
pub fn evaluator(name: &str, source: &str, metric: &str, keys: &str) -> String {
    format!("\n[evaluators.{name}]\ninputs = [{source:?}]\nmetric = {metric:?}\n{keys}\n")
}
