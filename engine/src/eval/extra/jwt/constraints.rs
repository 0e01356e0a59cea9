//! `io.jwt.decode_verify`: a token with everything that is demanded of it.

use std::cmp::Ordering;

use regorus::Value;

use super::Answer;
use super::token::{self, Token};
use super::verify::{candidates, price, reading, verifies};
use crate::crypto::{Algorithm, Material};
use crate::eval::context::Context;
use crate::eval::extra::keys::{self, Key};
use crate::eval::extra::{Failed, UNSURE, answered};

/// What is demanded.
struct Constraints<'a> {
    keys: Option<Vec<Key>>,
    secret: &'a str,
    /// Empty: any.
    alg: &'a str,
    iss: &'a str,
    /// Empty: no audience must be named.
    aud: &'a str,
    /// Nanoseconds.
    time: f64,
}

/// Tokens in tokens: each is checked once more.
const MAX_NESTED: u32 = 3;

/// The text of a constraint; empty if it is not there.
fn text<'a>(constraints: &'a Value, name: &str) -> Result<&'a str, Failed> {
    match &constraints[&Value::from(name)] {
        Value::Undefined => Ok(""),
        Value::String(text) => Ok(text),
        _ => Err(Failed::Error),
    }
}

/// A number as Go's 64-bit floating-point one, with digits.
fn float(value: &Value) -> Result<f64, Failed> {
    let Value::Number(_) = value else { return Err(Failed::Error) };
    value.to_string().parse().ok().filter(|n: &f64| n.is_finite()).ok_or(Failed::Error)
}

impl<'a> Constraints<'a> {
    fn read(constraints: &'a Value, context: &Context) -> Result<Self, Failed> {
        let Value::Object(fields) = constraints else { return Err(Failed::Error) };
        for (name, _) in fields.iter() {
            match name {
                Value::String(name)
                    if matches!(name.as_ref(), "cert" | "secret" | "alg" | "iss" | "aud" | "time") => {}
                Value::String(_) => return Err(Failed::Error),
                // OPA falls over.
                _ => return Err(UNSURE),
            }
        }
        let secret = text(constraints, "secret")?;
        let (alg, iss, aud) =
            (text(constraints, "alg")?, text(constraints, "iss")?, text(constraints, "aud")?);
        let time = match fields.get(&Value::from("time")) {
            Some(time) => float(time)?,
            #[expect(clippy::cast_precision_loss, reason = "as OPA has it")]
            None => context.clock()? as f64,
        };
        if time < 0.0 {
            return Err(Failed::Error);
        }
        let keys = match fields.get(&Value::from("cert")) {
            Some(Value::String(cert)) => Some(keys::read(cert)?),
            Some(_) => return Err(Failed::Error),
            None => None,
        };
        if keys.is_some() != secret.is_empty() {
            return Err(Failed::Error);
        }
        Ok(Self { keys, secret, alg, iss, aud, time })
    }

    /// The keys for a token, and with what algorithm.
    fn materials(&self, header: &token::Protected) -> Vec<Material> {
        match &self.keys {
            Some(keys) => candidates(keys, header).into_iter().cloned().collect(),
            None => vec![Material::Secret(self.secret.as_bytes().to_vec())],
        }
    }

    /// Whether the claims are what is demanded.
    fn allow(&self, claims: &Value, json: &[u8]) -> Result<bool, Failed> {
        let claim = |name: &str| &claims[&Value::from(name)];
        if !self.iss.is_empty() {
            match claim("iss") {
                Value::Undefined => return Ok(false),
                Value::String(iss) if iss.as_ref() == self.iss => {}
                Value::String(_) => return Ok(false),
                // OPA falls over.
                _ => return Err(UNSURE),
            }
        }
        let named = |value: &Value| matches!(value, Value::String(aud) if aud.as_ref() == self.aud);
        let audience = match claim("aud") {
            Value::Undefined => self.aud.is_empty(),
            Value::Array(audiences) => audiences.iter().any(named),
            one => named(one),
        };
        if !audience {
            return Ok(false);
        }
        let seconds = self.time / 1e9;
        let since = |name: &str| match claim(name) {
            Value::Undefined => Ok(None),
            number @ Value::Number(_) => compare(seconds, number, || literal(json, name)).map(Some),
            _ => Err(Failed::Error),
        };
        if since("exp")?.is_some_and(|order| order != Ordering::Less) {
            return Ok(false);
        }
        Ok(since("nbf")? != Some(Ordering::Less))
    }
}

/// Compares a time with a claim by all digits that each is written with. As numbers of 53 bits they tell
/// all but whether they are the same; for that, the claim is looked up as it was written.
fn compare(seconds: f64, claim: &Value, written: impl Fn() -> Option<String>) -> Result<Ordering, Failed> {
    let same =
        |text: String| decimal(&text).is_some_and(|digits| decimal(&seconds.to_string()) == Some(digits));
    match seconds.partial_cmp(&float(claim)?).ok_or(UNSURE)? {
        Ordering::Equal if !written().is_some_and(same) => Err(UNSURE),
        order => Ok(order),
    }
}

