//! JWKs (RFC 7517), as the library that OPA uses reads them: strictly, one bad key makes a set bad.

use std::fmt;

use num_bigint::BigUint;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;

use super::Key;
use crate::crypto::{Curve, Material, PublicKey};
use crate::eval::extra::{Failed, UNSURE, x509};
use crate::eval::strings;

/// Names that mean something in a key.
const KNOWN: [&str; 22] = [
    "kty", "use", "key_ops", "alg", "kid", "x5u", "x5c", "x5t", "x5t#S256", "n", "e", "d", "p", "q", "dp",
    "dq", "qi", "crv", "x", "y", "k", "keys",
];
/// Algorithms of keys that are not for signatures, and so are passed over.
const ENCRYPTION: [&str; 12] = [
    "RSA1_5",
    "RSA-OAEP",
    "RSA-OAEP-256",
    "A128KW",
    "A192KW",
    "A256KW",
    "dir",
    "ECDH-ES",
    "ECDH-ES+A128KW",
    "ECDH-ES+A192KW",
    "ECDH-ES+A256KW",
    "A256GCMKW",
];
const SIGNATURE: [&str; 13] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "HS256", "HS384",
    "HS512", "EdDSA",
];
/// Keys of a set.
const MAX_KEYS: usize = 1000;

/// An object of JSON whose fields have different names: which of two counts is not the same everywhere.
struct Fields(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        from.deserialize_map(Pairs)
    }
}

impl Fields {
    /// Refuses what the library may take for something else: names twice, or in another case.
    fn checked(self) -> Result<Self, Failed> {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        let twice = names
            .iter()
            .enumerate()
            .any(|(at, name)| names.iter().skip(at.saturating_add(1)).any(|n| n == name));
        let in_disguise =
            |name: &&str| KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name) && known != name);
        // Letters beyond ASCII that fold to one in it: the long s and the sign for kelvin.
        let folds = |name: &&str| name.contains(['\u{17f}', '\u{212a}']);
        if twice || names.iter().any(|name| in_disguise(name) || folds(name)) {
            Err(UNSURE)
        } else {
            Ok(self)
        }
    }

    fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// A text, if it is there.
    fn text(&self, name: &str) -> Result<Option<&str>, Failed> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(UNSURE),
        }
    }

    /// Bytes in base64url without padding; other spellings are read by guessing.
    fn bytes(&self, name: &str) -> Result<Vec<u8>, Failed> {
        let text = self.text(name)?.ok_or(Failed::Error)?;
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            return Err(UNSURE);
        }
        strings::base64url_bytes(text).ok_or(UNSURE)
    }
}

