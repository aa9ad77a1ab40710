//! The checker: whether what was told and what the daemon holds is what the ledger says.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    load::{Ledger, host},
    receiver::Delivery,
};

/// All that is known when nothing more happens.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub deliveries: Vec<Delivery>,
    /// The alarms that fire, by the daemon.
    pub firing: BTreeSet<String>,
    /// The state of each obligation, by its alarm.
    pub debts: BTreeMap<String, String>,
    /// Notices that wait or are dead.
    pub left: u64,
}

/// What is wrong; nothing, if all is well. A key that is excused may have come twice.
pub fn faults(ledger: &Ledger, found: &Found, excused: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    if found.left > 0 {
        faults.push(format!("{} notices wait or are dead", found.left));
    }
    let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
    let mut told: BTreeMap<(String, String), Vec<&Delivery>> = BTreeMap::new();
    for one in &found.deliveries {
        let times = keys.entry(&one.key).or_default();
        *times += 1;
        if *times == 1 {
            told.entry((one.lane.clone(), one.host.clone())).or_default().push(one);
        }
    }
    let again = keys.iter().filter(|(key, times)| **times > 1 && !excused.contains(**key));
    faults.extend(again.map(|(key, times)| format!("{key} was told {times} times")));
    let (mut firing, mut debts) = (BTreeSet::new(), BTreeMap::new());
    for (name, lane) in ledger {
        for index in 0..lane.fired {
            let host = host(index);
            let due: &[&str] = if index < lane.ended { &["first", "resolved"] } else { &["first"] };
            let notices = told.remove(&(name.clone(), host.clone())).unwrap_or_default();
            let reasons: Vec<&str> = notices.iter().map(|one| &*one.reason).collect();
            if reasons != due {
                faults.push(format!("{name} {host}: {due:?} is due, {reasons:?} was told"));
            }
            let alarms: BTreeSet<&str> = notices.iter().map(|one| &*one.alarm).collect();
            if alarms.len() > 1 {
                faults.push(format!("{name} {host}: it fired once and is {alarms:?}"));
            }
            let is_over = index < lane.ended;
            for alarm in alarms {
                debts.insert(alarm.to_owned(), if is_over { "closed" } else { "open" }.to_owned());
                if !is_over {
                    firing.insert(alarm.to_owned());
                }
            }
        }
    }
    faults
        .extend(told.keys().map(|(lane, host)| format!("{lane} {host} was told of, never fired")));
    for alarm in firing.symmetric_difference(&found.firing) {
        let whose = if firing.contains(alarm) { "was told of only" } else { "was never told of" };
        faults.push(format!("{alarm} fires by one of both: it {whose}"));
    }
    let alarms: BTreeSet<&String> = debts.keys().chain(found.debts.keys()).collect();
    for alarm in alarms {
        let (due, is) = (debts.get(alarm), found.debts.get(alarm));
        if due != is {
            faults.push(format!("{alarm}: its obligation is {is:?}, not {due:?}"));
        }
    }
    faults
}

/// Controls: with one notice less, one that came again, or another state of an obligation the same
/// findings are faults. What the checker overlooks, if anything.
pub fn overlooked(ledger: &Ledger, found: &Found) -> Vec<String> {
    let last = found.deliveries.last().expect("something was told").clone();
    let mut less = found.clone();
    less.deliveries.pop();
    let mut again = found.clone();
    again.deliveries.push(last.clone());
    let mut anew = found.clone();
    anew.deliveries.push(Delivery { key: format!("{}-anew", last.key), ..last.clone() });
    let mut unreachable = found.clone();
    unreachable.debts.insert(last.alarm.clone(), "unreachable".into());
    let mut forgotten = found.clone();
    forgotten.debts.remove(&last.alarm);
    let mut left = found.clone();
    left.left = 1;
    let cases = [
        (less, format!("{} {}: ", last.lane, last.host)),
        (again, format!("{} was told 2 times", last.key)),
        (anew, format!("{} {}: ", last.lane, last.host)),
        (unreachable, format!("{}: its obligation is Some(\"unreachable\")", last.alarm)),
        (forgotten, format!("{}: its obligation is None", last.alarm)),
        (left, "1 notices wait or are dead".to_owned()),
    ];
    let missed = cases.iter().filter(|(found, wanted)| {
        let faults = faults(ledger, found, &BTreeSet::new());
        !faults.iter().any(|fault| fault.starts_with(wanted))
    });
    missed.map(|(_, wanted)| format!("the checker overlooks `{wanted}`")).collect()
}
