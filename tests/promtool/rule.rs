//! A rule made by chance, in both notations, with the series that it is tested on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    time::Duration,
};

use super::{Firing, chance::Chance};

/// A rule with one or two levels.
pub(crate) struct Rule {
    pub(crate) name: String,
    interval: u32,
    /// How many intervals lie between two evaluations.
    stride: u32,
    above: bool,
    /// Thresholds, each with `for` and `keep_firing_for` in evaluations.
    warning: Option<Level>,
    critical: Option<Level>,
    across: Option<&'static str>,
    series: Vec<(BTreeMap<String, String>, String)>,
    samples: u32,
}

struct Level {
    number: f64,
    held: u32,
    kept: u32,
}

impl Rule {
    pub(crate) fn by(chance: &mut Chance, index: usize) -> Self {
        let above = !chance.once_in(3);
        let samples = 20 + chance.below(40);
        let levels = chance.below(3);
        let ends = chance.once_in(4);
        let mut level = |number: f64| {
            let held = chance.below(6);
            let kept = if ends || chance.once_in(2) { 0 } else { chance.below(5) };
            Level { number, held, kept }
        };
        // Between whole numbers and on them: equal does not fire.
        let (low, high) = if above { (6.0, 8.5) } else { (3.5, 2.0) };
        let warning = (levels != 0).then(|| level(low));
        let critical = (levels != 1).then(|| level(high));
        let across =
            [None, None, Some("max"), Some("min"), Some("sum"), Some("count"), Some("mean")];
        let across = across[chance.index(7)];
        let series = (0..=chance.below(5)).map(|at| {
            let label = |name: &str, value: u32| (name.to_owned(), format!("{name}{value}"));
            let labels = BTreeMap::from([label("id", at), label("zone", at % 2)]);
            (labels, values(chance, samples, ends))
        });
        let series = series.collect();
        let (interval, stride) = ([10, 30, 60][chance.index(3)], 1 + chance.below(2));
        let name = format!("rule-{index}");
        Self { name, interval, stride, above, warning, critical, across, series, samples }
    }

    /// The time between two evaluations.
    pub(crate) fn every(&self) -> Duration {
        Duration::from_secs(u64::from(self.interval * self.stride))
    }

    /// How many evaluations there are.
    pub(crate) fn slots(&self) -> u32 {
        (self.samples - 1).div_ceil(self.stride) + 1
    }

    /// Whether an alarm of it fires on for a while.
    pub(crate) fn keeps(&self) -> bool {
        self.levels().any(|(_, level)| level.kept > 0)
    }

    fn levels(&self) -> impl Iterator<Item = (&'static str, &Level)> {
        let warning = self.warning.iter().map(|level| ("warning", level));
        warning.chain(self.critical.iter().map(|level| ("critical", level)))
    }

    fn seconds(&self, evaluations: u32) -> u64 {
        self.every().as_secs() * u64::from(evaluations)
    }

    /// The rule and its test as haetae has them.
    pub(crate) fn ours(&self) -> String {
        let Self { name, interval, .. } = self;
        let mut text = format!(
            "[sources.{name}-source]\nplugin = \"any\"\ninterval = \"{interval}s\"\n\
             [evaluators.{name}]\ninputs = [\"{name}-source\"]\nmetric = \"m\"\nevery = \"{}s\"\n",
            self.every().as_secs()
        );
        if let Some(across) = self.across {
            write!(text, "by = [\"zone\"]\nacross = \"{across}\"\n").unwrap();
        }
        let side = if self.above { "above" } else { "below" };
        for (severity, Level { number, held, kept }) in self.levels() {
            let (held, kept) = (self.seconds(*held), self.seconds(*kept));
            writeln!(
                text,
                "{severity} = {{ {side} = {number:?}, for = \"{held}s\", clear_for = \"{kept}s\" }}"
            )
            .unwrap();
        }
        write!(text, "[[evaluators.{name}.test]]\nexpect = []\nseries = [\n").unwrap();
        for (labels, values) in &self.series {
            writeln!(text, "'m{} {values}',", shown(labels)).unwrap();
        }
        text + "]\n"
    }

