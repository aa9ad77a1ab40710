//! The simulation as an evaluator sees it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use haetae_plugin::{
    Batch, Call, Context, Metric, Samples, Series, Source, Timestamp, Window, testing::Script,
};

use super::{Demo, Options, platform};

fn context() -> Context {
    Script::new().context()
}

fn demo(seed: u64) -> Demo {
    Demo::open(Options { seed, ..Options::default() }, context()).unwrap()
}

fn collected(demo: &mut Demo, seconds: i64) -> Samples {
    let window = Window { from: Timestamp::default(), to: Timestamp::from_seconds(seconds) };
    let batch = demo.collect(Call::within(Duration::from_secs(1), window)).unwrap();
    let Batch::Samples(samples) = batch else { panic!("not samples") };
    samples
}

fn distinct(samples: &Samples, label: &str) -> BTreeSet<String> {
    samples.iter().filter_map(|(series, _)| series.label(label)).map(Into::into).collect()
}

#[test]
fn the_platform_has_its_size() {
    let samples = collected(&mut demo(1), 1);
    let counts = ["zone", "cell", "container", "application", "instance"]
        .map(|label| (label, distinct(&samples, label).len()));
    let expected =
        [("zone", 2), ("cell", 12), ("container", 140), ("application", 20), ("instance", 7)];
    assert_eq!(counts, expected);
    assert_eq!(samples.points().len(), platform::SERIES);
    let identities: BTreeSet<_> = samples.iter().map(|(series, _)| series.to_string()).collect();
    assert_eq!(identities.len(), platform::SERIES, "each series once");
    let mut zones = BTreeMap::new();
    for (series, _) in samples.iter() {
        if let (Some(cell), Some(zone)) = (series.label("cell"), series.label("zone")) {
            assert_eq!(zones.entry(cell).or_insert(zone), &zone, "a cell lies in one zone");
        }
    }
}

#[test]
fn what_is_yielded_is_what_is_documented() {
    let documented: HashMap<String, Metric> = Demo::metrics(&Options::default())
        .into_iter()
        .map(|metric| (metric.name.clone(), metric))
        .collect();
    let samples = collected(&mut demo(1), 1);
    let mut yielded = BTreeSet::new();
    for (series, _) in samples.iter() {
        let metric = &documented[series.name()];
        assert_eq!(metric.unit, series.unit(), "{series}");
        let labels: BTreeSet<_> = series.labels().map(|(name, _)| name).collect();
        assert_eq!(labels, metric.labels.iter().map(String::as_str).collect(), "{series}");
        yielded.insert(series.name());
    }
    assert_eq!(yielded.len(), documented.len());
}

/// Who was over 90 in each second of some hours.
fn breaches(seed: u64, seconds: i64) -> Vec<Vec<(Series, f64)>> {
    let mut demo = demo(seed);
    let breach = |samples: Samples| {
        let over = samples.iter().filter(|(series, _)| series.unit() == "percent");
        let over = over.filter(|(_, point)| {
            assert!((0.0..=100.0).contains(&point.value));
            // Between usual and breach lies a gap: no limit in it gives false alarms.
            assert!(point.value < 80.0 || point.value >= 95.0, "{}", point.value);
            point.value > 90.0
        });
        over.map(|(series, point)| (series.clone(), point.value)).collect()
    };
    (0..seconds).map(|second| breach(collected(&mut demo, second))).collect()
}

#[test]
fn each_application_breaches_in_turn_for_half_a_cycle_and_recovers() {
    let seconds = breaches(1, 20 * 60);
    let mut turns = Vec::new();
    for cycle in seconds.chunks(20) {
        let memory = |second: &Vec<(Series, f64)>| {
            let memory = second
                .iter()
                .filter(|(series, _)| series.name() == "container_memory_used_percent");
            memory.map(|(series, _)| series.label("application").unwrap().to_owned()).collect()
        };
        let breaching: Vec<Vec<String>> = cycle.iter().map(memory).collect();
        let during = breaching.iter().filter(|second| !second.is_empty()).count();
        assert_eq!(during, 10, "half of the cycle");
        assert!(breaching[0].is_empty() && breaching[19].is_empty(), "it recovers");
        let applications: BTreeSet<_> = breaching.concat().into_iter().collect();
        assert_eq!(applications.len(), 1, "one application at a time");
        assert_eq!(breaching[10].len(), 7, "all its containers");
        turns.extend(applications);
    }
    assert_eq!(turns[..20].iter().collect::<BTreeSet<_>>().len(), 20, "they take turns");
    assert_eq!(turns[..20], turns[20..40]);
}

#[test]
fn a_cells_cpu_breaches_in_every_third_cycle_and_nothing_else_ever_does() {
    let seconds = breaches(1, 20 * 36);
    let mut cells = BTreeSet::new();
    for (series, _) in seconds.iter().flatten() {
        match series.name() {
            "cell_cpu_used_percent" => drop(cells.insert(series.label("cell").unwrap())),
            name => assert_eq!(name, "container_memory_used_percent"),
        }
    }
    assert_eq!(cells.len(), 12);
    let cycles = seconds.chunks(20).filter(|cycle| {
        cycle.iter().flatten().any(|(series, _)| series.name() == "cell_cpu_used_percent")
    });
    assert_eq!(cycles.count(), 12);
}

#[test]
fn values_depend_on_time_and_seed_alone() {
    let values = |demo: &mut Demo, seconds| -> Vec<u64> {
        collected(demo, seconds).points().iter().map(|point| point.value.to_bits()).collect()
    };
    let (mut one, mut two, mut other) = (demo(7), demo(7), demo(8));
    values(&mut one, 3);
    assert_eq!(values(&mut one, 1_000_000), values(&mut two, 1_000_000));
    assert_ne!(values(&mut one, 1_000_000), values(&mut one, 1_000_001));
    assert_ne!(values(&mut one, 1_000_000), values(&mut other, 1_000_000));
}
