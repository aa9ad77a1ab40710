//! Batches that no good source yields.

use haetae_plugin::{Point, Samples, Series, Timestamp};

use crate::fault::Fault;

const SERIES: u64 = 200_000;
const POINTS: usize = 5_000_000;
const LISTENED: usize = 10_000;
const LABELS: usize = 10_000;
const MEBIBYTE: usize = 1 << 20;

/// The series of a good batch.
pub(crate) fn good() -> Series {
    Series::gauge("faulty_value", "1").label("plugin", "faulty").build()
}

/// The samples of the batch `number` at `now` under `fault`.
pub(crate) fn samples(fault: Fault, number: u64, now: Timestamp, good: &Series) -> Samples {
    match fault {
        Fault::FloodSeries => new_series(number, now),
        Fault::FloodPoints => points(good, now, POINTS),
        Fault::FloodListener => points(good, now, LISTENED),
        Fault::RubbishIndices => {
            let at = |series| Point { series, flags: u32::MAX, time: now, value: 1.0 };
            let indices = [0, 1, 1000, u32::MAX - 1, u32::MAX];
            Samples::from_parts(vec![good.clone()], indices.map(at).to_vec(), now)
        }
        Fault::NonFinite => Samples::at(now)
            .with(good, f64::NAN)
            .with(good, f64::INFINITY)
            .with(good, f64::NEG_INFINITY),
        Fault::TenThousandLabels => {
            strange().iter().fold(Samples::at(now), |samples, series| samples.with(series, 1.0))
        }
        Fault::FutureTime => {
            let mut samples = Samples::at(Timestamp::from_nanos(i64::MAX));
            samples.push_at(good, 1.0, Timestamp::from_nanos(i64::MAX));
            samples.push_at(good, 1.0, Timestamp::from_nanos(i64::MIN));
            samples
        }
        _ => Samples::at(now).with(good, 1.0),
    }
}

fn new_series(number: u64, now: Timestamp) -> Samples {
    let series = |index| {
        let id = number.wrapping_mul(SERIES).wrapping_add(index);
        Series::gauge("faulty_flood", "1").label("id", id.to_string()).build()
    };
    (0..SERIES).fold(Samples::at(now), |samples, index| samples.with(&series(index), 1.0))
}

fn points(good: &Series, now: Timestamp, count: usize) -> Samples {
    let point = Point { series: 0, flags: 0, time: now, value: 1.0 };
    Samples::from_parts(vec![good.clone()], vec![point; count], now)
}

/// A series with too many labels, one with a label too long, one without a name.
fn strange() -> [Series; 3] {
    let many = (0..LABELS).fold(Series::gauge("faulty_labels", "1"), |series, label| {
        series.label(format!("label_{label}"), "x")
    });
    let long = Series::gauge("faulty_long", "1").label("long", "x".repeat(MEBIBYTE));
    [many.build(), long.build(), Series::gauge("", "1").build()]
}
