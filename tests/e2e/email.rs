//! Alarms as mail, to real servers: Postfix, and aiosmtpd with its logins and certificates.

use std::{fs, time::Duration};

use crate::decode::Decoded;
use crate::servers::{certificates::Authority, postfix::Postfix, smtp_sink::SmtpSink};
use crate::support::{Home, WRITTEN, demo_source, evaluator, eventually, file_sink, sink, within};

const LONG: Duration = Duration::from_mins(1);

/// One application after the other runs out of memory and recovers; `keys` are of the sink.
fn pipeline(keys: &str) -> String {
    let memory = r#"by = ["application"]
critical = { above = 90, clear = 85 }
summary = { en = "memory of {{application}} at {{value}}", ko = "{{application}}의 메모리 사용률 {{value}}" }"#;
    let from = "from = '해태 <haetae@monitor.test>'\n";
    [
        demo_source("paas", "8s"),
        evaluator("memory", "paas", "container_memory_used_percent", memory),
        sink("mail", "email", &["memory"], &format!("{from}{keys}")),
    ]
    .concat()
}

/// A home with the pipeline and these keys of its sink.
fn home(keys: &str) -> Home {
    let home = Home::with_plugins(&["demo", "email"]);
    home.configure(&pipeline(keys));
    let checked = home.output(&["check"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    home
}

/// Mail as it lies in a mailbox.
fn read(mail: &str) -> Decoded {
    Decoded::read(&mail.replace("\r\n", "\n").replace('\n', "\r\n"))
}

#[test]
fn a_korean_alarm_is_answered_by_its_end() {
    let postfix = Postfix::start(&["ops", "kim"]);
    let home = home(&format!(
        "server = \"smtp://127.0.0.1:{}\"\nto = [\"ops@postfix.test\", \"김철수 <kim@postfix.test>\"]\nlanguage = \"ko\"\n",
        postfix.port()
    ));
    let daemon = home.start();
    let find = |mailbox: &str, reason: &str, alarm: Option<&str>| {
        postfix.mails(mailbox).iter().map(|mail| read(mail)).find(|mail| {
            mail.header("X-Haetae-Reason") == Some(reason)
                && alarm.is_none_or(|alarm| mail.header("X-Haetae-Alarm") == Some(alarm))
        })
    };
    let first = within(LONG, || find("ops", "first", None));
    let first = first.unwrap_or_else(|| panic!("no mail arrives: {}", postfix.log()));
    let alarm = first.header("X-Haetae-Alarm").expect("the alarm");
    let resolved = within(LONG, || find("ops", "resolved", Some(alarm)));
    let resolved = resolved.unwrap_or_else(|| panic!("its end does not: {}", postfix.log()));
    let same = within(LONG, || find("kim", "first", Some(alarm))).expect("the other has it too");
    assert!(daemon.stop(), "it ends well");

    for (name, value) in [
        ("From", "해태 <haetae@monitor.test>"),
        ("To", "ops@postfix.test, 김철수 <kim@postfix.test>"),
        ("Return-Path", "<haetae@monitor.test>"),
        ("Auto-Submitted", "auto-generated"),
        ("Content-Language", "ko"),
        ("X-Haetae-Severity", "critical"),
        ("Importance", "high"),
    ] {
        assert_eq!(first.header(name), Some(value), "{name}");
    }
    let subject = first.header("Subject").expect("a subject");
    assert!(subject.starts_with("[심각] ") && subject.contains("의 메모리 사용률 "), "{subject}");
    let summary = subject.strip_prefix("[심각] ").expect("checked above");
    let parts = first.parts();
    let [plain, html] = &parts[..] else { panic!("not a text and a document: {parts:#?}") };
    let (text, document) = (plain.text(), html.text());
    assert!(text.starts_with(summary), "{text}");
    assert!(text.contains("\r\n발생: "), "{text}");
    assert!(document.contains("<html lang=\"ko\">") && document.contains(subject), "{document}");
    let id = first.header("Message-ID").expect("an id");
    assert!(id.ends_with("@monitor.test>"), "{id}");
    assert_eq!(same.header("Message-ID"), Some(id), "one mail to both");
    assert_eq!(first.header("In-Reply-To"), None);

    assert_eq!(resolved.header("In-Reply-To"), Some(id));
    assert_eq!(resolved.header("References"), Some(id));
    assert_ne!(resolved.header("Message-ID"), Some(id));
    assert_eq!(resolved.header("Importance"), None);
    let subject = resolved.header("Subject").expect("a subject");
    assert!(subject.starts_with("[해소] "), "{subject}");
}

/// Of a storm one is notified by a digest, and the other because nobody took it up.
const STORM: &str = r#"
[sinks.storm]
plugin = "email"
inputs = ["level"]
group_by = "alarm"
group_wait = "0s"
group_interval = "0s"
rate = { most = 1, per = "1s" }
escalate = { after = "2s", to = "duty" }
server = "smtp://127.0.0.1:PORT"
from = "haetae@monitor.test"
to = ["storm@mail.test"]

[sinks.duty]
plugin = "email"
inputs = []
group_wait = "0s"
group_interval = "0s"
server = "smtp://127.0.0.1:PORT"
from = "haetae@monitor.test"
to = ["duty@mail.test"]
"#;

#[test]
fn digests_and_escalations_are_answered_after_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = SmtpSink::start(folder.path(), &[]);
    let home = Home::with_plugins(&["faulty", "email", "lent"]);
    let level = "by = ['id']\ncritical = { above = 90 }";
    let judged = evaluator("level", "written", "written_value", level);
    let sinks = STORM.replace("PORT", &server.port().to_string());
    home.configure(&[WRITTEN, &judged, &sinks].concat());
    home.write_values(&[("a", 95), ("b", 95), ("c", 95)]);
    // A mail may come twice when the daemon is killed: then it is the same one.
    let to = |mailbox: &str| {
        let mut mails: Vec<_> = server.mails().iter().map(|mail| read(mail)).collect();
        mails.retain(|mail| mail.header("X-Peer-To") == Some(&format!("{mailbox}@mail.test")));
        mails.dedup_by(|a, b| a.header("Message-ID") == b.header("Message-ID"));
        mails
    };
    let reasons = |mailbox: &str| {
        let mails = to(mailbox).into_iter();
        mails.map(|mail| mail.header("X-Haetae-Reason").expect("a reason").to_owned()).collect()
    };
    let arrive = |mailbox: &str, wanted: &[&str]| {
        let same = within(LONG, || (reasons(mailbox) == wanted).then_some(()));
        let found: Vec<String> = reasons(mailbox);
        assert!(
            same.is_some(),
            "{mailbox}: {found:?}, not {wanted:?}: {:#?}",
            home.instance("storm")
        );
    };
    let daemon = home.start();
    arrive("storm", &["digest"]);
    arrive("duty", &["escalated"]);
    daemon.kill();
    let daemon = home.start();
    home.write_values(&[("a", 1), ("b", 95), ("c", 95)]);
    arrive("storm", &["digest", "resolved"]);
    arrive("duty", &["escalated", "some-resolved"]);
    home.write_values(&[("a", 1), ("b", 1), ("c", 1)]);
    arrive("storm", &["digest", "resolved", "digest"]);
    arrive("duty", &["escalated", "some-resolved", "resolved"]);
    assert!(daemon.stop(), "it ends well");
    for mailbox in ["storm", "duty"] {
        let mails = to(mailbox);
        let (first, later) = mails.split_first().expect("mails");
        assert_eq!((first.header("In-Reply-To"), first.header("References")), (None, None));
        for mail in later {
            assert_eq!(mail.header("In-Reply-To"), first.header("Message-ID"), "{mailbox}");
            assert_eq!(mail.header("References"), first.header("Message-ID"), "{mailbox}");
        }
    }
}

#[test]
fn a_refused_recipient_harms_no_other() {
    let postfix = Postfix::start(&["ops"]);
    let home = home(&format!(
        "server = \"smtp://127.0.0.1:{}\"\nto = [\"nobody@postfix.test\", \"ops@postfix.test\", \"ops@elsewhere.test\"]\n",
        postfix.port()
    ));
    let daemon = home.start();
    let arrived = within(LONG, || postfix.mails("ops").first().map(|mail| read(mail)));
    let arrived = arrived.unwrap_or_else(|| panic!("no mail arrives: {}", postfix.log()));
    // What was refused is a dead letter for each of them, and for nobody else.
    let mut dead: Vec<String> = Vec::new();
    let both = within(LONG, || {
        let listed = home.json(&["outbox", "list", "--dead"])?;
        let rows = listed["notifications"].as_array()?.iter();
        let rows = rows.filter(|row| {
            row["alarm"].as_str() == arrived.header("X-Haetae-Alarm")
                && row["notification"]["reason"] == "first"
        });
        dead = rows
            .map(|row| format!("{} {}", row["notification"]["recipients"], row["reason"]))
            .collect();
        dead.sort();
        (dead.len() >= 2).then_some(())
    });
    assert!(both.is_some(), "{dead:#?}");
    let wanted = [("nobody@postfix.test", "550 5.1.1"), ("ops@elsewhere.test", "554 5.7.1")];
    for (letter, (recipient, code)) in dead.iter().zip(wanted) {
        let start = format!("[\"{recipient}\"] \"{recipient}: {code} <{recipient}>: ");
        assert!(letter.starts_with(&start), "{letter}");
    }
    assert!(daemon.stop(), "it ends well");
    let subject = arrived.header("Subject").expect("a subject");
    assert!(subject.starts_with("[CRITICAL] memory of "), "{subject}");
    let log = postfix.log();
    for refused in ["550 5.1.1 <nobody@postfix.test>", "554 5.7.1 <ops@elsewhere.test>"] {
        assert!(log.contains(refused), "{refused}: {log}");
    }
}

#[test]
fn a_login_goes_over_starttls() {
    let (home, sink) = with_login("starttls", "smtp", "starttls = \"required\"\n", "a word");
    let daemon = home.start();
    arrives(&sink, &home);
    assert!(daemon.stop(), "it ends well");
}

#[test]
fn a_login_goes_over_implicit_tls() {
    let (home, sink) = with_login("tls", "smtps", "", "a word");
    let daemon = home.start();
    arrives(&sink, &home);
    assert!(daemon.stop(), "it ends well");
}

#[test]
fn a_wrong_password_is_reported_as_such() {
    let (home, sink) = with_login("starttls", "smtp", "", "another");
    let daemon = home.start();
    let found = home.instance_when("mail", |found| {
        found["last_error"]["cause"].as_str().is_some_and(|told| told.contains("535 5.7.8"))
    });
    let cause = found["last_error"]["cause"].as_str().expect("a cause");
    assert!(cause.contains("wrong options") && cause.contains("username \"haetae\""), "{cause}");
    assert!(!cause.contains("another"), "{cause}");
    assert!(sink.accepted().is_empty());
    assert!(daemon.stop(), "it ends well");
}

#[test]
fn an_echoed_password_is_found_nowhere() {
    let home = Home::with_plugins(&["demo", "email", "file"]);
    let options = ["login=haetae:a word".into(), "echo=1".into()];
    let sink = SmtpSink::start(&home.path("mails"), &options);
    // One that no other text has: these are looked for in every file.
    let forms = ["zq9-hunter2", "enE5LWh1bnRlcjI", "AGhhZXRhZQB6cTktaHVudGVyMg"];
    fs::write(home.path("password"), forms[0]).expect("the password");
    let keys = format!(
        "server = \"smtp://localhost:{}\"\nto = [\"ops@example.test\"]\nstarttls = \"never\"\n\
         username = \"haetae\"\npassword = {{ file = \"HOME/password\" }}\ngive_up = \"1s\"\n",
        sink.port(),
    );
    home.configure(&(pipeline(&keys) + &file_sink("operator", &["system"])));
    let daemon = home.start();
    let found = home.instance_when("mail", |found| found["state"] == "failing");
    let cause = found["last_error"]["cause"].as_str().expect("a cause");
    assert!(cause.contains("535 5.7.8 no: *** *** ***"), "{cause}");
    let notified = eventually(LONG, || !home.notifications("operator.jsonl").is_empty());
    assert!(notified, "the operator is notified: {:#?}", daemon.lines());
    let mut texts = vec![daemon.lines().join("\n"), found.to_string()];
    let mut folders = vec![home.path("state")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            match entry.file_type().expect("a type") {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => {
                    let bytes = fs::read(entry.path()).expect("its own file");
                    texts.push(String::from_utf8_lossy(&bytes).into_owned());
                }
                _ => {}
            }
        }
    }
    texts.push(fs::read_to_string(home.path("operator.jsonl")).expect("its file"));
    assert!(texts.iter().any(|text| text.contains("535 5.7.8 no: *** *** ***")), "it is kept");
    for form in forms {
        assert!(!texts.iter().any(|text| text.contains(form)), "{form}");
    }
    assert!(daemon.stop(), "it ends well");
}

