//! Addresses, as far as networks tell them apart.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One address of every kind: networks begin and end somewhere, and between two such places all are alike.
pub(super) fn samples<'n>(networks: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut found: BTreeSet<IpAddr> = BTreeSet::new();
    found.insert(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    found.insert(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)));
    for network in networks {
        let Some((base, length)) = network.split_once('/') else { continue };
        let (Ok(base), Ok(length)) = (base.parse::<IpAddr>(), length.parse::<u32>()) else { continue };
        match base {
            IpAddr::V4(base) => {
                let first = u32::from(base);
                let last = first | u32::MAX.checked_shr(length).unwrap_or(0);
                let ends = [Some(first), Some(last), first.checked_sub(1), last.checked_add(1)];
                found.extend(ends.into_iter().flatten().map(|address| IpAddr::V4(address.into())));
            }
            IpAddr::V6(base) => {
                let first = u128::from(base);
                let last = first | u128::MAX.checked_shr(length).unwrap_or(0);
                let ends = [Some(first), Some(last), first.checked_sub(1), last.checked_add(1)];
                found.extend(ends.into_iter().flatten().map(|address| IpAddr::V6(address.into())));
            }
        }
    }
    found.into_iter().map(|address| address.to_string()).collect()
}
