//! `net.cidr_*`, as Go's `net` reads addresses and networks.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use regorus::Value;

use crate::collections;
use crate::eval::context::Context;
use crate::eval::order;
use crate::eval::table::Unanswered;

type Answer = Result<Value, Unanswered>;

/// Hosts of a network that is written out address by address, in bits.
const MAX_EXPANDED_BITS: u32 = 16;
/// `::ffff:0:0/96`, the IPv4 addresses.
const MAPPED: u128 = 0xFFFF << 32;

/// An address as Go keeps it: sixteen bytes, of which IPv4 are a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Address(u128);

/// A network: `ip` has no host bits, `ones` is the length of its prefix in `bits` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    ip: Address,
    ones: u32,
    bits: u32,
}

impl Address {
    /// `net.ParseIP`: no zone.
    fn read(text: &str) -> Option<Self> {
        Some(match text.parse::<IpAddr>().ok()? {
            IpAddr::V4(ip) => Self(MAPPED | u128::from(u32::from(ip))),
            IpAddr::V6(ip) => Self(u128::from(ip)),
        })
    }

    fn is_four(self) -> bool {
        self.0 >> 32 == MAPPED >> 32
    }

    fn text(self) -> String {
        match u32::try_from(self.0 & 0xFFFF_FFFF) {
            Ok(low) if self.is_four() => Ipv4Addr::from(low).to_string(),
            _ => Ipv6Addr::from(self.0).to_string(),
        }
    }
}

/// `count` bits, from the lowest.
fn low_bits(count: u32) -> u128 {
    u128::MAX.checked_shr(128_u32.saturating_sub(count)).unwrap_or(0)
}

impl Network {
    /// `net.ParseCIDR`
    fn read(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        if length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        // Whatever the digits, a number too large is no length.
        let ones = length.parse::<u32>().ok()?;
        let bits = if address.contains(':') { 128 } else { 32 };
        let ip = Address::read(address)?;
        (ones <= bits).then(|| Self { ip: Address(ip.0 & !low_bits(bits.saturating_sub(ones))), ones, bits })
    }

    fn host_bits(self) -> u32 {
        self.bits.saturating_sub(self.ones)
    }

    fn last(self) -> Address {
        Address(self.ip.0 | low_bits(self.host_bits()))
    }

    /// Go takes a network for IPv4 by its address, not by how it was written, and never finds an address
    /// of one kind in a network of the other.
    fn contains(self, address: Address) -> bool {
        self.ip.is_four() == address.is_four() && (self.ip.0 ^ address.0) & !low_bits(self.host_bits()) == 0
    }

    fn is_plain_six(self) -> bool {
        self.bits == 128 && !self.ip.is_four()
    }
}

/// The number of the address that a text is: networks are ranges of such numbers.
pub(in crate::eval) fn number(text: &str) -> Option<Value> {
    Address::read(text).map(|address| Value::from(address.0))
}

/// The numbers of the first and the last address of a network.
pub fn network(text: &str) -> Option<(Value, Value)> {
    let network = Network::read(text)?;
    Some((Value::from(network.ip.0), Value::from(network.last().0)))
}

fn boolean(answer: Option<bool>) -> Answer {
    Ok(answer.map_or(Value::Undefined, Value::Bool))
}

fn contained(network: &str, other: &str) -> Option<bool> {
    let network = Network::read(network)?;
    if let Some(address) = Address::read(other) {
        return Some(network.contains(address));
    }
    let other = Network::read(other)?;
    if network.is_plain_six() && other.is_plain_six() {
        let same = (network.ip.0 ^ other.ip.0) & !low_bits(network.host_bits()) == 0;
        return Some(network.ones <= other.ones && same);
    }
    Some(network.contains(other.ip) && network.contains(other.last()))
}

/// `net.cidr_contains(network, network_or_address)`
pub(in crate::eval) fn contains(args: &[Value], _: &Context) -> Answer {
    let [Value::String(a), Value::String(b)] = args else { return Ok(Value::Undefined) };
    boolean(contained(a, b))
}

