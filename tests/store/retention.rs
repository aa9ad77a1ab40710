//! Retention through the store: what is old enough goes, what something still needs stays.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use haetae::{
    clock::Clock,
    config,
    deliver::retention::Pruner,
    engine::{Problem, last_slot},
    stage::Stage,
    store::{
        HAETAE, Handled, History, JournalEvent, Location, Notified, Pruned, STATEMENTS, Store,
        Transaction,
    },
};
use haetae_plugin::{Severity, Timestamp};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Client, NoticeKind, about, claim, enqueue, notification, on_both, open,
    people::{alarm, ended, save},
    restarts::{engine, judge, keep, past},
    write,
};

const DAY: Duration = Duration::from_hours(24);
/// Rows that a step removes of each kind at the most.
const STEP: u64 = 250;

/// The days of the tests are counted from one that begins at midnight.
fn on(day: i64) -> Timestamp {
    Timestamp::from_seconds((20_000 + day) * 86_400 + 43_200)
}

/// The second of a day, from [`super::at`] on.
fn second(day: i64) -> i64 {
    on(day).seconds() - super::at(0).seconds()
}

/// Prunes step by step until there is nothing more.
async fn prune(store: &Store, until: History) -> Pruned {
    let mut all = Pruned::default();
    let mut step = Pruned { alarms: 1, ..Pruned::default() };
    for _ in 0..100 {
        if step.is_nothing() {
            break;
        }
        step = store.prune(until).await.unwrap();
        let Pruned { alarms, journal, notices, dead_letters } = step;
        // Closed and unreachable ones are two transactions.
        assert!(alarms.max(journal).max(notices / 2).max(dead_letters) <= STEP, "{step:?}");
        all.add(step);
    }
    assert!(step.is_nothing(), "it does not come to an end: {all:?}");
    all
}

async fn tell(store: &Store, sink: &'static str, alarm: &'static str, owes: bool, day: i64) {
    let told = Notified { alarm, owes, root: "" };
    write(store, move |transaction| transaction.owe(sink, &[told], on(day))).await;
}

/// Of whom an alarm was told, with how that stands.
async fn told(store: &Store, alarm: &str) -> Vec<String> {
    let debts = store.obligations_of(alarm).await.unwrap();
    debts.iter().map(|debt| format!("{} {:?}", debt.sink, debt.state)).collect()
}

async fn record(store: &Store, alarm: &'static str, day: i64) {
    let record = move |transaction: &mut Transaction<'_>| {
        transaction.record(on(day), alarm, HAETAE, JournalEvent::Changed, "")
    };
    write(store, record).await;
}

/// The one notice of a sink becomes a dead letter.
async fn bury(store: &Store, sink: &'static str, day: i64) {
    let claimed = claim(store, sink, on(day).after(Duration::from_secs(1))).await;
    write(store, move |transaction| {
        assert_eq!(claimed.len(), 1, "{claimed:?}");
        let row = &claimed[0];
        assert!(transaction.bury(row, &row.notification, "rejected").unwrap());
        Ok(())
    })
    .await;
}