/// Whether text that is no JSON here may still be some to OPA: deeper nesting or lone surrogates.
fn in_doubt(text: &str) -> bool {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => depth = depth.saturating_add(1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    let lower = text.to_ascii_lowercase();
    let surrogate = ["\\ud8", "\\ud9", "\\uda", "\\udb", "\\udc", "\\udd", "\\ude", "\\udf"];
    deepest > 100 || surrogate.iter().any(|escape| lower.contains(escape))
}

/// The keys of a set, or the one key.
pub(super) fn read(text: &str) -> Result<Vec<Key>, Failed> {
    let fields = match serde_json::from_str::<Fields>(text) {
        Ok(fields) => fields.checked()?,
        Err(_) if in_doubt(text) => return Err(UNSURE),
        // Behind a key that is not in a set, the library does not mind what follows, as a rule.
        Err(_) => match serde_json::Deserializer::from_str(text).into_iter::<Fields>().next() {
            Some(Ok(fields)) if fields.get("keys").is_none() => return Err(UNSURE),
            _ => return Err(Failed::Error),
        },
    };
    let Some(keys) = fields.get("keys") else { return Ok(key(&fields)?.into_iter().collect()) };
    let Json::Array(keys) = keys else { return Err(Failed::Error) };
    if keys.len() > MAX_KEYS {
        return Err(Failed::Error);
    }
    let mut found = Vec::with_capacity(keys.len());
    let mut unsure = None;
    for item in keys {
        // The values inside were read with the last of two names counting.
        let Json::Object(object) = item else { return Err(Failed::Error) };
        let fields = Fields(object.iter().map(|(name, value)| (name.clone(), value.clone())).collect());
        match fields.checked().and_then(|fields| key(&fields)) {
            Ok(key) => found.extend(key),
            // One that is certainly bad makes the set bad, whatever the others are.
            Err(Failed::Error) => return Err(Failed::Error),
            Err(why) => unsure = Some(why),
        }
    }
    unsure.map_or(Ok(found), Err)
}

/// A key; none if it is for encryption.
fn key(fields: &Fields) -> Result<Option<Key>, Failed> {
    let kind = match fields.get("kty") {
        Some(Json::String(kind)) => kind.as_str(),
        _ => return Err(Failed::Error),
    };
    if !matches!(kind, "RSA" | "EC" | "OKP" | "oct") {
        return Err(Failed::Error);
    }
    metadata(fields)?;
    // A private key in the place of a public one works in OPA, in part.
    if kind != "oct" && fields.get("d").is_some() {
        return Err(UNSURE);
    }
    let material = match kind {
        "RSA" => rsa(fields)?,
        "EC" => curve(fields)?,
        "OKP" => {
            let x = fields.bytes("x")?;
            match fields.text("crv")? {
                Some("Ed25519") => {
                    Material::Public(PublicKey::Ed25519(<[u8; 32]>::try_from(x).map_err(|_| Failed::Error)?))
                }
                Some("X25519") if x.len() == 32 => Material::Other,
                Some("X25519") | None => return Err(Failed::Error),
                Some(_) => return Err(UNSURE),
            }
        }
        _ => Material::Secret(
            Some(fields.bytes("k")?).filter(|secret| !secret.is_empty()).ok_or(Failed::Error)?,
        ),
    };
    let alg = fields.text("alg")?;
    match alg {
        Some(name) if ENCRYPTION.contains(&name) => return Ok(None),
        Some("") => return Err(Failed::Error),
        Some(name) if !SIGNATURE.contains(&name) => return Err(UNSURE),
        _ => {}
    }
    let kid = fields.text("kid")?.unwrap_or_default().to_owned();
    Ok(Some(Key { alg: alg.map(str::to_owned), kid, material }))
}

/// What a key says about itself must be well-formed, though nothing here depends on it.
fn metadata(fields: &Fields) -> Result<(), Failed> {
    let usage = fields.text("use")?;
    if usage.is_some_and(|usage| !matches!(usage, "sig" | "enc")) {
        return Err(UNSURE);
    }
    for name in ["x5u", "x5t", "x5t#S256"] {
        fields.text(name)?;
    }
    match fields.get("key_ops") {
        None => {}
        Some(Json::Array(operations)) => {
            let known = |o: &Json| matches!(o.as_str(), Some("sign" | "verify" | "encrypt" | "decrypt"));
            if !operations.iter().all(known) {
                return Err(UNSURE);
            }
        }
        Some(_) => return Err(UNSURE),
    }
    match fields.get("x5c") {
        None => Ok(()),
        Some(Json::Array(chain)) if chain.len() <= 8 => chain.iter().try_for_each(|certificate| {
            let text = certificate.as_str().ok_or(UNSURE)?;
            let der = strings::base64_bytes(text).ok_or(UNSURE)?;
            x509::public_key(&der).map(|_| ()).map_err(|_| UNSURE)
        }),
        Some(_) => Err(UNSURE),
    }
}

fn rsa(fields: &Fields) -> Result<Material, Failed> {
    let modulus = BigUint::from_bytes_be(&fields.bytes("n")?);
    let exponent = BigUint::from_bytes_be(&fields.bytes("e")?);
    if modulus == BigUint::ZERO || !exponent.bit(0) || exponent.bits() > 63 {
        return Err(Failed::Error);
    }
    let exponent = i64::try_from(exponent).map_err(|_| Failed::Error)?;
    Ok(Material::Public(PublicKey::Rsa((modulus, exponent))))
}

fn curve(fields: &Fields) -> Result<Material, Failed> {
    let curve = match fields.text("crv")? {
        Some("P-256") => Curve::P256,
        Some("P-384") => Curve::P384,
        Some("P-521") => Curve::P521,
        None => return Err(Failed::Error),
        Some(_) => return Err(UNSURE),
    };
    let point = [[4].as_slice(), &fields.bytes("x")?, &fields.bytes("y")?].concat();
    let halves = fields.bytes("x")?.len() == curve.size();
    let point = curve.point(&point).filter(|_| halves).ok_or(Failed::Error)?;
    Ok(Material::Public(PublicKey::Ec(curve, point)))
}
