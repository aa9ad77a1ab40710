//! The roles, on scripted answers; on a real server see `real`.

mod real;
mod wire;

use std::time::Duration;

use haetae_plugin::{
    Answer, Batch, Call, Error, Fault, Outcome, Question, Reader, Result, Samples, Secret, Series,
    Sink, Source, Timestamp, Verdict, Window, testing::Script,
};

use crate::{
    options::{Options, Query},
    reader::InfluxReader,
    sink::InfluxSink,
    source::InfluxSource,
};

const SECOND: i64 = 1_000_000_000;

fn call(from: i64, to: i64) -> Call {
    let window = Window { from: Timestamp::from_seconds(from), to: Timestamp::from_seconds(to) };
    Call::within(Duration::from_secs(20), window)
}

fn options(text: &str) -> Options {
    serde_json::from_str(text).unwrap()
}

fn server() -> Options {
    options(r#"{"url":"http://127.0.0.1:8086/","database":"d b"}"#)
}

fn asking(query: &str) -> Options {
    Options { query: vec![serde_json::from_str::<Query>(query).unwrap()], ..server() }
}

fn pushed_down() -> Options {
    asking(
        r#"{"metric":"cpu","unit":"percent","window":"10m",
            "influxql":"SELECT mean(value) FROM m WHERE $window GROUP BY h;"}"#,
    )
}

