//! Conditions: what has to hold besides caller and target, as alternatives of tests that must all hold.

use std::net::IpAddr;

use super::policy::{Source, When};
use super::reasons::{Narrowing, Reason};
use super::translate::{Effect, Notes};
use crate::declare::{FORGEABLE, HeaderTest, Test, words};

/// Any of these; each is a list of tests that must all hold.
pub(super) type Alternatives = Vec<Vec<Test>>;

const CLAIM: &str = "declarations compare claims with whole texts, and have no patterns for them";
const REMOTE: &str = "a policy's input has the address of the connection alone";

/// The conditions of a source: tokens and addresses.
pub(super) fn of_source(
    source: &Source,
    effect: Effect,
    notes: &mut Notes,
) -> Result<Vec<Alternatives>, Reason> {
    for (field, texts, why) in [
        ("remoteIpBlocks", &source.remote_ip_blocks, REMOTE),
        ("notRemoteIpBlocks", &source.not_remote_ip_blocks, REMOTE),
        (
            "notRequestPrincipals",
            &source.not_request_principals,
            "a claim that is not something cannot be said",
        ),
    ] {
        if !texts.0.is_empty() {
            return Err(Reason::Field(field, why));
        }
    }
    let mut all = Vec::new();
    if !source.ip_blocks.0.is_empty() {
        all.push(networks("ipBlocks", &source.ip_blocks.0, effect, notes)?);
    }
    if !source.not_ip_blocks.0.is_empty() {
        all.push(other_networks("notIpBlocks", &source.not_ip_blocks.0, effect, notes)?);
    }
    if !source.request_principals.0.is_empty() {
        all.push(request_principals(&source.request_principals.0, effect, notes)?);
    }
    Ok(all)
}

/// A condition of `when` that is neither about who calls nor about the port.
pub(super) fn of_when(when: &When, effect: Effect, notes: &mut Notes) -> Result<Vec<Alternatives>, Reason> {
    let When { key, values, not_values } = when;
    let (values, not_values) = (&values.0, &not_values.0);
    let refused = |why| Reason::Attribute(key.clone(), why);
    let mut all = Vec::new();
    if key == "source.ip" {
        if !values.is_empty() {
            all.push(networks("source.ip", values, effect, notes)?);
        }
        if !not_values.is_empty() {
            all.push(other_networks("source.ip", not_values, effect, notes)?);
        }
        return Ok(all);
    }
    if let Some(name) = bracketed(key, "request.headers") {
        return headers(key, name, values, not_values, effect, notes);
    }
    let is_token = key.starts_with("request.auth.");
    if is_token && !not_values.is_empty() {
        return Err(refused("a claim that is not something cannot be said"));
    }
    match key.as_str() {
        "request.auth.principal" => all.push(request_principals(values, effect, notes)?),
        "request.auth.audiences" => all.push(claim(vec!["aud".to_owned()], values, effect, notes)?),
        "request.auth.presenter" => all.push(claim(vec!["azp".to_owned()], values, effect, notes)?),
        "remote.ip" => return Err(refused(REMOTE)),
        "destination.ip" => return Err(refused("declarations do not look at the address that is called")),
        "connection.sni" => return Err(refused("declarations do not look at the name of the TLS handshake")),
        _ => {
            let names = key.strip_prefix("request.auth.claims").and_then(nested);
            let names = names.ok_or_else(|| refused("declarations have no word for this attribute"))?;
            all.push(claim(names, values, effect, notes)?);
        }
    }
    Ok(all)
}

/// `[NAME]` after `prefix`.
fn bracketed<'k>(key: &'k str, prefix: &str) -> Option<&'k str> {
    key.strip_prefix(prefix)?.strip_prefix('[')?.strip_suffix(']')
}

/// `[a][b]`: names on the way to a claim.
fn nested(text: &str) -> Option<Vec<String>> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let names: Vec<String> = inner.split("][").map(str::to_owned).collect();
    let is_plain = |name: &String| !name.is_empty() && name.len() <= 256 && !name.contains(['[', ']']);
    (names.len() <= 8 && names.iter().all(is_plain)).then_some(names)
}

