//! The kind `lent` uses what the daemon lends, one thing an instance; `flood` yields many
//! points, `written` those that a test wrote into a file, `lines` log lines of one.

mod flood;
mod lines;
mod using;
mod written;

use flood::Flood;
use haetae_plugin::{Batch, Call, Context, Records, Result, Source};
use lines::{Lines, Picky};
use using::Lent;
use written::Written;

haetae_plugin::export! {
    kind "lent" { source: Lent, sample: include_str!("../sample.toml") }
    kind "flood" { source: FloodSource, sample: "[sources.flood]\nplugin = \"flood\"\npoints = 1000\n" }
    kind "lines" { source: Lines, sink: Picky, sample: "[sources.lines]\nplugin = \"lines\"\npath = \"lines\"\n" }
    kind "written" { source: Written, sample: "[sources.written]\nplugin = \"written\"\npath = \"values\"\n" }
}

/// The options of the kind `flood`.
#[haetae_plugin::options]
struct FloodOptions {
    /// How many points a batch has.
    points: u32,
}

struct FloodSource(Flood);

impl Source for FloodSource {
    const YIELDS: &'static [Records] = &[Records::Samples];
    type Options = FloodOptions;

    fn open(options: FloodOptions, _: Context) -> Result<Self> {
        Ok(Self(Flood::new(options.points)))
    }

    fn collect(&mut self, call: Call) -> Result<Batch> {
        Ok(self.0.batch(call.window.to).into())
    }
}
