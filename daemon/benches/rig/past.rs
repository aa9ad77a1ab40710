//! A long past: alarms that have ended, what the journal says of them and who was told, in the order
//! of time.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use haetae::{
    engine::{AlarmView, Condition, Evidence, Standing},
    store::JournalEvent,
};
use haetae_plugin::{Severity, Timestamp};

/// Rows of the journal in a transaction, about.
const BATCH: usize = 4_000;
/// Alarms come again and again: so many are different ones.
const IDENTITIES: usize = 20_000;
/// How long ago the first one fired.
pub const SPAN: Duration = Duration::from_hours(390 * 24);
/// How long an alarm lasts.
const SHORTEST: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(4);
/// A sink is told so long after it happened.
const TELLING: Duration = Duration::from_millis(6);
/// The sink that was told.
pub const SINK: &str = "post";

/// What is written at once; who was told of what has the time of its last event.
#[derive(Default)]
pub struct Batch {
    /// The time of the last of it.
    pub now: Timestamp,
    pub records: Vec<Record>,
    /// Alarms that the sink was told of.
    pub told: Vec<String>,
    /// Those that it was told the end of.
    pub closed: Vec<String>,
    /// Those that ended, as they are stored.
    pub ended: Vec<Standing>,
}

/// A row of the journal.
pub struct Record {
    pub at: Timestamp,
    pub alarm: String,
    pub act: JournalEvent,
    pub detail: String,
}

/// What happens next: when, to which alarm, and which row of its journal that is.
type Event = Reverse<(Timestamp, usize, usize)>;

/// The past, a batch at a time.
pub struct Past {
    alarms: usize,
    journal: usize,
    from: Timestamp,
    /// The alarms that began so far.
    begun: usize,
    events: BinaryHeap<Event>,
}

impl Past {
    /// So many alarms with so many rows in the journal, two at least of each; the last ended
    /// before `now`.
    pub fn until(now: Timestamp, alarms: usize, journal: usize) -> Self {
        assert!(alarms > 0 && journal >= 2 * alarms, "at least two rows of the journal an alarm");
        Self { alarms, journal, from: now.before(SPAN), begun: 0, events: BinaryHeap::new() }
    }

    /// Rows of the journal about an alarm: as many as there are on the average, but for pairs of
    /// which one has more and the other less.
    fn rows(&self, alarm: usize) -> usize {
        let upto = |alarm: usize| alarm * self.journal / self.alarms;
        let own = upto(alarm + 1) - upto(alarm);
        let less = (alarm / 2) % (self.journal / self.alarms - 1);
        match alarm % 2 {
            0 if alarm + 1 < self.alarms => own - less,
            0 => own,
            _ => own + less,
        }
    }

    fn start(&self, alarm: usize) -> Timestamp {
        let room = SPAN.saturating_sub(LONGEST + TELLING * 2);
        let every = room / u32::try_from(self.alarms).expect("few");
        self.from.after(every * u32::try_from(alarm).expect("few"))
    }

    /// When the row of an alarm is written: changes evenly over its life, and after each that the
    /// sink was told of it.
    fn at(&self, alarm: usize, row: usize) -> Timestamp {
        let rows = self.rows(alarm);
        let place = match row {
            // It ends when its life does, however little was said before.
            row if rows < 4 && row + 1 == rows => 2,
            // One that repeats what was told stands alone.
            row if rows % 2 == 1 && rows > 4 && row + 2 >= rows => row + 1,
            row => row,
        };
        let few = |count: usize| u32::try_from(count).expect("few");
        let changes = few((rows.div_ceil(2) - 1).max(1));
        let told = TELLING * few(place % 2);
        self.start(alarm).after(lasts(alarm) * few(place / 2) / changes + told)
    }

    /// The next event, and what follows it waits.
    fn next_event(&mut self) -> Option<(Timestamp, usize, usize)> {
        if self.begun < self.alarms {
            let start = self.start(self.begun);
            if self.events.peek().is_none_or(|Reverse((at, ..))| start <= *at) {
                self.events.push(Reverse((start, self.begun, 0)));
                self.begun += 1;
            }
        }
        let Reverse((at, alarm, row)) = self.events.pop()?;
        if row + 1 < self.rows(alarm) {
            self.events.push(Reverse((self.at(alarm, row + 1), alarm, row + 1)));
        }
        Some((at, alarm, row))
    }
}

