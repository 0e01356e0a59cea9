//! `io.jwt.verify_*`, and which of several keys a token is checked with.

use regorus::Value;

use super::Answer;
use super::token::{Protected, Token};
use crate::crypto::{Algorithm, Hash, Material, same};
use crate::eval::context::Context;
use crate::eval::extra::keys::{self, Key};
use crate::eval::extra::{Failed, UNSURE, answered};

/// The keys to try: the one that the header names, else all that are for its algorithm or do not say.
pub(super) fn candidates<'k>(keys: &'k [Key], header: &Protected) -> Vec<&'k Material> {
    let named = keys.iter().find(|key| !header.kid.is_empty() && key.kid == header.kid);
    let fits = |key: &&Key| key.alg.as_ref().is_none_or(|alg| *alg == header.alg);
    match named {
        Some(key) => vec![&key.material],
        None => keys.iter().filter(fits).map(|key| &key.material).collect(),
    }
}

/// Steps for reading keys: certificates take half a microsecond a byte.
pub(super) fn reading(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

/// Steps for checking a token with a key after the other.
pub(super) fn price(algorithm: Algorithm, token: &str, keys: &[&Material]) -> u64 {
    let data = u64::try_from(token.len()).unwrap_or(u64::MAX) / 32;
    keys.iter().map(|key| algorithm.price(key).saturating_add(data)).fold(0, u64::saturating_add)
}

/// Whether one of the keys verifies.
pub(super) fn verifies(
    algorithm: Algorithm,
    keys: &[&Material],
    data: &str,
    signature: &[u8],
    halves: bool,
) -> Result<bool, Failed> {
    // A key that is refused here may be the one that OPA finds to fit.
    let mut sure = true;
    for key in keys {
        match algorithm.verify(key, data.as_bytes(), signature, halves) {
            Some(true) => return Ok(true),
            Some(false) => {}
            None => sure = false,
        }
    }
    if sure { Ok(false) } else { Err(UNSURE) }
}

fn cost(algorithm: Algorithm, args: &[Value], most: u64) -> u64 {
    let [Value::String(token), Value::String(keys)] = args else { return 0 };
    let reading = reading(keys);
    if reading > most {
        return reading;
    }
    let priced = || -> Result<u64, Failed> {
        let header = Token::split(token)?.header()?.protected()?;
        let keys = keys::read(keys)?;
        Ok(price(algorithm, token, &candidates(&keys, &header)))
    };
    reading.saturating_add(priced().unwrap_or(0))
}

fn verified(algorithm: Algorithm, args: &[Value]) -> Answer {
    let [Value::String(token), Value::String(keys)] = args else { return Ok(Value::Undefined) };
    let verified = || -> Result<bool, Failed> {
        let token = Token::split(token)?;
        let signature = token.signature()?;
        let header = token.header()?.protected()?;
        let keys = keys::read(keys)?;
        verifies(algorithm, &candidates(&keys, &header), token.signed, &signature, true)
    };
    answered(verified().map(Value::Bool))
}

/// The header is not even looked at.
fn authentic(hash: Hash, args: &[Value]) -> Answer {
    let [Value::String(token), Value::String(secret)] = args else { return Ok(Value::Undefined) };
    let authentic = || -> Result<bool, Failed> {
        let token = Token::split(token)?;
        let signature = token.signature()?;
        Ok(same(&hash.hmac(secret.as_bytes(), token.signed.as_bytes()), &signature))
    };
    answered(authentic().map(Value::Bool))
}

/// Answer and cost of a builtin for one algorithm.
macro_rules! verify {
    ($name:ident, $cost:ident, $algorithm:expr) => {
        pub(in crate::eval) fn $name(args: &[Value], _: &Context) -> Answer {
            verified($algorithm, args)
        }

        pub(in crate::eval) fn $cost(args: &[Value], most: u64) -> u64 {
            cost($algorithm, args, most)
        }
    };
}

verify!(rs256, rs256_cost, Algorithm::Pkcs1(Hash::Sha256));
verify!(rs384, rs384_cost, Algorithm::Pkcs1(Hash::Sha384));
verify!(rs512, rs512_cost, Algorithm::Pkcs1(Hash::Sha512));
verify!(ps256, ps256_cost, Algorithm::Pss(Hash::Sha256, false));
verify!(ps384, ps384_cost, Algorithm::Pss(Hash::Sha384, false));
verify!(ps512, ps512_cost, Algorithm::Pss(Hash::Sha512, false));
verify!(es256, es256_cost, Algorithm::Ecdsa(Hash::Sha256));
verify!(es384, es384_cost, Algorithm::Ecdsa(Hash::Sha384));
verify!(es512, es512_cost, Algorithm::Ecdsa(Hash::Sha512));
verify!(eddsa, eddsa_cost, Algorithm::Ed25519);

pub(in crate::eval) fn hs256(args: &[Value], _: &Context) -> Answer {
    authentic(Hash::Sha256, args)
}

pub(in crate::eval) fn hs384(args: &[Value], _: &Context) -> Answer {
    authentic(Hash::Sha384, args)
}

pub(in crate::eval) fn hs512(args: &[Value], _: &Context) -> Answer {
    authentic(Hash::Sha512, args)
}
