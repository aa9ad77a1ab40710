//! Escalate: what nobody took up in time is told to another sink.

use haetae_plugin::Timestamp;

use super::{
    Escalate,
    pending::Pending,
    rows::{Again, Member},
    sink_groups::SinkGroups,
};
use crate::engine::alarm::id::AlarmId;

impl SinkGroups {
    /// Whether a group has an alarm that nobody took up and that nothing held back so far: it
    /// does not wait for more.
    pub(super) fn is_handed_on(&self, number: u32) -> bool {
        let all = (number, AlarmId::FIRST)..=(number, AlarmId::LAST);
        let mut members = self.within.range(all).filter_map(|(_, id)| self.members.get(id));
        members.any(|member| {
            let handed = matches!(member.again, Some(Again::Escalated | Again::EscalatedAnyway));
            handed && member.why == 0
        })
    }

    /// This sink is told of alarms that another one was told of. Those that it is told of anyway
    /// stay where they are, so that each of them ends once.
    pub(super) fn take_over(
        &mut self,
        from: &str,
        escalate: &Escalate,
        alarms: &[AlarmId],
        at: Timestamp,
        pending: &mut Pending,
    ) {
        let kind =
            if escalate.unless_acknowledged { Again::Escalated } else { Again::EscalatedAnyway };
        for id in alarms {
            if !self.members.contains_key(id) {
                let group = self.open(&format!("escalated from {from}"), false, at, pending);
                self.enter(*id, Member { group, foreign: true, ..Member::default() });
            }
            let Some(member) = self.members.get_mut(id) else { continue };
            member.again = Some(kind);
            let group = member.group;
            self.store_member(group, *id, pending);
            if !self.waiting.contains(&group) {
                self.schedule(group, Some(at), pending);
            }
        }
    }
}
