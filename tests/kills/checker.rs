//! The checker: whether what the store holds and what arrived is what the ledger says.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{Ledger, Level};

/// An alarm as the store has it.
#[derive(Clone, Debug)]
pub struct Kept {
    pub id: String,
    pub occurrence: u64,
    pub of: String,
    /// Its severity while it fires, else `ended`, or another condition.
    pub stands: String,
    /// `open`, `closed` or `unreachable`; none without an obligation.
    pub debt: Option<String>,
}

/// A mail as it arrived.
#[derive(Clone, Debug)]
pub struct Mail {
    pub id: String,
    pub alarm: String,
    pub reason: String,
    pub answers: Option<String>,
}

/// What a kill found.
#[derive(Clone, Debug)]
pub struct Killed {
    /// The Message-IDs that were claimed from the store, and not recorded.
    pub claimed: BTreeSet<String>,
    /// How many mails the server had.
    pub arrived: usize,
}

/// All that is known at the end of a run.
#[derive(Clone, Debug)]
pub struct Found {
    pub kept: Vec<Kept>,
    /// In the order in which the server had them.
    pub mails: Vec<Mail>,
    /// What each kill found.
    pub kills: Vec<Killed>,
    /// What still waits, or is dead.
    pub left: usize,
}

/// What is wrong; nothing, if all is well.
pub fn faults(ledger: &Ledger, found: &Found) -> Vec<String> {
    let mut faults = Vec::new();
    if found.left > 0 {
        faults.push(format!("{} notices wait or are dead", found.left));
    }
    let mails = arrived(found, &mut faults);
    let mut by_id: BTreeMap<&str, Vec<&Kept>> = BTreeMap::new();
    for kept in &found.kept {
        by_id.entry(&kept.of).or_default().push(kept);
    }
    let ids: BTreeSet<&str> =
        by_id.keys().copied().chain(ledger.due.keys().map(String::as_str)).collect();
    for id in ids {
        let due = ledger.due.get(id).map_or(&[][..], Vec::as_slice);
        let mut kept = by_id.remove(id).unwrap_or_default();
        kept.sort_by_key(|kept| kept.occurrence);
        if kept.len() != due.len() {
            faults.push(format!(
                "{id} fired {} times, the store has {} alarms",
                due.len(),
                kept.len()
            ));
        }
        for (kept, due) in kept.iter().zip(due) {
            let ended = due.last() == Some(&"resolved");
            let level = ledger.now.get(id).copied().unwrap_or_default();
            judge(
                kept,
                due,
                if ended { Level::Well } else { level },
                mails.get(&*kept.id),
                &mut faults,
            );
        }
    }
    let known: BTreeSet<&str> = found.kept.iter().map(|kept| &*kept.id).collect();
    let unknown = mails.keys().filter(|alarm| !known.contains(*alarm));
    faults.extend(
        unknown.map(|alarm| format!("there are mails of {alarm}, which the store does not know")),
    );
    faults
}

/// Each mail once, by its alarm and in order; a second one needs a kill that explains it.
fn arrived<'a>(found: &'a Found, faults: &mut Vec<String>) -> BTreeMap<&'a str, Vec<&'a Mail>> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut mails: BTreeMap<&str, Vec<&Mail>> = BTreeMap::new();
    for (at, mail) in found.mails.iter().enumerate() {
        let places = places.entry(&mail.id).or_default();
        places.push(at);
        if places.len() == 1 {
            mails.entry(&mail.alarm).or_default().push(mail);
        }
    }
    for (id, places) in places {
        // Between two of them the daemon was killed while the store held it as not recorded; a kill
        // explains one copy. The one mail that was under way may arrive right after it was counted.
        let mut kills = found.kills.iter().filter(|kill| kill.claimed.contains(id));
        let pairs = places.iter().zip(places.iter().skip(1));
        let explained = |(before, after): &(&usize, &usize)| {
            kills
                .by_ref()
                .find(|kill| **before <= kill.arrived)
                .is_some_and(|it| it.arrived <= **after)
        };
        let kills = pairs.filter(explained).count();
        let times = places.len();
        if times > kills + 1 {
            faults.push(format!("{id} arrived {times} times, and {kills} kills explain that"));
        }
    }
    mails
}

fn judge(
    kept: &Kept,
    due: &[&str],
    level: Level,
    mails: Option<&Vec<&Mail>>,
    faults: &mut Vec<String>,
) {
    let mails = mails.map_or(&[][..], Vec::as_slice);
    let told: Vec<&str> = mails.iter().map(|mail| &*mail.reason).collect();
    if told != due {
        faults.push(format!("{}: {due:?} is due, {told:?} was told", kept.id));
    }
    let is_over = level == Level::Well;
    let stands = if is_over { "ended" } else { level.word() };
    if kept.stands != stands {
        faults.push(format!("{}: it is {stands}, the store says {}", kept.id, kept.stands));
    }
    let debt = if is_over { "closed" } else { "open" };
    if kept.debt.as_deref() != Some(debt) {
        faults.push(format!("{}: its obligation is {:?}, not {debt}", kept.id, kept.debt));
    }
    let Some((first, later)) = mails.split_first() else { return };
    if first.answers.is_some() {
        faults.push(format!("{}: its first mail answers {:?}", kept.id, first.answers));
    }
    for mail in later.iter().filter(|mail| mail.answers.as_ref() != Some(&first.id)) {
        faults.push(format!("{}: {} does not answer {}", kept.id, mail.id, first.id));
    }
}

/// How many mails came again after each kill that found them claimed.
pub fn again(found: &Found) -> Vec<usize> {
    let mut again = vec![0; found.kills.len()];
    let mut seen = BTreeSet::new();
    for (at, mail) in found.mails.iter().enumerate() {
        if seen.insert(&mail.id) {
            continue;
        }
        let explains = |kill: &Killed| kill.arrived <= at && kill.claimed.contains(&mail.id);
        if let Some(kill) = found.kills.iter().rposition(explains) {
            again[kill] += 1;
        }
    }
    again
}
