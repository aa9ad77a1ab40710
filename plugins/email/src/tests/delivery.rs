//! What the server says, and what is made of it.

use std::{net::TcpListener, time::Duration};

use haetae_plugin::{Batch, Call, Logs, Outcome, Reason, Sink, Verdict, Window};
use serde_json::{Value, json};

use super::{
    deliver, deliver_within, notification,
    scripted::{
        Does::{Closes, Drips, Hangs, Says, SaysAndCloses},
        Scripted, Session,
    },
    sink,
};

/// Verdicts without what they would be equal in.
#[derive(Debug, PartialEq)]
enum Is {
    Delivered,
    Retry,
    Rejected,
    Config,
}

fn kind(verdict: &Verdict) -> (Is, &str) {
    match verdict {
        Verdict::Delivered => (Is::Delivered, ""),
        Verdict::Retry { reason, after: None } => (Is::Retry, reason),
        Verdict::Rejected { reason } => (Is::Rejected, reason),
        Verdict::Config { reason } => (Is::Config, reason),
        other => panic!("{other:?}"),
    }
}

fn login() -> Value {
    json!({ "username": "u", "password": { "env": "PASSWORD" }, "starttls": "never" })
}

const AUTH: (&str, super::scripted::Does) = ("EHLO", Says("250-scripted\r\n250 AUTH PLAIN LOGIN"));

/// One mail, to a server that says this.
fn one(session: Session, others: &Value) -> (Outcome, Scripted) {
    let server = Scripted::plays(vec![session.clone(), session]);
    let outcome = deliver(&mut sink(server.port, others), vec![notification(Reason::First)]);
    (outcome, server)
}

#[test]
fn a_mail_is_handed_over_by_the_book() {
    let (outcome, server) = one(vec![], &json!({ "hello": "monitor.example" }));
    assert_eq!(outcome, Outcome::delivered());
    let expected = [
        "connection",
        "EHLO monitor.example",
        "MAIL FROM:<alarm@haetae.example>",
        "RCPT TO:<ops@example.org>",
        "DATA",
        "QUIT",
    ];
    assert_eq!(server.lines(), expected);
    assert!(server.messages()[0].contains("\r\nSubject: CPU of vm1 at 95 %\r\n"));
}

#[test]
fn a_batch_shares_a_connection() {
    let server = Scripted::plays(vec![]);
    let batch = vec![notification(Reason::First), notification(Reason::Worse)];
    assert_eq!(deliver(&mut sink(server.port, &json!({})), batch), Outcome::delivered());
    assert_eq!((server.connections(), server.messages().len()), (1, 2));
}

#[test]
fn each_reply_has_its_meaning() {
    let two = json!({ "to": ["ops@example.org"] });
    for (line, reply, expected) in [
        ("greeting", "421 4.3.2 closing", Is::Retry),
        ("greeting", "554 no service here", Is::Retry),
        ("EHLO", "421 4.3.2 closing", Is::Retry),
        ("MAIL", "451 4.3.0 later", Is::Retry),
        ("MAIL", "452 4.3.1 no room", Is::Retry),
        ("MAIL", "530 5.7.0 authenticate", Is::Config),
        ("MAIL", "550 5.1.8 not this sender", Is::Config),
        ("MAIL", "553 5.7.1 not owned by you", Is::Config),
        ("RCPT", "450 4.2.0 greylisted", Is::Retry),
        ("RCPT", "451 4.7.1 greylisted", Is::Retry),
        ("RCPT", "452 4.5.3 too many recipients", Is::Retry),
        ("RCPT", "530 5.7.0 authenticate", Is::Config),
        ("RCPT", "550 5.1.1 no such user", Is::Rejected),
        ("RCPT", "551 5.1.6 moved", Is::Rejected),
        ("RCPT", "553 5.1.3 no such syntax", Is::Rejected),
        ("RCPT", "554 5.7.1 relay access denied", Is::Rejected),
        ("DATA", "451 4.3.0 later", Is::Retry),
        ("DATA", "554 5.5.1 no valid recipients", Is::Rejected),
        (".", "451 4.3.0 later", Is::Retry),
        (".", "452 4.3.1 no room", Is::Retry),
        (".", "552 5.3.4 too large", Is::Rejected),
        (".", "554 5.6.0 spam", Is::Rejected),
    ] {
        let (outcome, server) = one(vec![(line, Says(reply))], &two);
        let (found, reason) = kind(outcome.of(0));
        assert_eq!(found, expected, "{line}: {reply}: {outcome:?}");
        assert!(reason.contains(reply), "{line}: {reply}: {reason}");
        assert!(server.messages().is_empty());
    }
}

