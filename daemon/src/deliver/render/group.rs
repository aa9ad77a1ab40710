//! Groups in words: many alarms told together, the worst first, what has ended below.

use haetae_plugin::{Alarm, Notification, Reason, Severity, Timestamp};

use super::{Voice, colour, controls, document, escaped, labels};
use crate::{
    config::Language,
    engine::{AlarmView, notify::Flush},
};

/// Lines that a person is shown.
const LINES: usize = 100;
/// Alarms that a program is given.
const ALARMS: usize = 1000;

impl Voice {
    /// Alarms that are told together.
    pub(super) fn group(&self, flush: &Flush, now: Timestamp) -> Notification {
        let (firing, ended): (Vec<&AlarmView>, Vec<_>) =
            flush.alarms.iter().partition(|alarm| alarm.ended.is_none());
        let of = if firing.is_empty() { &ended } else { &firing };
        let severity = of.iter().map(|alarm| alarm.severity).max().unwrap_or(Severity::Warning);
        let shown = firing.iter().chain(&ended).take(ALARMS);
        let alarms: Vec<Alarm> = shown.map(|view| self.alarm(view)).collect();
        // The first of them lends its form; what it does not have in common is replaced.
        let first = alarms
            .first()
            .cloned()
            .unwrap_or_else(|| Alarm::firing(String::new(), String::new(), severity, flush.at));
        let mut notification = Notification::of(first, flush.reason, now);
        let (word, at) = (flush.reason.as_str(), flush.at.nanos());
        notification.key.clone_from(&flush.key);
        notification.idempotency_key = format!("{}/{word}/{at}", flush.key);
        notification.labels.clone_from(&flush.labels);
        notification.severity = severity;
        notification.more = u32::try_from(flush.alarms.len() - alarms.len()).unwrap_or(u32::MAX);
        notification.alarms = alarms;
        let title = self.title(flush, severity, firing.len(), ended.len());
        notification.title = controls::title(&title);
        let lines = self.lines(flush, &firing, &ended);
        notification.text = controls::body(&text(&notification.title, &lines));
        let over = firing.is_empty();
        notification.html =
            html(&notification.title, colour(over, severity), &lines, self.language);
        self.language.code().clone_into(&mut notification.language);
        notification
    }

    /// How bad it is, how many there are, and what they have in common.
    fn title(&self, flush: &Flush, severity: Severity, firing: usize, ended: usize) -> String {
        let state = self.state(severity, flush.reason);
        let counts = match (self.language, firing, ended) {
            (Language::En, 0, ended) => format!("{} ended", alarms(ended)),
            (Language::En, firing, 0) => alarms(firing),
            (Language::En, firing, ended) => format!("{}, {ended} ended", alarms(firing)),
            (Language::Ko, 0, ended) => format!("알람 {ended}건 종료"),
            (Language::Ko, firing, 0) => format!("알람 {firing}건"),
            (Language::Ko, firing, ended) => format!("알람 {firing}건, 종료 {ended}건"),
        };
        let first = flush.alarms.first().map_or("", |alarm| &alarm.evaluator);
        let alike = flush.alarms.iter().all(|alarm| alarm.evaluator == first);
        let evaluator = if alike { format!("{first}: ") } else { String::new() };
        let labels = match &flush.labels {
            none if none.is_empty() => String::new(),
            labels => format!(" ({})", self::labels(labels)),
        };
        format!("[{state}] {evaluator}{counts}{labels}")
    }

    /// A line an alarm, and before them why they are told.
    fn lines(&self, flush: &Flush, firing: &[&AlarmView], ended: &[&AlarmView]) -> Vec<Line> {
        let why = match self.language {
            Language::En => "why",
            Language::Ko => "사유",
        };
        let mut lines = vec![Line::plain(format!("{why}: {}", self.why(flush.reason)))];
        let of_firing = firing.len().min(LINES - ended.len().min(LINES / 4));
        let room = [of_firing, LINES - of_firing];
        for (views, room) in [firing, ended].into_iter().zip(room) {
            for view in views.iter().take(room) {
                let new = flush.news.contains(&view.id);
                lines.push(Line {
                    colour: colour(view.ended.is_some(), view.severity),
                    text: self.line(view, new && views.len() < flush.alarms.len()),
                });
            }
            if let Some(more) = views.len().checked_sub(room).filter(|more| *more > 0) {
                lines.push(Line::plain(match self.language {
                    Language::En => format!("… and {more} more"),
                    Language::Ko => format!("… 외 {more}건"),
                }));
            }
        }
        lines
    }

    fn line(&self, view: &AlarmView, new: bool) -> String {
        let over = view.ended.map(|_| view.ending().reason());
        let state = self.state(view.severity, over.unwrap_or(Reason::First));
        let (since, new) = match (self.language, view.ended.is_none() && new) {
            (Language::En, new) => ("since", if new { ", new" } else { "" }),
            (Language::Ko, new) => ("발생", if new { ", 신규" } else { "" }),
        };
        let time = self.time(view.ended.unwrap_or(view.since));
        let since = if view.ended.is_some() { self.ended_word(view) } else { since };
        format!("[{state}] {} ({since} {time}{new}) {}", self.summary(view), view.id)
    }

    fn ended_word(&self, view: &AlarmView) -> &'static str {
        match (self.language, view.ending().reason()) {
            (Language::En, _) => "ended",
            (Language::Ko, Reason::Closed) => "종결",
            (Language::Ko, _) => "해소",
        }
    }

    /// Why it is told, in words.
    pub fn why(&self, reason: Reason) -> &'static str {
        let (en, ko) = match reason {
            Reason::First => ("these are new", "새로 발생"),
            Reason::NewAlarms => ("alarms joined", "알람 추가"),
            Reason::Worse => ("it got worse", "악화"),
            Reason::Better => ("it got better, and still fires", "완화, 지속 중"),
            Reason::Resolved => ("all have ended", "모두 해소"),
            Reason::SomeResolved => ("some have ended", "일부 해소"),
            Reason::Repeat => ("it still fires", "지속 중"),
            Reason::Closed => ("not watched any more", "더 이상 감시하지 않음"),
            Reason::Reopened => ("reopened by a person", "담당자가 다시 엶"),
            Reason::Escalated => ("nobody took it up in time", "제때 조치되지 않음"),
            Reason::Flapping => ("it comes and goes", "발생과 해소를 반복"),
            Reason::Digest => ("much changed at once", "한꺼번에 많이 변함"),
            _ => ("changed", "변경"),
        };
        if self.language == Language::En { en } else { ko }
    }
}

/// One line of a text about many alarms.
struct Line {
    colour: &'static str,
    text: String,
}

impl Line {
    fn plain(text: String) -> Self {
        Self { colour: "#57606a", text }
    }
}

fn alarms(count: usize) -> String {
    if count == 1 { "1 alarm".into() } else { format!("{count} alarms") }
}

fn text(title: &str, lines: &[Line]) -> String {
    let lines = lines.iter().map(|line| format!("\n{}", line.text));
    [title.to_owned()].into_iter().chain(lines).collect()
}

fn html(title: &str, worst: &str, lines: &[Line], language: Language) -> String {
    let line = |Line { colour, text }: &Line| {
        let text = escaped(text);
        format!(
            "<p style=\"border-left:4px solid {colour};padding:0 8px;margin:2px 0\">{text}</p>\n"
        )
    };
    document(title, worst, &lines.iter().map(line).collect::<String>(), language)
}
