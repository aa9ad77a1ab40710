//! The source: asks each query once a slot.

use std::collections::HashSet;

use haetae_plugin::{Batch, Call, Context, Error, Metric, Records, Result, Samples, Source};

use crate::{
    options::{self, Options},
    query::{Asked, Query},
    server::Server,
};

/// Reads the metrics of its queries.
pub(crate) struct InfluxSource {
    server: Server,
    queries: Vec<Query>,
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
        Ok(Self { server, queries: queries(&options)?, points: 0 })
    }

    fn collect(&mut self, call: Call) -> Result<Batch> {
        let mut samples = Samples::with_capacity(call.window.to, self.points);
        for query in &mut self.queries {
            let asked = Asked::in_window(query.window(), call.window);
            let answered = query.ask(&self.server, asked, call, &mut samples);
            answered.map_err(|error| named(query, error))?;
        }
        self.points = samples.points().len();
        Ok(samples.into())
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
