//! The builtins that plans may call, each with its answer and what a call may cost.
//!
//! None is regorus's: each is OPA's, or refuses where that is not certain. What is not here is refused, by name,
//! when a policy is built.

use std::collections::BTreeSet;

use regorus::Value;

use super::context::Context;
use super::extra::{chance, hash, jwt, net, time, x509};
use super::number::Inexact;
use super::ops::depth_weight;
use super::{template, values, walk};

/// Why a call has no answer. Either ends the evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// It is not certain to be OPA's.
    Inexact,
    /// The caller of the evaluation did not give what it depends on.
    Missing(&'static str),
}

impl From<Inexact> for Unanswered {
    fn from(_: Inexact) -> Self {
        Self::Inexact
    }
}

/// What an answer depends on besides the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// Nothing.
    Nothing,
    /// The clock.
    Clock,
    /// Chance.
    Chance,
    /// What runs the policy.
    Runtime,
}

/// An answer; undefined where OPA has an error.
pub(super) type Answer = fn(&[Value], &Context) -> Result<Value, Unanswered>;
/// Steps besides those for the size of the arguments; not more than the second are looked for.
pub(super) type Cost = fn(&[Value], u64) -> u64;

/// A builtin.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) arity: u8,
    pub(super) reads: Reads,
    /// All arguments are gone through; else a collection that is the first one is not.
    pub(super) whole: bool,
    pub(super) cost: Cost,
    pub(super) answer: Answer,
}

const FREE: Cost = |_, _| 0;

const fn entry(name: &'static str, arity: u8, reads: Reads, cost: Cost, answer: Answer) -> Entry {
    Entry { name, arity, reads, whole: true, cost, answer }
}

/// Hashing takes several passes over every block, of the key as well.
const HASHED: Cost = |args, _| 4 + text_bytes(args) / 16;
/// Texts that are gone through once, character by character.
const READ: Cost = |args, _| text_bytes(args) / 16;

/// Texts that hold JSON, as [`super::builtins`] charges for reading it.
const JSON: Cost = |args, _| text_bytes(args) / 4;

