//! The kind `faulty`: does wrong whatever its option `fault` says, for tests of the daemon.
//!
//! It is source, sink and reader. Until `after` batches were yielded or taken, and with
//! `fault = "none"` for ever, it does well: the source yields `faulty_value` = 1. The kind
//! `faulty-two` is a second, good source of the same library.

mod batch;
mod fault;
mod roles;
mod two;

use roles::{FaultyReader, FaultySink, FaultySource};
use two::Two;

haetae_plugin::export! {
    kind "faulty" {
        source: FaultySource,
        sink: FaultySink,
        reader: FaultyReader,
        sample: include_str!("../sample.toml")
    }
    kind "faulty-two" {
        source: Two,
        sample: "[sources.two]\nplugin = \"faulty-two\"\n"
    }
}

#[cfg(test)]
mod tests;
