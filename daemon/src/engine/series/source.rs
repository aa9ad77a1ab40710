//! A source as the engine sees it: how far it has spoken, and the series that someone reads.

use std::{collections::HashMap, time::Duration};

use haetae_plugin::{Point, Samples, Series, Timestamp};

use super::{
    route::Route,
    tracked::Tracked,
    window::{Capacity, Window},
};

/// How many points more than its interval promises a series may bring.
const DENSER: u128 = 16;
/// The most points that are kept of one series.
pub const MOST_POINTS: u32 = 65_536;

/// Timing of a source as the engine needs it.
#[derive(Clone, Debug)]
pub struct SourceTiming {
    /// The source's name.
    pub name: String,
    /// How often it speaks.
    pub interval: Duration,
    /// How long it may take to.
    pub deadline: Duration,
    /// How many series of it an evaluator takes.
    pub max_series: usize,
}

/// A source's watermark and the windows of its series.
#[derive(Debug)]
pub(in crate::engine) struct SourceState {
    pub(in crate::engine) timing: SourceTiming,
    /// Up to when it has said everything, as far as the clock has come.
    pub(super) watermark: Option<Timestamp>,
    /// Since when it is down.
    pub(in crate::engine) down: Option<Timestamp>,
    /// From when to when it was down the last time.
    outage: Option<(Timestamp, Timestamp)>,
    routes: HashMap<String, Vec<Route>>,
    /// Where a series is tracked, by the address of its handle.
    handles: HashMap<usize, usize>,
    /// Series that no evaluator wants, by the same; held, so that the address stays their own.
    unwanted: HashMap<usize, Series>,
    known: HashMap<Series, usize>,
    tracked: Vec<Option<Box<Tracked>>>,
    free: Vec<usize>,
    /// Until when series of which only the past is known are kept.
    recalled: Option<Timestamp>,
    /// Where the series of a batch are; kept for its room.
    places: Vec<Tracking>,
}

/// Where a series of a batch is tracked.
#[derive(Clone, Copy, Debug)]
enum Tracking {
    Unasked,
    Nowhere,
    At(usize),
}

impl SourceState {
    /// A source that has said nothing yet.
    pub(in crate::engine) fn new(timing: SourceTiming) -> Self {
        Self {
            timing,
            watermark: None,
            down: None,
            outage: None,
            routes: HashMap::new(),
            handles: HashMap::new(),
            unwanted: HashMap::new(),
            known: HashMap::new(),
            tracked: Vec::new(),
            free: Vec::new(),
            recalled: None,
            places: Vec::new(),
        }
    }

    /// Goes on with what the same source knew before the plan was replaced: where each series is
    /// now, by where it was. `wanted` says whether an evaluator of the new plan reads it.
    pub(in crate::engine) fn succeed(
        &mut self,
        before: Self,
        wanted: impl Fn(usize, &Series) -> bool,
    ) -> HashMap<usize, usize> {
        (self.watermark, self.down, self.outage) = (before.watermark, before.down, before.outage);
        self.recalled = before.recalled;
        let mut moved = HashMap::new();
        for (was, tracked) in before.tracked.into_iter().enumerate() {
            let Some(Tracked { series, window, .. }) = tracked.map(|tracked| *tracked) else {
                continue;
            };
            let routes = self.routes.get(series.name()).into_iter().flatten();
            let wanting = routes.filter(|route| wanted(route.evaluator, &series));
            let wanting: Vec<_> = wanting.copied().collect();
            if wanting.is_empty() {
                continue;
            }
            let place = self.track(&series, &wanting);
            if let Some(Some(tracked)) = self.tracked.get_mut(place) {
                tracked.window = window;
            }
            moved.insert(was, place);
        }
        moved
    }

    /// An evaluator has the series at `place` already.
    pub(in crate::engine) fn attached(&mut self, place: usize, evaluator: usize) {
        if let Some(Some(tracked)) = self.tracked.get_mut(place) {
            tracked.attach(evaluator);
        }
    }

    /// Keeps series that nobody has for as long as somebody can use their past; they are offered
    /// when they speak again.
    pub(in crate::engine) fn settle(&mut self, now: Timestamp) {
        let mut tracked = self.tracked.iter().flatten();
        if tracked.any(|tracked| tracked.is_unread()) {
            let keep = self.routes.values().flatten().map(|route| route.keep).max();
            self.recalled = self.recalled.max(Some(now.after(keep.unwrap_or_default())));
        }
    }

    /// Adds an evaluator that reads `metric`.
    pub(in crate::engine) fn route(&mut self, metric: &str, route: Route) {
        self.routes.entry(metric.into()).or_default().push(route);
    }

    /// The points of the series at `place`.
    pub(in crate::engine) fn window(&self, place: usize) -> Option<&Window> {
        Some(&self.tracked.get(place)?.as_ref()?.window)
    }

    /// How long after a slot it must have spoken about it.
    pub(in crate::engine) fn patience(&self) -> Duration {
        self.timing.interval.saturating_add(self.timing.deadline)
    }

