//! A damaged store: the daemon refuses it and says what cures it, or it notifies of all but what was in the
//! row that is hurt. It never starts empty in silence, and no sink stays stuck.
#![allow(unreachable_pub, reason = "a test exports to itself")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![allow(clippy::print_stdout, reason = "it says what it saw")]

mod chance;
mod control;
#[path = "damage/harness.rs"]
mod harness;
#[path = "damage/hurt.rs"]
mod hurt;
#[path = "servers/message.rs"]
mod message;
#[path = "damage/origin.rs"]
mod origin;
mod support;
#[path = "records/wal.rs"]
mod wal;
#[path = "damage/webhook.rs"]
mod webhook;

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use chance::{Chance, rounds};
use harness::{Harness, Outcome};
use hurt::{Hurt, LOG, MARK, STORE, of_log, of_store, used};
use origin::{Origin, kept};

/// Bits of the store, and of its log, in one round; the soak has more rounds.
const OF_STORE: usize = 30;
const OF_LOG: usize = 10;
const CUTS: usize = 5;
/// Daemons that run side by side.
const AT_ONCE: usize = 4;

/// A store and what is done to it.
struct Case {
    store: PathBuf,
    hurt: Hurt,
}

/// Tries the cases side by side and counts what came of them; which of it is wrong is said of all.
fn each(name: &str, origin: &Origin, cases: &[Case], may_be: impl Fn(&Outcome) -> bool + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        let (harness, mut found) = (Harness::new(), Vec::new());
        let folder = tempfile::tempdir().expect("a folder");
        loop {
            let at = next.fetch_add(1, Ordering::SeqCst);
            let Some(case) = cases.get(at) else { return found };
            Harness::copy(&case.store, folder.path());
            case.hurt.apply(folder.path(), &origin.earlier());
            let judged = harness.judge(folder.path(), &origin.keys).and_then(|outcome| {
                if may_be(&outcome) {
                    Ok(outcome)
                } else {
                    Err(format!("it must not be {outcome:?}"))
                }
            });
            found.push((
                case,
                judged.map_err(|text| {
                    let kept = kept(folder.path(), &format!("{name}-{at}"));
                    format!("{}: {text}\nits files are in {}", case.hurt, kept.display())
                }),
            ));
        }
    };
    let found: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE.min(cases.len())).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let mut counts = BTreeMap::<_, usize>::new();
    let mut wrong = Vec::new();
    for (case, outcome) in found {
        let file = if let Hurt::Bit { file, .. } = case.hurt { file } else { "" };
        let became = match outcome {
            Ok(Outcome::Refused) => "refused",
            Ok(Outcome::All) => "all notified",
            Ok(Outcome::AllBut(_)) => "all but one notified",
            Err(text) => {
                wrong.push(text);
                "wrong"
            }
        };
        *counts.entry((file, became)).or_default() += 1;
    }
    println!("{name}: {counts:?}");
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

#[test]
fn a_bit_flip_refuses_or_costs_one_row() {
    let (mut chance, origin) = (Chance::new(), Origin::new());
    let used = used(&origin.stopped().join(STORE));
    let mut cases = Vec::new();
    let rounds = rounds(1);
    for _ in 0..OF_STORE * rounds {
        cases.push(Case { store: origin.stopped(), hurt: of_store(&used, &mut chance) });
    }
    for _ in 0..OF_LOG * rounds {
        cases.push(Case { store: origin.killed(), hurt: of_log(&origin.killed(), &mut chance) });
    }
    each("bits", &origin, &cases, |_| true);
}

#[test]
fn a_torn_or_missing_log_is_refused() {
    let (mut chance, origin) = (Chance::new(), Origin::new());
    let last = *wal::ends(&origin.killed().join(LOG)).last().expect("a commit");
    let cuts = (0..CUTS).map(|_| Hurt::Cut(chance.index(last)));
    let others =
        [Hurt::Gone(LOG), Hurt::Empty(LOG), Hurt::Earlier, Hurt::Gone(STORE), Hurt::Empty(STORE)];
    let case = |hurt| Case { store: origin.killed(), hurt };
    let cases: Vec<_> = cuts.chain(others).map(case).collect();
    each("torn", &origin, &cases, |outcome| *outcome == Outcome::Refused);
}

/// What is as it may be notifies of all that waits, once: after a kill, after a stop, after a kill in the
/// middle of a transaction, and where an older daemon left no mark.
#[test]
fn a_whole_store_starts_and_notifies_of_all() {
    let origin = Origin::new();
    let garbage: Vec<_> =
        (0..=u8::MAX).cycle().take(5_000).map(|byte| byte.wrapping_mul(167)).collect();
    let killed = [
        Hurt::Nothing,
        Hurt::Gone(MARK),
        Hurt::Bytes(garbage),
        Hurt::HalfAFrame,
        Hurt::Uncommitted,
    ];
    let stopped = [Hurt::Nothing, Hurt::Gone(MARK)];
    let of_killed = killed.into_iter().map(|hurt| Case { store: origin.killed(), hurt });
    let of_stopped = stopped.into_iter().map(|hurt| Case { store: origin.stopped(), hurt });
    let cases: Vec<_> = of_killed.chain(of_stopped).collect();
    let mark = |store: PathBuf| fs::exists(store.join(MARK)).is_ok_and(|is| is);
    assert!(mark(origin.killed()) && mark(origin.stopped()), "no {MARK} is beside the store");
    each("whole", &origin, &cases, |outcome| *outcome == Outcome::All);
}
