//! `[evaluators.NAME]`: from the text to the plan.

use std::time::Duration;

use super::{
    expect,
    length::too_short,
    level::{check_order, level, nearly_none},
    rule_test::{self, TestDraft},
};
use crate::{
    config::{
        file,
        read::{schema, section::Section},
        text::problem::{Code, Problem},
    },
    engine::{
        Summaries,
        threshold::rule::{Flap, LIMIT, NoData, Over, Threshold},
    },
    language::Language,
};

/// An evaluator as far as it could be read.
pub(in crate::config) struct EvaluatorDraft<'a> {
    pub(super) section: Section<'a>,
    pub(in crate::config) threshold: Threshold,
    pub(super) tests: Vec<TestDraft>,
}

/// Reads an evaluator.
pub(in crate::config) fn read<'a>(
    section: Section<'a>,
    problems: &mut Vec<Problem>,
) -> EvaluatorDraft<'a> {
    let judged = schema::own::<file::Evaluator>(&section);
    problems.extend(judged.problems);
    let file = judged.accepted;
    let warning = file.warning.as_ref().and_then(|one| level(&section, "/warning", one, problems));
    let critical =
        file.critical.as_ref().and_then(|one| level(&section, "/critical", one, problems));
    // One that is there and wrong, even misspelt, has been told.
    if nearly_none(section.table, ["warning", "critical"]) {
        problems.push(Problem::new(Code::NoLevel, section.head()).with("section", section));
    }
    if let (Some(warning), Some(critical)) = (&warning, &critical) {
        check_order(&section, warning, critical, problems);
    }
    if section.has("/value") && !section.has("/over") {
        problems.push(Problem::new(Code::ValueWithoutOver, section.key("/value")));
    }
    for (pointer, length) in [("/over", file.over), ("/every", file.every)] {
        let length = length.map_or(Duration::MAX, |length| *length);
        too_short(&section, pointer, length, problems);
    }
    let expect = expect::read(&section, &file, problems);
    let threshold = Threshold {
        name: section.name.into(),
        inputs: file.inputs,
        metric: file.metric,
        matchers: file.matchers.into_iter().map(|matcher| matcher.0).collect(),
        by: file.by,
        across: file.across.into(),
        labels: file.labels,
        warning,
        critical,
        no_data: NoData {
            after: file.no_data.after.map(|after| *after),
            then: file.no_data.then.into(),
        },
        over: file.over.map(|length| Over { length: *length, value: file.value.into() }),
        limit: file.limit.unwrap_or(LIMIT),
        flap: flap(&section, file.flap, problems),
        every: file.every.map(|every| *every),
        summary: summary(file.summary),
        runbook: file.runbook,
        expect,
        judged_by: None,
    };
    let tests = rule_test::read(&section, file.tests, &threshold, problems);
    EvaluatorDraft { section, threshold, tests }
}

fn flap(
    section: &Section<'_>,
    file: Option<file::Flap>,
    problems: &mut Vec<Problem>,
) -> Option<Flap> {
    let file::Score { start, stop, decay } = match file {
        Some(file::Flap::Switch(false)) => return None,
        None | Some(file::Flap::Switch(true)) => file::Score::default(),
        Some(file::Flap::Score(score)) => score,
    };
    if stop > start {
        let at = if section.has("/flap/stop") { "/flap/stop" } else { "/flap/start" };
        let problem = Problem::new(Code::FlapNeverSettles, section.value(at));
        problems.push(problem.with("start", start).with("stop", stop));
    }
    let decay = decay.map(|decay| *decay);
    too_short(section, "/flap/decay", decay.unwrap_or(Duration::MAX), problems);
    Some(Flap { start, stop, decay })
}

/// A summary, by language.
pub(super) fn summary(file: Option<file::Summary>) -> Summaries {
    let each = |language: Language, text: String| (language.code().to_owned(), text);
    match file {
        None => Summaries::default(),
        Some(file::Summary::Same(text)) => {
            Language::ALL.into_iter().map(|language| each(language, text.clone())).collect()
        }
        Some(file::Summary::Each(texts)) => {
            let texts = [(Language::En, texts.en), (Language::Ko, texts.ko)];
            let given = texts.into_iter().filter_map(|(language, text)| Some((language, text?)));
            given.map(|(language, text)| each(language, text)).collect()
        }
    }
}