async fn handle(store: &Store, alarms: &[&'static str]) {
    let alarms = alarms.to_vec();
    write(store, move |transaction| {
        let handled = Handled { version: 1, ..Handled::default() };
        let rows: Vec<_> = alarms.iter().map(|alarm| (*alarm, &handled)).collect();
        assert_eq!(transaction.handle(&rows).unwrap().len(), alarms.len());
        Ok(())
    })
    .await;
}

async fn is_known(store: &Store, alarm: &str) -> bool {
    store.alarm(alarm).await.unwrap().is_some()
}

#[test]
fn alarms_that_ended_go_with_their_handling_once_nobody_is_to_be_told_of_them() {
    on_both("old_alarms", async |location| {
        let store = open(&location).await;
        let old = ["gone-1", "quiet-1", "lost-1", "owed-1", "waits-1", "dead-1"];
        let young = second(200);
        let alarms: Vec<_> = old.iter().map(|id| ended(id, second(10))).collect();
        save(&store, &alarms).await;
        save(&store, &[ended("young-1", young), alarm("live-1", Severity::Warning)]).await;
        handle(&store, &["gone-1", "owed-1", "young-1", "live-1"]).await;
        tell(&store, "mail", "quiet-1", false, 9).await;
        tell(&store, "mail", "lost-1", true, 9).await;
        tell(&store, "mail", "owed-1", true, 9).await;
        let lose = |transaction: &mut Transaction<'_>| {
            transaction.lose("mail", &["lost-1"], "rejected", on(10))
        };
        write(&store, lose).await;
        // A beginning that is late: who takes it is to be told of the end.
        enqueue(&store, "away", "waits-1", NoticeKind::Problem, on(9)).await;
        enqueue(&store, "dead", "dead-1", NoticeKind::Problem, on(9)).await;
        bury(&store, "dead", 9).await;

        assert_eq!(prune(&store, History::default()).await, Pruned::default(), "all is kept");
        let until = History { alarms: Some(on(100)), ..History::default() };
        let gone = prune(&store, until).await;
        assert_eq!(gone, Pruned { alarms: 3, ..Pruned::default() });
        assert_eq!(store.pruned(), gone, "what /metrics shows");
        for alarm in ["gone-1", "quiet-1", "lost-1"] {
            assert!(!is_known(&store, alarm).await, "{alarm} is old enough ({location})");
        }
        for alarm in ["owed-1", "waits-1", "dead-1", "young-1", "live-1"] {
            assert!(is_known(&store, alarm).await, "{alarm} is needed ({location})");
        }
        let mut versions = Vec::new();
        for alarm in ["gone-1", "owed-1", "young-1", "live-1"] {
            versions.push(store.handling(alarm).await.unwrap().version);
        }
        assert_eq!(versions, [0, 1, 1, 1], "handling goes with its alarm alone");

        // The late beginning arrives: the end can be told, as it could before.
        let row = claim(&store, "away", on(101)).await.remove(0);
        let unsettled = write(&store, move |transaction| {
            transaction.delivered(&[&row]).unwrap();
            let told = Notified { alarm: "waits-1", owes: true, root: "" };
            transaction.owe("away", &[told], on(101)).unwrap();
            let unsettled = transaction.unsettled_of("away", &["waits-1"], on(101)).unwrap();
            Ok(unsettled.into_iter().map(|alarm| alarm.id).collect::<Vec<_>>())
        });
        assert_eq!(unsettled.await, ["waits-1"]);
        assert!(prune(&store, until).await.is_nothing(), "its end is owed now");
        // All that is owed is settled, and the dead letter is dropped.
        let letter = store.waiting("", 10).await.unwrap().remove(0).id;
        write(&store, move |transaction| {
            transaction.close("away", &["waits-1"], "told", on(102)).unwrap();
            transaction.close("mail", &["owed-1"], "told", on(102)).unwrap();
            transaction.drop_row(&letter)
        })
        .await;
        assert_eq!(prune(&store, until).await, Pruned { alarms: 3, ..Pruned::default() });
        for alarm in old {
            assert!(!is_known(&store, alarm).await, "{alarm} ({location})");
        }
        assert_eq!(store.handling("owed-1").await.unwrap().version, 0);
        assert!(is_known(&store, "young-1").await && is_known(&store, "live-1").await);
        store.close().await;
    });
}

#[test]
fn what_happened_and_who_was_told_goes_by_its_age() {
    on_both("old_notices", async |location| {
        let store = open(&location).await;
        save(&store, &[alarm("live-1", Severity::Warning), ended("young-1", second(200))]).await;
        for day in [10, 99, 100, 200] {
            for alarm in ["live-1", "gone-1"] {
                record(&store, alarm, day).await;
            }
        }
        for (alarm, day) in [("gone-1", 10), ("young-1", 200)] {
            tell(&store, "mail", alarm, true, day).await;
            tell(&store, "pager", alarm, true, day).await;
            tell(&store, "quiet", alarm, false, day).await;
            write(&store, move |transaction| {
                transaction.close("mail", &[alarm], "told", on(day)).unwrap();
                transaction.lose("pager", &[alarm], "rejected", on(day))
            })
            .await;
        }
        // Of one that goes on, everything is needed that was told, however long ago.
        for sink in ["mail", "pager", "open", "quiet"] {
            tell(&store, sink, "live-1", sink != "quiet", 10).await;
        }
        write(&store, move |transaction| {
            transaction.close("mail", &["live-1"], "told", on(10)).unwrap();
            transaction.lose("pager", &["live-1"], "rejected", on(10))
        })
        .await;

        let until =
            History { journal: Some(on(100)), notices: Some(on(100)), ..History::default() };
        let gone = prune(&store, until).await;
        assert_eq!(gone, Pruned { journal: 4, notices: 3, ..Pruned::default() });
        for alarm in ["live-1", "gone-1"] {
            let history = store.history(alarm, 10).await.unwrap();
            let left: Vec<_> = history.iter().map(|entry| entry.at).collect();
            assert_eq!(
                left,
                [on(100), on(200)],
                "{alarm}: the day itself is not over ({location})"
            );
        }
        assert_eq!(told(&store, "gone-1").await, [""; 0]);
        let young = ["mail Closed", "pager Unreachable", "quiet Open"];
        assert_eq!(told(&store, "young-1").await, young);
        let live = ["mail Closed", "open Open", "pager Unreachable", "quiet Open"];
        assert_eq!(told(&store, "live-1").await, live);
        store.close().await;
    });
}

