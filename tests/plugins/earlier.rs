//! Plugins that version 99beac7 built load and work today: `tests/plugins/earlier/make` says how they
//! were made.

use std::{fs, time::Duration};

use sha2::{Digest, Sha256};

use super::{
    MORE_PLUGINS, line_when, outside,
    support::{Home, evaluator, file_sink, within},
    text,
};

/// What was kept, by the first bytes of its digest: it is never built again.
const KEPT: [(&str, u32); 3] =
    [("file", 0x47fb_7f17), ("host", 0x08ac_9a07), ("minimal", 0xdaa9_2c06)];

#[test]
fn plugins_of_an_earlier_build_load_and_work() {
    let home = Home::with_plugins(&[]);
    fs::create_dir(home.path("more")).expect("a directory");
    for (name, digest) in KEPT {
        let name = format!("libhaetae_{name}.so");
        let kept = outside::root().join("tests/plugins/earlier").join(&name);
        let library = fs::read(kept).expect("it is kept");
        let found = Sha256::digest(&library);
        assert_eq!(found[..4], digest.to_be_bytes(), "{name} is not the one of then");
        fs::write(home.path("more").join(&name), library).expect("its own folder");
    }
    home.configure(
        &[
            MORE_PLUGINS,
            "[sources.machine]\nplugin = 'host'\ninterval = '1s'\nprocesses = 3\n",
            "[sources.answers]\nplugin = 'minimal'\ninterval = '1s'\n",
            &evaluator("answered", "answers", "answer", "critical = { above = 41 }"),
            &evaluator("busy", "machine", "cpu_total_used_percent", "critical = { above = 101 }"),
            &file_sink("out", &["machine", "answered"]),
        ]
        .concat(),
    );
    // Their options and what they yield are known before they run.
    let checked = home.output(&["check"]);
    assert!(checked.status.success(), "{}", text(&checked));
    let listed = home.json(&["plugin", "list"]).expect("a list");
    assert_eq!(listed["plugins"].as_array().map(Vec::len), Some(KEPT.len()), "{listed}");
    let daemon = home.start();
    let sample = line_when(&home, |line| line["name"] == "cpu_total_used_percent");
    let value = sample.expect("host measures and file writes")["value"].as_f64().expect("a number");
    assert!((0.0..=100.0).contains(&value), "{value} %");
    let fired = line_when(&home, |line| line["status"] == "firing").expect("minimal is judged");
    assert_eq!(fired["alarms"][0]["value"], 42.0);
    for name in ["machine", "answers", "out"] {
        home.instance_when(name, |one| one["state"] == "ok");
    }
    let judged = within(Duration::from_secs(30), || {
        let status = home.json(&["status"])?;
        let mut evaluators = status["evaluators"].as_array()?.iter();
        let busy = evaluators.find(|one| one["name"] == "busy")?;
        (busy["judged"].as_u64()? > 1).then_some(())
    });
    assert!(judged.is_some(), "what host says is judged too");
    assert!(daemon.stop());
}
