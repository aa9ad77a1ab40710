//! What plugin-api's README shows: a source and a sink that a third party may start from.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use super::{
    MORE_PLUGINS,
    outside::{example_against_packages, refused_by_the_compiler, root},
    support::{Home, evaluator, sink, within},
    text,
};

const LONG: Duration = Duration::from_mins(1);

/// A home with these plugins in a directory of `[plugins] path`.
fn home_of(files: &[&Path]) -> Home {
    let home = Home::with_plugins(&[]);
    fs::create_dir(home.path("more")).expect("a directory");
    for file in files {
        fs::copy(file, home.path("more").join(file.file_name().expect("a file"))).expect("built");
    }
    home
}

/// A server of an ntfy topic: it answers each post as it is told, and says what it was posted.
fn topic(answers: &'static [&'static str]) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("http://{}/alarms", listener.local_addr().expect("bound"));
    let (sender, posts) = mpsc::channel();
    thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().expect("a connection");
            let mut reader = BufReader::new(stream);
            let (mut post, mut length) = (String::new(), 0);
            while !post.ends_with("\r\n\r\n") {
                let start = post.len();
                reader.read_line(&mut post).expect("a line");
                let line = post[start..].to_ascii_lowercase();
                if let Some(rest) = line.strip_prefix("content-length:") {
                    length = rest.trim().parse().expect("a number");
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("the body");
            post.push_str(&String::from_utf8(body).expect("text"));
            let head =
                format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            reader.get_mut().write_all(head.as_bytes()).expect("the answer");
            drop(sender.send(post));
        }
    });
    (url, posts)
}

#[test]
fn the_readme_shows_the_examples_as_they_are() {
    let readme = fs::read_to_string(root().join("plugin-api/README.md")).expect("the README");
    for name in ["connect", "ntfy"] {
        for (file, kind) in [("src/lib.rs", "rust"), ("sample.toml", "toml")] {
            let path = root().join("plugin-api/examples").join(name).join(file);
            let shown = format!("```{kind}\n{}```\n", fs::read_to_string(&path).expect("a file"));
            assert!(readme.contains(&shown), "copy {} into plugin-api/README.md", path.display());
        }
    }
}

#[test]
fn the_examples_notify_a_topic_busy_at_first() {
    let files = ["connect", "ntfy"].map(example_against_packages);
    let home = home_of(&[&files[0], &files[1]]);
    let (url, posts) = topic(&["429 Too Many Requests\r\nretry-after: 1", "200 OK"]);
    let there = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let server = there.local_addr().expect("bound");
    let phone = format!("topic = \"{url}\"\ntoken = {{ env = \"TOKEN\" }}");
    home.configure(
        &[
            MORE_PLUGINS,
            "[sources.it]\nplugin = 'connect'\ninterval = '1s'\n",
            &format!("servers = [\"{server}\"]\n"),
            &evaluator("gone", "it", "connect_up", "by = ['server']\ncritical = { below = 1 }"),
            &sink("phone", "ntfy", &["gone"], &phone),
        ]
        .concat(),
    );
    let checked = home.output(&["check"]);
    assert!(checked.status.success(), "{}", text(&checked));
    let doc = text(&home.output(&["plugin", "doc", "connect"]));
    for part in ["connect_seconds", "`HOST:PORT` of each server", "patience"] {
        assert!(doc.contains(part), "no `{part}` in {doc}");
    }
    let daemon = home.start_with(|command| {
        command.env("TOKEN", "of-the-test");
    });
    let judged = || {
        let status = home.json(&["status"])?;
        (status["evaluators"][0]["judged"].as_u64() > Some(0)).then_some(status)
    };
    let status = within(LONG, judged).expect("it judges");
    assert_eq!(status["firing"], 0, "the server is there: {status}");
    drop(there);
    let first = posts.recv_timeout(LONG).expect("it is told");
    let again = posts.recv_timeout(LONG).expect("it is told again");
    assert_eq!(first, again, "it is the same");
    let head = first.to_ascii_lowercase();
    for part in ["post /alarms", "priority: urgent", "title: [critical] gone", "bearer of-the-test"]
    {
        assert!(head.contains(part), "no `{part}` in {first}");
    }
    let waits = within(LONG, || {
        let waiting = home.json(&["outbox", "list"])?;
        (waiting["notifications"].as_array()?.is_empty()).then_some(())
    });
    assert!(waits.is_some(), "{}", text(&home.output(&["outbox", "list"])));
    assert!(daemon.stop());
}

#[test]
fn example_options_are_refused_with_their_place() {
    let file = example_against_packages("connect");
    let home = home_of(&[&file]);
    let directory = home.path("more");
    home.configure(&format!(
        "[plugins]\npath = [{directory:?}]\n[sources.it]\nplugin = \"connect\"\nservers = []\n"
    ));
    let checked = text(&home.output(&["check"]));
    assert!(checked.contains("servers"), "{checked}");
}

#[test]
fn options_without_their_attribute_are_one_clear_error() {
    let example = root().join("plugin-api/examples/minimal/src/lib.rs");
    let source = fs::read_to_string(example).expect("the example");
    let said = refused_by_the_compiler(&source.replace("#[haetae_plugin::options]\n", ""));
    let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error[")).collect();
    let wanted = "error[E0277]: `Options` can't be the options of a plugin: write `#[haetae_plugin::options]` above it";
    assert_eq!(errors, [wanted], "{said}");
}
