//! Notices: from what the engine wants told to what sinks get, step by step, with a clock of the test's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]
#![allow(clippy::cast_possible_wrap, reason = "its numbers are small")]

#[path = "check/kinds.rs"]
mod kinds;
#[path = "notices/rig.rs"]
mod rig;

use haetae::engine::{
    AlarmView, Change, Effects,
    notify::{Flush, StoredGroup, Why, Withheld},
};
use haetae_plugin::{Notification, Reason, Severity, Status, Verdict};
use rig::{LONG, Rig, at, changed, ended, firing, flush, member, plan};

const MAIL: &str = "[sinks.mail]\nplugin = \"file\"\npath = \"/p\"\ninputs = [\"cpu\"]\n";

/// The same, of a group with this key.
fn of(key: &str, reason: Reason, alarms: &[AlarmView], second: i64) -> Effects {
    let flush = Flush { key: key.into(), ..flush("mail", reason, alarms, second) };
    let begins = alarms.iter().filter(|alarm| alarm.ended.is_none()).cloned().collect::<Vec<_>>();
    Effects { flushes: vec![flush], ..changed(Change::Fired, &begins, second) }
}

/// What each of them answers, if anything, after its own key.
fn threads(taken: &[Notification]) -> Vec<(&str, Option<&str>)> {
    taken.iter().map(|it| (it.idempotency_key.as_str(), it.answers.as_deref())).collect()
}

/// What is stored of the alarms of these hosts in the groups of these sinks.
fn members(sinks: &[&str], hosts: &[&str], go_on: bool) -> Vec<StoredGroup> {
    let of = |sink: &&str| hosts.iter().map(|host| member(sink, host, go_on)).collect::<Vec<_>>();
    sinks.iter().flat_map(of).collect()
}

fn titles(taken: &[Notification]) -> Vec<&str> {
    taken.iter().map(|notification| notification.title.as_str()).collect()
}

