//! What is withheld, in words: why a sink is not told of an alarm, with who or which line says so.

use haetae_plugin::Timestamp;

use super::Voice;
use crate::engine::notify::{Why, Withheld};

impl Voice {
    /// A line of the journal: `mail: not told: silenced by kim until …: disk swap`.
    pub fn withheld(&self, withheld: &Withheld) -> String {
        let sink = &withheld.sink;
        match &withheld.why {
            Some(Why::Ended) => format!("{sink}: {}", self.against(&Why::Ended)),
            Some(why) => format!("{sink}: not told: {}", self.against(why)),
            None => format!("{sink}: nothing stands against telling it any more"),
        }
    }

    /// What stands against telling it.
    pub fn against(&self, why: &Why) -> String {
        let until = |until: &Option<Timestamp>| {
            until.map(|until| format!(" until {}", self.time(until))).unwrap_or_default()
        };
        match why {
            Why::NotWanted { place } => format!("not wanted ({place})"),
            Why::Silenced { silence, author, reason, until: end } => {
                format!("silenced by {author}{}: {reason} (silence {silence})", until(end))
            }
            Why::Maintenance { place, until: end } => {
                format!("under maintenance{} ({place})", until(end))
            }
            Why::Inhibited { place, by } => format!("explained by {by} ({place})"),
            Why::SourceDown { source } => format!("the source {source} is down"),
            Why::Handled { how, by, until: end } => format!("{how} by {by}{}", until(end)),
            Why::Quiet { place, until: end } => format!("quiet hours{} ({place})", until(end)),
            Why::Flapping => "it comes and goes".into(),
            Why::Ended => "ended before it was told".into(),
            Why::Grouped { place, due } => {
                format!("its group is told at {} ({place})", self.time(*due))
            }
            Why::RepeatNotDue { place, notified, due } => {
                let next = match due {
                    Some(due) => format!("again at {}", self.time(*due)),
                    None => "never again".into(),
                };
                format!("told at {}, {next} ({place})", self.time(*notified))
            }
            Why::Starting { until } => {
                format!("the daemon has just started: until {} at the latest", self.time(*until))
            }
        }
    }
}
