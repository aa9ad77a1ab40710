//! The source `scripted`: each line of its control connection is a batch.
//!
//! A line is `SLOT LANE FIRST COUNT VALUE`: the series `FIRST` to `FIRST + COUNT` of a lane have
//! the value at the slot, in nanoseconds since the epoch, and with that the slot is complete.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read},
    net::TcpStream,
    num::NonZeroU32,
    time::Duration,
};

use haetae_plugin::{
    Batch, Call, Context, Error, Kind, Metric, Records, Result, Samples, Series, Source, Timestamp,
};

/// What is kept free before the deadline of a call.
const SPARE: Duration = Duration::from_millis(200);
/// The longest line.
const LINE: usize = 200;

/// The options of the kind `scripted`.
#[haetae_plugin::options]
pub(crate) struct Options {
    /// Where the lines come from.
    control: String,
    /// With it, each series has a label `group`, with so many values.
    #[serde(default)]
    groups: Option<NonZeroU32>,
}

pub(crate) struct Scripted {
    control: TcpStream,
    /// What was read and is no whole line yet.
    read: Vec<u8>,
    series: HashMap<(String, u32), Series>,
    groups: Option<NonZeroU32>,
}

impl Source for Scripted {
    const YIELDS: &'static [Records] = &[Records::Samples];
    type Options = Options;

    fn metrics(options: &Options) -> Vec<Metric> {
        let metric = Metric::new("scripted", "percent", Kind::GAUGE, "What a line says.");
        let labels = ["host", "lane", "plane", "resource", "group"];
        let count = if options.groups.is_some() { 5 } else { 4 };
        vec![metric.labels(labels.get(..count).unwrap_or_default())]
    }

    fn open(options: Options, _: Context) -> Result<Self> {
        let control = TcpStream::connect(&options.control)?;
        control.set_nodelay(true)?;
        let groups = options.groups;
        Ok(Self { control, read: Vec::new(), series: HashMap::new(), groups })
    }

    fn listens(&self) -> bool {
        true
    }

    fn collect(&mut self, call: Call) -> Result<Batch> {
        match self.line(call)? {
            Some(line) => self.batch(&line),
            // Nothing is known of any slot yet.
            None => Ok(Samples::at(Timestamp::from_nanos(1)).into()),
        }
    }
}

impl Scripted {
    /// The next line, if one comes in time.
    fn line(&mut self, call: Call) -> Result<Option<String>> {
        let wait = call.remaining().saturating_sub(SPARE).max(Duration::from_millis(1));
        self.control.set_read_timeout(Some(wait))?;
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Ok(Some(String::from_utf8(line)?));
            }
            if self.read.len() > LINE {
                return Err(Error::failed("a line without an end"));
            }
            let mut chunk = [0; LINE];
            match self.control.read(&mut chunk) {
                Ok(0) => return Err(Error::failed("the control connection was closed")),
                Ok(length) => self.read.extend(chunk.iter().take(length)),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn batch(&mut self, text: &str) -> Result<Batch> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [slot, lane, first, count, value] = words[..] else {
            return Err(Error::failed(format!("no line of five words: {text}")));
        };
        let number = |word: &str| word.parse::<u32>().map_err(Error::failed);
        let (first, count) = (number(first)?, number(count)?);
        let slot = Timestamp::from_nanos(slot.parse().map_err(Error::failed)?);
        let value: f64 = value.parse().map_err(Error::failed)?;
        let mut samples = Samples::with_capacity(slot, count as usize);
        for index in (first..).take(count as usize) {
            samples.push(self.series(lane, index), value);
        }
        Ok(samples.into())
    }

    fn series(&mut self, lane: &str, index: u32) -> &Series {
        let groups = self.groups;
        self.series.entry((lane.into(), index)).or_insert_with(|| {
            let series = Series::gauge("scripted", "percent")
                .label("host", format!("host-{index}.example.com"))
                .label("lane", lane)
                .label("plane", "paas")
                .label("resource", "cpu");
            match groups {
                Some(groups) => series.label("group", (index % groups).to_string()).build(),
                None => series.build(),
            }
        })
    }
}