#[test]
fn a_certificate_for_another_name_is_reported() {
    for (kind, scheme) in [("tls", "smtps"), ("starttls", "smtp")] {
        let (home, sink) = with_certificate("DNS:mail.test", kind, scheme, "", "a word");
        let daemon = home.start();
        let found = home.instance_when("mail", |found| {
            found["last_error"]["cause"].as_str().is_some_and(|told| told.contains("certificate"))
        });
        let cause = found["last_error"]["cause"].as_str().expect("a cause");
        for part in ["wrong options", "localhost", "mail.test"] {
            assert!(cause.contains(part), "{part}: {cause}");
        }
        assert!(sink.accepted().is_empty());
        assert!(daemon.stop(), "it ends well");
    }
}

#[test]
fn a_killed_server_keeps_what_it_accepted() {
    let (home, mut sink) = with_login("starttls", "smtp", "", "a word");
    let daemon = home.start();
    arrives(&sink, &home);
    sink.kill();
    let before = sink.accepted();
    let sink = SmtpSink::start_at(sink.port(), &home.path("mails"), sink.options());
    let after = within(LONG, || Some(sink.accepted()).filter(|now| now.len() > before.len()));
    let after = after.unwrap_or_else(|| panic!("no mail arrives: {:#?}", home.instance("mail")));
    assert!(daemon.stop(), "it ends well");
    assert_eq!(after[..before.len()], before);
    let mails = sink.mails();
    let mails: Vec<_> = mails.iter().map(|mail| read(mail)).collect();
    for (id, _) in after {
        let is = |mail: &Decoded| mail.header("Message-ID") == Some(id.as_str());
        assert!(mails.iter().any(is), "{id} was accepted and is not here");
    }
}