#[test]
fn dead_letters_go_with_the_names_of_their_alarms_and_what_waits_stays() {
    on_both("old_letters", async |location| {
        let store = open(&location).await;
        for (sink, day) in [("old", 10), ("young", 200)] {
            for index in 0..3 {
                enqueue(&store, sink, &format!("{index}-1"), NoticeKind::Problem, on(day)).await;
            }
            let claimed = claim(&store, sink, on(day)).await;
            write(&store, move |transaction| {
                for row in &claimed {
                    assert!(transaction.bury(row, &row.notification, "rejected").unwrap());
                }
                Ok(())
            })
            .await;
        }
        // As old, and not given up.
        enqueue(&store, "away", "0-1", NoticeKind::Problem, on(10)).await;
        // More alarms than a step has rows: a letter goes whole all the same.
        let many: Vec<_> =
            (0..600).map(|it| about(&format!("{it}-1"), NoticeKind::Problem)).collect();
        write(&store, move |transaction| {
            let mut notification = notification("0-1", haetae_plugin::Reason::First);
            notification.more = 599;
            let give_up = Duration::from_hours(1);
            let (sink, kind) = ("many", NoticeKind::Problem);
            let notice =
                super::Notice { sink, alarms: many, kind, notification, give_up, lease: None };
            transaction.enqueue(vec![notice], on(10)).map(drop)
        })
        .await;
        bury(&store, "many", 10).await;
        let names = async |store: &Store| store.waiting_about("0-1", 10).await.unwrap().len();
        assert_eq!(names(&store).await, 4);

        let until = History { dead_letters: Some(on(100)), ..History::default() };
        let gone = prune(&store, until).await;
        assert_eq!(gone, Pruned { dead_letters: 4, ..Pruned::default() });
        let left = store.waiting("", 10).await.unwrap();
        let left: Vec<_> = left.iter().map(|row| (row.sink.as_str(), row.dead)).collect();
        assert_eq!(left, [("young", true), ("young", true), ("young", true), ("away", false)]);
        assert_eq!(names(&store).await, 2);
        let found =
            Client::connect(&location).await.count("SELECT count(*) FROM notice_alarms").await;
        assert_eq!(found, 4, "names without a notice are left ({location})");
        store.close().await;
    });
}

#[test]
fn many_go_in_steps_and_occurrences_go_on_beyond_those_that_went() {
    on_both("old_occurrences", async |location| {
        let minute = Duration::from_mins(1);
        let store = open(&location).await;
        let many: Vec<_> =
            (0..600).map(|index| ended(&format!("{index:03}-1"), second(10))).collect();
        save(&store, &many).await;
        // One alarm three times, then clear for so long that nothing is left but its occurrences.
        let first = last_slot("s", minute, on(11));
        let mut judging = engine(Some((0, 0)), first.before(minute));
        let values = "#.#.#.".chars().chain(std::iter::repeat_n('.', 60));
        for (slot, value) in (0..).zip(values) {
            let effects = judge(&mut judging, first.after(minute * slot), value);
            keep(&store, &effects, first, &mut Vec::new()).await;
        }
        assert!(past(&store).await.standings.is_empty(), "something of it goes on");
        assert_eq!(store.past().await.unwrap().floor, 0, "all of them are known");
        let until = History { alarms: Some(on(100)), ..History::default() };
        let gone = prune(&store, until).await;
        assert_eq!(gone, Pruned { alarms: 603, ..Pruned::default() });
        store.close().await;

        let store = open(&location).await;
        let later = last_slot("s", minute, on(101));
        let mut judging = engine(Some((0, 0)), later.before(minute));
        judging.restore(past(&store).await, &BTreeSet::new(), later);
        let effects = judge(&mut judging, later, '#');
        let fired = &effects.transitions[0].alarm.id;
        assert!(fired.ends_with("-4"), "{fired} was told of before ({location})");
        store.close().await;
    });
}

