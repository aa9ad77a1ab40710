//! The report: what was counted, as configured beside as proposed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use haetae_plugin::options;
use serde::Serialize;
use serde_json::json;

use super::{
    range::Range,
    total::{What, total},
};
use crate::{
    backtest::{BacktestResult, Counts, Side},
    cli::{
        Common,
        output::{self, Style},
    },
    json::time,
};

/// What was counted.
pub(super) struct Report<'a> {
    range: Range,
    outcome: &'a BacktestResult,
}

/// How many more, or fewer.
#[derive(Serialize)]
struct Difference {
    alarms: i128,
    notices: i128,
    flaps: i128,
    in_alarm_ns: i128,
}

impl<'a> Report<'a> {
    pub(super) const fn new(range: Range, outcome: &'a BacktestResult) -> Self {
        Self { range, outcome }
    }

    /// Of both sides how many there are; none if there is one side.
    pub(super) fn totals(&self, what: What) -> Option<(u64, u64)> {
        let (current, proposed) = self.both()?;
        Some((total(current, what), total(proposed, what)))
    }

    /// Prints it.
    pub(super) fn show(&self, common: &Common) {
        if common.is_json() {
            self.json();
        } else {
            self.text(common.style());
        }
    }

    fn json(&self) {
        let Range { from, to } = self.range;
        let progress = self.outcome.progress;
        output::json(&json!({
            "from": time(from),
            "to": time(to),
            "series": progress.series,
            "points": progress.points,
            "current": self.outcome.sides.first(),
            "proposed": self.outcome.sides.get(1),
            "change": self.both().map(|(current, proposed)| Difference::between(current, proposed)),
        }));
    }

    fn text(&self, style: Style) {
        let progress = self.outcome.progress;
        let (series, points) = (progress.series, progress.points);
        output::line(format!("{}: {series} series, {points} points", self.range));
        output::line("");
        self.evaluators();
        self.sinks();
        let Some((current, proposed)) = self.both() else { return };
        let change = Difference::between(current, proposed);
        let paint = |number: i128, word: &str| {
            let text = format!("{number:+} {word}");
            match number {
                1.. => style.bad(&text),
                0 => text,
                _ => style.good(&text),
            }
        };
        let texts = [
            paint(change.alarms, "alarms"),
            paint(change.notices, "notices"),
            paint(change.flaps, "flaps"),
        ];
        let time = signed(change.in_alarm_ns);
        output::line("");
        output::line(format!("proposed: {}, {time} in alarm", texts.join(", ")));
    }

    fn evaluators(&self) {
        let mut table = output::table(&[
            "EVALUATOR",
            "",
            "FIRED",
            "CRITICAL",
            "WARNING",
            "WORSE",
            "RESOLVED",
            "FLAPS",
            "OPEN",
            "IN ALARM",
            "LONGEST",
        ]);
        let sides = &self.outcome.sides;
        let names: BTreeSet<&String> =
            sides.iter().flat_map(|side| side.evaluators.keys()).collect();
        for name in names {
            let counts: Vec<_> = sides.iter().map(|side| side.evaluators.get(name)).collect();
            for (counts, word) in counts.iter().zip(self.words()) {
                let numbers = counts.map(|counts| numbers(counts).map(|one| one.to_string()));
                let numbers = numbers.unwrap_or_else(|| [const { "-" }; 7].map(str::to_owned));
                let times =
                    counts.map(|counts| [counts.in_alarm_ns, counts.longest_ns].map(length));
                let times = times.unwrap_or_else(|| ["-", "-"].map(str::to_owned));
                let cells = [name.clone(), word.into()].into_iter().chain(numbers).chain(times);
                table.add_row(cells);
            }
            if let [Some(current), Some(proposed)] = counts.as_slice() {
                let pairs = numbers(current).into_iter().zip(numbers(proposed));
                let changes = pairs.map(|(before, after)| changed(before, after));
                let time = [
                    (current.in_alarm_ns, proposed.in_alarm_ns),
                    (current.longest_ns, proposed.longest_ns),
                ];
                let times = time.map(|(before, after)| signed(difference(before, after)));
                table.add_row(
                    [String::new(), "change".into()].into_iter().chain(changes).chain(times),
                );
            }
        }
        output::show(&table);
        for (side, word) in sides.iter().zip(self.words()) {
            for (name, counts) in &side.evaluators {
                if counts.errors + counts.ignored > 0 {
                    let Counts { errors, ignored, .. } = counts;
                    output::line(format!(
                        "{name} {word}: {errors} values that are no number, {ignored} series turned away"
                    ));
                }
            }
        }
    }

    fn sinks(&self) {
        let sides = &self.outcome.sides;
        let names: BTreeSet<&String> = sides.iter().flat_map(|side| side.sinks.keys()).collect();
        if sides.iter().flat_map(|side| side.sinks.values()).all(BTreeMap::is_empty) {
            return;
        }
        output::line("");
        let mut table = output::table(&["SINK", "", "NOTICES", "BY REASON"]);
        for name in names {
            let mut before = None;
            for (side, word) in sides.iter().zip(self.words()) {
                let reasons = side.sinks.get(name).cloned().unwrap_or_default();
                let sum: u64 = reasons.values().sum();
                let texts = reasons.iter().map(|(reason, count)| format!("{count} {reason}"));
                let texts = texts.collect::<Vec<_>>().join(", ");
                table.add_row([name.clone(), word.into(), sum.to_string(), texts]);
                if let Some(before) = before.replace(sum) {
                    table.add_row(["", "change", changed(before, sum).as_str(), ""]);
                }
            }
        }
        output::show(&table);
    }

    fn both(&self) -> Option<(&Side, &Side)> {
        match self.outcome.sides.as_slice() {
            [current, proposed] => Some((current, proposed)),
            _ => None,
        }
    }

    fn words(&self) -> impl Iterator<Item = &'static str> + use<> {
        let alone = self.outcome.sides.len() == 1;
        [if alone { "" } else { "now" }, "proposed"].into_iter()
    }
}

impl Difference {
    fn between(current: &Side, proposed: &Side) -> Self {
        let of = |what| difference(total(current, what), total(proposed, what));
        let time = |side: &Side| side.evaluators.values().map(|one| one.in_alarm_ns).sum::<u64>();
        Self {
            alarms: of(What::Alarms),
            notices: of(What::Notices),
            flaps: of(What::Flaps),
            in_alarm_ns: difference(time(current), time(proposed)),
        }
    }
}

fn numbers(counts: &Counts) -> [u64; 7] {
    let Counts { fired, critical, warning, worse, resolved, flaps, open, .. } = *counts;
    [fired, critical, warning, worse, resolved, flaps, open]
}

fn difference(before: u64, after: u64) -> i128 {
    i128::from(after) - i128::from(before)
}

fn changed(before: u64, after: u64) -> String {
    match difference(before, after) {
        0 => String::new(),
        change => format!("{change:+}"),
    }
}

fn signed(nanos: i128) -> String {
    let sign = if nanos < 0 { "-" } else { "+" };
    match u64::try_from(nanos.unsigned_abs()).unwrap_or(u64::MAX) {
        0 => String::from("+0s"),
        nanos => format!("{sign}{}", length(nanos)),
    }
}

/// A length of time in its two greatest units.
fn length(nanos: u64) -> String {
    let time = Duration::from_nanos(nanos);
    let unit = match time.as_secs() {
        0..3_600 => 1,
        3_600..86_400 => 60,
        _ => 3_600,
    };
    let rounded = Duration::from_secs(time.as_secs() / unit * unit);
    options::Duration::from(rounded).to_string()
}
