//! The store on both databases: each statement, each promise, and restarts of the engine through it.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

#[path = "store/echo.rs"]
mod echo;
#[path = "records/image.rs"]
mod image;
#[path = "store/people.rs"]
mod people;
#[path = "store/restarts.rs"]
mod restarts;
#[path = "store/retention.rs"]
mod retention;
mod servers;
mod support;
mod threshold;
#[path = "store/thresholds.rs"]
mod thresholds;

use std::{collections::BTreeMap, path::Path, time::Duration};

use haetae::{
    engine::notify::StoredGroup,
    store::{
        About, Claimed, DebtState, HAETAE, JournalEvent, Location, Notice, NoticeKind, Notified,
        STATEMENTS, Store, StoreError, Transaction,
    },
};
use haetae_plugin::{Alarm, Notification, Reason, Severity, Timestamp};
use servers::postgres::Postgres;
use tokio_postgres::types::Type;

const HOUR: Duration = Duration::from_hours(1);

/// Runs `test` on a new store of each kind.
fn on_both<F: Future<Output = ()>>(name: &str, test: impl Fn(Location) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    runtime.block_on(test(Location::File(directory.path().join("haetae.db"))));
    let server = Postgres::start();
    let url = server.database(name);
    runtime.block_on(test(Location::Server { url, password: None }));
}

/// Another client of the same database.
enum Client {
    Sqlite(rusqlite::Connection),
    Postgres {
        client: tokio_postgres::Client,
        /// Held for as long as it is to move the client's bytes.
        _driver: tokio::task::JoinSet<Result<(), tokio_postgres::Error>>,
    },
}

impl Client {
    async fn connect(location: &Location) -> Self {
        match location {
            Location::File(path) => Self::Sqlite(rusqlite::Connection::open(path).unwrap()),
            Location::Server { url, .. } => {
                let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
                let (client, driver) = connected.unwrap();
                let mut moving = tokio::task::JoinSet::new();
                moving.spawn(driver);
                Self::Postgres { client, _driver: moving }
            }
        }
    }

    /// Why a statement can't be prepared.
    async fn refuses(&mut self, sql: &str) -> Option<String> {
        match self {
            Self::Sqlite(client) => client.prepare(sql).err().map(|error| error.to_string()),
            Self::Postgres { client, .. } => match client.prepare(sql).await {
                Err(error) => Some(format!("{error:?}")),
                Ok(statement) => {
                    // What the store has: another type would be refused when it is used.
                    let columns = statement.columns().iter().map(tokio_postgres::Column::type_);
                    let mut types = statement.params().iter().chain(columns);
                    let other = types.find(|ty| ![Type::TEXT, Type::INT8].contains(ty));
                    other.map(|ty| format!("it has a {ty}"))
                }
            },
        }
    }

    /// The number that a statement answers with.
    async fn count(&mut self, sql: &str) -> i64 {
        match self {
            Self::Sqlite(client) => client.query_row(sql, [], |row| row.get(0)).unwrap(),
            Self::Postgres { client, .. } => client.query_one(sql, &[]).await.unwrap().get(0),
        }
    }

    async fn execute(&mut self, sql: &str) {
        match self {
            Self::Sqlite(client) => client.execute_batch(sql).unwrap(),
            Self::Postgres { client, .. } => client.batch_execute(sql).await.unwrap(),
        }
    }
}

async fn open(location: &Location) -> Store {
    Store::open(location.clone(), "01J0000000000000000000NODE").await.unwrap()
}

/// One transaction.
async fn write<T: Send + 'static>(
    store: &Store,
    work: impl FnOnce(&mut Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.write(work).await.unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + second)
}

fn notification(alarm: &str, reason: Reason) -> Notification {
    let alarm = Alarm::firing(alarm.into(), "cpu".into(), Severity::Critical, at(0));
    Notification::of(alarm, reason, at(0))
}

/// What a notice of this kind says of an alarm.
fn about(alarm: &str, kind: NoticeKind) -> About {
    About { alarm: alarm.into(), ends: kind == NoticeKind::Closing }
}

async fn enqueue(store: &Store, sink: &'static str, alarm: &str, kind: NoticeKind, now: Timestamp) {
    let notification = notification(alarm, Reason::First);
    let alarms = vec![about(alarm, kind)];
    let notice = Notice { sink, alarms, kind, notification, give_up: HOUR, lease: None };
    write(store, move |transaction| transaction.enqueue(vec![notice], now).map(drop)).await;
}

