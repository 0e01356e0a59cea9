//! `crypto.x509.parse_certificates`, with the fields of Go's `x509.Certificate` as JSON has them.
//!
//! What is read here is read as strictly as Go reads it; what is not (odd extensions, algorithms of the
//! past) is refused, so that no field is ever different.

mod extensions;
mod name;
mod uri;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regorus::Value;

use super::time::rfc3339;
use super::{Failed, UNSURE, answered};
use crate::collections;
use crate::crypto::der::{Der, Element, SEQUENCE};
use crate::crypto::{Curve, Material, PublicKey, pem, spki};
use crate::eval::context::Context;
use crate::eval::strings;
use crate::eval::table::Unanswered;

/// Fields of an object by name.
type Fields = BTreeMap<Value, Value>;

/// Algorithms of signatures, with Go's numbers for them.
const SIGNATURES: [(&[u64], u64); 13] = [
    (&[1, 2, 840, 113_549, 1, 1, 4], 2),
    (&[1, 2, 840, 113_549, 1, 1, 5], 3),
    (&[1, 3, 14, 3, 2, 29], 3),
    (&[1, 2, 840, 113_549, 1, 1, 11], 4),
    (&[1, 2, 840, 113_549, 1, 1, 12], 5),
    (&[1, 2, 840, 113_549, 1, 1, 13], 6),
    (&[1, 2, 840, 10_040, 4, 3], 7),
    (&[2, 16, 840, 1, 101, 3, 4, 3, 2], 8),
    (&[1, 2, 840, 10_045, 4, 1], 9),
    (&[1, 2, 840, 10_045, 4, 3, 2], 10),
    (&[1, 2, 840, 10_045, 4, 3, 3], 11),
    (&[1, 2, 840, 10_045, 4, 3, 4], 12),
    (&[1, 3, 101, 112], 16),
];

/// Steps for reading certificates and writing them out several times over: half a microsecond a byte.
pub(in crate::eval) fn cost(args: &[Value], _: u64) -> u64 {
    match args {
        [Value::String(text)] => u64::try_from(text.len()).unwrap_or(u64::MAX),
        _ => 0,
    }
}

/// `crypto.x509.parse_certificates(text)`: PEM, or base64 of DER or of PEM.
pub(in crate::eval) fn parse_certificates(args: &[Value], _: &Context) -> Result<Value, Unanswered> {
    let [Value::String(text)] = args else { return Ok(Value::Undefined) };
    answered(certificates(text))
}

fn certificates(text: &str) -> Result<Value, Failed> {
    let begin = b"-----BEGIN";
    let der = if text.as_bytes().starts_with(begin) {
        from_pem(text.as_bytes())?
    } else {
        let bytes = strings::base64_bytes(text).ok_or(Failed::Error)?;
        if bytes.starts_with(begin) { from_pem(&bytes)? } else { bytes }
    };
    let mut rest = der.as_slice();
    let mut found = Vec::new();
    let mut unsure = false;
    while !rest.is_empty() {
        let (whole, after) = first(rest)?;
        match certificate(whole) {
            Ok(fields) => found.push(Value::from(fields)),
            Err(Failed::Error) => return Err(Failed::Error),
            // One that is certainly bad makes all bad.
            Err(_) => unsure = true,
        }
        rest = after;
    }
    if unsure { Err(UNSURE) } else { Ok(Value::from(found)) }
}

fn from_pem(mut text: &[u8]) -> Result<Vec<u8>, Failed> {
    let mut der = Vec::new();
    while let Some((block, rest)) = pem::decode(text) {
        if block.label != b"CERTIFICATE" {
            return Err(Failed::Error);
        }
        der.extend(block.bytes);
        text = rest;
    }
    Ok(der)
}

fn first(der: &[u8]) -> Result<(&[u8], &[u8]), Failed> {
    let mut rest = Der(der);
    let element = rest.tagged(SEQUENCE).ok_or(Failed::Error)?;
    Ok((element.whole, rest.0))
}

