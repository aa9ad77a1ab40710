//! A batch as bytes. What is written here is read by later builds: variants and fields are only
//! ever added at the end, and a change of meaning raises the schema's version.

use std::collections::HashMap;

use haetae_plugin::{
    Batch, Kind, LogRecord, Logs, Notification, Point, Samples, Series, Timestamp,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a batch cannot be written, or bytes cannot be read.
pub type Result<T> = std::result::Result<T, String>;

#[derive(Serialize, Deserialize)]
enum Stored<'a> {
    #[serde(borrow)]
    Samples(StoredSamples<'a>),
    Logs(StoredLogs<'a>),
    /// JSON, as they cross the boundary.
    Notifications(Raw<'a>),
}

#[derive(Serialize, Deserialize)]
struct StoredSamples<'a> {
    complete_until: i64,
    #[serde(borrow)]
    series: Vec<StoredSeries<'a>>,
    /// Series, flags, time, value.
    points: Vec<(u32, u32, i64, f64)>,
}

#[derive(Serialize, Deserialize)]
struct StoredSeries<'a> {
    name: &'a str,
    unit: &'a str,
    kind: u32,
    labels: Vec<(&'a str, &'a str)>,
}

#[derive(Serialize, Deserialize)]
struct StoredLogs<'a> {
    complete_until: i64,
    #[serde(borrow)]
    records: Vec<StoredLog<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StoredLog<'a> {
    time: i64,
    received: i64,
    #[serde(borrow)]
    raw: Raw<'a>,
    message: Message<'a>,
    json: Raw<'a>,
    peer: Raw<'a>,
    host: Raw<'a>,
    application: Raw<'a>,
    process: Raw<'a>,
    message_id: Raw<'a>,
    pairs: Vec<(Raw<'a>, Raw<'a>)>,
    facility: u32,
    severity: u32,
    flags: u32,
}

/// Most messages are a part of their line, and are not written twice.
#[derive(Serialize, Deserialize)]
enum Message<'a> {
    Part {
        start: usize,
        length: usize,
    },
    #[serde(borrow)]
    Own(Raw<'a>),
}

/// Bytes in one piece; serde's own way with a slice is byte by byte.
#[derive(Clone, Copy)]
struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        <&[u8]>::deserialize(from).map(Self)
    }
}

/// The bytes of a batch.
pub fn encode(batch: &Batch) -> Result<Vec<u8>> {
    let json;
    let stored = match batch {
        Batch::Samples(samples) => Stored::Samples(store_samples(samples)),
        Batch::Logs(logs) => Stored::Logs(StoredLogs {
            complete_until: logs.complete_until().nanos(),
            records: logs.iter().map(|record| store_log(&record)).collect(),
        }),
        Batch::Notifications(notifications) => {
            json = serde_json::to_vec(notifications).map_err(|error| error.to_string())?;
            Stored::Notifications(Raw(&json))
        }
        _ => return Err("a kind of records that this build does not know".into()),
    };
    postcard::to_stdvec(&stored).map_err(|error| error.to_string())
}

/// The batch of these bytes.
pub fn decode(bytes: &[u8]) -> Result<Batch> {
    let stored = match postcard::take_from_bytes(bytes) {
        Ok((stored, [])) => stored,
        Ok((_, rest)) => return Err(format!("{} bytes too many", rest.len())),
        Err(error) => return Err(error.to_string()),
    };
    match stored {
        Stored::Samples(samples) => Ok(read_samples(&samples).into()),
        Stored::Logs(logs) => Ok(read_logs(&logs)?.into()),
        Stored::Notifications(json) => {
            let read: std::result::Result<Vec<Notification>, _> = serde_json::from_slice(json.0);
            read.map(Batch::Notifications).map_err(|error| error.to_string())
        }
    }
}

/// A batch of the one item at `index`; none if it has no such item.
pub fn item(batch: &Batch, index: usize) -> Option<Batch> {
    match batch {
        Batch::Samples(samples) => {
            let point = *samples.points().get(index)?;
            let series = samples.series().get(usize::try_from(point.series).ok()?)?.clone();
            let point = Point { series: 0, ..point };
            Some(Samples::from_parts(vec![series], vec![point], samples.complete_until()).into())
        }
        Batch::Logs(logs) => {
            let mut one = Logs::at(logs.complete_until());
            one.push(&logs.iter().nth(index)?).then(|| one.into())
        }
        Batch::Notifications(notifications) => {
            Some(Batch::Notifications(vec![notifications.get(index)?.clone()]))
        }
        _ => None,
    }
}