#[test]
fn a_bad_recipient_harms_no_other() {
    let to =
        json!({ "to": ["a@example.org", "bad@example.org", "late@example.org", "b@example.org"] });
    let session = vec![
        ("RCPT TO:<bad@", Says("550-5.1.1 no\r\n550 5.1.1 such user")),
        ("RCPT TO:<late@", Says("451 4.7.1 greylisted")),
    ];
    let (outcome, server) = one(session, &to);
    assert_eq!(kind(outcome.of(0)), (Is::Delivered, ""));
    let [(0, bad, no), (0, late, later)] = &outcome.recipients[..] else { panic!("{outcome:?}") };
    assert_eq!((bad.as_str(), late.as_str()), ("bad@example.org", "late@example.org"));
    assert_eq!(kind(no).0, Is::Rejected);
    assert!(kind(no).1.contains("550 5.1.1 no such user"), "{no:?}");
    assert_eq!(kind(later), (Is::Retry, "late@example.org: 451 4.7.1 greylisted"));
    assert_eq!(server.messages().len(), 1, "one mail for both");
}

#[test]
fn a_mail_that_nobody_may_get_is_rejected_and_the_next_is_sent() {
    let session = vec![("RCPT", Says("550 5.1.1 no a")), ("RCPT", Says("550 5.1.1 no b"))];
    let server = Scripted::plays(vec![session]);
    let mut sink = sink(server.port, &json!({ "to": ["a@x.example", "b@x.example"] }));
    let batch = vec![notification(Reason::First), notification(Reason::Worse)];
    let outcome = deliver(&mut sink, batch);
    let expected = "a@x.example: 550 5.1.1 no a; b@x.example: 550 5.1.1 no b";
    assert_eq!(kind(outcome.of(0)), (Is::Rejected, expected));
    assert_eq!(kind(outcome.of(1)), (Is::Delivered, ""));
    assert!(outcome.recipients.is_empty(), "{outcome:?}");
    assert_eq!(server.connections(), 1);
    let lines = server.lines();
    assert_eq!(lines.iter().filter(|line| *line == "DATA").count(), 1, "{lines:?}");
    assert!(lines.contains(&"RSET".into()), "{lines:?}");
}

#[test]
fn those_who_lack_it_alone_get_it() {
    let server = Scripted::plays(vec![]);
    let mut sent = notification(Reason::First);
    sent.recipients = vec!["Kim <kim@example.org>".into(), "x@y\r\nDATA".into()];
    let outcome = deliver(&mut sink(server.port, &json!({})), vec![sent]);
    assert_eq!(kind(outcome.of(0)), (Is::Delivered, ""));
    let [(0, bad, Verdict::Rejected { reason })] = &outcome.recipients[..] else {
        panic!("{outcome:?}")
    };
    assert_eq!(bad, "x@y\r\nDATA");
    assert!(reason.contains("control character"), "{reason}");
    let lines = server.lines();
    let to: Vec<_> = lines.iter().filter(|line| line.starts_with("RCPT")).collect();
    assert_eq!(to, ["RCPT TO:<kim@example.org>"]);

    let mut sent = notification(Reason::First);
    sent.recipients = vec!["nobody".into()];
    let outcome = deliver(&mut sink(server.port, &json!({})), vec![sent]);
    assert_eq!(kind(outcome.of(0)).0, Is::Rejected);
    assert_eq!(server.connections(), 1, "nobody is no reason to connect");
}

#[test]
fn a_connection_that_is_lost_before_the_content_is_replaced() {
    for broken in [
        vec![("MAIL", Closes)],
        vec![("RCPT", Closes)],
        vec![("DATA", Closes)],
        vec![("MAIL", SaysAndCloses("421 4.7.0 idle for too long"))],
        vec![("RCPT", SaysAndCloses("421 4.3.2 closing"))],
        vec![(".", SaysAndCloses("421 4.3.2 closing"))],
    ] {
        let server = Scripted::plays(vec![broken.clone()]);
        let outcome =
            deliver(&mut sink(server.port, &json!({})), vec![notification(Reason::First)]);
        assert_eq!(outcome, Outcome::delivered(), "{broken:?}");
        assert_eq!((server.connections(), server.messages().len()), (2, 1), "{broken:?}");
    }
}

