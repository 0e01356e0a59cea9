//! Extensions of certificates.

use std::net::{Ipv4Addr, Ipv6Addr};

use regorus::Value;

use super::name::{list, numbers};
use super::{Fields, base64, put, uri};
use crate::collections;
use crate::crypto::der::{BOOLEAN, Der, INTEGER, OCTET_STRING, SEQUENCE};
use crate::eval::extra::{Failed, UNSURE};

/// Lists, empty in a certificate that says nothing of them.
const LISTS: [&str; 22] = [
    "ExtraExtensions",
    "UnhandledCriticalExtensions",
    "ExtKeyUsage",
    "UnknownExtKeyUsage",
    "OCSPServer",
    "IssuingCertificateURL",
    "DNSNames",
    "EmailAddresses",
    "IPAddresses",
    "URIs",
    "URIStrings",
    "PermittedDNSDomains",
    "ExcludedDNSDomains",
    "PermittedIPRanges",
    "ExcludedIPRanges",
    "PermittedEmailAddresses",
    "ExcludedEmailAddresses",
    "PermittedURIDomains",
    "ExcludedURIDomains",
    "CRLDistributionPoints",
    "PolicyIdentifiers",
    "Policies",
];
const FLAGS: [&str; 7] = [
    "BasicConstraintsValid",
    "IsCA",
    "MaxPathLenZero",
    "PermittedDNSDomainsCritical",
    "InhibitAnyPolicyZero",
    "InhibitPolicyMappingZero",
    "RequireExplicitPolicyZero",
];
const NUMBERS: [&str; 5] =
    ["KeyUsage", "MaxPathLen", "InhibitAnyPolicy", "InhibitPolicyMapping", "RequireExplicitPolicy"];
/// Uses of a key, in the order of Go's numbers for them.
const USAGES: [&[u64]; 14] = [
    &[2, 5, 29, 37, 0],
    &[1, 3, 6, 1, 5, 5, 7, 3, 1],
    &[1, 3, 6, 1, 5, 5, 7, 3, 2],
    &[1, 3, 6, 1, 5, 5, 7, 3, 3],
    &[1, 3, 6, 1, 5, 5, 7, 3, 4],
    &[1, 3, 6, 1, 5, 5, 7, 3, 5],
    &[1, 3, 6, 1, 5, 5, 7, 3, 6],
    &[1, 3, 6, 1, 5, 5, 7, 3, 7],
    &[1, 3, 6, 1, 5, 5, 7, 3, 8],
    &[1, 3, 6, 1, 5, 5, 7, 3, 9],
    &[1, 3, 6, 1, 4, 1, 311, 10, 3, 3],
    &[2, 16, 840, 1, 113_730, 4, 1],
    &[1, 3, 6, 1, 4, 1, 311, 2, 1, 22],
    &[1, 3, 6, 1, 4, 1, 311, 61, 1, 1],
];
/// An element of a kind that only its context tells.
const URI: u8 = 0x86;

/// All fields of a certificate that come from its extensions, as they are where there is none.
fn blank() -> Fields {
    let named = |names: &[&str], value: Value| {
        names.iter().map(move |name| (Value::from(*name), value.clone())).collect::<Vec<_>>()
    };
    let mut fields = Fields::new();
    fields.extend(named(&LISTS, Value::Null));
    fields.extend(named(&FLAGS, Value::Bool(false)));
    fields.extend(named(&NUMBERS, Value::from(0_u64)));
    fields.extend(named(&["Extensions", "SubjectKeyId", "AuthorityKeyId", "PolicyMappings"], Value::Null));
    fields
}

