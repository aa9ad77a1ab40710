//! Groups in words: many alarms told together, the worst first, what has ended below.

use haetae_plugin::{Alarm, Notification, Reason, Severity, Timestamp};

use super::{Voice, colour, controls, document, escaped, labels};
use crate::{
    engine::{AlarmView, notify::Flush},
    language::Language,
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
        let counts = match (firing, ended) {
            (0, _) => "count-ended",
            (_, 0) => "count-firing",
            _ => "count-both",
        };
        let counts = self.texts().say(counts, [("firing", firing), ("ended", ended)]);
        let first = flush.alarms.first().map_or("", |alarm| &alarm.evaluator);
        let alike = flush.alarms.iter().all(|alarm| alarm.evaluator == first);
        let evaluator = if alike { format!("{first}: ") } else { String::new() };
        let labels = if flush.labels.is_empty() {
            String::new()
        } else {
            format!(" ({})", labels(&flush.labels))
        };
        format!("[{state}] {evaluator}{counts}{labels}")
    }

    /// A line an alarm, and before them why they are told.
    fn lines(&self, flush: &Flush, firing: &[&AlarmView], ended: &[&AlarmView]) -> Vec<TextLine> {
        let why = self.texts().word("fact-why");
        let mut lines = vec![TextLine::plain(format!("{why}: {}", self.why(flush.reason)))];
        let of_firing = firing.len().min(LINES - ended.len().min(LINES / 4));
        let room = [of_firing, LINES - of_firing];
        for (views, room) in [firing, ended].into_iter().zip(room) {
            for view in views.iter().take(room) {
                let new = flush.news.contains(&view.id);
                lines.push(TextLine {
                    colour: colour(view.ended.is_some(), view.severity),
                    text: self.line(view, new && views.len() < flush.alarms.len()),
                });
            }
            if let Some(more) = views.len().checked_sub(room).filter(|more| *more > 0) {
                lines.push(TextLine::plain(self.texts().say("more", [("count", more)])));
            }
        }
        lines
    }

    fn line(&self, view: &AlarmView, new: bool) -> String {
        let over = view.ended.map(|_| view.ending().reason());
        let state = self.state(view.severity, over.unwrap_or(Reason::First));
        let texts = self.texts();
        let word = texts.word(match over {
            None => "fact-since",
            Some(Reason::Closed) => "fact-closed",
            Some(_) => "fact-resolved",
        });
        let time = self.time(view.ended.unwrap_or(view.since));
        let new = if over.is_none() && new {
            format!(", {}", texts.word("alarm-new"))
        } else {
            String::new()
        };
        format!("[{state}] {} ({word} {time}{new}) {}", self.summary(view), view.id)
    }

    /// Why it is told, in words.
    pub(super) fn why(&self, reason: Reason) -> String {
        self.texts().word(&format!("why-{}", reason.as_str()))
    }
}

/// One line of a text about many alarms.
struct TextLine {
    colour: &'static str,
    text: String,
}

impl TextLine {
    fn plain(text: String) -> Self {
        Self { colour: "#57606a", text }
    }
}

fn text(title: &str, lines: &[TextLine]) -> String {
    let lines = lines.iter().map(|line| format!("\n{}", line.text));
    [title.to_owned()].into_iter().chain(lines).collect()
}

fn html(title: &str, worst: &str, lines: &[TextLine], language: Language) -> String {
    let line = |TextLine { colour, text }: &TextLine| {
        let text = escaped(text);
        format!(
            "<p style=\"border-left:4px solid {colour};padding:0 8px;margin:2px 0\">{text}</p>\n"
        )
    };
    document(title, worst, &lines.iter().map(line).collect::<String>(), language)
}
