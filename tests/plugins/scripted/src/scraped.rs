//! The source `scraped`: the samples of a page in Prometheus' text format, as an exporter serves it.
//!
//! It knows what the exporters of benches say: a name, labels without escapes, a value. A line that
//! it cannot read is an error, never passed over.

use haetae_plugin::{
    Batch, Call, Context, Error, Metric, Records, Result, Samples, Series, Source,
    http::HttpOptions,
};

/// The options of the kind `scraped`.
#[haetae_plugin::options]
pub(crate) struct Options {
    /// The page.
    url: String,
}

pub(crate) struct Scraped {
    url: String,
    context: Context,
    /// In the order of the page, which stays the same as long as its series do.
    series: Vec<Series>,
}

impl Source for Scraped {
    const YIELDS: &'static [Records] = &[Records::Samples];
    type Options = Options;

    fn metrics(_: &Options) -> Vec<Metric> {
        Vec::new()
    }

    fn open(options: Options, context: Context) -> Result<Self> {
        Ok(Self { url: options.url, context, series: Vec::new() })
    }

    fn collect(&mut self, call: Call) -> Result<Batch> {
        let answer = self.context.http(&HttpOptions::default()).get(&*self.url).send(call)?;
        if answer.status != 200 {
            return Err(Error::failed(format!("{}: status {}", self.url, answer.status)));
        }
        let page = String::from_utf8(answer.bytes()?)?;
        let mut samples = Samples::at(self.context.now());
        let lines = page.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        for (at, line) in lines.enumerate() {
            let unreadable = || Error::failed(format!("{}: no sample: {line}", self.url));
            let (key, value) = line.rsplit_once(' ').ok_or_else(unreadable)?;
            let value: f64 = value.parse().map_err(|_| unreadable())?;
            if self.series.get(at).is_none_or(|known| !is(known, key)) {
                self.series.truncate(at);
                self.series.push(series(key).ok_or_else(unreadable)?);
            }
            if let Some(series) = self.series.get(at) {
                samples.push(series, value);
            }
        }
        Ok(samples.into())
    }
}

/// Whether a series is the one that a line is of.
fn is(series: &Series, key: &str) -> bool {
    let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
    let labels = labels.strip_suffix('}').unwrap_or(labels);
    let pairs = labels.split(',').filter(|pair| !pair.is_empty());
    series.name() == name
        && pairs.clone().count() == series.labels().len()
        && pairs.filter_map(|pair| pair.split_once('=')).all(|(label, value)| {
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            value.is_some() && series.label(label) == value
        })
}

/// `name{label="value",…}`.
fn series(key: &str) -> Option<Series> {
    let (name, labels) = match key.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (key, ""),
    };
    let mut series = Series::gauge(name, "");
    for pair in labels.split(',').filter(|pair| !pair.is_empty()) {
        let (label, value) = pair.split_once('=')?;
        series = series.label(label, value.strip_prefix('"')?.strip_suffix('"')?);
    }
    Some(series.build())
}
