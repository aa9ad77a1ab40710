//! That each fault is the one that was asked for: a fault that isn't there proves nothing.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use haetae_plugin::{
    Answer, Batch, Call, Fault as Means, Outcome, Question, Reader, Samples, Sink, Source,
    Timestamp, Verdict, Window, testing::Script,
};

use super::{
    fault::{Fault, Options},
    roles::{FaultyReader, FaultySink, FaultySource},
    two::{NoOptions, Two},
};

const NOW: Timestamp = Timestamp::from_seconds(100);

fn options(fault: Fault) -> Options {
    Options { fault, after: 1, seconds: 0, cured_by: None }
}

fn call() -> Call {
    Call::within(Duration::from_secs(5), Window { from: Timestamp::default(), to: NOW })
}

fn source(fault: Fault) -> (FaultySource, Arc<Script>) {
    let script = Script::new();
    (FaultySource::open(options(fault), script.context()).unwrap(), script)
}

fn samples(batch: Batch) -> Samples {
    let Batch::Samples(samples) = batch else { panic!("not samples") };
    samples
}

/// The second batch, after a good one.
fn bad(fault: Fault) -> Samples {
    let (mut source, _) = source(fault);
    let good = samples(source.collect(call()).unwrap());
    assert_eq!(good.points().len(), 1);
    assert_eq!(good.series()[0].name(), "faulty_value");
    samples(source.collect(call()).unwrap())
}

/// The text with which `f` panics; its payload is not dropped.
fn panic_of(f: impl FnOnce()) -> Option<String> {
    let payload = catch_unwind(AssertUnwindSafe(f)).err()?;
    let text = payload.downcast_ref::<String>().cloned().unwrap_or_default();
    std::mem::forget(payload);
    Some(text)
}

#[test]
fn each_call_panics_if_asked_to() {
    let text = |place: &str| Some(format!("faulty: {place} panics"));
    let opened = |fault| drop(FaultySource::open(options(fault), Script::new().context()));
    assert_eq!(panic_of(|| opened(Fault::PanicOpen)), text("open"));
    assert_eq!(panic_of(|| opened(Fault::PanicDrop)), text("drop"));
    let metrics = || drop(FaultySource::metrics(&options(Fault::PanicMetrics)));
    assert_eq!(panic_of(metrics), text("metrics"));

    let (mut source_, _) = source(Fault::PanicCollect);
    source_.collect(call()).unwrap();
    assert_eq!(panic_of(|| drop(source_.collect(call()))), text("collect"));

    let (mut source_, _) = source(Fault::PanicAck);
    source_.ack().unwrap();
    source_.collect(call()).unwrap();
    assert_eq!(panic_of(|| drop(source_.ack())), text("ack"));

    let (source_, _) = source(Fault::PanicListens);
    assert_eq!(panic_of(|| assert!(!source_.listens())), text("listens"));

    let open = options(Fault::PanicDeliver);
    let mut sink = FaultySink::open(open, Script::new().context()).unwrap();
    assert_eq!(sink.deliver(&Batch::empty(), call()).unwrap(), Outcome::delivered());
    assert_eq!(panic_of(|| drop(sink.deliver(&Batch::empty(), call()))), text("deliver"));

    let open = options(Fault::PanicQuery);
    let mut reader = FaultyReader::open(open, Script::new().context()).unwrap();
    let question = Question::Series { query: "x".into(), from: NOW, to: NOW };
    let Answer::Series(lines) = reader.query(&question, call()).unwrap() else {
        panic!("no series")
    };
    assert_eq!(lines[0].points, [(NOW, 1.0)]);
    assert_eq!(panic_of(|| drop(reader.query(&question, call()))), text("query"));
}

#[test]
fn a_payload_panics_when_it_is_dropped() {
    let (mut source, _) = source(Fault::PanicPayloadDrop);
    source.collect(call()).unwrap();
    let payload = catch_unwind(AssertUnwindSafe(|| source.collect(call()))).err().unwrap();
    let text = panic_of(|| drop(payload));
    assert_eq!(text.as_deref(), Some("faulty: the payload panics"));
}