async fn claim(store: &Store, sink: &'static str, now: Timestamp) -> Vec<Claimed> {
    let lease = now.after(Duration::from_secs(30));
    write(store, move |transaction| Ok(transaction.claim(sink, now, lease, 10)?.rows)).await
}

fn alarms(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|row| row.alarm.as_str()).collect()
}

#[test]
fn every_statement_is_one_that_both_databases_understand() {
    on_both("statements", async |location| {
        drop(open(&location).await);
        assert!(STATEMENTS.len() > 30, "the list is empty");
        let mut client = Client::connect(&location).await;
        for (name, sql) in STATEMENTS {
            assert_eq!(client.refuses(sql).await, None, "{name} on {location}");
        }
    });
}

#[test]
fn a_row_is_claimed_once_and_threads_keep_their_order() {
    on_both("claims", async |location| {
        let store = open(&location).await;
        enqueue(&store, "mail", "a-1", NoticeKind::Problem, at(0)).await;
        enqueue(&store, "mail", "b-1", NoticeKind::Problem, at(0)).await;
        enqueue(&store, "mail", "a-1", NoticeKind::Closing, at(0)).await;
        enqueue(&store, "slack", "a-1", NoticeKind::Problem, at(0)).await;
        let first = claim(&store, "mail", at(1)).await;
        assert_eq!(alarms(&first), ["a-1", "b-1"], "the end waits for the beginning");
        assert_eq!(first[0].notification.attempt, 1);
        assert!(claim(&store, "mail", at(2)).await.is_empty(), "they are held");
        assert_eq!(alarms(&claim(&store, "slack", at(2)).await), ["a-1"], "sinks are apart");
        // The lease ran out: another daemon has it now, and the first can't record any more.
        let again = claim(&store, "mail", at(60)).await;
        assert_eq!((alarms(&again), again[0].notification.attempt), (vec!["a-1", "b-1"], 2));
        write(&store, move |transaction| {
            let done = transaction.delivered(&[&first[0]]).unwrap();
            assert!(done.is_empty(), "the fence has moved");
            assert!(transaction.delivered(&[&again[0]]).unwrap().contains(&again[0].id));
            assert!(transaction.retry(&again[1], at(90), &again[1].notification, "busy").unwrap());
            Ok(())
        })
        .await;
        let ends = claim(&store, "mail", at(61)).await;
        assert_eq!((alarms(&ends), ends[0].kind), (vec!["a-1"], NoticeKind::Closing));
        assert_eq!(alarms(&claim(&store, "mail", at(90)).await), ["b-1"]);
    });
}

#[test]
fn what_waits_behind_another_is_not_due_before_that() {
    on_both("behind", async |location| {
        let store = open(&location).await;
        enqueue(&store, "mail", "a-1", NoticeKind::Problem, at(0)).await;
        enqueue(&store, "mail", "a-1", NoticeKind::Closing, at(0)).await;
        let first = claim(&store, "mail", at(1)).await.remove(0);
        assert_eq!(store.next_due("mail").await.unwrap(), Some(first.lease));
        write(&store, move |transaction| {
            assert!(transaction.retry(&first, at(90), &first.notification, "busy").unwrap());
            Ok(())
        })
        .await;
        assert!(claim(&store, "mail", at(2)).await.is_empty(), "the end waits for the beginning");
        assert_eq!(store.next_due("mail").await.unwrap(), Some(at(90)));
        assert_eq!(store.next_due("slack").await.unwrap(), None);
    });
}

#[test]
fn many_claim_at_once_and_each_row_goes_to_one() {
    on_both("races", async |location| {
        let store = open(&location).await;
        for index in 0..60 {
            enqueue(&store, "mail", &format!("{index}-1"), NoticeKind::Problem, at(0)).await;
        }
        // Stores of their own: other daemons, on PostgreSQL.
        let mut tasks = Vec::new();
        for _ in 0..6 {
            let other = open(&location).await;
            tasks.push(async move {
                let mut mine = Vec::new();
                // Who is beaten to a row claims others the next time.
                for _ in 0..60 {
                    mine.extend(claim(&other, "mail", at(1)).await);
                }
                mine
            });
        }
        let claimed: Vec<Claimed> = futures(tasks).await.into_iter().flatten().collect();
        let mut ids: Vec<_> = claimed.iter().map(|row| row.id.clone()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!((ids.len(), claimed.len()), (60, 60));
    });
}

/// Waits for all of them, at the same time.
async fn futures<T: Send + 'static>(
    tasks: Vec<impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut set = tokio::task::JoinSet::new();
    for task in tasks {
        set.spawn(task);
    }
    set.join_all().await
}