fn raw() -> Options {
    asking(r#"{"metric":"cpu","kind":"counter","influxql":"SELECT * FROM m WHERE $window"}"#)
}

/// The table of one series of an answer.
fn table(tags: &str, columns: &str, rows: &str) -> String {
    format!(r#"{{"name":"m","tags":{tags},"columns":["time",{columns}],"values":{rows}}}"#)
}

fn document(tables: &[String]) -> String {
    format!("{{\"results\":[{{\"series\":[{}]}}]}}\n", tables.join(","))
}

fn collected(options: Options, body: &str) -> Result<Samples> {
    let script = Script::new();
    script.answer(200, body);
    let mut source = InfluxSource::open(options, script.context())?;
    match source.collect(call(1000, 1030))? {
        Batch::Samples(samples) => Ok(samples),
        other => panic!("{other:?}"),
    }
}

fn points(samples: &Samples) -> Vec<(String, i64, f64)> {
    let points = samples.iter();
    points.map(|(series, point)| (series.to_string(), point.time.nanos(), point.value)).collect()
}

#[test]
fn the_sample_and_the_defaults_say_the_same() {
    let sample = include_str!("../sample.toml");
    let default = Options::default();
    for line in [
        format!("# gzip = {}", default.gzip),
        format!("# batch = {}", default.batch),
        format!("# datagram = {}", default.datagram),
    ] {
        assert!(sample.contains(&line), "sample.toml: {line}");
    }
}

#[test]
fn a_pushed_down_query_asks_for_its_window_and_yields_a_value_of_the_slot() {
    let script = Script::new();
    let rows = [("a", "1"), ("b", "null"), ("c", "2.5")];
    let rows = rows.map(|(h, value)| {
        table(&format!(r#"{{"h":"{h}"}}"#), r#""mean""#, &format!("[[430000000000,{value}]]"))
    });
    script.answer(200, document(&rows));
    let mut source = InfluxSource::open(pushed_down(), script.context()).unwrap();
    let Batch::Samples(samples) = source.collect(call(1000, 1030)).unwrap() else { panic!() };
    assert_eq!(samples.complete_until(), Timestamp::from_seconds(1030));
    let expected = [
        (r#"cpu{h="a"}"#.to_owned(), 1030 * SECOND, 1.0),
        (r#"cpu{h="c"}"#.to_owned(), 1030 * SECOND, 2.5),
    ];
    assert_eq!(points(&samples), expected);
    assert_eq!(samples.series()[0].unit(), "percent");
    let request = &script.requests()[0];
    assert_eq!((request.method.as_str(), request.body.len()), ("GET", 0));
    let text = "q=SELECT%20mean%28value%29%20FROM%20m%20WHERE%20%28time%20%3E%3D%20430000000000%20AND%20time%20%3C%201030000000000%29%20GROUP%20BY%20h";
    let url = format!("http://127.0.0.1:8086/query?db=d%20b&epoch=ns&chunked=true&{text}");
    assert_eq!(request.url, url);
}

#[test]
fn metrics_tell_their_window_unit_and_kind() {
    let pushed = &InfluxSource::metrics(&pushed_down())[0];
    assert_eq!((pushed.name.as_str(), pushed.unit.as_str()), ("cpu", "percent"));
    assert_eq!(pushed.window.map(|window| *window), Some(Duration::from_mins(10)));
    let raw = &InfluxSource::metrics(&raw())[0];
    assert_eq!((raw.unit.as_str(), raw.kind.as_str(), raw.window), ("1", "counter", None));
}

#[test]
fn without_a_window_points_keep_their_times_and_columns_are_fields() {
    let body = [
        document(&[table("{}", r#""a","b""#, "[[1001000000000,1,2],[1002000000000,null,3]]")]),
        // The next chunk of the same series.
        document(&[table("{}", r#""a","b""#, "[[1030000000000,4,null]]")]),
    ];
    let body = body[0].replace("]}]}\n", "],\"partial\":true}]}\n") + &body[1];
    let samples = collected(raw(), &body).unwrap();
    let a = r#"cpu{field="a"}"#.to_owned();
    let b = r#"cpu{field="b"}"#.to_owned();
    let expected = [
        (a.clone(), 1001 * SECOND, 1.0),
        (b.clone(), 1001 * SECOND, 2.0),
        (b, 1002 * SECOND, 3.0),
        (a, 1030 * SECOND, 4.0),
    ];
    assert_eq!(points(&samples), expected);
    assert_eq!(samples.series()[0].kind(), haetae_plugin::Kind::COUNTER);
}

#[test]
fn the_range_of_a_raw_query_has_its_end_in_it_and_not_its_start() {
    let script = Script::new();
    // Where there is nothing, it looks further back.
    for _ in 0..2 {
        script.answer(200, "{\"results\":[{}]}\n");
    }
    let mut source = InfluxSource::open(raw(), script.context()).unwrap();
    assert!(source.collect(call(1000, 1030)).unwrap().is_empty());
    for (request, from) in script.requests().iter().zip(["970", "430"]) {
        let range =
            format!("%28time%20%3E%3D%20{from}000000001%20AND%20time%20%3C%201030000000001%29");
        assert!(request.url.contains(&range), "{}", request.url);
    }
}

/// The window, the times of each answer, what is yielded, and whether it is acknowledged.
type Poll<'a> = ((i64, i64), &'a [&'a [i64]], &'a [i64], bool);

#[test]
fn what_comes_late_is_yielded_once() {
    let script = Script::new();
    let mut source = InfluxSource::open(raw(), script.context()).unwrap();
    let polls: [Poll<'_>; 5] = [
        ((1000, 1030), &[&[1010]], &[1010], false),
        ((1000, 1040), &[&[1010, 1035]], &[1010, 1035], true),
        ((1040, 1070), &[&[1010, 1020, 1035, 1050]], &[1020, 1050], true),
        // Where there is nothing new it looks further back.
        ((1070, 1100), &[&[1035, 1050], &[1010, 1020, 1035, 1050]], &[], true),
        // Of what is older than the overlap only what is newer than all before is new.
        ((1200, 1230), &[&[], &[1020, 1049, 1051]], &[1051], true),
    ];
    for (window, answers, expected, acked) in polls {
        for times in answers {
            let rows: Vec<_> = times.iter().map(|time| format!("[{time}000000000,1]")).collect();
            let rows = format!("[{}]", rows.join(","));
            script.answer(200, document(&[table("{}", r#""v""#, &rows)]));
        }
        let Batch::Samples(samples) = source.collect(call(window.0, window.1)).unwrap() else {
            panic!("no samples")
        };
        let times: Vec<_> = points(&samples).iter().map(|(_, time, _)| time / SECOND).collect();
        assert_eq!(times, expected, "{window:?}");
        if acked {
            source.ack().unwrap();
        }
    }
}

#[test]
fn slots_wait_for_what_comes_late_but_never_longer_than_an_interval() {
    for (delay, complete) in [("", 1000), (r#""delay":"0s","#, 1030), (r#""delay":"2h","#, 1000)] {
        let query =
            format!(r#"{{"metric":"cpu",{delay}"influxql":"SELECT v FROM m WHERE $window"}}"#);
        let samples = collected(asking(&query), &document(&[table("{}", r#""v""#, "[[1,1]]")]));
        assert_eq!(samples.unwrap().complete_until(), Timestamp::from_seconds(complete), "{delay}");
    }
    let mean = r#"{"metric":"cpu","delay":"1s","influxql":"SELECT mean(v) FROM m WHERE $window"}"#;
    let error = InfluxSource::open(asking(mean), Script::new().context()).err().unwrap();
    assert!(error.message().contains("delay: only of points as they are"), "{error}");
}

#[test]
fn a_value_without_a_time_is_of_the_slot() {
    let timeless = r#"{"results":[{"series":[{"columns":["count"],"values":[[3]]}]}]}"#;
    for body in [timeless, &document(&[table("{}", r#""count""#, "[[0,3]]")])] {
        let samples = collected(raw(), body).unwrap();
        assert_eq!(points(&samples), [("cpu".to_owned(), 1030 * SECOND, 3.0)]);
    }
}

#[test]
fn a_source_hands_on_the_same_handles() {
    let script = Script::new();
    let body = document(&[table(r#"{"h":"a"}"#, r#""mean""#, "[[1000000000000,1]]")]);
    let mut source = InfluxSource::open(pushed_down(), script.context()).unwrap();
    let mut series = Vec::new();
    for _ in 0..2 {
        script.answer(200, body.as_str());
        let Batch::Samples(samples) = source.collect(call(1000, 1030)).unwrap() else { panic!() };
        series.push(samples.series()[0].clone());
    }
    assert!(series[0].same_handle(&series[1]));
}

#[test]
fn what_cannot_be_samples_is_an_error_that_names_the_query() {
    let other = table("{}", r#""v""#, "[[1001000000000,1]]").replace("\"m\"", "\"n\"");
    let cases = [
        (raw(), table("{}", r#""v","s""#, r#"[[1,1,"x"]]"#), "column `s` is text, not a number"),
        (raw(), table("{}", r#""v""#, "[[1,true]]"), "column `v` is a boolean"),
        (raw(), table(r#"{"field":"x"}"#, r#""a","b""#, "[[1,1,1]]"), "a tag is called field"),
        (raw(), table("{}", r#""v""#, "[[\"1970\",1]]"), "a time is no whole number"),
        (raw(), table("{}", r#""v""#, "[[1001000000000]]"), "a row lacks a column"),
        (
            raw(),
            format!("{},{other}", table("{}", r#""v""#, "[[1001000000000,1]]")),
            "`m` and `n` yield one series",
        ),
        (
            pushed_down(),
            table("{}", r#""v""#, "[[1001000000000,1],[1002000000000,1]]"),
            "cpu has several values in its window",
        ),
    ];
    for (options, table, expected) in cases {
        let error = collected(options, &document(&[table])).unwrap_err();
        let text = error.message();
        assert!(text.starts_with("query `cpu`: ") && text.contains(expected), "{text}");
    }
}

#[test]
fn too_many_values_are_an_error() {
    let rows = format!("[{}[1,1]]", "[1,1],".repeat(1_000_000));
    let error = collected(raw(), &document(&[table("{}", r#""v""#, &rows)])).unwrap_err();
    assert_eq!(error.fault(), Fault::Config);
    let expected =
        "query `cpu`: more than 1000000 values: ask for less, or for a mean over a window";
    assert_eq!(error.message(), expected);
}

#[test]
fn each_refusal_of_a_question_has_its_fault() {
    for (status, body, fault, expected) in [
        (400, r#"{"error":"error parsing query: found FRM"}"#, Fault::Config, "found FRM"),
        (401, r#"{"error":"authorization failed"}"#, Fault::Config, "authorization failed"),
        (403, r#"{"error":"not authorized"}"#, Fault::Config, "403: not authorized"),
        (404, "404 page not found", Fault::Config, "no InfluxDB 1.x answers there"),
        (307, "", Fault::Config, "a redirection"),
        (500, r#"{"error":"shard gone"}"#, Fault::Failed, "500: shard gone"),
        (503, "busy", Fault::Failed, "503: busy"),
        (429, "", Fault::Failed, "429"),
        (
            200,
            r#"{"results":[{"statement_id":0,"error":"database not found: nodb"}]}"#,
            Fault::Config,
            "database not found: nodb",
        ),
    ] {
        let script = Script::new();
        script.answer(status, body);
        let mut source = InfluxSource::open(raw(), script.context()).unwrap();
        let error = source.collect(call(1000, 1030)).unwrap_err();
        assert_eq!(error.fault(), fault, "{status} {body}: {error}");
        let text = error.message();
        assert!(text.starts_with("query `cpu`: ") && text.contains(expected), "{text}");
    }
}

#[test]
fn wrong_options_are_told_when_opened() {
    let source = |options: Options| InfluxSource::open(options, Script::new().context()).err();
    let sink = |text: &str| InfluxSink::open(options(text), Script::new().context()).err();
    let asking = |text: &str, window: &str| {
        let query = format!(r#"{{"metric":"a","influxql":"{text}"{window}}}"#);
        source(asking(&query))
    };
    let mut twice = raw();
    twice.query.push(twice.query[0].clone());
    let url = r#""url":"http://a","database":"d""#;
    let cases: Vec<(Option<Error>, &str)> = vec![
        (source(server()), "no query"),
        (source(Options { udp: Some("a:1".into()), ..raw() }), "a sink sends there"),
        (source(Options { url: None, ..raw() }), "url is missing"),
        (source(Options { database: None, ..raw() }), "database is missing"),
        (source(twice), "query `cpu`: another has this metric too"),
        (asking("DROP DATABASE d", ""), "query `a`: influxql: it begins with SELECT or SHOW"),
        (asking("SELECT v FROM m", ""), "query `a`: influxql: name its range"),
        (asking("SELECT v FROM m WHERE $window", r#","window":"0s""#), "longer than nothing"),
        (sink("{}"), "url is missing"),
        (sink(r#"{"url":"ftp://a","database":"d"}"#), "url: it begins with"),
        (sink(r#"{"url":"http://u:p@a","database":"d"}"#), "keys of their own"),
        (sink(&format!(r#"{{{url},"username":"u"}}"#)), "password is missing"),
        (sink(&format!(r#"{{{url},"password":{{"env":"P"}}}}"#)), "username is missing"),
        (sink(&format!(r#"{{{url},"username":"u","password":{{"env":"P"}}}}"#)), "no secret `P`"),
        (sink(&format!(r#"{{{url},"udp":"a:1"}}"#)), "either url or udp"),
        (sink(r#"{"udp":"a"}"#), "udp: host and port"),
        (sink(r#"{"udp":"a:70000"}"#), "udp: host and port"),
    ];
    for (error, expected) in cases {
        let error = error.expect(expected);
        assert_eq!(error.fault(), Fault::Config, "{expected}");
        assert!(error.message().contains(expected), "{error}, not {expected}");
    }
}

#[test]
fn the_password_goes_in_a_header() {
    let script = Script::new();
    script.secret("P", "open sesame");
    script.answer(204, "");
    let password = haetae_plugin::Reference::Env("P".into());
    let options = Options {
        username: Some("Aladdin".into()),
        password: Some(Secret::from(password)),
        retention_policy: Some("a b".into()),
        gzip: false,
        ..server()
    };
    let mut sink = InfluxSink::open(options, script.context()).unwrap();
    assert_eq!(deliver(&mut sink, &batch(1)), Outcome::delivered());
    let request = &script.requests()[0];
    assert_eq!(request.url, "http://127.0.0.1:8086/write?db=d%20b&rp=a%20b&precision=ns");
    let header = request.headers.iter().find(|(name, _)| name == "authorization");
    assert_eq!(header.unwrap().1, b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_eq!(request.body, b"m,n=0 value=0.5 0\n");
}

fn batch(points: u32) -> Batch {
    let mut samples = Samples::at(Timestamp::default());
    for at in 0..points {
        let series = Series::gauge("m", "1").label("n", at.to_string()).build();
        samples.push(&series, f64::from(at) + 0.5);
    }
    samples.into()
}

fn deliver(sink: &mut InfluxSink, batch: &Batch) -> Outcome {
    sink.deliver(batch, call(0, 0)).unwrap()
}

/// The `n` of the lines of each request.
fn sent(script: &Script) -> Vec<Vec<u32>> {
    let requests = script.requests();
    let lines = requests.iter().map(|request| {
        let text = std::str::from_utf8(&request.body).unwrap();
        text.lines().map(|line| {
            line.strip_prefix("m,n=").unwrap().split(' ').next().unwrap().parse().unwrap()
        })
    });
    lines.map(Iterator::collect).collect()
}

fn plain_sink(script: &std::sync::Arc<Script>, batch: usize) -> InfluxSink {
    let options = Options { gzip: false, batch, ..server() };
    InfluxSink::open(options, script.context()).unwrap()
}

#[test]
fn a_batch_goes_in_posts_of_so_many_lines_compressed() {
    use std::io::Read;
    let script = Script::new();
    let mut sink = InfluxSink::open(Options { batch: 2, ..server() }, script.context()).unwrap();
    for _ in 0..2 {
        script.answer(204, "");
    }
    assert_eq!(deliver(&mut sink, &batch(3)), Outcome::delivered());
    let requests = script.requests();
    let text = |at: usize| {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&requests[at].body[..]).read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(text(0), "m,n=0 value=0.5 0\nm,n=1 value=1.5 0\n");
    assert_eq!(text(1), "m,n=2 value=2.5 0\n");
    let gzip = ("content-encoding".to_owned(), b"gzip".to_vec());
    assert!(requests[0].headers.contains(&gzip));
}

#[test]
fn what_has_no_value_is_delivered_without_being_sent() {
    let script = Script::new();
    let series = Series::gauge("m", "1").build();
    let mut samples = Samples::at(Timestamp::default());
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        samples.push(&series, value);
    }
    samples.end(&series, Timestamp::default());
    let mut sink = plain_sink(&script, 10);
    assert_eq!(deliver(&mut sink, &samples.into()), Outcome::delivered());
    assert!(script.requests().is_empty());
}

#[test]
fn what_line_protocol_cannot_say_is_rejected_alone() {
    let script = Script::new();
    script.answer(204, "");
    let mut samples = Samples::at(Timestamp::default());
    for host in ["a", "b\n", "c\\"] {
        samples.push(&Series::gauge("m", "1").label("n", "7").label("h", host).build(), 1.0);
    }
    let outcome = deliver(&mut plain_sink(&script, 10), &samples.into());
    assert_eq!(outcome.of(0), &Verdict::Delivered);
    for item in [1, 2] {
        assert!(matches!(outcome.of(item), Verdict::Rejected { .. }), "{outcome:?}");
    }
    assert_eq!(script.requests()[0].body, b"m,h=a,n=7 value=1.0 0\n");
}

fn rejected(reason: &str) -> Verdict {
    Verdict::Rejected { reason: reason.into() }
}

const CONFLICT: &str = r#"{"error":"partial write: field type conflict: x dropped=1"}"#;

#[test]
fn a_partial_write_is_halved_until_only_the_bad_line_is_rejected() {
    let script = Script::new();
    // 0..8, of which 5 is bad: whole, 0..4, 4..8, 4..6, 4, 5, 6..8.
    for (status, body) in [
        (400, CONFLICT),
        (204, ""),
        (400, CONFLICT),
        (400, CONFLICT),
        (204, ""),
        (400, CONFLICT),
        (204, ""),
    ] {
        script.answer(status, body);
    }
    let outcome = deliver(&mut plain_sink(&script, 10), &batch(8));
    assert_eq!(outcome, Outcome::delivered().but(5, rejected("field type conflict: x")));
    let halves = [vec![4, 5, 6, 7], vec![4, 5], vec![4], vec![5], vec![6, 7]];
    assert_eq!(sent(&script)[2..], halves);
}

#[test]
fn when_all_were_dropped_nothing_is_halved() {
    let script = Script::new();
    script.answer(400, CONFLICT.replace("=1", "=3"));
    let outcome = deliver(&mut plain_sink(&script, 10), &batch(3));
    assert_eq!(script.requests().len(), 1);
    for item in 0..3 {
        assert_eq!(outcome.of(item), &rejected("field type conflict: x"));
    }
}

#[test]
fn quoted_lines_are_rejected_and_the_rest_is_stored() {
    let script = Script::new();
    let body = r#"{"error":"partial write: unable to parse 'm,n=1 value=1.5 0': bad\nunable to parse 'm,n=3 value=3.5 0': worse dropped=0"}"#;
    script.answer(400, body);
    let outcome = deliver(&mut plain_sink(&script, 10), &batch(4));
    assert_eq!(script.requests().len(), 1);
    let expected = Outcome::delivered().but(1, rejected("bad")).but(3, rejected("worse"));
    assert_eq!(outcome, expected);

    // A quotation that is not one of our lines: halved, and the single line is judged.
    let script = Script::new();
    for (status, body) in [(400, body), (204, ""), (400, body)] {
        script.answer(status, body);
    }
    let outcome = deliver(&mut plain_sink(&script, 10), &batch(2));
    assert_eq!(outcome.of(0), &Verdict::Delivered);
    assert!(matches!(outcome.of(1), Verdict::Rejected { .. }), "{outcome:?}");
}

#[test]
fn too_large_a_post_is_halved() {
    let script = Script::new();
    let too_large = r#"{"error":"Request Entity Too Large"}"#;
    for (status, body) in
        [(413, too_large), (413, too_large), (413, too_large), (204, ""), (204, "")]
    {
        script.answer(status, body);
    }
    let outcome = deliver(&mut plain_sink(&script, 10), &batch(4));
    // 0..4, 0..2, 0 is too large by itself, 1, 2..4.
    assert_eq!(sent(&script), [vec![0, 1, 2, 3], vec![0, 1], vec![0], vec![1], vec![2, 3]]);
    let expected = Outcome::delivered().but(0, rejected("413: Request Entity Too Large"));
    assert_eq!(outcome, expected);
}

#[test]
fn a_server_that_cannot_now_is_not_asked_further() {
    for (status, body, expected) in [
        (503, "busy", Verdict::Retry { reason: "503: busy".into(), after: None }),
        (
            404,
            r#"{"error":"database not found: \"nope\""}"#,
            Verdict::Config { reason: "database not found: \"nope\"".into() },
        ),
        (
            500,
            r#"{"error":"retention policy not found: norp"}"#,
            Verdict::Config { reason: "retention policy not found: norp".into() },
        ),
    ] {
        let script = Script::new();
        script.answer(204, "");
        script.answer(status, body);
        let outcome = deliver(&mut plain_sink(&script, 1), &batch(5));
        assert_eq!(script.requests().len(), 2);
        assert_eq!(outcome, Outcome::all(expected).but(0, Verdict::Delivered));
    }
    let script = Script::new();
    let outcome = deliver(&mut plain_sink(&script, 10), &batch(2));
    let reason = "connection refused (script)".into();
    assert_eq!(outcome, Outcome::all(Verdict::Retry { reason, after: None }));
}

#[test]
fn what_has_no_time_left_is_tried_again() {
    let script = Script::new();
    let mut sink = plain_sink(&script, 10);
    let call = Call::within(Duration::ZERO, Window::default());
    let outcome = sink.deliver(&batch(2), call).unwrap();
    assert!(matches!(outcome.verdict, Verdict::Retry { .. }), "{outcome:?}");
    assert!(script.requests().is_empty());
}

#[test]
fn bad_lines_that_are_too_many_are_left_for_the_next_try() {
    let script = Script::new();
    // Every other line is bad; a server that says so of each piece, and takes single good ones.
    let counted = CONFLICT;
    for _ in 0..1200 {
        script.answer(400, counted);
    }
    let outcome = deliver(&mut plain_sink(&script, 5000), &batch(2000));
    assert!(script.requests().len() <= 513, "{}", script.requests().len());
    let of = |is: fn(&Verdict) -> bool| (0..2000).filter(|item| is(outcome.of(*item))).count();
    let rejected = of(|verdict| matches!(verdict, Verdict::Rejected { .. }));
    let later = of(|verdict| matches!(verdict, Verdict::Retry { .. }));
    assert!(rejected > 100 && rejected + later == 2000, "{rejected} {later}");
}

fn question(query: &str, from: i64, to: i64) -> Question {
    let (from, to) = (Timestamp::from_seconds(from), Timestamp::from_seconds(to));
    Question::Series { query: query.into(), from, to }
}

fn told(options: Options, script: &std::sync::Arc<Script>, asked: &Question) -> Result<Answer> {
    InfluxReader::open(options, script.context())?.query(asked, call(0, 0))
}

#[test]
fn a_reader_yields_what_the_source_would_have() {
    let script = Script::new();
    let rows = "[[1002000000000,2],[1001000000000,1]]";
    script.answer(
        200,
        document(&["b", "a"].map(|h| table(&format!(r#"{{"h":"{h}"}}"#), r#""v""#, rows))),
    );
    let answer = told(raw(), &script, &question("cpu", 1000, 1030)).unwrap();
    let Answer::Series(lines) = answer else { panic!("{answer:?}") };
    let seconds = |at: i64| Timestamp::from_seconds(at);
    for (line, host) in lines.iter().zip(["a", "b"]) {
        assert_eq!((line.name.as_str(), line.labels["h"].as_str()), ("cpu", host));
        assert_eq!(line.points, [(seconds(1001), 1.0), (seconds(1002), 2.0)]);
    }
    let range = "%28time%20%3E%3D%201000000000000%20AND%20time%20%3C%201030000000000%29";
    assert!(script.requests()[0].url.contains(range));
}

#[test]
fn a_reader_asks_a_pushed_down_query_for_each_window() {
    let script = Script::new();
    for value in 0..3 {
        let rows = format!("[[1,{value}]]");
        script.answer(200, document(&[table("{}", r#""mean""#, &rows)]));
    }
    let answer = told(pushed_down(), &script, &question("cpu", 6000, 7500)).unwrap();
    let Answer::Series(lines) = answer else { panic!("{answer:?}") };
    let expected = [(6000, 0.0), (6600, 1.0), (7200, 2.0)];
    let expected = expected.map(|(at, value)| (Timestamp::from_seconds(at), value));
    assert_eq!(lines[0].points, expected);
    let asked = "%28time%20%3E%3D%205400000000000%20AND%20time%20%3C%206000000000000%29";
    assert!(script.requests()[0].url.contains(asked));
}

#[test]
fn a_reader_takes_any_select_that_only_reads() {
    let script = Script::new();
    script.answer(200, document(&[table("{}", r#""v""#, "[[1001000000000,1]]")]));
    let asked = question(" select v from m where $window", 1000, 1030);
    let Answer::Series(lines) = told(server(), &script, &asked).unwrap() else { panic!() };
    assert_eq!(lines[0].name, "m");
    let writes = question("SELECT v INTO n FROM m WHERE $window", 1000, 1030);
    assert_eq!(told(server(), &script, &writes).unwrap_err().fault(), Fault::Config);
    for other in [question("memory", 0, 1), question("DROP DATABASE d", 0, 1), Question::Unknown] {
        assert_eq!(told(server(), &script, &other).unwrap(), Answer::Unsupported);
    }
    let empty = question("SELECT v FROM m WHERE $window", 5, 5);
    assert_eq!(told(server(), &script, &empty).unwrap(), Answer::Series(Vec::new()));
    assert_eq!(script.requests().len(), 1);
}

#[test]
fn datagrams_hold_whole_lines() {
    let listener = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    listener.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let udp = listener.local_addr().unwrap().to_string();
    let options = Options { udp: Some(udp), datagram: 64, ..Options::default() };
    let mut sink = InfluxSink::open(options, Script::new().context()).unwrap();
    let mut samples = Samples::at(Timestamp::default());
    for n in ["1", "2", "3", &"x".repeat(100), "4", &"y".repeat(70_000)] {
        samples.push(&Series::gauge("m", "1").label("n", n).build(), 0.5);
    }
    let outcome = deliver(&mut sink, &samples.into());
    assert_eq!(outcome.of(4), &Verdict::Delivered);
    assert!(matches!(outcome.of(5), Verdict::Rejected { .. }), "{outcome:?}");
    let lines = |expected: &[String]| {
        let mut buffer = [0; 2048];
        let length = listener.recv(&mut buffer).unwrap();
        let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
        assert_eq!(text, expected.concat());
    };
    let line = |n: &str| format!("m,n={n} value=0.5 0\n");
    lines(&["1", "2", "3"].map(line));
    lines(&[line(&"x".repeat(100))]);
    lines(&[line("4")]);
}

#[test]
fn a_closed_port_is_noticed_with_the_next_datagram() {
    let listener = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp = listener.local_addr().unwrap().to_string();
    drop(listener);
    let options = Options { udp: Some(udp), datagram: 64, ..Options::default() };
    let mut sink = InfluxSink::open(options, Script::new().context()).unwrap();
    // On loopback the refusal is there before the next datagram.
    let outcome = deliver(&mut sink, &batch(40));
    assert_eq!(outcome.of(0), &Verdict::Delivered, "nobody said that it was lost");
    let Verdict::Retry { reason, .. } = outcome.of(39) else { panic!("{outcome:?}") };
    assert!(reason.contains("refused"), "{reason}");
}
