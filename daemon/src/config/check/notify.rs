//! Who is told when: from the text to the plan.

use haetae_plugin::Timestamp;
use jiff::tz::TimeZone;

use super::{
    length::{SHORTEST, too_short},
    zone::bad_zone,
};
use crate::{
    config::{
        file, plan,
        read::{schema, section::Section},
        text::problem::{Code, Problem},
    },
    engine::{
        mute::{
            calendar::{Days, Hours, Recurring},
            silence::{Silence, SilenceSpan},
        },
        notify::{Escalate, GroupBy, Inhibit, Quiet, Rate},
    },
};

/// Reads what a sink says of groups and times; `zone` is the daemon's.
pub(super) fn read(
    section: &Section<'_>,
    file: &file::SinkSection,
    zone: Option<&str>,
    problems: &mut Vec<Problem>,
) -> plan::Notify {
    let repeat = match &file.repeat {
        file::Repeat::Same(again) if again.is_zero() => Vec::new(),
        file::Repeat::Same(again) => {
            too_short(section, "/repeat", **again, problems);
            vec![**again]
        }
        file::Repeat::Growing(all) => {
            if let Some(at) = all.iter().position(|again| **again < SHORTEST) {
                let place = section.value(&format!("/repeat/{at}"));
                problems.push(Problem::new(Code::TooShort, place).with("key", "repeat"));
            }
            all.iter().map(|again| **again).collect()
        }
    };
    let alone = matches!(file.group_by, file::GroupBy::Word(file::GroupWord::Alarm));
    let rate = if let Some(rate) = &file.rate {
        Rate { most: rate.most, per: *rate.per }
    } else {
        let file::Rate { most, per } = file::Rate::default();
        Rate { most: if alone { 0 } else { most }, per: *per }
    };
    too_short(section, "/rate/per", rate.per, problems);
    if let Some(escalate) = &file.escalate {
        too_short(section, "/escalate/after", *escalate.after, problems);
    }
    plan::Notify {
        group_by: match &file.group_by {
            file::GroupBy::Word(file::GroupWord::Alarm) => GroupBy::Alarm,
            file::GroupBy::Labels(labels) => GroupBy::Labels(labels.clone()),
        },
        group_wait: *file.group_wait,
        group_interval: *file.group_interval,
        repeat,
        rate,
        quiet: file
            .quiet
            .as_ref()
            .and_then(|quiet| self::quiet(section, quiet, file.zone.as_deref().or(zone), problems)),
        escalate: file.escalate.as_ref().map(|escalate| Escalate {
            place: section.key("/escalate").short(),
            after: *escalate.after,
            to: escalate.to.clone(),
            unless_acknowledged: escalate.unless.is_some(),
        }),
    }
}

fn quiet(
    section: &Section<'_>,
    file: &file::Quiet,
    zone: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Option<Quiet> {
    let zone = file.zone.as_deref().or(zone);
    bad_zone(section, "/quiet/zone", file.zone.as_deref(), problems);
    let window =
        recurring(section, "/quiet", file.days.as_deref(), Some(&file.hours), zone, problems);
    let except = file.except.iter().map(|matcher| matcher.0.clone()).collect();
    Some(Quiet { place: section.key("/quiet").short(), hours: window?, except })
}

/// Reads `[[inhibit]]`.
pub(in crate::config) fn inhibit(section: &Section<'_>, problems: &mut Vec<Problem>) -> Inhibit {
    let judged = schema::own::<file::Inhibit>(section);
    problems.extend(judged.problems);
    let file = judged.accepted;
    Inhibit {
        place: section.head().short(),
        when: file.when.into_iter().map(|matcher| matcher.0).collect(),
        mute: file.mute.into_iter().map(|matcher| matcher.0).collect(),
        equal: file.equal,
    }
}

/// Reads `[[maintenance]]`; `zone` is the daemon's.
pub(in crate::config) fn maintenance(
    section: &Section<'_>,
    zone: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Option<Silence> {
    let judged = schema::own::<file::Maintenance>(section);
    let sound = judged.problems.is_empty();
    problems.extend(judged.problems);
    let file = judged.accepted;
    bad_zone(section, "/zone", file.zone.as_deref(), problems);
    let zone = file.zone.as_deref().or(zone);
    let mut time = |key: &str, text: Option<&str>| moment(section, key, text?, zone, problems);
    let (from, until) =
        (time("/from", file.from.as_deref()), time("/until", file.until.as_deref()));
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        problems.push(Problem::new(Code::EndsFirst, section.value("/until")));
    }
    let span = if section.has("/hours") || section.has("/days") {
        let (days, hours) = (file.days.as_deref(), file.hours.as_deref());
        let window = recurring(section, "", days, hours, zone, problems)?;
        SilenceSpan::Recurring(window.between(from, until))
    } else if section.has("/until") {
        SilenceSpan::Between(from.unwrap_or_default(), until?)
    } else {
        if sound {
            problems.push(Problem::new(Code::NoSpan, section.head()).with("name", &file.name));
        }
        return None;
    };
    Some(Silence {
        id: file.name,
        matchers: file.matchers.into_iter().map(|matcher| matcher.0).collect(),
        author: section.head().short(),
        reason: file.reason,
        span,
    })
}

/// Refuses a second maintenance of a name.
pub(in crate::config) fn names(sections: &[Section<'_>], problems: &mut Vec<Problem>) {
    let name = |section: &Section<'_>| section.table.get("name").cloned();
    for (at, section) in sections.iter().enumerate() {
        let earlier = sections.iter().take(at).map(name);
        if name(section).is_some_and(|own| earlier.flatten().any(|earlier| earlier == own)) {
            problems.push(Problem::new(Code::Repeated, section.value("/name")).with("key", "name"));
        }
    }
}

/// Days and hours below `pointer`; none if they can't be read.
fn recurring(
    section: &Section<'_>,
    pointer: &str,
    days: Option<&str>,
    hours: Option<&str>,
    zone: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Option<Recurring> {
    let wrong = |code, key: &str, given: &str| {
        Problem::new(code, section.value(&format!("{pointer}/{key}"))).with("given", given)
    };
    let before = problems.len();
    let days = days.map_or(Days::ALL, |text| {
        Days::parse(text).unwrap_or_else(|_| {
            problems.push(wrong(Code::BadDays, "days", text));
            Days::ALL
        })
    });
    let parts = hours.into_iter().flat_map(|text| text.split(','));
    let read: Result<Vec<_>, _> = parts.map(Hours::parse).collect();
    // One that is missing was told already.
    if let (Err(_), Some(text)) = (&read, hours.filter(|text| !text.is_empty())) {
        problems.push(wrong(Code::BadHours, "hours", text));
    }
    let window = Recurring::new(days, read.ok()?, time_zone(zone));
    (problems.len() == before).then_some(window)
}

/// A time of the text: with its offset, or as the clock of the zone shows it.
fn moment(
    section: &Section<'_>,
    key: &str,
    text: &str,
    zone: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Option<Timestamp> {
    let time = crate::config::moment(text, &time_zone(zone));
    if time.is_none() {
        let problem = Problem::new(Code::BadTime, section.value(key));
        problems.push(problem.with("given", text));
    }
    time
}

/// A zone that is unknown was told already.
fn time_zone(name: Option<&str>) -> TimeZone {
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system)
}
