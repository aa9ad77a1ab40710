//! Problems: what is wrong in a configuration, where, and what to do about it.

use std::{fmt, path::PathBuf, sync::Arc};

use fluent_bundle::FluentArgs;
use serde::Serialize;

pub(in crate::config) use crate::config::read::place::{Place, Text};
use crate::language::{Catalogue, Language, Texts};

/// One thing that is wrong, with its place and its cure.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    place: Place,
    arguments: Vec<(&'static str, Argument)>,
    /// Which attribute of its text is the cure.
    cure: &'static str,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration can't be used.
    Error,
    /// It can be used, but probably says something other than what was meant.
    Warning,
}

/// A problem told in one language: what `-o json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its code, such as `HT0103`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file that it is in.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What stands under the caret.
    pub label: String,
    /// What to do.
    pub cure: String,
}

/// What is wrong, without the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the catalogue of texts says what each is")]
pub enum Code {
    Syntax,
    WrongType,
    UnknownKey,
    MissingKey,
    BadDuration,
    BadMatcher,
    TooMuch,
    TooLittle,
    NotOneOf,
    BadLength,
    Repeated,
    BadSecret,
    Refused,
    DuplicateName,
    ReservedName,
    BadName,
    UnknownPlugin,
    BrokenPlugin,
    WrongRole,
    ReservedKey,
    BadSchema,
    RefusedOptions,
    DuplicateTable,
    UnknownInput,
    WrongInput,
    InputYieldsNoSamples,
    SinkCannotTake,
    UnknownFallback,
    FallbackCannotTake,
    FallbackCycle,
    NoLevel,
    WarningBeyondCritical,
    ClearOnWrongSide,
    MixedSides,
    BothSides,
    NoSide,
    ForBesideOf,
    ImpossibleOf,
    ValueWithoutOver,
    FlapNeverSettles,
    OverOnPushedDown,
    OverTooLong,
    BadZone,
    TooShort,
    KeptTooShort,
    DeadlineBeyondInterval,
    BadAddress,
    BadSize,
    BadStore,
    BadHours,
    BadDays,
    BadTime,
    EscalateCannotTake,
    EscalateCycle,
    NoSpan,
    EndsFirst,
    BadPattern,
    InputYieldsNoLogs,
    NoMode,
    MixedModes,
    WithoutNew,
    UnknownEvaluator,
    ExpectWithoutBy,
    ExpectBesideBy,
    ForgetWithoutLearned,
    OverridesNothing,
    OverridesLog,
    BadSeries,
    BadExpectation,
    TestOfOtherMetric,
    TestOfNoLevel,
    TestBetweenSlots,
    TestTooLong,
    UnreadSource,
    ExpectHolds,
    UnknownMetric,
}

/// What is filled into a problem's text.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    /// As it stands.
    Plain(String),
    /// Ids of words in the catalogue, joined by its "or".
    Words(Vec<&'static str>),
}

impl Problem {
    pub(in crate::config) fn new(code: Code, place: Place) -> Self {
        Self { code, place: place.in_one_line(), arguments: Vec::new(), cure: "cure" }
    }

