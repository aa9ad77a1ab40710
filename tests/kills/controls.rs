//! Controls: doctored data in which the checker must find what is wrong. A check that cannot fail
//! proves nothing.

use std::collections::BTreeSet;

use crate::{
    checker::{Found, Kept, Killed, Mail, again, faults},
    ledger::{Ledger, Level},
};

fn mail(id: &str, alarm: &str, reason: &str, answers: Option<&str>) -> Mail {
    Mail {
        id: id.into(),
        alarm: alarm.into(),
        reason: reason.into(),
        answers: answers.map(Into::into),
    }
}

fn kept(id: &str, occurrence: u64, stands: &str, debt: &str) -> Kept {
    Kept {
        id: id.into(),
        occurrence,
        of: "id-00".into(),
        stands: stands.into(),
        debt: Some(debt.into()),
    }
}

/// One id whose first alarm ended, whose second fires, and a mail that a kill brought twice.
fn sound() -> (Ledger, Found) {
    let mut ledger = Ledger::of(1);
    for level in [Level::Warning, Level::Critical, Level::Well, Level::Critical] {
        ledger.set("id-00", level);
    }
    let mails = vec![
        mail("<1>", "a-1", "first", None),
        mail("<2>", "a-1", "worse", Some("<1>")),
        mail("<2>", "a-1", "worse", Some("<1>")),
        mail("<3>", "a-1", "resolved", Some("<1>")),
        mail("<4>", "a-2", "first", None),
    ];
    let kept = vec![kept("a-1", 1, "ended", "closed"), kept("a-2", 2, "critical", "open")];
    let kills = vec![
        Killed { claimed: BTreeSet::from(["<2>".into(), "<3>".into()]), arrived: 2 },
        Killed { claimed: BTreeSet::new(), arrived: 5 },
    ];
    (ledger, Found { kept, mails, kills, left: 0 })
}

#[test]
fn the_checker_finds_nothing_where_all_is_well() {
    let (ledger, found) = sound();
    assert_eq!(faults(&ledger, &found), Vec::<String>::new());
    assert_eq!(again(&found), [1, 0]);
}

/// What was done to sound data, how, and what the checker must say.
type Doctored = (&'static str, fn(&mut Found), &'static str);

#[test]
fn the_checker_finds_what_was_lost_repeated_or_left() {
    let doctored: &[Doctored] = &[
        ("a lost mail", |it| drop(it.mails.remove(4)), "a-2: [\"first\"] is due, [] was told"),
        (
            "a lost change",
            |it| it.mails.retain(|mail| mail.id != "<2>"),
            "[\"first\", \"resolved\"] was told",
        ),
        ("a lost closing", |it| drop(it.mails.remove(3)), "[\"first\", \"worse\"] was told"),
        (
            "a copy under another id",
            |it| it.mails[2].id = "<5>".into(),
            "\"worse\", \"worse\", \"resolved\"]",
        ),
        (
            "a copy without a kill",
            |it| it.kills.clear(),
            "<2> arrived 2 times, and 0 kills explain that",
        ),
        (
            "two copies after the kill that found it claimed",
            |it| it.kills[0].arrived = 0,
            "<2> arrived 2 times, and 0 kills explain that",
        ),
        (
            "a second copy for one kill",
            |it| it.mails.insert(2, it.mails[2].clone()),
            "<2> arrived 3 times, and 1 kills explain that",
        ),
        (
            "an end before its change",
            |it| it.mails.swap(1, 3),
            "[\"first\", \"resolved\", \"worse\"] was told",
        ),
        (
            "another first",
            |it| it.mails.push(mail("<6>", "a-2", "first", None)),
            "[\"first\", \"first\"] was told",
        ),
        (
            "a mail of no alarm",
            |it| it.mails[4].alarm = "a-3".into(),
            "mails of a-3, which the store does not know",
        ),
        ("an end that answers nothing", |it| it.mails[3].answers = None, "<3> does not answer <1>"),
        (
            "a first that answers",
            |it| it.mails[4].answers = Some("<1>".into()),
            "its first mail answers",
        ),
        ("a lost alarm", |it| drop(it.kept.remove(1)), "fired 2 times, the store has 1 alarms"),
        (
            "a repeated alarm",
            |it| it.kept.push(kept("a-3", 3, "critical", "open")),
            "the store has 3 alarms",
        ),
        (
            "a wrong condition",
            |it| it.kept[1].stands = "warning".into(),
            "it is critical, the store says warning",
        ),
        (
            "an open obligation",
            |it| it.kept[0].debt = Some("open".into()),
            "its obligation is Some(\"open\"), not closed",
        ),
        ("no obligation", |it| it.kept[1].debt = None, "its obligation is None, not open"),
        ("a notice that waits", |it| it.left = 1, "1 notices wait or are dead"),
    ];
    for (what, doctor, told) in doctored {
        let (ledger, mut found) = sound();
        doctor(&mut found);
        let faults = faults(&ledger, &found);
        assert!(faults.iter().any(|fault| fault.contains(told)), "{what}: {faults:#?}");
    }
}
