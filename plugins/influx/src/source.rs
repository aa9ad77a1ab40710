//! The source: asks each query once a slot.

use std::collections::HashSet;

use haetae_plugin::{Batch, Call, Context, Error, Fault, Metric, Records, Result, Samples, Source};

use crate::{
    options::{self, Options},
    overlap::Overlap,
    query::{Again, Asked, Query},
    server::Server,
};

/// Reads the metrics of its queries.
pub(crate) struct InfluxSource {
    server: Server,
    queries: Vec<(Query, Overlap)>,
    /// How many points the last batch had: room for the next.
    points: usize,
}

impl Source for InfluxSource {
    const YIELDS: &'static [Records] = &[Records::Samples];
    type Options = Options;

    fn metrics(options: &Options) -> Vec<Metric> {
        options.query.iter().map(options::Query::declared).collect()
    }

    fn open(options: Options, context: Context) -> Result<Self> {
        if options.query.is_empty() {
            return Err(Error::config(
                "no query: add a table [[sources.NAME.query]] with metric and influxql",
            ));
        }
        if options.udp.is_some() {
            return Err(Error::config("udp: a sink sends there, a source reads from url"));
        }
        let server = Server::open(&options, &context)?;
        let overlaps = options.query.iter().map(|query| Overlap::new(query.delay.map(|it| *it)));
        let queries = queries(&options)?.into_iter().zip(overlaps).collect();
        Ok(Self { server, queries, points: 0 })
    }

    fn collect(&mut self, call: Call) -> Result<Batch> {
        let raw = self.queries.iter().filter(|(query, _)| query.is_raw());
        let held_back = raw.map(|(_, overlap)| overlap.held_back(call.window)).max();
        let complete = call.window.to.before(held_back.unwrap_or_default());
        let mut samples = Samples::with_capacity(complete, self.points);
        for (query, overlap) in &mut self.queries {
            let answered = if query.is_raw() {
                poll(query, overlap, &self.server, call, &mut samples)
            } else {
                let asked = Asked::in_window(query.window(), call.window);
                query.ask(&self.server, asked, call, &mut samples)
            };
            answered.map_err(|error| named(query, error))?;
        }
        self.points = samples.points().len();
        Ok(samples.into())
    }

    fn ack(&mut self) -> Result<()> {
        self.queries.iter_mut().for_each(|(_, overlap)| overlap.acked());
        Ok(())
    }
}

/// Asks for points as they are, with an overlap; where there is none at all, further back: the
/// daemon says of a batch that comes after its time that it does.
fn poll(
    query: &mut Query,
    overlap: &mut Overlap,
    server: &Server,
    call: Call,
    samples: &mut Samples,
) -> Result<()> {
    let (window, before) = (call.window, samples.points().len());
    let widened = overlap.widened(window);
    let from = widened.from;
    let again = Again { overlap, window, from };
    query.ask_again(server, Asked::in_window(None, widened), call, samples, Some(again))?;
    let widest = Overlap::widest(window);
    if samples.points().len() > before || widest.from >= from {
        return Ok(());
    }
    let again = Again { overlap, window, from };
    match query.ask_again(server, Asked::in_window(None, widest), call, samples, Some(again)) {
        // So much is there that it can't be looked through: it is none that came late.
        Err(error) if error.fault() == Fault::Config => Ok(()),
        answered => answered,
    }
}

/// The queries of the options.
pub(crate) fn queries(options: &Options) -> Result<Vec<Query>> {
    let mut names = HashSet::new();
    let queries = options.query.iter().map(|query| {
        let name = &query.metric;
        if !names.insert(name) {
            return Err(Error::config(format!("query `{name}`: another has this metric too")));
        }
        Query::new(query).map_err(|error| error.context(format!("query `{name}`")))
    });
    queries.collect()
}

/// The error, with the query that it is about.
pub(crate) fn named(query: &Query, error: Error) -> Error {
    match query.metric() {
        Some(metric) => error.context(format!("query `{metric}`")),
        None => error,
    }
}
