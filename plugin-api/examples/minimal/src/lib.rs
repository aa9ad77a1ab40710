//! The smallest source: a whole plugin. Built with `cargo build --release`, its
//! `libhaetae_minimal.so` goes to a directory of `[plugins] path`; `plugin = "minimal"` uses it.

use haetae_plugin::{Batch, Call, Context, Records, Result, Samples, Series, Source};

haetae_plugin::export! { kind "minimal" { source: Minimal } }

#[haetae_plugin::options]
struct Options {}
struct Minimal(Series);

impl Source for Minimal {
    const YIELDS: &'static [Records] = &[Records::Samples];
    type Options = Options;
    fn open(_: Options, _: Context) -> Result<Self> {
        Ok(Self(Series::gauge("answer", "1").build()))
    }
    fn collect(&mut self, call: Call) -> Result<Batch> {
        Ok(Samples::at(call.window.to).with(&self.0, 42.0).into())
    }
}