/// All of them, sorted by name.
static ENTRIES: &[Entry] = &[
    entry("crypto.hmac.equal", 2, Reads::Nothing, READ, hash::hmac_equal),
    entry("crypto.hmac.md5", 2, Reads::Nothing, HASHED, hash::hmac_md5),
    entry("crypto.hmac.sha1", 2, Reads::Nothing, HASHED, hash::hmac_sha1),
    entry("crypto.hmac.sha256", 2, Reads::Nothing, HASHED, hash::hmac_sha256),
    entry("crypto.hmac.sha512", 2, Reads::Nothing, HASHED, hash::hmac_sha512),
    entry("crypto.md5", 1, Reads::Nothing, HASHED, hash::md5),
    entry("crypto.sha1", 1, Reads::Nothing, HASHED, hash::sha1),
    entry("crypto.sha256", 1, Reads::Nothing, HASHED, hash::sha256),
    entry("crypto.x509.parse_certificates", 1, Reads::Nothing, x509::cost, x509::parse_certificates),
    entry("internal.template_string", 1, Reads::Nothing, FREE, |args, _| Ok(template::join(args)?)),
    entry("io.jwt.decode", 1, Reads::Nothing, JSON, jwt::decode),
    entry("io.jwt.decode_verify", 2, Reads::Clock, jwt::decode_verify_cost, jwt::decode_verify),
    entry("io.jwt.verify_eddsa", 2, Reads::Nothing, jwt::eddsa_cost, jwt::eddsa),
    entry("io.jwt.verify_es256", 2, Reads::Nothing, jwt::es256_cost, jwt::es256),
    entry("io.jwt.verify_es384", 2, Reads::Nothing, jwt::es384_cost, jwt::es384),
    entry("io.jwt.verify_es512", 2, Reads::Nothing, jwt::es512_cost, jwt::es512),
    entry("io.jwt.verify_hs256", 2, Reads::Nothing, HASHED, jwt::hs256),
    entry("io.jwt.verify_hs384", 2, Reads::Nothing, HASHED, jwt::hs384),
    entry("io.jwt.verify_hs512", 2, Reads::Nothing, HASHED, jwt::hs512),
    entry("io.jwt.verify_ps256", 2, Reads::Nothing, jwt::ps256_cost, jwt::ps256),
    entry("io.jwt.verify_ps384", 2, Reads::Nothing, jwt::ps384_cost, jwt::ps384),
    entry("io.jwt.verify_ps512", 2, Reads::Nothing, jwt::ps512_cost, jwt::ps512),
    entry("io.jwt.verify_rs256", 2, Reads::Nothing, jwt::rs256_cost, jwt::rs256),
    entry("io.jwt.verify_rs384", 2, Reads::Nothing, jwt::rs384_cost, jwt::rs384),
    entry("io.jwt.verify_rs512", 2, Reads::Nothing, jwt::rs512_cost, jwt::rs512),
    entry("net.cidr_contains", 2, Reads::Nothing, READ, net::contains),
    entry("net.cidr_contains_matches", 2, Reads::Nothing, net::matches_cost, net::contains_matches),
    entry("net.cidr_expand", 1, Reads::Nothing, net::expand_cost, net::expand),
    entry("net.cidr_intersects", 2, Reads::Nothing, READ, net::intersects),
    entry("net.cidr_is_valid", 1, Reads::Nothing, READ, net::is_valid),
    entry("net.cidr_merge", 1, Reads::Nothing, net::merge_cost, net::merge),
    entry("net.cidr_overlap", 2, Reads::Nothing, READ, net::contains),
    entry("opa.runtime", 0, Reads::Runtime, FREE, |_, _| Ok(chance::runtime())),
    entry("rand.intn", 2, Reads::Chance, HASHED, chance::intn),
    entry("time.add_date", 4, Reads::Nothing, FREE, time::add_date),
    entry("time.clock", 1, Reads::Nothing, FREE, time::clock),
    entry("time.date", 1, Reads::Nothing, FREE, time::date),
    entry("time.diff", 2, Reads::Nothing, FREE, time::diff),
    entry("time.format", 1, Reads::Nothing, READ, time::format),
    entry("time.now_ns", 0, Reads::Clock, FREE, time::now),
    entry("time.parse_duration_ns", 1, Reads::Nothing, READ, time::parse_duration),
    entry("time.parse_ns", 2, Reads::Nothing, READ, time::parse),
    entry("time.parse_rfc3339_ns", 1, Reads::Nothing, READ, time::parse_rfc3339),
    entry("time.weekday", 1, Reads::Nothing, FREE, time::weekday),
    entry("uuid.parse", 1, Reads::Nothing, READ, chance::uuid_parse),
    entry("uuid.rfc4122", 1, Reads::Chance, HASHED, chance::uuid),
    entry("walk", 1, Reads::Nothing, walk::cost, |args, _| Ok(walk::walk(args))),
];

/// Bytes of the arguments that are texts, or of the texts in arguments that are arrays.
fn text_bytes(args: &[Value]) -> u64 {
    let length = |value: &Value| match value {
        Value::String(text) => u64::try_from(text.len()).unwrap_or(u64::MAX),
        _ => 0,
    };
    let of = |value: &Value| match value {
        Value::Array(items) => items.iter().map(length).fold(0, u64::saturating_add),
        other => length(other),
    };
    args.iter().map(of).fold(0, u64::saturating_add)
}

/// The builtin called `name`.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    let found = |entries: &'static [Entry]| entries.iter().find(|entry| entry.name == name);
    found(ENTRIES).or_else(|| found(values::ENTRIES))
}

/// Names of all, sorted.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let names: BTreeSet<_> = ENTRIES.iter().chain(values::ENTRIES).map(|entry| entry.name).collect();
    names.into_iter()
}

impl Entry {
    /// Steps to charge before a call.
    pub(super) fn cost(&self, args: &[Value], most: u64) -> u64 {
        let seen = match args.split_first() {
            Some((Value::Array(_) | Value::Set(_) | Value::Object(_), rest)) if !self.whole => rest,
            _ => args,
        };
        depth_weight(seen, most).saturating_add(1).saturating_add((self.cost)(args, most))
    }
}
