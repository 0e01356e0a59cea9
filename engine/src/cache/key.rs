//! What a decision depends on, and how that is written as a key.

use regorus::Value;

use crate::input::Request;
use crate::input::leaves::{At, Leaf, Place};
use crate::input::request::Part;
use crate::needs::{Group, Needs};
use crate::plan::Reach;

/// Longest key. What reads longer values is a token or a body, and seldom comes twice.
const MOST: usize = 2048;
/// Headers that no two requests have in common.
const OF_ONE_REQUEST: &[&str] = &["traceparent", "x-b3-spanid", "x-b3-traceid", "x-request-id"];

/// Why decisions of a policy are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Uncached {
    #[error("the answer depends on more than the request")]
    Impure,
    #[error("it takes a large part of the input as a whole")]
    Whole,
    #[error("it reads what no two requests have in common")]
    Unique,
    #[error("it reads bodies")]
    Body,
}

/// The places that an answer depends on, where it depends on nothing else.
pub(crate) fn places(reach: &Reach<'_>, all: &[Place], needs: &Needs) -> Result<Vec<Place>, Uncached> {
    if !reach.is_pure() {
        return Err(Uncached::Impure);
    }
    if needs.contains(Group::Body) {
        return Err(Uncached::Body);
    }
    if reach.takes_input {
        return Err(Uncached::Whole);
    }
    let mut places = Vec::new();
    for number in &reach.places {
        let place = usize::try_from(*number).ok().and_then(|at| all.get(at)).ok_or(Uncached::Whole)?;
        match &place.at {
            At::Nothing => continue,
            At::Document | At::Leaf(Leaf::Headers) => return Err(Uncached::Whole),
            At::Leaf(Leaf::ResponseHeaders) if place.below.is_empty() => return Err(Uncached::Whole),
            At::Leaf(Leaf::Time) => return Err(Uncached::Unique),
            At::Header(name) if OF_ONE_REQUEST.contains(&name.as_str()) => return Err(Uncached::Unique),
            // A client's port is another one for each connection.
            At::Leaf(Leaf::SourceAddress) if !is_ip(&place.below) => return Err(Uncached::Unique),
            At::Header(_) | At::Names | At::Leaf(_) => places.push(place.clone()),
        }
    }
    Ok(places)
}

fn is_ip(below: &[Value]) -> bool {
    matches!(below, [Value::String(kind), Value::String(field)]
        if kind.as_ref() == "socketAddress" && field.as_ref() == "address")
}

/// Writes what a request has at the places, so that no two requests that differ there have the same key. False if that
/// is too long.
pub(super) fn write(key: &mut Vec<u8>, request: &Request<'_>, places: &[Place]) -> bool {
    places.iter().all(|place| {
        if place.at == At::Names {
            // Every name as it came: two requests with the same names in another order have two keys.
            request.header_names().for_each(|name| put(key, 8, name));
            put(key, 9, &[]);
            return key.len() <= MOST;
        }
        match request.part_at(place) {
            None => put(key, 0, &[]),
            Some(Part::Text(text)) if place.below.is_empty() => put(key, 1, text.as_bytes()),
            Some(part) => value(key, place.down(&part.into())),
        }
        key.len() <= MOST
    })
}

/// What a value would take in a key; `None` if that is longer than any key.
pub(super) fn bytes(of: &Value) -> Option<usize> {
    let mut key = Vec::new();
    value(&mut key, of);
    Some(key.len()).filter(|bytes| *bytes <= MOST)
}

/// A tag, a length, the bytes: where one value ends is never in doubt.
fn put(key: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    key.push(tag);
    key.extend_from_slice(&bytes.len().to_le_bytes());
    key.extend_from_slice(bytes);
}

fn value(key: &mut Vec<u8>, value_of: &Value) {
    // Long enough to be refused.
    if key.len() > MOST {
        return;
    }
    match value_of {
        Value::Undefined => put(key, 0, &[]),
        Value::String(text) => put(key, 1, text.as_bytes()),
        Value::Null => put(key, 2, &[]),
        Value::Bool(is) => put(key, 3, &[u8::from(*is)]),
        // By its text and by its bits: some values have the one in common, some the other.
        Value::Number(number) => {
            put(key, 4, value_of.to_string().as_bytes());
            put(key, 4, &number.as_f64().map_or(0, f64::to_bits).to_le_bytes());
        }
        Value::Array(items) => {
            put(key, 5, &items.len().to_le_bytes());
            items.iter().for_each(|item| value(key, item));
        }
        Value::Set(items) => {
            put(key, 6, &items.len().to_le_bytes());
            items.iter().for_each(|item| value(key, item));
        }
        Value::Object(fields) => {
            put(key, 7, &fields.len().to_le_bytes());
            fields.iter().for_each(|(name, field)| {
                value(key, name);
                value(key, field);
            });
        }
    }
}
