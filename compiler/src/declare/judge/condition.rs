//! What a rule asks besides caller and target.

use std::net::IpAddr;

use regorus::Value;
use serde_json::Value as Json;
use sidegate_engine::eval::{Builtin, Context};

use super::request::Request;
use super::{Answer, Effect};
use crate::declare::model::{HeaderTest, Test};

/// Whether a condition holds.
pub(crate) fn holds(test: &Test, request: &Request, effect: Effect) -> Answer {
    match test {
        Test::Header(name, _) if has_twin(request, name) => Answer::Unknown,
        Test::Header(name, test) => header(request.headers.get(name).map(String::as_str), test, effect),
        Test::Claim(path, values) => claim(request.claims.as_ref(), path, values),
        Test::Source(networks) => source(request.source.as_deref(), networks),
    }
}

/// Whether another header is there that a service may take for this one, as `x_a` for `x-a`.
fn has_twin(request: &Request, name: &str) -> bool {
    let spelt = |name: &str| name.replace('_', "-");
    request.headers.keys().any(|other| other != name && spelt(other) == spelt(name))
}

/// Several values of a header are one text, parted by commas. A deny takes each for itself.
fn header(value: Option<&str>, test: &HeaderTest, effect: Effect) -> Answer {
    let (value, test) = match (value, test) {
        (value, HeaderTest::Present) => return Answer::sure(value.is_some()),
        (value, HeaderTest::Absent) => return Answer::sure(value.is_none()),
        (None, HeaderTest::Exact(_) | HeaderTest::Prefix(_)) => return Answer::No,
        (Some(value), test) => (value, test),
    };
    let mut parts = value.split(',').map(str::trim);
    Answer::sure(match (test, effect) {
        (HeaderTest::Exact(text), Effect::Allow) => value == text,
        (HeaderTest::Exact(text), Effect::Deny) => value == text || parts.any(|part| part == text),
        (HeaderTest::Prefix(text), Effect::Allow) => parts.all(|part| part.starts_with(text.as_str())),
        (HeaderTest::Prefix(text), Effect::Deny) => parts.any(|part| part.starts_with(text.as_str())),
        (HeaderTest::Present | HeaderTest::Absent, _) => false,
    })
}

/// A text that is one of `values`, or a list that has one; unknown where it is neither text nor a list of texts.
fn claim(claims: Option<&Json>, path: &[String], values: &[String]) -> Answer {
    let claim = claims.and_then(|claims| path.iter().try_fold(claims, |at, key| at.as_object()?.get(key)));
    let is_one = |value: &Json| value.as_str().is_some_and(|text| values.iter().any(|one| one == text));
    match claim {
        None | Some(Json::Null) => Answer::No,
        Some(value @ Json::String(_)) => Answer::sure(is_one(value)),
        Some(Json::Array(items)) if items.iter().any(is_one) => Answer::Yes,
        Some(Json::Array(items)) if items.iter().all(Json::is_string) => Answer::No,
        Some(_) => Answer::Unknown,
    }
}

/// Whether an address is in one of the networks; unknown where it is none.
fn source(address: Option<&str>, networks: &[String]) -> Answer {
    let Some(address) = address.filter(|address| address.parse::<IpAddr>().is_ok()) else {
        return Answer::Unknown;
    };
    // By OPA's own function, which takes an IPv4 address in IPv6's form for what it is.
    let contains = |network: &String| {
        let args = [Value::from(network.as_str()), Value::from(address)];
        Builtin::find("net.cidr_contains").and_then(|builtin| builtin.call(&args, &Context::default()).ok())
            == Some(Value::Bool(true))
    };
    Answer::sure(networks.iter().any(contains))
}