    /// The rule as Prometheus has it.
    pub(crate) fn theirs(&self) -> String {
        let operator = if self.above { '>' } else { '<' };
        let across = self.across.map(|across| across.replace("mean", "avg"));
        let series = across.map_or("m".into(), |across| format!("{across} by (zone) (m)"));
        let mut text = String::from("groups:\n- name: g\n  rules:\n");
        for (severity, Level { number, held, kept }) in self.levels() {
            let (held, kept) = (self.seconds(*held), self.seconds(*kept));
            write!(text, "  - alert: {severity}\n    expr: {series} {operator} {number:?}\n    for: {held}s\n").unwrap();
            if kept > 0 {
                writeln!(text, "    keep_firing_for: {kept}s").unwrap();
            }
        }
        text
    }

    /// A test for promtool that expects this at every evaluation. Of an alarm that is critical
    /// ours does not say whether it would be a warning as well, and neither is it asked then.
    pub(crate) fn test(&self, firing: &Firing) -> String {
        let Self { name, interval, .. } = self;
        let every = self.every().as_secs();
        let mut text = format!(
            "rule_files: [{name}.rules.yml]\nevaluation_interval: {every}s\ntests:\n- interval: {interval}s\n  input_series:\n"
        );
        for (labels, values) in &self.series {
            write!(text, "  - series: 'm{}'\n    values: '{values}'\n", shown(labels)).unwrap();
        }
        text += "  alert_rule_test:\n";
        for (slot, alarms) in (0_u64..).zip(firing) {
            let is_critical = alarms.values().any(|severity| *severity == "critical");
            for (asked, _) in self.levels() {
                if asked == "warning" && is_critical {
                    continue;
                }
                write!(text, "  - eval_time: {}s\n    alertname: {asked}\n", slot * every).unwrap();
                let firing = alarms.iter().filter(|(_, severity)| **severity == asked);
                let labels: BTreeSet<_> = firing.map(|(labels, _)| labels).collect();
                if !labels.is_empty() {
                    text += "    exp_alerts:\n";
                }
                for labels in labels {
                    let pairs = labels.iter().map(|(name, value)| format!("{name}: {value}"));
                    let pairs: Vec<_> = pairs.collect();
                    writeln!(text, "    - exp_labels: {{{}}}", pairs.join(", ")).unwrap();
                }
            }
        }
        text
    }
}

fn shown(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    format!("{{{}}}", pairs.join(","))
}

/// Constants and ramps around the thresholds, as many samples as wanted; perhaps it ends.
fn values(chance: &mut Chance, samples: u32, ends: bool) -> String {
    let mut left = if ends { samples - 1 - chance.below(samples / 2) } else { samples };
    let mut words = Vec::new();
    while left > 0 {
        let count = (1 + chance.below(9)).min(left);
        let start = chance.below(11);
        words.push(match chance.below(3) {
            0 => format!("{start}x{}", count - 1),
            1 => format!("{start}+1x{}", count - 1),
            _ => format!("{start}-1x{}", count - 1),
        });
        left -= count;
    }
    if ends {
        words.push("stale".into());
    }
    words.join(" ")
}

/// A notation with every form in it.
pub(crate) fn notation(chance: &mut Chance) -> String {
    let words = (0..=chance.below(6)).map(|_| {
        let (start, step, count) = (chance.below(200), chance.below(50), chance.below(5));
        match chance.below(9) {
            0 => "_".into(),
            1 => format!("_x{}", count + 1),
            2 => "stale".into(),
            3 => format!("{start}"),
            4 => format!("-{start}.25"),
            5 => format!("{start}x{count}"),
            6 => format!("{start}.5+{step}.125x{count}"),
            7 => format!("-{start}-{step}x{count}"),
            _ => format!("{start}e-1+{step}e-2x{count}"),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
