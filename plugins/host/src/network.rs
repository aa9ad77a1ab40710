//! Network interfaces.

use std::{collections::HashMap, fs, net::IpAddr, sync::Arc};

use haetae_plugin::{Error, Result, Samples};
use sysinfo::Networks;

use crate::{
    family::{Family, Machine, counter, gauge, value},
    options::Options,
    pattern::{Pattern, included},
    roster::Roster,
};

/// One network interface.
pub(crate) static NETWORK: Family = Family {
    resource: "network",
    labels: &["interface"],
    measures: &[
        counter("network_received_bytes", "bytes", "Bytes that were received."),
        counter("network_sent_bytes", "bytes", "Bytes that were sent."),
        counter("network_received_packets", "1", "Packets that were received."),
        counter("network_sent_packets", "1", "Packets that were sent."),
        counter("network_received_drops", "1", "Packets that were received and dropped."),
        counter("network_sent_drops", "1", "Packets that were dropped before they were sent."),
        counter("network_received_errors", "1", "Packets that came damaged."),
        counter("network_sent_errors", "1", "Packets that could not be sent."),
        gauge("network_mtu_bytes", "bytes", "The largest packet."),
    ],
};

/// Measures network interfaces.
pub(crate) struct Network {
    interfaces: Networks,
    exclude: Vec<Pattern>,
    roster: Roster<String>,
}

impl Network {
    /// Measures `interfaces`.
    pub(crate) fn open(machine: &Arc<Machine>, interfaces: Networks, options: &Options) -> Self {
        let roster = Roster::new(&NETWORK, machine);
        Self { interfaces, exclude: options.exclude_interfaces.clone(), roster }
    }

    /// Adds each interface.
    pub(crate) fn collect(&mut self, samples: &mut Samples) -> Result<()> {
        self.interfaces.refresh(true);
        let text = fs::read_to_string("/proc/net/dev");
        let text = text.map_err(|error| Error::from(error).context("/proc/net/dev"))?;
        let drops: HashMap<_, _> = text.lines().filter_map(drops).collect();
        for (name, interface) in &self.interfaces {
            let name = name.to_string_lossy();
            if !included(&name, &self.exclude) {
                continue;
            }
            let dropped = drops.get(name.as_ref());
            let values = [
                Some(interface.total_received()),
                Some(interface.total_transmitted()),
                Some(interface.total_packets_received()),
                Some(interface.total_packets_transmitted()),
                dropped.map(|[received, _]| *received),
                dropped.map(|[_, sent]| *sent),
                Some(interface.total_errors_on_received()),
                Some(interface.total_errors_on_transmitted()),
                Some(interface.mtu()),
            ];
            let values = values.map(|count| count.map(value));
            self.roster.push(samples, name.clone().into_owned(), &[&name], &values);
        }
        self.roster.retire(samples);
        Ok(())
    }
}

/// The interface of a line of `/proc/net/dev`, and its drops on receipt and on sending.
fn drops(line: &str) -> Option<(&str, [u64; 2])> {
    let (name, counts) = line.split_once(':')?;
    let mut counts = counts.split_ascii_whitespace();
    let received = counts.nth(3)?.parse().ok()?;
    let sent = counts.nth(7)?.parse().ok()?;
    Some((name.trim(), [received, sent]))
}

/// The address that people would name: the only one that leads outside. Empty if there are more.
pub(crate) fn obvious_address(interfaces: &Networks, exclude: &[Pattern]) -> String {
    let measured = interfaces.iter().filter(|(name, _)| included(&name.to_string_lossy(), exclude));
    let addresses = measured.flat_map(|(_, interface)| interface.ip_networks());
    obvious(addresses.map(|network| network.addr).collect())
}

fn obvious(addresses: Vec<IpAddr>) -> String {
    let outside = |address: &IpAddr| match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
    };
    let (v4, v6): (Vec<_>, Vec<_>) =
        addresses.into_iter().filter(outside).partition(IpAddr::is_ipv4);
    match (v4.as_slice(), v6.as_slice()) {
        ([only], _) | ([], [only]) => only.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_stand_in_the_fourth_column_of_each_half() {
        assert_eq!(drops(" eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"), Some(("eth0", [4, 12])));
        assert_eq!(drops("eth0:1 2 3 4 5 6 7 8 9 10 11 12"), Some(("eth0", [4, 12])));
        assert_eq!(drops(" face |bytes    packets errs drop"), None);
        assert_eq!(drops("eth0: 1 2 3 4"), None);
    }

    #[test]
    fn an_address_is_obvious_if_it_is_the_only_one() {
        for (addresses, expected) in [
            (vec!["127.0.0.1", "10.0.0.5", "fd00::2", "fe80::1"], "10.0.0.5"),
            (vec!["::1", "fd00::2", "fe80::1", "169.254.1.1"], "fd00::2"),
            (vec!["10.0.0.5", "10.0.0.6"], ""),
            (vec!["10.0.0.5", "192.168.0.6", "fd00::2"], ""),
            (vec!["fd00::2", "fd00::3"], ""),
            (vec![], ""),
        ] {
            let parsed = addresses.iter().map(|address| address.parse().unwrap()).collect();
            assert_eq!(obvious(parsed), expected, "{addresses:?}");
        }
    }
}
