//! What sinks were told and what was withheld from them, beside what was expected.

use std::{collections::BTreeMap, time::Duration};

use haetae_plugin::options;

use crate::config::Spoken;

/// `mail first@12m{ip="a"}`, or `mail withheld silenced@12m`; a span is `12m..15m`.
#[derive(Clone, Debug)]
pub struct ExpectedNotice {
    /// The line of the file.
    pub place: String,
    sink: String,
    /// The reason of a notice, or of withholding one.
    why: String,
    withheld: bool,
    from: Duration,
    until: Duration,
    labels: BTreeMap<String, String>,
}

/// What a sink was told, or why not.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Notified {
    pub(super) at: Duration,
    pub(super) sink: String,
    pub(super) why: String,
    pub(super) withheld: bool,
    /// The labels of each alarm.
    pub(super) alarms: Vec<BTreeMap<String, String>>,
    pub(super) title: String,
}

/// One line of how a scenario went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportLine {
    /// It was expected and happened.
    Met(String),
    /// It was expected here and did not happen.
    Missing(String, String),
    /// It happened and was not expected.
    Unexpected(String),
}

/// How a scenario went.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// In the order of time; what was withheld is among it only if it was expected.
    pub lines: Vec<ReportLine>,
    /// What was withheld and asked for by nobody, for whoever looks for a cause.
    pub withheld: Vec<String>,
}

impl RunReport {
    /// Whether all that was expected happened, and no sink was told anything else.
    pub fn passed(&self) -> bool {
        self.lines.iter().all(|line| matches!(line, ReportLine::Met(_)))
    }
}

impl ExpectedNotice {
    /// Reads it.
    pub(super) fn read(text: &str, place: &str) -> Result<Self, String> {
        let how = || {
            format!(
                "`{text}`: write sink, reason and time: \"mail first@12m\", \"mail withheld silenced@12m..15m{{ip='a'}}\""
            )
        };
        let (head, labels) = text.split_at(text.find('{').unwrap_or(text.len()));
        let labels = match labels {
            "" => BTreeMap::new(),
            labels => Spoken::read(&format!("{labels} 0"))?.labels,
        };
        let (what, time) = head.split_once('@').ok_or_else(how)?;
        let words: Vec<_> = what.split_whitespace().collect();
        let (sink, why, withheld) = match words.as_slice() {
            [sink, why] => (*sink, *why, false),
            [sink, "withheld", why] => (*sink, *why, true),
            _ => return Err(how()),
        };
        let time = time.trim();
        let (from, until) = time.split_once("..").unwrap_or((time, time));
        let read = |text: &str| text.parse::<options::Duration>().map(|it| *it).map_err(|_| how());
        let (sink, why, place) = (sink.into(), why.into(), place.into());
        Ok(Self { place, sink, why, withheld, from: read(from)?, until: read(until)?, labels })
    }

    fn fits(&self, heard: &Notified) -> bool {
        let has = |labels: &BTreeMap<String, String>| {
            self.labels.iter().all(|(name, value)| labels.get(name) == Some(value))
        };
        self.sink == heard.sink
            && self.why == heard.why
            && self.withheld == heard.withheld
            && (self.from..=self.until).contains(&whole(heard.at))
            && (self.labels.is_empty() || heard.alarms.iter().any(has))
    }

    fn shown(&self) -> String {
        let withheld = if self.withheld { "withheld " } else { "" };
        let mut time = show(self.from);
        if self.until != self.from {
            time = format!("{time}..{}", show(self.until));
        }
        let labels = if self.labels.is_empty() { String::new() } else { labels(&self.labels) };
        format!("{} {withheld}{}@{time}{labels}", self.sink, self.why)
    }
}

impl Notified {
    fn shown(&self) -> String {
        let withheld = if self.withheld { "withheld " } else { "" };
        let shown: Vec<_> = self.alarms.iter().take(3).map(labels).collect();
        let more = self.alarms.len().saturating_sub(3);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let Self { sink, why, title, .. } = self;
        let line =
            format!("{sink} {withheld}{why}@{}  {}{more}  {title}", show(self.at), shown.join(" "));
        line.trim_end().into()
    }
}

/// Compares. Each notice needs an expectation of its own; the narrower ones choose first.
pub(super) fn judge(expected: &[ExpectedNotice], heard: &[Notified]) -> RunReport {
    let mut order: Vec<_> = expected.iter().collect();
    order.sort_by_key(|one| (one.until.saturating_sub(one.from), usize::MAX - one.labels.len()));
    let mut free: Vec<_> = heard.iter().collect();
    let mut lines = Vec::new();
    for one in order {
        match free.iter().position(|heard| one.fits(heard)) {
            Some(at) => {
                let heard = free.remove(at);
                lines.push((heard.at, ReportLine::Met(heard.shown())));
            }
            None => lines.push((one.from, ReportLine::Missing(one.shown(), one.place.clone()))),
        }
    }
    let (withheld, told): (Vec<_>, Vec<_>) = free.into_iter().partition(|heard| heard.withheld);
    lines.extend(told.into_iter().map(|heard| (heard.at, ReportLine::Unexpected(heard.shown()))));
    lines.sort_by_key(|(at, _)| *at);
    RunReport {
        lines: lines.into_iter().map(|(_, line)| line).collect(),
        withheld: withheld.into_iter().map(Notified::shown).collect(),
    }
}

/// What is told within a second is told in it.
fn whole(at: Duration) -> Duration {
    Duration::from_secs(at.as_secs())
}

fn show(at: Duration) -> String {
    options::Duration::from(whole(at)).to_string().replace(' ', "")
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}
