//! A queue as its callers see it, in files of its own.

mod model;

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicI64},
};

use haetae_plugin::{LogRecord, Logs, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

/// 2026-11-24 22:00:00 UTC.
const NOW: i64 = 1_795_557_600_000_000_000;

pub(super) fn clock() -> Clock {
    Clock::Set(Arc::new(AtomicI64::new(NOW)))
}

pub(super) fn batch(text: &str) -> Batch {
    batch_of(&[text])
}

fn batch_of(texts: &[&str]) -> Batch {
    let mut logs = Logs::at(Timestamp::from_seconds(1));
    for text in texts {
        assert!(logs.push(&LogRecord { raw: text.as_bytes(), ..LogRecord::default() }));
    }
    logs.into()
}

pub(super) fn texts(batch: &Batch) -> Vec<String> {
    let Batch::Logs(logs) = batch else { panic!("{batch:?}") };
    logs.iter().map(|record| String::from_utf8_lossy(record.raw).into_owned()).collect()
}

/// What befalls a file.
type Harm = fn(&Path);

/// A directory and what is opened in it.
struct Home {
    directory: TempDir,
    limits: QueueLimits,
}

impl Home {
    fn new(max_bytes: u64, when_full: WhenFull) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            limits: QueueLimits { max_bytes, when_full },
        }
    }

    fn roomy() -> Self {
        Self::new(1 << 20, WhenFull::Wait)
    }

    fn open(&self, consumers: &[&str]) -> (Queue, Option<Damage>) {
        let consumers: Vec<String> = consumers.iter().map(|&name| name.to_owned()).collect();
        Queue::open(&self.queues(), "syslog", self.limits, &consumers, clock()).unwrap()
    }

    fn sound(&self, consumers: &[&str]) -> Queue {
        let (queue, damage) = self.open(consumers);
        assert_eq!(damage, None);
        queue
    }

    fn queues(&self) -> PathBuf {
        self.directory.path().join("queues")
    }

    fn file(&self, ending: &str) -> PathBuf {
        self.queues().join(format!("syslog.db{ending}"))
    }

    /// What is in the file, when nobody has it open.
    fn count(&self, table: &str) -> i64 {
        let connection = Connection::open(self.file("")).unwrap();
        let text = format!("SELECT count(*) FROM {table}");
        connection.query_row(&text, [], |row| row.get(0)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(self.queues()).unwrap();
        let mut names: Vec<String> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

async fn fill(queue: &Queue, texts: &[&str]) {
    for text in texts {
        queue.append(&batch(text)).await.unwrap();
    }
}

/// Takes what is next and says it is done.
async fn take(consumer: &mut Consumer) -> (i64, Vec<String>) {
    let entries = consumer.next(1).await.unwrap();
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    consumer.done(entry.place).await.unwrap();
    (entry.sequence, texts(&entry.batch))
}

fn one(sequence: i64, text: &str) -> (i64, Vec<String>) {
    (sequence, vec![text.to_owned()])
}

/// All that was asked before is done and seen in the numbers.
async fn settled(queue: &Queue) -> Stats {
    queue.dead(0).await.unwrap();
    queue.stats()
}

#[tokio::test]
async fn what_was_not_done_comes_again_after_a_restart() {
    let place = Home::roomy();
    let queue = place.sound(&["a"]);
    fill(&queue, &["one", "two", "three"]).await;
    let mut consumer = queue.consumer("a").unwrap();
    assert!(queue.consumer("b").is_none());
    assert_eq!(take(&mut consumer).await, one(1, "one"));
    assert_eq!(texts(&consumer.next(9).await.unwrap()[0].batch), ["two"]);
    let id = queue.id();
    queue.close().await;
    assert_eq!(queue.append(&batch("late")).await, Err(AppendError::Closed(Closed)));
    let queue = place.sound(&["a"]);
    assert_eq!(queue.id(), id);
    let mut consumer = queue.consumer("a").unwrap();
    let entries = consumer.next(9).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(entries[0].time, Timestamp::from_nanos(NOW));
    queue.close().await;
}

#[tokio::test]
async fn a_consumer_that_waits_is_woken_and_giving_up_waiting_loses_nothing() {
    let place = Home::roomy();
    let queue = place.sound(&["a"]);
    let mut consumer = queue.consumer("a").unwrap();
    {
        let mut waiting = Box::pin(consumer.next(9));
        // Polled once, so that it has asked; then given up.
        let first =
            tokio::select! { biased; got = &mut waiting => Some(got), () = async {} => None };
        assert!(first.is_none());
    }
    fill(&queue, &["one"]).await;
    let (got, ()) = tokio::join!(take(&mut consumer), fill(&queue, &["two"]));
    assert_eq!(got, one(1, "one"));
    assert_eq!(take(&mut consumer).await, one(2, "two"));
    queue.close().await;
}

#[tokio::test]
async fn consumers_go_at_their_own_speed_and_the_slowest_decides_what_is_kept() {
    let place = Home::roomy();
    let queue = place.sound(&["quick", "slow"]);
    fill(&queue, &["one", "two"]).await;
    let (mut quick, mut slow) = (queue.consumer("quick").unwrap(), queue.consumer("slow").unwrap());
    take(&mut quick).await;
    take(&mut quick).await;
    let stats = settled(&queue).await;
    assert_eq!((stats.batches, stats.records), (2, 2));
    let lags: Vec<u64> = stats.consumers.iter().map(|consumer| consumer.lag_batches).collect();
    assert_eq!(lags, [0, 2]);
    take(&mut slow).await;
    let stats = settled(&queue).await;
    assert_eq!((stats.batches, stats.consumers[1].lag_records), (1, 1));
    queue.close().await;
    assert_eq!(place.count("batches"), 1, "what both passed is deleted at the end");
    let queue = place.sound(&["quick", "slow"]);
    let mut slow = queue.consumer("slow").unwrap();
    assert_eq!(take(&mut slow).await, one(2, "two"));
    queue.close().await;
    assert_eq!(place.count("batches"), 0);
}

#[tokio::test]
async fn what_all_have_passed_is_deleted_while_it_runs_and_the_file_stays_small() {
    let place = Home::roomy();
    let queue = place.sound(&["a"]);
    let mut consumer = queue.consumer("a").unwrap();
    let text = "x".repeat(50_000);
    for _ in 0..300 {
        fill(&queue, &[&text]).await;
        take(&mut consumer).await;
    }
    queue.close().await;
    let size = fs::metadata(place.file("")).unwrap().len();
    assert!(size < 300 * 50_000 / 2, "{size}");
}

#[tokio::test]
async fn sequences_are_never_used_again() {
    let place = Home::roomy();
    let queue = place.sound(&["a"]);
    fill(&queue, &["one", "two"]).await;
    let mut consumer = queue.consumer("a").unwrap();
    take(&mut consumer).await;
    take(&mut consumer).await;
    queue.close().await;
    assert_eq!(place.count("batches"), 0);
    // Not even when nobody's cursor remembers.
    place.sound(&[]).close().await;
    let queue = place.sound(&["b"]);
    assert_eq!(queue.append(&batch("three")).await, Ok(Receipt { sequence: 3 }));
    queue.close().await;
}

#[tokio::test]
async fn a_new_consumer_starts_at_the_end_and_the_part_of_a_removed_one_is_freed() {
    let place = Home::roomy();
    let queue = place.sound(&["old"]);
    fill(&queue, &["one", "two"]).await;
    queue.close().await;
    let queue = place.sound(&["new", "old"]);
    fill(&queue, &["three"]).await;
    assert_eq!(take(&mut queue.consumer("new").unwrap()).await, one(3, "three"));
    assert_eq!(take(&mut queue.consumer("old").unwrap()).await, one(1, "one"));
    queue.close().await;
    let queue = place.sound(&["new"]);
    assert_eq!(queue.stats().batches, 0);
    queue.close().await;
    assert_eq!((place.count("batches"), place.count("consumers")), (0, 1));
}

#[tokio::test]
async fn consumers_that_stay_go_on_while_others_come_and_go() {
    let place = Home::roomy();
    let queue = place.sound(&["gone", "stays"]);
    fill(&queue, &["one", "two"]).await;
    let (mut stays, mut gone) = (queue.consumer("stays").unwrap(), queue.consumer("gone").unwrap());
    let given = stays.next(1).await.unwrap();
    let rejected = gone.next(1).await.unwrap();
    gone.dead(&rejected[0], vec![(0, "no".into())]).await.unwrap();
    let names = ["new", "stays"].map(str::to_owned);
    let limits = QueueLimits { max_bytes: 1 << 16, when_full: WhenFull::DropOldest };
    let queue = queue.enrol(&names, limits).await.unwrap();
    let freed = Freed { consumer: "gone".into(), waiting: 2, dead: 1 };
    assert_eq!(queue.freed(), [freed]);
    assert!(queue.consumer("gone").is_none());
    let numbers = settled(&queue).await;
    let lags: Vec<_> = numbers.consumers.iter().map(|it| (&*it.name, it.lag_records)).collect();
    assert_eq!(lags, [("new", 0), ("stays", 2)]);
    assert_eq!((numbers.max_bytes, numbers.dead), (1 << 16, 0));
    // What one was given before it may say after.
    stays.done(given[0].place).await.unwrap();
    fill(&queue, &["three"]).await;
    assert_eq!(take(&mut stays).await, one(2, "two"));
    assert_eq!(take(&mut stays).await, one(3, "three"));
    assert_eq!(take(&mut queue.consumer("new").unwrap()).await, one(3, "three"));
    assert!(gone.next(1).await.is_err());
    // One that comes back starts at the end, and is no more said to be gone.
    let back = queue.enrol(&["gone", "stays"].map(str::to_owned), limits).await.unwrap();
    assert_eq!(back.freed(), []);
    back.close().await;
    let (queue, damage) = place.open(&["gone", "stays"]);
    assert!(damage.is_none());
    let lags: Vec<_> = queue.stats().consumers.iter().map(|it| it.lag_records).collect();
    assert_eq!(lags, [0, 0]);
    queue.close().await;
}

#[tokio::test]
async fn drop_oldest_moves_laggards_alone_and_counts_what_they_miss() {
    let place = Home::new(1000, WhenFull::DropOldest);
    let queue = place.sound(&["quick", "slow"]);
    let (mut quick, mut slow) = (queue.consumer("quick").unwrap(), queue.consumer("slow").unwrap());
    let text = "x".repeat(200);
    for sequence in 1..=6 {
        queue.append(&batch_of(&[&text, "y"])).await.unwrap();
        if sequence < 6 {
            assert_eq!(take(&mut quick).await.0, sequence);
        }
    }
    let stats = queue.stats();
    assert!(stats.bytes <= 1000 && stats.batches == 3, "{stats:?}");
    let seen: Vec<_> =
        stats.consumers.iter().map(|it| (&*it.name, it.lag_batches, it.dropped)).collect();
    assert_eq!(seen, [("quick", 1, 0), ("slow", 3, 6)]);
    assert_eq!(take(&mut slow).await.0, 4);
    assert_eq!(take(&mut quick).await.0, 6);
    queue.close().await;
    let stats = place.sound(&["quick", "slow"]).stats();
    assert_eq!(stats.consumers[1].dropped, 6, "it is in the file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn whoever_goes_on_elsewhere_finds_the_numbers_of_that_place() {
    let place = Home::roomy();
    let queue = place.sound(&["a"]);
    fill(&queue, &["one", "two", "three"]).await;
    let mut consumer = queue.consumer("a").unwrap();
    for _ in 0..100 {
        for (after, lag) in [(3, 0), (1, 2), (0, 3)] {
            assert_eq!(consumer.resume_after(after).await.unwrap(), Resumed::There);
            assert_eq!(queue.stats().consumers[0].lag_batches, lag, "behind {after}");
        }
    }
}

#[tokio::test]
async fn wait_says_full_and_room_wakes_who_waits_for_it() {
    let place = Home::new(1000, WhenFull::Wait);
    let queue = place.sound(&["a"]);
    let text = "x".repeat(300);
    fill(&queue, &[&text, &text]).await;
    let Err(AppendError::Full { bytes }) = queue.append(&batch(&text)).await else { panic!() };
    assert!(queue.stats().percent() >= 70, "{:?}", queue.stats());
    let mut consumer = queue.consumer("a").unwrap();
    let entries = consumer.next(1).await.unwrap();
    let (room, done) = tokio::join!(queue.wait_for_space(bytes), consumer.done(entries[0].place));
    assert_eq!((room, done), (Ok(()), Ok(())));
    fill(&queue, &[&text]).await;
    let huge = queue.append(&batch(&"x".repeat(600))).await;
    assert!(matches!(huge, Err(AppendError::TooLarge { max: 1000, .. })), "{huge:?}");
    queue.close().await;
    assert_eq!(queue.wait_for_space(1 << 20).await, Err(Closed));
}

#[tokio::test]
async fn rejected_items_are_kept_listed_dropped_and_redriven() {
    let place = Home::roomy();
    let queue = place.sound(&["a", "b"]);
    queue.append(&batch_of(&["zero", "one", "two"])).await.unwrap();
    let mut consumer = queue.consumer("a").unwrap();
    let entry = consumer.next(9).await.unwrap().remove(0);
    let rejected = || vec![(2, "too old".to_owned()), (1, "no date".to_owned()), (7, "?".into())];
    consumer.dead(&entry, rejected()).await.unwrap();
    // Said again after a restart, it is kept once.
    consumer.dead(&entry, rejected()).await.unwrap();
    consumer.done(entry.place).await.unwrap();
    let dead = queue.dead(9).await.unwrap();
    let seen: Vec<_> = dead
        .iter()
        .map(|it| {
            (&*it.consumer, it.sequence, it.index, &*it.reason, texts(it.batch.as_ref().unwrap()))
        })
        .collect();
    let (two, one) = (vec!["two".to_owned()], vec!["one".to_owned()]);
    assert_eq!(seen, [("a", 1, 2, "too old", two), ("a", 1, 1, "no date", one)]);
    assert!(queue.drop_dead(dead[0].id).await.unwrap());
    assert!(!queue.drop_dead(dead[0].id).await.unwrap());
    assert!(!queue.redrive(dead[0].id).await.unwrap());
    assert!(queue.redrive(dead[1].id).await.unwrap());
    queue.close().await;
    let queue = place.sound(&["a", "b"]);
    let mut consumer = queue.consumer("a").unwrap();
    fill(&queue, &["next"]).await;
    let entries = consumer.next(9).await.unwrap();
    let seen: Vec<_> = entries.iter().map(|it| (it.place, it.sequence, it.first)).collect();
    let id = dead[1].id;
    assert_eq!(seen, [(QueuePosition::Dead(id), 1, 1), (QueuePosition::Batch(2), 2, 0)]);
    // Rejected again, it is there again under its old index.
    consumer.dead(&entries[0], vec![(0, "still".into())]).await.unwrap();
    consumer.done(entries[0].place).await.unwrap();
    let dead = queue.dead(9).await.unwrap();
    assert_eq!((dead.len(), dead[0].index, dead[0].redriven), (1, 1, false));
    assert!(queue.redrive(dead[0].id).await.unwrap());
    let again = consumer.next(9).await.unwrap();
    consumer.done(again[0].place).await.unwrap();
    // Those of a consumer that is not named any more go with it.
    queue.close().await;
    assert_eq!(place.count("dead"), 0);
}

#[tokio::test]
async fn dead_items_take_a_quarter_and_the_oldest_make_room() {
    let place = Home::new(2000, WhenFull::Wait);
    let queue = place.sound(&["a"]);
    let mut consumer = queue.consumer("a").unwrap();
    let text = "x".repeat(100);
    for _ in 0..5 {
        fill(&queue, &[&text]).await;
        let entry = consumer.next(1).await.unwrap().remove(0);
        consumer.dead(&entry, vec![(0, "no".into())]).await.unwrap();
        consumer.done(entry.place).await.unwrap();
    }
    let stats = settled(&queue).await;
    assert_eq!((stats.dead, stats.dead_dropped, stats.consumers[0].dead), (2, 3, 2));
    assert!(stats.bytes <= 500, "{stats:?}");
    queue.close().await;
}

#[tokio::test]
async fn a_consumer_that_keeps_its_own_cursor_goes_on_from_there() {
    let place = Home::roomy();
    let queue = place.sound(&["evaluator", "other"]);
    fill(&queue, &["one", "two", "three"]).await;
    let mut consumer = queue.consumer("evaluator").unwrap();
    assert_eq!(consumer.resume_after(2).await, Ok(Resumed::There));
    assert_eq!(take(&mut consumer).await, one(3, "three"));
    // An older copy of its store was put back.
    assert_eq!(consumer.resume_after(1).await, Ok(Resumed::There));
    assert_eq!(take(&mut consumer).await, one(2, "two"));
    assert_eq!(consumer.resume_after(7).await, Ok(Resumed::End));
    let mut other = queue.consumer("other").unwrap();
    for _ in 0..3 {
        take(&mut other).await;
    }
    queue.close().await;
    let queue = place.sound(&["evaluator", "other"]);
    fill(&queue, &["four", "five"]).await;
    let mut consumer = queue.consumer("evaluator").unwrap();
    assert_eq!(consumer.resume_after(0).await, Ok(Resumed::Oldest));
    assert_eq!(take(&mut consumer).await, one(4, "four"));
    queue.close().await;
}

#[tokio::test]
async fn a_full_disk_refuses_the_batch_and_keeps_what_was_acknowledged() {
    let place = Home::new(1 << 24, WhenFull::Wait);
    let queue = place.sound(&["a"]);
    fill(&queue, &["one"]).await;
    queue.pragma("PRAGMA max_page_count = 20").await;
    let text = "x".repeat(200_000);
    let Err(AppendError::Disk(error)) = queue.append(&batch(&text)).await else { panic!() };
    assert!(error.full && error.text.contains("full"), "{error:?}");
    let stats = queue.stats();
    assert_eq!((stats.batches, stats.trouble), (1, Some(error.text)));
    fill(&queue, &["two"]).await;
    assert_eq!(queue.stats().trouble, None);
    queue.pragma("PRAGMA max_page_count = 1000000").await;
    fill(&queue, &[&text]).await;
    queue.close().await;
    let queue = place.sound(&["a"]);
    let mut consumer = queue.consumer("a").unwrap();
    assert_eq!(take(&mut consumer).await, one(1, "one"));
    assert_eq!(take(&mut consumer).await, one(2, "two"));
    assert_eq!(take(&mut consumer).await, one(3, &text));
    queue.close().await;
}

#[tokio::test]
async fn what_was_dropped_for_a_batch_that_the_disk_refuses_is_there_again() {
    let place = Home::new(1 << 20, WhenFull::DropOldest);
    let queue = place.sound(&["a"]);
    let text = "x".repeat(100_000);
    fill(&queue, &[text.as_str(); 7]).await;
    let before = queue.stats();
    queue.pragma("PRAGMA max_page_count = 190").await;
    let refused = queue.append(&batch(&"y".repeat(500_000))).await;
    assert!(matches!(refused, Err(AppendError::Disk(_))), "{refused:?}");
    assert_eq!(Stats { trouble: None, ..queue.stats() }, before);
    let mut consumer = queue.consumer("a").unwrap();
    for sequence in 1..=7 {
        assert_eq!(take(&mut consumer).await.0, sequence);
    }
    queue.close().await;
}

#[tokio::test]
async fn many_at_once_are_all_on_the_disk_in_the_order_of_their_receipts() {
    let place = Home::roomy();
    let queue = place.sound(&["a"]);
    let names: Vec<String> = (0..600).map(|number| number.to_string()).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for name in names.clone() {
        let queue = queue.clone();
        tasks.spawn(async move { (queue.append(&batch(&name)).await.unwrap().sequence, name) });
    }
    let mut receipts = tasks.join_all().await;
    receipts.sort();
    let entries = queue.consumer("a").unwrap().next(1000).await.unwrap();
    let got: Vec<_> = entries.iter().map(|it| (it.sequence, texts(&it.batch).remove(0))).collect();
    assert_eq!(got, receipts);
    queue.close().await;
}

#[tokio::test]
async fn a_second_process_is_refused_and_the_file_is_left_alone() {
    let place = Home::roomy();
    let queue = place.sound(&["a"]);
    let again = Queue::open(&place.queues(), "syslog", place.limits, &[], clock());
    let error = again.unwrap_err();
    assert!(matches!(error, OpenError::Busy(_)), "{error}");
    fill(&queue, &["one"]).await;
    queue.close().await;
    assert_eq!(place.names(), ["syslog.db"]);
}

/// A queue of three batches, closed: all is in the file, nothing in the log.
async fn three(place: &Home) -> Queue {
    let queue = place.sound(&["a", "b"]);
    fill(&queue, &["one", "two", "three"]).await;
    queue.close().await;
    queue
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_a_new_one_begun() {
    let harms: [(&str, Harm); 5] = [
        ("malformed", |file| truncate(file, |length| length / 2)),
        ("it is empty", |file| truncate(file, |_| 0)),
        ("not a database", |file| write_at(file, 0, b"this is no database")),
        ("its version is -7; this haetae reads 1", |file| {
            Connection::open(file).unwrap().pragma_update(None, "user_version", -7).unwrap();
        }),
        ("it has no table `dead`", |file| {
            Connection::open(file).unwrap().execute_batch("DROP TABLE dead").unwrap();
        }),
    ];
    for (why, harm) in harms {
        let place = Home::roomy();
        let old = three(&place).await;
        harm(&place.file(""));
        let (queue, damage) = place.open(&["a", "b"]);
        let damage = damage.unwrap();
        assert!(damage.why.contains(why), "{damage:?}");
        assert_eq!(damage.file, place.file(".damaged-20261124T220000Z"));
        assert!(damage.file.exists());
        assert_ne!(queue.id(), old.id());
        fill(&queue, &["new"]).await;
        assert_eq!(take(&mut queue.consumer("a").unwrap()).await, one(1, "new"));
        queue.close().await;
        // The next damage does not write over the first.
        harm(&place.file(""));
        let (queue, damage) = place.open(&["a"]);
        assert_eq!(damage.unwrap().file, place.file(".damaged-20261124T220000Z-2"), "{why}");
        queue.close().await;
    }
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    let place = Home::roomy();
    three(&place).await;
    Connection::open(place.file("")).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let before = fs::read(place.file("")).unwrap();
    let opened = Queue::open(&place.queues(), "syslog", place.limits, &["a".into()], clock());
    let error = opened.unwrap_err();
    assert!(matches!(error, OpenError::Newer { version: 2, .. }), "{error}");
    let says = error.to_string();
    assert!(says.contains("run the haetae that wrote it, or move the file away"), "{says}");
    assert_eq!(fs::read(place.file("")).unwrap(), before);
    assert!(place.names().iter().all(|name| !name.contains("damaged")), "{:?}", place.names());
}

#[tokio::test]
async fn what_waited_for_a_removed_consumer_is_named() {
    let place = Home::roomy();
    let queue = place.sound(&["a", "b"]);
    assert_eq!(queue.freed(), []);
    fill(&queue, &["one", "two", "three"]).await;
    let mut consumer = queue.consumer("b").unwrap();
    let first = consumer.next(1).await.unwrap().remove(0);
    consumer.dead(&first, vec![(0, "no".to_owned())]).await.unwrap();
    consumer.done(first.place).await.unwrap();
    queue.close().await;
    let queue = place.sound(&["a"]);
    assert_eq!(queue.freed(), [Freed { consumer: "b".into(), waiting: 2, dead: 1 }]);
    queue.close().await;
    assert_eq!(place.sound(&["a"]).freed(), []);
}

#[tokio::test]
async fn a_batch_with_a_flipped_byte_is_set_aside_alone_and_named() {
    let place = Home::roomy();
    three(&place).await;
    let bytes = fs::read(place.file("")).unwrap();
    let at = bytes.windows(3).position(|part| part == b"two").unwrap();
    write_at(&place.file(""), at, b"twx");
    let queue = place.sound(&["a", "b"]);
    let mut consumer = queue.consumer("a").unwrap();
    let entries = consumer.next(9).await.unwrap();
    let sequences: Vec<i64> = entries.iter().map(|entry| entry.sequence).collect();
    assert_eq!(sequences, [1, 3]);
    for entry in entries {
        consumer.done(entry.place).await.unwrap();
    }
    fill(&queue, &["four"]).await;
    let stats = queue.stats();
    let damaged = DamagedBatch { sequence: 2, records: 1, why: "its checksum does not fit".into() };
    assert_eq!((stats.damaged, stats.last_damaged), (1, Some(damaged)));
    let lags: Vec<u64> = stats.consumers.iter().map(|consumer| consumer.lag_batches).collect();
    assert_eq!(lags, [1, 3]);
    let entries = queue.consumer("b").unwrap().next(9).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 3, 4]);
    queue.close().await;
    assert_eq!(place.count("damaged"), 1);
}

#[tokio::test]
async fn a_page_that_breaks_while_it_runs_costs_one_batch_and_stops_nobody() {
    let place = Home::roomy();
    let queue = place.sound(&["a"]);
    let [x, y, z] = ["x", "y", "z"].map(|letter| letter.repeat(20_000));
    fill(&queue, &[&x, &y, &z]).await;
    queue.pragma("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA shrink_memory").await;
    let bytes = fs::read(place.file("")).unwrap();
    // The first page of nothing but "y", whose head names the page that goes on.
    let page = bytes.chunks(4096).position(|page| page[4..].iter().all(|byte| *byte == b'y'));
    write_at(&place.file(""), page.unwrap() * 4096, &[0x7f; 4]);
    let mut consumer = queue.consumer("a").unwrap();
    let entries = consumer.next(9).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 3]);
    let why = queue.stats().last_damaged.unwrap().why;
    assert!(why.contains("malformed"), "{why}");
    for entry in entries {
        consumer.done(entry.place).await.unwrap();
    }
    for _ in 0..70 {
        fill(&queue, &["more"]).await;
        take(&mut consumer).await;
    }
    assert_eq!(settled(&queue).await.batches, 0);
    queue.close().await;
    let (queue, damage) = place.open(&["a"]);
    assert!(damage.is_some(), "the next start looks through it");
    queue.close().await;
}

