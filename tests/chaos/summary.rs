//! What is left at the end, what the daemon took, and what a run has seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::Value;

use crate::{answers::Asked, events::Events, ledger::Counts, support::Home};

/// The most that a daemon took.
#[derive(Default)]
pub struct Taken {
    kilobytes: usize,
    threads: usize,
    files: usize,
}

impl Taken {
    pub fn look(&mut self, process: u32) {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        self.kilobytes = self.kilobytes.max(number("VmRSS:"));
        self.threads = self.threads.max(number("Threads:"));
        let files = fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count);
        self.files = self.files.max(files);
    }

    pub fn too_much(&self) -> Option<String> {
        let Self { kilobytes, threads, files } = self;
        let is = *kilobytes > 200 * 1024 || *threads > 60 || *files > 200;
        is.then(|| format!("it took {kilobytes} kB, {threads} threads, {files} files"))
    }
}

/// What the daemon says that is not over.
pub fn left(home: &Home) -> Vec<String> {
    let Some(status) = home.json(&["status"]) else { return vec!["there is no status".into()] };
    let mut left = Vec::new();
    if status["ready"] != true || !status["store"]["failing"].is_null() {
        left.push(format!("it is not ready: {}", status["store"]));
    }
    for instance in status["instances"].as_array().into_iter().flatten() {
        if instance["state"] != "ok" {
            left.push(format!("not well: {instance}"));
        }
    }
    let mut list = |verb: &[&str], key: &str, is: fn(&Value) -> bool| {
        let answer = home.json(verb).unwrap_or_default();
        match answer[key].as_array() {
            None => left.push(format!("{verb:?} answers {answer}")),
            Some(rows) => {
                left.extend(rows.iter().filter(|row| is(row)).map(|row| format!("{key}: {row}")));
            }
        }
    };
    list(&["outbox", "list"], "notifications", |_| true);
    list(&["alarm", "obligations", "--all"], "obligations", |row| row["state"] != "closed");
    list(&["alarm", "list"], "alarms", |row| row["condition"] == "firing");
    left
}

/// What the other sink was told: of each alarm that it fires once, and that it is over once.
pub fn untold(home: &Home, counts: &Counts) -> Vec<String> {
    let mut told: BTreeMap<String, Vec<(String, Value)>> = BTreeMap::new();
    let mut keys = BTreeSet::new();
    for line in home.notifications("told.jsonl") {
        // What comes again after a kill has the same key.
        if keys.insert(line["idempotency_key"].to_string()) {
            let alarm = line["alarms"][0]["id"].to_string();
            told.entry(alarm).or_default().push((line["status"].to_string(), line));
        }
    }
    let mut wrong = Vec::new();
    for (alarm, lines) in &told {
        let words: Vec<&str> = lines.iter().map(|(status, _)| status.trim_matches('"')).collect();
        // A problem of the daemon's own may be told more than once while it fires: it gets worse.
        let is_system = lines[0].1["labels"]["evaluator"] == "system";
        let is_whole = if is_system {
            words.last() == Some(&"resolved")
        } else {
            words == ["firing", "resolved"]
        };
        if !is_whole {
            wrong.push(format!("the file was told of {alarm} {words:?}: {}", lines[0].1));
        }
    }
    let hosts = told.values().filter(|lines| lines[0].1["labels"]["host"].is_string()).count();
    if hosts != counts.breaches {
        wrong.push(format!("the file was told of {hosts} alarms, there were {}", counts.breaches));
    }
    wrong
}

/// Tells what a run has seen.
pub fn tell(events: &Events, counts: &Counts, taken: &Taken, asked: &Asked) {
    for ((peer, fault), times) in &events.faults {
        println!("chaos: {times:3} × {peer:?} {fault:?}");
    }
    println!("chaos: {} kills, {} of them in a fault", events.kills, events.kills_in_faults);
    println!(
        "chaos: {} breaches, {} told, {} answered, {} mails again",
        counts.breaches, counts.told, counts.answered, counts.copies
    );
    println!(
        "chaos: {:.1?} from a change to its mail at the most, {:.1?} of that while all was well",
        counts.longest, counts.longest_quiet
    );
    println!(
        "chaos: {} MB, {} threads, {} files at the most",
        taken.kilobytes / 1024,
        taken.threads,
        taken.files
    );
    println!(
        "chaos: {} answers of health and metrics, after {:.2?} at the most",
        asked.answers, asked.longest
    );
}
