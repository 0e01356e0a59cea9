//! `crypto.md5`, `crypto.sha*`, `crypto.hmac.*`.

use regorus::Value;

use crate::crypto::{Hash, hex, same};
use crate::eval::context::Context;
use crate::eval::table::Unanswered;

type Answer = Result<Value, Unanswered>;

fn hashed(hash: Hash, args: &[Value]) -> Answer {
    let [Value::String(text)] = args else { return Ok(Value::Undefined) };
    Ok(Value::from(hex(&hash.digest(text.as_bytes()))))
}

fn keyed(hash: Hash, args: &[Value]) -> Answer {
    let [Value::String(text), Value::String(key)] = args else { return Ok(Value::Undefined) };
    Ok(Value::from(hex(&hash.hmac(key.as_bytes(), text.as_bytes()))))
}

pub(in crate::eval) fn md5(args: &[Value], _: &Context) -> Answer {
    hashed(Hash::Md5, args)
}

pub(in crate::eval) fn sha1(args: &[Value], _: &Context) -> Answer {
    hashed(Hash::Sha1, args)
}

pub(in crate::eval) fn sha256(args: &[Value], _: &Context) -> Answer {
    hashed(Hash::Sha256, args)
}

pub(in crate::eval) fn hmac_md5(args: &[Value], _: &Context) -> Answer {
    keyed(Hash::Md5, args)
}

pub(in crate::eval) fn hmac_sha1(args: &[Value], _: &Context) -> Answer {
    keyed(Hash::Sha1, args)
}

pub(in crate::eval) fn hmac_sha256(args: &[Value], _: &Context) -> Answer {
    keyed(Hash::Sha256, args)
}

pub(in crate::eval) fn hmac_sha512(args: &[Value], _: &Context) -> Answer {
    keyed(Hash::Sha512, args)
}

/// `crypto.hmac.equal(a, b)`: in a time that does not tell where they differ.
pub(in crate::eval) fn hmac_equal(args: &[Value], _: &Context) -> Answer {
    let [Value::String(a), Value::String(b)] = args else { return Ok(Value::Undefined) };
    Ok(Value::Bool(same(a.as_bytes(), b.as_bytes())))
}
