//! What the plugin boundary costs: batches through a loaded library beside a direct call of the
//! same code, and one guarded call alone.
//!
//! Both sides run in turns and the best of many rounds counts, so that a busy machine shifts
//! both alike. `cargo bench -p haetae --bench boundary`; it fails if the boundary got expensive.
#![allow(clippy::expect_used, reason = "a benchmark may fall over")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]
#![allow(clippy::print_stdout, reason = "it prints what it measured")]
#![allow(clippy::needless_pass_by_value, reason = "a benchmark")]

#[path = "../../tests/plugins/lent/src/flood.rs"]
mod flood;

use std::{
    hint::black_box,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use flood::Flood;
use haetae::plugin::{catalog::Catalog, library::Storage};
use haetae_plugin::{
    Batch, Call, Samples, Timestamp, Window,
    abi::{Library, SourceInstance},
    testing::Script,
};

const ROUNDS: u32 = 60;
const ROUND: Duration = Duration::from_millis(5);
/// Of the direct rate, at batches of 1000.
const WANTED: f64 = 0.85;
/// Nanoseconds of a guarded call.
const ALLOWED: f64 = 50.0;

fn main() -> ExitCode {
    let library = library();
    let open = |points: u32| {
        let options = format!("{{\"points\":{points}}}");
        library.open_source("flood", &options, Script::new()).expect("it opens")
    };
    println!("{:>6}  {:>14}  {:>14}  ratio", "batch", "direct", "boundary");
    let mut last = 0.0;
    for points in [1, 100, 1000] {
        let flood = Flood::new(points);
        let mut source = open(points);
        let [direct, boundary] = pair(
            || read(&black_box(&flood).batch(Timestamp::from_seconds(1))),
            || read(&collect(&mut source)),
        );
        last = direct / boundary;
        let rate = |nanos: f64| format!("{:.1} M/s", f64::from(points) / nanos * 1000.0);
        println!("{points:>6}  {:>14}  {:>14}  {last:.3}", rate(direct), rate(boundary));
    }
    let mut source = open(1);
    let [ack, nothing] = pair(|| u64::from(source.ack().is_ok()), || black_box(0));
    println!("guarded call (ack): {ack:.1} ns; the loop alone {nothing:.1} ns");
    if last < WANTED || ack > ALLOWED {
        println!("too slow: wanted a ratio of {WANTED} at 1000 and {ALLOWED} ns a call");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The release build of the plugin, beside this program, as the daemon loads it.
fn library() -> Library {
    let program = std::env::current_exe().expect("this program");
    let directory = program.parent().map(PathBuf::from).expect("target/release/deps");
    let file = directory.join("libhaetae_lent.so");
    let alone = tempfile::tempdir().expect("a directory");
    std::fs::copy(file, alone.path().join("lent.so")).expect("cargo built it");
    let catalog = Catalog::scan(vec![alone.path().into()], &[], Storage::Memory);
    catalog.library("flood").expect("it exports it").expect("it loads")
}

fn collect(source: &mut SourceInstance) -> Samples {
    let to = Timestamp::from_seconds(1);
    let call = Call::within(Duration::from_secs(1), Window { from: Timestamp::default(), to });
    match source.collect(call) {
        Ok(Batch::Samples(samples)) => samples,
        other => unreachable!("{other:?}"),
    }
}

/// Reads every value and every byte of every string; the caller drops the batch.
fn read(samples: &Samples) -> u64 {
    let bytes = |text: &str| text.bytes().map(u64::from).sum::<u64>();
    let of = |(series, point): (&haetae_plugin::Series, &haetae_plugin::Point)| {
        let labels = series.labels().map(|(name, value)| bytes(name) + bytes(value));
        bytes(series.name()) + bytes(series.unit()) + labels.sum::<u64>() + point.value.to_bits()
    };
    samples.iter().map(of).fold(0, u64::wrapping_add)
}

/// Nanoseconds a call of each, measured in turns; the best round of each counts.
fn pair(mut one: impl FnMut() -> u64, mut two: impl FnMut() -> u64) -> [f64; 2] {
    let mut best = [f64::INFINITY; 2];
    let (calls_one, calls_two) = (calls(&mut one), calls(&mut two));
    for _ in 0..ROUNDS {
        best = [best[0].min(round(&mut one, calls_one)), best[1].min(round(&mut two, calls_two))];
    }
    best
}

/// How many calls make a round.
fn calls(f: &mut impl FnMut() -> u64) -> u32 {
    let mut calls = 1;
    while round(f, calls) * f64::from(calls) < ROUND.as_secs_f64() * 1e9 {
        calls *= 2;
    }
    calls
}

fn round(f: &mut impl FnMut() -> u64, calls: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(f());
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}