/// A server that takes nothing in its own way while a file is there, and an operator beside it.
fn takes_nothing(option: &str, words: &str) {
    let home = Home::with_plugins(&["demo", "email", "file"]);
    let bad = home.path("bad");
    fs::write(&bad, "").expect("its own file");
    let sink = SmtpSink::start(&home.path("mails"), &[format!("{option}={}", bad.display())]);
    let keys = format!(
        "server = \"smtp://127.0.0.1:{}\"\nto = [\"ops@example.test\"]\ntimeout = \"1s\"\n\
         deadline = \"3s\"\n",
        sink.port(),
    );
    home.configure(&(pipeline(&keys) + &file_sink("operator", &["system"])));
    let daemon = home.start();
    let notified = |reason: &str| {
        let is = |one: &serde_json::Value| {
            one["reason"] == reason && one["labels"]["problem"] == "sink-failing"
        };
        within(LONG, || home.notifications("operator.jsonl").into_iter().find(|one| is(one)))
    };
    let first =
        notified("first").unwrap_or_else(|| panic!("nobody is notified: {:#?}", daemon.lines()));
    assert_eq!(first["labels"]["instance"], "mail");
    let found = home.instance_when("mail", |found| found["state"] == "failing");
    let cause = found["last_error"]["cause"].as_str().expect("a cause");
    assert!(cause.contains(words) && cause.contains("; the oldest waits since 20"), "{cause}");
    fs::remove_file(&bad).expect("its own file");
    arrives_in_clear(&sink, &home);
    home.instance_when("mail", |found| found["state"] == "ok");
    assert!(notified("resolved").is_some(), "its end is notified: {:#?}", daemon.lines());
    assert!(daemon.stop(), "it ends well");
}

