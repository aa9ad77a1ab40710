//! Samples: many values of many series, in two flat vectors.

use abi_stable::{StableAbi, std_types::RVec};

use crate::{Series, Timestamp};

/// One value of one series at one time. Flags say what else is known of it.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Index into [`Samples::series`].
    pub series: u32,
    /// [`Point::END`], [`Point::DELAYED`]; unknown bits are ignored.
    pub flags: u32,
    /// When the value was true.
    pub time: Timestamp,
    /// The value, in the unit of its series. NaN and infinities are kept, never compared.
    pub value: f64,
}

impl Point {
    /// The series ended here: an instance that is gone, Prometheus' stale marker. No value.
    pub const END: u32 = 1;
    /// A replay after an outage: stored, never alarmed on as fresh.
    pub const DELAYED: u32 = 2;

    /// Whether all bits of `flag` are set.
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag == flag
    }
}

/// A batch of samples and the time up to which its source has said everything.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, Default)]
pub struct Samples {
    series: RVec<Series>,
    points: RVec<Point>,
    complete_until: Timestamp,
    reserved: u64,
}

impl Samples {
    /// An empty batch that is complete up to `complete_until`; [`Samples::push`] stamps with it.
    pub fn at(complete_until: Timestamp) -> Self {
        Self { complete_until, ..Self::default() }
    }

    /// An empty batch with room for `points` points.
    pub fn with_capacity(complete_until: Timestamp, points: usize) -> Self {
        Self {
            series: RVec::with_capacity(points),
            points: RVec::with_capacity(points),
            complete_until,
            reserved: 0,
        }
    }

    /// Adds a value at the batch's own time.
    pub fn push(&mut self, series: &Series, value: f64) {
        self.push_at(series, value, self.complete_until);
    }

    /// Adds a value at `time`. Values of one series pushed in a row share its handle.
    pub fn push_at(&mut self, series: &Series, value: f64, time: Timestamp) {
        self.push_flagged(series, value, time, 0);
    }

    /// Says that the series ended at `time`.
    pub fn end(&mut self, series: &Series, time: Timestamp) {
        self.push_flagged(series, f64::NAN, time, Point::END);
    }

    /// Adds a value with [`Point`] flags.
    pub fn push_flagged(&mut self, series: &Series, value: f64, time: Timestamp, flags: u32) {
        if !self.series.last().is_some_and(|last| last.same_handle(series)) {
            self.series.push(series.clone());
        }
        let index = u32::try_from(self.series.len() - 1).unwrap_or(u32::MAX);
        self.points.push(Point { series: index, flags, time, value });
    }

    /// This batch and a value at its own time.
    #[must_use]
    pub fn with(mut self, series: &Series, value: f64) -> Self {
        self.push(series, value);
        self
    }

    /// Builds a batch of raw parts. The daemon drops points whose index names no series.
    pub fn from_parts(series: Vec<Series>, points: Vec<Point>, complete_until: Timestamp) -> Self {
        Self { series: series.into(), points: points.into(), complete_until, reserved: 0 }
    }

    /// The series that points name by index; one may stand here more than once.
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// The points, in the order in which they were pushed.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Each point with its series; points that name no series are passed over.
    pub fn iter(&self) -> impl Iterator<Item = (&Series, &Point)> {
        self.points.iter().filter_map(|point| {
            let index = usize::try_from(point.series).ok()?;
            Some((self.series.get(index)?, point))
        })
    }

    /// The watermark: the source will say nothing more about times up to here. The epoch means
    /// that it does not know; a poller's is then the end of its window.
    pub fn complete_until(&self) -> Timestamp {
        self.complete_until
    }
}
