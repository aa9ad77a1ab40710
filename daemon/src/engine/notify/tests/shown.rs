//! Shown: what a rig told and withheld, as text.

use haetae_plugin::Reason;

use super::rig::Rig;
use crate::engine::{
    AlarmView,
    notify::{Explanation, Flush, Why},
};

const MARKS: [char; 3] = ['+', '=', '-'];

impl Rig {
    /// Takes the flushes: seconds since the start, the sink, the reason, the alarms by their
    /// series: `+` new or changed, `=` the same, `-` ended.
    pub(super) fn notified(&mut self) -> Vec<String> {
        let start = self.start;
        let show = |alarm: &AlarmView, news: &[String]| {
            let mut names = ["id", "problem", "host"].iter();
            let name = names.find_map(|name| alarm.labels.get(*name)).unwrap_or(&alarm.evaluator);
            let mark = match (alarm.is_firing(), news.contains(&alarm.id)) {
                (false, _) => '-',
                (true, true) => '+',
                (true, false) => '=',
            };
            format!("{mark}{name}")
        };
        let line = |flush: Flush| {
            let alarms = flush.alarms.iter().map(|alarm| show(alarm, &flush.news));
            let mut alarms: Vec<_> = alarms.collect();
            alarms.sort_by(|a, b| a.trim_start_matches(MARKS).cmp(b.trim_start_matches(MARKS)));
            let alarms = alarms.join(" ");
            let (after, reason) = (flush.at.since(start).as_secs(), word(flush.reason));
            format!("{after} {} {reason} {alarms}", flush.sink)
        };
        std::mem::take(&mut self.flushes).into_iter().map(line).collect()
    }

    /// Takes what was withheld: the sink, the series, why.
    pub(super) fn held(&mut self) -> Vec<String> {
        let withheld = std::mem::take(&mut self.withheld).into_iter();
        withheld
            .map(|one| format!("{} {}", one.sink, one.why.as_ref().map_or("-".into(), why)))
            .collect()
    }

    pub(super) fn explain(&self, index: usize) -> Explanation {
        self.engine.explain(&self.id(index), self.now).remove(0)
    }
}

pub(super) fn word(reason: Reason) -> String {
    serde_json::to_string(&reason).unwrap().trim_matches('"').into()
}

/// Why, with the place or the person.
pub(super) fn why(why: &Why) -> String {
    match why {
        Why::NotWanted { place } => format!("not wanted {place}"),
        Why::Silenced { silence, author, reason, .. } => {
            format!("silenced {silence} {author} {reason}")
        }
        Why::Maintenance { place, .. } => format!("maintenance {place}"),
        Why::Inhibited { place, .. } => format!("inhibited {place}"),
        Why::SourceDown { source } => format!("source down {source}"),
        Why::Handled { how, by, .. } => format!("{how} {by}"),
        Why::Quiet { place, .. } => format!("quiet {place}"),
        Why::Flapping => "flapping".into(),
        Why::Ended => "ended".into(),
        Why::Grouped { place, .. } => format!("grouped {place}"),
        Why::RepeatNotDue { place, .. } => format!("repeat not due {place}"),
        Why::Starting { .. } => "starting".into(),
    }
}
