//! The reader: what the source would have yielded in a range, or what a SELECT yields.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use haetae_plugin::{
    Answer, Call, Context, Line, Question, Reader, Result, Samples, Series, Timestamp,
};

use crate::{
    options::Options,
    query::{Asked, Query},
    server::Server,
    slots::Slots,
    source::{named, queries},
    statement::Range,
};

/// Windows of a pushed-down query that one question asks for at most.
const WINDOWS: u32 = 200;

/// Answers for the metrics of its queries, and for any SELECT.
pub(crate) struct InfluxReader {
    server: Server,
    queries: Vec<Query>,
}

impl Reader for InfluxReader {
    type Options = Options;

    fn open(options: Options, context: Context) -> Result<Self> {
        let server = Server::open(&options, &context)?;
        Ok(Self { server, queries: queries(&options)? })
    }

    fn query(&mut self, question: &Question, call: Call) -> Result<Answer> {
        let (query, from, to) = match question {
            Question::Series { query, from, to } => (query, from, to),
            Question::Slots { query, from, every, to } => {
                let slots = Slots { from: *from, every: *every, to: *to };
                let mut queries = self.queries.iter_mut();
                let Some(query) = queries.find(|known| known.metric() == Some(query)) else {
                    return Ok(Answer::Unsupported);
                };
                let samples = slots.ask(query, &self.server, call);
                return samples.map(|samples| lines(&samples)).map_err(|error| named(query, error));
            }
            _ => return Ok(Answer::Unsupported),
        };
        let range = Range { from: *from, to: *to };
        let metric = self.queries.iter_mut().find(|known| known.metric() == Some(query));
        let mut once;
        let query = match metric {
            Some(known) => known,
            None if is_select(query) => {
                once = Query::once(query)?;
                &mut once
            }
            None => return Ok(Answer::Unsupported),
        };
        let samples = asked(query, &self.server, range, call);
        samples.map(|samples| lines(&samples)).map_err(|error| named(query, error))
    }
}

fn is_select(text: &str) -> bool {
    let verb = text.trim_start().get(..6);
    verb.is_some_and(|verb| verb.eq_ignore_ascii_case("SELECT"))
}

fn asked(query: &mut Query, server: &Server, range: Range, call: Call) -> Result<Samples> {
    let mut samples = Samples::at(range.to);
    if range.from >= range.to {
        return Ok(samples);
    }
    let Some(window) = query.window() else {
        let stamp = range.to.before(Duration::from_nanos(1));
        query.ask(server, Asked { range, stamp, windows: None }, call, &mut samples)?;
        return Ok(samples);
    };
    // A value of each window that ends in the range, one after the other: the source's own slots
    // are not known here. Of a long range only so many are asked for, evenly.
    let step = window.max(range.to.since(range.from) / WINDOWS);
    let mut stamp = range.from;
    while stamp < range.to {
        let range = Range { from: stamp.before(window), to: stamp };
        query.ask(server, Asked { range, stamp, windows: None }, call, &mut samples)?;
        stamp = stamp.after(step);
    }
    Ok(samples)
}

/// Each series with its points, oldest first; series in the order of their names and labels.
fn lines(samples: &Samples) -> Answer {
    // Points of one handle stand together: to hash the series of each would take the longest.
    let mut points: HashMap<&Series, Vec<(Timestamp, f64)>> = HashMap::new();
    for run in samples.points().chunk_by(|one, next| one.series == next.series) {
        let series = run.first().and_then(|first| usize::try_from(first.series).ok());
        if let Some(series) = series.and_then(|at| samples.series().get(at)) {
            let run = run.iter().map(|point| (point.time, point.value));
            points.entry(series).or_default().extend(run);
        }
    }
    let mut lines: Vec<_> =
        points.into_iter().map(|(series, points)| line(series, points)).collect();
    lines.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
    Answer::Series(lines)
}

fn line(series: &Series, mut points: Vec<(Timestamp, f64)>) -> Line {
    points.sort_by_key(|(time, _)| *time);
    let labels = series.labels().map(|(name, value)| (name.into(), value.into()));
    Line {
        name: series.name().into(),
        labels: labels.collect::<BTreeMap<_, _>>(),
        unit: series.unit().into(),
        points,
    }
}