fn claim(
    names: Vec<String>,
    values: &[String],
    effect: Effect,
    notes: &mut Notes,
) -> Result<Alternatives, Reason> {
    if let Some(value) = values.iter().find(|value| value.contains('*')) {
        return Err(Reason::Value { field: "claim", value: value.clone(), why: CLAIM });
    }
    if effect == Effect::Deny {
        notes.insert(Narrowing::Claim);
    }
    Ok(vec![vec![Test::Claim(names, super::callers::once(values.to_vec()))]])
}

/// `ISS/SUB`: both claims are texts, or Envoy refuses the token.
fn request_principals(values: &[String], effect: Effect, notes: &mut Notes) -> Result<Alternatives, Reason> {
    let mut all = Vec::new();
    for value in values {
        let refused = |why| Reason::Value { field: "requestPrincipals", value: value.clone(), why };
        if value.contains('*') {
            return Err(refused(CLAIM));
        }
        let (issuer, subject) =
            value.rsplit_once('/').ok_or_else(|| refused("expected an issuer, `/` and a subject"))?;
        if issuer.is_empty() || subject.is_empty() {
            return Err(refused("expected an issuer, `/` and a subject"));
        }
        let exact = |name: &str, text: &str| Test::Claim(vec![name.to_owned()], vec![text.to_owned()]);
        all.push(vec![exact("iss", issuer), exact("sub", subject)]);
    }
    if effect == Effect::Deny {
        notes.insert(Narrowing::Claim);
    }
    Ok(all)
}

fn headers(
    key: &str,
    name: &str,
    values: &[String],
    not_values: &[String],
    effect: Effect,
    notes: &mut Notes,
) -> Result<Vec<Alternatives>, Reason> {
    let refused = |why| Reason::Attribute(key.to_owned(), why);
    let name = words::header_name(name).map_err(|_| refused("expected the name of a header"))?;
    if FORGEABLE.contains(&name.as_str()) {
        return Err(refused("a caller can write this header, so that a declaration does not go by it"));
    }
    let mut all = Vec::new();
    let test = |test| vec![Test::Header(name.clone(), test)];
    if values.iter().any(|value| value == "*") {
        all.push(vec![test(HeaderTest::Present)]);
    } else if !values.is_empty() {
        let mut alternatives = Vec::new();
        for value in values {
            alternatives.push(test(header(value, effect, notes).map_err(refused)?));
        }
        all.push(super::callers::once(alternatives));
    }
    match not_values {
        [] => {}
        // Not there: every value is another than this one.
        values if values.iter().any(|value| value == "*") => all.push(vec![test(HeaderTest::Absent)]),
        _ => return Err(refused("a header that is not something cannot be said, but for `*`: not there")),
    }
    Ok(all)
}

fn header(value: &str, effect: Effect, notes: &mut Notes) -> Result<HeaderTest, &'static str> {
    let (text, is_prefix) = match value.strip_suffix('*') {
        Some(text) => (text, true),
        None => (value, false),
    };
    if text.contains('*') {
        return Err("declarations have no word for the end of a value");
    }
    if words::header_value(text).is_err() {
        return Err("expected printable ASCII without spaces at its ends");
    }
    // Bytes that are no UTF-8 read as `!` in a policy's input.
    if text.contains('!') && effect == Effect::Allow {
        return Err("a policy reads `!` for other characters, too");
    }
    // Envoy compares each value by itself, older ones all of them joined by commas.
    if text.contains(',') {
        return Err("a comma parts the values of a header");
    }
    notes.insert(match effect {
        Effect::Allow => Narrowing::Header,
        Effect::Deny => Narrowing::HeaderDeny,
    });
    Ok(if is_prefix { HeaderTest::Prefix(text.to_owned()) } else { HeaderTest::Exact(text.to_owned()) })
}

fn networks(
    field: &'static str,
    values: &[String],
    _: Effect,
    notes: &mut Notes,
) -> Result<Alternatives, Reason> {
    let all =
        values.iter().map(|value| network(field, value).map(Network::text)).collect::<Result<Vec<_>, _>>()?;
    notes.insert(Narrowing::Source);
    Ok(vec![vec![Test::Source(super::callers::once(all))]])
}

