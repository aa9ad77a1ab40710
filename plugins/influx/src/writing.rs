//! What InfluxDB 1.x answers to a write, and what that means for its lines.

use std::time::Duration;

use crate::server::{Reply, shortened};

/// What became of the lines of one POST.
#[derive(Debug, PartialEq)]
pub(crate) enum Written {
    /// All are stored.
    All,
    /// None is stored, none ever will.
    None {
        /// Why.
        reason: String,
    },
    /// Some are stored.
    Some(Partial),
    /// They are too many for one POST.
    TooLarge {
        /// What the server says.
        reason: String,
    },
    /// Not now.
    NotNow {
        /// Why.
        reason: String,
        /// How long the server asks to wait.
        after: Option<Duration>,
    },
    /// Not until a person acts.
    Wrong {
        /// What.
        reason: String,
    },
}

/// Which lines are not stored, as far as the answer says.
#[derive(Debug, PartialEq)]
pub(crate) enum Partial {
    /// Those that it quotes, with what it says of each.
    Quoted(Vec<String>),
    /// So many at least, if it says how many.
    Counted {
        /// How many at least.
        dropped: Option<usize>,
        /// Why.
        reason: String,
    },
}

const UNPARSABLE: &str = "unable to parse '";

impl Written {
    /// Classes the answer to a write; the order is that of certainty.
    pub(crate) fn of(reply: Reply) -> Self {
        let Reply { status, error, is_influx, wait } = reply;
        let reason = || shortened(&error);
        let says = |text: &str| error.contains(text);
        if says("hinted handoff queue not empty") {
            // The cluster has it and will store it.
            return Self::All;
        }
        if says("database not found") || says("retention policy not found") {
            // The second comes as a 500 that no waiting heals.
            return Self::Wrong { reason: reason() };
        }
        match status {
            200..=299 if error.is_empty() => Self::All,
            413 => Self::TooLarge { reason: format!("413: {}", reason()) },
            400 | 422 if says("database is required") => Self::Wrong { reason: reason() },
            400 | 422 if is_influx => partial(&error),
            408 | 429 | 500.. | 200..=299 => {
                Self::NotNow { reason: format!("{status}: {}", reason()), after: wait }
            }
            300..=399 => {
                Self::Wrong { reason: format!("url: the server answers {status}, a redirection") }
            }
            404 => Self::Wrong { reason: "url: no InfluxDB 1.x answers there (404)".into() },
            _ => Self::Wrong { reason: format!("{status}: {}", reason()) },
        }
    }
}

fn partial(error: &str) -> Written {
    let partial = error.strip_prefix("partial write: ");
    let told = partial.unwrap_or(error);
    let counted = told.rsplit_once(" dropped=");
    let dropped: Option<usize> = counted.and_then(|(_, number)| number.parse().ok());
    let told = counted.map_or(told, |(told, _)| told);
    let quotes_all = told.starts_with(UNPARSABLE) && dropped.is_none_or(|dropped| dropped == 0);
    if !quotes_all {
        let reason = shortened(told);
        return match partial {
            Some(_) => Written::Some(Partial::Counted { dropped, reason }),
            None => Written::None { reason },
        };
    }
    let mut quoted: Vec<String> = Vec::new();
    for line in told.lines() {
        match (line.strip_prefix(UNPARSABLE), quoted.last_mut()) {
            (Some(line), _) => quoted.push(line.into()),
            (None, Some(last)) => *last = format!("{last}\n{line}"),
            (None, None) => {}
        }
    }
    Written::Some(Partial::Quoted(quoted))
}

/// What a quoted refusal says: the line, and why.
pub(crate) fn quotation(quoted: &str) -> Option<(&str, &str)> {
    quoted.rsplit_once("': ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, error: &str) -> Written {
        let is_influx = !error.starts_with('<');
        Written::of(Reply { status, error: error.into(), is_influx, wait: None })
    }

    fn wrong(reason: &str) -> Written {
        Written::Wrong { reason: reason.into() }
    }

    /// Bodies of InfluxDB 1.6.7 and 1.8, unless another is named.
    #[test]
    fn each_answer_has_its_class() {
        let unparsable = "unable to parse 'm v=NaN 20': invalid number";
        let conflict = r#"field type conflict: input field "v" on measurement "m" is type float, already exists as type integer"#;
        let counted = |dropped, reason: &str| {
            Written::Some(Partial::Counted { dropped: Some(dropped), reason: reason.into() })
        };
        let later = |reason: &str| Written::NotNow { reason: reason.into(), after: None };
        for (status, body, expected) in [
            (204, "", Written::All),
            (200, "", Written::All),
            (200, "timeout", later("200: timeout")),
            (
                400,
                unparsable,
                Written::Some(Partial::Quoted(vec!["m v=NaN 20': invalid number".into()])),
            ),
            (
                400,
                "invalid consistency level",
                Written::None { reason: "invalid consistency level".into() },
            ),
            (400, "<html>a proxy's", wrong("400: <html>a proxy's")),
            (
                400,
                "partial write: unable to parse 'bad line here x': invalid field format\nunable to parse 't value=NaN 20': invalid number dropped=0",
                Written::Some(Partial::Quoted(vec![
                    "bad line here x': invalid field format".into(),
                    "t value=NaN 20': invalid number".into(),
                ])),
            ),
            (400, &format!("partial write: {conflict} dropped=2"), counted(2, conflict)),
            (
                400,
                "partial write: points beyond retention policy dropped=1",
                counted(1, "points beyond retention policy"),
            ),
            (
                400,
                "partial write: max-values-per-tag limit exceeded (1/1): x dropped=3",
                counted(3, "max-values-per-tag limit exceeded (1/1): x"),
            ),
            (
                400,
                "partial write: something",
                Written::Some(Partial::Counted { dropped: None, reason: "something".into() }),
            ),
            (400, "database is required", wrong("database is required")),
            (404, "database not found: \"nope\"", wrong("database not found: \"nope\"")),
            (404, "404 page not found", wrong("url: no InfluxDB 1.x answers there (404)")),
            (500, "retention policy not found: norp", wrong("retention policy not found: norp")),
            (401, "authorization failed", wrong("401: authorization failed")),
            (403, "not allowed", wrong("403: not allowed")),
            (301, "", wrong("url: the server answers 301, a redirection")),
            (
                413,
                "Request Entity Too Large",
                Written::TooLarge { reason: "413: Request Entity Too Large".into() },
            ),
            (500, "timeout", later("500: timeout")),
            (503, "<html>busy", later("503: <html>busy")),
            (429, "", later("429: ")),
            (500, "write failed: hinted handoff queue not empty", Written::All),
        ] {
            assert_eq!(of(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn the_server_says_how_long_to_wait() {
        let wait = Some(Duration::from_secs(7));
        let Written::NotNow { after, .. } =
            Written::of(Reply { status: 503, error: String::new(), is_influx: false, wait })
        else {
            panic!("it is for later");
        };
        assert_eq!(after, wait);
    }

    #[test]
    fn a_quotation_ends_with_its_last_quote() {
        let quoted = "m,a=x':\\ y value=1.0 5': time outside range -1 - 1";
        let (line, why) = quotation(quoted).unwrap();
        assert_eq!((line, why), ("m,a=x':\\ y value=1.0 5", "time outside range -1 - 1"));
        assert_eq!(quotation("no end"), None);
    }
}
