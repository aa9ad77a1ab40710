//! The whole way on real servers: this machine's samples go to InfluxDB, come back by InfluxQL, are
//! judged under real load, and a mail is in the mailbox; its end answers it.
#![allow(clippy::disallowed_methods, reason = "the test's own clock")]

use std::time::Duration;

use crate::decode::Decoded;
use crate::servers::{busy::Busy, influx::Influx, postfix::Postfix};
use crate::support::{
    Home, PROCESSES, evaluator, file_sink, influx_query, influx_sink, influx_source, sink, within,
};
use jiff::{Timestamp, fmt::rfc2822};

/// On a machine that others keep busy as well, each step takes its time.
const LONG: Duration = Duration::from_mins(2);

/// The load that is judged is the test's own: whatever else the machine does, it begins and ends.
fn pipeline(influx: &Influx, postfix: &Postfix) -> String {
    let url = influx.url();
    let own = std::process::id();
    let mean = format!(
        "SELECT mean(value) FROM process_cpu_percent WHERE pid = '{own}' AND $window GROUP BY process, pid"
    );
    let load = r#"by = ["process"]
critical = { above = 10, clear = 5, clear_for = "2s" }
summary = { ko = "{{process}}의 CPU 사용률 {{value}}" }"#;
    let korean = r#"from = "해태 <haetae@monitor.test>"
to = ["김철수 <ops@postfix.test>"]
language = "ko""#;
    let mail = format!("server = \"smtp://127.0.0.1:{}\"\n{korean}", postfix.port());
    [
        PROCESSES.into(),
        influx_sink("history", &url, "history", "own"),
        influx_source("stored", &url, "history", "1s", ""),
        influx_query("stored", "process_cpu", &mean, "unit = 'percent'\nwindow = '4s'"),
        evaluator("load", "stored", "process_cpu", load),
        sink("mail", "email", &["load"], &mail),
        file_sink("aside", &["system"]),
    ]
    .concat()
}

#[test]
fn load_is_mailed_and_answered_by_its_end() {
    let (influx, postfix) = (Influx::start(), Postfix::start(&["ops"]));
    influx.execute("CREATE DATABASE history");
    let home = Home::with_plugins(&["host", "influx", "email", "file"]);
    home.configure(&pipeline(&influx, &postfix));
    let started = Timestamp::now().as_second();
    let daemon = home.start();
    let mails = || -> Vec<Decoded> { postfix.mails("ops").iter().map(|mail| read(mail)).collect() };
    let find = |reason: &str| {
        mails().into_iter().find(|mail| mail.header("X-Haetae-Reason") == Some(reason))
    };
    let state = || (home.instance("own"), home.instance("stored"), home.instance("mail"));
    let busy = Busy::start();
    let first = within(LONG, || find("first"));
    let first = first.unwrap_or_else(|| panic!("no mail: {:#?} {}", state(), postfix.log()));
    drop(busy);
    let resolved = within(LONG, || find("resolved"));
    let resolved = resolved.unwrap_or_else(|| panic!("no end: {:#?} {}", state(), postfix.log()));
    let alarms = home.json(&["alarm", "obligations", "--all"]).expect("a list");
    assert!(daemon.stop(), "it ends well");
    let mails = mails();
    assert_eq!(mails.len(), 2, "one of the beginning, one of the end: {mails:#?}");

    // What the alarm rests on is in InfluxDB.
    let stored =
        format!("SELECT max(value) FROM process_cpu_percent WHERE pid = '{}'", std::process::id());
    let rows = influx.rows("history", &stored);
    let most = rows.first().and_then(|row| row.get(1)?.as_f64());
    assert!(most > Some(10.0), "{rows:?}");

    for (name, value) in [
        ("From", "해태 <haetae@monitor.test>"),
        ("To", "김철수 <ops@postfix.test>"),
        ("Auto-Submitted", "auto-generated"),
        ("Content-Language", "ko"),
        ("X-Haetae-Severity", "critical"),
    ] {
        assert_eq!(first.header(name), Some(value), "{name}");
        assert_eq!(resolved.header(name), Some(value), "{name}");
    }
    for mail in [&first, &resolved] {
        let date = mail.header("Date").expect("a date");
        let date = rfc2822::parse(date).unwrap_or_else(|error| panic!("{date}: {error}"));
        let date = date.timestamp().as_second();
        assert!((started..=Timestamp::now().as_second()).contains(&date), "{date} of this run");
        let id = mail.header("Message-ID").expect("an id");
        assert!(id.starts_with('<') && id.ends_with("@monitor.test>"), "{id}");
    }
    let id = first.header("Message-ID");
    assert_eq!((first.header("In-Reply-To"), first.header("References")), (None, None));
    assert_eq!((resolved.header("In-Reply-To"), resolved.header("References")), (id, id));
    assert_ne!(resolved.header("Message-ID"), id);
    assert_eq!(resolved.header("X-Haetae-Alarm"), first.header("X-Haetae-Alarm"));

    for (mail, word) in [(&first, "[심각] "), (&resolved, "[해소] ")] {
        let subject = mail.header("Subject").expect("a subject");
        let said = subject.strip_prefix(word).unwrap_or_else(|| panic!("{subject}"));
        assert!(said.contains("의 CPU 사용률 ") && said.ends_with(" %"), "{subject}");
        let parts = mail.parts();
        let text = parts.first().expect("a text").text();
        assert!(text.starts_with(&format!("{said}\r\n값: ")), "{text}");
        assert!(text.contains("\r\n발생: "), "{text}");
    }
    let debts = alarms["obligations"].as_array().expect("a list");
    let [debt] = &debts[..] else { panic!("not one obligation: {debts:#?}") };
    assert_eq!(Some(debt["alarm"].as_str().expect("an id")), first.header("X-Haetae-Alarm"));
}

/// Mail as it lies in a mailbox.
fn read(mail: &str) -> Decoded {
    Decoded::read(&mail.replace("\r\n", "\n").replace('\n', "\r\n"))
}
