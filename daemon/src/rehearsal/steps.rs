//! Steps: what happens to the daemon, and what people do, while a scenario is played.

use std::path::PathBuf;

use super::{
    error::RunError,
    scenario::{Mood, Person, ScenarioEvent},
    world::World,
};
use crate::{
    config::Plan,
    engine::{
        AlarmView, Input, Matcher, SYSTEM,
        alarm::handling::{self, Phase},
        mute::silence::{Silence, SilenceSpan},
    },
};

impl World {
    /// Does a step.
    pub(super) async fn act(
        &mut self,
        act: &ScenarioEvent,
        load: &impl Fn(&PathBuf) -> Result<Plan, String>,
    ) -> Result<(), RunError> {
        match act {
            ScenarioEvent::Restart(length) => {
                self.sleep().await;
                self.now = self.now.saturating_add(*length);
                // Nobody hears what the sources say meanwhile.
                for speaker in self.sources.values_mut() {
                    while speaker.at() < self.now {
                        speaker.due += 1;
                    }
                }
                self.set();
                self.wake().await
            }
            ScenarioEvent::Reload(path) => {
                let plan = load(path).map_err(RunError::Nothing)?;
                self.reload(plan).await
            }
            ScenarioEvent::ClockJump(seconds) => {
                let from = self.clock.now();
                self.ahead = self.ahead.saturating_add(*seconds);
                self.set();
                // As the engine's thread tells it, which compares with a clock that does not jump.
                self.input(Input::Jumped { from }).await
            }
            ScenarioEvent::Sink(name, mood) => self.mood(name, *mood),
            ScenarioEvent::Source(name, up) => {
                let Some(speaker) = self.sources.get_mut(name) else {
                    return Err(RunError::Nothing(format!("there is no source `{name}`")));
                };
                speaker.up = *up;
                let (source, reason) = (name.clone(), "it does not answer".into());
                self.input(match up {
                    true => Input::SourceUp { source },
                    false => Input::SourceDown { source, reason },
                })
                .await
            }
            ScenarioEvent::Silence(matchers, person, length) => {
                let now = self.clock.now();
                self.silences.push(Silence {
                    id: format!("silence-{}", self.silences.len() + 1),
                    matchers: matchers.clone(),
                    author: person.by.clone(),
                    reason: person.reason.clone(),
                    span: SilenceSpan::Between(now, now.after(*length)),
                });
                self.input(Input::Silences(self.silences.clone())).await
            }
            ScenarioEvent::Acknowledge(matchers, person) => {
                self.acknowledge(matchers, person).await
            }
        }
    }

    fn mood(&mut self, name: &str, mood: Mood) -> Result<(), RunError> {
        let Some(fake_sink) = self.fake_sinks.get(name) else {
            return Err(RunError::Nothing(format!("there is no sink `{name}`")));
        };
        fake_sink.set_mood(mood);
        Ok(())
    }

    async fn acknowledge(&mut self, matchers: &[Matcher], person: &Person) -> Result<(), RunError> {
        let alarms = self.rig.as_ref().map(|rig| rig.engine.alarms()).unwrap_or_default();
        let act = handling::Action::Acknowledge { until: None, sticky: false };
        for alarm in alarms.iter().filter(|alarm| alarm.is_firing() && alarm.evaluator != SYSTEM) {
            if !matchers.iter().all(|one| one.matches(label(alarm, one.label()))) {
                continue;
            }
            let before = self.handled.get(&alarm.id).cloned().unwrap_or_default();
            let after = before.after(&act, &person.by, Phase::Firing, self.clock.now());
            if let Ok(handling) = after {
                self.handled.insert(alarm.id.clone(), handling.clone());
                self.input(Input::Handled { alarm: alarm.id.clone(), handling }).await?;
            }
        }
        Ok(())
    }
}

fn label<'a>(alarm: &'a AlarmView, name: &str) -> Option<&'a str> {
    match name {
        "evaluator" => Some(&alarm.evaluator),
        "severity" => Some(alarm.severity.as_str()),
        name => alarm.labels.get(name).map(String::as_str),
    }
}
