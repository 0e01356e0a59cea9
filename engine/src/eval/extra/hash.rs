//! `crypto.md5`, `crypto.sha*`, `crypto.hmac.*`, and the hashes that signatures are made of.

use md5::Md5;
use regorus::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::eval::context::Context;
use crate::eval::table::Unanswered;

type Answer = Result<Value, Unanswered>;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::eval) enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// The hash of `data`.
    pub(in crate::eval) fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Md5 => Md5::digest(data).to_vec(),
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha384 => Sha384::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    /// Bytes of the blocks that it works on.
    fn block(self) -> usize {
        match self {
            Self::Md5 | Self::Sha1 | Self::Sha256 => 64,
            Self::Sha384 | Self::Sha512 => 128,
        }
    }

    /// The HMAC of `data` (RFC 2104). By hand: a generic one is five times as much code.
    pub(in crate::eval) fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        let mut padded = if key.len() > self.block() { self.digest(key) } else { key.to_vec() };
        padded.resize(self.block(), 0);
        let mixed = |with: u8, data: &[u8]| {
            let mut bytes: Vec<u8> = padded.iter().map(|b| b ^ with).collect();
            bytes.extend_from_slice(data);
            self.digest(&bytes)
        };
        mixed(0x5C, &mixed(0x36, data))
    }
}

/// In hexadecimal digits.
pub(in crate::eval) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

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

/// Equality in a time that does not depend on where they differ.
pub(in crate::eval) fn same(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0_u8, |seen, (x, y)| std::hint::black_box(seen | (x ^ y)));
    a.len() == b.len() && differences == 0
}