/// The key of the one certificate that `der` is.
pub(super) fn public_key(der: &[u8]) -> Result<Material, Failed> {
    let (whole, rest) = first(der)?;
    if !rest.is_empty() {
        return Err(Failed::Error);
    }
    certificate(whole)?;
    Ok(Parts::read(whole)?.key)
}

/// A certificate cut in its parts.
struct Parts<'a> {
    tbs: &'a [u8],
    version: i64,
    serial: &'a [u8],
    signature_algorithm: u64,
    issuer: &'a [u8],
    validity: Der<'a>,
    subject: &'a [u8],
    spki: &'a [u8],
    key: Material,
    extensions: Option<Der<'a>>,
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(whole: &'a [u8]) -> Result<Self, Failed> {
        const VERSION: u8 = 0xA0;
        const EXTENSIONS: u8 = 0xA3;
        const UNIQUE_IDS: [u8; 4] = [0x81, 0x82, 0xA1, 0xA2];

        let mut outer = Der(whole).inside(SEQUENCE).ok_or(Failed::Error)?;
        let Element { whole: raw_tbs, content, .. } = outer.tagged(SEQUENCE).ok_or(Failed::Error)?;
        let mut tbs = Der(content);
        let version = match tbs.is_next(VERSION) {
            true => {
                let mut version = tbs.inside(VERSION).ok_or(Failed::Error)?;
                let number = version.small().ok_or(Failed::Error)?;
                if version.is_empty() {
                    number.checked_add(1).ok_or(Failed::Error)?
                } else {
                    return Err(Failed::Error);
                }
            }
            false => 1,
        };
        if version > 3 {
            return Err(Failed::Error);
        }
        let serial = tbs.integer().ok_or(Failed::Error)?;
        if serial.first().is_some_and(|first| *first >= 0x80) {
            return Err(Failed::Error);
        }
        let algorithm = tbs.tagged(SEQUENCE).ok_or(Failed::Error)?;
        let outer_algorithm = outer.tagged(SEQUENCE).ok_or(Failed::Error)?;
        if algorithm.content != outer_algorithm.content {
            return Err(Failed::Error);
        }
        let issuer = tbs.tagged(SEQUENCE).ok_or(Failed::Error)?.whole;
        let validity = tbs.inside(SEQUENCE).ok_or(Failed::Error)?;
        let subject = tbs.tagged(SEQUENCE).ok_or(Failed::Error)?.whole;
        let spki = tbs.tagged(SEQUENCE).ok_or(Failed::Error)?.whole;
        if tbs.0.first().is_some_and(|tag| UNIQUE_IDS.contains(tag)) {
            return Err(UNSURE);
        }
        let extensions = match (version, tbs.is_next(EXTENSIONS)) {
            (3, true) => {
                let mut inside = tbs.inside(EXTENSIONS).ok_or(Failed::Error)?;
                Some(inside.inside(SEQUENCE).ok_or(Failed::Error)?)
            }
            _ => None,
        };
        let (signature, unused) = outer.bits().ok_or(Failed::Error)?;
        // Go does not mind what follows; no certificate that is in use has it.
        if !tbs.is_empty() || !outer.is_empty() || unused != 0 {
            return Err(UNSURE);
        }
        let (key, _) = spki::read(spki)?;
        Ok(Self {
            tbs: raw_tbs,
            version,
            serial,
            signature_algorithm: signature_algorithm(algorithm.content)?,
            issuer,
            validity,
            subject,
            spki,
            key: key.ok_or(UNSURE)?,
            extensions,
            signature,
        })
    }
}

