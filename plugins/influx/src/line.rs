//! Line protocol: `measurement,tag=value value=1.5 1700000000000000000`.

use haetae_plugin::{Point, Series};

/// The times that InfluxDB has.
const TIMES: std::ops::RangeInclusive<i64> = i64::MIN + 2..=i64::MAX - 1;

/// Measurement and tags of a series, escaped; or why InfluxDB can't have it.
pub(crate) fn key(series: &Series) -> Result<Vec<u8>, &'static str> {
    let name = series.name();
    if name.is_empty() {
        return Err("a series without a name");
    }
    if name.starts_with(['#', '\t', '\0']) {
        return Err("a name that begins with #, a tab or NUL is lost in line protocol");
    }
    if ["\\,", "\\ ", "\\="].iter().any(|lost| name.contains(lost)) {
        return Err("a backslash before a comma, space or = in a name is stored as another name");
    }
    let mut key = Vec::with_capacity(128);
    escape(name, b", ", &mut key)?;
    for (label, value) in series.labels() {
        // Labels of a series are sorted, as InfluxDB likes tags best; an empty tag is none.
        if value.is_empty() {
            continue;
        }
        key.push(b',');
        escape(label, b",= ", &mut key)?;
        key.push(b'=');
        escape(value, b",= ", &mut key)?;
    }
    Ok(key)
}

/// Whether the point has a value to write: none has one that says that its series ended, and
/// neither NaN nor infinities exist in InfluxDB.
pub(crate) fn has_value(point: &Point) -> bool {
    point.value.is_finite() && !point.has(Point::END)
}

/// Appends the line of a point, its end included.
pub(crate) fn push(lines: &mut Vec<u8>, key: &[u8], point: &Point) -> Result<(), &'static str> {
    let time = point.time.nanos();
    if !TIMES.contains(&time) {
        return Err("its time is outside of InfluxDB's range");
    }
    lines.extend_from_slice(key);
    // With a dot or an exponent: a field's first value decides its type for ever.
    lines.extend_from_slice(format!(" value={:?} {time}\n", point.value).as_bytes());
    Ok(())
}

