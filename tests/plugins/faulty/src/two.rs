//! The kind `faulty-two`: a library can export more than one kind.

use haetae_plugin::{Batch, Call, Context, Kind, Metric, Records, Result, Samples, Series, Source};

/// The options of the kind `faulty-two`.
#[haetae_plugin::options]
pub(crate) struct NoOptions {}

/// Yields 2.
pub(crate) struct Two(Series);

impl Source for Two {
    const YIELDS: &'static [Records] = &[Records::Samples];
    type Options = NoOptions;

    fn metrics(_: &NoOptions) -> Vec<Metric> {
        vec![Metric::new("faulty_two", "1", Kind::GAUGE, "Always 2.")]
    }

    fn open(_: NoOptions, _: Context) -> Result<Self> {
        Ok(Self(Series::gauge("faulty_two", "1").build()))
    }

    fn collect(&mut self, call: Call) -> Result<Batch> {
        Ok(Samples::at(call.window.to).with(&self.0, 2.0).into())
    }
}
