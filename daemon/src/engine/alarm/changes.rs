//! Changes: effects of a step on alarms, in the making.

use std::collections::BTreeMap;

use super::{stored::Standing, view::Transition};
use crate::engine::{effects::Effects, log::LogCursor, progress::PART};

/// Effects in the making.
#[derive(Debug, Default)]
pub(in crate::engine) struct Changes {
    pub(in crate::engine) transitions: Vec<Transition>,
    /// By id: several slots may change one alarm, and the last one counts.
    rows: BTreeMap<String, Option<Standing>>,
    pub(in crate::engine) cursors: Vec<LogCursor>,
    pub(in crate::engine) plan: Option<u64>,
}

impl Changes {
    /// Stores a standing.
    pub(in crate::engine) fn store(&mut self, standing: Standing) {
        self.rows.insert(standing.alarm.id.clone(), Some(standing));
    }

    /// Deletes the standing of an id.
    pub(in crate::engine) fn delete(&mut self, id: String) {
        self.rows.insert(id, None);
    }

    /// Whether they are as many as a part of a step should have.
    pub(in crate::engine) fn is_full(&self) -> bool {
        self.rows.len().max(self.transitions.len()) >= PART
    }

    /// All of them, in order.
    pub(in crate::engine) fn into_effects(self) -> Effects {
        let Self { transitions, rows, cursors, plan } = self;
        let mut effects = Effects { transitions, cursors, plan, ..Effects::default() };
        effects.transitions.sort_by(|a, b| {
            let order = a.at.cmp(&b.at);
            let order = order.then_with(|| a.alarm.evaluator.cmp(&b.alarm.evaluator));
            order.then_with(|| a.alarm.labels.cmp(&b.alarm.labels))
        });
        for (id, standing) in rows {
            match standing {
                Some(standing) => effects.standings.push(standing),
                None => effects.gone.push(id),
            }
        }
        effects
    }
}
