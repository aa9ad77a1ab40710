//! Batches of many points: what `daemon/benches/boundary.rs` measures on both sides.

use haetae_plugin::{Samples, Series, Timestamp};

/// Series that are built once, and a batch with a value of each.
pub(crate) struct Flood(Vec<Series>);

impl Flood {
    /// A batch will have `points` points.
    pub(crate) fn new(points: u32) -> Self {
        let series = |index: u32| {
            Series::gauge("cpu_total_used_percent", "percent")
                .label("host", format!("host-{index}.example.com"))
                .label("plane", "host")
                .label("resource", "cpu")
                .label("zone", format!("zone-{}", index % 7))
                .build()
        };
        Self((0..points).map(series).collect())
    }

    /// A value of each series at `now`.
    pub(crate) fn batch(&self, now: Timestamp) -> Samples {
        let mut samples = Samples::with_capacity(now, self.0.len());
        for (index, series) in (0_u32..).zip(&self.0) {
            samples.push(series, f64::from(index));
        }
        samples
    }
}
