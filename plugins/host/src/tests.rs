//! On the real machine.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    hint::black_box,
    sync::Arc,
    time::Duration,
};

use haetae_plugin::{
    Batch, Call, Fault, Kind, Metric, Point, Samples, Series, Source, Timestamp, Window,
    testing::Script,
};

use super::{Cpu, Host, Machine, Options, cpu, memory};

/// Enough work to pass any bound on time: a loop that gets here has failed.
const BOUND: u32 = 20_000;

fn host(options: Options) -> Host {
    Host::open(options, Script::new().context()).unwrap()
}

fn collected(host: &mut Host, seconds: i64) -> Samples {
    let window = Window { from: Timestamp::default(), to: Timestamp::from_seconds(seconds) };
    let batch = host.collect(Call::within(Duration::from_secs(20), window)).unwrap();
    let Batch::Samples(samples) = batch else { panic!("not samples") };
    samples
}

fn values(samples: &Samples, name: &str) -> Vec<f64> {
    let named = samples.iter().filter(|(series, _)| series.name() == name);
    named.filter(|(_, point)| !point.has(Point::END)).map(|(_, point)| point.value).collect()
}

fn value(samples: &Samples, name: &str) -> f64 {
    let values = values(samples, name);
    assert_eq!(values.len(), 1, "{name}");
    values[0]
}

/// Keeps a core busy for a moment.
fn work() {
    let mut sum = 0_u64;
    for number in 0..200_000_u64 {
        sum = black_box(sum.wrapping_add(number * number));
    }
    black_box(sum);
}

/// Works until a quarter of a second has passed by the CPU's clock, then measures.
fn busy(host: &mut Host, seconds: i64) -> Samples {
    let machine = Arc::new(Machine { host: String::new(), ip: String::new() });
    let clock = || Cpu::open(&machine).unwrap().clock();
    let start = clock();
    for _ in 0..BOUND {
        work();
        if clock() >= start + cpu::SECOND / 4 {
            return collected(host, seconds);
        }
    }
    panic!("the CPU's clock stands still");
}

/// The names of PaaS-TA's metric agent (facts/paas-ta.md §4.1) and ours.
const AGENT: &[(&str, &str)] = &[
    ("cpuStats.core.{n}", "cpu_used_percent"),
    ("cpuStats.LoadAvg1Stats", "load_1m"),
    ("cpuStats.LoadAvg5Stats", "load_5m"),
    ("cpuStats.LoadAvg15Stats", "load_15m"),
    ("memoryStats.TotalMemory", "memory_total_bytes"),
    ("memoryStats.FreeMemory", "memory_free_bytes"),
    ("memoryStats.BuffersMemory", "memory_buffers_bytes"),
    ("memoryStats.CachedMemory", "memory_cached_bytes"),
    ("memoryStats.SwapCachedMemory", "memory_swap_cached_bytes"),
    ("memoryStats.AvailableMemory", "memory_available_bytes"),
    ("memoryStats.UsedMemory", "memory_used_bytes"),
    ("memoryStats.UsedPercent", "memory_used_percent"),
    ("diskStats.{mount}.Total", "disk_total_bytes"),
    ("diskStats.{mount}.Used", "disk_used_bytes"),
    ("diskStats.{mount}.Available", "disk_available_bytes"),
    ("diskStats.{mount}.Usage", "disk_used_percent"),
    ("diskIOStats.{mount}.{dev}.readCount", "disk_read_count"),
    ("diskIOStats.{mount}.{dev}.writeCount", "disk_write_count"),
    ("diskIOStats.{mount}.{dev}.readBytes", "disk_read_bytes"),
    ("diskIOStats.{mount}.{dev}.writeBytes", "disk_written_bytes"),
    ("diskIOStats.{mount}.{dev}.readTime", "disk_read_seconds"),
    ("diskIOStats.{mount}.{dev}.writeTime", "disk_write_seconds"),
    ("diskIOStats.{mount}.{dev}.ioTime", "disk_io_seconds"),
    ("networkInterface.{if}.MTU", "network_mtu_bytes"),
    ("networkIOStats.{if}.bytesRecv", "network_received_bytes"),
    ("networkIOStats.{if}.bytesSent", "network_sent_bytes"),
    ("networkIOStats.{if}.packetRecv", "network_received_packets"),
    ("networkIOStats.{if}.packetSent", "network_sent_packets"),
    ("networkIOStats.{if}.dropIn", "network_received_drops"),
    ("networkIOStats.{if}.dropOut", "network_sent_drops"),
    ("networkIOStats.{if}.errIn", "network_received_errors"),
    ("networkIOStats.{if}.errOut", "network_sent_errors"),
    ("processes by RSS: memory", "process_memory_bytes"),
    ("processes by RSS: cpu", "process_cpu_percent"),
];

