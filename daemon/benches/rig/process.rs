//! What a process costs, and what the disk does.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

/// CPU seconds of a process so far.
pub fn cpu(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs");
    let (_, fields) = stat.rsplit_once(") ").expect("after its name");
    let ticks = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u32>().expect("n"));
    f64::from(ticks.sum::<u32>()) / 100.0
}

/// A line of `/proc/PID/status` in kB: `VmHWM` is the peak, `VmRSS` is now.
pub fn kilobytes(id: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a known line");
    let number = line.trim_start_matches(':').trim_end_matches("kB").trim();
    number.parse().expect("a number")
}

/// How long the disk takes for 4 kB: the median of 200 `fdatasync`.
pub fn disk(directory: &Path) -> Duration {
    let mut file = File::create(directory.join("fdatasync")).expect("a file");
    let once = |_| {
        let start = Instant::now();
        file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).expect("the disk works");
        start.elapsed()
    };
    quantile((0..200).map(once).collect(), 0.5)
}

/// A quantile of some times.
pub fn quantile(mut times: Vec<Duration>, of: f64) -> Duration {
    times.sort();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "few, and positive"
    )]
    let at = ((times.len() - 1) as f64 * of).round() as usize;
    times[at]
}

/// The middle one of some numbers.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
