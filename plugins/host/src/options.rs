//! The options of the kind `host`.

use std::time::Duration as Std;

use haetae_plugin::{Error, Result, options::Duration};

use crate::pattern::Pattern;

/// The options of the kind `host`.
#[haetae_plugin::options]
#[serde(default)]
pub(crate) struct Options {
    /// How many processes, the largest by resident memory; 0: none.
    #[schemars(range(max = 1000))]
    pub(crate) processes: u32,
    /// How often processes are read at most; between, they keep their last values.
    pub(crate) processes_every: Duration,
    /// File systems that are not measured; `*` stands for any text.
    pub(crate) exclude_file_systems: Vec<Pattern>,
    /// Mount points that are not measured; `*` stands for any text.
    pub(crate) exclude_mounts: Vec<Pattern>,
    /// Block devices that are not measured; `*` stands for any text.
    pub(crate) exclude_devices: Vec<Pattern>,
    /// Network interfaces that are not measured; `*` stands for any text.
    pub(crate) exclude_interfaces: Vec<Pattern>,
}

const MAX_PROCESSES: u32 = 1000;

impl Options {
    /// What the schema can't say to those who open without it.
    pub(crate) fn check(&self) -> Result<()> {
        if self.processes > MAX_PROCESSES {
            let asked = self.processes;
            return Err(Error::config(format!("processes = {asked}: at most {MAX_PROCESSES}")));
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        let patterns = |texts: &[&str]| texts.iter().map(|&text| Pattern::from(text)).collect();
        Self {
            processes: 21, // as PaaS-TA's agent
            processes_every: Std::from_secs(30).into(),
            exclude_file_systems: patterns(&[
                "overlay", "squashfs", "tmpfs", "ramfs", "nsfs", "fuse.*",
            ]),
            exclude_mounts: patterns(&[
                "/snap/*",
                "/var/lib/docker/*",
                "/var/lib/containers/*",
                "/var/lib/kubelet/*",
            ]),
            exclude_devices: patterns(&["loop*", "ram*", "zram*", "fd*", "sr*"]),
            exclude_interfaces: patterns(&["lo", "veth*", "cali*", "ifb*", "dummy*"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_shows_the_defaults() {
        let sample: String = include_str!("../sample.toml").replace("# ", "");
        let default = Options::default();
        let texts = |patterns: &[Pattern]| {
            let quoted: Vec<_> = patterns.iter().map(|pattern| format!("{pattern:?}")).collect();
            format!("[{}]", quoted.join(", "))
        };
        for line in [
            format!("processes = {}", default.processes),
            format!("processes_every = \"{}\"", default.processes_every),
            format!("exclude_file_systems = {}", texts(&default.exclude_file_systems)),
            format!("exclude_mounts = {}", texts(&default.exclude_mounts)),
            format!("exclude_devices = {}", texts(&default.exclude_devices)),
            format!("exclude_interfaces = {}", texts(&default.exclude_interfaces)),
        ] {
            assert!(sample.contains(&line), "the sample lacks `{line}`");
        }
    }

    #[test]
    fn more_than_a_thousand_processes_are_refused() {
        let error = Options { processes: 1001, ..Options::default() }.check().unwrap_err();
        assert_eq!(error.message(), "processes = 1001: at most 1000");
        assert!(Options { processes: 1000, ..Options::default() }.check().is_ok());
    }
}
