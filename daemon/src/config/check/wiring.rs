//! Wiring: what stands between sources, evaluators and sinks.

use std::collections::BTreeSet;

use haetae_plugin::{Metric, Records, options::Duration};

use super::{
    evaluator::EvaluatorDraft, log::LogDraft, names, rule_test::RuleTest, sink::SinkDraft,
    source::SourceDraft, threshold,
};
use crate::{
    config::{
        plan,
        read::section::Section,
        text::problem::{Code, Place, Problem, nearest},
    },
    engine::{MOST_POINTS, threshold::rule::Threshold},
};

/// All instances, as far as they could be read.
pub(in crate::config) struct Wiring<'a> {
    pub(in crate::config) sources: Vec<SourceDraft<'a>>,
    pub(in crate::config) evaluators: Vec<EvaluatorDraft<'a>>,
    pub(in crate::config) logs: Vec<LogDraft<'a>>,
    pub(in crate::config) sinks: Vec<SinkDraft<'a>>,
    /// Whether no instance can be missing because its file is broken.
    pub(in crate::config) complete: bool,
}

impl Wiring<'_> {
    /// The numbers that stand in for those of evaluators.
    pub(in crate::config) fn overrides<'a>(
        &self,
        sections: impl Iterator<Item = Section<'a>>,
        problems: &mut Vec<Problem>,
    ) -> Vec<plan::Override> {
        let evaluators = self.evaluators.iter().map(|draft| &draft.threshold).collect();
        let logs = self.logs.iter().map(|draft| draft.section.name).collect();
        let known = threshold::Known { evaluators, logs, complete: self.complete };
        sections.filter_map(|section| threshold::read(&section, &known, problems)).collect()
    }

    /// Judges all connections.
    pub(in crate::config) fn check(&self, problems: &mut Vec<Problem>) {
        // Names that a misspelt input was probably meant to be: they are not unread as well.
        let mut meant = BTreeSet::new();
        for draft in &self.evaluators {
            for (at, input) in draft.threshold.inputs.iter().enumerate() {
                let place = draft.section.value(&format!("/inputs/{at}"));
                let input = Input { name: input, place };
                meant.extend(self.evaluator_input(&input, Records::Samples, problems));
            }
            self.metric(draft, problems);
            self.window(draft, problems);
        }
        for draft in &self.logs {
            for (at, input) in draft.rule.inputs.iter().enumerate() {
                let place = draft.section.value(&format!("/inputs/{at}"));
                let input = Input { name: input, place };
                meant.extend(self.evaluator_input(&input, Records::Logs, problems));
            }
        }
        for draft in &self.sinks {
            for (at, input) in draft.sink.inputs.iter().enumerate() {
                let place = draft.section.value(&format!("/inputs/{at}"));
                meant.extend(self.sink_input(&Input { name: input, place }, draft, problems));
            }
            self.fallback(draft, problems);
            self.escalate(draft, problems);
        }
        self.unread(&meant, problems);
    }

    /// The tests of all evaluators, with the intervals of their sources.
    pub(in crate::config) fn tests(&mut self, problems: &mut Vec<Problem>) -> Vec<RuleTest> {
        let Self { sources, evaluators, .. } = self;
        let mut tests = Vec::new();
        for draft in evaluators {
            let read = read_by(&draft.threshold, sources);
            let slowest = read.map(|one| one.source.interval).max();
            // An input that is unknown has been told.
            let Some(slowest) = slowest else { continue };
            for test in draft.tests.drain(..) {
                tests.push(test.finish(&draft.section, slowest, draft.threshold.every, problems));
            }
        }
        tests
    }

    fn evaluator_input(
        &self,
        input: &Input<'_>,
        wanted: Records,
        problems: &mut Vec<Problem>,
    ) -> Option<String> {
        if let Some(found) = self.sources.iter().find(|one| one.section.name == input.name) {
            let fits = found.yields.as_ref().is_none_or(|yields| yields.contains(&wanted));
            if !fits {
                problems.push(input.problem(match wanted {
                    Records::Logs => Code::InputYieldsNoLogs,
                    _ => Code::InputYieldsNoSamples,
                }));
            }
            return None;
        }
        let evaluators = self.evaluator_names().map(|name| (name, "word-evaluator"));
        let sinks = self.sinks.iter().map(|one| (one.section.name, "word-sink"));
        let system = [(names::SYSTEM, "word-evaluator")];
        let other = evaluators.chain(sinks).chain(system).find(|(name, _)| *name == input.name);
        if let Some((_, word)) = other {
            let problem = input.problem(Code::WrongInput).with_words("role", vec![word]);
            problems.push(problem.with_words("wanted", vec!["word-source"]));
            return None;
        }
        let known = self.sources.iter().map(|one| one.section.name).collect();
        self.unknown(input, &known, problems)
    }

    /// The names of evaluators of all kinds.
    fn evaluator_names(&self) -> impl Iterator<Item = &str> {
        let logs = self.logs.iter().map(|one| one.section.name);
        self.evaluators.iter().map(|one| one.section.name).chain(logs)
    }

    fn sink_input(
        &self,
        input: &Input<'_>,
        draft: &SinkDraft<'_>,
        problems: &mut Vec<Problem>,
    ) -> Option<String> {
        let source = self.sources.iter().find(|one| one.section.name == input.name);
        let evaluator = self.evaluator_names().any(|name| name == input.name);
        let yields = match source {
            Some(source) => source.yields.clone(),
            None if evaluator || input.name == names::SYSTEM => Some(vec![Records::Notifications]),
            None if self.sinks.iter().any(|one| one.section.name == input.name) => {
                let wanted = vec!["word-source", "word-evaluator"];
                let problem = input.problem(Code::WrongInput).with_words("wanted", wanted);
                problems.push(problem.with_words("role", vec!["word-sink"]));
                return None;
            }
            None => {
                let sources = self.sources.iter().map(|one| one.section.name);
                let evaluators = self.evaluator_names();
                let known = sources.chain(evaluators).chain([names::SYSTEM]).collect();
                return self.unknown(input, &known, problems);
            }
        };
        let (yields, takes) = (yields?, draft.takes.as_ref()?);
        if !yields.iter().any(|one| takes.contains(one)) {
            let problem = input.problem(Code::SinkCannotTake).with("plugin", &draft.sink.kind);
            let problem = problem.with_words("yields", words(&yields));
            problems.push(problem.with_words("takes", words(takes)));
        }
        None
    }

    /// An input that nothing is called; gives back what was probably meant.
    fn unknown(
        &self,
        input: &Input<'_>,
        known: &BTreeSet<&str>,
        problems: &mut Vec<Problem>,
    ) -> Option<String> {
        let meant = nearest(input.name, known.iter().copied());
        if self.complete {
            let names: Vec<_> = known.iter().copied().collect();
            let problem = input.problem(Code::UnknownInput).with("known", names.join(", "));
            problems.push(problem.meant(meant));
        }
        meant.map(str::to_owned)
    }

    fn metric(&self, draft: &EvaluatorDraft<'_>, problems: &mut Vec<Problem>) {
        let Some(known) = self.metrics(&draft.threshold.inputs) else {
            return;
        };
        let name = &draft.threshold.metric;
        let mut named = known.iter().filter(|metric| metric.name == *name).peekable();
        if named.peek().is_none() {
            if !name.is_empty() {
                let problem = Problem::new(Code::UnknownMetric, draft.section.value("/metric"));
                let near = nearest(name, known.iter().map(|metric| metric.name.as_str()));
                let inputs = draft.threshold.inputs.join(", ");
                problems.push(problem.with("metric", name).with("inputs", inputs).meant(near));
            }
        } else if draft.threshold.over.is_some() && named.all(|metric| metric.window.is_some()) {
            let problem = Problem::new(Code::OverOnPushedDown, draft.section.key("/over"));
            problems.push(problem.with("metric", name));
        }
    }

    /// A window of which the engine would keep a part only.
    fn window(&self, draft: &EvaluatorDraft<'_>, problems: &mut Vec<Problem>) {
        let Some(over) = &draft.threshold.over else { return };
        let read = read_by(&draft.threshold, &self.sources);
        let Some(fastest) = read.min_by_key(|one| one.source.interval) else { return };
        let interval = fastest.source.interval;
        let longest = interval.saturating_mul(MOST_POINTS);
        if over.length > longest {
            let problem = Problem::new(Code::OverTooLong, draft.section.value("/over"));
            let problem = problem.with("source", fastest.section.name).with("most", MOST_POINTS);
            let problem = problem.with("interval", Duration::from(interval));
            problems.push(problem.with("longest", Duration::from(longest)));
        }
    }

    /// All metrics of these sources; `None` if any of them is not known.
    fn metrics(&self, inputs: &[String]) -> Option<Vec<&Metric>> {
        let mut all = Vec::new();
        for input in inputs {
            let source = self.sources.iter().find(|one| one.section.name == input)?;
            all.extend(source.metrics.as_ref()?);
        }
        Some(all).filter(|all| !all.is_empty())
    }

    fn fallback(&self, draft: &SinkDraft<'_>, problems: &mut Vec<Problem>) {
        let section = &draft.section;
        let stands_in = |one: &SinkDraft<'_>| {
            [fallback(one), escalate(one)].into_iter().flatten().any(|name| name == section.name)
        };
        if self.complete && !section.has("/inputs") && !self.sinks.iter().any(stands_in) {
            let problem = Problem::new(Code::MissingKey, section.head()).with("key", "inputs");
            problems.push(problem.with("section", section));
        }
        let Some(name) = fallback(draft) else {
            return;
        };
        let place = section.value("/fallback");
        let Some(target) = self.other(draft, name, &place, problems) else {
            return;
        };
        if let Some(cycle) = self.cycle(section.name, name, fallback) {
            problems.push(Problem::new(Code::FallbackCycle, place).with("cycle", cycle));
            return;
        }
        let (Some(takes), Some(kept)) = (&target.takes, &draft.takes) else {
            return;
        };
        if !kept.iter().any(|one| takes.contains(one)) {
            let problem = Problem::new(Code::FallbackCannotTake, place).with("name", name);
            let problem = problem.with_words("yields", words(kept));
            problems.push(problem.with_words("takes", words(takes)));
        }
    }

    fn escalate(&self, draft: &SinkDraft<'_>, problems: &mut Vec<Problem>) {
        let Some(name) = escalate(draft).filter(|name| !name.is_empty()) else {
            return;
        };
        let place = draft.section.value("/escalate/to");
        let Some(target) = self.other(draft, name, &place, problems) else {
            return;
        };
        if let Some(cycle) = self.cycle(draft.section.name, name, escalate) {
            problems.push(Problem::new(Code::EscalateCycle, place).with("cycle", cycle));
        } else if let Some(takes) = &target.takes
            && !takes.contains(&Records::Notifications)
        {
            let problem = Problem::new(Code::EscalateCannotTake, place).with("name", name);
            problems.push(problem.with_words("takes", words(takes)));
        }
    }

    /// The sink that another one names.
    fn other(
        &self,
        draft: &SinkDraft<'_>,
        name: &str,
        place: &Place,
        problems: &mut Vec<Problem>,
    ) -> Option<&SinkDraft<'_>> {
        let found = self.sink(name);
        if found.is_none() && self.complete {
            let problem = Problem::new(Code::UnknownFallback, place.clone()).with("name", name);
            let others = self.sinks.iter().map(|one| one.section.name);
            let others = others.filter(|name| *name != draft.section.name);
            problems.push(problem.meant(nearest(name, others)));
        }
        found
    }

    /// `a → b → a`, if that is where it leads and no sink before `start` has told it.
    fn cycle(
        &self,
        start: &str,
        next: &str,
        follow: impl for<'a> Fn(&'a SinkDraft<'_>) -> Option<&'a str>,
    ) -> Option<String> {
        let mut path = vec![start];
        let mut next = next;
        while next != start {
            // A cycle that `start` only leads into is told at its own sinks.
            if path.contains(&next) {
                return None;
            }
            path.push(next);
            next = follow(self.sink(next)?)?;
        }
        let first = self.sinks.iter().find(|one| path.contains(&one.section.name))?;
        path.push(start);
        (first.section.name == start).then(|| path.join(" → "))
    }

    fn sink(&self, name: &str) -> Option<&SinkDraft<'_>> {
        self.sinks.iter().find(|one| one.section.name == name)
    }

    fn unread(&self, meant: &BTreeSet<String>, problems: &mut Vec<Problem>) {
        let read = |name: &str| {
            let evaluators = self.evaluators.iter().flat_map(|one| &one.threshold.inputs);
            let logs = self.logs.iter().flat_map(|one| &one.rule.inputs);
            let sinks = self.sinks.iter().flat_map(|one| &one.sink.inputs);
            evaluators.chain(logs).chain(sinks).chain(meant).any(|input| input == name)
        };
        for draft in &self.sources {
            if self.complete && !read(draft.section.name) {
                let problem = Problem::new(Code::UnreadSource, draft.section.head());
                problems.push(problem.with("name", draft.section.name));
            }
        }
    }
}

