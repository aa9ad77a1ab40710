//! The roles on a real InfluxDB: what each line became, as it stands in the database.

#[expect(dead_code, unreachable_pub, reason = "others use the rest of it")]
#[path = "../../../../tests/servers/influx.rs"]
mod influx;

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use haetae_plugin::{Fault, Reference, options::Duration as Text};
use influx::Influx;

use super::{
    wire::{THEN, answering, wire},
    *,
};

fn on(influx: &Influx, database: &str) -> Options {
    Options { url: Some(influx.url()), database: Some(database.into()), ..Options::default() }
}

fn sink(influx: &Influx, database: &str) -> InfluxSink {
    InfluxSink::open(on(influx, database), wire()).unwrap()
}

fn one(series: &Series, value: f64, nanos: i64) -> Samples {
    let mut samples = Samples::at(Timestamp::from_nanos(nanos));
    samples.push(series, value);
    samples
}

fn series(name: &str, labels: &[(&str, &str)]) -> Series {
    let series = Series::gauge(name, "1");
    labels.iter().fold(series, |series, (name, value)| series.label(*name, *value)).build()
}

#[test]
fn what_is_written_is_read_back_to_the_letter() {
    let influx = Influx::start();
    influx.execute("CREATE DATABASE d");
    let odd = [
        series("a b,c=d\"e'f", &[("k l,m=", "v w,x=y\"z")]),
        series(r"back\slash", &[(r"k\l", r"C:\dir\file")]),
        series("back", &[(r"k\=\ \,l", r"v\=\ \,w")]),
        series("한글", &[("서버", "값 하나")]),
        series("=x", &[("=y", "=z")]),
        series("quote\"", &[("'", "\"")]),
        series("tab\there", &[("a\tb", "c\r")]),
        series("-1", &[("value", "2"), ("select", "3i")]),
        series("plain", &[]),
    ];
    let mut samples = Samples::at(Timestamp::from_seconds(THEN));
    for series in &odd {
        samples.push(series, 1.5);
    }
    let floats = series("floats", &[]);
    let values = [f64::MAX, f64::MIN, 5e-324, -0.0, 1e-7, 1e21, 0.1 + 0.2, 3.0];
    for (value, at) in values.into_iter().zip(1..) {
        samples.push_at(&floats, value, Timestamp::from_nanos(at));
    }
    let (first, last) = (series("first", &[]), series("last", &[]));
    samples.push_at(&first, 1.0, Timestamp::from_nanos(i64::MIN + 2));
    samples.push_at(&last, 1.0, Timestamp::from_nanos(i64::MAX - 1));
    assert_eq!(deliver(&mut sink(&influx, "d"), &samples.into()), Outcome::delivered());

    let answer = influx.query("d", "SELECT value FROM /.*/ WHERE time = 1700000000s GROUP BY *");
    let tables = answer["series"].as_array().unwrap();
    let told = |name: &str, tags: BTreeSet<(String, String)>| format!("{name:?} {tags:?}");
    let found: BTreeSet<String> = tables
        .iter()
        .map(|table| {
            let tags = table["tags"].as_object().cloned().unwrap_or_default();
            // Grouped by all tags of all measurements, a series has empty ones that are not its own.
            let tags =
                tags.into_iter().map(|(tag, value)| (tag, value.as_str().unwrap().to_owned()));
            told(
                table["name"].as_str().unwrap(),
                tags.filter(|(_, value)| !value.is_empty()).collect(),
            )
        })
        .collect();
    let expected: BTreeSet<String> = odd
        .iter()
        .map(|series| {
            let labels = series.labels().map(|(label, value)| (label.to_owned(), value.to_owned()));
            told(series.name(), labels.collect())
        })
        .collect();
    assert_eq!(found, expected);
    let rows = influx.rows("d", "SELECT value FROM floats");
    let bits = |value: f64| value.to_bits();
    let read: Vec<_> = rows.iter().map(|row| bits(row[1].as_f64().unwrap())).collect();
    assert_eq!(read, values.map(bits));
    assert_eq!(influx.rows("d", "SELECT value FROM first")[0][0], i64::MIN + 2);
    assert_eq!(influx.rows("d", "SELECT value FROM last WHERE time > 0")[0][0], i64::MAX - 1);
}

