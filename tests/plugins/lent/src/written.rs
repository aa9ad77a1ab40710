//! Values that a test writes into a file, and word of which text was read last.

use std::{fs, path::PathBuf};

use haetae_plugin::{Batch, Call, Context, Error, Records, Result, Samples, Series, Source};

/// The options of the kind `written`.
#[haetae_plugin::options]
pub(crate) struct WrittenOptions {
    /// Lines `id value`, the first one a name of the whole; `PATH.read` gets the name that was read last.
    path: PathBuf,
}

/// Yields `written_value` of each id.
pub(crate) struct Written {
    path: PathBuf,
    told: String,
}

impl Source for Written {
    const YIELDS: &'static [Records] = &[Records::Samples];
    type Options = WrittenOptions;

    fn open(options: WrittenOptions, _: Context) -> Result<Self> {
        Ok(Self { path: options.path, told: String::new() })
    }

    fn collect(&mut self, call: Call) -> Result<Batch> {
        let failed =
            |error: std::io::Error| Error::failed(format!("{}: {error}", self.path.display()));
        let text = fs::read_to_string(&self.path).map_err(failed)?;
        let mut lines = text.lines();
        let name = lines.next().unwrap_or_default();
        let mut samples = Samples::at(call.window.to);
        for line in lines {
            let pair = line.split_once(' ').and_then(|(id, value)| Some((id, value.parse().ok()?)));
            let (id, value) = pair.ok_or_else(|| Error::failed(format!("`{line}` is no value")))?;
            samples =
                samples.with(&Series::gauge("written_value", "1").label("id", id).build(), value);
        }
        if self.told != name {
            let (beside, read) =
                (self.path.with_extension("new"), self.path.with_extension("read"));
            fs::write(&beside, name).and_then(|()| fs::rename(&beside, read)).map_err(failed)?;
            name.clone_into(&mut self.told);
        }
        Ok(samples.into())
    }
}
