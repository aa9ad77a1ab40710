//! What the kills of a run hit, in a few lines.

use std::collections::BTreeMap;

use crate::{
    checker::{self, Found},
    rig::Rig,
};

/// Tells it, and that they hit enough to prove anything.
pub fn tell(store: &str, rig: &Rig<'_>, found: &Found) {
    let mut moments = BTreeMap::new();
    for kill in &rig.kills {
        let (kills, claimed, waiting) = moments.entry(kill.moment).or_insert((0, 0, 0));
        *kills += 1;
        *claimed += usize::from(!kill.killed.claimed.is_empty());
        *waiting += usize::from(kill.waiting > 0);
    }
    for (moment, (kills, claimed, waiting)) in &moments {
        println!(
            "{store}: {kills} while {moment:?}, {claimed} with a batch in flight, {waiting} with notices that waited"
        );
    }
    let again = checker::again(found);
    println!(
        "{store}: {} alarms, {} mails, {} of them again; for each kill {again:?} of {:?} in flight",
        found.kept.len(),
        found.mails.len(),
        again.iter().sum::<usize>(),
        found.kills.iter().map(|kill| kill.claimed.len()).collect::<Vec<_>>(),
    );
    let rounds = rig.kills.len();
    let hit = |of: fn(&(usize, usize, usize)) -> usize| moments.values().map(of).sum::<usize>();
    let (in_flight, waiting) = (hit(|counts| counts.1), hit(|counts| counts.2));
    assert!(
        in_flight * 10 >= rounds && (rounds < 25 || waiting * 10 >= rounds),
        "{in_flight} of {rounds} kills hit a batch in flight, {waiting} notices not yet taken: too few to prove anything"
    );
}