/// A series that stands in a batch more than once is written once.
fn store_samples(samples: &Samples) -> StoredSamples<'_> {
    let mut places = HashMap::new();
    let mut series = Vec::new();
    let mut moved = Vec::with_capacity(samples.series().len());
    for one in samples.series() {
        let place = *places.entry(one.address()).or_insert_with(|| {
            series.push(store_series(one));
            u32::try_from(series.len() - 1).unwrap_or(u32::MAX)
        });
        moved.push(place);
    }
    let points = samples.points().iter().map(|point| {
        let index = usize::try_from(point.series).unwrap_or(usize::MAX);
        // An index that names nothing still names nothing afterwards.
        let place = moved.get(index).copied().unwrap_or(u32::MAX);
        (place, point.flags, point.time.nanos(), point.value)
    });
    let points = points.collect();
    StoredSamples { complete_until: samples.complete_until().nanos(), series, points }
}

fn store_series(series: &Series) -> StoredSeries<'_> {
    let kind = match series.kind() {
        Kind::COUNTER => 1,
        Kind::STATE => 2,
        // A kind of a newer plugin is read as a gauge.
        _ => 0,
    };
    let labels = series.labels().collect();
    StoredSeries { name: series.name(), unit: series.unit(), kind, labels }
}

fn read_samples(stored: &StoredSamples<'_>) -> Samples {
    let series = stored.series.iter().map(|stored| {
        let series = match stored.kind {
            1 => Series::counter(stored.name, stored.unit),
            2 => Series::state(stored.name),
            _ => Series::gauge(stored.name, stored.unit),
        };
        stored
            .labels
            .iter()
            .fold(series, |series, (name, value)| series.label(*name, *value))
            .build()
    });
    let points = stored.points.iter().map(|&(series, flags, time, value)| Point {
        series,
        flags,
        time: Timestamp::from_nanos(time),
        value,
    });
    let until = Timestamp::from_nanos(stored.complete_until);
    Samples::from_parts(series.collect(), points.collect(), until)
}

fn store_log<'a>(record: &LogRecord<'a>) -> StoredLog<'a> {
    let offset = record.message.as_ptr().addr().checked_sub(record.raw.as_ptr().addr());
    let length = record.message.len();
    let message = match offset {
        Some(start) if start + length <= record.raw.len() => Message::Part { start, length },
        _ => Message::Own(Raw(record.message)),
    };
    StoredLog {
        time: record.time.nanos(),
        received: record.received.nanos(),
        raw: Raw(record.raw),
        message,
        json: Raw(record.json),
        peer: Raw(record.peer),
        host: Raw(record.host),
        application: Raw(record.application),
        process: Raw(record.process),
        message_id: Raw(record.message_id),
        pairs: record.pairs.iter().map(|(name, value)| (Raw(name), Raw(value))).collect(),
        facility: record.facility,
        severity: record.severity,
        flags: record.flags,
    }
}

fn read_logs(stored: &StoredLogs<'_>) -> Result<Logs> {
    let mut logs = Logs::at(Timestamp::from_nanos(stored.complete_until));
    for record in &stored.records {
        let message = match record.message {
            Message::Own(own) => own.0,
            Message::Part { start, length } => {
                let part = record.raw.0.get(start..start.saturating_add(length));
                part.ok_or("a message lies outside of its line")?
            }
        };
        let taken = logs.push(&LogRecord {
            time: Timestamp::from_nanos(record.time),
            received: Timestamp::from_nanos(record.received),
            raw: record.raw.0,
            message,
            json: record.json.0,
            peer: record.peer.0,
            host: record.host.0,
            application: record.application.0,
            process: record.process.0,
            message_id: record.message_id.0,
            pairs: record.pairs.iter().map(|(name, value)| (name.0, value.0)).collect(),
            facility: record.facility,
            severity: record.severity,
            flags: record.flags,
        });
        if !taken {
            return Err("its texts are over 4 GiB".into());
        }
    }
    Ok(logs)
}

#[cfg(test)]
mod tests {
    use haetae_plugin::{Alarm, Reason, Severity};
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    fn any_series() -> impl Strategy<Value = Series> {
        let label = ("\\PC{0,6}", "\\PC{0,6}");
        (select(vec![0, 1, 2]), "\\PC{0,8}", vec(label, 0..4)).prop_map(|(kind, name, labels)| {
            let series = match kind {
                0 => Series::gauge(name, "퍼센트"),
                1 => Series::counter(name, "bytes"),
                _ => Series::state(name),
            };
            labels
                .into_iter()
                .fold(series, |series, (name, value)| series.label(name, value))
                .build()
        })
    }

    fn any_value() -> impl Strategy<Value = f64> {
        // Any bits: every NaN, both infinities, both zeros, what is subnormal.
        prop_oneof![any::<u64>().prop_map(f64::from_bits), Just(f64::NAN), Just(f64::NEG_INFINITY)]
    }

    type Bytes = Vec<u8>;

    type AnyLog = (Vec<Bytes>, Vec<(Bytes, Bytes)>, [i64; 2], [u32; 3], bool);

