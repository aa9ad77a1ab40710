//! Intake: what a source yields, made safe to judge: limits kept, labels added, series shared.

mod logs;

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use haetae_plugin::{Point, Samples, Series, Timestamp};

use crate::{config, plugin::event::Complaint};

/// Points of one batch that are taken.
const POINTS: usize = 1_000_000;
/// How long it is said that points came late after the last one did.
const TOLD: Duration = Duration::from_mins(5);
/// How far ahead of our clock a point may be: clocks differ, but not by more than this.
const AHEAD: Duration = Duration::from_hours(1);

/// The intake of one source.
pub struct Intake {
    limits: config::SourceLimits,
    labels: BTreeMap<String, String>,
    /// How long a series may be silent before it makes room for another.
    idle: Duration,
    /// By the hash of a series as its source has it: to keep that one too would cost as much as
    /// all that is known of it here.
    known: HashMap<u64, Known>,
    hasher: RandomState,
    swept: Timestamp,
    /// Up to when a batch that was taken has said everything.
    vouched: Timestamp,
    /// What came after that.
    late: Late,
}

struct Known {
    series: Series,
    seen: Timestamp,
}

/// What was dropped of one batch, by reason.
#[derive(Default)]
struct Dropped {
    index: u64,
    ahead: u64,
    flood: u64,
    limit: u64,
    shape: Option<String>,
    shapes: u64,
}

/// Points that were taken after slots of their time were judged.
#[derive(Clone, Copy, Default)]
struct Late {
    points: u64,
    /// By how much at the most.
    most: Duration,
    /// When the last one came.
    at: Timestamp,
}

impl Intake {
    /// The intake of a configured source.
    pub fn new(source: &config::Source) -> Self {
        Self {
            limits: source.limits,
            labels: source.labels.clone(),
            idle: (source.interval * 10).max(Duration::from_mins(5)),
            known: HashMap::new(),
            hasher: RandomState::new(),
            swept: Timestamp::default(),
            vouched: Timestamp::default(),
            late: Late::default(),
        }
    }

    /// A batch was taken: what is older from now on is late.
    pub fn vouch(&mut self, until: Timestamp, now: Timestamp) {
        self.vouched = self.vouched.max(until.min(now));
    }

    /// Takes what may be taken. `until` is the watermark if the batch names none.
    pub fn admit(
        &mut self,
        batch: &Samples,
        until: Timestamp,
        now: Timestamp,
    ) -> (Samples, Option<Complaint>) {
        let mut dropped = Dropped::default();
        let series: Vec<Option<Series>> =
            batch.series().iter().map(|series| self.series(series, now, &mut dropped)).collect();
        let claimed = batch.complete_until();
        let is_claimed = claimed != Timestamp::default();
        let watermark = if is_claimed { claimed.min(now.after(AHEAD)) } else { until };
        let points = batch.points();
        let mut taken = Samples::with_capacity(watermark, points.len().min(POINTS));
        if self.vouched > now {
            // The clock went back.
            self.vouched = Timestamp::default();
        }
        dropped.flood = points.len().saturating_sub(POINTS) as u64;
        for point in points.iter().take(POINTS) {
            let index = usize::try_from(point.series).unwrap_or(usize::MAX);
            match series.get(index) {
                None => dropped.index += 1,
                Some(None) => {}
                Some(Some(_)) if point.time > now.after(AHEAD) => dropped.ahead += 1,
                Some(Some(series)) => {
                    if let (true, Some(ended)) = (point.has(Point::END), batch.series().get(index))
                    {
                        self.known.remove(&self.hasher.hash_one(ended));
                    }
                    if point.time <= self.vouched && point.flags == 0 {
                        self.late.points += 1;
                        self.late.most = self.late.most.max(until.since(point.time));
                        self.late.at = now;
                    }
                    taken.push_flagged(series, point.value, point.time, point.flags);
                }
            }
        }
        if now < self.late.at || self.late.at.after(TOLD) < now {
            self.late = Late::default();
        }
        (taken, dropped.complaint(&self.limits).or(self.late.complaint()))
    }

    /// The shared series with the configured labels; `None` if it is over a limit.
    fn series(&mut self, series: &Series, now: Timestamp, dropped: &mut Dropped) -> Option<Series> {
        let hash = self.hasher.hash_one(series);
        let same = |known: &&mut Known| is_labelled(&known.series, series, &self.labels);
        if let Some(known) = self.known.get_mut(&hash).filter(same) {
            known.seen = now;
            return Some(known.series.clone());
        }
        if let Some(why) = misshapen(series, &self.limits) {
            dropped.shapes += 1;
            dropped.shape.get_or_insert(why);
            return None;
        }
        if self.known.len() >= self.limits.max_series {
            self.forget_silent(now);
            if self.known.len() >= self.limits.max_series {
                dropped.limit += 1;
                return None;
            }
        }
        let labelled = if self.labels.is_empty() {
            series.clone()
        } else {
            let labels = self.labels.iter();
            labels.fold(series.to_builder(), |made, (name, value)| made.label(name, value)).build()
        };
        self.known.insert(hash, Known { series: labelled.clone(), seen: now });
        Some(labelled)
    }

