//! Servers that are away for a while: what is told of it, and what is not.
//!
//! `HAETAE_TEST_OUTAGE` is how many real seconds that is; `make soak` takes minutes.
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::servers::{influx::Influx, smtp_sink::SmtpSink};
use crate::support::{Home, within};
use haetae::{
    app::{App, Reloads, RunOptions},
    clock::Clock,
    config::Files,
    plugin::{catalog::Catalog, library::Storage},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_mins(1);

fn outage() -> Duration {
    let seconds = std::env::var("HAETAE_TEST_OUTAGE").ok();
    Duration::from_secs(seconds.map_or(12, |text| text.parse().expect("seconds")))
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_nanos()).expect("before 2262")
}

/// The notifications so far: evaluator or problem, status, and all of it.
fn told(home: &Home) -> Vec<(String, String, Value)> {
    let text = fs::read_to_string(home.path("told.jsonl")).unwrap_or_default();
    let whole = text.lines().filter(|line| line.ends_with('}'));
    let lines = whole.map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
    lines
        .map(|line| {
            let alarm = &line["alarms"][0];
            let about = alarm["labels"]["problem"].as_str().or(alarm["evaluator"].as_str());
            let status = line["status"].as_str().expect("a status");
            (about.expect("an evaluator").to_owned(), status.to_owned(), line.clone())
        })
        .collect()
}

fn words(home: &Home) -> Vec<(String, String)> {
    told(home).into_iter().map(|(about, status, _)| (about, status)).collect()
}

fn pair(about: &str, status: &str) -> (String, String) {
    (about.into(), status.into())
}

/// The alarm of an evaluator as it is now.
fn alarm(home: &Home, evaluator: &str) -> Option<Value> {
    let alarms = home.json(&["alarm", "list"])?;
    alarms["alarms"].as_array()?.iter().find(|alarm| alarm["evaluator"] == evaluator).cloned()
}

/// One host is over its mark, the other is not; neither may ever be silent.
const LOAD: &str = r#"
[sources.paas]
plugin = "influx"
url = "URL"
database = "cf"
interval = "1s"

[[sources.paas.query]]
metric = "load"
window = "10m"
influxql = "SELECT mean(value) FROM load WHERE $window GROUP BY host"

[[sources.paas.query]]
metric = "load_now"
influxql = "SELECT value FROM load WHERE $window GROUP BY host"

[evaluators.high]
inputs = ["paas"]
metric = "load"
by = ["host"]
critical = { above = 90, clear = 85 }

[evaluators.low]
inputs = ["paas"]
metric = "load"
by = ["host"]
critical = { below = 5 }

[evaluators.silent]
inputs = ["paas"]
metric = "load_now"
by = ["host"]
over = "5s"
critical = { above = 1000 }
no_data = { after = "3s", then = "alarm" }

[sinks.told]
plugin = "file"
group_by = "alarm"
group_wait = "0s"
group_interval = "0s"
path = "PATH"
inputs = ["high", "low", "silent"]
"#;

#[test]
fn influx_away_is_one_alarm_about_the_source_and_nothing_else() {
    let mut influx = Influx::start();
    influx.execute("CREATE DATABASE cf");
    let start = now();
    // Of the past, and for as long as this can take.
    let points = (-60..=1800).map(|at| {
        let time = start + at * 1_000_000_000;
        format!("load,host=a value=96 {time}\nload,host=b value=20 {time}\n")
    });
    influx.write("cf", &points.collect::<String>());
    let home = Home::with_plugins(&["influx", "file"]);
    let path = home.path("told.jsonl").display().to_string();
    home.configure(&LOAD.replace("URL", &influx.url()).replace("PATH", &path));
    let mut daemon = home.start();
    let fired = within(LONG, || (words(&home) == [pair("high", "firing")]).then_some(()));
    assert!(fired.is_some(), "{:#?}", words(&home));
    let fired = alarm(&home, "high").expect("it fires");

    influx.stop();
    let down = [pair("high", "firing"), pair("source-down", "firing")];
    assert!(within(LONG, || (words(&home) == down).then_some(())).is_some(), "{:#?}", words(&home));
    let wrong = within(outage(), || {
        assert!(daemon.is_running());
        let during = alarm(&home, "high").expect("it is there");
        let is = during["id"] == fired["id"]
            && during["condition"] == "firing"
            && during["evidence"]["kind"] == "source-down"
            && words(&home) == down;
        (!is).then(|| (during, words(&home)))
    });
    assert!(wrong.is_none(), "{wrong:#?}");

    influx.start_again();
    let over = [&down[..], &[pair("source-down", "resolved")]].concat();
    // The source was asked with growing pauses; the next one is no longer than the outage was.
    let is_over = within(2 * outage() + LONG, || (words(&home).len() > 2).then_some(()));
    assert!(is_over.is_some(), "{:#?}", home.instance("paas"));
    let fresh =
        within(LONG, || alarm(&home, "high").filter(|alarm| alarm["evidence"]["kind"] == "fresh"));
    assert_eq!(fresh.expect("its evidence is fresh again")["id"], fired["id"], "the same alarm");
    assert_eq!(words(&home), over);
    assert!(daemon.stop());
    assert_eq!(words(&home), over);
}

/// An alarm that fires at once and stays, for a server that is away and for a file.
const MAIL: &str = r#"
[sources.numbers]
plugin = "faulty-two"
interval = "INTERVAL"

[evaluators.two]
inputs = ["numbers"]
metric = "faulty_two"
critical = { above = 1 }