#[test]
fn all_that_paas_tas_agent_measures_is_documented() {
    let documented: BTreeSet<_> =
        Host::metrics(&Options::default()).into_iter().map(|metric| metric.name).collect();
    for (theirs, ours) in AGENT {
        assert!(documented.contains(*ours), "{theirs}: {ours}");
    }
}

#[test]
fn what_is_yielded_is_what_is_documented() {
    let documented = Host::metrics(&Options::default());
    assert!(documented.iter().all(|metric| !metric.help.is_empty()));
    let documented: HashMap<_, _> =
        documented.iter().map(|metric| (metric.name.as_str(), metric)).collect();
    let options = Options { processes_every: Duration::ZERO.into(), ..Options::default() };
    let samples = busy(&mut host(options), 1);
    let mut yielded = BTreeSet::new();
    for (series, _) in samples.iter() {
        let metric = documented.get(series.name()).expect("an undocumented metric");
        documents(metric, series);
        yielded.insert(series.name().to_owned());
    }
    let missing: Vec<_> = documented.keys().filter(|name| !yielded.contains(**name)).collect();
    assert!(missing.is_empty(), "documented, not yielded here: {missing:?}");
}

fn documents(metric: &Metric, series: &Series) {
    assert_eq!(metric.unit, series.unit(), "{series}");
    assert_eq!(metric.kind, series.kind().as_str(), "{series}");
    for (label, _) in series.labels() {
        assert!(metric.labels.iter().any(|known| known == label), "{series} has {label}");
    }
    assert_eq!(series.label("plane"), Some("host"), "{series}");
    assert!(series.label("host").is_some(), "{series}");
    let resource = series.label("resource").expect("a resource");
    let known = ["cpu", "memory", "disk", "network", "process"];
    assert!(known.contains(&resource), "{series}");
}

#[test]
fn work_shows_as_cpu_usage() {
    let mut host = host(Options { processes: 0, ..Options::default() });
    // Others may use the machine meanwhile: usage can only be higher than one busy core.
    let samples = busy(&mut host, 1);
    let total = value(&samples, "cpu_total_used_percent");
    let cores = values(&samples, "cpu_used_percent");
    assert!(total > 0.0 && total <= 100.0, "{total}");
    assert!(cores.iter().any(|used| *used > 10.0), "{cores:?}");
    assert!(cores.iter().all(|used| (0.0..=100.0).contains(used)), "{cores:?}");
    let parts = ["user", "system", "steal"];
    let sum: f64 =
        parts.iter().map(|part| value(&samples, &format!("cpu_total_{part}_percent"))).sum();
    assert!((sum - total).abs() < 1e-6, "{sum} = {total}");
}

#[test]
fn a_reading_that_follows_too_soon_has_no_cpu_usage_and_ends_nothing() {
    let mut host = host(Options { processes: 0, ..Options::default() });
    busy(&mut host, 1);
    // A machine that is busy with others may let too much time pass: then the next one is it.
    let samples = (2..i64::from(BOUND)).map(|slot| collected(&mut host, slot));
    let mut soon = samples.skip_while(|samples| !values(samples, "cpu_used_percent").is_empty());
    let samples = soon.next().expect("a reading within the bound");
    assert_eq!(values(&samples, "cpu_total_used_percent"), [0.0; 0]);
    assert_eq!(values(&samples, "load_1m").len(), 1);
    assert!(!samples.points().iter().any(|point| point.has(Point::END)));
}

