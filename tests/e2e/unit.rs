//! The unit of systemd: it is valid, and by its rules the daemon comes back however it ended, but not
//! after a stop or a bad configuration.

use std::{
    fs,
    os::unix::{net::UnixDatagram, process::ExitStatusExt},
    process::{Command, ExitStatus},
    time::Duration,
};

use crate::support::{Daemon, Home, LEVELS, within};

const LONG: Duration = Duration::from_mins(1);
const UNIT: &str = include_str!("../../packaging/systemd/haetae.service");

/// What the unit says of a key; each stands once.
fn key(name: &str) -> &'static str {
    let mut values = UNIT.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let value = values.next().expect("it is set");
    assert_eq!(values.next(), None, "{name} is set once");
    value
}

/// Whether systemd starts it again by the rules of the unit, as systemd.service(5) tells them.
fn is_started_again(ended: ExitStatus, stopped: bool) -> bool {
    let prevented = key("RestartPreventExitStatus").split(' ');
    let code = ended.code().map(|code| code.to_string());
    if stopped || prevented.into_iter().any(|status| Some(status) == code.as_deref()) {
        return false;
    }
    match key("Restart") {
        "always" => true,
        "on-failure" => {
            // These signals are a clean end.
            let clean = [1, 2, 13, 15].map(Some).contains(&ended.signal());
            ended.code() != Some(0) && !clean
        }
        other => unreachable!("Restart={other}: add its rules here"),
    }
}

fn start(home: &Home) -> Daemon {
    home.start_with(|command| {
        command.env("HAETAE_TEST_FAULTS", home.path("faults"));
    })
}

fn signal(daemon: &Daemon, name: &str) {
    let sent = Command::new("kill").args([name, &daemon.id().to_string()]).status();
    assert!(sent.expect("kill").success());
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let home = Home::with_plugins(&[]);
    let program = home.path("bin/haetae");
    let unit = UNIT.replace("/usr/bin/haetae", &program.display().to_string());
    fs::write(home.path("haetae.service"), unit).expect("the unit");
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(home.path("haetae.service"))
        .output();
    let output = output.expect("systemd-analyze: run tests/setup");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
    assert_eq!(key("StartLimitIntervalSec"), "0", "it is never given up");
}

/// The next message that has this line, of those that systemd is sent.
fn next(notified: &UnixDatagram, line: &str) -> String {
    let mut bytes = [0; 4096];
    within(LONG, || {
        let size = notified.recv(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes[..size]).into_owned();
        text.lines().any(|one| one == line).then_some(text)
    })
    .unwrap_or_else(|| panic!("no {line}"))
}

/// What `systemctl reload` runs; whether it succeeds.
fn reload(home: &Home) -> ExitStatus {
    let line = key("ExecReload");
    let words = line.strip_prefix("/usr/bin/haetae ").expect("our own program");
    home.command(&words.split(' ').collect::<Vec<_>>()).output().expect("it runs").status
}

#[test]
fn systemd_is_told_when_it_is_ready_reloads_and_stops() {
    let home = Home::with_plugins(&["lent", "file"]);
    let text = LEVELS.replace("HOME", &home.path("").display().to_string());
    home.configure(&text);
    home.write_values(&[("a", 95)]);
    let notified = UnixDatagram::bind(home.path("notify")).expect("a socket");
    notified.set_read_timeout(Some(Duration::from_millis(100))).expect("a limit");
    assert_eq!(key("Type"), "notify");
    let daemon = home.start_with(|command| {
        command.env("NOTIFY_SOCKET", home.path("notify"));
    });
    let ready = next(&notified, "READY=1");
    assert!(ready.contains("STATUS=1 sources, 1 evaluators, 1 sinks"), "{ready}");
    assert!(reload(&home).success());
    assert!(next(&notified, "RELOADING=1").contains("\nMONOTONIC_USEC="));
    next(&notified, "READY=1");
    home.configure(&text.replace("above = 90", "above = \"many\""));
    assert_eq!(reload(&home).code(), Some(78), "systemctl reload fails");
    next(&notified, "RELOADING=1");
    let ready = next(&notified, "READY=1");
    assert!(ready.contains("the last reload failed"), "{ready}");
    assert!(daemon.stop());
    next(&notified, "STOPPING=1");
}

#[test]
fn it_comes_back_however_it_ended_unless_it_was_stopped_or_its_configuration_is_bad() {
    let home = Home::with_plugins(&["lent", "file"]);
    home.configure(LEVELS);
    home.write_values(&[("a", 95)]);
    let mut daemon = start(&home);
    let (mut seen, mut hosts) = (Vec::new(), vec!["a".to_owned()]);
    for way in ["-TERM", "-INT", "-ABRT", "-KILL", "engine", "store writer"] {
        if way.starts_with('-') {
            signal(&daemon, way);
        } else {
            fs::write(home.path("faults"), way).expect("its own file");
            hosts.push(way.replace(' ', "-"));
            home.write_values(&hosts.iter().map(|host| (host.as_str(), 95)).collect::<Vec<_>>());
        }
        let ended = within(LONG, || daemon.ended()).expect("it ends");
        assert!(is_started_again(ended, false), "{way}: {ended}");
        daemon = start(&home);
        seen.push((way, ended.code(), ended.signal()));
    }
    assert_eq!(
        seen,
        [
            ("-TERM", Some(0), None),
            ("-INT", Some(0), None),
            ("-ABRT", None, Some(6)),
            ("-KILL", None, Some(9)),
            ("engine", Some(70), None),
            ("store writer", Some(70), None),
        ]
    );
    for id in &hosts {
        assert!(
            within(LONG, || (!home.notified("id", id).is_empty()).then_some(())).is_some(),
            "{id} is told"
        );
    }
    signal(&daemon, "-TERM");
    let ended = within(LONG, || daemon.ended()).expect("it ends");
    assert!(!is_started_again(ended, true), "after a stop");
    home.configure("[sources.written]\nplugin = \"none\"\n");
    let mut daemon = home.spawn();
    let ended = within(LONG, || daemon.ended()).expect("it ends");
    assert_eq!(ended.code(), Some(78), "{:#?}", daemon.lines());
    assert!(!is_started_again(ended, false), "starting again would not help");
}