    #[must_use]
    pub(in crate::config) fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.arguments.push((name, Argument::Plain(value.to_string())));
        self
    }

    #[must_use]
    pub(in crate::config) fn with_words(
        mut self,
        name: &'static str,
        words: Vec<&'static str>,
    ) -> Self {
        self.arguments.push((name, Argument::Words(words)));
        self
    }

    /// Asks "did you mean", if something near is known.
    #[must_use]
    pub(in crate::config) fn meant(self, meant: Option<&str>) -> Self {
        match meant {
            Some(meant) => self.with("meant", meant).cured_by("meant"),
            None => self,
        }
    }

    #[must_use]
    pub(in crate::config) fn cured_by(mut self, attribute: &'static str) -> Self {
        self.cure = attribute;
        self
    }

    /// What is wrong.
    pub fn code(&self) -> Code {
        self.code
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// It told in a language.
    pub fn finding(&self, language: Language) -> Finding {
        self.worded(language.texts(Catalogue::Configuration))
    }

    pub(super) fn worded(&self, texts: &Texts) -> Finding {
        let arguments = self.arguments(texts);
        let id = self.code.id();
        let attribute = |name| texts.attribute(id, name, &arguments).unwrap_or_default();
        let (line, column) = self.place.line_and_column();
        Finding {
            code: self.code.number(),
            severity: self.severity(),
            file: self.place.source.path.clone(),
            line,
            column,
            message: texts.text(id, &arguments),
            label: attribute("label"),
            cure: attribute(self.cure),
        }
    }

    /// What is filled in for `name`, if it stands as it is.
    pub(in crate::config) fn argument(&self, name: &str) -> Option<&str> {
        self.arguments.iter().find_map(|(known, argument)| match argument {
            Argument::Plain(text) if *known == name => Some(text.as_str()),
            _ => None,
        })
    }

    /// Shows the problem in another copy of its file's text, of the same length.
    pub(in crate::config) fn show_in(&mut self, source: &Arc<Text>) {
        self.place.source = Arc::clone(source);
    }

    pub(in crate::config) fn place(&self) -> &Place {
        &self.place
    }

    fn arguments(&self, texts: &Texts) -> FluentArgs<'static> {
        let mut arguments = FluentArgs::new();
        for (name, argument) in &self.arguments {
            let none = FluentArgs::new();
            let text = match argument {
                Argument::Plain(text) => text.clone(),
                Argument::Words(words) => {
                    let words: Vec<_> = words.iter().map(|id| texts.text(id, &none)).collect();
                    words.join(&format!(" {} ", texts.text("or", &none)))
                }
            };
            arguments.set(*name, text);
        }
        arguments
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.number())
    }
}

