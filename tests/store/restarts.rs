//! The restart table of the design, through the store: what the engine knew comes back as rows.

use std::{collections::BTreeSet, time::Duration};

use haetae::{
    engine::{
        Change, Effects, Engine, Input, Past, SourceTiming, last_slot,
        threshold::rule::{Debounce, LIMIT, Level, NoData, Side, Then, Threshold},
    },
    store::{Location, Standings, Store, pages},
};
use haetae_plugin::{Samples, Series, Timestamp};

use super::{on_both, open, threshold::threshold, write};

const MINUTE: Duration = Duration::from_mins(1);

/// One case: minutes before the daemon ends, minutes that it is down, and when what happens then.
struct Case {
    name: &'static str,
    before: Rule,
    up: u32,
    down: u32,
    after: Rule,
    /// What is seen after the restart, a character a minute as `value` has it.
    values: &'static str,
    /// `minute change`, counted from the first slot of all.
    changes: &'static [&'static str],
}

/// `for` and `clear_for` in minutes; none: no such rule.
type Rule = Option<(u32, u32)>;

const CASES: &[Case] = &[
    Case {
        name: "pending at 0, down 10 to 40, fires at 60",
        before: Some((30, 0)),
        up: 11,
        down: 29,
        after: Some((30, 0)),
        values: "#####################",
        changes: &["60 Fired"],
    },
    Case {
        name: "pending at 0, down 25 to 40, fires at 45",
        before: Some((30, 0)),
        up: 26,
        down: 14,
        after: Some((30, 0)),
        values: "######",
        changes: &["45 Fired"],
    },
    Case {
        name: "was firing: judged again at the first complete evaluation",
        before: Some((0, 0)),
        up: 5,
        down: 10,
        after: Some((0, 0)),
        values: ".",
        changes: &["0 Fired", "15 Resolved"],
    },
    Case {
        name: "was firing: without evidence it stays as it is",
        before: Some((0, 0)),
        up: 5,
        down: 10,
        after: Some((0, 0)),
        values: "  #",
        changes: &["0 Fired"],
    },
    Case {
        name: "for is shortened while it fires: it stays firing",
        before: Some((30, 0)),
        up: 31,
        down: 3,
        after: Some((5, 0)),
        values: "##",
        changes: &["30 Fired"],
    },
    Case {
        name: "recovering goes on where it was",
        before: Some((0, 5)),
        up: 5,
        down: 7,
        after: Some((0, 5)),
        // One minute clear before, none counted while it was down, four more after.
        values: ".....",
        changes: &["0 Fired", "16 Resolved"],
    },
    Case {
        name: "its rule is gone: closed at the start",
        before: Some((0, 0)),
        up: 5,
        down: 10,
        after: None,
        values: "##",
        changes: &["0 Fired", "15 Closed"],
    },
];

#[test]
fn the_restart_table_holds_through_the_store() {
    on_both("restarts", async |location| {
        for case in CASES {
            let seen = run(case, &location).await;
            assert_eq!(seen, case.changes, "{} ({location})", case.name);
            wipe(&location).await;
        }
    });
}

async fn run(case: &Case, location: &Location) -> Vec<String> {
    let first = last_slot("s", MINUTE, Timestamp::from_seconds(1_800_000_000));
    let slot = |minute: u32| first.after(MINUTE * minute);
    let mut changes = Vec::new();
    let store = open(location).await;
    let mut engine = engine(case.before, slot(0).before(MINUTE));
    for minute in 0..case.up {
        // A recovering one has fired once and is clear since then.
        let clear = case.before.is_some_and(|(_, clear)| clear > 0) && minute > 2;
        let effects = judge(&mut engine, slot(minute), if clear { '.' } else { '#' });
        keep(&store, &effects, first, &mut changes).await;
    }
    // Killed: nothing is said, and what is not in the store is gone.
    drop(engine);
    store.close().await;

    let up = case.up + case.down;
    let store = open(location).await;
    let mut engine = self::engine(case.after, slot(up).before(MINUTE));
    let past = past(&store).await;
    let restored = engine.restore(past, &BTreeSet::new(), slot(up));
    keep(&store, &restored, first, &mut changes).await;
    for (minute, value) in (up..).zip(case.values.chars()) {
        let effects = judge(&mut engine, slot(minute), value);
        keep(&store, &effects, first, &mut changes).await;
    }
    store.close().await;
    changes
}

pub(super) fn engine(rule: Rule, now: Timestamp) -> Engine {
    let timing = SourceTiming {
        name: "s".into(),
        interval: MINUTE,
        deadline: Duration::from_secs(1),
        max_series: 10,
    };
    let thresholds = rule.map(|(held, clear)| Threshold {
        critical: Some(Level {
            side: Side::Above,
            raise: 90.0,
            clear: 80.0,
            debounce: Debounce::For(MINUTE * held),
            clear_for: MINUTE * clear,
        }),
        no_data: NoData { after: Some(MINUTE * 10), then: Then::Hold },
        ..threshold("e", "s", "m", LIMIT)
    });
    Engine::new(vec![timing], thresholds.into_iter().collect(), now)
}

/// One slot: `#` holds, `.` is clear, a space says nothing.
pub(super) fn judge(engine: &mut Engine, slot: Timestamp, value: char) -> Effects {
    let mut samples = Samples::at(slot);
    let series = Series::gauge("m", "percent").label("host", "a").build();
    match value {
        '#' => samples.push(&series, 95.0),
        '.' => samples.push(&series, 10.0),
        _ => {}
    }
    engine.step(Input::Samples { source: "s".into(), samples }, slot)
}

pub(super) async fn keep(
    store: &Store,
    effects: &Effects,
    first: Timestamp,
    changes: &mut Vec<String>,
) {
    let (standings, gone) = (effects.standings.clone(), effects.gone.clone());
    write(store, move |transaction| {
        transaction.save_alarms(&standings).unwrap();
        transaction.forget_alarms(&gone).unwrap();
        Ok(())
    })
    .await;
    for transition in &effects.transitions {
        let minute = transition.at.since(first).as_secs() / 60;
        let change: Change = transition.change;
        changes.push(format!("{minute} {change:?}"));
    }
}

/// All that the store holds for an engine.
pub(super) async fn past(store: &Store) -> Past {
    let (read, mut pages) = pages();
    let take = async {
        let mut standings = Vec::new();
        while let Some(page) = pages.next().await {
            standings.extend(Standings::of(&page).standings);
        }
        standings
    };
    let (standings, read) = tokio::join!(take, store.standings(read));
    read.unwrap();
    Past { standings, ..store.past().await.unwrap() }
}

/// Ends what fires, so that the next case begins with nothing.
async fn wipe(location: &Location) {
    let store = open(location).await;
    let ids: Vec<_> =
        past(&store).await.standings.iter().map(|standing| standing.alarm.id.clone()).collect();
    write(&store, move |transaction| {
        transaction.forget_alarms(&ids).unwrap();
        Ok(())
    })
    .await;
    store.close().await;
}
