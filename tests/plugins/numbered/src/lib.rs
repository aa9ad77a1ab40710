//! The kind `numbered`: numbered points, and a log of them that outlives any kill.
//!
//! The log has a line for each time it was opened, for each batch before it is yielded and for each
//! batch that was acknowledged; it is on the disk before anybody goes on. A number is never given
//! twice, whatever became of its batch. While there is a file `<log>.quiet`, nothing is yielded.

mod journal;

use std::{path::PathBuf, thread, time::Duration as Std};

use haetae_plugin::{
    Batch, Call, Context, Error, Kind, Metric, Records, Result, Samples, Series, Source,
    options::Duration,
};

use journal::{Journal, Yielded};

haetae_plugin::export! { kind "numbered" { source: Numbered, sample: include_str!("../sample.toml") } }

/// The options of the kind `numbered`.
#[haetae_plugin::options]
struct Options {
    /// Where the log is.
    log: String,
    /// How many series there are.
    #[serde(default = "four")]
    series: u32,
    /// How many points a batch has.
    #[serde(default = "eight")]
    points: u32,
    /// The pause between two batches.
    #[serde(default = "a_little")]
    every: Duration,
}

const fn four() -> u32 {
    4
}

const fn eight() -> u32 {
    8
}

fn a_little() -> Duration {
    Std::from_millis(20).into()
}

struct Numbered {
    journal: Journal,
    context: Context,
    quiet: PathBuf,
    series: Vec<Series>,
    points: u32,
    every: Std,
    /// The batch that was yielded and is not acknowledged.
    open: Option<u64>,
}

impl Source for Numbered {
    const YIELDS: &'static [Records] = &[Records::Samples];
    type Options = Options;

    fn metrics(_: &Options) -> Vec<Metric> {
        vec![Metric::new("numbered", "1", Kind::GAUGE, "Its own number.").labels(&["series"])]
    }

    fn open(options: Options, context: Context) -> Result<Self> {
        let failed = |error| Error::failed(format!("{}: {error}", options.log));
        let series =
            |index: u32| Series::gauge("numbered", "1").label("series", index.to_string()).build();
        Ok(Self {
            journal: Journal::open(options.log.as_ref()).map_err(failed)?,
            context,
            quiet: format!("{}.quiet", options.log).into(),
            series: (0..options.series.max(1)).map(series).collect(),
            points: options.points,
            every: *options.every,
            open: None,
        })
    }

    fn listens(&self) -> bool {
        true
    }

    fn collect(&mut self, _: Call) -> Result<Batch> {
        thread::park_timeout(self.every);
        let now = self.context.now();
        if self.quiet.exists() {
            return Ok(Samples::at(now).into());
        }
        let failed = |error| Error::failed(format!("its log: {error}"));
        let batch = self.journal.begin(now, self.points).map_err(failed)?;
        self.open = Some(batch.number);
        let mut samples = Samples::at(now);
        for (series, value, time) in batch.points(&self.series) {
            samples.push_at(series, value, time);
        }
        Ok(samples.into())
    }

    fn ack(&mut self) -> Result<()> {
        let Some(batch) = self.open.take() else { return Ok(()) };
        self.journal.acked(batch).map_err(|error| Error::failed(format!("its log: {error}")))
    }
}

impl Yielded {
    /// Each point, in turn of one series after the other.
    fn points<'a>(
        &self,
        series: &'a [Series],
    ) -> impl Iterator<Item = (&'a Series, f64, haetae_plugin::Timestamp)> + use<'a> {
        let (first, time) = (self.first, self.time);
        let numbers = (first..first.saturating_add(u64::from(self.points))).zip(0_u32..);
        numbers.zip(series.iter().cycle()).map(move |((number, index), series)| {
            let time = time.after(Std::from_nanos(index.into()));
            #[expect(clippy::cast_precision_loss, reason = "a test yields far below 2^53 points")]
            (series, number as f64, time)
        })
    }
}