#[test]
fn what_is_not_committed_did_not_happen_and_a_restart_frees_what_was_held() {
    on_both("commits", async |location| {
        let store = open(&location).await;
        let notice = Notice {
            sink: "mail",
            alarms: vec![about("a-1", NoticeKind::Problem)],
            kind: NoticeKind::Problem,
            notification: notification("a-1", Reason::First),
            give_up: HOUR,
            lease: None,
        };
        write(&store, move |transaction| {
            transaction.enqueue(vec![notice], at(0)).unwrap();
            transaction.abandon();
            Ok(())
        })
        .await;
        assert!(store.waiting("", 10).await.unwrap().is_empty());
        enqueue(&store, "mail", "a-1", NoticeKind::Problem, at(0)).await;
        assert_eq!(claim(&store, "mail", at(1)).await.len(), 1);
        let last = store.waiting("", 10).await.unwrap()[0].id.clone();
        store.close().await;

        let store = open(&location).await;
        write(&store, move |transaction| {
            transaction.release(at(2)).unwrap();
            Ok(())
        })
        .await;
        assert_eq!(store.next_due("mail").await.unwrap(), Some(at(0)));
        assert_eq!(claim(&store, "mail", at(2)).await.len(), 1);
        // One that had run ahead dates nothing into the future, and what waits is given up in time.
        enqueue(&store, "slow", "s-1", NoticeKind::Problem, at(9000)).await;
        let before = store.waiting("", 10).await.unwrap().remove(1);
        assert_eq!((before.created, before.due), (at(9000), at(9000)));
        write(&store, |transaction| transaction.hasten("slow", at(5))).await;
        assert_eq!(store.next_due("slow").await.unwrap(), Some(at(5)));
        let claimed = claim(&store, "slow", at(5)).await.remove(0);
        assert_eq!(claimed.expires, at(5).after(HOUR));
        write(&store, move |transaction| transaction.drop_row(&claimed.id).map(drop)).await;
        // A clock that went back gives later names all the same.
        enqueue(&store, "mail", "b-1", NoticeKind::Problem, at(-1000)).await;
        assert!(store.waiting("", 10).await.unwrap()[1].id > last);
    });
}

#[test]
fn an_obligation_is_opened_once_and_closed_once() {
    on_both("obligations", async |location| {
        let store = open(&location).await;
        let told = Notified { alarm: "a-1", owes: true, root: "a-1/first/0" };
        write(&store, move |transaction| {
            transaction.owe("mail", &[told], at(0)).unwrap();
            transaction.owe("mail", &[told], at(50)).unwrap();
            transaction.owe("quiet", &[Notified { owes: false, ..told }], at(0)).unwrap();
            assert_eq!(owed(transaction, "a-1"), ["mail"], "quiet is owed nothing");
            let pairs = [("mail", "a-1"), ("quiet", "a-1"), ("slack", "a-1")];
            let known = transaction.known(&pairs).unwrap();
            assert_eq!(known.len(), 2, "{known:?}");
            assert!(transaction.pending(&[("mail", "group")]).unwrap().is_empty());
            transaction.close("mail", &["a-1"], "told", at(60)).unwrap();
            transaction.lose("mail", &["a-1"], "too late", at(61)).unwrap();
            transaction.forget_obligations(&["a-1".into()]).unwrap();
            Ok(())
        })
        .await;
        assert!(store.obligations(false, 10).await.unwrap().is_empty());
        let all = store.obligations(true, 10).await.unwrap();
        let [debt] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((debt.state, debt.repeats), (DebtState::Closed, 1));
        assert_eq!((debt.opened, debt.ended), (at(0), Some(at(60))));
        write(&store, move |transaction| {
            transaction.owe("mail", &[told], at(70)).unwrap();
            assert_eq!(owed(transaction, "a-1"), ["mail"], "it was told after the end");
            Ok(())
        })
        .await;
        let again = store.obligations(false, 10).await.unwrap();
        assert_eq!((again[0].state, again[0].ended), (DebtState::Open, None));
    });
}

/// Sinks that are to be told of the end of an alarm by no group.
fn owed(transaction: &mut Transaction<'_>, alarm: &str) -> Vec<String> {
    let owed = transaction.knowing(&[alarm.to_owned()]).unwrap();
    owed.into_keys().map(|(_, sink)| sink).collect()
}