impl Code {
    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Self::UnreadSource | Self::UnknownMetric | Self::ExpectHolds => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// Its number, such as `HT0103`.
    pub fn number(self) -> &'static str {
        self.number_and_text().0
    }

    fn id(self) -> &'static str {
        self.number_and_text().1
    }

    /// Number and text: 01xx one value, 02xx how things fit together, 03xx warnings.
    fn number_and_text(self) -> (&'static str, &'static str) {
        match self {
            Self::DuplicateName => ("HT0201", "duplicate-name"),
            Self::ReservedName => ("HT0202", "reserved-name"),
            Self::BadName => ("HT0203", "bad-name"),
            Self::UnknownPlugin => ("HT0204", "unknown-plugin"),
            Self::BrokenPlugin => ("HT0205", "broken-plugin"),
            Self::WrongRole => ("HT0206", "wrong-role"),
            Self::ReservedKey => ("HT0207", "reserved-key"),
            Self::BadSchema => ("HT0208", "bad-schema"),
            Self::RefusedOptions => ("HT0209", "refused-options"),
            Self::DuplicateTable => ("HT0210", "duplicate-table"),
            Self::UnknownInput => ("HT0221", "unknown-input"),
            Self::WrongInput => ("HT0222", "wrong-input"),
            Self::InputYieldsNoSamples => ("HT0223", "input-yields-no-samples"),
            Self::SinkCannotTake => ("HT0224", "sink-cannot-take"),
            Self::UnknownFallback => ("HT0225", "unknown-fallback"),
            Self::FallbackCannotTake => ("HT0226", "fallback-cannot-take"),
            Self::FallbackCycle => ("HT0227", "fallback-cycle"),
            Self::EscalateCannotTake => ("HT0228", "escalate-cannot-take"),
            Self::EscalateCycle => ("HT0229", "escalate-cycle"),
            Self::NoLevel => ("HT0231", "no-level"),
            Self::WarningBeyondCritical => ("HT0232", "warning-beyond-critical"),
            Self::ClearOnWrongSide => ("HT0233", "clear-on-wrong-side"),
            Self::MixedSides => ("HT0234", "mixed-sides"),
            Self::BothSides => ("HT0235", "both-sides"),
            Self::NoSide => ("HT0236", "no-side"),
            Self::ForBesideOf => ("HT0237", "for-beside-of"),
            Self::ImpossibleOf => ("HT0238", "impossible-of"),
            Self::ValueWithoutOver => ("HT0239", "value-without-over"),
            Self::OverOnPushedDown => ("HT0240", "over-on-pushed-down"),
            Self::OverTooLong => ("HT0246", "over-too-long"),
            Self::DeadlineBeyondInterval => ("HT0241", "deadline-beyond-interval"),
            Self::NoSpan => ("HT0242", "no-span"),
            Self::EndsFirst => ("HT0243", "ends-first"),
            Self::FlapNeverSettles => ("HT0245", "flap-never-settles"),
            Self::UnknownEvaluator => ("HT0251", "unknown-evaluator"),
            Self::ExpectWithoutBy => ("HT0252", "expect-without-by"),
            Self::ExpectBesideBy => ("HT0253", "expect-beside-by"),
            Self::ForgetWithoutLearned => ("HT0254", "forget-without-learned"),
            Self::OverridesNothing => ("HT0255", "overrides-nothing"),
            Self::OverridesLog => ("HT0256", "overrides-log"),
            Self::InputYieldsNoLogs => ("HT0261", "input-yields-no-logs"),
            Self::NoMode => ("HT0262", "no-mode"),
            Self::MixedModes => ("HT0263", "mixed-modes"),
            Self::WithoutNew => ("HT0264", "without-new"),
            Self::TestOfOtherMetric => ("HT0281", "test-of-other-metric"),
            Self::TestOfNoLevel => ("HT0282", "test-of-no-level"),
            Self::TestBetweenSlots => ("HT0283", "test-between-slots"),
            Self::TestTooLong => ("HT0284", "test-too-long"),
            Self::UnreadSource => ("HT0301", "unread-source"),
            Self::UnknownMetric => ("HT0302", "unknown-metric"),
            Self::ExpectHolds => ("HT0303", "expect-holds"),
            _ => self.of_one_value(),
        }
    }

    /// The same of what is wrong with one value.
    fn of_one_value(self) -> (&'static str, &'static str) {
        match self {
            Self::Syntax => ("HT0101", "syntax"),
            Self::WrongType => ("HT0102", "wrong-type"),
            Self::UnknownKey => ("HT0103", "unknown-key"),
            Self::MissingKey => ("HT0104", "missing-key"),
            Self::BadDuration => ("HT0105", "bad-duration"),
            Self::BadMatcher => ("HT0106", "bad-matcher"),
            Self::TooMuch => ("HT0107", "too-much"),
            Self::TooLittle => ("HT0108", "too-little"),
            Self::NotOneOf => ("HT0109", "not-one-of"),
            Self::BadLength => ("HT0110", "bad-length"),
            Self::Repeated => ("HT0111", "repeated"),
            Self::BadSecret => ("HT0112", "bad-secret"),
            Self::Refused => ("HT0113", "refused"),
            Self::BadZone => ("HT0114", "bad-zone"),
            Self::BadAddress => ("HT0115", "bad-address"),
            Self::TooShort => ("HT0116", "too-short"),
            Self::BadSize => ("HT0117", "bad-size"),
            Self::BadStore => ("HT0118", "bad-store"),
            Self::BadHours => ("HT0119", "bad-hours"),
            Self::BadDays => ("HT0120", "bad-days"),
            Self::BadTime => ("HT0121", "bad-time"),
            Self::BadPattern => ("HT0122", "bad-pattern"),
            Self::KeptTooShort => ("HT0123", "kept-too-short"),
            Self::BadSeries => ("HT0141", "bad-series"),
            Self::BadExpectation => ("HT0142", "bad-expectation"),
            // A test holds that every code has a number of its own.
            _ => ("HT0100", "unknown"),
        }
    }
}

