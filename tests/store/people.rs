//! What people do, in both databases: versions, the journal, what ended unseen, silences.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use haetae::{
    clock::Clock,
    engine::{
        AlarmView, Condition, Evidence, Input, Silence, Standing,
        alarm::handling::{CloseCode, Handling, HandlingState},
    },
    people::{
        ActRequest, BulkRequest, People, PeopleError, Said, SilenceRequest, SilenceState, load,
    },
    store::{HAETAE, Handled, Store, Transaction},
};
use haetae_plugin::{Severity, Timestamp};
use tokio::sync::mpsc;

use super::{at, on_both, open, write};

/// People, their clock, and what the engine hears.
struct Scene {
    store: Store,
    people: People,
    clock: Arc<AtomicI64>,
    heard: mpsc::Receiver<Input>,
}

impl Scene {
    fn new(store: &Store) -> Self {
        let clock = Arc::new(AtomicI64::new(at(0).nanos()));
        let (inputs, heard) = mpsc::channel(1000);
        let people = People::new(store.clone(), Clock::Set(Arc::clone(&clock)), inputs);
        Self { store: store.clone(), people, clock, heard }
    }

    fn set(&self, second: i64) -> Timestamp {
        self.clock.store(at(second).nanos(), Ordering::SeqCst);
        at(second)
    }

    /// What the engine heard since: alarms with their state, `silences` with their number.
    fn heard(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        while let Ok(input) = self.heard.try_recv() {
            heard.push(match input {
                Input::Handled { alarm, handling } => {
                    format!("{alarm} {}", handling.state.as_str())
                }
                Input::Silences(silences) => format!("silences {}", silences.len()),
                other => format!("{other:?}"),
            });
        }
        heard
    }

    async fn act(&self, alarm: &AlarmView, said: Said) -> Result<Handled, PeopleError> {
        let request = ActRequest { said, comment: "words".into(), version: None };
        self.people.act(alarm, &request, "kim").await.map(|answer| answer.handling)
    }

    /// The journal of an alarm: who, what, from where to where.
    async fn journal(&self, about: &str) -> Vec<String> {
        let state = |text: &str| {
            let handling: Option<Handling> = serde_json::from_str(text).ok();
            handling.map_or_else(String::new, |it| it.state.as_str().to_owned())
        };
        let history = self.store.history(about, 100).await.unwrap();
        let line = history.iter().map(|entry| {
            let (before, after) = (state(&entry.before), state(&entry.after));
            format!("{} {}: {before} > {after}", entry.actor, entry.act)
        });
        line.collect()
    }
}

pub(super) fn alarm(id: &str, severity: Severity) -> AlarmView {
    AlarmView {
        id: id.into(),
        evaluator: "cpu".into(),
        labels: BTreeMap::from([("host".into(), id.into())]),
        severity,
        condition: Condition::Firing,
        evidence: Evidence::Fresh,
        since: at(0),
        updated: at(0),
        ended: None,
        value: Some(95.0),
        threshold: None,
        unit: String::new(),
        summaries: <_>::default(),
        runbook: None,
        reason: None,
        flapping: false,
        excerpts: Vec::new(),
    }
}

pub(super) fn ended(id: &str, second: i64) -> AlarmView {
    let over = alarm(id, Severity::Warning);
    AlarmView { condition: Condition::Ok, updated: at(second), ended: Some(at(second)), ..over }
}

pub(super) async fn save(store: &Store, alarms: &[AlarmView]) {
    let standings = alarms.iter().map(|alarm| Standing {
        fingerprint: alarm.id.clone(),
        occurrence: 1,
        labels: alarm.labels.clone(),
        alarm: alarm.clone(),
        state: None,
    });
    let standings: Vec<_> = standings.collect();
    write(store, move |transaction| {
        transaction.save_alarms(&standings).unwrap();
        Ok(())
    })
    .await;
}

