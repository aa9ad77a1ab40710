//! Rosters: things that come and go, each with series that are built once.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use haetae_plugin::{Samples, Series};

use crate::family::{Family, Machine};

/// The known things of a family. `K` tells one from another as its labels do.
pub(crate) struct Roster<K> {
    family: &'static Family,
    machine: Arc<Machine>,
    members: HashMap<K, Member>,
}

struct Member {
    series: Box<[Series]>,
    /// Pushed since the last `retire`.
    present: bool,
}

impl<K: Eq + Hash> Roster<K> {
    /// A roster without members.
    pub(crate) fn new(family: &'static Family, machine: &Arc<Machine>) -> Self {
        Self { family, machine: Arc::clone(machine), members: HashMap::new() }
    }

    /// Pushes the values of one thing, in the order of the family's measures.
    pub(crate) fn push(
        &mut self,
        samples: &mut Samples,
        key: K,
        labels: &[&str],
        values: &[Option<f64>],
    ) {
        let member = self.members.entry(key).or_insert_with(|| Member {
            series: self.family.series(&self.machine, labels),
            present: false,
        });
        member.present = true;
        for (series, value) in member.series.iter().zip(values) {
            if let Some(value) = value {
                samples.push(series, *value);
            }
        }
    }

    /// Ends the series of what was not pushed since the last time, and forgets it.
    pub(crate) fn retire(&mut self, samples: &mut Samples) {
        let now = samples.complete_until();
        self.members.retain(|_, member| {
            let present = std::mem::replace(&mut member.present, false);
            if !present {
                for series in &member.series {
                    samples.end(series, now);
                }
            }
            present
        });
    }
}

#[cfg(test)]
mod tests {
    use haetae_plugin::{Point, Timestamp};

    use super::*;
    use crate::network::NETWORK;

    fn roster() -> Roster<&'static str> {
        let machine = Machine { host: "web-1".into(), ip: String::new() };
        Roster::new(&NETWORK, &Arc::new(machine))
    }

    fn round(roster: &mut Roster<&'static str>, seconds: i64, present: &[&'static str]) -> Samples {
        let mut samples = Samples::at(Timestamp::from_seconds(seconds));
        for &key in present {
            roster.push(&mut samples, key, &[key], &[Some(1.0)]);
        }
        roster.retire(&mut samples);
        samples
    }

    #[test]
    fn a_series_is_built_once() {
        let mut roster = roster();
        let first = round(&mut roster, 1, &["eth0"]);
        let second = round(&mut roster, 2, &["eth0"]);
        assert!(first.series()[0].same_handle(&second.series()[0]));
        assert_eq!(
            first.series()[0].to_string(),
            r#"network_received_bytes{host="web-1",interface="eth0",plane="host",resource="network"}"#
        );
    }

    #[test]
    fn what_vanished_ends_once() {
        let mut roster = roster();
        round(&mut roster, 1, &["eth0", "eth1"]);
        let second = round(&mut roster, 2, &["eth0"]);
        let ended: Vec<_> = second.iter().filter(|(_, point)| point.has(Point::END)).collect();
        assert_eq!(ended.len(), NETWORK.measures.len());
        assert!(ended.iter().all(|(series, _)| series.label("interface") == Some("eth1")));
        assert!(ended.iter().all(|(_, point)| point.time == Timestamp::from_seconds(2)));
        assert_eq!(round(&mut roster, 3, &["eth0"]).points().len(), 1);
    }
}