impl Iterator for Past {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        while let Some((at, alarm, row)) = self.next_event() {
            let rows = self.rows(alarm);
            let id = id(alarm);
            let (act, detail) = said(row, rows);
            if act == JournalEvent::Notified && row == 1 {
                batch.told.push(id.clone());
            }
            if act == JournalEvent::Notified && row + 1 == rows {
                batch.closed.push(id.clone());
            }
            if detail.starts_with("resolved") {
                batch.ended.push(standing(alarm, self.start(alarm), at));
            }
            batch.now = at;
            batch.records.push(Record { at, alarm: id, act, detail });
            if batch.records.len() >= BATCH {
                break;
            }
        }
        (!batch.records.is_empty()).then_some(batch)
    }
}

/// What a row of the journal says, in the words of the daemon. With less than four rows no sink was
/// told; with more, the alarm became worse and better.
fn said(row: usize, rows: usize) -> (JournalEvent, String) {
    let changed = |what: &str| (JournalEvent::Changed, what.into());
    let told = |what: &str| (JournalEvent::Notified, format!("{SINK}: {what}"));
    let resolved = "resolved critical at 10 %: cleared";
    if rows < 4 {
        return match row {
            0 => changed("fired critical at 99 %"),
            row if row + 1 == rows => changed(resolved),
            _ => {
                (JournalEvent::Withheld, format!("{SINK}: not told: quiet hours (haetae.toml:31)"))
            }
        };
    }
    match row {
        0 => changed("fired critical at 99 %"),
        1 => told("first"),
        row if row + 1 == rows => told("resolved"),
        row if row + 2 == rows => changed(resolved),
        // One that has no other to make a pair with.
        row if row + 3 == rows && rows % 2 == 1 => told("repeat"),
        row => match row % 4 {
            2 => changed("better warning at 85 %"),
            3 => told("better"),
            0 => changed("worse critical at 97 %"),
            _ => told("worse"),
        },
    }
}

fn id(alarm: usize) -> String {
    let (fingerprint, occurrence) = identity(alarm);
    format!("{fingerprint}-{occurrence}")
}

/// The two halves of an id.
fn identity(alarm: usize) -> (String, u32) {
    let number = u64::try_from(alarm % IDENTITIES).expect("few");
    let occurrence = u32::try_from(alarm / IDENTITIES + 1).expect("few");
    (format!("{:012x}", scattered(number) >> 16), occurrence)
}

fn lasts(alarm: usize) -> Duration {
    let share = u32::try_from(scattered(u64::try_from(alarm).expect("few")) % 1_000).expect("few");
    SHORTEST + LONGEST.saturating_sub(SHORTEST) * share / 1_000
}

/// A number that looks like chance (splitmix64).
fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// An alarm that has ended, as the engine stores it.
fn standing(alarm: usize, since: Timestamp, ended: Timestamp) -> Standing {
    let (fingerprint, occurrence) = identity(alarm);
    let number = alarm % IDENTITIES;
    let labels = [
        ("group", (number % 40).to_string()),
        ("host", format!("past-{number}.example.com")),
        ("lane", "past".into()),
        ("plane", "paas".into()),
        ("resource", "cpu".into()),
    ];
    let labels = labels.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
    let summaries = ["en", "ko"].map(|language| (language.into(), "{{host}}: {{value}}".into()));
    let view = AlarmView {
        id: id(alarm),
        evaluator: "past".into(),
        labels,
        severity: Severity::Critical,
        condition: Condition::Ok,
        evidence: Evidence::Fresh,
        flapping: false,
        since,
        updated: ended,
        ended: Some(ended),
        value: Some(10.0),
        unit: "percent".into(),
        summaries: summaries.into_iter().collect(),
        runbook: None,
        threshold: None,
        reason: Some("cleared".into()),
        excerpts: Vec::new(),
    };
    Standing { fingerprint, occurrence, labels: view.labels.clone(), alarm: view, state: None }
}
