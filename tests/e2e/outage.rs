//! Servers that are away for a while: what is notified of it, and what is not.
//!
//! `HAETAE_TEST_OUTAGE` is how many real seconds that is; `make soak` takes minutes.

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread,
    time::Duration,
};

use crate::servers::{influx::Influx, postgres::Postgres, smtp_sink::SmtpSink};
use crate::support::{
    Home, JUDGED, evaluator, every, file_sink, influx_query, influx_source, mail_sink, nanos_now,
    within,
};
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

/// The notifications so far: evaluator or problem, status, and all of it.
fn notified(home: &Home) -> Vec<(String, String, Value)> {
    home.notifications("notified.jsonl")
        .into_iter()
        .map(|line| {
            let alarm = &line["alarms"][0];
            let about = alarm["labels"]["problem"].as_str().or(alarm["evaluator"].as_str());
            let status = line["status"].as_str().expect("a status");
            (about.expect("an evaluator").to_owned(), status.to_owned(), line.clone())
        })
        .collect()
}

fn words(home: &Home) -> Vec<(String, String)> {
    notified(home).into_iter().map(|(about, status, _)| (about, status)).collect()
}

fn pair(about: &str, status: &str) -> (String, String) {
    (about.into(), status.into())
}

/// One host is over its mark, the other is not; neither may ever be silent.
fn load(influx: &Influx) -> String {
    let mean = "SELECT mean(value) FROM load WHERE $window GROUP BY host";
    let newest = "SELECT value FROM load WHERE $window GROUP BY host";
    let silent = r#"by = ["host"]
over = "5s"
critical = { above = 1000 }
no_data = { after = "3s", then = "alarm" }"#;
    [
        influx_source("paas", &influx.url(), "cf", "1s", ""),
        influx_query("paas", "load", mean, "window = '10m'"),
        influx_query("paas", "load_now", newest, ""),
        evaluator("high", "paas", "load", "by = ['host']\ncritical = { above = 90, clear = 85 }"),
        evaluator("low", "paas", "load", "by = ['host']\ncritical = { below = 5 }"),
        evaluator("silent", "paas", "load_now", silent),
        file_sink("notified", &["high", "low", "silent"]),
    ]
    .concat()
}

