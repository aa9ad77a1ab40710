//! Records as lines of JSON.

use std::io::{self, Write};

use haetae_plugin::{Notification, Point, Series, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::rfc3339;

/// Writes the line of one point.
pub(crate) fn sample(file: &mut dyn Write, series: &Series, point: &Point) -> io::Result<()> {
    let finite = point.value.is_finite();
    let line = Sample {
        r#type: "sample",
        name: series.name(),
        labels: Labels(series),
        unit: series.unit(),
        value: finite.then_some(point.value),
        text: (!finite).then(|| not_finite(point.value)),
        ended: point.has(Point::END),
        delayed: point.has(Point::DELAYED),
        time: rfc3339::text(point.time),
        time_ns: point.time.nanos(),
    };
    write(file, &line)
}

/// Writes the line of one notification.
pub(crate) fn notification(file: &mut dyn Write, sent: &Notification) -> io::Result<()> {
    // By way of a value, so that fields that this build does not know the use of stay.
    let mut fields = serde_json::to_value(sent)?;
    with_texts(&mut fields);
    let Value::Object(fields) = fields else {
        return Err(io::Error::other("a notification is no JSON object"));
    };
    write(file, &Tagged { r#type: "notification", fields })
}

#[derive(Serialize)]
struct Sample<'a> {
    r#type: &'static str,
    name: &'a str,
    labels: Labels<'a>,
    unit: &'a str,
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    delayed: bool,
    time: String,
    time_ns: i64,
}

#[derive(Serialize)]
struct Tagged {
    r#type: &'static str,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

struct Labels<'a>(&'a Series);

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.labels())
    }
}

fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    }
}

/// Turns the times of a notification and of its alarms into text beside nanoseconds.
fn with_texts(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(with_texts),
        Value::Object(fields) => {
            for name in ["time", "since", "ended"] {
                if let Some(nanos) = fields.get(name).and_then(Value::as_i64) {
                    let text = rfc3339::text(Timestamp::from_nanos(nanos));
                    fields.insert(name.into(), text.into());
                    fields.insert(format!("{name}_ns"), nanos.into());
                }
            }
            if let Some(alarms) = fields.get_mut("alarms") {
                with_texts(alarms);
            }
        }
        _ => {}
    }
}

fn write(file: &mut dyn Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")
}