pub(super) fn read(extensions: Option<Der<'_>>) -> Result<Fields, Failed> {
    let mut fields = blank();
    let Some(mut extensions) = extensions else { return Ok(fields) };
    let mut all = Vec::new();
    let mut seen: Vec<Vec<u64>> = Vec::new();
    let mut unhandled = Vec::new();
    while !extensions.is_empty() {
        let mut extension = extensions.inside(SEQUENCE).ok_or(Failed::Error)?;
        let oid = extension.oid().ok_or(Failed::Error)?;
        let critical = extension.is_next(BOOLEAN) && extension.boolean().ok_or(Failed::Error)?;
        let value = extension.tagged(OCTET_STRING).ok_or(Failed::Error)?.content;
        if !extension.is_empty() {
            return Err(UNSURE);
        }
        if seen.contains(&oid) {
            return Err(Failed::Error);
        }
        if !one(&mut fields, &oid, critical, value)? && critical {
            unhandled.push(numbers(&oid));
        }
        all.push(collections::object([
            (Value::from("Id"), numbers(&oid)),
            (Value::from("Critical"), Value::Bool(critical)),
            (Value::from("Value"), base64(value)),
        ]));
        seen.push(oid);
    }
    fields.insert(Value::from("Extensions"), list(all));
    fields.insert(Value::from("UnhandledCriticalExtensions"), list(unhandled));
    Ok(fields)
}

/// Reads one extension; false if it is not one that Go knows.
fn one(fields: &mut Fields, oid: &[u64], critical: bool, value: &[u8]) -> Result<bool, Failed> {
    let mut der = Der(value);
    let mut set = |name: &str, value: Value| put(fields, name, value);
    match oid {
        [2, 5, 29, 14] => {
            if critical {
                return Err(Failed::Error);
            }
            set("SubjectKeyId", base64(der.tagged(OCTET_STRING).ok_or(Failed::Error)?.content));
        }
        [2, 5, 29, 15] => {
            let (bits, _) = der.bits().ok_or(Failed::Error)?;
            let bit = |at: usize| bits.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0);
            let usage = (0..9_usize).filter(|at| bit(*at)).fold(0_u64, |usage, at| usage | (1 << at));
            set("KeyUsage", Value::from(usage));
        }
        [2, 5, 29, 17] => return alternative_names(fields, &mut der),
        [2, 5, 29, 19] => {
            let mut inside = der.inside(SEQUENCE).ok_or(Failed::Error)?;
            let authority = inside.is_next(BOOLEAN) && inside.boolean().ok_or(Failed::Error)?;
            let length = match inside.is_next(INTEGER) {
                true => inside.small().ok_or(Failed::Error)?,
                false => -1,
            };
            if !inside.is_empty() {
                return Err(UNSURE);
            }
            set("IsCA", Value::Bool(authority));
            set("MaxPathLen", Value::from(length));
            set("MaxPathLenZero", Value::Bool(length == 0));
            set("BasicConstraintsValid", Value::Bool(true));
        }
        [2, 5, 29, 35] => {
            let mut inside = der.inside(SEQUENCE).ok_or(Failed::Error)?;
            if critical {
                return Err(Failed::Error);
            }
            if inside.is_next(0x80) {
                set("AuthorityKeyId", base64(inside.tagged(0x80).ok_or(Failed::Error)?.content));
            }
        }
        [2, 5, 29, 37] => {
            let mut inside = der.inside(SEQUENCE).ok_or(Failed::Error)?;
            let (mut known, mut unknown) = (Vec::new(), Vec::new());
            while !inside.is_empty() {
                let usage = inside.oid().ok_or(Failed::Error)?;
                match USAGES.iter().position(|oid| *oid == usage) {
                    Some(number) => known.push(Value::from(number)),
                    None => unknown.push(numbers(&usage)),
                }
            }
            set("ExtKeyUsage", list(known));
            set("UnknownExtKeyUsage", list(unknown));
        }
        [1, 3, 6, 1, 5, 5, 7, 1, 1] => {
            if critical {
                return Err(Failed::Error);
            }
            let (mut ocsp, mut issuers) = (Vec::new(), Vec::new());
            let mut inside = der.inside(SEQUENCE).ok_or(Failed::Error)?;
            while !inside.is_empty() {
                let mut access = inside.inside(SEQUENCE).ok_or(Failed::Error)?;
                let method = access.oid().ok_or(Failed::Error)?;
                if !access.is_next(URI) {
                    continue;
                }
                let place = ascii(access.tagged(URI).ok_or(Failed::Error)?.content)?;
                match method.as_slice() {
                    [1, 3, 6, 1, 5, 5, 7, 48, 1] => ocsp.push(place),
                    [1, 3, 6, 1, 5, 5, 7, 48, 2] => issuers.push(place),
                    _ => {}
                }
            }
            set("OCSPServer", list(ocsp));
            set("IssuingCertificateURL", list(issuers));
        }
        [2, 5, 29, 31] => {
            set("CRLDistributionPoints", distribution_points(&mut der)?);
        }
        [2, 5, 29, 32] => {
            let oids = policies(&mut der)?;
            set("PolicyIdentifiers", list(oids.iter().map(|oid| numbers(oid)).collect()));
            set("Policies", list(oids.iter().map(|oid| Value::from(dotted(oid))).collect()));
        }
        // Name constraints, mappings of policies and their constraints.
        [2, 5, 29, 30 | 33 | 36 | 54] => return Err(UNSURE),
        _ => return Ok(false),
    }
    if der.is_empty() { Ok(true) } else { Err(UNSURE) }
}

