//! The daemon in its surroundings: who connects and holds on, what its socket replaces, and a state
//! directory that goes.
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::{fs::symlink, net::UnixStream},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{Daemon, Home, LEVELS, within};
use haetae::descriptors;

const LONG: Duration = Duration::from_mins(1);
const WHOLE: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

fn home() -> Home {
    let home = Home::with_plugins(&["lent", "file"]);
    home.configure(LEVELS);
    home.write_values(&[("a", 1)]);
    home
}

/// Where it listens, as its log says.
fn address(daemon: &Daemon) -> SocketAddr {
    let found = within(LONG, || {
        let line = daemon.log.try_iter().find(|line| line.contains("started"))?;
        let address = line.split_once("http=")?.1.split(' ').next()?;
        address.parse().ok()
    });
    found.expect("it says where it listens")
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it takes a request");
    stream.set_read_timeout(Some(LONG)).expect("a limit");
    let mut answer = String::new();
    // A reset while others are thrown out reads as what came until then.
    drop(stream.read_to_string(&mut answer));
    answer
}

fn tell(home: &Home, value: u32, status: &str) {
    home.write_values(&[("a", value)]);
    let told = within(LONG, || {
        home.notified("id", "a").last().is_some_and(|last| last == status).then_some(())
    });
    assert!(told.is_some(), "{status}: {:#?}", home.notifications("told.jsonl"));
}

#[test]
fn alarms_are_told_while_1100_connections_are_held() {
    descriptors::raise().expect("this test opens more than 1024 files");
    let home = home();
    let daemon = home.start_with(|command| {
        let mut limited = Command::new("sh");
        limited.arg("-c").arg("ulimit -n 1024 && exec \"$@\"").arg("sh");
        limited.arg(command.get_program()).args(command.get_args());
        *command = limited;
    });
    let address = address(&daemon);
    let held: Vec<TcpStream> =
        (0..1100).map(|_| TcpStream::connect(address).expect("a connection")).collect();
    let socket = home.path("state/admin.sock");
    let asking: Vec<UnixStream> =
        (0..200).map(|_| UnixStream::connect(&socket).expect("a connection")).collect();
    tell(&home, 95, "firing");
    let files = || fs::read_dir(format!("/proc/{}/fd", daemon.id())).expect("its files").count();
    let few = within(LONG, || (files() < 512).then_some(()));
    assert!(few.is_some(), "{} files are open", files());
    assert!(get(address, "/readyz").ends_with("ready\n"));
    let metrics = get(address, "/metrics");
    let closed = metrics.lines().find_map(|line| {
        line.strip_prefix("haetae_http_connections_closed_total{listener=\"tcp\"} ")
    });
    let closed: u32 = closed.expect("it is counted").parse().expect("a number");
    assert!(closed >= 1100 - 256, "{closed} were closed");
    tell(&home, 1, "resolved");
    drop((held, asking));
    assert!(daemon.stop());
}

/// How long the daemon takes to stop.
fn stopping(daemon: Daemon) -> Duration {
    let begun = Instant::now();
    assert!(daemon.stop());
    begun.elapsed()
}

#[test]
fn a_stop_waits_for_nobody_who_holds_a_connection() {
    let home = home();
    let alone = stopping(home.start());
    let daemon = home.start();
    let (address, socket) = (address(&daemon), home.path("state/admin.sock"));
    let mut held = Vec::new();
    for text in ["", "GET /healthz HT", "GET /healthz HTTP/1.1\r\nhost: x\r\n", WHOLE] {
        let mut tcp = TcpStream::connect(address).expect("it listens");
        tcp.write_all(text.as_bytes()).expect("it takes that");
        let mut unix = UnixStream::connect(&socket).expect("it listens");
        unix.write_all(text.as_bytes()).expect("it takes that");
        held.push((tcp, unix));
    }
    let mut body = UnixStream::connect(&socket).expect("it listens");
    let half = "POST /api/v1/silences HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    body.write_all(half.as_bytes()).expect("it takes that");
    // All of them are accepted once one that came later is answered.
    assert!(get(address, "/healthz").ends_with("ok\n"));
    assert!(home.json(&["status"]).is_some());
    let with = stopping(daemon);
    assert!(with < alone + Duration::from_secs(2), "{with:?}, {alone:?} without connections");
    drop((held, body));
}