#[test]
fn what_goes_is_found_by_its_key() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("haetae.db");
    runtime.block_on(async { open(&Location::File(path.clone())).await.close().await });
    let client = rusqlite::Connection::open(&path).unwrap();
    let mut seen = 0;
    for (name, sql) in STATEMENTS {
        let prunes = name.starts_with("PRUNE_");
        if !prunes && !["OLD_ENDED", "OLD_JOURNAL", "OLD_TOLD"].contains(name) {
            continue;
        }
        seen += 1;
        let explain = format!("EXPLAIN QUERY PLAN {}", sql.replace('$', "?"));
        let mut statement = client.prepare(&explain).unwrap();
        let count = statement.parameter_count();
        let none = rusqlite::params_from_iter(std::iter::repeat_n(0, count));
        let steps = statement.query_map(none, |row| row.get::<_, String>(3)).unwrap();
        for step in steps.map(Result::unwrap) {
            let is_good = step.starts_with("SEARCH") || step.starts_with("CORRELATED");
            assert!(is_good, "{name}: {step}");
        }
    }
    assert_eq!(seen, 9);
}

#[tokio::test]
async fn the_task_prunes_what_the_clock_says_is_old_and_tells_that_letters_are_gone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&Location::File(directory.path().join("haetae.db"))).await;
    let many: Vec<_> = (0..600).map(|index| ended(&format!("{index:03}-1"), second(10))).collect();
    save(&store, &many).await;
    save(&store, &[ended("young-1", second(12))]).await;
    record(&store, "000-1", 10).await;
    enqueue(&store, "mail", "000-1", NoticeKind::Problem, on(10)).await;
    bury(&store, "mail", 10).await;
    let (events, mut told) = mpsc::channel(10);
    let clock = Arc::new(AtomicI64::new(on(100).nanos()));
    let stop = CancellationToken::new();
    let days = |days: u32| Some(DAY * days);
    let retention = |keep| Pruner {
        keep,
        store: store.clone(),
        clock: Clock::Set(Arc::clone(&clock)),
        sinks: vec!["mail".into(), "pager".into()],
        events: events.clone(),
        stop: stop.clone(),
    };
    let keep = config::Retention {
        alarms: days(400),
        journal: None,
        notices: days(90),
        dead_letters: days(90),
    };
    let task = retention(keep);
    assert_eq!(task.prune_some().await, Pruned::default(), "nothing is old enough");
    clock.store(on(101).nanos(), Ordering::SeqCst);
    assert_eq!(task.prune_some().await, Pruned { dead_letters: 1, ..Pruned::default() });
    for sink in ["mail", "pager"] {
        let event = told.try_recv().unwrap();
        assert_eq!((event.instance.as_str(), event.problem), (sink, Problem::DeadLetters));
        assert_eq!(event.detail, None, "there are none any more");
    }
    clock.store(on(412).nanos(), Ordering::SeqCst);
    assert_eq!(task.prune_some().await, Pruned { alarms: 600, ..Pruned::default() });
    assert!(told.try_recv().is_err(), "no letter went");
    assert!(is_known(&store, "young-1").await, "its day is not over");
    assert_eq!(store.history("000-1", 10).await.unwrap().len(), 1, "the journal is kept for ever");

    // Asked to stop, it prunes no more; while it waits for its first turn it ends at once.
    stop.cancel();
    let all = config::Retention { alarms: days(1), journal: days(1), ..keep };
    assert_eq!(retention(all).prune_some().await, Pruned::default());
    let mut pruning = retention(all);
    let ended = tokio::time::timeout(Duration::from_secs(30), Stage::run(&mut pruning)).await;
    assert!(ended.is_ok(), "it goes on");
    // A store that does not answer is no reason to end.
    store.close().await;
    let stop = CancellationToken::new();
    assert_eq!(Pruner { stop, ..retention(all) }.prune_some().await, Pruned::default());
}