#[test]
fn of_a_partial_write_only_the_bad_lines_are_rejected() {
    let influx = Influx::start();
    influx.execute("CREATE DATABASE d");
    influx.write("d", "whole value=1i 1700000000000000000");
    let mut samples = Samples::at(Timestamp::from_seconds(THEN));
    let (whole, long) = (series("whole", &[]), "x".repeat(66_000));
    let mut bad = BTreeSet::new();
    for item in 0..200_u32 {
        let host = item.to_string();
        if item % 40 == 7 {
            // A type conflict, which the server counts and does not quote.
            samples.push_at(&whole, 0.5, Timestamp::from_nanos(THEN * SECOND + i64::from(item)));
            bad.insert(item);
        } else if item == 100 {
            // Too long a key, which it quotes.
            samples.push(&series("long", &[("host", &long)]), 1.0);
            bad.insert(item);
        } else {
            samples.push(&series("good", &[("host", &host)]), f64::from(item));
        }
    }
    let outcome = deliver(&mut sink(&influx, "d"), &samples.into());
    for item in 0..200 {
        match outcome.of(item) {
            Verdict::Delivered => assert!(!bad.contains(&item), "{item}"),
            Verdict::Rejected { reason } => {
                assert!(bad.contains(&item), "{item} {reason}");
                let expected =
                    if item == 100 { "max key length exceeded" } else { "field type conflict" };
                assert!(reason.contains(expected), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
    let rows = influx.rows("d", "SELECT count(value), sum(value) FROM good");
    let good: f64 = (0..200).filter(|item| !bad.contains(item)).map(f64::from).sum();
    assert_eq!((rows[0][1].as_u64(), rows[0][2].as_f64()), (Some(194), Some(good)));
    assert_eq!(influx.rows("d", "SELECT count(value) FROM whole")[0][1], 1);
}

#[test]
fn what_is_older_than_the_retention_is_rejected_and_the_rest_stored() {
    let influx = Influx::start();
    influx.execute("CREATE DATABASE d WITH DURATION 1h NAME short");
    let m = series("m", &[]);
    let mut samples = one(&m, 1.0, THEN * SECOND);
    // Far ahead, and so never too old for the server's clock.
    samples.push_at(&m, 2.0, Timestamp::from_seconds(4_000_000_000));
    let outcome = deliver(&mut sink(&influx, "d"), &samples.into());
    assert_eq!(outcome, Outcome::delivered().but(0, rejected("points beyond retention policy")));
    assert_eq!(influx.rows("d", "SELECT value FROM m WHERE time > 3900000000s").len(), 1);
}

#[test]
fn a_wrong_option_is_told_as_one() {
    let influx = Influx::with_auth(true);
    influx.execute("CREATE DATABASE d");
    let login = |password: &str| {
        let password = Some(Secret::from(Reference::Env(password.into())));
        Options { username: Some("admin".into()), password, ..on(&influx, "d") }
    };
    let gone = Options { database: Some("nope".into()), ..login("secret") };
    let policy = Options { retention_policy: Some("norp".into()), ..login("secret") };
    let path = Options { url: Some(influx.url() + "/grafana"), ..login("secret") };
    for (options, expected) in [
        (on(&influx, "d"), "401: unable to parse authentication credentials"),
        (login("wrong"), "401: authorization failed"),
        (gone, "database not found: \"nope\""),
        (policy, "retention policy not found: norp"),
        (path, "url: no InfluxDB 1.x answers there"),
    ] {
        let mut sink = InfluxSink::open(options, wire()).unwrap();
        let outcome = deliver(&mut sink, &one(&series("m", &[]), 1.0, 1).into());
        let Verdict::Config { reason } = outcome.verdict else { panic!("{outcome:?}") };
        assert!(reason.contains(expected), "{reason}");
    }
    let mut sink = InfluxSink::open(login("secret"), wire()).unwrap();
    let batch = one(&series("m", &[]), 1.0, 1).into();
    assert_eq!(deliver(&mut sink, &batch), Outcome::delivered());
}

fn query(metric: &str, window: Option<Duration>, influxql: &str) -> Query {
    let window = window.map(Text::from);
    let text = format!(r#"{{"metric":"{metric}","influxql":"x"}}"#);
    let query: Query = serde_json::from_str(&text).unwrap();
    Query { window, influxql: influxql.into(), ..query }
}

/// 25 000 values a millisecond apart, more than the server sends in one chunk, and one beside them.
fn filled() -> Influx {
    let influx = Influx::start();
    influx.execute("CREATE DATABASE d");
    let at = |millis: i64| THEN * SECOND + millis * 1_000_000;
    let lines = (0..25_000).map(|n| format!("m,h=a value={n} {}\n", at(n)));
    influx.write("d", &lines.collect::<String>());
    influx.write("d", &format!("m,h=b value=7,whole=3i,text=\"x\" {}\n", at(1000)));
    influx
}

fn collect(influx: &Influx, query: Query, call: Call) -> Result<Samples> {
    let options = Options { query: vec![query], ..on(influx, "d") };
    match InfluxSource::open(options, wire())?.collect(call)? {
        Batch::Samples(samples) => Ok(samples),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_source_reads_what_is_there() {
    let influx = filled();
    let grouped = "SELECT value FROM m WHERE $window GROUP BY h";
    let samples = collect(&influx, query("m", None, grouped), call(THEN, THEN + 60)).unwrap();
    // The value at the start is of the call before, which is asked again.
    assert_eq!(samples.points().len(), 25_000 + 1);
    assert_eq!(samples.iter().filter(|(series, _)| series.label("h") == Some("b")).count(), 1);
    let sum: f64 = samples.points().iter().map(|point| point.value).sum();
    assert!((sum - (24_999.0 * 12_500.0 + 7.0)).abs() < 1e-6, "{sum}");
    let samples = collect(&influx, query("m", None, grouped), call(THEN - 60, THEN)).unwrap();
    assert_eq!(points(&samples), [(r#"m{h="a"}"#.to_owned(), THEN * SECOND, 0.0)]);

    let window = Some(Duration::from_secs(2));
    let mean = query("m", window, "SELECT mean(value) FROM m WHERE $window GROUP BY h");
    let samples = collect(&influx, mean, call(THEN, THEN + 2)).unwrap();
    let slot = (THEN + 2) * SECOND;
    let expected = [(r#"m{h="a"}"#.to_owned(), slot, 999.5), (r#"m{h="b"}"#.to_owned(), slot, 7.0)];
    assert_eq!(points(&samples), expected);

    let nested = "SELECT mean(u) FROM (SELECT value * 2 AS u FROM m WHERE $window AND h = 'b')";
    let samples = collect(&influx, query("m", None, nested), call(THEN, THEN + 60)).unwrap();
    assert_eq!(points(&samples), [("m".to_owned(), (THEN + 60) * SECOND, 14.0)]);

    let none = "SELECT value FROM absent WHERE $window";
    let samples = collect(&influx, query("m", None, none), call(THEN, THEN + 60)).unwrap();
    assert!(samples.points().is_empty());

    let fields = "SELECT value, whole, absent FROM m WHERE $window AND h = 'b'";
    let samples = collect(&influx, query("m", None, fields), call(THEN, THEN + 60)).unwrap();
    let fields: Vec<_> =
        samples.series().iter().filter_map(|series| series.label("field")).collect();
    assert_eq!(fields, ["value", "whole"]);
}

#[test]
fn what_the_server_refuses_names_the_query() {
    let influx = filled();
    for (text, fault, expected) in [
        ("SELECT value FRM m WHERE $window", Fault::Config, "error parsing query: found FRM"),
        ("SELECT text FROM m WHERE $window", Fault::Config, "column `text` is text"),
        ("SELECT mean(text) FROM m WHERE $window", Fault::Failed, "unsupported mean iterator"),
        ("SELECT value FROM nodb..m WHERE $window", Fault::Config, "database not found: nodb"),
    ] {
        let error = collect(&influx, query("x", None, text), call(THEN, THEN + 60)).unwrap_err();
        assert_eq!(error.fault(), fault, "{text}: {error}");
        let said = error.message();
        assert!(said.starts_with("query `x`: ") && said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn no_question_writes() {
    let influx = filled();
    let into = "SELECT value INTO copy FROM m WHERE time > 0";
    influx.query("d", into);
    assert!(!influx.rows("d", "SELECT * FROM copy").is_empty(), "a GET would write");
    for text in [
        "SELECT value INTO other FROM m WHERE $window",
        "SELECT value FROM m WHERE $window;DROP DATABASE d",
    ] {
        let error = collect(&influx, query("x", None, text), call(THEN, THEN + 60)).unwrap_err();
        assert_eq!(error.fault(), Fault::Config, "{error}");
    }
    assert!(influx.rows("d", "SELECT * FROM other").is_empty());
}

#[test]
fn a_reader_reads_what_is_there() {
    let influx = filled();
    let window = Some(Duration::from_secs(10));
    let mean = query("mean", window, "SELECT mean(value) FROM m WHERE $window AND h = 'a'");
    let raw = query("raw", None, "SELECT value FROM m WHERE $window GROUP BY h");
    let options = Options { query: vec![mean, raw], ..on(&influx, "d") };
    let mut reader = InfluxReader::open(options, wire()).unwrap();
    let mut lines = |query: &str, from: i64, to: i64| {
        let answer = reader.query(&question(query, from, to), call(0, 0)).unwrap();
        let Answer::Series(lines) = answer else { panic!("{answer:?}") };
        lines
    };
    let raw = lines("raw", THEN + 1, THEN + 2);
    let lengths: Vec<_> =
        raw.iter().map(|line| (line.labels["h"].as_str(), line.points.len())).collect();
    assert_eq!(lengths, [("a", 1000), ("b", 1)]);
    assert_eq!(raw[0].points[0], (Timestamp::from_seconds(THEN + 1), 1000.0));
    let means = lines("mean", THEN, THEN + 30);
    let expected = [(THEN + 10, 4999.5), (THEN + 20, 14_999.5)];
    assert_eq!(means[0].points, expected.map(|(at, value)| (Timestamp::from_seconds(at), value)));
    let any = lines("SELECT max(value) FROM m WHERE $window", THEN, THEN + 5);
    assert_eq!((any[0].name.as_str(), any[0].points[0].1), ("m", 4999.0));
}

#[test]
fn at_slots_a_reader_yields_what_the_source_did() {
    // Irregular, with holes, across the border of a shard.
    let influx = Influx::start();
    influx.execute("CREATE DATABASE d");
    let border = 604_800 * (THEN / 604_800);
    let mut seed = 7_u64;
    let mut lines = String::new();
    for second in 0..400 {
        for host in ["a", "b"] {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if seed >> 62 != 0 {
                let (value, nanos) = ((seed >> 40) % 1000, (seed >> 33) % 1_000_000_000);
                let at = (border - 200 + second) * 1_000_000_000 + i64::try_from(nanos).unwrap();
                lines.extend([format!("m,h={host} value={value},n={}i {at}\n", value % 7)]);
            }
        }
    }
    influx.write("d", &lines);
    let texts = [
        "SELECT mean(value) FROM m WHERE $window GROUP BY h",
        "SELECT count(value), 100 - max(n) * 2 AS n FROM m WHERE h =~ /[ab]/ AND $window",
        // No plain aggregate: asked slot by slot.
        "SELECT sum(s) FROM (SELECT mean(value) AS s FROM m WHERE $window GROUP BY h)",
    ];
    for (text, (window, every)) in
        texts.into_iter().flat_map(|text| [(10, 10), (12, 4), (9, 6), (3, 7)].map(|it| (text, it)))
    {
        let query = query("q", Some(Duration::from_secs(window)), text);
        let options = || Options { query: vec![query.clone()], ..on(&influx, "d") };
        let (from, to) = (border - 150, border + 110);
        let (mut source, mut yielded, mut read) =
            (InfluxSource::open(options(), wire()).unwrap(), BTreeSet::new(), BTreeSet::new());
        for slot in (from..to).step_by(usize::try_from(every).unwrap()) {
            let window = call(slot - every, slot);
            let Batch::Samples(samples) = source.collect(window).unwrap() else { panic!() };
            let points = samples
                .iter()
                .map(|(series, point)| (series.to_string(), point.time, point.value.to_string()));
            yielded.extend(points);
        }
        let [from, to] = [from, to].map(Timestamp::from_seconds);
        let every = Duration::from_secs(every.try_into().unwrap());
        let asked = &Question::Slots { query: "q".into(), from, every, to };
        let answer = InfluxReader::open(options(), wire()).unwrap().query(asked, call(0, 0));
        let Ok(Answer::Series(lines)) = answer else { panic!("{answer:?}") };
        for line in &lines {
            let labels: Vec<_> =
                line.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let name = series(&line.name, &labels).to_string();
            let points = line.points.iter();
            read.extend(points.map(|(time, value)| (name.clone(), *time, value.to_string())));
        }
        assert!(read.len() > 20, "{text}: {}", read.len());
        assert_eq!(read, yielded, "{text}");
    }
}

#[test]
fn lines_arrive_by_udp() {
    let influx = Influx::start();
    let options = Options { udp: Some(influx.udp.clone()), ..Options::default() };
    let mut sink = InfluxSink::open(options, wire()).unwrap();
    assert_eq!(deliver(&mut sink, &batch(100)), Outcome::delivered());
    // Loopback loses nothing that the listener's buffer holds; the listener stores it soon after.
    let stored = || {
        let text = influx.execute("SHOW DATABASES").to_string();
        text.contains("by_udp")
            && influx
                .rows("by_udp", "SELECT count(value) FROM m")
                .first()
                .is_some_and(|row| row[1] == 100)
    };
    assert!(within(stored), "{:?}", influx.execute("SHOW DATABASES"));
}

/// Asks again and again, for half a minute at most.
#[expect(clippy::disallowed_methods, reason = "the test's own clock")]
fn within(mut is: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(30);
    while !is() {
        if Instant::now() > end {
            return false;
        }
        thread::park_timeout(Duration::from_millis(20));
    }
    true
}

#[test]
fn the_server_says_how_long_to_wait() {
    let busy = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
    let at = |url: String| Options { url: Some(url), ..raw() };
    let mut source = InfluxSource::open(at(answering(busy)), wire()).unwrap();
    let error = source.collect(call(1000, 1030)).unwrap_err();
    assert_eq!((error.fault(), error.wait()), (Fault::Failed, Some(Duration::from_secs(7))));
    assert_eq!(error.message(), "query `cpu`: 503: ");
    let mut sink = InfluxSink::open(at(answering(busy)), wire()).unwrap();
    let Verdict::Retry { after, .. } = deliver(&mut sink, &batch(2)).verdict else { panic!() };
    assert_eq!(after, Some(Duration::from_secs(7)));
}
