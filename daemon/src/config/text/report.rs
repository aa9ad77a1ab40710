//! The report: problems as a person reads them, each under its line of text.

use std::{collections::BTreeSet, fmt};

use fluent_bundle::FluentArgs;
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError,
    MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

use super::problem::{Finding, Place, Problem, Severity};
use crate::{
    config::read::files::Checked,
    language::{Catalogue, Language, Texts},
};

/// More than this nobody reads at once.
const SHOWN: usize = 20;
/// Where lines of text are broken, unless somebody says otherwise.
const WIDTH: usize = 110;

impl Checked {
    /// All that was found, told in a language.
    pub fn report(&self, language: Language, colour: bool) -> String {
        self.report_within(WIDTH, language, colour)
    }

    /// The same in lines that are so wide at the most, as far as words can be broken.
    pub fn report_within(&self, width: usize, language: Language, colour: bool) -> String {
        let texts = language.texts(Catalogue::Configuration);
        let marked: BTreeSet<_> =
            self.problems.iter().map(|problem| &problem.place().source.path).collect();
        let clean = self.files.iter().filter(|path| !marked.contains(path));
        let mut parts: Vec<_> = clean.map(|path| format!("{}: ok\n", path.display())).collect();
        let shown = self.problems.iter().take(SHOWN);
        parts.extend(shown.map(|problem| worded(problem, texts, colour, width)));
        let more = self.problems.len().saturating_sub(SHOWN);
        if more > 0 {
            let mut arguments = FluentArgs::new();
            arguments.set("count", more);
            parts.push(texts.text("report-more", &arguments) + "\n");
        }
        parts.push(self.summary(texts) + "\n");
        parts.concat()
    }

    fn summary(&self, texts: &Texts) -> String {
        let count =
            |severity| self.problems.iter().filter(|one| one.severity() == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let mut arguments = FluentArgs::new();
        arguments.set("errors", errors);
        arguments.set("warnings", warnings);
        arguments.set("files", self.files.len());
        let none = FluentArgs::new();
        let mut found = Vec::new();
        if errors > 0 || warnings == 0 {
            found.push(texts.text("report-errors", &arguments));
        }
        if warnings > 0 {
            found.push(texts.text("report-warnings", &arguments));
        }
        arguments.set("found", found.join(", "));
        format!(
            "{} {}",
            texts.text("report-found", &arguments),
            texts.text("report-nothing", &none)
        )
    }
}

impl Problem {
    /// The problem under its line of text, told in a language.
    pub fn render(&self, language: Language, colour: bool) -> String {
        worded(self, language.texts(Catalogue::Configuration), colour, WIDTH)
    }
}

fn worded(problem: &Problem, texts: &Texts, colour: bool, width: usize) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    // Any context makes miette ask for whole lines; the excerpt gives the one that matters.
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(width)
        .with_context_lines(1);
    let finding = problem.worded(texts);
    let severity = match finding.severity {
        Severity::Error => "word-error",
        Severity::Warning => "word-warning",
    };
    let severity = texts.text(severity, &FluentArgs::new());
    // miette's own "help:" knows English only.
    let cure = format!("   = {}\n\n", finding.cure);
    let shown = Shown { finding, severity, excerpt: Excerpt(problem.place().clone()) };
    let mut report = String::new();
    if handler.render_report(&mut report, &shown).is_err() {
        report = format!("{}: {shown}\n", problem.place());
    }
    report + &cure
}

#[derive(Debug)]
struct Shown {
    finding: Finding,
    severity: String,
    excerpt: Excerpt,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.finding.message)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!("{}[{}]", self.severity, self.finding.code)))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.excerpt)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = &self.excerpt.0.span;
        let label = Some(self.finding.label.clone());
        Some(Box::new(std::iter::once(LabeledSpan::new(label, span.start, span.len()))))
    }
}

/// The one line that holds a place. Columns are counted in characters, not bytes.
#[derive(Debug)]
struct Excerpt(Place);

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text = self.0.source.content.as_str();
        let (head, tail) = text.split_at_checked(span.offset()).ok_or(MietteError::OutOfBounds)?;
        let (line, column) = self.0.line_and_column();
        let line_start = head.rfind('\n').map_or(0, |at| at + 1);
        let line_end = tail.find('\n').map_or(text.len(), |at| span.offset() + at);
        // Without context miette asks where the span is, with it what to show.
        let (start, column) =
            if before == 0 { (span.offset(), column - 1) } else { (line_start, 0) };
        let shown = text.get(start..line_end).ok_or(MietteError::OutOfBounds)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.0.source.path.display().to_string(),
            shown.as_bytes(),
            (start, shown.len()).into(),
            line - 1,
            column,
            1,
        )))
    }
}
