//! Mute: what stands against telling of an alarm, whoever would be told.

use std::collections::{BTreeMap, BTreeSet};

use haetae_plugin::Timestamp;

use super::{
    fits::fits,
    inhibit::{Inhibit, Inhibits},
};
use crate::engine::{
    AlarmView, Handling, Problem, SYSTEM, Silence,
    alarm::{handling::HandlingState, id::AlarmId},
    notify::{Why, active::ActiveAlarm},
};

/// What mutes alarms, for all sinks alike.
#[derive(Debug, Default)]
pub(in crate::engine) struct Mutes {
    pub(in crate::engine) silences: Vec<Silence>,
    pub(super) maintenance: Vec<Silence>,
    pub(in crate::engine) inhibits: Inhibits,
    pub(in crate::engine) handlings: BTreeMap<AlarmId, Handling>,
    /// The sources that are down.
    down: BTreeSet<String>,
    /// The sources that each evaluator reads.
    reads: BTreeMap<String, Vec<String>>,
    /// Fingerprints of alarms that come and go, whether they fire or not.
    pub(in crate::engine) flapping: BTreeSet<u64>,
}

/// The source that an alarm says is down.
fn source_down(alarm: &AlarmView) -> Option<&String> {
    let word = Problem::SourceDown.as_str();
    let is = alarm.evaluator == SYSTEM && alarm.labels.get("problem").is_some_and(|it| it == word);
    alarm.labels.get("instance").filter(|_| is)
}

impl Mutes {
    /// Replaces what the configuration says.
    pub(in crate::engine) fn configure(
        &mut self,
        inhibits: Vec<Inhibit>,
        maintenance: Vec<Silence>,
        reads: BTreeMap<String, Vec<String>>,
    ) {
        self.inhibits = Inhibits::new(inhibits);
        self.maintenance = maintenance;
        self.reads = reads;
    }

    /// An alarm fires.
    pub(in crate::engine) fn add(&mut self, id: AlarmId, alarm: &AlarmView) {
        self.inhibits.add(id, alarm);
        self.down.extend(source_down(alarm).cloned());
    }

    /// An alarm fires no more. The answer is those that it muted, and whether it muted still
    /// others that nobody counts.
    pub(in crate::engine) fn remove(
        &mut self,
        id: AlarmId,
        alarm: &AlarmView,
    ) -> (Vec<AlarmId>, bool) {
        let more = source_down(alarm).is_some_and(|source| self.down.remove(source));
        (self.inhibits.remove(id, alarm), more)
    }

    /// When a silence or a maintenance begins or ends next.
    pub(in crate::engine) fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        let silences = self.silences.iter().chain(&self.maintenance);
        silences.filter_map(|silence| silence.next_change(at)).min()
    }

    /// Whether some silence ends with alarms.
    pub(in crate::engine) fn ends_with_alarms(&self) -> bool {
        use super::silence::SilenceSpan;
        self.silences
            .iter()
            .any(|silence| matches!(silence.span, SilenceSpan::UntilResolved { .. }))
    }

    /// All that stands against telling of it now, in the order in which it is asked.
    pub(in crate::engine) fn against<'a>(
        &'a self,
        id: AlarmId,
        alarm: &'a AlarmView,
        alarms: &'a BTreeMap<AlarmId, ActiveAlarm>,
        at: Timestamp,
    ) -> impl Iterator<Item = Why> + 'a {
        let lives =
            |text: &str| AlarmId::parse(text).is_some_and(|alarm| alarms.contains_key(&alarm));
        let holds = move |silence: &Silence| {
            silence.holds(at, lives).filter(|_| fits(&silence.matchers, alarm))
        };
        let silenced = self.silences.iter().filter_map(move |silence| {
            let until = holds(silence)?;
            let Silence { id, author, reason, .. } = silence.clone();
            Some(Why::Silenced { silence: id, author, reason, until })
        });
        let maintenance = self.maintenance.iter().filter_map(move |silence| {
            let until = holds(silence)?;
            Some(Why::Maintenance { place: silence.author.clone(), until })
        });
        let inhibited = self
            .inhibits
            .against(id, alarm)
            .map(|(place, by)| Why::Inhibited { place: place.into(), by: by.to_string() });
        let reads = self.reads.get(&alarm.evaluator).into_iter().flatten();
        let down = reads.filter(|source| self.down.contains(*source));
        let down = down.map(|source| Why::SourceDown { source: source.clone() });
        let handled = self.handlings.get(&id).and_then(handled);
        let flapping = self.flapping.contains(&id.fingerprint()).then_some(Why::Flapping);
        silenced.chain(maintenance).chain(inhibited).chain(down).chain(handled).chain(flapping)
    }
}

fn handled(handling: &Handling) -> Option<Why> {
    let mutes = matches!(
        handling.state,
        HandlingState::Acknowledged { .. }
            | HandlingState::InProgress { .. }
            | HandlingState::Closed { .. }
    );
    mutes.then(|| Why::Handled {
        how: handling.state.as_str().into(),
        by: handling.state.by().unwrap_or_default().into(),
        until: handling.expires(),
    })
}