#[test]
fn a_verb_that_asks_the_daemon_reads_no_certificates() {
    let home = home();
    let daemon = home.start();
    let nobody_writes = home.path("certificates");
    let made = Command::new("mkfifo").arg(&nobody_writes).status();
    assert!(made.expect("mkfifo").success());
    let mut command = home.command(&["status"]);
    command.env("SSL_CERT_FILE", &nobody_writes).stdout(Stdio::null());
    let mut asks = command.spawn().expect("it starts");
    let ended = within(LONG, || asks.try_wait().expect("its own child"));
    drop(asks.kill());
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    assert!(daemon.stop());
}

/// What the daemon says when it does not start.
fn refusal(home: &Home, socket: &Path) -> String {
    let mut daemon = home.spawn_with(|command| {
        command.arg("--socket").arg(socket);
    });
    let ended = within(LONG, || daemon.ended()).expect("it does not start");
    assert_eq!(ended.code(), Some(1));
    daemon.log.iter().collect::<Vec<_>>().join("\n")
}

#[test]
fn a_socket_takes_the_place_of_nothing_that_is_somebodys() {
    let home = home();
    let configuration = fs::read(home.path("haetae.toml")).expect("the configuration");
    fs::write(home.path("admin.new"), "mine").expect("a file");
    fs::create_dir(home.path("folder")).expect("a folder");
    symlink(home.path("haetae.toml"), home.path("link")).expect("a link");
    for name in ["haetae.toml", "folder", "link"] {
        let said = refusal(&home, &home.path(name));
        assert!(said.contains("no socket: it is left alone; choose another path"), "{said}");
    }
    // Neither does the link in the state directory, by which a socket elsewhere is found.
    let usual = home.path("state/admin.sock");
    fs::write(&usual, "mine").expect("a file");
    let said = refusal(&home, &home.path("admin.sock"));
    assert!(said.contains("state/admin.sock: there is a file of this name"), "{said}");
    assert_eq!(fs::read_to_string(&usual).expect("it is there"), "mine");
    fs::remove_file(&usual).expect("its own file");
    // A second daemon, with a state of its own, does not take the first one's socket.
    let first = home.start_with(|command| {
        command.arg("--socket").arg(home.path("admin.sock"));
    });
    let second = self::home();
    let said = refusal(&second, &home.path("admin.sock"));
    assert!(said.contains("another haetae answers on /"), "{said}");
    assert!(home.json(&["status"]).is_some(), "the first one answers as before");
    // What a killed daemon leaves is replaced, and so is the link to it.
    first.kill();
    assert!(home.path("admin.sock").exists());
    drop(home.start());
    assert_eq!(fs::read(home.path("haetae.toml")).expect("it is there"), configuration);
    assert_eq!(fs::read(home.path("admin.new")).expect("it is there"), b"mine");
    assert!(home.path("link").is_symlink() && home.path("folder").is_dir());
}

#[test]
fn a_state_directory_that_goes_is_noticed_and_so_is_its_return() {
    let home = home();
    let daemon = home.start();
    let address = address(&daemon);
    assert!(get(address, "/readyz").ends_with("ready\n"));
    let told = |status: &str| {
        within(LONG, || {
            let told = home.notifications("told.jsonl");
            told.into_iter().find(|one| {
                one["alarms"][0]["labels"]["problem"] == "state-lost" && one["status"] == status
            })
        })
    };
    fs::rename(home.path("state"), home.path("away")).expect("its own folder");
    let begun = Instant::now();
    let said = within(LONG, || Some(get(address, "/readyz")).filter(|said| said.contains(" 503 ")));
    let said = said.expect("it is noticed");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(said.contains("was removed or renamed: put it back, or stop haetae"), "{said}");
    let socket = home.path("away/admin.sock").display().to_string();
    let status = home.output(&["--socket", &socket, "status"]);
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("was removed or renamed"), "{status}");
    assert!(told("firing").is_some(), "{:#?}", home.notifications("told.jsonl"));
    let back = within(LONG, || {
        // Folders of instances are made anew meanwhile.
        drop(fs::remove_dir_all(home.path("state")));
        fs::rename(home.path("away"), home.path("state")).ok()
    });
    assert!(back.is_some(), "it is put back");
    assert!(told("resolved").is_some(), "{:#?}", home.notifications("told.jsonl"));
    assert!(get(address, "/readyz").ends_with("ready\n"));
    assert!(daemon.stop());
}
