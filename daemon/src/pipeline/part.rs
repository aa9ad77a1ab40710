//! Parts of a batch: the records that a sink wants, those that are left, halves.

use std::{borrow::Cow, collections::BTreeMap};

use haetae_plugin::{Batch, LogRecord, Logs, Samples, Series};

use crate::engine::{Matcher, log};

/// Which records of one source a sink wants.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordFilter {
    /// The source.
    pub source: String,
    /// Its labels: those of a log record are not in it.
    pub labels: BTreeMap<String, String>,
    /// All must match.
    pub matchers: Vec<Matcher>,
}

impl RecordFilter {
    /// The indices of the records that are wanted.
    pub fn of(&self, batch: &Batch) -> Vec<usize> {
        match batch {
            Batch::Samples(samples) if !self.matchers.is_empty() => {
                indices(samples.iter().map(|(series, _)| self.is_series(series)))
            }
            Batch::Logs(logs) if !self.matchers.is_empty() => {
                indices(logs.iter().map(|record| self.is_record(&record)))
            }
            other => (0..other.len()).collect(),
        }
    }

    fn is_series(&self, series: &Series) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(series.label(matcher.label())))
    }

    fn is_record(&self, record: &LogRecord<'_>) -> bool {
        let label = |name: &str| -> Option<Cow<'_, str>> {
            log::label(record, name, &self.source, &self.labels)
        };
        self.matchers.iter().all(|matcher| matcher.matches(label(matcher.label()).as_deref()))
    }
}

fn indices(wanted: impl Iterator<Item = bool>) -> Vec<usize> {
    wanted.enumerate().filter(|(_, is_wanted)| *is_wanted).map(|(index, _)| index).collect()
}

/// The records of a batch at these indices, which ascend. Notifications are not cut here.
pub fn part(batch: &Batch, indices: &[usize]) -> Batch {
    if indices.len() == batch.len() {
        return batch.clone();
    }
    let mut wanted = indices.iter().peekable();
    let mut is_next = |index: usize| wanted.next_if(|wanted| **wanted == index).is_some();
    match batch {
        Batch::Samples(samples) => {
            let mut part = Samples::with_capacity(samples.complete_until(), indices.len());
            for (index, (series, point)) in samples.iter().enumerate() {
                if is_next(index) {
                    part.push_flagged(series, point.value, point.time, point.flags);
                }
            }
            Batch::Samples(part)
        }
        Batch::Logs(logs) => {
            let mut part = Logs::at(logs.complete_until());
            for (index, record) in logs.iter().enumerate() {
                if is_next(index) {
                    part.push(&record);
                }
            }
            Batch::Logs(part)
        }
        other => other.clone(),
    }
}

/// Both halves of a batch of samples or logs; none if it is one record.
pub fn halves(batch: &Batch) -> Option<[Batch; 2]> {
    if batch.len() < 2 || !matches!(batch, Batch::Samples(_) | Batch::Logs(_)) {
        return None;
    }
    let (first, second): (Vec<_>, Vec<_>) =
        (0..batch.len()).partition(|index| *index < batch.len() / 2);
    Some([part(batch, &first), part(batch, &second)])
}

#[cfg(test)]
mod tests {
    use haetae_plugin::{LogRecord, Timestamp};

    use super::*;

    fn samples(hosts: &[&str]) -> Batch {
        let mut samples = Samples::at(Timestamp::from_seconds(1));
        for (value, host) in (0_u32..).zip(hosts) {
            let series = Series::gauge("cpu", "percent").label("host", *host).build();
            samples.push(&series, f64::from(value));
        }
        samples.into()
    }

    fn values(batch: &Batch) -> Vec<f64> {
        let Batch::Samples(samples) = batch else { panic!("samples") };
        samples.points().iter().map(|point| point.value).collect()
    }

    fn logs(hosts: &[&str]) -> Batch {
        let mut logs = Logs::at(Timestamp::from_seconds(9));
        for (severity, host) in (0_u32..).zip(hosts) {
            let raw = format!("<1> {host} said");
            let raw = raw.as_bytes();
            logs.push(&LogRecord {
                raw,
                message: raw.get(4..).unwrap_or_default(),
                host: host.as_bytes(),
                pairs: vec![(b"origin.zone", host.as_bytes())],
                severity,
                ..LogRecord::default()
            });
        }
        logs.into()
    }

    fn lines(batch: &Batch) -> Vec<String> {
        let Batch::Logs(logs) = batch else { panic!("logs") };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        logs.iter().map(|record| text(record.raw) + "|" + &text(record.message)).collect()
    }

    fn wanted(matchers: &[&str]) -> RecordFilter {
        RecordFilter {
            source: "s".into(),
            labels: BTreeMap::from([("plane".to_owned(), "paas".to_owned())]),
            matchers: matchers.iter().map(|text| Matcher::parse(text).unwrap()).collect(),
        }
    }

    #[test]
    fn a_sink_gets_the_series_that_it_wants() {
        let batch = samples(&["a", "b", "a"]);
        let wanted = wanted(&[r#"host="a""#]).of(&batch);
        assert_eq!(wanted, [0, 2]);
        assert_eq!(values(&part(&batch, &wanted)), [0.0, 2.0]);
        assert_eq!(values(&part(&batch, &[0, 1, 2])), [0.0, 1.0, 2.0]);
    }

    #[test]
    fn a_sink_gets_the_log_records_that_it_wants() {
        let batch = logs(&["a", "b", "a"]);
        let cases = [
            (vec![r#"host="a""#], vec![0, 2]),
            (vec![r#"host="a""#, r#"severity="crit""#], vec![2]),
            (vec![r#"plane="paas""#, r#"host!="a""#], vec![1]),
            (vec![r#"origin.zone="b""#, r#"source="s""#], vec![1]),
            (vec![r#"source="other""#], vec![]),
            (vec![], vec![0, 1, 2]),
        ];
        for (matchers, expected) in cases {
            assert_eq!(wanted(&matchers).of(&batch), expected, "{matchers:?}");
        }
    }

    #[test]
    fn a_part_of_logs_has_its_records_whole() {
        let batch = logs(&["a", "b", "c"]);
        assert_eq!(lines(&part(&batch, &[1])), ["<1> b said|b said"]);
        let Batch::Logs(part) = part(&batch, &[0, 2]) else { panic!("logs") };
        assert_eq!(part.complete_until(), Timestamp::from_seconds(9));
        let Batch::Logs(whole) = &batch else { panic!("logs") };
        let (whole, part): (Vec<_>, Vec<_>) = (whole.iter().collect(), part.iter().collect());
        assert_eq!(part, [whole[0].clone(), whole[2].clone()]);
    }

    #[test]
    fn halves_are_all_of_a_batch_and_one_record_has_none() {
        let [first, second] = halves(&logs(&["a", "b", "c"])).unwrap();
        assert_eq!(lines(&first), ["<1> a said|a said"]);
        assert_eq!(lines(&second), ["<1> b said|b said", "<1> c said|c said"]);
        let [first, second] = halves(&samples(&["a", "b", "c"])).unwrap();
        assert_eq!((values(&first), values(&second)), (vec![0.0], vec![1.0, 2.0]));
        assert!(halves(&logs(&["a"])).is_none() && halves(&samples(&["a"])).is_none());
    }
}