    /// Whether it has said everything about times up to `at`.
    pub(in crate::engine) fn has_reached(&self, at: Timestamp) -> bool {
        self.watermark.is_some_and(|watermark| watermark >= at)
    }

    /// It is down, if it was not before.
    pub(in crate::engine) fn outage(&mut self, now: Timestamp) {
        self.down.get_or_insert(now);
    }

    /// It is back.
    pub(in crate::engine) fn recover(&mut self, now: Timestamp) {
        if let Some(since) = self.down.take() {
            self.outage = Some((since, now));
        }
    }

    /// Whether a point of the slot `at` may be missing because it was down. A failure is known
    /// only after the slot that it is of.
    pub(in crate::engine) fn was_down(&self, at: Timestamp) -> bool {
        let (start, end) = (at.before(self.timing.interval), at.after(self.patience()));
        let outage = self.outage.is_some_and(|(since, until)| start <= until && since <= end);
        outage || self.down.is_some_and(|since| since <= end)
    }

    /// Takes what a clock that went back to `now` has stamped out of the future.
    pub(in crate::engine) fn follow_clock(&mut self, now: Timestamp) {
        let soon = now.after(self.timing.interval);
        if self.watermark.is_some_and(|watermark| watermark > soon) {
            self.watermark = Some(now);
        }
        self.down = self.down.map(|since| since.min(now));
        self.outage = self.outage.map(|(since, until)| (since.min(now), until.min(now)));
        for tracked in self.tracked.iter_mut().flatten() {
            tracked.window.forget_after(soon);
        }
    }

    /// Takes a batch. `wanted` says whether an evaluator reads a series; the answer is the series
    /// that have spoken and that evaluators are to be offered.
    pub(in crate::engine) fn take(
        &mut self,
        samples: &Samples,
        now: Timestamp,
        wanted: impl Fn(usize, &Series) -> bool,
    ) -> Vec<usize> {
        let mut offers = Vec::new();
        self.fill(samples, now, wanted, Some(&mut offers));
        // A watermark from the future would make slots complete that nobody has measured.
        self.watermark = self.watermark.max(Some(samples.complete_until().min(now)));
        if self.recalled.is_some_and(|until| until < now) {
            self.recalled = None;
            for place in 0..self.tracked.len() {
                self.drop_unread(place);
            }
        }
        offers
    }

    /// Fills windows with what was before the start. Nobody is offered a series of which nothing
    /// else is known: it may be long gone.
    pub(in crate::engine) fn recall(
        &mut self,
        samples: &Samples,
        now: Timestamp,
        wanted: impl Fn(usize, &Series) -> bool,
    ) {
        self.fill(samples, now, wanted, None);
        let keep = self.routes.values().flatten().map(|route| route.keep).max();
        self.recalled = Some(now.after(keep.unwrap_or_default()));
    }

    fn fill(
        &mut self,
        samples: &Samples,
        now: Timestamp,
        wanted: impl Fn(usize, &Series) -> bool,
        mut offers: Option<&mut Vec<usize>>,
    ) {
        let mut places = std::mem::take(&mut self.places);
        places.clear();
        places.resize(samples.series().len(), Tracking::Unasked);
        for point in samples.points() {
            let Ok(index) = usize::try_from(point.series) else { continue };
            let (Some(series), Some(place)) = (samples.series().get(index), places.get_mut(index))
            else {
                continue;
            };
            if offers.is_none() && point.time > now {
                continue;
            }
            if matches!(place, Tracking::Unasked) {
                *place = self.resolve(series, &wanted).map_or(Tracking::Nowhere, Tracking::At);
            }
            if let Tracking::At(place) = *place {
                self.push(place, point, now, offers.as_deref_mut());
            }
        }
        self.places = places;
    }

    /// Offers the series at `place` to each evaluator that wants it and does not have it;
    /// `attach`, which is told whether it has ended, says whether it takes it. A series that nobody
    /// takes is forgotten.
    pub(in crate::engine) fn offer(
        &mut self,
        place: usize,
        attach: impl FnMut(usize, (&Series, bool)) -> bool,
    ) {
        if let Some(Some(tracked)) = self.tracked.get_mut(place) {
            tracked.offer(attach);
            self.drop_unread(place);
        }
    }

    /// An evaluator has let go of the series at `place`.
    pub(in crate::engine) fn detach(&mut self, place: usize, evaluator: usize) {
        if let Some(Some(tracked)) = self.tracked.get_mut(place) {
            tracked.detach(evaluator);
            self.drop_unread(place);
        }
    }

    fn push(
        &mut self,
        place: usize,
        point: &Point,
        now: Timestamp,
        offers: Option<&mut Vec<usize>>,
    ) {
        let Some(Some(tracked)) = self.tracked.get_mut(place) else { return };
        let keep = tracked.keep;
        let expected = keep.as_nanos() / self.timing.interval.as_nanos().max(1);
        let most = expected.saturating_add(4).saturating_mul(DENSER).min(MOST_POINTS.into());
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        tracked.window.push(point, now, Capacity { keep, most });
        if let Some(offers) = offers
            && tracked.wants_offer()
        {
            offers.push(place);
        }
    }

