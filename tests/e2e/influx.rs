//! The kind `influx` end to end, on a real InfluxDB 1.x: what it stores, what it is asked, and
//! how its refusals show.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::Command,
    thread,
    time::Duration,
};

use crate::reader;
use crate::servers::influx::Influx;
use crate::support::{
    Home, evaluator, file_sink, influx_query, influx_sink, influx_source, nanos, nanos_now, within,
};
use haetae::{
    engine::next_slot,
    plugin::{
        instance::CallResult,
        order::{Order, Reply},
    },
};
use haetae_plugin::{Answer, Question, Timestamp};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_mins(1);

/// This machine's samples go to InfluxDB, and to a file to compare with.
fn history(influx: &Influx, database: &str) -> String {
    let own = "[sources.own]\nplugin = 'host'\ninterval = '1s'\nprocesses = 0\n";
    let history = influx_sink("history", &influx.url(), database, "own");
    [own, &history, &file_sink("out", &["own"])].concat()
}

fn home(text: &str) -> Home {
    let home = Home::with_plugins(&["host", "file", "influx"]);
    home.configure(text);
    home
}

fn lines(home: &Home) -> Vec<Value> {
    let text = fs::read_to_string(home.path("out.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

#[test]
fn a_sink_stores_what_the_source_yielded() {
    let influx = Influx::start();
    influx.execute("CREATE DATABASE history");
    let home = home(&history(&influx, "history"));
    let daemon = home.start();
    let fourth = "SELECT value FROM load_1m LIMIT 1 OFFSET 3";
    let enough = || influx.rows("history", fourth).first().cloned();
    let enough = within(LONG, enough);
    let enough = enough.unwrap_or_else(|| panic!("{:#?}", home.instance("history")));
    assert!(daemon.stop());

    // Up to a time that both had seen before the daemon was told to end.
    let until = enough[0].as_i64().expect("a time");
    // By InfluxDB's own client: independent of all of ours.
    let (host, port) = influx.address.split_once(':').expect("host and port");
    let mut client = Command::new("influx");
    client.args(["-host", host, "-port", port, "-database", "history", "-format", "json"]);
    let query = "SELECT value FROM cpu_used_percent, load_1m, network_received_bytes GROUP BY *";
    let output = client.args(["-execute", query]).output().expect("tests/setup installs it");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    // It shows each chunk of the answer as a result.
    let results = answer["results"].as_array().expect("results");
    let tables = results.iter().filter_map(|result| result["series"].as_array()).flatten();
    let mut stored = BTreeMap::new();
    for table in tables {
        let mut labels = table["tags"].as_object().cloned().expect("tags");
        // Grouped by all tags of all measurements, a series has empty ones that are not its own.
        labels.retain(|_, value| value != "");
        for row in table["values"].as_array().expect("rows") {
            if row[0].as_i64() <= Some(until) {
                let key = json!([table["name"], labels, row[0]]).to_string();
                stored.insert(key, row[1].as_f64());
            }
        }
    }
    let names = ["cpu_used_percent", "load_1m", "network_received_bytes"];
    let yielded = lines(&home).into_iter().filter(|line| {
        names.iter().any(|name| line["name"] == *name)
            && line["value"].is_number()
            && line["time_ns"].as_i64() <= Some(until)
    });
    let yielded: BTreeMap<_, _> = yielded
        .map(|line| {
            let key = json!([line["name"], line["labels"], line["time_ns"]]).to_string();
            (key, line["value"].as_f64())
        })
        .collect();
    assert!(yielded.len() >= 8, "{yielded:#?}");
    assert_eq!(stored, yielded);
}

#[test]
fn a_query_with_a_window_raises_an_alarm() {
    let influx = Influx::start();
    influx.execute("CREATE DATABASE cf");
    let mean = "SELECT mean(value) FROM cf_metrics WHERE metricname =~ /cpuStats.core/ AND $window GROUP BY ip, id";
    let over = "by = ['ip', 'id']\ncritical = { above = 90, clear = 85 }";
    let text = [
        influx_source("paas", &influx.url(), "cf", "1s", "labels = { plane = 'paas' }"),
        influx_query("paas", "vm_cpu_percent", mean, "unit = 'percent'\nwindow = '10m'"),
        evaluator("vm-cpu", "paas", "vm_cpu_percent", over),
        file_sink("out", &["vm-cpu", "paas"]),
    ]
    .concat();
    // Values of the last minutes: 96 on the mean for one VM, 20 for the other.
    let now = nanos_now();
    let points = (1..=60).map(|at| {
        let time = now - at * 5_000_000_000;
        let value = 95 + at % 3;
        let tags = "cf_metrics,metricname=cpuStats.core0,ip=10.0.0";
        format!("{tags}.1,id=a\\ 1 value={value} {time}\n{tags}.2,id=b value=20 {time}\n")
    });
    influx.write("cf", &points.collect::<String>());
    // Another metric, and values before the window: they must not count.
    let old = now - 3600 * 1_000_000_000;
    let other = "cf_metrics,metricname=memoryStats.FreeMemory,ip=10.0.0.2,id=b value=9999";
    influx.write(
        "cf",
        &format!(
            "{other} {now}\n{} {old}\n",
            other.replace("memoryStats.FreeMemory", "cpuStats.core0")
        ),
    );

    let home = home(&text);
    let daemon = home.start();
    let fired =
        within(LONG, || lines(&home).into_iter().find(|line| line["type"] == "notification"));
    let fired = fired.unwrap_or_else(|| panic!("it fires: {:#?}", home.instance("paas")));
    assert!(daemon.stop());
    let alarm = &fired["alarms"][0];
    assert_eq!(alarm["severity"], "critical");
    assert_eq!(alarm["labels"]["ip"], "10.0.0.1");
    assert_eq!(alarm["labels"]["id"], "a 1");
    assert_eq!(alarm["value"].as_f64(), Some(96.0));
    assert_eq!(alarm["unit"], "percent");
    let since = alarm["since_ns"].as_i64().expect("nanoseconds");
    let samples: Vec<_> =
        lines(&home).into_iter().filter(|line| line["type"] == "sample").collect();
    for sample in &samples {
        assert_eq!(sample["labels"]["plane"], "paas", "what the daemon adds");
        let slot = sample["time_ns"].as_i64().expect("nanoseconds");
        assert_eq!((slot - since) % 1_000_000_000, 0, "a slot: {sample}");
        let expected = if sample["labels"]["id"] == "b" { 20.0 } else { 96.0 };
        assert_eq!(sample["value"].as_f64(), Some(expected), "{sample}");
    }
    assert!(samples.iter().any(|sample| sample["labels"]["id"] == "b"), "{samples:#?}");
}

/// Agents send late: once by less than an interval, once by more.
fn late(influx: &Influx) -> String {
    let newest = |of: &str| format!("SELECT value FROM {of} WHERE $window GROUP BY h");
    let url = influx.url();
    [
        influx_source("late", &url, "d", "3s", ""),
        influx_query("late", "late", &newest("late"), ""),
        influx_source("later", &url, "d", "1s", ""),
        influx_query("later", "later", &newest("later"), ""),
        evaluator("value", "late", "late", "critical = { above = 90, clear = 80 }\nflap = false"),
        file_sink("out", &["value"]),
    ]
    .concat()
}

#[test]
fn late_points_are_judged_or_reported() {
    let influx = Influx::start();
    influx.execute("CREATE DATABASE d");
    let home = home(&late(&influx));
    let daemon = home.start();
    let interval = Duration::from_secs(3);
    let mut slot = next_slot("late", interval, Timestamp::from_nanos(nanos_now()));
    let mut written = Vec::new();
    for round in 0..12 {
        // Each is of a slot and lands two seconds after it.
        let lands = slot.after(Duration::from_secs(2));
        assert!(within(LONG, || (nanos_now() >= lands.nanos()).then_some(())).is_some());
        let value = if round % 2 == 0 { 95 } else { 10 };
        influx.write("d", &format!("late,h=a value={value} {}\n", slot.nanos()));
        let later = slot.before(Duration::from_secs(5));
        influx.write("d", &format!("later,h=a value=1 {}\n", later.nanos()));
        written.push((value, slot.nanos()));
        slot = slot.after(interval);
    }
    let judged = || -> Vec<(i64, i64)> {
        let told = lines(&home).into_iter().filter(|line| line["type"] == "notification");
        let told = told.filter(|line| line["alarms"][0]["evaluator"] == "value");
        let alarm = |line: Value| {
            let alarm = &line["alarms"][0];
            let at = alarm["ended_ns"].as_i64().or(alarm["since_ns"].as_i64());
            (if line["status"] == "firing" { 95 } else { 10 }, at.expect("a time"))
        };
        told.map(alarm).collect()
    };
    let all = within(LONG, || (judged().len() >= 12).then_some(()));
    assert!(all.is_some(), "{:#?}\n{:#?}\n{written:?}", judged(), home.json(&["status"]));
    assert_eq!(judged(), written);

    let later = home.instance_when("later", |instance| instance["state"] == "degraded");
    let cause = later["last_error"]["cause"].as_str().expect("a cause");
    assert!(cause.contains("came when their time was judged, up to"), "{cause}");
    assert_eq!(home.instance("late").expect("it is there")["state"], "ok");
    let alarms = home.json(&["alarm", "list"]).expect("it answers").to_string();
    assert!(!alarms.contains("limit-exceeded"), "{alarms}");
    assert!(daemon.stop(), "it ends well");
}

/// Records of `own` that `history` rejected.
fn dead(home: &Home) -> Vec<Value> {
    let listed = home.json(&["outbox", "list", "--dead", "--sink", "history"]);
    let listed = listed.and_then(|listed| listed["records"].as_array().cloned());
    listed.unwrap_or_default()
}

/// What `status` says of the queue of `own`: its dead letters, and those of `history`.
fn counted(home: &Home) -> Option<(u64, u64)> {
    let status = home.json(&["status"])?;
    let queue = status["queues"].as_array()?.iter().find(|queue| queue["source"] == "own")?;
    let sink = queue["sinks"].as_array()?.iter().find(|sink| sink["sink"] == "history")?;
    Some((queue["dead"].as_u64()?, sink["dead"].as_u64()?))
}

#[test]
fn a_partial_write_makes_bad_samples_dead_letters() {
    let influx = Influx::start();
    influx.execute("CREATE DATABASE history");
    influx.write("history", &format!("load_1m value=1i {}", nanos_now()));
    let home = home(&history(&influx, "history"));
    let daemon = home.start();
    let some = within(LONG, || Some(dead(&home)).filter(|dead| dead.len() > 3));
    let some = some.unwrap_or_else(|| panic!("{:#?}", home.json(&["status"])));
    for record in &some {
        assert_eq!((&record["source"], &record["sink"]), (&json!("own"), &json!("history")));
        let reason = record["reason"].as_str().expect("a reason");
        assert!(reason.contains("field type conflict"), "{reason}");
        // That one alone: its batch mates are stored.
        assert!(record["what"].as_str().is_some_and(|what| what.starts_with("load_1m{")));
    }
    let good = || influx.rows("history", "SELECT value FROM load_5m").first().cloned();
    assert!(within(LONG, good).is_some(), "what is good is stored");
    let (queue, sink) = counted(&home).expect("it has a queue");
    assert!(queue >= 4 && sink == queue, "{queue} {sink}");
    let alarm = within(LONG, || home.system_alarm("own", "dead-letters")).expect("it is an alarm");
    assert!(alarm["reason"].as_str().is_some_and(|reason| reason.contains("rejected by sinks")));
    let found = home.instance("history").expect("it is there");
    assert_eq!(found["state"], "ok", "one record that it refuses is no fault of the peer");
    assert!(found["counts"]["dropped"].as_u64() >= Some(4), "{found:#?}");
    assert_eq!(influx.rows("history", "SELECT count(value) FROM load_1m")[0][1], 1);

    // Its cause is removed: what is redriven is stored, what is dropped is not.
    influx.query("history", "DROP MEASUREMENT load_1m");
    let id = |at: usize| some[at]["id"].as_str().expect("an id");
    let is_listed = |id: &str| dead(&home).iter().any(|record| record["id"] == id);
    assert!(id(0).starts_with("own#"), "{}", id(0));
    let verb = |verb: &str, id: &str| home.output(&["outbox", verb, id]);
    let dropped = verb("drop", id(0));
    assert_eq!(String::from_utf8_lossy(&dropped.stdout).trim(), "1 dropped", "{dropped:?}");
    assert!(!is_listed(id(0)));
    assert!(!verb("drop", id(0)).status.success(), "it is not there any more");
    let redriven = verb("redrive", id(1));
    assert_eq!(String::from_utf8_lossy(&redriven.stdout).trim(), "1 tried again", "{redriven:?}");
    let rejected = nanos(&some[1]["at"]).expect("a time");
    let early = format!("SELECT value FROM load_1m WHERE time <= {rejected}");
    let stored = within(LONG, || Some(influx.rows("history", &early)).filter(|it| !it.is_empty()));
    assert_eq!(stored.map(|rows| rows.len()), Some(1), "the redriven one, not the dropped one");
    assert!(within(LONG, || (!is_listed(id(1))).then_some(())).is_some());
    let all = home.output(&["outbox", "redrive", "--all", "--sink", "history"]);
    assert!(all.status.success(), "{all:?}");
    let none = within(LONG, || (counted(&home) == Some((0, 0))).then_some(()));
    assert!(none.is_some(), "{:#?}", dead(&home));
    assert!(
        within(LONG, || home.system_alarm("own", "dead-letters").is_none().then_some(())).is_some(),
        "it is over"
    );
    assert!(daemon.stop());
}

/// The mean load of each host over a while, judged each second.
fn load_over(influx: &Influx, over: &str, above: u32) -> String {
    let newest = "SELECT value FROM load WHERE $window GROUP BY host";
    let rule = format!("by = ['host']\nover = '{over}'\ncritical = {{ above = {above} }}");
    let parts = [
        influx_source("paas", &influx.url(), "cf", "1s", ""),
        influx_query("paas", "load", newest, ""),
        evaluator("high", "paas", "load", &rule),
        file_sink("out", &["high"]),
    ];
    parts.concat()
}

#[test]
fn a_window_is_refilled_at_the_start() {
    let influx = Influx::start();
    influx.execute("CREATE DATABASE cf");
    let start = nanos_now();
    let second = |at: i64| start + at * 1_000_000_000;
    // One host has a past, the other begins now; both go on.
    let points = (-120..=120).map(|at| {
        let young =
            if at >= 0 { format!("load,host=b value=97 {}\n", second(at)) } else { String::new() };
        format!("load,host=a value=96 {}\n{young}", second(at))
    });
    influx.write("cf", &points.collect::<String>());
    let text = load_over(&influx, "1m", 90);
    let home = home(&text);
    let daemon = home.start();
    let both = within(2 * LONG, || {
        let lines = lines(&home);
        let since = |host: &str| {
            let mut alarms = lines.iter().map(|line| &line["alarms"][0]);
            let alarm = alarms.find(|alarm| alarm["labels"]["host"] == host)?;
            Some((alarm["since_ns"].as_i64()? - start) / 1_000_000_000)
        };
        since("a").zip(since("b"))
    });
    let (old, young) = both.unwrap_or_else(|| panic!("{:#?}", home.json(&["status"])));
    // By its slots: half of the window must be covered, and of the old one it was from the start.
    assert!(old < 20, "the refilled one fired at {old} s");
    assert!((25..60).contains(&young), "the young one fired at {young} s");
    assert!(daemon.lines().iter().any(|line| line.contains("windows were refilled")));
    assert!(daemon.stop());
}

#[test]
fn a_window_that_a_reload_lengthens_is_refilled() {
    let influx = Influx::start();
    influx.execute("CREATE DATABASE cf");
    let start = nanos_now();
    // High for long, and low of late: no mean of what is heard from now on is ever high.
    let points = (-180..=240).map(|at: i64| {
        let value = if at < -5 { 97 } else { 10 };
        format!("load,host=a value={value} {}\n", start + at * 1_000_000_000)
    });
    influx.write("cf", &points.collect::<String>());
    let text = load_over(&influx, "3s", 50);
    let home = home(&text);
    let daemon = home.start();
    let judged = |home: &Home| {
        let status = home.json(&["status"])?;
        status["evaluators"][0]["judged"].as_u64().filter(|judged| *judged > 2)
    };
    assert!(within(LONG, || judged(&home)).is_some(), "{:#?}", home.json(&["status"]));
    assert_eq!(lines(&home), Vec::<Value>::new());
    // What was refilled at the start is another matter.
    drop(daemon.lines());
    home.configure(&text.replace("'3s'", "'2m'"));
    let reloaded = home.output(&["reload"]);
    assert!(reloaded.status.success(), "{reloaded:?}");
    let fired = within(LONG, || lines(&home).into_iter().next());
    let fired = fired.unwrap_or_else(|| panic!("{:#?}", home.json(&["status"])));
    assert_eq!(fired["alarms"][0]["labels"]["host"], "a");
    assert!(daemon.lines().iter().any(|line| line.contains("windows were refilled")));
    assert!(daemon.stop());
}

#[test]
fn an_unknown_database_is_a_configuration_fault() {
    let influx = Influx::start();
    let text = [
        history(&influx, "nope"),
        influx_source("paas", &influx.url(), "gone", "1s", ""),
        influx_query("paas", "vm_cpu_percent", "SELECT value FROM m WHERE $window", ""),
    ];
    let home = home(&text.concat());
    let daemon = home.start();
    for (name, expected) in [
        ("history", "wrong options: database not found: \"nope\""),
        // In a good status.
        ("paas", "query `vm_cpu_percent`: database not found: gone"),
    ] {
        let found = home.instance_when(name, |found| found["last_error"].is_object());
        let cause = found["last_error"]["cause"].as_str().expect("a cause");
        assert!(cause.contains(expected), "{cause}");
    }
    let cure = home.instance("paas").expect("it is there")["last_error"]["cure"].clone();
    let cure = cure.as_str().expect("a cure");
    assert!(cure.contains("reads its credentials anew") && cure.contains("reload"), "{cure}");
    assert!(daemon.stop());
}

#[test]
fn an_answer_that_breaks_off_is_no_answer() {
    // Influx's own first chunk, and then the connection ends in the middle of the stream.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let chunk = r#"{"results":[{"series":[{"name":"m","columns":["time","value"],"values":[[1,1]]}],"partial":true}]}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{chunk}\n\r\n",
        chunk.len() + 1
    );
    thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let head = BufReader::new(socket.try_clone().expect("a socket")).lines();
            drop(head.map_while(Result::ok).find(String::is_empty));
            // The daemon may have gone meanwhile.
            drop(socket.write_all(answer.as_bytes()));
        }
    });
    let home = Home::with_plugins(&["file", "influx"]);
    let text = [
        influx_source("cut", &url, "d", "1s", ""),
        influx_query("cut", "cut", "SELECT value FROM m WHERE $window", ""),
        file_sink("out", &["cut"]),
    ];
    home.configure(&text.concat());
    let daemon = home.start();
    let found = home.instance_when("cut", |found| found["last_error"].is_object());
    assert!(daemon.stop());
    let cause = found["last_error"]["cause"].as_str().expect("a cause");
    assert!(cause.contains("query `cut`: the answer broke off: "), "{cause}");
    assert_eq!(found["counts"]["records"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_answers_by_the_daemons_own_http() {
    let influx = Influx::start();
    influx.execute("CREATE DATABASE d");
    let lines = (0..30).map(|at| format!("m,h=a value={at} {at}000000000\n"));
    influx.write("d", &lines.collect::<String>());
    let home = Home::with_plugins(&["influx"]);
    let query =
        json!({ "metric": "v", "influxql": "SELECT value FROM m WHERE $window GROUP BY h" });
    let options = json!({ "url": influx.url(), "database": "d", "query": [query] });
    let mut reader = reader::open(&home, "influx", options, LONG).await;
    let (from, to) = (Timestamp::from_seconds(10), Timestamp::from_seconds(20));
    let question = Question::Series { query: "v".into(), from, to };
    let answered = reader.call(Order::Query(question), LONG).await;
    let CallResult::Returned(Ok(Reply::Answer(Answer::Series(lines)))) = answered else {
        panic!("{answered:?}")
    };
    assert!(matches!(reader.close(LONG).await, CallResult::Returned(Ok(()))));
    assert_eq!((lines.len(), lines[0].name.as_str(), lines[0].labels["h"].as_str()), (1, "v", "a"));
    let times: Vec<_> = lines[0].points.iter().map(|(time, _)| time.seconds()).collect();
    assert_eq!(times, (10..20).collect::<Vec<_>>());
}

#[test]
fn a_corrected_password_is_read_without_restart() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let answer = |status: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let refused = answer("401 Unauthorized", r#"{"error":"authorization failed"}"#);
    let well = answer("200 OK", r#"{"results":[{"statement_id":0}]}"#);
    thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let head = BufReader::new(socket.try_clone().expect("a socket")).lines();
            let head = head.map_while(Result::ok).take_while(|line| !line.is_empty());
            // `haetae:right`; all of the head is read.
            let is_right = head.filter(|line| line.contains("aGFldGFlOnJpZ2h0")).count() > 0;
            let answer = if is_right { &well } else { &refused };
            // The daemon may have gone meanwhile.
            drop(socket.write_all(answer.as_bytes()));
        }
    });
    let home = Home::with_plugins(&["influx"]);
    let password = home.path("password");
    fs::write(&password, "wrong").expect("its own file");
    let login = format!("username = 'haetae'\npassword = {{ file = {password:?} }}");
    let source = influx_source("in", &url, "d", "1s", &login);
    home.configure(&(source + &influx_query("in", "m", "SELECT value FROM m WHERE $window", "")));
    let daemon = home.start();
    let found = home.instance_when("in", |found| found["state"] == "failing");
    let cure = found["last_error"]["cure"].as_str().unwrap_or_default();
    assert!(cure.contains("reads its credentials anew"), "{found}");
    // What a plugin reads when it is opened is read again too.
    let mut opened = 0;
    let again = within(LONG, || {
        opened += daemon.lines().iter().filter(|line| line.contains("opened")).count();
        (opened > 1).then_some(())
    });
    assert!(again.is_some(), "it was opened {opened} times");
    fs::write(&password, "right").expect("its own file");
    home.instance_when("in", |found| found["state"] == "ok");
    assert!(daemon.stop());
}