#[test]
fn a_group_that_goes_on_tells_the_end_of_what_it_told_and_nobody_else_does() {
    on_both("groups", async |location| {
        let store = open(&location).await;
        // Another sink gave it up to `slack`: none of its groups has the alarm in it.
        let group = |sink: &str, state| {
            let key = if sink == "mail" { "host=\"a\"@7#a-1" } else { "host=\"#a-1\"@7" };
            StoredGroup { sink: sink.into(), key: key.into(), state }
        };
        let stored = [
            group("mail", Some("1".into())),
            group("slack", Some("2".into())),
            group("mail", Some("3".into())),
        ];
        let kept = stored.clone();
        write(&store, move |transaction| {
            transaction.save_groups(&kept).unwrap();
            let told = Notified { alarm: "a-1", owes: true, root: "a-1/first/0" };
            transaction.owe("mail", &[told], at(0)).unwrap();
            transaction.owe("slack", &[told], at(0)).unwrap();
            assert_eq!(owed(transaction, "a-1"), ["slack"]);
            Ok(())
        })
        .await;
        let found = store.groups().await.unwrap();
        assert_eq!(found, [stored[2].clone(), stored[1].clone()], "the last one counts");

        let over = group("mail", None);
        write(&store, move |transaction| {
            transaction.save_groups(&[over]).unwrap();
            assert_eq!(owed(transaction, "a-1"), ["mail", "slack"], "it is gone");
            Ok(())
        })
        .await;
        assert_eq!(store.groups().await.unwrap().len(), 1);
        enqueue(&store, "mail", "a-1", NoticeKind::Closing, at(2)).await;
        write(&store, move |transaction| {
            assert_eq!(owed(transaction, "a-1"), ["slack"], "its end waits already");
            Ok(())
        })
        .await;
    });
}

#[test]
fn a_notice_of_many_alarms_is_about_each_of_them() {
    on_both("many", async |location| {
        let store = open(&location).await;
        let names: Vec<_> = (0..1500).map(|index| format!("{index}-1")).collect();
        let alarms: Vec<_> = names.iter().map(|alarm| about(alarm, NoticeKind::Problem)).collect();
        let mut notification = notification("0-1", Reason::First);
        notification.more = 1499;
        let (sink, kind) = ("mail", NoticeKind::Problem);
        let notice = Notice { sink, alarms, kind, notification, give_up: HOUR, lease: None };
        write(&store, move |transaction| {
            transaction.enqueue(vec![notice], at(0)).unwrap();
            Ok(())
        })
        .await;
        assert_eq!(store.waiting("", 10).await.unwrap().len(), 1, "one row");
        let row = claim(&store, "mail", at(1)).await.remove(0);
        write(&store, move |transaction| {
            let mut about = transaction.alarms_of(&row.id, &row.notification).unwrap();
            about.sort_by_key(|about| about.alarm.trim_end_matches("-1").parse::<u32>().unwrap());
            assert_eq!(about.iter().map(|about| about.alarm.clone()).collect::<Vec<_>>(), names);
            assert!(about.iter().all(|about| !about.ends));
            assert_eq!(owed(transaction, "1499-1"), ["mail"], "it will know");
            let groups = [("mail", row.notification.key.as_str()), ("slack", "other")];
            assert_eq!(transaction.pending(&groups).unwrap().len(), 1);
            transaction.delivered(&[&row]).unwrap();
            assert!(owed(transaction, "1499-1").is_empty(), "nothing of it is left");
            Ok(())
        })
        .await;
    });
}