#[test]
fn a_server_that_loses_every_connection_is_tried_later() {
    let (outcome, server) = one(vec![("MAIL", SaysAndCloses("421 4.7.0 busy"))], &json!({}));
    assert_eq!(kind(outcome.of(0)), (Is::Retry, "421 4.7.0 busy"));
    assert_eq!(server.connections(), 2);
}

#[test]
fn lost_behind_the_content_nobody_knows_and_it_comes_again_as_the_same() {
    for lost in [(".", Closes), ("body", Closes)] {
        let server = Scripted::plays(vec![vec![lost]]);
        let mut sink = sink(server.port, &json!({}));
        let batch = vec![notification(Reason::First)];
        let outcome = deliver(&mut sink, batch.clone());
        let (found, reason) = kind(outcome.of(0));
        assert_eq!(found, Is::Retry, "{outcome:?}");
        assert!(reason.contains("did not say whether it has the mail"), "{reason}");
        assert_eq!(server.connections(), 1, "that is the daemon's to decide");
        assert_eq!(deliver(&mut sink, batch), Outcome::delivered());
        assert_eq!(server.messages().len(), 1);
    }
}

#[test]
fn no_starttls_where_it_is_required_is_a_fault_of_the_configuration() {
    let (outcome, server) = one(vec![], &json!({ "starttls": "required" }));
    let (found, reason) = kind(&outcome.verdict);
    assert_eq!(found, Is::Config, "{outcome:?}");
    assert!(reason.contains("does not offer STARTTLS"), "{reason}");
    assert!(!server.lines().iter().any(|line| line.starts_with("MAIL")));
}

#[test]
fn a_refused_starttls_is_never_answered_with_clear_text() {
    let offers = ("EHLO", Says("250-scripted\r\n250 STARTTLS"));
    for (does, expected) in [
        (Says("454 4.7.0 not available for now"), Is::Retry),
        (Says("502 5.5.1 not implemented"), Is::Config),
        (Closes, Is::Retry),
        (SaysAndCloses("220 go on"), Is::Retry),
    ] {
        let (outcome, server) = one(vec![offers, ("STARTTLS", does)], &json!({}));
        assert_eq!(kind(&outcome.verdict).0, expected, "{does:?}: {outcome:?}");
        assert!(!server.lines().iter().any(|line| line.starts_with("MAIL")), "{does:?}");
    }
    let (outcome, server) = one(vec![offers], &json!({ "starttls": "never" }));
    assert_eq!(outcome, Outcome::delivered());
    assert!(!server.lines().contains(&"STARTTLS".into()));
}

#[test]
fn credentials_do_not_go_in_clear_text_unless_told_to() {
    let mut others = login();
    others.as_object_mut().unwrap().remove("starttls");
    let (outcome, server) = one(vec![AUTH], &others);
    let (found, reason) = kind(&outcome.verdict);
    assert_eq!(found, Is::Config, "{outcome:?}");
    assert!(reason.contains("credentials are not sent in clear text"), "{reason}");
    assert!(!server.lines().iter().any(|line| line.starts_with("AUTH")));

    let (outcome, server) = one(vec![AUTH], &login());
    assert_eq!(outcome, Outcome::delivered());
    // base64 of NUL "u" NUL "hunter2".
    assert_eq!(server.lines()[2], "AUTH PLAIN AHUAaHVudGVyMg==");
}

#[test]
fn a_refused_login_is_a_fault_of_the_configuration_unless_it_passes() {
    for (reply, expected) in [
        ("535 5.7.8 wrong password", Is::Config),
        ("534 5.7.9 too weak", Is::Config),
        ("538 5.7.11 encrypt first", Is::Config),
        ("454 4.7.0 temporarily", Is::Retry),
    ] {
        let (outcome, server) = one(vec![AUTH, ("AUTH", Says(reply))], &login());
        let (found, reason) = kind(&outcome.verdict);
        assert_eq!(found, expected, "{outcome:?}");
        assert!(reason.contains(reply) && !reason.contains("hunter2"), "{reason}");
        assert!(!server.lines().iter().any(|line| line.starts_with("MAIL")));
    }
    let (outcome, _) = one(vec![], &login());
    let (found, reason) = kind(&outcome.verdict);
    assert_eq!(found, Is::Config, "{outcome:?}");
    assert!(reason.contains("neither AUTH PLAIN nor LOGIN"), "{reason}");
}