/// `net.cidr_intersects(network, network)`
pub(in crate::eval) fn intersects(args: &[Value], _: &Context) -> Answer {
    let [Value::String(a), Value::String(b)] = args else { return Ok(Value::Undefined) };
    let (Some(a), Some(b)) = (Network::read(a), Network::read(b)) else { return Ok(Value::Undefined) };
    boolean(Some(a.contains(b.ip) || b.contains(a.ip)))
}

/// `net.cidr_is_valid(text)`
pub(in crate::eval) fn is_valid(args: &[Value], _: &Context) -> Answer {
    boolean(Some(matches!(args, [Value::String(text)] if Network::read(text).is_some())))
}

/// Steps for writing a network out.
pub(in crate::eval) fn expand_cost(args: &[Value], _: u64) -> u64 {
    let [Value::String(text)] = args else { return 0 };
    let bits = Network::read(text).map_or(0, Network::host_bits).min(MAX_EXPANDED_BITS);
    1_u64.checked_shl(bits).unwrap_or(u64::MAX)
}

/// `net.cidr_expand(network)`: every address in it. Beyond 65,536 of them it is refused.
pub(in crate::eval) fn expand(args: &[Value], _: &Context) -> Answer {
    let [Value::String(text)] = args else { return Ok(Value::Undefined) };
    let Some(network) = Network::read(text) else { return Ok(Value::Undefined) };
    if network.host_bits() > MAX_EXPANDED_BITS {
        return Err(Unanswered::Inexact);
    }
    let (first, last) = (network.ip.0, network.last().0);
    Ok(collections::set((first..=last).map(|ip| Value::from(Address(ip).text()))))
}

/// What one operand of [`contains_matches`] holds: texts, each with what stands for it in the answer.
/// `None` if one of them is neither a text nor an array that begins with something.
fn choices(operand: &Value) -> Vec<(Option<Value>, Value)> {
    let first = |value: &Value| match value {
        Value::String(_) => Some(value.clone()),
        Value::Array(items) => items.first().cloned(),
        _ => None,
    };
    match operand {
        Value::String(_) => vec![(Some(operand.clone()), operand.clone())],
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, item)| (first(item), Value::from(at))).collect()
        }
        Value::Set(items) => {
            order::sorted(items.iter_sorted()).into_iter().map(|item| (first(item), item.clone())).collect()
        }
        Value::Object(fields) => {
            fields.iter_sorted().map(|(key, value)| (first(value), key.clone())).collect()
        }
        _ => Vec::new(),
    }
}