[sinks.mail]
plugin = "email"
group_by = "alarm"
group_wait = "0s"
group_interval = "0s"
server = "smtp://127.0.0.1:PORT"
from = "haetae@example.test"
to = ["ops@example.test"]
inputs = ["two"]

[sinks.told]
plugin = "file"
group_by = "alarm"
group_wait = "0s"
group_interval = "0s"
path = "PATH"
inputs = ["two", "system"]
"#;

/// A home whose server of mail was there and is not any more.
fn without_mail(interval: &str) -> (Home, SmtpSink) {
    let home = Home::with_plugins(&["faulty", "email", "file"]);
    let mut sink = SmtpSink::start(&home.path("mails"), &[]);
    sink.kill();
    let path = home.path("told.jsonl").display().to_string();
    let text = MAIL.replace("PORT", &sink.port().to_string()).replace("PATH", &path);
    home.configure(&text.replace("INTERVAL", interval));
    (home, sink)
}

fn has(home: &Home, about: &str) -> Option<Value> {
    told(home).into_iter().find(|(what, ..)| what == about).map(|(.., line)| line)
}

/// How often it was tried in vain.
fn tries(home: &Home) -> u64 {
    home.instance("mail").and_then(|mail| mail["counts"]["errors"].as_u64()).unwrap_or(0)
}

/// One mail, of the alarm that the file was told of, and nothing waits any more.
fn arrived_once(home: &Home, sink: &SmtpSink) -> Option<()> {
    let outbox = home.json(&["outbox", "list"])?;
    let empty = outbox["notifications"].as_array()?.is_empty();
    let mails = sink.mails();
    if mails.is_empty() || !empty {
        return None;
    }
    assert_eq!((mails.len(), sink.accepted().len()), (1, 1), "once: {mails:#?}");
    let alarm = has(home, "two").expect("the file has it")["alarms"][0]["id"].clone();
    let header = format!("X-Haetae-Alarm: {}", alarm.as_str().expect("an id"));
    assert!(mails[0].contains(&header), "{header}: {}", mails[0]);
    Some(())
}

#[test]
fn mail_that_is_away_gets_it_later_and_others_at_once() {
    let (home, sink) = without_mail("1s");
    let daemon = home.start();
    assert!(within(LONG, || has(&home, "two")).is_some(), "{:#?}", words(&home));
    assert!(within(LONG, || has(&home, "sink-failing")).is_some(), "{:#?}", words(&home));
    assert!(within(outage(), || sink.mails().pop()).is_none(), "it is away");
    let before = tries(&home);
    let sink = SmtpSink::start_at(sink.port(), &home.path("mails"), sink.options());
    // Its longest pauses: a minute after a sink that takes nothing, five for one notification.
    let arrived = within(Duration::from_mins(6), || arrived_once(&home, &sink));
    assert!(arrived.is_some(), "{:#?}", home.json(&["outbox", "list"]));
    println!("away for {:?}: {before} tries", outage());
    assert!(before > 1, "{before} tries");
    let over =
        within(LONG, || words(&home).contains(&pair("sink-failing", "resolved")).then_some(()));
    assert!(over.is_some(), "{:#?}", words(&home));
    assert!(daemon.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_is_away_for_ten_minutes_of_the_daemons_clock_gets_it_later() {
    let (home, sink) = without_mail("10s");
    let files = Files::read(&home.path("haetae.toml")).expect("it reads");
    let catalog = Catalog::scan(vec![home.path("bin")], &[], Storage::Memory);
    let plan = files.plan(&catalog).plan.expect("no problems");
    let start = now();
    let time = Arc::new(AtomicI64::new(start));
    let stop = CancellationToken::new();
    let app = App::start(RunOptions {
        file: None,
        reloads: Reloads::default(),
        if_lost: haetae::store::Loss::default(),
        plan,
        catalog: Arc::new(catalog),
        clock: Clock::Set(Arc::clone(&time)),
        socket: None,
        token: None,
        stop: stop.clone(),
    });
    let app = app.await.expect("it starts");
    tokio::task::spawn_blocking(move || {
        let later = |seconds: i64| time.fetch_add(seconds * 1_000_000_000, Ordering::SeqCst);
        let passed = || Duration::from_nanos((time.load(Ordering::SeqCst) - start).unsigned_abs());
        let told = within(LONG, || {
            later(1);
            has(&home, "two")
        });
        assert!(told.is_some(), "{:#?}", words(&home));
        // A slot's judgement waits for its source one interval and a deadline at the longest.
        assert!(passed() < Duration::from_mins(10) / 2, "the file was told after {:?}", passed());
        let before = passed();
        let mail = within(Duration::from_mins(2), || {
            later(2);
            (passed() > before + Duration::from_mins(10)).then(|| sink.mails())
        });
        assert_eq!(mail, Some(Vec::new()), "ten minutes went by, and it was away");
        assert!(tries(&home) > 1, "{:#?}", home.instance("mail"));
        let sink = SmtpSink::start_at(sink.port(), &home.path("mails"), sink.options());
        let arrived = within(Duration::from_mins(2), || {
            later(2);
            arrived_once(&home, &sink)
        });
        assert!(arrived.is_some(), "{:#?}", home.json(&["outbox", "list"]));
        println!("it arrived after {:?} of the daemon's clock", passed());
        stop.cancel();
    })
    .await
    .expect("as asserted");
    app.finish().await.expect("no stage failed");
}