#[test]
fn the_end_of_what_never_arrived_is_not_told() {
    on_both("withdrawn", async |location| {
        let store = open(&location).await;
        enqueue(&store, "mail", "a-1", NoticeKind::Problem, at(0)).await;
        enqueue(&store, "mail", "a-1", NoticeKind::Closing, at(1)).await;
        let row = claim(&store, "mail", at(2)).await.remove(0);
        let id = row.id.clone();
        write(&store, move |transaction| {
            assert_eq!(transaction.withdraw("mail").unwrap(), 0, "it may still arrive");
            let groups = [("mail", row.notification.key.as_str()), ("slack", "other")];
            assert_eq!(transaction.pending(&groups).unwrap().len(), 1);
            assert!(transaction.bury(&row, &row.notification, "rejected").unwrap());
            transaction.forward(&row, "slack", HOUR, at(3)).unwrap();
            transaction.bury_part(&row, &row.notification, "part", at(3)).unwrap();
            assert_eq!(transaction.withdraw("mail").unwrap(), 1);
            transaction
                .record(at(3), "a-1", HAETAE, JournalEvent::Buried, "mail: rejected")
                .unwrap();
            Ok(())
        })
        .await;
        let left = store.waiting("", 10).await.unwrap();
        let left: Vec<_> = left.iter().map(|row| (row.sink.as_str(), row.kind, row.dead)).collect();
        assert_eq!(
            left,
            [
                ("mail", NoticeKind::Problem, true),
                ("slack", NoticeKind::Forwarded, false),
                ("mail", NoticeKind::Forwarded, true)
            ]
        );
        let counts = store.counts().await.unwrap();
        let counts: BTreeMap<_, _> =
            counts.iter().map(|one| ((one.sink.as_str(), one.dead), one.count)).collect();
        assert_eq!(counts, BTreeMap::from([(("mail", true), 2), (("slack", false), 1)]));
        assert_eq!(store.history("a-1", 10).await.unwrap()[0].detail, "mail: rejected");
        let dead = store.one_waiting(&id).await.unwrap().unwrap();
        assert_eq!((dead.dead, dead.reason.as_str()), (true, "rejected"));
        let left = left_id(&store).await;
        write(&store, move |transaction| {
            assert!(transaction.redrive(&id, at(9)).unwrap());
            assert!(!transaction.redrive(&id, at(9)).unwrap(), "it is alive");
            assert!(transaction.drop_row(&left).unwrap());
            Ok(())
        })
        .await;
        assert_eq!(alarms(&claim(&store, "mail", at(9)).await), ["a-1"]);
    });
}

#[test]
fn whatever_a_peer_says_can_be_kept() {
    on_both("words", async |location| {
        let store = open(&location).await;
        for alarm in ["a-1", "b-1"] {
            enqueue(&store, "mail", alarm, NoticeKind::Problem, at(0)).await;
        }
        let claimed = claim(&store, "mail", at(1)).await;
        let said = "it says \0\u{1}\u{fffd}";
        write(&store, move |transaction| {
            let [retried, buried] = &claimed[..] else { panic!("two") };
            transaction.record(at(1), "a-1", HAETAE, JournalEvent::Buried, said).unwrap();
            transaction.retry(retried, at(9), &retried.notification, said).unwrap();
            transaction.bury_part(retried, &retried.notification, said, at(1)).unwrap();
            assert!(transaction.bury(buried, &buried.notification, said).unwrap());
            let again = transaction.bury(buried, &buried.notification, said).unwrap();
            assert!(!again, "it is dead already: what follows from that has followed");
            transaction
                .owe("mail", &[Notified { alarm: "a-1", owes: true, root: "" }], at(1))
                .unwrap();
            transaction.lose("mail", &["a-1"], said, at(1)).unwrap();
            transaction.lose_all("mail", said, at(1)).unwrap();
            Ok(())
        })
        .await;
        let kept = "it says \u{fffd}\u{1}\u{fffd}";
        assert_eq!(store.history("a-1", 9).await.unwrap()[0].detail, kept);
        let reasons = store.waiting("", 9).await.unwrap().into_iter().map(|row| row.reason);
        assert_eq!(reasons.collect::<Vec<_>>(), [kept; 3]);
        assert_eq!(store.obligations(false, 9).await.unwrap()[0].reason, kept);
    });
}

async fn left_id(store: &Store) -> String {
    let rows = store.waiting("", 10).await.unwrap();
    rows.into_iter().find(|row| row.sink == "slack").unwrap().id
}

#[test]
fn a_sink_that_is_gone_leaves_dead_letters_and_lost_obligations() {
    on_both("gone", async |location| {
        let store = open(&location).await;
        enqueue(&store, "gone", "a-1", NoticeKind::Problem, at(0)).await;
        write(&store, move |transaction| {
            let told = Notified { alarm: "b-1", owes: true, root: "b-1/first/0" };
            transaction.owe("gone", &[told], at(0)).unwrap();
            assert_eq!(transaction.sinks_of_outbox().unwrap(), ["gone"]);
            assert_eq!(transaction.notified_sinks().unwrap(), ["gone"]);
            assert_eq!(transaction.bury_all("gone", "removed").unwrap(), 1);
            assert_eq!(transaction.lose_all("gone", "removed", at(1)).unwrap(), 1);
            Ok(())
        })
        .await;
        assert_eq!(store.count_obligations().await.unwrap(), (0, 1));
        assert_eq!(store.obligations(false, 9).await.unwrap()[0].state, DebtState::Unreachable);
    });
}

