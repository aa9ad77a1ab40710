//! Pace: how far a backtest is, for the person who waits.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use haetae_plugin::options;

use super::range::Range;
use crate::{backtest::Progress, cli::output, clock};

/// How often a terminal is told, and a log.
const TERMINAL: Duration = Duration::from_millis(200);
const LOG: Duration = Duration::from_secs(5);

/// Tells how far it is.
pub(super) struct ProgressLine {
    range: Range,
    begun: Instant,
    shown: Option<Instant>,
    terminal: bool,
    quiet: bool,
    /// What stood in the recording says nothing about how fast readers are.
    recorded: Progress,
}

impl ProgressLine {
    pub(super) fn new(range: Range, quiet: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let (begun, recorded) = (clock::monotonic(), Progress::default());
        Self { range, begun, shown: None, terminal, quiet, recorded }
    }

    /// Tells it, unless it was told just now.
    pub(super) fn show(&mut self, progress: Progress) {
        if progress.points == progress.recorded {
            self.recorded = progress;
            self.begun = clock::monotonic();
        }
        let every = if self.terminal { TERMINAL } else { LOG };
        let ended = progress.until >= self.range.to;
        let due =
            self.shown.is_none_or(|shown| shown.elapsed() >= every) || (ended && self.terminal);
        if self.quiet || !due {
            return;
        }
        self.shown = Some(clock::monotonic());
        let line = self.line(progress, self.begun.elapsed());
        if self.terminal {
            let end = if ended { "\n" } else { "" };
            // Nowhere to complain if stderr is closed.
            drop(write!(io::stderr().lock(), "\r{line}\x1b[K{end}"));
        } else {
            output::say(line);
        }
    }

    fn line(&self, progress: Progress, passed: Duration) -> String {
        let Progress { until, points, series, recorded } = progress;
        let percent = self.range.percent(until);
        let asked = points - recorded;
        if asked == 0 {
            return format!("{percent:3.0} %  {series} series  {points} points, recorded before");
        }
        let seconds = passed.as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "it is shown without decimals")]
        let rate = asked as f64 / seconds;
        let done = percent - self.range.percent(self.recorded.until);
        let left = if done > 0.0 { seconds * (100.0 - percent) / done } else { 0.0 };
        let left = Duration::try_from_secs_f64(left.ceil()).unwrap_or_default();
        format!(
            "{percent:3.0} %  {series} series  {points} points  {rate:.0} points/s  {} left",
            options::Duration::from(left)
        )
    }
}

#[cfg(test)]
mod tests {
    use haetae_plugin::Timestamp;

    use super::*;

    #[test]
    fn what_is_left_follows_from_what_was_asked() {
        let at = Timestamp::from_seconds;
        let mut progress_line = ProgressLine::new(Range { from: at(0), to: at(1000) }, true);
        let recorded = Progress { until: at(500), points: 50, recorded: 50, series: 2 };
        progress_line.show(recorded);
        assert_eq!(
            progress_line.line(recorded, Duration::from_secs(9)),
            " 50 %  2 series  50 points, recorded before"
        );
        let asked = Progress { until: at(600), points: 70, ..recorded };
        assert_eq!(
            progress_line.line(asked, Duration::from_secs(10)),
            " 60 %  2 series  70 points  2 points/s  40s left"
        );
    }
}