    /// Forgets series that have been silent for long; at most once a minute.
    fn forget_silent(&mut self, now: Timestamp) {
        if now.since(self.swept) >= Duration::from_mins(1) {
            self.swept = now;
            let idle = self.idle;
            self.known.retain(|_, known| now.since(known.seen) < idle);
        }
    }
}

/// Whether `labelled` is the series with the configured labels.
fn is_labelled(labelled: &Series, series: &Series, labels: &BTreeMap<String, String>) -> bool {
    if labelled.same_handle(series) {
        return true;
    }
    let own = |(name, _): &(&str, &str)| !labels.contains_key(*name);
    labelled.name() == series.name()
        && labelled.labels().filter(own).eq(series.labels().filter(own))
}

/// Why a series is not taken, for a person.
fn misshapen(series: &Series, limits: &config::SourceLimits) -> Option<String> {
    let name: String = series.name().chars().take(40).collect();
    if series.name().is_empty() {
        return Some("a series has no name".into());
    }
    if series.name().len() > limits.max_label_name {
        return Some(format!("the name `{name}…` has over {} bytes", limits.max_label_name));
    }
    if series.labels().len() > limits.max_labels {
        let count = series.labels().len();
        return Some(format!("`{name}` has {count} labels, over {}", limits.max_labels));
    }
    for (label, value) in series.labels() {
        if label.len() > limits.max_label_name {
            let label: String = label.chars().take(40).collect();
            return Some(format!(
                "`{name}`: the label name `{label}…` has over {} bytes",
                limits.max_label_name
            ));
        }
        if value.len() > limits.max_label_value {
            return Some(format!(
                "`{name}`: the label `{label}` has over {} bytes",
                limits.max_label_value
            ));
        }
    }
    None
}

impl Late {
    fn complaint(self) -> Option<Complaint> {
        let Self { points, most, .. } = self;
        let cause = format!("{points} points came when their time was judged, up to {most:?} late");
        let cure = "raise the interval of the source above that, or `delay` of its query".into();
        (points > 0).then_some(Complaint { dropped: 0, cut: 0, cause, cure })
    }
}