/// Steps for comparing all with all.
pub(in crate::eval) fn matches_cost(args: &[Value], _: u64) -> u64 {
    let size = |value: &Value| match value {
        Value::Array(items) => items.len(),
        Value::Set(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 1,
    };
    args.iter().map(|arg| u64::try_from(size(arg)).unwrap_or(u64::MAX)).fold(1, u64::saturating_mul)
}

/// `net.cidr_contains_matches(networks, networks_or_addresses)`: which of the first contain which of the
/// second.
pub(in crate::eval) fn contains_matches(args: &[Value], _: &Context) -> Answer {
    let [networks, others] = args else { return Ok(Value::Undefined) };
    let (networks, others) = (choices(networks), choices(others));
    let mut found = BTreeSet::new();
    for (network, named) in &networks {
        let Some(network) = network else { return Ok(Value::Undefined) };
        for (other, as_well) in &others {
            let (Value::String(network), Some(Value::String(other))) = (network, other) else {
                return Ok(Value::Undefined);
            };
            match contained(network, other) {
                None => return Ok(Value::Undefined),
                Some(true) => found.insert(Value::from(vec![named.clone(), as_well.clone()])),
                Some(false) => false,
            };
        }
    }
    Ok(Value::from(found))
}

/// A range of addresses to be merged; `network` is what it was written as, until it is merged.
struct Range {
    first: Address,
    last: Address,
    network: Option<(Address, u32)>,
}

impl Range {
    /// An address alone stands for the network of its class, as it did before there were prefixes.
    fn read(text: &str) -> Result<Option<Self>, Unanswered> {
        let (ip, network) = match (Address::read(text), Network::read(text)) {
            (Some(ip), _) if ip.is_four() => {
                let ones = match ip.0 >> 24 & 0xFF {
                    ..0x80 => 8,
                    0x80..0xC0 => 16,
                    _ => 24,
                };
                let first = Address(ip.0 & !low_bits(32_u32.saturating_sub(ones)));
                (ip, Network { ip: first, ones, bits: 32 })
            }
            (Some(_), _) | (None, None) => return Ok(None),
            // OPA loses count of the bytes of an IPv4 network written as IPv6.
            (_, Some(network)) if network.bits == 128 && network.ip.is_four() => {
                return Err(Unanswered::Inexact);
            }
            (_, Some(network)) => (network.ip, network),
        };
        Ok(Some(Self { first: network.ip, last: network.last(), network: Some((ip, network.ones)) }))
    }

    /// The fewest networks that make up the range.
    fn networks(&self) -> Result<Vec<(Address, u32)>, Unanswered> {
        if let Some(network) = self.network {
            return Ok(vec![network]);
        }
        let (first, last) = (self.first.0, self.last.0);
        let bits = if self.first.is_four() { 32 } else { 128 };
        let spanning = first & !low_bits(128_u32.saturating_sub((first ^ last).leading_zeros()));
        // OPA drops the leading bytes of such a network and then falls over.
        if bits == 128 && spanning != 0 && spanning.leading_zeros() >= 8 {
            return Err(Unanswered::Inexact);
        }
        let mut networks = Vec::new();
        let mut at = first;
        loop {
            let aligned = at.trailing_zeros().min(bits);
            let fits = last.wrapping_sub(at).wrapping_add(1).checked_ilog2().unwrap_or(128);
            let size = aligned.min(fits);
            networks.push((Address(at), bits.saturating_sub(size)));
            let end = at | low_bits(size);
            if end >= last {
                return Ok(networks);
            }
            at = end.saturating_add(1);
        }
    }
}

/// Steps for sorting and for networks made anew.
pub(in crate::eval) fn merge_cost(args: &[Value], most: u64) -> u64 {
    matches_cost(args, most).saturating_mul(16)
}

/// `net.cidr_merge(networks)`: neighbours and what overlaps put together.
pub(in crate::eval) fn merge(args: &[Value], _: &Context) -> Answer {
    let items: Vec<&Value> = match args {
        [Value::Array(items)] => items.iter().collect(),
        [Value::Set(items)] => items.iter().collect(),
        _ => return Ok(Value::Undefined),
    };
    let mut ranges = Vec::with_capacity(items.len());
    let mut inexact = false;
    for item in items {
        let Value::String(text) = item else { return Ok(Value::Undefined) };
        match Range::read(text) {
            Ok(Some(range)) => ranges.push(range),
            Ok(None) => return Ok(Value::Undefined),
            Err(_) => inexact = true,
        }
    }
    if inexact {
        return Err(Unanswered::Inexact);
    }
    let mut ranges = collections::sorted(ranges, |a, b| (a.last, a.first).cmp(&(b.last, b.first)));
    let mut merged: Vec<Range> = Vec::new();
    while let Some(mut range) = ranges.pop() {
        while let Some(before) = ranges.pop_if(|before| touches(before, &range)) {
            if before.first.is_four() != range.first.is_four()
                || before.last.is_four() != range.last.is_four()
            {
                return Err(Unanswered::Inexact);
            }
            range = Range { first: before.first.min(range.first), last: range.last, network: None };
        }
        merged.push(range);
    }
    let mut texts = BTreeSet::new();
    for range in merged {
        for (ip, ones) in range.networks()? {
            texts.insert(Value::from(format!("{}/{ones}", ip.text())));
        }
    }
    Ok(Value::from(texts))
}

/// Whether nothing lies between two ranges; before the first address of its kind there is nothing.
fn touches(before: &Range, range: &Range) -> bool {
    let first = range.first.0;
    let previous = if first == MAPPED { first } else { first.saturating_sub(1) };
    previous <= before.last.0
}
