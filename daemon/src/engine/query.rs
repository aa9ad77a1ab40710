//! Answers: what the engine says of itself when it is asked.

use haetae_plugin::{Severity, Timestamp};

use super::{
    AlarmView, Engine, EvaluatorStatus, Override, Preview,
    log::LogEvaluator,
    notify::{Explanation, Views, Why},
    threshold::evaluator::Evaluator,
};

impl Engine {
    /// The time that it was told last.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Why each sink is told of an alarm or not, and what it is told next.
    pub fn explain(&self, alarm: &str, now: Timestamp) -> Vec<Explanation> {
        let Self { evaluators, sources, system, logs, notifier, .. } = self;
        notifier.explain(alarm, now, Views { evaluators, sources, system, logs })
    }

    /// What mutes each of these alarms for every sink, but for how it is handled.
    pub fn muted(&self, alarms: &[AlarmView]) -> Vec<Vec<Why>> {
        alarms.iter().map(|alarm| self.notifier.muted(alarm, self.now)).collect()
    }

    /// When [`super::Input::Tick`] is wanted at the latest.
    pub fn next_due(&self) -> Option<Timestamp> {
        let slots = self.evaluators.iter().filter_map(|one| one.next_due(&self.sources));
        let logs = self.logs.iter().filter_map(LogEvaluator::next_due);
        let clock = self.system.clock_settles();
        slots.chain(logs).chain(self.notifier.next_due()).chain(clock).min()
    }

    /// All alarms that are pending, firing or recovering, the worst first.
    pub fn alarms(&self) -> Vec<AlarmView> {
        let own = self.evaluators.iter().flat_map(|evaluator| evaluator.alarms(&self.sources));
        let logs = self.logs.iter().flat_map(|log| log.alarms(self.outage(log)));
        let mut alarms: Vec<_> = self.system.alarms().chain(own).chain(logs).collect();
        alarms.sort_by(AlarmView::worst_first);
        alarms
    }

    /// Alarms that are pending, firing or recovering and whose ids start so, so many at the most.
    pub fn find(&self, id: &str, most: usize) -> Vec<AlarmView> {
        let own = self.evaluators.iter().flat_map(|evaluator| evaluator.find(id, &self.sources));
        let logs = self.logs.iter().flat_map(|log| log.find(id, self.outage(log)));
        let system = self.system.alarms().filter(|alarm| alarm.id.starts_with(id));
        system.chain(own).chain(logs).take(most).collect()
    }

    /// How many alarms of a severity fire.
    pub fn firing(&self, severity: Severity) -> usize {
        let own = self.evaluators.iter().flat_map(Evaluator::firing);
        let logs = self.logs.iter().flat_map(LogEvaluator::firing);
        self.system.firing().chain(own).chain(logs).filter(|one| *one == severity).count()
    }

    /// What other overrides would do now; `id` is the one in question.
    pub fn preview(&self, overrides: &[Override], id: &str) -> Preview {
        let mut preview = Preview::default();
        for evaluator in &self.evaluators {
            evaluator.preview(overrides, id, &mut preview);
        }
        preview
    }

    /// How each evaluator is doing, in the order in which they were given.
    pub fn evaluators(&self) -> Vec<EvaluatorStatus> {
        let logs = self.logs.iter().map(LogEvaluator::status);
        self.evaluators.iter().map(Evaluator::status).chain(logs).collect()
    }

    /// Since when any source of a log evaluator is down.
    fn outage(&self, log: &LogEvaluator) -> Option<Timestamp> {
        let source = |name: &str| self.sources.iter().find(|source| source.timing.name == name);
        log.inputs().filter_map(|name| source(name)?.down).min()
    }
}