#[test]
fn a_thread_panics_and_poisons() {
    let (mut source, script) = source(Fault::PanicThread);
    source.collect(call()).unwrap();
    source.collect(call()).unwrap();
    let told = (0..10_000_000).find_map(|_| {
        std::thread::yield_now();
        script.lines().first().map(|(_, line)| line.clone())
    });
    let told = told.expect("word of the panic within the bound");
    assert!(told.contains("a thread panics"), "{told}");
}

#[test]
fn floods_are_floods() {
    let series = bad(Fault::FloodSeries);
    assert_eq!((series.series().len(), series.points().len()), (200_000, 200_000));
    assert_eq!(series.series()[0].label("id"), Some("200000"), "new ones in each batch");
    let points = bad(Fault::FloodPoints);
    assert_eq!((points.series().len(), points.points().len()), (1, 5_000_000));
    let (mut listener, _) = source(Fault::FloodListener);
    assert!(listener.listens());
    listener.collect(call()).unwrap();
    assert_eq!(samples(listener.collect(call()).unwrap()).points().len(), 10_000);
}

#[test]
fn points_name_series_that_are_not_there() {
    let samples = bad(Fault::RubbishIndices);
    assert_eq!(samples.points().len(), 5);
    assert_eq!(samples.points()[4].series, u32::MAX);
    assert_eq!(samples.iter().count(), 1);
}

#[test]
fn values_labels_and_times_are_strange() {
    let values: Vec<_> = bad(Fault::NonFinite).points().iter().map(|point| point.value).collect();
    assert!(values[0].is_nan() && values[1..].iter().all(|value| value.is_infinite()));
    let labels = bad(Fault::TenThousandLabels);
    assert_eq!(labels.series()[0].labels().len(), 10_000);
    assert_eq!(labels.series()[1].label("long").map(str::len), Some(1 << 20));
    assert_eq!(labels.series()[2].name(), "");
    let times = bad(Fault::FutureTime);
    let times: Vec<_> = times.points().iter().map(|point| point.time.nanos()).collect();
    assert_eq!(times, [i64::MAX, i64::MIN]);
}

#[test]
fn log_and_metrics_are_flooded() {
    let (mut source_, script) = source(Fault::LogFlood);
    source_.collect(call()).unwrap();
    assert_eq!(script.lines().len(), 0);
    source_.collect(call()).unwrap();
    assert_eq!(script.lines().len(), 100_000);
    let (mut source_, script) = source(Fault::MetricFlood);
    source_.collect(call()).unwrap();
    source_.collect(call()).unwrap();
    assert_eq!(script.cell_value("counter_9999"), Some(1.0));
}

#[test]
fn errors_are_errors() {
    let (mut source, _) = source(Fault::Error);
    source.collect(call()).unwrap();
    let error = source.collect(call()).err().unwrap();
    assert_eq!((error.fault(), error.message()), (Means::Failed, "fault = \"error\""));
    let opened = FaultySink::open(options(Fault::ConfigError), Script::new().context());
    assert_eq!(opened.err().unwrap().fault(), Means::Config);
}

#[test]
fn what_is_rejected_is_taken_once_it_is_cured() {
    let folder = tempfile::tempdir().unwrap();
    let cure = folder.path().join("cure");
    let open = Options { after: 0, cured_by: Some(cure.clone()), ..options(Fault::Reject) };
    let mut sink = FaultySink::open(open, Script::new().context()).unwrap();
    let rejected = Outcome::all(Verdict::Rejected { reason: "fault = \"reject\"".into() });
    assert_eq!(sink.deliver(&Batch::empty(), call()).unwrap(), rejected);
    std::fs::write(cure, "").unwrap();
    assert_eq!(sink.deliver(&Batch::empty(), call()).unwrap(), Outcome::delivered());
}

#[test]
fn without_a_fault_it_is_good() {
    let (mut source, _) = source(Fault::None);
    assert!(!source.listens());
    for _ in 0..3 {
        let samples = samples(source.collect(call()).unwrap());
        assert_eq!((samples.points().len(), samples.points()[0].time), (1, NOW));
        source.ack().unwrap();
    }
    let mut two = Two::open(NoOptions {}, Script::new().context()).unwrap();
    assert!((samples(two.collect(call()).unwrap()).points()[0].value - 2.0).abs() < 1e-9);
}
