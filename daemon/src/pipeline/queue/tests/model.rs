//! Random use of a queue, kills included, against a model that keeps lists.

use std::{collections::BTreeSet, fs, path::Path};

use proptest::{collection::vec, prelude::*, sample::select};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::pipeline::queue::{
    tests::{batch, clock, texts},
    *,
};

const NAMES: [&str; 2] = ["a", "b"];

#[derive(Clone, Copy, Debug)]
enum Step {
    Append {
        length: usize,
    },
    Next {
        who: usize,
        max_records: usize,
    },
    /// The oldest that it was given and has not done, or the youngest.
    Done {
        who: usize,
        youngest: bool,
    },
    /// The process dies, and the next one starts on what it left.
    Kill,
    Close,
}

fn any_step() -> impl Strategy<Value = Step> {
    let who = || 0..NAMES.len();
    prop_oneof![
        6 => select(vec![1, 40, 5000]).prop_map(|length| Step::Append { length }),
        5 => (who(), 1_usize..4).prop_map(|(who, max_records)| Step::Next { who, max_records }),
        5 => (who(), any::<bool>()).prop_map(|(who, youngest)| Step::Done { who, youngest }),
        1 => Just(Step::Kill),
        1 => Just(Step::Close),
    ]
}

/// What must hold for one consumer.
#[derive(Default)]
struct Model {
    /// It was given these since the start and has not done them.
    open: BTreeSet<i64>,
    /// It has said of these that they are done.
    done: BTreeSet<i64>,
    /// It was given all up to here since the start.
    given: i64,
}

struct Run {
    runtime: Runtime,
    directory: TempDir,
    queue: Queue,
    consumers: Vec<Consumer>,
    models: Vec<Model>,
    /// Each batch that was acknowledged, by its sequence; 0 is none.
    acked: Vec<String>,
}

fn open(directory: &Path) -> (Queue, Vec<Consumer>) {
    let limits = QueueLimits { max_bytes: 1 << 20, when_full: WhenFull::Wait };
    let names = NAMES.map(str::to_owned);
    let (queue, damage) = Queue::open(directory, "s", limits, &names, clock()).unwrap();
    assert_eq!(damage, None);
    let consumers = NAMES.iter().map(|name| queue.consumer(name).unwrap()).collect();
    (queue, consumers)
}

impl Run {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (queue, consumers) = open(directory.path());
        let models = NAMES.iter().map(|_| Model::default()).collect();
        Self { runtime, directory, queue, consumers, models, acked: vec![String::new()] }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append { length } => {
                let text = format!("{}:{}", self.acked.len(), "é".repeat(length));
                let receipt = self.runtime.block_on(self.queue.append(&batch(&text))).unwrap();
                assert_eq!(receipt.sequence, i64::try_from(self.acked.len()).unwrap());
                self.acked.push(text);
            }
            Step::Next { who, max_records } => self.next(who, max_records),
            Step::Done { who, youngest } => {
                let model = &mut self.models[who];
                let taken = if youngest { model.open.pop_last() } else { model.open.pop_first() };
                if let Some(sequence) = taken {
                    model.done.insert(sequence);
                    let place = QueuePosition::Batch(sequence);
                    self.runtime.block_on(self.consumers[who].done(place)).unwrap();
                }
            }
            Step::Kill => {
                let copy = tempfile::tempdir().unwrap();
                for name in ["s.db", "s.db-wal"] {
                    let from = self.directory.path().join(name);
                    if from.exists() {
                        fs::copy(from, copy.path().join(name)).unwrap();
                    }
                }
                self.runtime.block_on(self.queue.close());
                self.directory = copy;
                self.reopen();
            }
            Step::Close => {
                self.runtime.block_on(self.queue.close());
                let last = i64::try_from(self.acked.len()).unwrap();
                // All that was said is known: it starts at the lowest that is not done.
                let starts = self.models.iter().map(|model| {
                    let lowest = (1..last).find(|it| !model.done.contains(it)).unwrap_or(last);
                    if model.given < 0 { -1 } else { lowest - 1 }
                });
                let starts: Vec<i64> = starts.collect();
                self.reopen();
                for (model, start) in self.models.iter_mut().zip(starts) {
                    model.given = start;
                    if start >= 0 {
                        drop(model.done.split_off(&(start + 1)));
                    }
                }
            }
        }
    }

    fn reopen(&mut self) {
        (self.queue, self.consumers) = open(self.directory.path());
        for model in &mut self.models {
            model.open.clear();
            // Known again with the first batch that it is given.
            model.given = -1;
        }
    }

    fn next(&mut self, who: usize, max_records: usize) {
        let waiting = self.queue.stats().consumers[who].lag_batches;
        let model = &mut self.models[who];
        if waiting <= model.open.len() as u64 {
            return;
        }
        let last = i64::try_from(self.acked.len()).unwrap();
        if model.given == last - 1 {
            return;
        }
        let entries = self.runtime.block_on(self.consumers[who].next(max_records)).unwrap();
        assert!((1..=max_records).contains(&entries.len()));
        for entry in entries {
            if model.given < 0 {
                // After a kill it may be given again what it had done, and never less.
                let lowest = (1..last).find(|it| !model.done.contains(it)).unwrap_or(last);
                assert!(entry.sequence <= lowest, "{lowest} is lost: {}", entry.sequence);
                drop(model.done.split_off(&entry.sequence));
            } else {
                assert_eq!(entry.sequence, model.given + 1, "in order, and none twice");
            }
            let expected = &self.acked[usize::try_from(entry.sequence).unwrap()];
            assert_eq!(texts(&entry.batch).concat(), *expected);
            model.given = entry.sequence;
            model.open.insert(entry.sequence);
        }
    }

    /// In the end each gets all that it has not done.
    fn drain(&mut self) {
        self.step(Step::Close);
        for (who, name) in NAMES.iter().enumerate() {
            while self.queue.stats().consumers[who].lag_batches > self.models[who].open.len() as u64
            {
                self.next(who, 3);
            }
            let Model { open, done, .. } = &self.models[who];
            let last = i64::try_from(self.acked.len()).unwrap();
            let missed = (1..last).find(|it| !open.contains(it) && !done.contains(it));
            assert_eq!(missed, None, "for {name}");
        }
        self.runtime.block_on(self.queue.close());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn nothing_acknowledged_is_lost_and_all_comes_in_order(steps in vec(any_step(), 1..60)) {
        let mut trial = Run::new();
        for step in steps {
            trial.step(step);
        }
        trial.drain();
    }
}