/// Opens a store whose file was changed.
async fn refusal(path: &Path) -> StoreError {
    let opened = Store::open(Location::File(path.into()), "01J0000000000000000000NODE").await;
    opened.expect_err("it is damaged")
}

#[tokio::test]
async fn a_damaged_store_is_refused_with_its_name_and_the_cure() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("haetae.db");
    let location = Location::File(path.clone());
    let store = open(&location).await;
    for index in 0..200 {
        enqueue(&store, "mail", &format!("{index}-1"), NoticeKind::Problem, at(0)).await;
    }
    let backup = directory.path().join("backup.db");
    Store::back_up(&location, &backup).await.unwrap();
    store.close().await;
    for file in [&path, &backup] {
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(file).unwrap());
        assert_eq!(mode & 0o777, 0o600, "others can read {}", file.display());
    }
    let whole = std::fs::read(&path).unwrap();
    let found = Store::examine(&location).await.unwrap();
    assert!(found.rows.contains(&("outbox".into(), 200)), "{found:?}");

    let mut torn = whole.clone();
    torn[5000..40_000].fill(0xa5);
    for bytes in [b"this is no store at all, whatever it is called".to_vec(), torn] {
        std::fs::write(&path, bytes).unwrap();
        let text = refusal(&path).await.to_string();
        assert!(text.contains("haetae.db is damaged") && text.contains("backup"), "{text}");
        assert!(Store::examine(&location).await.is_err());
    }
    std::fs::copy(&backup, &path).unwrap();
    assert_eq!(open(&location).await.waiting("", 500).await.unwrap().len(), 200);
}

/// A whole transaction of several pages.
async fn write_many(store: &Store, alarm: &str) -> Result<(), StoreError> {
    let alarm = alarm.to_owned();
    let write = move |transaction: &mut Transaction<'_>| {
        let notice = |_| Notice {
            sink: "mail",
            alarms: vec![about(&alarm, NoticeKind::Problem)],
            kind: NoticeKind::Problem,
            notification: notification(&alarm, Reason::First),
            give_up: HOUR,
            lease: None,
        };
        transaction.enqueue((0..20).map(notice).collect(), at(0)).map(drop)
    };
    store.write(write).await
}

#[tokio::test]
async fn what_is_committed_after_a_full_disk_is_there_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let (disk, copy) = (directory.path().join("disk"), directory.path().join("copy"));
    std::fs::create_dir(&copy).unwrap();
    let _mounted = image::Mounted::memory(8, &disk);
    let store = open(&Location::File(disk.join("haetae.db"))).await;
    write_many(&store, "before-1").await.unwrap();
    let filler = disk.join("filler");
    for round in 0..8 {
        // Full in the middle of a transaction, at its end, and again while it still is.
        let block = vec![0; 4096 * (round + 1)];
        let mut file = std::fs::File::create(&filler).unwrap();
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        drop(file);
        let mut refused = 0;
        for _ in 0..100 {
            refused += usize::from(write_many(&store, "lost-1").await.is_err());
            if refused == 4 {
                break;
            }
        }
        assert_eq!(refused, 4, "the disk is not full");
        std::fs::remove_file(&filler).unwrap();
        let marker = format!("{round}-1");
        write_many(&store, &marker).await.unwrap();
        // What a kill would leave.
        for file in ["haetae.db", "haetae.db-wal"] {
            std::fs::copy(disk.join(file), copy.join(file)).unwrap();
        }
        let killed = open(&Location::File(copy.join("haetae.db"))).await;
        let rows = killed.waiting("", 10_000).await.unwrap();
        assert!(rows.iter().filter(|row| row.alarm == marker).count() == 20, "round {round}");
        killed.close().await;
        for file in ["haetae.db", "haetae.db-wal", "haetae.db-shm"] {
            // The last two went with the last connection.
            drop(std::fs::remove_file(copy.join(file)));
        }
    }
    store.close().await;
}

#[tokio::test]
async fn a_store_of_a_newer_haetae_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("haetae.db");
    open(&Location::File(path.clone())).await.close().await;
    let mut client = Client::connect(&Location::File(path.clone())).await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum,
        execution_time) SELECT max(version) + 1, 'later', 1, x'00', 0 FROM _sqlx_migrations";
    client.execute(newer).await;
    let error = refusal(&path).await;
    assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    // No haetae leaves a change out.
    client.execute("UPDATE _sqlx_migrations SET version = 72 WHERE version = 4").await;
    let error = refusal(&path).await;
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}