fn signature_algorithm(content: &[u8]) -> Result<u64, Failed> {
    let mut algorithm = Der(content);
    let name = algorithm.oid().ok_or(Failed::Error)?;
    // Parameters are NULL or none but for algorithms that are refused.
    let parameters = algorithm.element();
    if !algorithm.is_empty() || parameters.is_some_and(|p| p.tag != 0x05 || !p.content.is_empty()) {
        return Err(UNSURE);
    }
    let number = SIGNATURES.iter().find(|(oid, _)| *oid == name).map(|(_, number)| *number).ok_or(UNSURE)?;
    if number == 16 && parameters.is_some() { Err(UNSURE) } else { Ok(number) }
}

fn certificate(whole: &[u8]) -> Result<Fields, Failed> {
    let mut parts = Parts::read(whole)?;
    let times = [validity(&mut parts.validity)?, validity(&mut parts.validity)?];
    let [not_before, not_after] = times;
    if !parts.validity.is_empty() {
        return Err(UNSURE);
    }
    let mut fields = extensions::read(parts.extensions)?;
    let (algorithm, key) = public_key_fields(&parts.key)?;
    let mut set = |name: &str, value: Value| put(&mut fields, name, value);
    set("Raw", base64(whole));
    set("RawTBSCertificate", base64(parts.tbs));
    set("RawSubjectPublicKeyInfo", base64(parts.spki));
    set("RawSubject", base64(parts.subject));
    set("RawIssuer", base64(parts.issuer));
    set("Signature", base64(parts.signature));
    set("SignatureAlgorithm", Value::from(parts.signature_algorithm));
    set("PublicKeyAlgorithm", Value::from(algorithm));
    set("PublicKey", key);
    set("Version", Value::from(parts.version));
    set("SerialNumber", big(parts.serial)?);
    set("Issuer", name::read(parts.issuer)?);
    set("Subject", name::read(parts.subject)?);
    set("NotBefore", Value::from(not_before));
    set("NotAfter", Value::from(not_after));
    Ok(fields)
}

/// Not inlined: there are many fields.
#[inline(never)]
fn put(fields: &mut Fields, name: &str, value: Value) {
    fields.insert(Value::from(name), value);
}

fn public_key_fields(key: &Material) -> Result<(u64, Value), Failed> {
    let object = |fields: Vec<(&str, Value)>| {
        collections::object(fields.into_iter().map(|(k, v)| (Value::from(k), v)))
    };
    let Material::Public(key) = key else { return Err(UNSURE) };
    Ok(match key {
        PublicKey::Rsa((modulus, exponent)) => {
            (1, object(vec![("N", big(&modulus.to_bytes_be())?), ("E", Value::from(*exponent))]))
        }
        PublicKey::Ec(curve, point) => {
            let coordinates = point.get(1..).and_then(|both| both.split_at_checked(Curve::size(*curve)));
            let (x, y) = coordinates.ok_or(UNSURE)?;
            (3, object(vec![("Curve", Value::new_object()), ("X", big(x)?), ("Y", big(y)?)]))
        }
        PublicKey::Ed25519(key) => (4, base64(key)),
    })
}

/// A number that is not below zero, most significant byte first.
fn big(bytes: &[u8]) -> Result<Value, Failed> {
    let number = num_bigint::BigUint::from_bytes_be(bytes);
    Value::from_json_str(&number.to_string()).map_err(|_| UNSURE)
}

fn base64(bytes: &[u8]) -> Value {
    Value::from(STANDARD.encode(bytes))
}

/// A time: `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`. Go reads other zones, too.
fn validity(der: &mut Der<'_>) -> Result<String, Failed> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let element = der.element().ok_or(Failed::Error)?;
    let text = std::str::from_utf8(element.content).map_err(|_| Failed::Error)?;
    let digits =
        text.strip_suffix('Z').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit())).ok_or(UNSURE)?;
    let digits = match (element.tag, digits.len()) {
        (UTC_TIME, 12) => format!("{}{digits}", if digits < "50" { "20" } else { "19" }),
        (GENERALIZED_TIME, 14) => digits.to_owned(),
        _ => return Err(UNSURE),
    };
    rfc3339(&digits).ok_or(Failed::Error)
}