fn ack(lasts: Option<u64>) -> Said {
    let lasts = lasts.map(|seconds| Duration::from_secs(seconds).into());
    Said::Acknowledge { lasts, until: None, sticky: false }
}

#[test]
fn an_act_is_stored_journalled_and_told_and_who_is_slower_changes_nothing() {
    on_both("acts", async |location| {
        let store = open(&location).await;
        let mut scene = Scene::new(&store);
        let one = alarm("a-1", Severity::Warning);
        save(&store, std::slice::from_ref(&one)).await;
        let done = scene.act(&one, ack(Some(60))).await.unwrap();
        let until = Some(at(60));
        let wanted = HandlingState::Acknowledged { by: "kim".into(), until, sticky: false };
        assert_eq!((&done.handling.state, done.version), (&wanted, 1));
        assert_eq!(store.handling("a-1").await.unwrap(), done);
        assert_eq!(store.handlings().await.unwrap(), BTreeMap::from([("a-1".into(), done)]));
        assert_eq!(scene.heard(), ["a-1 acknowledged"]);
        // Two people looked at version 1; the first works on it.
        let request = |said| ActRequest { said, comment: String::new(), version: Some(1) };
        let first = scene.people.act(&one, &request(Said::Progress {}), "kim").await.unwrap();
        assert_eq!((first.handling.version, first.handling.note.as_str()), (2, "words"));
        let close = request(Said::Close { code: CloseCode::Noise });
        let second = scene.people.act(&one, &close, "lee").await;
        assert!(matches!(second, Err(PeopleError::Conflict)), "{second:?}");
        // A note changes nothing that the engine wants to know.
        scene.act(&one, Said::Note {}).await.unwrap();
        assert_eq!(scene.heard(), ["a-1 in progress"]);
        let refused = scene.act(&one, Said::Seen {}).await;
        assert!(matches!(refused, Err(PeopleError::Refused(_))), "{refused:?}");
        assert_eq!(
            scene.journal("a-1").await,
            [
                "kim acknowledged: unhandled > acknowledged",
                "kim in progress: acknowledged > in progress",
                "kim noted: in progress > in progress",
            ]
        );
    });
}

#[test]
fn two_daemons_on_one_row_do_not_overwrite_each_other() {
    on_both("versions", async |location| {
        let store = open(&location).await;
        let handled = |version| Handled { version, updated: at(0), ..Handled::default() };
        for (version, wanted) in [(1, true), (1, false), (3, false), (2, true)] {
            let handled = handled(version);
            let handle =
                move |transaction: &mut Transaction<'_>| transaction.handle(&[("a-1", &handled)]);
            let written = write(&store, handle).await;
            assert_eq!(written == ["a-1"], wanted, "{version}");
        }
    });
}

#[test]
fn what_ends_by_itself_is_journalled_and_what_a_person_did_meanwhile_stands() {
    on_both("lapses", async |location| {
        let store = open(&location).await;
        let scene = Scene::new(&store);
        let one = alarm("a-1", Severity::Warning);
        let lapse = async |second| {
            write(&store, move |transaction| {
                let over = [("a-1".to_owned(), Handling::default())];
                transaction.lapse(&over, at(second)).unwrap();
                Ok(())
            })
            .await;
        };
        lapse(1).await;
        scene.act(&one, ack(Some(60))).await.unwrap();
        lapse(60).await;
        assert_eq!(store.handling("a-1").await.unwrap().handling, Handling::default());
        scene.set(61);
        scene.act(&one, Said::Progress {}).await.unwrap();
        lapse(62).await;
        let stands = store.handling("a-1").await.unwrap();
        assert_eq!((stands.handling.state.as_str(), stands.version), ("in progress", 3));
        assert_eq!(
            scene.journal("a-1").await,
            [
                "kim acknowledged: unhandled > acknowledged",
                &format!("{HAETAE} lapsed: acknowledged > unhandled"),
                "kim in progress: unhandled > in progress",
            ]
        );
    });
}