    fn any_log() -> impl Strategy<Value = AnyLog> {
        let text = || vec(any::<u8>(), 0..12);
        (
            vec(text(), 8),
            vec((text(), text()), 0..3),
            any::<[i64; 2]>(),
            any::<[u32; 3]>(),
            any::<bool>(),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        #[test]
        fn samples_read_back_bit_by_bit(
            series in vec(any_series(), 1..5),
            points in vec((0_usize..6, select(vec![0, Point::END, Point::DELAYED, u32::MAX]), any::<i64>(), any_value()), 0..20),
            until in any::<i64>(),
        ) {
            let points: Vec<Point> = points.into_iter().map(|(index, flags, time, value)| Point {
                series: u32::try_from(index).unwrap(), flags, time: Timestamp::from_nanos(time), value,
            }).collect();
            // Handles that stand there twice, and indexes that name none.
            let doubled = series.iter().chain(&series).cloned().collect();
            let samples = Samples::from_parts(doubled, points, Timestamp::from_nanos(until));
            let Batch::Samples(read) = decode(&encode(&samples.clone().into()).unwrap()).unwrap() else { panic!() };
            let all = |samples: &Samples| samples.iter().map(|(series, point)| (
                series.to_string(), series.unit().to_owned(), series.kind(), point.flags, point.time, point.value.to_bits(),
            )).collect::<Vec<_>>();
            prop_assert_eq!(all(&read), all(&samples));
            prop_assert_eq!(read.points().len(), samples.points().len());
            prop_assert_eq!(read.complete_until(), samples.complete_until());
            prop_assert!(read.series().len() <= series.len());
        }

        #[test]
        fn logs_read_back_byte_by_byte(records in vec(any_log(), 0..6), until in any::<i64>()) {
            let mut logs = Logs::at(Timestamp::from_nanos(until));
            for (texts, pairs, times, numbers, part) in &records {
                let raw = &texts[0][..];
                let taken = logs.push(&LogRecord {
                    time: Timestamp::from_nanos(times[0]),
                    received: Timestamp::from_nanos(times[1]),
                    raw,
                    message: if *part { &raw[raw.len() / 2..] } else { &texts[1] },
                    json: &texts[2],
                    peer: &texts[3],
                    host: &texts[4],
                    application: &texts[5],
                    process: &texts[6],
                    message_id: &texts[7],
                    pairs: pairs.iter().map(|(name, value)| (&name[..], &value[..])).collect(),
                    facility: numbers[0],
                    severity: numbers[1],
                    flags: numbers[2],
                });
                prop_assert!(taken);
            }
            let Batch::Logs(read) = decode(&encode(&logs.clone().into()).unwrap()).unwrap() else { panic!() };
            prop_assert_eq!(read.iter().collect::<Vec<_>>(), logs.iter().collect::<Vec<_>>());
            prop_assert_eq!(read.complete_until(), logs.complete_until());
        }

        #[test]
        fn bytes_that_are_no_batch_are_refused_and_nothing_else(bytes in vec(any::<u8>(), 0..200)) {
            if let Ok(batch) = decode(&bytes) {
                prop_assert!(encode(&batch).is_ok());
            }
        }
    }

    #[test]
    fn notifications_read_back() {
        let mut alarm =
            Alarm::firing("a".into(), "cpu".into(), Severity::Critical, Timestamp::from_seconds(7));
        alarm.summary = "메모리가 모자랍니다".into();
        alarm.value = Some(95.5);
        let sent = vec![Notification::of(alarm, Reason::First, Timestamp::from_seconds(9))];
        let bytes = encode(&Batch::Notifications(sent.clone())).unwrap();
        let Batch::Notifications(read) = decode(&bytes).unwrap() else { panic!() };
        assert_eq!(read, sent);
        assert_eq!(
            decode(&bytes[..bytes.len() - 1]).unwrap_err(),
            "Hit the end of buffer, expected more data"
        );
    }

    #[test]
    fn an_item_is_a_batch_of_its_own() {
        let series = |name: &str| Series::gauge(name, "1").build();
        let samples =
            Samples::at(Timestamp::from_seconds(1)).with(&series("a"), 1.0).with(&series("b"), 2.0);
        let Some(Batch::Samples(one)) = item(&samples.clone().into(), 1) else { panic!() };
        let all: Vec<_> = one.iter().map(|(series, point)| (series.name(), point.value)).collect();
        assert_eq!(all, [("b", 2.0)]);
        assert!(item(&samples.into(), 2).is_none());
        let mut logs = Logs::default();
        assert!(logs.push(&LogRecord { raw: b"one", ..LogRecord::default() }));
        assert!(logs.push(&LogRecord { raw: b"two\xff", ..LogRecord::default() }));
        let Some(Batch::Logs(one)) = item(&logs.into(), 1) else { panic!() };
        assert_eq!(one.iter().next().unwrap().raw, b"two\xff");
    }
}