/// A number of the claims, as it stands in them.
fn literal(json: &[u8], name: &str) -> Option<String> {
    let claims: serde_json::Value = serde_json::from_slice(json).ok()?;
    Some(claims.get(name)?.as_number()?.to_string())
}

/// A number that is not below zero, as its digits without zeros around them and the power of ten of the
/// last; numbers are the same if these are.
fn decimal(text: &str) -> Option<(String, i64)> {
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all = format!("{whole}{fraction}");
    if !all.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = all.trim_end_matches('0');
    let dropped = i64::try_from(all.len().checked_sub(digits.len())?).ok()?;
    let exponent = exponent.parse::<i64>().ok()?.checked_add(dropped)?;
    let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let digits = digits.trim_start_matches('0');
    Some(if digits.is_empty() { (String::new(), 0) } else { (digits.to_owned(), exponent) })
}

fn unverified() -> Value {
    Value::from(vec![Value::Bool(false), Value::new_object(), Value::new_object()])
}

/// Names that the library under OPA takes for algorithms though no standard has them.
fn is_inner_name(alg: &str) -> bool {
    alg.contains("_WITH_")
}

/// Steps for a call: as many checks as keys that fit; where the token says that it holds another one, also
/// for all keys of every kind, as often as tokens may nest.
pub(in crate::eval) fn decode_verify_cost(args: &[Value], most: u64) -> u64 {
    let [Value::String(text), constraints @ Value::Object(_)] = args else { return 0 };
    let cert = match &constraints[&Value::from("cert")] {
        Value::String(cert) => reading(cert),
        _ => 0,
    };
    if cert > most {
        return cert;
    }
    let priced = || -> Result<u64, Failed> {
        let header = Token::split(text)?.header()?.protected()?;
        let context = Context { now_ns: Some(0), seed: None };
        let constraints = Constraints::read(constraints, &context)?;
        let keys = match &constraints.keys {
            // The inner token may name another key.
            Some(keys) if is_token(&header.cty) => keys.iter().map(|key| key.material.clone()).collect(),
            _ => constraints.materials(&header),
        };
        let keys: Vec<&Material> = keys.iter().collect();
        let algorithm = Algorithm::named(&header.alg).ok_or(Failed::Error)?;
        let once = price(algorithm, text, &keys);
        let all = [Algorithm::named("RS256"), Algorithm::named("ES256"), Algorithm::named("EdDSA")];
        let inner =
            all.iter().flatten().map(|algorithm| price(*algorithm, text, &keys)).fold(0, u64::saturating_add);
        let nested = if is_token(&header.cty) { MAX_NESTED } else { 0 };
        Ok(once.saturating_add(inner.saturating_mul(nested.into())))
    };
    cert.saturating_add(priced().unwrap_or(0))
}

/// Whether a token's content type says that it holds a token.
fn is_token(cty: &str) -> bool {
    cty.eq_ignore_ascii_case("JWT")
}

/// `io.jwt.decode_verify(token, constraints)`: whether it is valid, then header and payload.
pub(in crate::eval) fn decode_verify(args: &[Value], context: &Context) -> Answer {
    let [text, constraints] = args else { return Ok(Value::Undefined) };
    answered(decoded(text, constraints, context))
}

fn decoded(text: &Value, constraints: &Value, context: &Context) -> Result<Value, Failed> {
    let constraints = Constraints::read(constraints, context)?;
    let Value::String(text) = text else { return Err(Failed::Error) };
    let mut text = text.to_string();
    let mut nested = 0_u32;
    loop {
        let token = Token::split(&text)?;
        let header = token.header()?;
        if nested > MAX_NESTED {
            return Err(UNSURE);
        }
        let protected = header.protected()?;
        let alg = protected.alg.as_str();
        if !protected.is_valid || (!constraints.alg.is_empty() && constraints.alg != alg) {
            return Ok(unverified());
        }
        if is_inner_name(alg) {
            return Err(UNSURE);
        }
        let signature = token.signature()?;
        let keys = constraints.materials(&protected);
        let keys: Vec<&Material> = keys.iter().collect();
        let Some(algorithm) = Algorithm::named(alg) else { return Ok(unverified()) };
        if !verifies(algorithm, &keys, token.signed, &signature, false)? {
            return Ok(unverified());
        }
        let payload = token.payload()?;
        if is_token(&protected.cty) {
            nested += 1;
            text = String::from_utf8(payload).map_err(|_| UNSURE)?;
            continue;
        }
        let claims = token::object(&payload)?;
        return Ok(if constraints.allow(&claims, &payload)? {
            Value::from(vec![Value::Bool(true), header.value(), claims])
        } else {
            unverified()
        });
    }
}