/// The candidate at most two edits away from `text`, the nearest first.
pub(in crate::config) fn nearest<'a>(
    text: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let near = candidates.into_iter().map(|one| (strsim::osa_distance(text, one), one));
    // A short word is two edits from any other.
    let near = near.filter(|(edits, one)| *edits <= 2 && *edits < one.chars().count().min(4));
    near.min().map(|(_, one)| one)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Code; 76] = [
        Code::Syntax,
        Code::WrongType,
        Code::UnknownKey,
        Code::MissingKey,
        Code::BadDuration,
        Code::BadMatcher,
        Code::TooMuch,
        Code::TooLittle,
        Code::NotOneOf,
        Code::BadLength,
        Code::Repeated,
        Code::BadSecret,
        Code::Refused,
        Code::DuplicateName,
        Code::ReservedName,
        Code::BadName,
        Code::UnknownPlugin,
        Code::BrokenPlugin,
        Code::WrongRole,
        Code::ReservedKey,
        Code::BadSchema,
        Code::RefusedOptions,
        Code::DuplicateTable,
        Code::UnknownInput,
        Code::WrongInput,
        Code::InputYieldsNoSamples,
        Code::SinkCannotTake,
        Code::UnknownFallback,
        Code::FallbackCannotTake,
        Code::FallbackCycle,
        Code::NoLevel,
        Code::WarningBeyondCritical,
        Code::ClearOnWrongSide,
        Code::MixedSides,
        Code::BothSides,
        Code::NoSide,
        Code::ForBesideOf,
        Code::ImpossibleOf,
        Code::ValueWithoutOver,
        Code::FlapNeverSettles,
        Code::OverOnPushedDown,
        Code::OverTooLong,
        Code::BadZone,
        Code::TooShort,
        Code::KeptTooShort,
        Code::DeadlineBeyondInterval,
        Code::BadAddress,
        Code::BadSize,
        Code::BadStore,
        Code::BadHours,
        Code::BadDays,
        Code::BadTime,
        Code::EscalateCannotTake,
        Code::EscalateCycle,
        Code::NoSpan,
        Code::EndsFirst,
        Code::BadPattern,
        Code::InputYieldsNoLogs,
        Code::NoMode,
        Code::MixedModes,
        Code::WithoutNew,
        Code::UnknownEvaluator,
        Code::ExpectWithoutBy,
        Code::ExpectBesideBy,
        Code::ForgetWithoutLearned,
        Code::OverridesNothing,
        Code::OverridesLog,
        Code::BadSeries,
        Code::BadExpectation,
        Code::TestOfOtherMetric,
        Code::TestOfNoLevel,
        Code::TestBetweenSlots,
        Code::TestTooLong,
        Code::UnreadSource,
        Code::ExpectHolds,
        Code::UnknownMetric,
    ];

    #[test]
    fn every_code_has_its_number_and_its_texts_in_both_languages() {
        assert_eq!(Code::UnknownMetric as usize + 1, ALL.len());
        let mut numbers: Vec<_> = ALL.map(Code::number).into();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), ALL.len());
        for language in Language::ALL {
            let texts = language.texts(Catalogue::Configuration);
            let none = FluentArgs::new();
            for code in ALL {
                assert_ne!(texts.text(code.id(), &none), code.id(), "{code:?} in {language:?}");
                assert!(texts.attribute(code.id(), "label", &none).is_some(), "{code:?}");
                let cured = ["cure", "least"].map(|name| texts.attribute(code.id(), name, &none));
                assert!(cured.iter().any(Option::is_some), "{code:?} in {language:?}");
            }
        }
    }

    #[test]
    fn what_is_near_is_meant() {
        let cases = [
            ("intervall", Some("interval")),
            ("itnerval", Some("interval")),
            ("INTERVAL", None),
            ("b", Some("by")),
            ("zz", None),
            ("yb", Some("by")),
        ];
        for (text, meant) in cases {
            assert_eq!(nearest(text, ["interval", "by", "of"]), meant, "{text}");
        }
    }
}
