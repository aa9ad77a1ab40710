//! Threads: which notification another one answers, so that whoever shows them keeps together what
//! belongs together. That is decided when it is sent: only what the sink has can be answered.

use std::collections::HashSet;

use haetae_plugin::Reason;

use crate::store::{Claimed, Roots};

/// How many rows may be sent at once: what tells of an alarm again waits until it is known that
/// the sink has what told of it before.
pub(super) fn apart(rows: &[Claimed]) -> usize {
    let mut seen = HashSet::new();
    for (index, row) in rows.iter().enumerate() {
        if alarms(row).any(|alarm| seen.contains(alarm)) {
            return index;
        }
        seen.extend(alarms(row));
    }
    rows.len()
}

/// Whether some rows tell of an alarm that others tell of.
pub(super) fn meet(some: &[Claimed], others: &[Claimed]) -> bool {
    let notified: HashSet<&str> = some.iter().flat_map(alarms).collect();
    others.iter().flat_map(alarms).any(|alarm| notified.contains(alarm))
}

fn alarms(row: &Claimed) -> impl Iterator<Item = &str> {
    row.notification.alarms.iter().map(|alarm| alarm.id.as_str())
}

/// Has each row answer what began the telling of its alarms.
pub(super) fn answer(rows: &mut [Claimed], mut roots: Roots) {
    for row in rows {
        let roots = roots.remove(&row.id).unwrap_or_default();
        let own = row.notification.idempotency_key.as_str();
        let root = answered(row.notification.reason, roots);
        row.notification.answers = root.filter(|root| root != own);
    }
}

/// What most of its alarms were told in. A group goes on with the thread of those that were told; a
/// digest is about much that has nothing in common, so that those that were not count too.
fn answered(reason: Reason, roots: Vec<(String, i64)>) -> Option<String> {
    let counts = roots.into_iter().filter(|(root, _)| reason == Reason::Digest || !root.is_empty());
    let (root, _) = counts.max_by(|(a, many), (b, more)| (many, a).cmp(&(more, b)))?;
    (!root.is_empty()).then_some(root)
}
