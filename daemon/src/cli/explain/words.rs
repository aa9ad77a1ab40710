//! The words of `explain`: why a sink is told of an alarm or not, as a person would say it.

use haetae_plugin::{Reason, Timestamp};

use crate::{
    deliver::render::{Voice, quantity},
    engine::{AlarmView, Evidence, notify::Why},
    http::explain::{ExplainAnswer, ExplainedSink, WaitingNotice},
    language::{Catalogue, Language, Texts},
    store::DebtState,
};

/// Says it in a language.
pub(super) struct Words {
    texts: &'static Texts,
    pub(super) voice: Voice,
}

impl Words {
    pub(super) fn new(language: Language) -> Self {
        let voice = Voice { language, zone: jiff::tz::TimeZone::system() };
        Self { texts: language.texts(Catalogue::Explain), voice }
    }

    pub(super) fn say(&self, id: &str, variables: &[(&'static str, &str)]) -> String {
        self.texts.say(id, variables.iter().copied())
    }

    fn at(&self, time: Timestamp) -> String {
        self.voice.time(time)
    }

    /// ` until …`, if that is known.
    fn until(&self, until: Option<Timestamp>) -> String {
        let said = until.map(|until| self.say("explain-until", &[("at", &self.at(until))]));
        said.map(|said| format!(" {said}")).unwrap_or_default()
    }

    pub(super) fn severity(&self, alarm: &AlarmView) -> String {
        self.say(&format!("explain-{}", alarm.severity.as_str()), &[])
    }

    /// How the alarm stands.
    pub(super) fn state(&self, alarm: &AlarmView) -> String {
        if let Some(ended) = alarm.ended {
            return self.say("explain-ended", &[("at", &self.at(ended))]);
        }
        let condition = self.say(&format!("explain-{}", alarm.condition.as_str()), &[]);
        let (since, value) = (self.at(alarm.since), alarm.value);
        let state = self.say("explain-since", &[("condition", &condition), ("at", &since)]);
        let value = value.map(|value| {
            let value = quantity(value, &alarm.unit);
            format!(", {}", self.say("explain-value", &[("value", &value)]))
        });
        state + &value.unwrap_or_default()
    }

    /// What it was judged by, and by which numbers.
    pub(super) fn judged(&self, answer: &ExplainAnswer) -> String {
        let alarm = &answer.alarm;
        let place = answer.places.get(&alarm.evaluator);
        let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
        let mut judged =
            self.say("explain-judged", &[("evaluator", &alarm.evaluator), ("place", &place)]);
        if let Some(id) = &alarm.threshold {
            let who = answer.threshold.as_ref().and_then(|one| {
                let comment = Some(&one.text.reason).filter(|comment| !comment.is_empty());
                let comment = comment.map(|comment| format!(": {comment}")).unwrap_or_default();
                Some(format!(" ({}{comment})", one.author.as_ref()?))
            });
            let who = who.unwrap_or_default();
            judged += ", ";
            judged += &self.say("explain-threshold", &[("id", id), ("who", &who)]);
        }
        judged
    }

    /// What is wrong with what it rests on, if something is.
    pub(super) fn evidence(&self, evidence: Evidence) -> Option<String> {
        let id = match evidence {
            Evidence::Fresh => return None,
            Evidence::Late => "explain-late",
            Evidence::NoData { .. } => "explain-no-data",
            Evidence::SourceDown { .. } => "explain-source-down",
            Evidence::EvaluationError => "explain-no-number",
        };
        let since = evidence
            .words()
            .1
            .map(|since| format!(" {}", self.say("explain-from", &[("at", &self.at(since))])));
        Some(self.say(id, &[("since", &since.unwrap_or_default())]))
    }

    /// Whether the sink knows of the alarm.
    pub(super) fn verdict(&self, sink: &ExplainedSink) -> String {
        let Some(debt) = &sink.debt else {
            let waits = sink.waiting.iter().any(|notice| !notice.dead);
            let comes = waits || sink.explanation.next.is_some();
            return self.say(if comes { "explain-not-yet" } else { "explain-not-told" }, &[]);
        };
        let told = self.say("explain-told", &[("at", &self.at(debt.opened))]);
        let end = match (debt.state, debt.ended) {
            (DebtState::Open, _) => return told,
            (DebtState::Closed, Some(ended)) => {
                self.say("explain-told-end-at", &[("at", &self.at(ended))])
            }
            (DebtState::Closed, None) => self.say("explain-told-end", &[]),
            (DebtState::Unreachable, _) => {
                self.say("explain-end-unreachable", &[("why", &debt.reason)])
            }
        };
        format!("{told}; {end}")
    }

    /// How a notice is that waits, or was given up.
    pub(super) fn waiting(&self, notice: &WaitingNotice) -> String {
        let WaitingNotice { id, reason, since, due, attempts, dead, failure } = notice;
        let reason = self.reason(*reason);
        if *dead {
            let variables = [("reason", &*reason), ("failure", failure), ("id", id)];
            return self.say("explain-given-up", &variables);
        }
        if failure.is_empty() {
            let since = self.at(*since);
            return self.say("explain-waits", &[("reason", &reason), ("since", &since)]);
        }
        let (tries, due) = (attempts.to_string(), self.at(*due));
        let variables =
            [("reason", &*reason), ("failure", failure), ("tries", &tries), ("due", &due)];
        self.say("explain-fails", &variables)
    }

    /// What is told next, and when.
    pub(super) fn next(&self, at: Timestamp, reason: Reason) -> String {
        let variables = [("at", &*self.at(at)), ("reason", &self.reason(reason))];
        self.say("explain-next", &variables)
    }

    fn reason(&self, reason: Reason) -> String {
        self.say(&format!("explain-reason-{}", reason.as_str()), &[])
    }

    /// Why it is not told now; none: what is told next says it.
    pub(super) fn why(&self, why: &Why, answer: &ExplainAnswer) -> Option<String> {
        let said = match why {
            Why::NotWanted { place } => self.say("explain-not-wanted", &[("place", place)]),
            Why::Silenced { silence, author, reason, until } => {
                let until = self.until(*until);
                let variables = [
                    ("author", &**author),
                    ("until", &until),
                    ("comment", reason),
                    ("silence", silence),
                ];
                self.say("explain-silenced", &variables)
            }
            Why::Maintenance { place, until } => {
                let until = self.until(*until);
                self.say("explain-maintenance", &[("until", &until), ("place", place)])
            }
            Why::Inhibited { place, by } => {
                self.say("explain-inhibited", &[("by", by), ("place", place)])
            }
            Why::SourceDown { source } => {
                let place = answer.places.get(source).map(|place| format!(" ({place})"));
                let place = place.unwrap_or_default();
                self.say("explain-source", &[("source", source), ("place", &place)])
            }
            Why::Handled { how, by, until } => {
                let id = format!("explain-handled-{}", how.replace(' ', "-"));
                self.say(&id, &[("by", by), ("until", &self.until(*until))])
            }
            Why::Quiet { place, until } => {
                let until = self.until(*until);
                self.say("explain-quiet", &[("until", &until), ("place", place)])
            }
            Why::Flapping => self.say("explain-flapping", &[]),
            Why::Ended => self.say("explain-over", &[]),
            Why::Grouped { place, due } => {
                self.say("explain-grouped", &[("at", &self.at(*due)), ("place", place)])
            }
            Why::RepeatNotDue { due: Some(_), .. } => return None,
            Why::RepeatNotDue { place, due: None, .. } => {
                self.say("explain-no-repeat", &[("place", place)])
            }
            Why::Starting { until } => self.say("explain-starting", &[("at", &self.at(*until))]),
        };
        Some(self.say("explain-because", &[("why", &said)]))
    }
}

#[cfg(test)]
mod tests {
    use haetae_plugin::Severity;

    use super::*;
    use crate::{deliver::render::REASONS, engine::Condition};

    #[test]
    fn every_word_that_is_asked_for_is_there() {
        let reasons = REASONS.map(|reason| format!("reason-{}", reason.as_str()));
        let conditions =
            [Condition::Ok, Condition::Pending, Condition::Firing, Condition::Recovering];
        let conditions = conditions.map(|condition| condition.as_str().to_owned());
        let severities = [Severity::Warning, Severity::Critical].map(|one| one.as_str().to_owned());
        let handled = ["acknowledged", "in-progress", "closed"].map(|how| format!("handled-{how}"));
        let acts = ["told", "withheld", "buried", "redriven", "dropped"];
        let acts = acts.map(|act| format!("then-{act}"));
        for language in Language::ALL {
            let words = Words::new(language);
            for id in
                reasons.iter().chain(&conditions).chain(&severities).chain(&handled).chain(&acts)
            {
                let id = format!("explain-{id}");
                assert_ne!(words.say(&id, &[]), id, "{language:?}");
            }
        }
    }
}
