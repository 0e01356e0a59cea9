//! `io.jwt.decode_verify`: a token with everything that is demanded of it.

use std::cmp::Ordering;

use regorus::Value;

use super::Answer;
use super::token::{self, Token};
use super::verify::{candidates, price, reading, verifies};
use crate::eval::context::Context;
use crate::eval::extra::keys::{self, Algorithm, Key, Material};
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

/// A token in tokens is checked once more for each.
const MAX_NESTED: usize = 1;

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
    fn allow(&self, claims: &Value) -> Result<bool, Failed> {
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
            number @ Value::Number(_) => compare(seconds, number).map(Some),
            _ => Err(Failed::Error),
        };
        if since("exp")?.is_some_and(|order| order != Ordering::Less) {
            return Ok(false);
        }
        Ok(since("nbf")? != Some(Ordering::Less))
    }
}

/// Compares a time with a claim, by all digits that each is written with. A claim that was rounded when
/// it was read is only told from the time where the two differ.
fn compare(seconds: f64, claim: &Value) -> Result<Ordering, Failed> {
    let whole = matches!(claim, Value::Number(n) if n.as_i64().is_some_and(|n| n.unsigned_abs() < 1 << 53));
    let exact = whole && claim.to_string().parse::<i64>().is_ok();
    match seconds.partial_cmp(&float(claim)?).ok_or(UNSURE)? {
        Ordering::Equal if !exact => Err(UNSURE),
        order => Ok(order),
    }
}

fn unverified() -> Value {
    Value::from(vec![Value::Bool(false), Value::new_object(), Value::new_object()])
}

/// Names that the library under OPA takes for algorithms though no standard has them.
fn is_inner_name(alg: &str) -> bool {
    alg.contains("_WITH_")
}

/// Steps for a call: as many checks as keys, twice where the token says that it holds another one.
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
        Ok(if is_token(&header.cty) { once.saturating_add(inner) } else { once })
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
    let mut nested = 0;
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
        return Ok(if constraints.allow(&claims)? {
            Value::from(vec![Value::Bool(true), header.value(), claims])
        } else {
            unverified()
        });
    }
}
