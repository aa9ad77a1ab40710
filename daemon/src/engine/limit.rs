//! The limit: what fires stays, what would be too much waits, and one alarm says how much.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use super::{identity::Identity, labels::Labels, member::Slot, record::record, standing::Changes};

/// How many labels the summary names.
const NAMED: usize = 3;

/// Lets as many of those that wait fire as there is room for: the worst first, then those that have
/// waited the longest, then by their labels.
pub(super) fn let_in(
    slot: &Slot<'_>,
    identities: &mut BTreeMap<Labels, Box<Identity>>,
    room: usize,
    changes: &mut Changes,
) {
    let mut waiting: Vec<_> = identities.iter_mut().filter(|(_, one)| one.waits()).collect();
    waiting.sort_by_key(|(_, one)| one.waiting_order());
    for (labels, identity) in waiting.into_iter().take(room) {
        let before = identity.kept(slot.threshold);
        let turn = identity.let_fire(slot);
        record(slot, labels, identity, before, turn, changes);
    }
}

/// How many wait, and what most of them have in common; `None` if none does.
pub(super) fn summary(
    limit: usize,
    identities: &BTreeMap<Labels, Box<Identity>>,
) -> Option<String> {
    let mut count = 0_usize;
    let mut alike: HashMap<(&str, &str), usize> = HashMap::new();
    for (labels, _) in identities.iter().filter(|(_, one)| one.waits()) {
        count += 1;
        labels.iter().for_each(|label| *alike.entry(label).or_default() += 1);
    }
    let mut most: Vec<_> = alike.into_iter().filter(|(_, count)| *count > 1).collect();
    most.sort_by_key(|(label, count)| (Reverse(*count), *label));
    let named = |((name, value), count): &((&str, &str), usize)| format!("{name}={value} ({count})");
    let named: Vec<_> = most.iter().take(NAMED).map(named).collect();
    let alarms = if count == 1 { "alarm" } else { "alarms" };
    let most = if named.is_empty() { String::new() } else { format!("; most: {}", named.join(", ")) };
    (count > 0).then(|| format!("{count} more {alarms} than limit = {limit}{most}"))
}