/// All networks but these, which are networks again.
fn other_networks(
    field: &'static str,
    values: &[String],
    _: Effect,
    notes: &mut Notes,
) -> Result<Alternatives, Reason> {
    let without = values.iter().map(|value| network(field, value)).collect::<Result<Vec<_>, _>>()?;
    let everything =
        [Network { is_v4: true, bits: 0, length: 0 }, Network { is_v4: false, bits: 0, length: 0 }];
    let mut rest = Vec::new();
    for network in everything {
        network.minus(&without, &mut rest);
    }
    if rest.len() > 512 {
        return Err(Reason::TooMany);
    }
    notes.insert(Narrowing::Source);
    let rest: Vec<String> = rest.into_iter().map(Network::text).collect();
    // Nobody is anywhere else: no alternative holds.
    Ok(if rest.is_empty() { Vec::new() } else { vec![vec![Test::Source(rest)]] })
}

/// A network: the first `length` of the bits, which are the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    is_v4: bool,
    bits: u128,
    length: u32,
}

/// A network as Envoy reads it: bits after the prefix count for nothing.
fn network(field: &'static str, value: &str) -> Result<Network, Reason> {
    let refused =
        || Reason::Value { field, value: value.to_owned(), why: "expected an address or a network" };
    let (address, length) = match value.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (value, None),
    };
    let address: IpAddr = address.parse().map_err(|_| refused())?;
    let (is_v4, bits, most) = match address {
        IpAddr::V4(v4) => (true, u128::from(u32::from(v4)) << 96, 32),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => return Err(refused()),
        IpAddr::V6(v6) => (false, u128::from(v6), 128),
    };
    let length = match length {
        None => most,
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse::<u32>().ok().filter(|length| *length <= most).ok_or_else(refused)?
        }
        Some(_) => return Err(refused()),
    };
    Ok(Network { is_v4, bits: bits & mask(length), length })
}

/// The highest `length` bits.
fn mask(length: u32) -> u128 {
    u128::MAX.checked_shr(length).map_or(u128::MAX, |rest| !rest)
}

impl Network {
    fn text(self) -> String {
        let Self { is_v4, bits, length } = self;
        let address = match is_v4 {
            true => IpAddr::V4(u32::try_from(bits >> 96).unwrap_or_default().into()),
            false => IpAddr::V6(bits.into()),
        };
        format!("{address}/{length}")
    }

    fn holds(self, other: Self) -> bool {
        self.is_v4 == other.is_v4
            && self.length <= other.length
            && other.bits & mask(self.length) == self.bits
    }

    /// What is left of it without others, as networks.
    fn minus(self, without: &[Self], rest: &mut Vec<Self>) {
        if without.iter().any(|other| other.holds(self)) || rest.len() > 512 {
            return;
        }
        if !without.iter().any(|other| self.holds(*other)) {
            rest.push(self);
            return;
        }
        let length = self.length.saturating_add(1);
        let bit = mask(length) ^ mask(self.length);
        for bits in [self.bits, self.bits | bit] {
            Self { bits, length, ..self }.minus(without, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_left_of_all_networks() {
        let others = |values: &[&str]| {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            match other_networks("x", &values, Effect::Deny, &mut Notes::new()).unwrap().pop().unwrap().pop()
            {
                Some(Test::Source(networks)) => networks,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(others(&["128.0.0.0/1"]), ["0.0.0.0/1", "::/0"]);
        assert_eq!(others(&["0.0.0.0/0", "8000::/2", "4000::/2"]), ["::/2", "c000::/2"]);
        assert_eq!(others(&["10.1.2.3/8"]).len(), 9);
        assert_eq!(others(&["10.1.2.3"]).len(), 33);
        let all = ["0.0.0.0/0".to_owned(), "::/0".to_owned()];
        assert!(other_networks("x", &all, Effect::Deny, &mut Notes::new()).unwrap().is_empty());
    }

    #[test]
    fn names_of_claims() {
        assert_eq!(nested("[a]"), Some(vec!["a".to_owned()]));
        assert_eq!(nested("[a][b.c]"), Some(vec!["a".to_owned(), "b.c".to_owned()]));
        for bad in ["", "[]", "a", "[a", "[a[b]]", "[a][]", "[a]b[c]"] {
            assert_eq!(nested(bad), None, "{bad}");
        }
    }
}