#[tokio::test]
async fn a_group_is_one_notice_and_an_obligation_for_each_of_its_alarms() {
    let korean = MAIL.replace("mail", "korean") + "language = \"ko\"\n";
    let mut rig = Rig::new(&plan(&format!("{MAIL}{korean}"))).await;
    let both = |reason, alarms: &[_], second| {
        ["mail", "korean"].map(|sink| flush(sink, reason, alarms, second)).to_vec()
    };
    let mut alarms = vec![firing("a"), firing("b"), firing("c")];
    alarms[2].severity = Severity::Warning;
    let effects = Effects {
        flushes: both(Reason::First, &alarms, 30),
        groups: members(&["mail", "korean"], &["a", "b", "c"], true),
        ..changed(Change::Fired, &alarms, 0)
    };
    rig.step(30, effects).await;
    let (mail, korean) = (rig.taken("mail"), rig.taken("korean"));
    assert_eq!(titles(&mail), ["[CRITICAL] cpu: 3 alarms (zone=a)"]);
    assert_eq!(
        mail[0].text,
        "[CRITICAL] cpu: 3 alarms (zone=a)
why: these are new
[CRITICAL] CPU of a at 95 % (since 2027-01-15 17:00:00 +09:00) a-1
[CRITICAL] CPU of b at 95 % (since 2027-01-15 17:00:00 +09:00) b-1
[WARNING] CPU of c at 95 % (since 2027-01-15 17:00:00 +09:00) c-1"
    );
    assert_eq!(mail[0].html.matches("<p style").count(), 5, "{}", mail[0].html);
    assert_eq!((mail[0].key.as_str(), mail[0].labels.len()), ("cpu@1", 1));
    assert_eq!((mail[0].alarms.len(), mail[0].more), (3, 0));
    assert_eq!((mail[0].status, mail[0].severity), (Status::Firing, Severity::Critical));
    assert_eq!(titles(&korean), ["[심각] cpu: 알람 3건 (zone=a)"]);
    let mut debts = Vec::new();
    for sink in ["korean", "mail"] {
        debts.extend(["a", "b", "c"].map(|host| format!("{sink} {host}-1 Open")));
    }
    assert_eq!(rig.debts().await, debts);
    assert_eq!(rig.journal("c-1").await[0], "changed fired warning at 95 %");
    assert!(rig.journal("c-1").await.contains(&"told mail: first".into()));

    // One ends: the group says so when it is told next, and nobody else does.
    let over = ended("a", 60);
    rig.step(60, changed(Change::Resolved, std::slice::from_ref(&over), 60)).await;
    assert!(rig.taken("mail").is_empty());
    let alarms = [alarms[1].clone(), alarms[2].clone(), over.clone()];
    let mut flushes = both(Reason::SomeResolved, &alarms, 330);
    for flush in &mut flushes {
        flush.news = vec!["a-1".into()];
    }
    let groups = members(&["mail", "korean"], &["a"], false);
    rig.step(330, Effects { flushes, groups, ..Effects::default() }).await;
    let (mail, korean) = (rig.taken("mail"), rig.taken("korean"));
    assert_eq!(titles(&mail), ["[CRITICAL] cpu: 2 alarms, 1 ended (zone=a)"]);
    assert_eq!(titles(&korean), ["[심각] cpu: 알람 2건, 종료 1건 (zone=a)"]);
    let last = mail[0].text.lines().last().unwrap();
    assert_eq!(last, "[RESOLVED] CPU of a at 95 % (ended 2027-01-15 17:01:00 +09:00) a-1");
    assert_eq!(korean[0].text.lines().nth(1), Some("사유: 일부 해소"));
    assert_eq!(rig.debts().await[3], "mail a-1 Closed");

    // The others end, and the group with them.
    let rest = [ended("b", 400), ended("c", 400)];
    let effects = Effects {
        flushes: both(Reason::Resolved, &rest, 400),
        groups: members(&["mail", "korean"], &["b", "c"], false),
        ..changed(Change::Resolved, &rest, 400)
    };
    rig.step(400, effects).await;
    assert_eq!(titles(&rig.taken("mail")), ["[RESOLVED] cpu: 2 alarms ended (zone=a)"]);
    assert!(rig.debts().await.iter().all(|debt| debt.ends_with("Closed")));
    assert!(rig.store.groups().await.unwrap().is_empty());
    assert!(rig.store.waiting("", 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn of_very_many_alarms_some_are_shown_and_all_are_remembered() {
    let mut rig = Rig::new(&plan(MAIL)).await;
    let alarms: Vec<_> = (0..2500).map(|index| firing(&format!("a{index:04}"))).collect();
    let effects = Effects {
        flushes: vec![flush("mail", Reason::First, &alarms, 30)],
        ..changed(Change::Fired, &alarms, 0)
    };
    rig.step(30, effects).await;
    let taken = rig.taken("mail");
    assert_eq!(titles(&taken), ["[CRITICAL] cpu: 2500 alarms (zone=a)"]);
    assert_eq!((taken[0].alarms.len(), taken[0].more), (1000, 1500));
    assert_eq!(taken[0].text.lines().count(), 103);
    assert_eq!(taken[0].text.lines().last(), Some("… and 2400 more"));
    assert!(taken[0].html.contains("… and 2400 more"));
    assert_eq!(rig.debts().await.len(), 2500);
    assert_eq!(
        rig.journal("a2499-1").await,
        ["changed fired critical at 95 %", "told mail: first"]
    );

    let over: Vec<_> = alarms.iter().map(|alarm| ended(&alarm.labels["host"], 60)).collect();
    let effects = Effects {
        flushes: vec![flush("mail", Reason::Resolved, &over, 60)],
        ..changed(Change::Resolved, &over, 60)
    };
    rig.step(60, effects).await;
    assert_eq!(titles(&rig.taken("mail")), ["[RESOLVED] cpu: 2500 alarms ended (zone=a)"]);
    assert!(rig.debts().await.iter().all(|debt| debt.ends_with("Closed")));
}

#[tokio::test]
async fn a_fallback_is_told_of_the_end_of_what_it_was_told_and_the_sink_that_rejected_is_not() {
    let log = MAIL.replace("mail", "log").replace("inputs = [\"cpu\"]\n", "inputs = []\n");
    let mut rig = Rig::new(&plan(&format!("{MAIL}fallback = \"log\"\n{log}"))).await;
    rig.says("mail", Some(Verdict::Rejected { reason: "too long".into() }));
    let alarms = [firing("a"), firing("b")];
    let effects = Effects {
        flushes: vec![flush("mail", Reason::First, &alarms, 30)],
        groups: members(&["mail"], &["a", "b"], true),
        ..changed(Change::Fired, &alarms, 0)
    };
    rig.step(30, effects).await;
    assert_eq!(titles(&rig.taken("log")), ["[CRITICAL] cpu: 2 alarms (zone=a)"]);
    assert_eq!(rig.debts().await, ["log a-1 Open", "log b-1 Open"]);
    assert!(rig.journal("b-1").await.contains(&"buried mail: rejected: too long".into()));

    rig.says("mail", None);
    let over = [ended("a", 60), ended("b", 60)];
    let effects = Effects {
        flushes: vec![flush("mail", Reason::Resolved, &over, 60)],
        groups: members(&["mail"], &["a", "b"], false),
        ..changed(Change::Resolved, &over, 60)
    };
    rig.step(60 + LONG, effects).await;
    assert!(rig.taken("mail").is_empty(), "nobody there has heard of it");
    let untold = "withheld mail: its end is not told: the beginning never arrived";
    assert!(rig.journal("a-1").await.contains(&untold.into()), "{:?}", rig.journal("a-1").await);
    let told = rig.taken("log");
    assert_eq!(titles(&told), ["[RESOLVED] CPU of a at 95 %", "[RESOLVED] CPU of b at 95 %"]);
    assert_eq!(rig.debts().await, ["log a-1 Closed", "log b-1 Closed"]);
}

#[tokio::test]
async fn the_end_that_never_began_there_is_left_out_of_a_notice_of_others() {
    let mut rig = Rig::new(&plan(MAIL)).await;
    let (known, unknown) = (firing("a"), ended("x", 20));
    let effects = Effects {
        flushes: vec![flush("mail", Reason::First, &[known.clone(), unknown], 30)],
        ..changed(Change::Fired, &[known], 0)
    };
    rig.step(30, effects).await;
    assert_eq!(titles(&rig.taken("mail")), ["[CRITICAL] CPU of a at 95 %"]);
    assert_eq!(rig.debts().await, ["mail a-1 Open"]);
}

#[tokio::test]
async fn a_sink_that_is_behind_is_not_told_the_same_again_and_the_journal_says_so() {
    let mut rig = Rig::new(&plan(MAIL)).await;
    rig.says("mail", Some(Verdict::Retry { reason: "busy".into(), after: None }));
    let alarms = [firing("a")];
    let effects = Effects {
        flushes: vec![flush("mail", Reason::First, &alarms, 30)],
        groups: members(&["mail"], &["a"], true),
        ..changed(Change::Fired, &alarms, 0)
    };
    rig.step(30, effects).await;
    let repeat = |second| Effects {
        flushes: vec![flush("mail", Reason::Repeat, &alarms, second)],
        ..Effects::default()
    };
    rig.step(60, repeat(60)).await;
    assert_eq!(rig.store.waiting("", 10).await.unwrap().len(), 1);
    let untold =
        "withheld mail: not told again: the sink is failing and an earlier notice still waits";
    assert!(rig.journal("a-1").await.contains(&untold.into()), "{:?}", rig.journal("a-1").await);
    rig.says("mail", None);
    rig.set(60 + LONG);
    rig.turn().await;
    rig.step(70 + LONG, repeat(70 + LONG)).await;
    let taken = rig.taken("mail");
    assert_eq!(
        titles(&taken),
        ["[CRITICAL] CPU of a at 95 %", "[STILL CRITICAL] CPU of a at 95 %"]
    );
    assert!(taken[0].idempotency_key != taken[1].idempotency_key);
}

#[tokio::test]
async fn two_hours_of_a_dead_sink_lose_nothing_and_each_end_comes_after_its_beginning() {
    let mut rig = Rig::new(&plan(MAIL)).await;
    rig.says("mail", Some(Verdict::Retry { reason: "down".into(), after: None }));
    let mut wanted = Vec::new();
    for round in 0..24 {
        let second = round * 300;
        let (fires, ends) =
            (firing(&format!("f{round}")), ended(&format!("f{}", round - 1), second));
        let mut alarms = vec![fires.clone()];
        if round > 0 {
            alarms.push(ends.clone());
        }
        let reason = if round == 0 { Reason::First } else { Reason::NewAlarms };
        let mut effects = changed(Change::Fired, &[fires], second);
        if round > 0 {
            effects.extend(changed(Change::Resolved, &[ends], second));
        }
        effects.flushes.push(flush("mail", reason, &alarms, second));
        effects.groups.push(member("mail", &format!("f{round}"), true));
        effects.groups.push(member("mail", &format!("f{}", round - 1), false));
        rig.step(second, effects).await;
        wanted.push(alarms.into_iter().map(|alarm| alarm.id).collect::<Vec<_>>());
    }
    assert!(rig.taken("mail").is_empty());
    rig.says("mail", None);
    for minute in 0..30 {
        rig.set(7200 + minute * 60);
        rig.turn().await;
    }
    let taken = rig.taken("mail");
    let ids = taken.iter().map(|told| told.alarms.iter().map(|alarm| alarm.id.clone()).collect());
    assert_eq!(ids.collect::<Vec<Vec<_>>>(), wanted);
    let debts = rig.debts().await;
    assert_eq!(debts.iter().filter(|debt| debt.ends_with("Closed")).count(), 23, "{debts:?}");
    assert_eq!(debts.len(), 24);
}

#[tokio::test]
async fn what_no_group_tells_any_more_is_told_by_itself() {
    let mut rig = Rig::new(&plan(MAIL)).await;
    let alarms = [firing("a"), firing("b")];
    let effects = Effects {
        flushes: vec![flush("mail", Reason::First, &alarms, 30)],
        groups: members(&["mail"], &["a", "b"], true),
        ..changed(Change::Fired, &alarms, 0)
    };
    rig.step(30, effects).await;
    rig.taken("mail");
    // As when its group is one that the engine does not know any more.
    let mut gone = Effects { groups: members(&["mail"], &["a"], false), ..Effects::default() };
    gone.extend(changed(Change::Resolved, &[ended("a", 40)], 40));
    rig.step(40, gone).await;
    assert_eq!(titles(&rig.taken("mail")), ["[RESOLVED] CPU of a at 95 %"]);
    assert_eq!(rig.debts().await, ["mail a-1 Closed", "mail b-1 Open"]);
    // One whose group went without a word after it had ended: it is found later.
    rig.step(50, changed(Change::Resolved, &[ended("b", 50)], 50)).await;
    assert!(rig.taken("mail").is_empty(), "the group tells it");
    let groups = members(&["mail"], &["b"], false);
    rig.step(60, Effects { groups, ..Effects::default() }).await;
    rig.set(60 + LONG);
    rig.turn().await;
    assert_eq!(titles(&rig.taken("mail")), ["[RESOLVED] CPU of b at 95 %"]);
    assert_eq!(rig.debts().await[1], "mail b-1 Closed");
}

#[tokio::test]
async fn what_is_told_again_after_its_end_was_told_gets_another_end() {
    let mut rig = Rig::new(&plan(MAIL)).await;
    let tell = |reason, alarm, second, go_on| Effects {
        flushes: vec![flush("mail", reason, &[alarm], second)],
        groups: members(&["mail"], &["a"], go_on),
        ..Effects::default()
    };
    let mut fired = changed(Change::Fired, &[firing("a")], 0);
    fired.extend(tell(Reason::First, firing("a"), 30, true));
    rig.step(30, fired).await;
    // A person closes it, and opens it again.
    rig.step(60, tell(Reason::Closed, ended("a", 60), 60, true)).await;
    assert_eq!(rig.debts().await, ["mail a-1 Closed"]);
    rig.step(90, tell(Reason::Reopened, firing("a"), 90, true)).await;
    assert_eq!(rig.debts().await, ["mail a-1 Open"]);
    let mut over = changed(Change::Resolved, &[ended("a", 120)], 120);
    over.extend(tell(Reason::Resolved, ended("a", 120), 120, false));
    rig.step(120, over).await;
    let told = rig.taken("mail").into_iter().map(|told| told.reason);
    let reasons = [Reason::First, Reason::Closed, Reason::Reopened, Reason::Resolved];
    assert_eq!(told.collect::<Vec<_>>(), reasons, "{:?}", rig.journal("a-1").await);
    assert_eq!(rig.debts().await, ["mail a-1 Closed"]);
}

#[tokio::test]
async fn an_end_in_another_thread_than_its_beginning_is_told_once() {
    let mut rig = Rig::new(&plan(MAIL)).await;
    rig.says("mail", Some(Verdict::Retry { reason: "down".into(), after: None }));
    let alarms = [firing("a"), firing("b")];
    let mut digest = flush("mail", Reason::Digest, &alarms, 30);
    digest.key = "digest@30".into();
    let effects = Effects {
        flushes: vec![digest],
        groups: members(&["mail"], &["a", "b"], true),
        ..changed(Change::Fired, &alarms, 0)
    };
    rig.step(30, effects).await;
    let over = [ended("a", 60), ended("b", 60)];
    let effects = Effects {
        flushes: vec![flush("mail", Reason::Resolved, &over, 60)],
        groups: members(&["mail"], &["a", "b"], false),
        ..changed(Change::Resolved, &over, 60)
    };
    rig.step(60, effects).await;
    rig.says("mail", None);
    rig.set(60 + LONG);
    rig.turn().await;
    let told = rig.taken("mail");
    assert_eq!(
        titles(&told),
        ["[DIGEST, CRITICAL] cpu: 2 alarms (zone=a)", "[RESOLVED] cpu: 2 alarms ended (zone=a)"]
    );
    assert_eq!(rig.debts().await, ["mail a-1 Closed", "mail b-1 Closed"]);
}

#[tokio::test]
async fn what_is_new_to_a_sink_does_not_overtake_what_waits_in_its_thread() {
    let mut rig = Rig::new(&plan(MAIL)).await;
    let tell = |reason, alarm, second| Effects {
        flushes: vec![flush("mail", reason, &[alarm], second)],
        groups: members(&["mail"], &["a"], true),
        ..Effects::default()
    };
    let mut fired = changed(Change::Fired, &[firing("a")], 0);
    fired.extend(tell(Reason::First, firing("a"), 30));
    rig.step(30, fired).await;
    // A person closes it; then it gets worse, while its sink waits for work.
    rig.write([tell(Reason::Closed, ended("a", 60), 60)]).await;
    rig.idle("mail");
    rig.step(60, tell(Reason::First, firing("a"), 60)).await;
    let told = rig.taken("mail").into_iter().map(|told| told.reason);
    assert_eq!(told.collect::<Vec<_>>(), [Reason::First, Reason::Closed, Reason::First]);
    assert_eq!(rig.debts().await, ["mail a-1 Open"]);
}

#[tokio::test]
async fn a_clock_that_goes_back_leaves_no_sink_alone_for_longer() {
    let mut rig = Rig::new(&plan(MAIL)).await;
    let wait = std::time::Duration::from_mins(1);
    rig.says("mail", Some(Verdict::Retry { reason: "busy".into(), after: Some(wait) }));
    let tell = |host, second| Effects {
        flushes: vec![Flush { key: host, ..flush("mail", Reason::First, &[firing("a")], second) }],
        ..Effects::default()
    };
    rig.step(LONG, tell("one".into(), LONG)).await;
    rig.says("mail", None);
    rig.step(LONG + 1, tell("two".into(), LONG)).await;
    assert!(rig.taken("mail").is_empty(), "it asked for a pause");
    rig.step(30, tell("three".into(), 30)).await;
    let keys = rig.taken("mail").into_iter().map(|told| told.key);
    // What waited for a time that the clock is not at any more is due as well.
    assert_eq!(keys.collect::<Vec<_>>(), ["one", "two", "three"]);
}

#[tokio::test]
async fn why_a_sink_is_not_told_is_in_the_journal_with_who_or_which_line_says_so() {
    let mut rig = Rig::new(&plan(MAIL)).await;
    let why = [
        (
            Some(Why::Silenced {
                silence: "S1".into(),
                author: "kim".into(),
                reason: "disk swap".into(),
                until: Some(at(3600)),
            }),
            "withheld mail: not told: silenced by kim until 2027-01-15 18:00:00 +09:00: disk swap (silence S1)",
        ),
        (
            Some(Why::Inhibited { place: "haetae.toml:7".into(), by: "b-1".into() }),
            "withheld mail: not told: explained by b-1 (haetae.toml:7)",
        ),
        (
            Some(Why::SourceDown { source: "s".into() }),
            "withheld mail: not told: the source s is down",
        ),
        (
            Some(Why::Handled { how: "acknowledged".into(), by: "lee".into(), until: None }),
            "withheld mail: not told: acknowledged by lee",
        ),
        (None, "withheld mail: nothing stands against telling it any more"),
    ];
    let withheld = why.iter().map(|(why, _)| Withheld {
        sink: "mail".into(),
        alarm: "a-1".into(),
        why: why.clone(),
        at: at(0),
    });
    rig.step(0, Effects { withheld: withheld.collect(), ..Effects::default() }).await;
    assert_eq!(rig.journal("a-1").await, why.map(|(_, text)| text));
    assert!(rig.taken("mail").is_empty());
}

#[tokio::test]
async fn what_is_told_later_answers_what_began_it_in_whatever_group_and_for_whatever_reason() {
    let mut rig = Rig::new(&plan(MAIL)).await;
    // A storm, and one that was told before it.
    rig.step(10, of("c-1", Reason::Flapping, &[firing("c")], 10)).await;
    rig.step(20, of("digest@1", Reason::Digest, &["a", "b", "d"].map(firing), 20)).await;
    let taken = rig.taken("mail");
    let [(flapping, None), (digest, None)] = threads(&taken)[..] else { panic!("{taken:#?}") };
    // The end of one alone, and what is told of a group of which one was told.
    rig.step(30, of("a-1", Reason::Resolved, &[ended("a", 30)], 30)).await;
    rig.step(40, of("de@1", Reason::NewAlarms, &["d", "e"].map(firing), 40)).await;
    // The end of the storm.
    let ends = ["b", "c", "d"].map(|host| ended(host, 50));
    rig.step(50, of("digest@2", Reason::Digest, &ends, 50)).await;
    rig.step(60, of("de@1", Reason::Resolved, &[ended("e", 60)], 60)).await;
    let later = rig.taken("mail");
    let answers: Vec<_> = threads(&later).into_iter().map(|(_, answers)| answers).collect();
    assert_eq!(answers, [Some(digest); 4]);
    // Another storm is another thread, though it tells of one that was told.
    let storm = ["f", "0", "1", "c"].map(firing);
    rig.step(70, of("digest@3", Reason::Digest, &storm, 70)).await;
    rig.step(80, of("c-1", Reason::Repeat, &storm[3..], 80)).await;
    let taken = rig.taken("mail");
    let [(_, None), (_, Some(answered))] = threads(&taken)[..] else { panic!("{taken:#?}") };
    assert_eq!(answered, flapping);
}

#[tokio::test]
async fn only_what_the_sink_has_is_answered() {
    let log = MAIL.replace("mail", "log").replace("inputs = [\"cpu\"]\n", "inputs = []\n");
    let mut rig = Rig::new(&plan(&format!("{MAIL}fallback = \"log\"\n{log}"))).await;
    // Nobody knows whether the peer has it: it comes again as the same.
    rig.says("mail", Some(Verdict::Retry { reason: "lost".into(), after: None }));
    rig.step(0, of("a-1", Reason::First, &[firing("a")], 0)).await;
    rig.says("mail", None);
    // Two that wait, of one alarm in two groups: the first is delivered before the second is.
    rig.write([of("b@1", Reason::First, &[firing("b")], 5)]).await;
    rig.write([of("b@2", Reason::Resolved, &[ended("b", 9)], 9)]).await;
    rig.set(LONG);
    rig.turn().await;
    let taken = rig.taken("mail");
    let [(a, None), (first, None), (_, Some(answered))] = threads(&taken)[..] else {
        panic!("{taken:#?}")
    };
    assert_eq!(answered, first);
    rig.step(LONG + 1, of("a-1", Reason::Repeat, &[firing("a")], LONG + 1)).await;
    assert_eq!(threads(&rig.taken("mail"))[0].1, Some(a));

    // What it rejects goes to another sink: there it begins, and here the next one does.
    rig.says("mail", Some(Verdict::Rejected { reason: "too long".into() }));
    rig.step(LONG + 2, of("c-1", Reason::First, &[firing("c")], LONG + 2)).await;
    rig.says("mail", None);
    let forwarded = rig.taken("log");
    let [(first, None)] = threads(&forwarded)[..] else { panic!("{forwarded:#?}") };
    rig.step(3 * LONG, of("c-1", Reason::Worse, &[firing("c")], 3 * LONG)).await;
    let taken = rig.taken("mail");
    let [(worse, None)] = threads(&taken)[..] else { panic!("{taken:#?}") };
    let over = ended("c", 3 * LONG + 1);
    let mut end = of("c-1", Reason::Resolved, std::slice::from_ref(&over), 3 * LONG + 1);
    end.extend(changed(Change::Resolved, &[over], 3 * LONG + 1));
    end.groups.push(member("mail", "c", true));
    rig.step(3 * LONG + 1, end).await;
    assert_eq!(threads(&rig.taken("mail"))[0].1, Some(worse));
    assert_eq!(threads(&rig.taken("log"))[0].1, Some(first));
}

#[tokio::test]
async fn each_try_counts_with_its_result() {
    let mut rig = Rig::new(&plan(&format!("{MAIL}give_up = \"30m\"\n"))).await;
    let tell = |host: &str, second| of(host, Reason::First, &[firing(host)], second);
    rig.step(0, tell("a", 0)).await;
    rig.says("mail", Some(Verdict::Rejected { reason: "no".into() }));
    rig.step(10, tell("b", 10)).await;
    rig.says("mail", Some(Verdict::Retry { reason: "busy".into(), after: None }));
    rig.step(20, tell("c", 20)).await;
    let results = |rig: &Rig| rig.outbox.recipients.borrow().get("mail").unwrap().metrics.results();
    let counted = [("delivered", 1), ("retried", 1), ("rejected", 1), ("given_up", 0)];
    assert_eq!(results(&rig), counted);
    rig.set(20 + 3 * LONG);
    rig.turn().await;
    assert_eq!(results(&rig), [counted[0], counted[1], counted[2], ("given_up", 1)]);
}
