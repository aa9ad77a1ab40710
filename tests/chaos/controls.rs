//! Controls: what the ledger must object to. A check that cannot fail proves nothing.

use std::time::Duration;

use crate::{
    chance::Chance,
    ledger::{LONGEST, Ledger, Now, PATIENCE, State, Stays},
    mails::Mail,
};

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// At this second, when nothing was wrong since that one.
fn now(seconds: u64, trouble: u64) -> Now {
    Now { at: at(seconds), trouble: at(trouble) }
}

fn mail(id: &str, alarm: &str, reason: &str, answers: Option<&str>) -> Mail {
    Mail {
        id: id.into(),
        alarm: alarm.into(),
        host: "host-00".into(),
        reason: reason.into(),
        answers: answers.map(Into::into),
    }
}

/// One host, which is in breach from the second 10 on.
fn breach() -> Ledger {
    let stays = Stays { calm: at(5), told: at(1) };
    let mut ledger = Ledger::of(["host-00".into()].into_iter(), stays, Chance::of(1));
    ledger.advance(now(10, 0));
    assert_eq!(ledger.hosts["host-00"], State::Breach { since: at(10) });
    ledger
}

/// The same, told at 12 and calm from 14 on.
fn over() -> Ledger {
    let mut ledger = breach();
    ledger.hears(now(12, 0), mail("<1>", "a-1", "first", None));
    ledger.advance(now(14, 0));
    assert!(matches!(ledger.hosts["host-00"], State::Ending { .. }));
    ledger
}

fn objection(ledger: &Ledger, word: &str) {
    let said: Vec<_> = ledger.wrong.iter().map(|text| text.split(':').next()).collect();
    assert_eq!(said, [Some(word)], "{:#?}", ledger.wrong);
}

#[test]
fn the_ledger_objects_to_nothing_where_all_is_well() {
    let mut ledger = over();
    ledger.hears(now(15, 0), mail("<2>", "a-1", "resolved", Some("<1>")));
    // Again, after something was wrong.
    ledger.hears(now(25, 20), mail("<2>", "a-1", "resolved", Some("<1>")));
    assert_eq!(ledger.wrong, Vec::<String>::new());
    assert!(ledger.is_settled());
    assert_eq!((ledger.counts.told, ledger.counts.answered, ledger.counts.copies), (1, 1, 1));
}

#[test]
fn the_ledger_objects_to_what_is_not_told() {
    let mut ledger = breach();
    ledger.advance(now(10 + PATIENCE.as_secs(), 0));
    assert_eq!(ledger.wrong, Vec::<String>::new());
    ledger.advance(now(11 + PATIENCE.as_secs(), 0));
    objection(&ledger, "missed");
    // However much was wrong meanwhile.
    let (mut ledger, late) = (breach(), 11 + LONGEST.as_secs());
    ledger.advance(now(late - 1, late - 1));
    assert_eq!(ledger.wrong, Vec::<String>::new());
    ledger.advance(now(late, late));
    objection(&ledger, "missed");
    let mut ledger = over();
    ledger.advance(now(15 + PATIENCE.as_secs(), 0));
    objection(&ledger, "unanswered");
}

#[test]
fn the_ledger_objects_to_what_is_not_so() {
    let mut early = breach();
    early.hears(now(11, 0), mail("<2>", "a-1", "resolved", Some("<1>")));
    objection(&early, "false");
    let mut again = breach();
    again.hears(now(12, 0), mail("<1>", "a-1", "first", None));
    again.hears(now(13, 0), mail("<2>", "a-2", "first", None));
    objection(&again, "false");
    let mut old = over();
    old.hears(now(15, 0), mail("<2>", "a-2", "first", None));
    objection(&old, "false");
    let mut other = over();
    other.hears(now(15, 0), mail("<2>", "a-2", "resolved", Some("<1>")));
    objection(&other, "false");
    let mut unrelated = over();
    unrelated.hears(now(15, 0), mail("<2>", "a-1", "resolved", None));
    objection(&unrelated, "false");
}

#[test]
fn the_ledger_objects_to_a_copy_without_a_reason() {
    let mut ledger = breach();
    ledger.hears(now(12, 0), mail("<1>", "a-1", "first", None));
    ledger.hears(now(20, 0), mail("<1>", "a-1", "first", None));
    objection(&ledger, "copy");
    let mut ledger = breach();
    ledger.hears(now(12, 0), mail("<1>", "a-1", "first", None));
    ledger.hears(now(20, 15), mail("<1>", "a-2", "first", None));
    objection(&ledger, "copy");
}
