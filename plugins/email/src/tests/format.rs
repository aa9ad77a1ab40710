//! What a notification looks like as a mail.

use haetae_plugin::{Notification, Reason, Severity, Status, Timestamp};
use lettre::message::Mailbox;

use super::{decode::Decoded, notification};
use crate::mail::message;

fn written(notification: &Notification) -> String {
    let from: Mailbox = "\"해태, 감시\" <alarm@haetae.example>".parse().unwrap();
    let to: Vec<Mailbox> =
        ["ops@example.org", "김철수 <kim@example.kr>"].map(|it| it.parse().unwrap()).into();
    let bytes = message(&from, &to, notification).unwrap();
    let text = String::from_utf8(bytes).expect("ASCII alone");
    assert!(text.is_ascii(), "{text}");
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{text:?}");
    assert_eq!(text.matches('\r').count(), text.matches("\r\n").count(), "{text:?}");
    let longest = text.split("\r\n").max_by_key(|line| line.len()).unwrap();
    assert!(longest.len() <= 998, "{longest}");
    text
}

fn read(notification: &Notification) -> Decoded {
    Decoded::read(&written(notification))
}

#[test]
fn every_header_says_what_it_should() {
    let mail = read(&notification(Reason::First));
    for (name, value) in [
        ("Date", "Tue, 14 Nov 2023 22:15:23 +0000"),
        ("From", "해태, 감시 <alarm@haetae.example>"),
        ("To", "ops@example.org, 김철수 <kim@example.kr>"),
        ("Subject", "CPU of vm1 at 95 %"),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Language", "en"),
        ("Auto-Submitted", "auto-generated"),
        ("Importance", "high"),
        ("X-Priority", "1"),
        ("X-Haetae-Alarm", "a1-1"),
        ("X-Haetae-Severity", "critical"),
        ("X-Haetae-Reason", "first"),
    ] {
        assert_eq!(mail.header(name).unwrap_or_default().replace('"', ""), value, "{name}");
    }
    assert_eq!(mail.text().trim_end(), "CPU of vm1 at 95 %\r\nlabels: host=vm1");
}

#[test]
fn what_is_no_alert_is_not_important() {
    let mut warning = notification(Reason::First);
    warning.severity = Severity::Warning;
    let mut resolved = notification(Reason::Resolved);
    resolved.status = Status::Resolved;
    for sent in [warning, resolved] {
        let mail = read(&sent);
        assert_eq!((mail.header("Importance"), mail.header("X-Priority")), (None, None));
    }
}

#[test]
fn the_same_notification_is_the_same_mail() {
    let mut sent = notification(Reason::Worse);
    sent.html = "<p>95 %</p>".into();
    let first = written(&sent);
    sent.attempt = 7;
    assert_eq!(written(&sent), first);
}

#[test]
fn whatever_begins_a_thread_answers_nothing_and_all_later_mails_answer_it() {
    let id = |mail: &Decoded| mail.header("Message-ID").unwrap().to_owned();
    let mut seen = Vec::new();
    let begins = [Reason::First, Reason::Flapping, Reason::Digest, Reason::Escalated];
    for (begin, later) in begins.into_iter().zip(0..).chain([(Reason::Reopened, 9)]) {
        let mut sent = notification(begin);
        sent.idempotency_key = format!("a1-1/{}/{later}", begin.as_str());
        let root = sent.idempotency_key.clone();
        let first = read(&sent);
        assert_eq!((first.header("In-Reply-To"), first.header("References")), (None, None));
        assert!(id(&first).starts_with('<') && id(&first).ends_with("@haetae.example>"));
        seen.push(id(&first));
        for reason in [Reason::First, Reason::Worse, Reason::Digest, Reason::Resolved] {
            let mut sent = notification(reason);
            sent.idempotency_key = format!("a1-1/{}/{later}1", reason.as_str());
            // Of another group even, as an end may be of what a digest told.
            sent.key = format!("{}/{later}", reason.as_str());
            sent.answers = Some(root.clone());
            let mail = read(&sent);
            assert_eq!(mail.header("In-Reply-To"), Some(id(&first).as_str()));
            assert_eq!(mail.header("References"), Some(id(&first).as_str()));
            seen.push(id(&mail));
        }
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all, "each is another one");
}