/// Where lists of revoked certificates are; names other than URIs end those of one place.
fn distribution_points(der: &mut Der<'_>) -> Result<Value, Failed> {
    const NAME: u8 = 0xA0;
    let mut inside = der.inside(SEQUENCE).ok_or(Failed::Error)?;
    let mut places = Vec::new();
    while !inside.is_empty() {
        let mut point = inside.inside(SEQUENCE).ok_or(Failed::Error)?;
        if !point.is_next(NAME) {
            continue;
        }
        let mut name = point.inside(NAME).and_then(|mut name| name.inside(NAME)).ok_or(Failed::Error)?;
        while name.is_next(URI) {
            places.push(ascii(name.tagged(URI).ok_or(Failed::Error)?.content)?);
        }
    }
    Ok(list(places))
}

/// Policies, without what qualifies them.
fn policies(der: &mut Der<'_>) -> Result<Vec<Vec<u64>>, Failed> {
    let mut inside = der.inside(SEQUENCE).ok_or(Failed::Error)?;
    let mut found = Vec::new();
    while !inside.is_empty() {
        let mut policy = inside.inside(SEQUENCE).ok_or(Failed::Error)?;
        // Here Go takes identifiers whose numbers are larger.
        let oid = policy.oid().ok_or(UNSURE)?;
        if found.contains(&oid) {
            return Err(Failed::Error);
        }
        found.push(oid);
    }
    if found.is_empty() { Err(UNSURE) } else { Ok(found) }
}

fn dotted(oid: &[u64]) -> String {
    oid.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

/// Text that JSON can hold as it is.
fn ascii(bytes: &[u8]) -> Result<Value, Failed> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii()).ok_or(UNSURE)?;
    Ok(Value::from(text))
}

fn alternative_names(fields: &mut Fields, der: &mut Der<'_>) -> Result<bool, Failed> {
    const EMAIL: u8 = 0x81;
    const DNS: u8 = 0x82;
    const IP: u8 = 0x87;
    let (mut emails, mut names, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
    let (mut uris, mut texts) = (Vec::new(), Vec::new());
    let mut inside = der.inside(SEQUENCE).ok_or(Failed::Error)?;
    while !inside.is_empty() {
        let name = inside.element().ok_or(Failed::Error)?;
        let content = name.content;
        if matches!(name.tag, EMAIL | DNS | URI) && !content.is_ascii() {
            return Err(Failed::Error);
        }
        match name.tag {
            EMAIL => emails.push(ascii(content)?),
            DNS => names.push(ascii(content)?),
            URI => {
                let text = std::str::from_utf8(content).map_err(|_| Failed::Error)?;
                uris.push(uri::read(text)?);
                texts.push(Value::from(text));
            }
            IP => addresses.push(Value::from(address(content)?)),
            _ => {}
        }
    }
    if !der.is_empty() {
        return Err(UNSURE);
    }
    let any = [&emails, &names, &addresses, &uris].iter().any(|names| !names.is_empty());
    for (name, values) in [
        ("EmailAddresses", emails),
        ("DNSNames", names),
        ("IPAddresses", addresses),
        ("URIs", uris),
        ("URIStrings", texts),
    ] {
        fields.insert(Value::from(name), list(values));
    }
    Ok(any)
}

fn address(bytes: &[u8]) -> Result<String, Failed> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Ok(Ipv4Addr::from(four).to_string());
    }
    let six = <[u8; 16]>::try_from(bytes).map_err(|_| Failed::Error)?;
    let six = Ipv6Addr::from(six);
    Ok(six.to_ipv4_mapped().map_or_else(|| six.to_string(), |four| four.to_string()))
}
