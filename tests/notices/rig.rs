//! A rig: the way from effects to sinks, step by step, at times that the test sets.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use haetae::{
    clock::Clock,
    config::{Files, Plan},
    deliver::{
        commit::Outbox,
        dispatch::Dispatch,
        handoff::Handoff,
        metrics::DeliveryMetrics,
        recipient::{Recipient, Recipients},
        render::Voice,
        work::Work,
    },
    engine::{
        AlarmView, Change, Condition, Effects, Evidence, Standing, Transition,
        log::Positions,
        notify::{Flush, StoredGroup},
    },
    language::Language,
    plugin::sink::Outlet,
    store::{Location, Store, health::Health, reserve::Reserve},
};
use haetae_plugin::{Batch, Notification, Outcome, Reason, Records, Severity, Timestamp, Verdict};
use jiff::tz::TimeZone;
use tempfile::TempDir;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::kinds::Offered;

/// What a sink was given, and what it says to that.
#[derive(Default)]
pub(crate) struct Box {
    pub(crate) taken: Vec<Notification>,
    pub(crate) says: Option<Verdict>,
}

/// Everything between effects and sinks.
pub(crate) struct Rig {
    pub(crate) store: Store,
    pub(crate) outbox: Outbox,
    pub(crate) boxes: BTreeMap<String, Arc<Mutex<Box>>>,
    dispatches: Vec<(Dispatch, Work)>,
    nanos: Arc<AtomicI64>,
    _events: mpsc::Receiver<haetae::plugin::event::Event>,
    _directory: TempDir,
}

/// A plan with these sinks; their kind is `file`.
pub(crate) fn plan(text: &str) -> Plan {
    let evaluators = "[sources.s]\nplugin = \"host\"\n[evaluators.cpu]\ninputs = [\"s\"]\nmetric = \"cpu_total_used_percent\"\ncritical = { above = 90 }\n";
    let text = format!("[daemon]\nzone = \"Asia/Seoul\"\n{evaluators}{text}");
    let checked = Files::from_texts(vec![(PathBuf::from("haetae.toml"), text)]).plan(&Offered);
    checked.plan.clone().unwrap_or_else(|| panic!("{}", checked.report(Language::En, false)))
}

impl Rig {
    /// The sinks of a plan at the second 0.
    pub(crate) async fn new(plan: &Plan) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let location = Location::File(directory.path().join("haetae.db"));
        let store = Store::open(location, "01J0000000000000000000NODE").await.unwrap();
        let nanos = Arc::new(AtomicI64::new(at(0).nanos()));
        let clock = Clock::Set(Arc::clone(&nanos));
        let (mut boxes, mut recipients) = (BTreeMap::new(), Vec::new());
        for sink in &plan.sinks {
            let post = Arc::new(Mutex::new(Box::default()));
            boxes.insert(sink.name.clone(), Arc::clone(&post));
            recipients.push(Recipient {
                plan: sink.clone(),
                takes: vec![Records::Notifications],
                voice: Voice {
                    language: sink.language.unwrap_or(plan.daemon.language),
                    zone: TimeZone::get("Asia/Seoul").unwrap(),
                },
                outlet: outlet(post),
                handoff: Arc::<Handoff>::default(),
                metrics: DeliveryMetrics::default(),
                wake: Arc::<Notify>::default(),
            });
        }
        let recipients = Recipients::new(recipients);
        let (events, inbox) = mpsc::channel(1000);
        let current = watch::channel(recipients.clone()).1;
        let dispatches = recipients.iter().map(|sink| {
            let dispatch = Dispatch {
                name: sink.plan.name.clone(),
                recipients: current.clone(),
                store: store.clone(),
                clock: clock.clone(),
                events: events.clone(),
                stop: CancellationToken::new(),
            };
            (dispatch, Work::default())
        });
        let dispatches = dispatches.collect();
        let outbox = Outbox {
            store: store.clone(),
            health: Health::default(),
            reserve: Reserve::in_state(directory.path()),
            recipients: current,
            clock,
            watchers: broadcast::channel(16).0,
            written: watch::channel(Positions::default()).0,
            plan: watch::Sender::new(0),
            events,
        };
        Self { store, outbox, boxes, dispatches, nanos, _events: inbox, _directory: directory }
    }

    /// It is that second.
    pub(crate) fn set(&self, second: i64) {
        self.nanos.store(at(second).nanos(), Ordering::SeqCst);
    }

    /// Writes effects and has each dispatcher do what is due then.
    pub(crate) async fn step(&mut self, second: i64, effects: Effects) {
        self.set(second);
        self.write([effects]).await;
        self.turn().await;
    }

    /// Writes effects.
    pub(crate) async fn write<const N: usize>(&self, effects: [Effects; N]) {
        self.outbox.write(Arc::new(effects.into())).await.unwrap();
    }

    /// Each dispatcher does what is due.
    pub(crate) async fn turn(&mut self) {
        for _ in 0..3 {
            for (dispatch, work) in &mut self.dispatches {
                dispatch.poll(work).await;
            }
        }
    }

    /// A sink has nothing to do: what is written for it is laid on its desk.
    pub(crate) fn idle(&self, sink: &str) {
        self.outbox.recipients.borrow().get(sink).unwrap().handoff.open();
    }

    /// What a sink says from now on; none: it takes everything.
    pub(crate) fn says(&self, sink: &str, verdict: Option<Verdict>) {
        self.boxes[sink].lock().unwrap().says = verdict;
    }

    /// What a sink took since it was looked at last.
    pub(crate) fn taken(&self, sink: &str) -> Vec<Notification> {
        std::mem::take(&mut self.boxes[sink].lock().unwrap().taken)
    }

    /// What the journal says of an alarm, as `act detail`.
    pub(crate) async fn journal(&self, alarm: &str) -> Vec<String> {
        let entries = self.store.history(alarm, 100).await.unwrap();
        entries.iter().map(|entry| format!("{} {}", entry.act, entry.detail)).collect()
    }

    /// Obligations as `sink alarm state`.
    pub(crate) async fn debts(&self) -> Vec<String> {
        let debts = self.store.obligations(true, 100_000).await.unwrap();
        let mut debts: Vec<_> = debts
            .iter()
            .map(|debt| format!("{} {} {:?}", debt.sink, debt.alarm, debt.state))
            .collect();
        debts.sort();
        debts
    }
}