#[test]
fn a_server_refusing_for_now_is_reported_failing() {
    takes_nothing("later", "451 4.7.1 come back later");
}

#[test]
fn a_server_hung_after_content_is_reported_failing() {
    takes_nothing("hang", "the server did not say whether it has the mail");
}

#[test]
fn a_dripping_server_costs_no_thread_nor_mail() {
    let bad = tempfile::NamedTempFile::new().expect("its own file");
    let home = Home::with_plugins(&["demo", "email"]);
    let option = format!("drip={}", bad.path().display());
    let sink = SmtpSink::start(&home.path("mails"), &[option]);
    home.configure(&pipeline(&format!(
        "server = \"smtp://127.0.0.1:{}\"\nto = [\"ops@example.test\"]\ntimeout = \"1m\"\n\
         deadline = \"1s\"\n",
        sink.port(),
    )));
    let daemon = home.start();
    let failed = |times: u64| {
        home.instance_when("mail", |found| {
            found["state"] == "failing" && found["counts"]["errors"].as_u64() >= Some(times)
        })
    };
    let found = failed(1);
    let cause = found["last_error"]["cause"].as_str().expect("a cause");
    assert!(cause.contains("no whole answer within"), "{cause}");
    let threads = || {
        let tasks = fs::read_dir(format!("/proc/{}/task", daemon.id())).expect("it runs");
        tasks.count()
    };
    let before = threads();
    let found = failed(5);
    assert!(threads() <= before, "{} threads, {before} before", threads());
    let counts = (&found["counts"]["hangs"], &found["counts"]["abandoned"]);
    assert_eq!(counts, (&0.into(), &0.into()), "no call passed its deadline");
    drop(bad);
    arrives_in_clear(&sink, &home);
    home.instance_when("mail", |found| found["state"] == "ok");
    assert!(daemon.stop(), "it ends well");
}