fn escape(text: &str, special: &[u8], key: &mut Vec<u8>) -> Result<(), &'static str> {
    if text.contains('\n') {
        return Err("a line end in a name or label can't be written in line protocol");
    }
    if text.ends_with('\\') {
        return Err("a backslash at the end of a name or label would corrupt its line");
    }
    for byte in text.bytes() {
        if special.contains(&byte) {
            key.push(b'\\');
        }
        key.push(byte);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use haetae_plugin::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn text(series: &Series) -> Result<String, &'static str> {
        key(series).map(|key| String::from_utf8(key).unwrap())
    }

    #[test]
    fn what_separates_is_escaped_and_what_cannot_be_is_refused() {
        let m = |name: &str| Series::gauge(name, "1");
        for (series, expected) in [
            (m("cpu"), Ok("cpu")),
            (m("a b,c=d\"e"), Ok(r#"a\ b\,c=d"e"#)),
            (m("m").label("b", "2").label("a", "1"), Ok("m,a=1,b=2")),
            (m("m").label("a b,c=", "d e,f="), Ok(r"m,a\ b\,c\==d\ e\,f\=")),
            (m("m").label("a", r"C:\x"), Ok(r"m,a=C:\x")),
            (m("m").label("a", "한글 \"q\""), Ok("m,a=한글\\ \"q\"")),
            (m("m").label("a", ""), Ok("m")),
            (m(""), Err("without a name")),
            (m("#m"), Err("begins with #")),
            (m("\tm"), Err("begins with #, a tab")),
            (m("m\\"), Err("backslash")),
            (m(r"m\=1"), Err("another name")),
            (m(r"m\, 1"), Err("another name")),
            (m("m").label(r"a\ b", r"c\=d\,"), Ok(r"m,a\\ b=c\\=d\\,")),
            (m("m").label("a\\", "1"), Err("backslash")),
            (m("m").label("a", "1\\"), Err("backslash")),
            (m("m").label("a", "1\n2"), Err("line end")),
            (m("m\n").label("a", "1"), Err("line end")),
        ] {
            match (text(&series.build()), expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text, expected),
                (Err(said), Err(expected)) => assert!(said.contains(expected), "{said}"),
                (text, expected) => panic!("{text:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn times_are_nanoseconds_within_what_there_is() {
        let at = |nanos: i64| {
            let time = Timestamp::from_nanos(nanos);
            let mut lines = Vec::new();
            push(&mut lines, b"m", &Point { series: 0, flags: 0, time, value: 1.0 }).map(|()| lines)
        };
        assert_eq!(at(-1).unwrap(), b"m value=1.0 -1\n");
        // As InfluxDB 1.6.7 says it: -9223372036854775806 - 9223372036854775806.
        for (nanos, is) in [
            (i64::MIN, false),
            (i64::MIN + 1, false),
            (i64::MIN + 2, true),
            (i64::MAX - 1, true),
            (i64::MAX, false),
        ] {
            assert_eq!(at(nanos).is_ok(), is, "{nanos}");
        }
    }

    /// Reads a key back as InfluxDB's parser does: a separator counts unless a backslash is before it.
    fn parsed(key: &str) -> (String, Vec<(String, String)>) {
        let split = |text: &str, at: char| -> Vec<String> {
            let (mut parts, mut last) = (vec![String::new()], ' ');
            for c in text.chars() {
                if c == at && last != '\\' {
                    parts.push(String::new());
                } else {
                    parts.last_mut().unwrap().push(c);
                }
                last = c;
            }
            parts
        };
        let plain = |text: &str| text.replace("\\,", ",").replace("\\ ", " ");
        assert_eq!(split(key, ' ').len(), 1, "the fields begin nowhere in {key:?}");
        let mut parts = split(key, ',').into_iter();
        let name = plain(&parts.next().unwrap());
        let tags = parts.map(|tag| {
            let both = split(&tag, '=');
            assert_eq!(both.len(), 2, "{key:?}");
            let plain = |text: &String| plain(text).replace("\\=", "=");
            (plain(&both[0]), plain(&both[1]))
        });
        (name, tags.collect())
    }

    proptest! {
        #[test]
        fn a_key_reads_back_as_it_was(
            name in r#"[a\\, ="é]{1,6}"#,
            labels in prop::collection::btree_map(r"[a-c\\, =]{1,4}", r#"[a\\, ="é]{0,5}"#, 0..4),
        ) {
            let series = labels.iter().fold(Series::gauge(name.as_str(), "1"), |series, (k, v)| {
                series.label(k.as_str(), v.as_str())
            }).build();
            let ends = |text: &str| text.ends_with('\\');
            let before = ["\\,", "\\ ", "\\="].iter().any(|lost| name.contains(lost));
            let lost = before || ends(&name) || series.labels().any(|(k, v)| ends(k) || ends(v));
            let text = text(&series);
            prop_assert_eq!(text.is_err(), lost);
            if let Ok(text) = text {
                let (read, tags) = parsed(&text);
                let labels = series.labels().map(|(k, v)| (k.to_owned(), v.to_owned()));
                prop_assert_eq!(read, name);
                prop_assert_eq!(tags, labels.collect::<Vec<_>>());
            }
        }

        #[test]
        fn a_value_reads_back_as_it_was_and_as_a_float(value in any::<f64>()) {
            let point = Point { series: 0, flags: 0, time: Timestamp::default(), value };
            prop_assume!(has_value(&point));
            let mut line = Vec::new();
            push(&mut line, b"m", &point).unwrap();
            let line = String::from_utf8(line).unwrap();
            let field = line.strip_prefix("m value=").unwrap().strip_suffix(" 0\n").unwrap();
            prop_assert_eq!(field.parse::<f64>().unwrap().to_bits(), value.to_bits());
            prop_assert!(field.contains(['.', 'e']), "{} would be taken for whole", field);
        }
    }
}