#[test]
fn many_are_handled_by_one_call_after_a_dry_run() {
    on_both("bulk", async |location| {
        let store = open(&location).await;
        let mut scene = Scene::new(&store);
        let mut alarms: Vec<_> =
            (0..50).map(|index| alarm(&format!("{index:02}-1"), Severity::Warning)).collect();
        save(&store, &alarms).await;
        scene.act(&alarms[7], Said::Close { code: CloseCode::Real }).await.unwrap();
        scene.heard();
        // Not one that a person can handle yet.
        alarms[3].condition = Condition::Pending;
        let mut request = BulkRequest {
            said: ack(None),
            comment: "storm".into(),
            matchers: Vec::new(),
            unseen: false,
            dry_run: true,
        };
        let dry = scene.people.act_on_all(&alarms, &request, "lee").await.unwrap();
        assert_eq!((dry.matched, dry.changed, dry.refused.len(), dry.left), (50, 48, 2, 0));
        assert!(scene.heard().is_empty());
        assert_eq!(store.handlings().await.unwrap().len(), 1);
        request.dry_run = false;
        let done = scene.people.act_on_all(&alarms, &request, "lee").await.unwrap();
        assert_eq!((done.changed, &done.alarms), (48, &dry.alarms));
        assert_eq!(scene.heard().len(), 48);
        assert_eq!(store.handlings().await.unwrap().len(), 49);
        assert_eq!(scene.journal("49-1").await, ["lee acknowledged: unhandled > acknowledged"]);
        assert_eq!(scene.journal("03-1").await, Vec::<String>::new());
    });
}