/// The sources that an evaluator reads.
fn read_by<'a, 'b>(
    threshold: &Threshold,
    sources: &'a [SourceDraft<'b>],
) -> impl Iterator<Item = &'a SourceDraft<'b>> {
    sources.iter().filter(|one| threshold.inputs.iter().any(|name| name == one.section.name))
}

/// The sink that gets what this one gave up.
fn fallback<'a>(draft: &'a SinkDraft<'_>) -> Option<&'a str> {
    draft.sink.fallback.as_deref()
}

/// The sink that is told what nobody took up.
fn escalate<'a>(draft: &'a SinkDraft<'_>) -> Option<&'a str> {
    Some(draft.sink.notify.escalate.as_ref()?.to.as_str())
}

/// One element of `inputs`.
struct Input<'a> {
    name: &'a str,
    place: Place,
}

impl Input<'_> {
    fn problem(&self, code: Code) -> Problem {
        Problem::new(code, self.place.clone()).with("name", self.name)
    }
}

fn words(records: &[Records]) -> Vec<&'static str> {
    let word = |one: &Records| match one {
        Records::Samples => "word-samples",
        Records::Logs => "word-logs",
        Records::Notifications => "word-notifications",
        _ => "word-unknown-records",
    };
    records.iter().map(word).collect()
}
