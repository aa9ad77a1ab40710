//! Libraries that are damaged where no check of a file sees it: whoever opens one says so and lives.

use std::{
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::support::{Home, built, within};

const LONG: Duration = Duration::from_mins(1);
/// Many times as many in the soak.
const FLIPS: u64 = 60;

/// What is loaded of a library lies before what only a debugger reads.
const LOADED: u64 = 1 << 20;

/// Copies the plugin `demo` to `path` with some of the bytes that are loaded changed.
fn damage(path: &Path, seed: u64) {
    let mut bytes = fs::read(built().join("libhaetae_demo.so")).expect("it was built");
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..8 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let at = usize::try_from(random % LOADED).expect("it is small");
        bytes[at] ^= 1 << (random >> 61);
    }
    let beside = path.with_extension("beside");
    fs::write(&beside, bytes).expect("its own file");
    fs::rename(beside, path).expect("its own file");
}

/// How the program ended, and what it said; it ends in time.
fn ended(home: &Home, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = home.command(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let (mut out, mut err) =
        (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        err.read_to_end(&mut text).expect("it reads");
        text
    });
    let mut text = Vec::new();
    out.read_to_end(&mut text).expect("it reads");
    text.extend(reader.join().expect("it reads"));
    let status = within(LONG, || child.try_wait().expect("its own child")).expect("it ends");
    (status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn no_damaged_library_ends_the_program_that_opens_it() {
    let home = Home::with_plugins(&["file"]);
    fs::create_dir(home.path("more")).expect("a directory");
    let (more, library) = (home.path("more"), home.path("more/libhaetae_demo.so"));
    home.configure(&format!("[plugins]\npath = [{more:?}]\n[sources.it]\nplugin = \"demo\"\n"));
    let directory = more.display().to_string();
    let mut crashed = 0;
    for seed in 1..=FLIPS {
        damage(&library, seed);
        let asks: [&[&str]; 3] = [
            &["plugin", "doc", "demo", "--path", &directory],
            &["plugin", "list", "--path", &directory],
            &["check"],
        ];
        for arguments in asks {
            let (code, text) = ended(&home, arguments);
            let is_ordinary = matches!(code, Some(0 | 1 | 3)) && !text.is_empty();
            assert!(is_ordinary, "seed {seed}: {arguments:?} ended with {code:?}: {text}");
            let has_crashed = text.contains("its library crashed with SIG");
            assert!(!has_crashed || code == Some(1), "seed {seed}: {code:?} {text}");
            crashed += u32::from(has_crashed);
        }
    }
    println!("{crashed} of {FLIPS} damaged libraries, asked three times, crashed");
    assert!(crashed > 0, "none of them crashed: nothing was tried");
}

/// The first seed whose library crashes when it is opened.
fn crashing(home: &Home, library: &Path) {
    let directory = library.parent().expect("a directory").display().to_string();
    let crashes = (1..=FLIPS).any(|seed| {
        damage(library, seed);
        let (_, text) = ended(home, &["plugin", "doc", "demo", "--path", &directory]);
        text.contains("its library crashed with SIG")
    });
    assert!(crashes, "none of them crashed");
}

#[test]
fn a_daemon_is_not_ended_by_a_damaged_library() {
    let home = Home::with_plugins(&["host", "file"]);
    fs::create_dir(home.path("more")).expect("a directory");
    let (more, out) = (home.path("more"), home.path("out.jsonl"));
    crashing(&home, &home.path("more/libhaetae_demo.so"));
    let pipeline = |kind: &str| {
        home.configure(&format!(
            "[plugins]\npath = [{more:?}]\n[sources.it]\nplugin = {kind:?}\n[sinks.out]\nplugin = \"file\"\ninputs = [\"it\"]\npath = {out:?}\n"
        ));
    };
    // One that nothing uses is not opened.
    pipeline("host");
    let daemon = home.start();
    home.instance_when("it", |found| found["state"] == "ok");
    // The child that tried them has gone.
    let children = format!("/proc/{0}/task/{0}/children", daemon.id());
    assert_eq!(fs::read_to_string(children).expect("Linux"), "");
    assert!(daemon.stop());
    // One that is used is a mistake of the configuration, with its cause.
    pipeline("demo");
    let (code, text) = ended(&home, &["run"]);
    assert_eq!(code, Some(78), "{text}");
    let text = text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
    assert!(text.contains("its library crashed with SIG"), "{text}");
}

#[test]
fn a_state_or_plugins_that_others_may_write_are_refused_with_the_cure() {
    let home = Home::with_plugins(&["host"]);
    fs::create_dir(home.path("more")).expect("a directory");
    let (more, state) = (home.path("more"), home.path("state"));
    fs::copy(built().join("libhaetae_demo.so"), more.join("libhaetae_demo.so")).expect("built");
    home.configure(&format!("[plugins]\npath = [{more:?}]\n[sources.it]\nplugin = \"demo\"\n"));
    let open = fs::Permissions::from_mode(0o777);
    fs::create_dir(&state).expect("a directory");
    fs::set_permissions(&state, open.clone()).expect("its own folder");
    let (code, text) = ended(&home, &["run"]);
    let cure = format!("is writable by all users: chmod go-w {}", state.display());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&cure), "{text}");
    fs::set_permissions(&more, open).expect("its own folder");
    let (code, text) = ended(&home, &["plugin", "list"]);
    assert_eq!(code, Some(1), "{text}");
    let cure = format!("cure: chmod go-w {}", more.display());
    assert!(text.contains("is writable by all users") && text.contains(&cure), "{text}");
    // What it makes itself is its own, whatever the shell gives others.
    fs::remove_dir_all(&state).expect("its own folder");
    home.configure("[sources.it]\nplugin = \"host\"\n");
    let daemon = home.start_with(|command| {
        let mut lax = Command::new("sh");
        lax.arg("-c").arg("umask 0 && exec \"$@\"").arg("sh");
        lax.arg(command.get_program()).args(command.get_args());
        *command = lax;
    });
    for folder in ["state", "state/plugins"] {
        let made = fs::metadata(home.path(folder)).expect("it is there").permissions().mode();
        assert_eq!(made & 0o777, 0o700, "{folder}");
    }
    assert!(daemon.stop());
}