#[test]
fn what_ended_while_nobody_had_taken_it_up_is_unseen_until_somebody_looks() {
    on_both("unseen", async |location| {
        let store = open(&location).await;
        let scene = Scene::new(&store);
        let alarms = ["a-1", "b-1", "c-1"].map(|id| alarm(id, Severity::Warning));
        save(&store, &alarms).await;
        scene.act(&alarms[1], ack(None)).await.unwrap();
        let over = [ended("a-1", 10), ended("b-1", 11), ended("c-1", 12)];
        save(&store, &over).await;
        let ids = async |unseen: bool, since| {
            let ended = store.ended(at(since), unseen, 10).await.unwrap();
            ended.into_iter().map(|(standing, _)| standing.alarm.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(true, 0).await, ["c-1", "a-1"]);
        assert_eq!(ids(true, 10).await, ["c-1"], "those of late alone");
        assert_eq!(ids(false, 0).await, ["c-1", "b-1", "a-1"]);
        scene.act(&over[2], Said::Seen {}).await.unwrap();
        assert_eq!(ids(true, 0).await, ["a-1"]);
        // One that somebody put back is unseen again.
        scene.act(&over[1], Said::Reopen {}).await.unwrap();
        assert_eq!(ids(true, 0).await, ["b-1", "a-1"]);
        assert!(store.handlings().await.unwrap().is_empty(), "the engine needs them no more");
    });
}

#[test]
fn silences_are_previewed_kept_told_and_ended() {
    on_both("silences", async |location| {
        let store = open(&location).await;
        let mut scene = Scene::new(&store);
        let alarms = [alarm("a-1", Severity::Critical), alarm("b-1", Severity::Warning)];
        save(&store, &alarms).await;
        let hour = Some(Duration::from_hours(1).into());
        let request = |lasts, resolved, every: Option<&str>| SilenceRequest {
            matchers: vec!["severity=critical".into()],
            reason: "work".into(),
            lasts,
            until_resolved: resolved,
            every: every.map(Into::into),
            zone: every.map(|_| "Asia/Seoul".into()),
            ..SilenceRequest::default()
        };
        let dry = SilenceRequest { dry_run: true, ..request(hour, false, None) };
        let dry = scene.people.silence(&dry, &alarms, "kim").await.unwrap();
        assert_eq!((dry.mutes, dry.alarms), (1, vec!["a-1".to_owned()]));
        assert_eq!((scene.heard().len(), store.silences(10).await.unwrap().len()), (0, 0));

        let mut ids = Vec::new();
        for request in [
            request(hour, false, None),
            request(None, true, None),
            request(None, false, Some("Mon-Fri 22:00-07:00")),
        ] {
            let made = scene.people.silence(&request, &alarms, "kim").await.unwrap();
            ids.push(made.silence.stored.id);
        }
        assert_eq!(scene.heard(), ["silences 1", "silences 2", "silences 3"]);
        // 1 800 000 000 is Friday 17:00 in Seoul.
        let (active, over, waiting) =
            (SilenceState::Active, SilenceState::Over, SilenceState::Waiting);
        let states = async |scene: &Scene| {
            let shown = scene.people.silences(true, |id| id == "a-1").await.unwrap();
            shown.iter().rev().map(|one| one.state).collect::<Vec<_>>()
        };
        assert_eq!(states(&scene).await, [active, active, waiting]);
        scene.set(5 * 3600);
        assert_eq!(states(&scene).await, [over, active, active]);
        // The alarm ends: so does the silence that waited for it, as soon as anybody looks.
        save(&store, &[ended("a-1", 5 * 3600)]).await;
        let kept: Vec<Silence> = load(&store, at(5 * 3600)).await.unwrap();
        assert_eq!(kept.iter().map(|one| &one.id).collect::<Vec<_>>(), [&ids[2]]);
        assert_eq!(scene.journal(&ids[1]).await[1], format!("{HAETAE} silence ended:  > "));
        scene.people.end_silence(&ids[2], "lee").await.unwrap();
        assert_eq!(scene.heard(), ["silences 0"]);
        let again = scene.people.end_silence(&ids[2], "lee").await;
        assert!(matches!(again, Err(PeopleError::Unknown(_))), "{again:?}");
        assert_eq!(states(&scene).await, [over, over, over]);
        let authors = store.silences(10).await.unwrap();
        assert!(authors.iter().all(|silence| silence.author == "kim" && silence.reason == "work"));
    });
}

#[test]
fn a_silence_that_makes_no_sense_is_refused_with_a_reason() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let location = haetae::store::Location::File(directory.path().join("haetae.db"));
        let scene = Scene::new(&open(&location).await);
        let hour = Some(Duration::from_hours(1).into());
        let good = || SilenceRequest {
            matchers: vec!["a=b".into()],
            reason: "work".into(),
            lasts: hour,
            ..SilenceRequest::default()
        };
        let every = |every: &str, zone: &str| SilenceRequest {
            every: Some(every.into()),
            zone: Some(zone.into()),
            ..good()
        };
        for (request, word) in [
            (SilenceRequest { matchers: Vec::new(), ..good() }, "everything"),
            (SilenceRequest { matchers: vec!["a=~\".*\"".into()], ..good() }, "everything"),
            (SilenceRequest { matchers: vec!["a".into()], ..good() }, "no matcher"),
            (SilenceRequest { reason: " ".into(), ..good() }, "reason"),
            (SilenceRequest { lasts: None, ..good() }, "how long"),
            (SilenceRequest { until: Some(at(9)), ..good() }, "either"),
            (SilenceRequest { lasts: None, until: Some(at(0)), ..good() }, "before it begins"),
            (SilenceRequest { lasts: None, until_resolved: true, ..good() }, "no end"),
            (every("Mon-Fri", "Asia/Soul"), "no time zone"),
            (every("Mo", "Asia/Seoul"), "no day"),
            (SilenceRequest { zone: None, ..every("Mon", "") }, "zone"),
        ] {
            let refused = scene.people.silence(&request, &[], "kim").await.unwrap_err();
            assert!(refused.to_string().contains(word), "{request:?}: {refused}");
            assert!(matches!(refused, PeopleError::Senseless(_)));
        }
        assert!(scene.people.silence(&good(), &[], "kim").await.is_ok());
    });
}
