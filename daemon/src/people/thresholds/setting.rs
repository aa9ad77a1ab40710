//! Setting a threshold, as one transaction.

use haetae_plugin::Timestamp;

use super::{
    Refused, Registry, Threshold,
    row::{stored, written},
};
use crate::{
    config::ThresholdText,
    engine::Override,
    store::{MOST_THRESHOLDS, ThresholdChange, Transaction},
};

/// A threshold that is to be set.
pub(super) struct Setting {
    pub(super) registry: Registry,
    /// None: a new one.
    pub(super) id: Option<String>,
    pub(super) text: ThresholdText,
    pub(super) numbers: Override,
    pub(super) actor: String,
    pub(super) seen: Option<i64>,
    pub(super) dry_run: bool,
}

/// What was written, or would be.
pub(super) struct WrittenThreshold {
    pub(super) threshold: Threshold,
    /// All that are in force then.
    pub(super) overrides: Vec<Override>,
    /// Nothing was written: what this one would do is asked.
    pub(super) previews: Option<String>,
}

impl Setting {
    pub(super) fn set(
        self,
        transaction: &mut Transaction<'_>,
        now: Timestamp,
    ) -> Result<WrittenThreshold, Refused> {
        let Self { registry, id, text, numbers, actor, seen, dry_run } = self;
        let rows = transaction.thresholds()?;
        let before = registry.seen(&rows, id.as_deref(), seen)?;
        if before.is_none() && i64::try_from(rows.len()).is_ok_and(|rows| rows >= MOST_THRESHOLDS) {
            return Err(Refused::Full);
        }
        let mut row = stored(&text, &actor, before, now);
        if dry_run {
            let mut overrides = registry.overrides(&rows);
            let previews = Some(numbers.id.clone());
            match overrides.iter_mut().find(|one| id.as_deref() == Some(one.id.as_str())) {
                Some(known) => *known = numbers,
                None => overrides.push(numbers),
            }
            return Ok(WrittenThreshold { threshold: registry.shown(&row), overrides, previews });
        }
        if before.is_none() {
            row.id = transaction.add_threshold(&row)?;
        } else if !transaction.change_threshold(&row)? {
            return Err(Refused::NoSuch);
        }
        row.version += i64::from(before.is_some());
        let change = ThresholdChange {
            at: now,
            actor,
            act: "set".into(),
            before: before.map(written).unwrap_or_default(),
            after: written(&row),
        };
        transaction.note_threshold(&row.id, &change)?;
        let overrides = registry.overrides(&transaction.thresholds()?);
        Ok(WrittenThreshold { threshold: registry.shown(&row), overrides, previews: None })
    }
}