/// An outlet whose sink says what its box says.
fn outlet(post: Arc<Mutex<Box>>) -> Outlet {
    let (outlet, mut deliveries) = Outlet::new();
    tokio::spawn(async move {
        while let Some(delivery) = deliveries.recv().await {
            let verdict = post.lock().unwrap().says.clone();
            let outcome = if let Some(verdict) = verdict {
                Outcome::all(verdict)
            } else {
                let Batch::Notifications(given) = delivery.batch else { panic!("no notices") };
                post.lock().unwrap().taken.extend(given);
                Outcome::delivered()
            };
            drop(delivery.reply.send(Ok(outcome)));
        }
    });
    outlet
}

/// A second of the test.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + second)
}

/// A critical alarm of a host that fires since the second 0; as part of its id, the host is a
/// hexadecimal number.
pub(crate) fn firing(host: &str) -> AlarmView {
    AlarmView {
        id: format!("{host}-1"),
        evaluator: "cpu".into(),
        labels: BTreeMap::from([("host".to_owned(), host.to_owned())]),
        severity: Severity::Critical,
        condition: Condition::Firing,
        evidence: Evidence::Fresh,
        flapping: false,
        excerpts: Vec::new(),
        since: at(0),
        updated: at(0),
        ended: None,
        value: Some(95.0),
        threshold: None,
        unit: "percent".into(),
        summaries: [("en".to_owned(), "CPU of {{host}} at {{value}}".to_owned())]
            .into_iter()
            .collect(),
        runbook: None,
        reason: None,
    }
}

/// The same when it ended.
pub(crate) fn ended(host: &str, second: i64) -> AlarmView {
    let reason = Some("cleared".into());
    AlarmView { condition: Condition::Ok, ended: Some(at(second)), reason, ..firing(host) }
}

/// What the engine says when alarms have changed so.
pub(crate) fn changed(change: Change, alarms: &[AlarmView], second: i64) -> Effects {
    let transition =
        |alarm: &AlarmView| Transition { change, alarm: alarm.clone(), at: at(second) };
    let standing = |alarm: &AlarmView| Standing {
        fingerprint: alarm.id.trim_end_matches("-1").into(),
        occurrence: 1,
        labels: alarm.labels.clone(),
        alarm: alarm.clone(),
        state: None,
    };
    Effects {
        transitions: alarms.iter().map(transition).collect(),
        standings: alarms.iter().map(standing).collect(),
        ..Effects::default()
    }
}

/// A group of `cpu` is told of alarms, all of which are news.
pub(crate) fn flush(sink: &str, reason: Reason, alarms: &[AlarmView], second: i64) -> Flush {
    Flush {
        sink: sink.into(),
        key: "cpu@1".into(),
        labels: BTreeMap::from([("zone".to_owned(), "a".to_owned())]),
        reason,
        alarms: alarms.to_vec(),
        news: alarms.iter().map(|alarm| alarm.id.clone()).collect(),
        at: at(second),
    }
}

/// The alarm of a host is in the group of a sink, which is to tell its end, or is not any more.
pub(crate) fn member(sink: &str, host: &str, goes_on: bool) -> StoredGroup {
    let state = goes_on.then(|| "{}".into());
    StoredGroup { sink: sink.into(), key: format!("cpu@1#{host}-1"), state }
}

/// As long as no sink is left alone for after it took nothing.
pub(crate) const LONG: i64 = Duration::from_mins(10).as_secs() as i64;