impl Dropped {
    fn complaint(self, limits: &config::SourceLimits) -> Option<Complaint> {
        let mut causes = Vec::new();
        let mut cure = "report it to the plugin's author";
        if self.index > 0 {
            causes.push(format!("{} points name a series that is not in their batch", self.index));
        }
        if self.ahead > 0 {
            causes.push(format!("{} points are over an hour in the future", self.ahead));
            cure = "compare the clocks of the daemon and of what it watches";
        }
        if self.flood > 0 {
            causes.push(format!("{} points over {POINTS} in one batch", self.flood));
        }
        if let Some(shape) = self.shape {
            causes
                .push(format!("{} series over a limit on labels, the first: {shape}", self.shapes));
            cure = "see max_labels, max_label_name and max_label_value of the source";
        }
        if self.limit > 0 {
            causes
                .push(format!("{} new series over max_series = {}", self.limit, limits.max_series));
            cure = "raise max_series of the source, or make it yield fewer series";
        }
        let dropped = self.index + self.ahead + self.flood + self.shapes + self.limit;
        let cause = format!("dropped {}", causes.join("; "));
        (dropped > 0).then(|| Complaint { dropped, cut: 0, cause, cure: cure.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    pub(super) fn intake(max_series: usize) -> Intake {
        let labels = BTreeMap::from([("plane".to_owned(), "paas".to_owned())]);
        Intake::new(&config::Source {
            name: "s".into(),
            kind: "k".into(),
            options: config::PluginOptions(serde_json::Value::Null),
            interval: Duration::from_secs(30),
            deadline: Duration::from_secs(20),
            limits: config::SourceLimits {
                max_series,
                max_labels: 3,
                max_label_name: 8,
                max_label_value: 8,
                max_record: 16,
            },
            labels,
            queue: config::Queue { max: 0, wait: false },
        })
    }

    fn series(host: &str) -> Series {
        Series::gauge("cpu", "percent").label("host", host).build()
    }

    #[test]
    fn configured_labels_are_added_and_the_handle_is_shared() {
        let mut intake = intake(10);
        let batch = Samples::at(NOW).with(&series("a"), 1.0);
        let (first, complaint) = intake.admit(&batch, NOW, NOW);
        assert_eq!(complaint, None);
        assert_eq!(first.series()[0].to_string(), r#"cpu{host="a",plane="paas"}"#);
        let (second, _) = intake.admit(&Samples::at(NOW).with(&series("a"), 2.0), NOW, NOW);
        assert!(first.series()[0].same_handle(&second.series()[0]));
    }

    #[test]
    fn of_two_series_with_one_hash_each_stays_itself() {
        let mut intake = intake(10);
        let (a, b) = (series("a"), series("b"));
        let known = Known { series: b.clone(), seen: NOW };
        intake.known.insert(intake.hasher.hash_one(&a), known);
        for one in [&a, &b, &a] {
            let (taken, _) = intake.admit(&Samples::at(NOW).with(one, 1.0), NOW, NOW);
            assert_eq!(taken.series()[0].label("host"), one.label("host"));
        }
    }

    #[test]
    fn an_index_without_a_series_drops_its_point_alone() {
        let good = Point { series: 0, flags: 0, time: NOW, value: 1.0 };
        let points = vec![good, Point { series: 7, ..good }, Point { series: u32::MAX, ..good }];
        let batch = Samples::from_parts(vec![series("a")], points, NOW);
        let (taken, complaint) = intake(10).admit(&batch, NOW, NOW);
        assert_eq!(taken.points().len(), 1);
        let complaint = complaint.unwrap();
        assert_eq!(complaint.dropped, 2);
        assert_eq!(complaint.cause, "dropped 2 points name a series that is not in their batch");
    }

    #[test]
    fn over_max_series_new_ones_are_dropped_and_known_ones_go_on() {
        let mut intake = intake(2);
        let two = Samples::at(NOW).with(&series("a"), 1.0).with(&series("b"), 1.0);
        assert_eq!(intake.admit(&two, NOW, NOW).1, None);
        let three = two.with(&series("c"), 1.0);
        let (taken, complaint) = intake.admit(&three, NOW, NOW);
        assert_eq!(taken.points().len(), 2);
        assert_eq!(complaint.unwrap().cause, "dropped 1 new series over max_series = 2");
        // Silent for ten intervals: they make room.
        let later = NOW.after(Duration::from_mins(10));
        let (taken, complaint) =
            intake.admit(&Samples::at(later).with(&series("c"), 1.0), later, later);
        assert_eq!((taken.points().len(), complaint), (1, None));
    }

    #[test]
    fn what_is_over_a_limit_on_labels_is_named() {
        let many =
            (0..4).fold(Series::gauge("cpu", ""), |series, n| series.label(format!("l{n}"), "v"));
        let cases = [
            (many.build(), "`cpu` has 4 labels, over 3"),
            (Series::gauge("", "").build(), "a series has no name"),
            (Series::gauge("long_name_x", "").build(), "the name `long_name_x…` has over 8 bytes"),
            (series("123456789"), "`cpu`: the label `host` has over 8 bytes"),
        ];
        for (series, why) in cases {
            let (taken, complaint) =
                intake(10).admit(&Samples::at(NOW).with(&series, 1.0), NOW, NOW);
            assert!(taken.points().is_empty(), "{why}");
            let cause = complaint.unwrap().cause;
            assert!(cause.ends_with(why), "{cause}");
        }
    }

    #[test]
    fn a_point_from_the_far_future_and_its_watermark_are_not_believed() {
        let far = Timestamp::from_nanos(i64::MAX);
        let (taken, complaint) =
            intake(10).admit(&Samples::at(far).with(&series("a"), 1.0), NOW, NOW);
        assert!(taken.points().is_empty());
        assert_eq!(taken.complete_until(), NOW.after(AHEAD));
        assert!(complaint.unwrap().cause.contains("in the future"));
    }

    #[test]
    fn points_after_their_time_was_judged_are_taken_and_said_for_five_minutes() {
        let mut intake = intake(10);
        let at = |second| Timestamp::from_seconds(1_000_000 + second);
        let series = Series::gauge("m", "1").build();
        let mut admit = |second: i64, point: i64, flags: u32| {
            let mut samples = Samples::at(at(second));
            samples.push_flagged(&series, 1.0, at(point), flags);
            let (taken, complaint) = intake.admit(&samples, at(second), at(second));
            intake.vouch(taken.complete_until(), at(second));
            (taken.points().len(), complaint.map(|complaint| complaint.cause))
        };
        assert_eq!(admit(0, -100, 0), (1, None));
        assert_eq!(admit(30, 1, 0), (1, None));
        assert_eq!(admit(60, 25, Point::DELAYED), (1, None));
        let said = "1 points came when their time was judged, up to 55s late";
        assert_eq!(admit(90, 35, 0), (1, Some(said.into())));
        assert_eq!(admit(390, 380, 0), (1, Some(said.into())));
        assert_eq!(admit(391, 391, 0), (1, None));
        // After a clock that went back nothing is late that is not.
        assert_eq!(admit(-3600, -3600, 0), (1, None));
    }
}