    /// Where a series is tracked; `None` if nobody wants it.
    fn resolve(
        &mut self,
        series: &Series,
        wanted: impl Fn(usize, &Series) -> bool,
    ) -> Option<usize> {
        let address = series.address();
        if self.unwanted.contains_key(&address) {
            return None;
        }
        let place = self.handles.get(&address).copied();
        let is = |place: &usize| self.tracks(*place).is_some_and(|it| it.same_handle(series));
        if let Some(place) = place.filter(is) {
            return Some(place);
        }
        let routes = self.routes.get(series.name())?;
        let place = if let Some(place) = self.known.get(series).copied() {
            self.renew(place, series);
            Some(place)
        } else {
            let wanting = routes.iter().filter(|route| wanted(route.evaluator, series));
            let wanting: Vec<_> = wanting.copied().collect();
            (!wanting.is_empty()).then(|| self.track(series, &wanting))
        };
        // Sources may make new handles all the time: then none of the old ones is missed.
        let most = self.timing.max_series.saturating_mul(2).saturating_add(1024);
        if self.handles.len() + self.unwanted.len() > most {
            self.handles.clear();
            self.unwanted.clear();
        }
        match place {
            Some(place) => drop(self.handles.insert(address, place)),
            None => drop(self.unwanted.insert(address, series.clone())),
        }
        place
    }

    fn track(&mut self, series: &Series, routes: &[Route]) -> usize {
        let tracked = Box::new(Tracked::new(series.clone(), routes));
        let place = self.free.pop().unwrap_or(self.tracked.len());
        match self.tracked.get_mut(place) {
            Some(free) => *free = Some(tracked),
            None => self.tracked.push(Some(tracked)),
        }
        self.known.insert(series.clone(), place);
        place
    }

    /// A source that was opened again has new handles for all that it measures.
    fn renew(&mut self, place: usize, series: &Series) {
        let Some(Some(tracked)) = self.tracked.get_mut(place) else { return };
        tracked.series = series.clone();
        self.known.remove(series);
        self.known.insert(series.clone(), place);
    }

    fn tracks(&self, place: usize) -> Option<&Series> {
        Some(&self.tracked.get(place)?.as_ref()?.series)
    }

    fn drop_unread(&mut self, place: usize) {
        let Some(slot) = self.tracked.get_mut(place) else { return };
        if let Some(tracked) = slot.take_if(|tracked| tracked.is_unread() && !tracked.is_offered())
        {
            self.known.remove(&tracked.series);
            self.free.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that speaks each ten seconds, and whose `cpu` somebody reads.
    fn source() -> SourceState {
        let (interval, deadline) = (Duration::from_secs(10), Duration::ZERO);
        let timing = SourceTiming { name: "s".into(), interval, deadline, max_series: 10 };
        let mut source = SourceState::new(timing);
        source.route("cpu", Route { evaluator: 0, keep: Duration::from_secs(30) });
        source
    }

    #[test]
    fn an_outage_that_a_clock_ahead_has_stamped_is_one_after_the_clock_was_put_right() {
        let at = Timestamp::from_seconds;
        let mut source = source();
        source.outage(at(3700));
        source.follow_clock(at(100));
        source.recover(at(120));
        let down =
            |source: &SourceState| [80, 90, 110, 130, 140].map(|slot| source.was_down(at(slot)));
        assert_eq!(down(&source), [false, true, true, true, false]);
        // What is over before the clock is put right is over.
        source.outage(at(3700));
        source.recover(at(3720));
        source.follow_clock(at(200));
        assert!(!source.was_down(at(220)));
    }

    #[test]
    fn a_series_is_known_by_the_newest_of_its_handles() {
        let at = Timestamp::from_seconds;
        let mut source = source();
        let series = || Series::gauge("cpu", "percent").label("id", "a").build();
        for (second, series) in [(10, series()), (20, series())] {
            let samples = Samples::at(at(second)).with(&series, 1.0);
            for place in source.take(&samples, at(second), |_, _| true) {
                source.offer(place, |_, _| true);
            }
            assert_eq!((source.known.len(), source.tracked.len()), (1, 1), "{second}");
            assert!(source.tracks(0).is_some_and(|it| it.same_handle(&series)), "{second}");
        }
    }

    #[test]
    fn a_series_of_which_only_the_past_is_known_is_forgotten_with_it() {
        let at = Timestamp::from_seconds;
        let mut source = source();
        let series = |id: &str| Series::gauge("cpu", "percent").label("id", id).build();
        let past = Samples::at(at(100)).with(&series("gone"), 1.0).with(&series("here"), 1.0);
        source.recall(&past, at(100), |_, _| true);
        assert_eq!((source.known.len(), source.watermark), (2, None));
        for (second, known) in [(110, 2), (130, 2), (131, 1)] {
            let samples = Samples::at(at(second)).with(&series("here"), 1.0);
            for place in source.take(&samples, at(second), |_, _| true) {
                source.offer(place, |_, _| true);
            }
            assert_eq!(source.known.len(), known, "{second}");
        }
    }
}
