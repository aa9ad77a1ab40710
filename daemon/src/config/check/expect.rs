//! `expect` of an evaluator: which identities must be there.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    config::{
        file::{
            self,
            expect::{Expect, ExpectWord, IdentityLabels},
        },
        read::section::Section,
        text::problem::{Code, Problem},
    },
    engine::{Matcher, threshold::rule},
};

/// How long what was learned is remembered while it is silent.
const FORGET: Duration = Duration::from_hours(24);

/// Reads whom an evaluator expects.
pub(super) fn read(
    section: &Section<'_>,
    file: &file::Evaluator,
    problems: &mut Vec<Problem>,
) -> rule::ExpectedIdentities {
    let learned = matches!(file.expect, Some(Expect::Word(ExpectWord::Learned)));
    if file.no_data.forget.is_some() && !learned {
        let place = section.key("/no_data/forget");
        problems.push(Problem::new(Code::ForgetWithoutLearned, place));
    }
    if file.expect.is_some() && matches!(file.no_data.then, file::Then::Hold) {
        problems.push(Problem::new(Code::ExpectHolds, section.key("/expect")));
    }
    match &file.expect {
        None => rule::ExpectedIdentities::Nobody,
        Some(Expect::Word(ExpectWord::Learned)) => {
            let forget = file.no_data.forget.map_or(FORGET, |forget| *forget);
            rule::ExpectedIdentities::Learned { forget }
        }
        Some(Expect::Named(all)) => {
            let Some(by) = &file.by else {
                problems.push(Problem::new(Code::ExpectWithoutBy, section.key("/expect")));
                return rule::ExpectedIdentities::Nobody;
            };
            let mut named = Vec::new();
            for (at, one) in all.iter().enumerate() {
                let matchers = match one {
                    IdentityLabels::One(one) => std::slice::from_ref(one),
                    IdentityLabels::Several(several) => several,
                };
                let matchers: Vec<_> = matchers.iter().map(|matcher| &matcher.0).collect();
                if let Some(labels) = identity(&matchers, by) {
                    named.push(labels);
                } else {
                    let place = section.value(&format!("/expect/{at}"));
                    let given: Vec<_> = matchers.iter().map(ToString::to_string).collect();
                    let problem = Problem::new(Code::ExpectBesideBy, place);
                    problems
                        .push(problem.with("given", given.join(", ")).with("by", by.join(", ")));
                }
            }
            rule::ExpectedIdentities::Named(named)
        }
    }
}

/// The labels of an identity, if these matchers name one whole. An empty label is one that is
/// missing.
fn identity(matchers: &[&Matcher], by: &[String]) -> Option<BTreeMap<String, String>> {
    let pair = |one: &&Matcher| (one.label().to_owned(), one.value().to_owned());
    let labels: BTreeMap<_, _> = matchers.iter().map(pair).collect();
    let whole = labels.len() == matchers.len()
        && labels.len() == by.len()
        && by.iter().all(|name| labels.get(name).is_some_and(|value| !value.is_empty()))
        && matchers.iter().all(|one| one.is_equality());
    whole.then_some(labels)
}