#[test]
fn memory_agrees_with_meminfo() {
    let samples = collected(&mut host(Options::default()), 1);
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let bytes = |field| crate::family::value(memory::bytes(&text, field).unwrap());
    let (total, swap) = (bytes("MemTotal"), bytes("SwapTotal"));
    assert_eq!(value(&samples, "memory_total_bytes").to_bits(), total.to_bits());
    assert_eq!(value(&samples, "swap_total_bytes").to_bits(), swap.to_bits());
    let (used, available) =
        (value(&samples, "memory_used_bytes"), value(&samples, "memory_available_bytes"));
    assert!((used + available - total).abs() < 1.0);
    assert!((value(&samples, "memory_used_percent") - 100.0 * used / total).abs() < 1e-9);
    // Others use memory while this runs: a tenth of the total is the bound.
    for (name, field) in [
        ("memory_free_bytes", "MemFree"),
        ("memory_available_bytes", "MemAvailable"),
        ("memory_cached_bytes", "Cached"),
        ("memory_buffers_bytes", "Buffers"),
    ] {
        assert!((value(&samples, name) - bytes(field)).abs() < total / 10.0, "{name}");
    }
}

#[test]
fn the_root_is_among_the_disks() {
    let samples =
        collected(&mut host(Options { exclude_file_systems: vec![], ..Options::default() }), 1);
    let root = samples.iter().find(|(series, _)| {
        series.name() == "disk_total_bytes" && series.label("mount") == Some("/")
    });
    assert!(root.is_some_and(|(_, point)| point.value > 0.0), "{samples:?}");
    let used = values(&samples, "disk_used_percent");
    assert!(used.iter().all(|used| (0.0..=100.0).contains(used)), "{used:?}");
}

#[test]
fn what_is_excluded_is_not_measured() {
    let all = |text: &str| vec![text.into()];
    let options = Options {
        processes: 0,
        exclude_mounts: all("*"),
        exclude_devices: all("*"),
        exclude_interfaces: all("*"),
        ..Options::default()
    };
    let samples = collected(&mut host(options), 1);
    let resources: BTreeSet<_> =
        samples.iter().filter_map(|(series, _)| series.label("resource")).collect();
    assert_eq!(resources, BTreeSet::from(["cpu", "memory"]));
    assert!(samples.series().iter().all(|series| series.label("ip").is_none()));
}

#[test]
fn the_largest_processes_are_read_as_often_as_asked() {
    let mut host = host(Options { processes: 3, ..Options::default() });
    let first = collected(&mut host, 30);
    let memory = values(&first, "process_memory_bytes");
    assert!((1..=3).contains(&memory.len()), "{memory:?}");
    assert!(values(&collected(&mut host, 59), "process_memory_bytes").is_empty());
    assert!(!values(&collected(&mut host, 60), "process_memory_bytes").is_empty());
}

#[test]
fn no_processes_are_documented_where_none_are_asked_for() {
    let metrics = Host::metrics(&Options { processes: 0, ..Options::default() });
    assert!(!metrics.iter().any(|metric| metric.name.starts_with("process_")));
    assert!(metrics.iter().any(|metric| metric.kind == Kind::COUNTER.as_str()));
}

#[test]
fn too_many_processes_are_a_fault_of_the_configuration() {
    let options = Options { processes: 1001, ..Options::default() };
    let error = Host::open(options, Script::new().context()).err().unwrap();
    assert_eq!(error.fault(), Fault::Config);
}

#[test]
fn handles_are_reused_and_points_bear_the_slot() {
    let options = Options { processes: 0, ..Options::default() };
    let mut host = host(options);
    let (first, second) = (collected(&mut host, 1), collected(&mut host, 2));
    let known: BTreeSet<_> = first.series().iter().map(Series::address).collect();
    let again = second.series().iter().filter(|series| known.contains(&series.address()));
    assert!(again.count() >= first.series().len(), "a handle was built anew");
    assert_eq!(second.complete_until(), Timestamp::from_seconds(2));
    assert!(second.points().iter().all(|point| point.time == Timestamp::from_seconds(2)));
}

#[test]
fn a_machine_is_measured_by_cores_that_exist() {
    let samples = busy(&mut host(Options { processes: 0, ..Options::default() }), 1);
    let cores = values(&samples, "cpu_used_percent").len();
    assert!(
        (value(&samples, "cpu_cores") - crate::family::value(u64::try_from(cores).unwrap())).abs()
            < 0.5
    );
}