/// The files as a kill leaves them, put where a queue is opened from them.
async fn killed(texts: &[&str]) -> Home {
    let place = Home::roomy();
    let queue = place.sound(&["a"]);
    fill(&queue, texts).await;
    let copy = Home::roomy();
    fs::create_dir(copy.queues()).unwrap();
    for ending in ["", "-wal"] {
        fs::copy(place.file(ending), copy.file(ending)).unwrap();
    }
    queue.close().await;
    copy
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill_and_an_unfinished_commit_is_no_damage() {
    let place = killed(&["one", "two"]).await;
    truncate(&place.file("-wal"), |length| length + 1000);
    let queue = place.sound(&["a"]);
    let mut consumer = queue.consumer("a").unwrap();
    assert_eq!(take(&mut consumer).await, one(1, "one"));
    assert_eq!(take(&mut consumer).await, one(2, "two"));
    queue.close().await;
}

#[tokio::test]
async fn a_damaged_log_is_named_and_copied_and_the_log_gets_a_new_id() {
    let id = |place: &Home| {
        let connection = Connection::open(place.file("")).unwrap();
        let text = "SELECT value FROM meta WHERE name = 'id'";
        connection.query_row(text, [], |row| row.get::<_, String>(0)).unwrap()
    };
    let harms: [(&str, Harm, &[&str]); 2] = [
        ("the head of its write-ahead log is damaged", |log| write_at(log, 0, &[7; 100]), &[]),
        // The first frame of "two" and all that comes after it.
        (
            "is damaged at frame",
            |log| {
                let bytes = fs::read(log).unwrap();
                let at = bytes.windows(3).position(|part| part == b"two").unwrap();
                write_at(log, at, b"twx");
            },
            &["one"],
        ),
    ];
    for (why, harm, kept) in harms {
        let place = killed(&["one", "two", "three", "four"]).await;
        harm(&place.file("-wal"));
        let (queue, damage) = place.open(&["a"]);
        let damage = damage.unwrap();
        assert!(damage.why.contains(why), "{damage:?}");
        assert_eq!(damage.file, place.file(".damaged-20261124T220000Z-wal"));
        assert!(damage.file.exists());
        let new = queue.id();
        fill(&queue, &["new"]).await;
        let entries = queue.consumer("a").unwrap().next(9).await.unwrap();
        let got: Vec<String> = entries.iter().flat_map(|entry| texts(&entry.batch)).collect();
        assert_eq!(got, [kept, &["new"]].concat());
        queue.close().await;
        assert_eq!(id(&place), new.to_string());
        place.sound(&["a"]).close().await;
    }
}

#[tokio::test]
async fn a_log_without_its_database_is_set_aside() {
    let place = killed(&["one"]).await;
    fs::remove_file(place.file("")).unwrap();
    let (queue, damage) = place.open(&["a"]);
    assert!(damage.unwrap().why.starts_with("its database is missing"));
    queue.close().await;
    assert_eq!(place.names(), ["syslog.db", "syslog.db.damaged-20261124T220000Z-wal"]);
}

fn truncate(file: &Path, length: impl FnOnce(u64) -> u64) {
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.set_len(length(file.metadata().unwrap().len())).unwrap();
}

fn write_at(file: &Path, at: usize, bytes: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(bytes, at.try_into().unwrap()).unwrap();
}