#[test]
fn what_is_true_of_all_mails_is_found_once() {
    let server = Scripted::plays(vec![vec![("MAIL", Says("550 5.1.8 not this sender"))]]);
    let batch = vec![notification(Reason::First), notification(Reason::Worse)];
    let outcome = deliver(&mut sink(server.port, &json!({})), batch);
    let expected = "the server takes no mail from alarm@haetae.example: 550 5.1.8 not this sender";
    assert_eq!(outcome, Outcome::all(Verdict::Config { reason: expected.into() }));
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_server_that_is_down_is_tried_later() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let outcome = deliver(&mut sink(port, &json!({})), vec![notification(Reason::First)]);
    let (found, reason) = kind(&outcome.verdict);
    assert_eq!(found, Is::Retry, "{outcome:?}");
    assert!(reason.starts_with(&format!("127.0.0.1:{port}: ")), "{reason}");
    assert!(reason.contains("refused"), "{reason}");
}

#[test]
fn a_server_that_hangs_is_left_in_time_and_what_was_not_sent_comes_again() {
    for line in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "."] {
        let server = Scripted::plays(vec![vec![(line, Hangs)], vec![(line, Hangs)]]);
        let mut sink = sink(server.port, &json!({ "timeout": "100ms" }));
        let batch = vec![notification(Reason::First); 2];
        let time = Duration::from_secs(20);
        let call = Call::within(time, Window::default());
        let outcome = sink.deliver(&Batch::Notifications(batch), call).unwrap();
        assert!(call.remaining() > time / 2, "{line}: the timeout is one command's");
        assert_eq!(kind(outcome.of(0)).0, Is::Retry, "{line}: {outcome:?}");
        assert!(server.messages().len() <= 1, "{line}");
    }
}

#[test]
fn a_server_that_drips_is_left_in_time_wherever_it_does_so() {
    for line in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "."] {
        let server = Scripted::plays(vec![vec![(line, Drips)], vec![(line, Drips)]]);
        let mut sink = sink(server.port, &json!({ "timeout": "200ms" }));
        let call = Call::within(Duration::from_secs(10), Window::default());
        let batch = Batch::Notifications(vec![notification(Reason::First)]);
        let outcome = sink.deliver(&batch, call).unwrap();
        let (is, reason) = kind(outcome.of(0));
        assert_eq!(is, Is::Retry, "{line}: {outcome:?}");
        assert!(reason.contains("no whole answer within"), "{line}: {reason}");
        assert!(call.remaining() > Duration::from_secs(5), "{line}: left in time");
    }
}

#[test]
fn the_deadline_is_kept_whatever_the_timeout_is() {
    let server = Scripted::plays(vec![vec![(".", Hangs)]]);
    let mut sink = sink(server.port, &json!({ "timeout": "1h" }));
    let call = Call::within(Duration::from_secs(1), Window::default());
    let batch = Batch::Notifications(vec![notification(Reason::First); 3]);
    let outcome = sink.deliver(&batch, call).unwrap();
    assert!(call.remaining() > Duration::ZERO, "it was in time");
    assert_eq!(kind(outcome.of(0)).0, Is::Retry, "{outcome:?}");
    for index in [1, 2] {
        let (found, reason) = kind(outcome.of(index));
        assert_eq!((found, reason), (Is::Retry, "the delivery's deadline came before its turn"));
    }
    let outcome = deliver_within(&mut sink, vec![notification(Reason::First)], Duration::ZERO);
    assert_eq!(kind(outcome.of(0)).0, Is::Retry, "{outcome:?}");
    assert_eq!(server.connections(), 1, "there was no time for another");
}

#[test]
fn what_is_no_notification_is_rejected() {
    let batch: Batch = Logs::default().into();
    let call = Call::within(Duration::from_secs(20), Window::default());
    let outcome = sink(1, &json!({})).deliver(&batch, call).unwrap();
    assert_eq!(kind(&outcome.verdict), (Is::Rejected, "mail is sent about notifications only"));
}
