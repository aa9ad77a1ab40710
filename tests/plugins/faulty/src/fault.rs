//! What can be wrong, and an instance that it is wrong with.

use std::{path::PathBuf, thread, time::Duration};

use haetae_plugin::{Context, Error, Level, Result};

/// The options of the kind `faulty`.
#[haetae_plugin::options]
#[serde(default)]
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// What is wrong.
    pub(crate) fault: Fault,
    /// How many batches are good before it is.
    pub(crate) after: u64,
    /// How long a call that sleeps does so.
    pub(crate) seconds: u64,
    /// While this file is there, nothing is wrong.
    pub(crate) cured_by: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { fault: Fault::None, after: 0, seconds: 3600, cured_by: None }
    }
}

/// What is wrong.
#[haetae_plugin::options]
#[serde(rename_all = "snake_case")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// `open` panics.
    PanicOpen,
    /// `metrics` panics.
    PanicMetrics,
    /// `collect` panics.
    PanicCollect,
    /// `ack` panics.
    PanicAck,
    /// `listens` panics.
    PanicListens,
    /// `deliver` panics.
    PanicDeliver,
    /// `query` panics.
    PanicQuery,
    /// The instance panics when it is dropped.
    PanicDrop,
    /// A thread that `collect` or `deliver` spawns panics.
    PanicThread,
    /// `collect`, `deliver` and `query` panic with a payload that panics when it is dropped.
    PanicPayloadDrop,
    /// `open` sleeps.
    SleepOpen,
    /// `collect` sleeps.
    SleepCollect,
    /// `deliver` sleeps.
    SleepDeliver,
    /// The instance sleeps when it is dropped.
    SleepDrop,
    /// Each batch has 200 000 new series.
    FloodSeries,
    /// Each batch has 5 000 000 points of one series.
    FloodPoints,
    /// It listens, and `collect` sleeps.
    SleepListener,
    /// It listens, and has a full batch at once, for ever.
    FloodListener,
    /// Points name series that are not there.
    RubbishIndices,
    /// Values are NaN and infinities.
    NonFinite,
    /// A series has 10 000 labels, one a value of 1 MiB, one no name.
    TenThousandLabels,
    /// Points lie at both ends of time.
    FutureTime,
    /// Each batch writes 100 000 lines to the log.
    LogFlood,
    /// Each batch makes 10 000 counters.
    MetricFlood,
    /// `collect`, `deliver` and `query` fail.
    Error,
    /// `deliver` rejects all.
    Reject,
    /// `deliver` takes nothing, and asks to wait ten years.
    RetryAfter,
    /// `open` calls the options wrong.
    ConfigError,
    /// `open` starts a thread that runs until it is cancelled, and fails.
    OpenThread,
    /// It prints to the standard output.
    Stdout,
}

/// What all roles have; dropping it may be the fault.
pub(crate) struct Instance {
    pub(crate) options: Options,
    pub(crate) context: Context,
    /// How many batches were yielded or taken.
    pub(crate) batches: u64,
}

impl Instance {
    /// Opens, if that is not the fault.
    pub(crate) fn open(options: Options, context: Context) -> Result<Self> {
        match options.fault {
            Fault::PanicOpen => panics("open"),
            Fault::SleepOpen => sleeps(&options),
            Fault::ConfigError => return Err(Error::config("fault = \"config_error\"")),
            Fault::OpenThread => return Err(fails_with_a_thread(&context)),
            _ => {}
        }
        Ok(Self { options, context, batches: 0 })
    }

    /// The fault, once its time has come. Counts a batch.
    pub(crate) fn next(&mut self) -> Fault {
        let due = self.due();
        self.batches += 1;
        due
    }

    /// The fault, once its time has come.
    pub(crate) fn due(&self) -> Fault {
        let cured = self.options.cured_by.as_ref().is_some_and(|file| file.exists());
        if cured || self.batches < self.options.after { Fault::None } else { self.options.fault }
    }

    /// Does what is wrong with any batch, whichever way it goes.
    pub(crate) fn misbehave(&self, fault: Fault) -> Result<()> {
        match fault {
            Fault::PanicPayloadDrop => drops_a_bomb(),
            Fault::PanicThread => self.context.spawn("doomed", || panics("a thread"))?,
            Fault::LogFlood => {
                for line in 0..100_000 {
                    self.context.log(Level::Info, format!("line {line}"));
                }
            }
            Fault::MetricFlood => {
                for name in 0..10_000 {
                    self.context.counter(&format!("counter_{name}")).increment();
                }
            }
            Fault::Error => return Err(Error::failed("fault = \"error\"")),
            Fault::Stdout => prints(),
            _ => {}
        }
        Ok(())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        match self.options.fault {
            Fault::PanicDrop if !thread::panicking() => panics("drop"),
            Fault::SleepDrop => {
                // For a test that waits for it.
                #[expect(clippy::print_stderr, reason = "nothing else is lent any more")]
                {
                    eprintln!("faulty: its drop begins");
                }
                sleeps(&self.options);
            }
            _ => {}
        }
    }
}

/// Panics: the fault that was asked for.
#[track_caller]
#[expect(clippy::panic, reason = "that is the fault")]
pub(crate) fn panics(place: &str) -> ! {
    panic!("faulty: {place} panics")
}

/// Sleeps past any deadline, deaf to cancellation.
pub(crate) fn sleeps(options: &Options) {
    thread::sleep(Duration::from_secs(options.seconds));
}

fn fails_with_a_thread(context: &Context) -> Error {
    let cancelled = context.clone();
    let wait = move || {
        while !cancelled.cancelled() {
            thread::sleep(Duration::from_millis(10));
        }
    };
    let spawned = context.spawn("waits", wait);
    spawned.err().unwrap_or_else(|| Error::failed("fault = \"open_thread\""))
}

#[expect(clippy::print_stdout, reason = "that is the fault")]
fn prints() {
    println!("faulty: a line on the standard output");
}

#[expect(clippy::panic, reason = "that is the fault")]
fn drops_a_bomb() -> ! {
    std::panic::panic_any(Bomb)
}

/// The payload of a panic, which panics in turn when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panics("the payload");
    }
}
