//! The reckoning: what the lines of a stream must lead to, counted another way. It knows nothing of
//! the daemon: at each time at which something may change it looks at all lines again.

use std::collections::BTreeMap;

use super::kept::{Alarm, Kept};
use crate::stream::Line;

const SECOND: i64 = 1_000_000_000;

/// What is wrong with what was kept, given the lines that there were.
pub fn faults(lines: &[Line], kept: &Kept) -> Vec<String> {
    let mut faults = Vec::new();
    let until = kept.until.nanos();
    let killed = by(lines, |line| {
        line.message
            .contains("Out of memory: Killed process")
            .then(|| vec![("application", line.application.to_owned())])
    });
    let heartbeat = by(lines, |line| {
        line.message.starts_with("heartbeat").then(|| vec![("host", line.host.clone())])
    });
    let version = by(lines, |line| {
        let version = line.message.strip_prefix("started version=")?;
        Some(vec![("application", line.application.to_owned()), ("version", version.to_owned())])
    });
    let mut due = Vec::new();
    for (evaluator, sets) in [("killed", &killed), ("heartbeat", &heartbeat), ("version", &version)]
    {
        let counted = sets.values().map(Vec::len).sum::<usize>() as u64;
        let said = kept.matches.get(evaluator).copied().unwrap_or(0);
        if counted != said {
            faults.push(format!("{evaluator}: there were {counted} matches, it counted {said}"));
        }
        for (labels, times) in sets {
            for (since, ended) in spans(evaluator, times, until) {
                let to = ended.unwrap_or(until);
                let within = |time: &&i64| **time > since - SECOND && **time <= to;
                let matches = times.iter().filter(within).count() as u64;
                let matches = (evaluator == "killed").then_some(matches);
                let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
                let (evaluator, labels, id) = (evaluator.into(), labels.collect(), String::new());
                due.push(Alarm { evaluator, labels, since, ended, matches, id });
            }
        }
    }
    due.sort();
    let nameless = |alarm: &Alarm| Alarm { id: String::new(), ..alarm.clone() };
    let mut told: Vec<Alarm> = kept.alarms.iter().map(nameless).collect();
    told.sort();
    let missed = due.iter().filter(|alarm| !told.contains(alarm));
    faults.extend(missed.map(|alarm| format!("missed: {alarm:?}")));
    let invented = told.iter().filter(|alarm| !due.contains(alarm));
    faults.extend(invented.map(|alarm| format!("invented: {alarm:?}")));
    if told.len() != due.len() {
        faults.push(format!("{} alarms are due, there are {}", due.len(), told.len()));
    }
    for alarm in &kept.alarms {
        let expected = (1, usize::from(alarm.ended.is_some()));
        let journal = kept.journal.get(&alarm.id).copied().unwrap_or_default();
        if journal != expected {
            faults.push(format!("{}: the journal has {journal:?}, not {expected:?}", alarm.id));
        }
    }
    faults
}

type Labels = Vec<(&'static str, String)>;

/// The times of the lines of each label set.
fn by(lines: &[Line], labels: impl Fn(&Line) -> Option<Labels>) -> BTreeMap<Labels, Vec<i64>> {
    let mut sets = BTreeMap::<_, Vec<_>>::new();
    for line in lines {
        if let Some(labels) = labels(line) {
            sets.entry(labels).or_default().push(line.time.nanos());
        }
    }
    sets
}

/// From when to when an alarm fires.
fn spans(evaluator: &str, times: &[i64], until: i64) -> Vec<(i64, Option<i64>)> {
    let first = times[0];
    let length = match evaluator {
        "killed" => SECOND,
        "heartbeat" => 2 * SECOND,
        _ => 3 * SECOND / 2,
    };
    let fires = |at: i64| match evaluator {
        "killed" => times.iter().filter(|time| **time <= at && **time > at - length).count() >= 2,
        "heartbeat" => !times.iter().any(|time| *time <= at && *time > at - length),
        _ => at >= first && at < first + length,
    };
    let mut instants: Vec<i64> = times.iter().flat_map(|time| [*time, time + length]).collect();
    instants.retain(|at| *at >= first && *at <= until);
    instants.sort_unstable();
    let mut spans = Vec::new();
    for at in instants {
        match spans.last_mut() {
            Some((_, ended @ None)) if !fires(at) => *ended = Some(at),
            Some((_, None)) => {}
            _ if fires(at) => spans.push((at, None)),
            _ => {}
        }
    }
    spans
}
