//! Steps: what happens to the daemon, and what people do, while a scenario is played.

use std::path::PathBuf;

use super::{
    error::RunError,
    scenario::{Act, Mood, Person},
    world::World,
};
use crate::{
    config::Plan,
    engine::{
        AlarmView, Input, Matcher, SYSTEM,
        alarm::handling::{self, Phase},
        mute::silence::{Silence, Span},
    },
};

impl World {
    /// Does a step.
    pub(super) async fn act(
        &mut self,
        act: &Act,
        load: &impl Fn(&PathBuf) -> Result<Plan, String>,
    ) -> Result<(), RunError> {
        match act {
            Act::Restart(length) => {
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
            Act::Reload(path) => {
                let plan = load(path).map_err(RunError::Nothing)?;
                self.reload(plan).await
            }
            Act::ClockJump(seconds) => {
                let from = self.clock.now();
                self.ahead = self.ahead.saturating_add(*seconds);
                self.set();
                // As the engine's thread tells it, which compares with a clock that does not jump.
                self.input(Input::Jumped { from }).await
            }
            Act::Sink(name, mood) => self.mood(name, *mood),
            Act::Source(name, up) => {
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
            Act::Silence(matchers, person, length) => {
                let now = self.clock.now();
                self.silences.push(Silence {
                    id: format!("silence-{}", self.silences.len() + 1),
                    matchers: matchers.clone(),
                    author: person.by.clone(),
                    reason: person.reason.clone(),
                    span: Span::Between(now, now.after(*length)),
                });
                self.input(Input::Silences(self.silences.clone())).await
            }
            Act::Acknowledge(matchers, person) => self.acknowledge(matchers, person).await,
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
        let act = handling::Act::Acknowledge { until: None, sticky: false };
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
