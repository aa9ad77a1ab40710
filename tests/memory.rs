//! What alarms cost in memory: allocated bytes, which are the same on every run.
#![allow(
    clippy::expect_used,
    unsafe_code,
    reason = "a test; an allocator can't be written without"
)]

mod threshold;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use haetae::{
    config::{Queue, Source, SourceLimits},
    engine::{
        Effects, Engine, Input, Past, SourceTiming, last_slot,
        threshold::rule::{Debounce, Level, Side, Threshold},
    },
    pipeline::intake::Intake,
};
use haetae_plugin::{Samples, Series, Timestamp};
use threshold::threshold;

const ALARMS: usize = 100_000;
const INTERVAL: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(20);

/// The system's allocator, and how many bytes of it are in use.
struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system allocator's; only a number is kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn source() -> Source {
    Source {
        name: "paas".into(),
        kind: "demo".into(),
        options: haetae::config::PluginOptions(serde_json::Value::Null),
        interval: INTERVAL,
        deadline: DEADLINE,
        limits: SourceLimits {
            max_series: ALARMS,
            max_labels: 64,
            max_label_name: 128,
            max_label_value: 1024,
            max_record: 64 << 10,
        },
        labels: BTreeMap::from([("plane".to_owned(), "paas".to_owned())]),
        queue: Queue { max: 0, wait: false },
    }
}

fn engine(now: Timestamp) -> Engine {
    let timing = SourceTiming {
        name: "paas".into(),
        interval: INTERVAL,
        deadline: DEADLINE,
        max_series: ALARMS,
    };
    let critical = Level {
        side: Side::Above,
        raise: 90.0,
        clear: 80.0,
        debounce: Debounce::For(INTERVAL * 2),
        clear_for: Duration::ZERO,
    };
    let watched = Threshold {
        by: Some(vec!["host".into(), "id".into()]),
        labels: BTreeMap::from([("resource".to_owned(), "cpu".to_owned())]),
        critical: Some(critical),
        ..threshold("vm-cpu", "paas", "cpu.used", ALARMS)
    };
    Engine::new(vec![timing], vec![watched], now)
}

/// As a source that keeps nothing builds them, batch after batch.
fn batch(slot: Timestamp) -> Samples {
    let mut samples = Samples::with_capacity(slot, ALARMS);
    for index in 0..ALARMS {
        let series = Series::gauge("cpu.used", "percent")
            .label("host", format!("host-{index:015}"))
            .label("id", format!("vm-{index:017}"));
        samples.push(&series.build(), 95.0);
    }
    samples
}

/// Feeds batches of the slots after `slot`; the answer is what the last change left to store.
fn feed(slots: u32, slot: &mut Timestamp, intake: &mut Intake, engine: &mut Engine) -> Effects {
    let mut last = Effects::default();
    for _ in 0..slots {
        *slot = slot.after(INTERVAL);
        let (samples, complaint) = intake.admit(&batch(*slot), *slot, *slot);
        assert_eq!(complaint, None);
        let effects = engine.step(Input::Samples { source: "paas".into(), samples }, *slot);
        if effects != Effects::default() {
            last = effects;
        }
    }
    last
}

#[test]
fn firing_or_restored_alarms_cost_at_most_1500() {
    let used = || BYTES.load(Ordering::Relaxed);
    let mut slot = last_slot("paas", INTERVAL, Timestamp::from_seconds(1_700_000_000));
    let before = used();
    let (mut intake, mut first) = (Intake::new(&source()), engine(slot));
    let fired = feed(5, &mut slot, &mut intake, &mut first);
    assert_eq!((fired.transitions.len(), fired.standings.len()), (ALARMS, ALARMS));
    let stored = Past { standings: fired.standings, ..Past::default() };
    drop(fired.transitions);
    let kept = used();
    drop((intake, first));
    // What is still in use is what is stored.
    let fresh = (kept - used()) / ALARMS;
    let (mut intake, mut second) = (Intake::new(&source()), engine(slot));
    assert_eq!(second.restore(stored, &BTreeSet::new(), slot), Effects::default());
    let waiting = (used() - before) / ALARMS;
    assert_eq!(second.alarms().len(), ALARMS);
    assert_eq!(feed(4, &mut slot, &mut intake, &mut second), Effects::default());
    let restored = (used() - before) / ALARMS;
    println!("bytes an alarm: {fresh}, restored {waiting}, with its series {restored}");
    assert!(fresh < 1500 && restored < 1500, "{fresh} and {restored} bytes an alarm");
    drop((intake, second));
}