#[test]
fn html_comes_beside_the_text_and_after_it() {
    let mut sent = notification(Reason::First);
    sent.html = "<html lang=\"ko\"><p>CPU 95&nbsp;%</p></html>".into();
    let mail = read(&sent);
    assert!(mail.header("Content-Type").unwrap().starts_with("multipart/alternative;"));
    let parts = mail.parts();
    let kinds: Vec<_> = parts.iter().map(|part| part.header("Content-Type").unwrap()).collect();
    assert_eq!(kinds, ["text/plain; charset=utf-8", "text/html; charset=utf-8"]);
    assert_eq!(parts[0].text().trim_end(), "CPU of vm1 at 95 %\r\nlabels: host=vm1");
    assert_eq!(parts[1].text().trim_end(), sent.html);
}

#[test]
fn korean_arrives_whole() {
    let mut sent = notification(Reason::First);
    sent.title =
        "[심각] 서울-1 영역 가상 머신 vm-042의 CPU 사용률이 95 %입니다 — 확인이 필요합니다".into();
    sent.text = "값: 95 %\n발생: 2026-11-24 21:41:13 +09:00\n레이블: 영역=서울-1".repeat(20);
    sent.html = format!("<p>{}</p>", sent.text);
    sent.language = "ko".into();
    let mail = read(&sent);
    assert_eq!(mail.header("Subject"), Some(sent.title.as_str()));
    assert_eq!(mail.header("Content-Language"), Some("ko"));
    let parts = mail.parts();
    assert_eq!(parts[0].text().trim_end(), sent.text.replace('\n', "\r\n"));
    assert_eq!(parts[1].text().trim_end(), sent.html.replace('\n', "\r\n"));
}

#[test]
fn nothing_in_a_notification_becomes_a_header_or_a_part() {
    let evil = "x\r\nBcc: spy@example.org\r\n\r\n<b>\n.\nFrom me\u{b}\u{85}\u{0}\r";
    let mut sent = notification(Reason::First);
    sent.title = evil.into();
    sent.text = evil.into();
    sent.html = evil.into();
    sent.language = evil.into();
    sent.key = evil.into();
    sent.idempotency_key = evil.into();
    sent.alarms[0].id = evil.into();
    let plain = read(&notification(Reason::First));
    let mail = read(&sent);
    let expected: Vec<_> =
        plain.names().into_iter().filter(|name| *name != "Content-Transfer-Encoding").collect();
    let names: Vec<_> = mail.names();
    assert_eq!(names, expected);
    assert_eq!(mail.header("Subject"), Some("x Bcc: spy@example.org <b> . From me"));
    assert_eq!(mail.parts().len(), 2);
    // The text of a part that ends it would have to hold its own digest.
    let boundary =
        mail.header("Content-Type").unwrap().split_once("boundary=").unwrap().1.to_owned();
    sent.text = format!("--{0}--\r\n--{0}\r\n", boundary.trim_matches('"'));
    assert_eq!(read(&sent).parts().len(), 2);
}

#[test]
fn long_texts_are_folded_and_long_titles_cut() {
    let mut sent = notification(Reason::First);
    sent.title = "x".repeat(5000);
    sent.text = "y".repeat(5000);
    sent.alarms[0].id = "z".repeat(3000);
    sent.alarms = vec![sent.alarms[0].clone(); 30];
    let mail = read(&sent);
    assert_eq!(mail.header("Subject"), Some("x".repeat(200).as_str()));
    assert_eq!(mail.text().trim_end(), sent.text);
    assert!(mail.header("X-Haetae-Alarm").is_some());
}

#[test]
fn a_time_before_the_calendar_of_mail_is_its_first() {
    let mut sent = notification(Reason::First);
    sent.time = Timestamp::from_seconds(-5);
    assert_eq!(read(&sent).header("Date"), Some("Thu, 01 Jan 1970 00:00:00 +0000"));
}