#[test]
fn influx_away_is_one_alarm_and_nothing_else() {
    let mut influx = Influx::start();
    influx.execute("CREATE DATABASE cf");
    let start = nanos_now();
    // Of the past, and for as long as this can take.
    let points = (-60..=1800).map(|at| {
        let time = start + at * 1_000_000_000;
        format!("load,host=a value=96 {time}\nload,host=b value=20 {time}\n")
    });
    influx.write("cf", &points.collect::<String>());
    let home = Home::with_plugins(&["influx", "file"]);
    home.configure(&load(&influx));
    let mut daemon = home.start();
    let fired = within(LONG, || (words(&home) == [pair("high", "firing")]).then_some(()));
    assert!(fired.is_some(), "{:#?}", words(&home));
    let fired = home.alarm_of("high").expect("it fires");

    influx.stop();
    let down = [pair("high", "firing"), pair("source-down", "firing")];
    assert!(within(LONG, || (words(&home) == down).then_some(())).is_some(), "{:#?}", words(&home));
    let wrong = within(outage(), || {
        assert!(daemon.is_running());
        let during = home.alarm_of("high").expect("it is there");
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
        within(LONG, || home.alarm_of("high").filter(|alarm| alarm["evidence"]["kind"] == "fresh"));
    assert_eq!(fresh.expect("its evidence is fresh again")["id"], fired["id"], "the same alarm");
    assert_eq!(words(&home), over);
    assert!(daemon.stop());
    assert_eq!(words(&home), over);
}

/// An alarm that fires at once and stays.
const NUMBERS: &str = r#"
[sources.numbers]
plugin = "faulty-two"
interval = "INTERVAL"
"#;

/// A home whose server of mail was there and is not any more.
fn without_mail(interval: &str) -> (Home, SmtpSink) {
    let home = Home::with_plugins(&["faulty", "email", "file"]);
    let mut sink = SmtpSink::start(&home.path("mails"), &[]);
    sink.kill();
    let text = [
        NUMBERS.replace("INTERVAL", interval),
        evaluator("two", "numbers", "faulty_two", "critical = { above = 1 }"),
        mail_sink(sink.port(), &["two"]),
        file_sink("notified", &["two", "system"]),
    ];
    home.configure(&text.concat());
    (home, sink)
}

fn has(home: &Home, about: &str) -> Option<Value> {
    notified(home).into_iter().find(|(what, ..)| what == about).map(|(.., line)| line)
}

/// How often it was tried in vain.
fn tries(home: &Home) -> u64 {
    home.instance("mail").and_then(|mail| mail["counts"]["errors"].as_u64()).unwrap_or(0)
}

/// One mail, of the alarm that the file was notified of, and nothing waits any more.
fn arrived_once(home: &Home, sink: &SmtpSink) -> Option<()> {
    let empty = home.outbox(&[])?.is_empty();
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
fn mail_away_gets_it_later_others_at_once() {
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
async fn mail_away_ten_minutes_gets_it_later() {
    let (home, sink) = without_mail("10s");
    let files = Files::read(&home.path("haetae.toml")).expect("it reads");
    let catalog = Catalog::scan(vec![home.path("bin")], &[], Storage::Memory);
    let plan = files.plan(&catalog).plan.expect("no problems");
    let start = nanos_now();
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
        let notified = within(LONG, || {
            later(1);
            has(&home, "two")
        });
        assert!(notified.is_some(), "{:#?}", words(&home));
        // A slot's judgement waits for its source one interval and a deadline at the longest.
        assert!(
            passed() < Duration::from_mins(10) / 2,
            "the file was notified after {:?}",
            passed()
        );
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

#[test]
fn a_store_that_stops_in_a_delivery_repeats_none() {
    let mut database = Postgres::start();
    let store = format!("store = {{ url = \"{}\" }}", database.database("haetae"));
    let home = Home::with_plugins(&["lent", "email", "file"]);
    let folder = home.path("mails");
    let hang = home.path("hang");
    let options = [format!("hang={}", hang.display())];
    let mut server = SmtpSink::start(&folder, &options);
    let port = server.port();
    server.kill();
    // What is claimed is its own for the deadline and ten seconds.
    let mail = format!("{}deadline = \"10s\"\n", mail_sink(port, &["levels"]));
    let aside = file_sink("aside", &["system"]);
    home.configure_daemon(&store, &format!("{JUDGED}{mail}{aside}"));
    let names: Vec<_> = (0..200).map(|number| format!("host-{number}")).collect();
    home.write_values(&names.iter().map(|name| (&**name, 95)).collect::<Vec<_>>());
    let daemon = home.start();
    // All wait in the outbox, from where they are claimed a few at a time.
    let waits = || {
        let status = home.json(&["status"])?;
        let outbox = status["store"]["outbox"].as_array()?.first()?.clone();
        (outbox["count"] == names.len()).then_some(())
    };
    assert!(within(LONG, waits).is_some(), "{:#?}", home.json(&["status"]));
    let server = SmtpSink::start_at(port, &folder, &options);
    // In the second batch: the first one has been written down, and a third one is held.
    let some = || (server.accepted().len() > 33).then_some(());
    assert!(every(Duration::from_millis(2), LONG, some).is_some(), "{:#?}", daemon.lines());
    fs::write(&hang, "").expect("its own file");
    database.kill();
    fs::remove_file(&hang).expect("its own file");
    assert!(server.accepted().len() < names.len(), "all was delivered before");
    // What is delivered now can't be written down before it is anybody's again.
    thread::sleep(outage().max(Duration::from_secs(25)));
    database.start_again();
    let all = within(2 * LONG, || (server.accepted().len() >= names.len()).then_some(()));
    assert!(all.is_some(), "{} of {}", server.accepted().len(), names.len());
    let empty = || {
        let status = home.json(&["status"])?;
        status["store"]["outbox"].as_array()?.is_empty().then_some(())
    };
    assert!(within(LONG, empty).is_some(), "{:#?}", home.json(&["status"]));
    let ids = server.accepted().into_iter().map(|(id, _)| id);
    let ids: BTreeSet<_> = ids.collect();
    assert_eq!((server.accepted().len(), ids.len()), (names.len(), names.len()));
    assert!(daemon.stop());
}