fn arrives_in_clear(sink: &SmtpSink, home: &Home) {
    let accepted = within(LONG, || sink.accepted().into_iter().next());
    assert!(accepted.is_some(), "no mail arrives: {:#?}", home.instance("mail"));
}

fn with_login(kind: &str, scheme: &str, keys: &str, password: &str) -> (Home, SmtpSink) {
    with_certificate("DNS:localhost,IP:127.0.0.1", kind, scheme, keys, password)
}

/// A server that wants `haetae` and `a word`, and a home whose sink has this password.
fn with_certificate(
    names: &str,
    kind: &str,
    scheme: &str,
    keys: &str,
    password: &str,
) -> (Home, SmtpSink) {
    let home = Home::with_plugins(&["demo", "email"]);
    let authority = Authority::new(&home.path("tls"));
    let pem = authority.certificate("server", names);
    let options = ["login=haetae:a word".into(), format!("{kind}={}", pem.display())];
    let sink = SmtpSink::start(&home.path("mails"), &options);
    let secret = home.path("password");
    fs::write(&secret, format!("{password}\n")).expect("the password");
    home.configure(&pipeline(&format!(
        "{keys}server = \"{scheme}://localhost:{}\"\nto = [\"ops@example.test\"]\n\
         username = \"haetae\"\npassword = {{ file = \"{}\" }}\ntls = {{ ca = \"{}\" }}\n",
        sink.port(),
        secret.display(),
        authority.path().display(),
    )));
    (home, sink)
}

fn arrives(sink: &SmtpSink, home: &Home) {
    let accepted = within(LONG, || sink.accepted().into_iter().next());
    let (id, recipient) =
        accepted.unwrap_or_else(|| panic!("no mail arrives: {:#?}", home.instance("mail")));
    assert_eq!(recipient, "ops@example.test");
    let mail = read(sink.mails().first().expect("kept before it was accepted"));
    assert_eq!(mail.header("Message-ID"), Some(id.as_str()));
    for (name, value) in [
        ("X-Peer-Tls", "True"),
        ("X-Peer-Login", "haetae"),
        ("X-Peer-To", "ops@example.test"),
        ("From", "해태 <haetae@monitor.test>"),
    ] {
        assert_eq!(mail.header(name), Some(value), "{name}");
    }
}
