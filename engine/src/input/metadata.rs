//! `envoy.config.core.v3.Metadata`, which the host hands over as it stands in a protobuf message: what
//! filters such as `jwt_authn` found out about the request. Its text form loses the types of values.

use regorus::value::Object;
use regorus::{Rc, Value};

use super::error::RequestError;
use crate::grpc::wire::{Field, Fields};
use crate::needs::KeyNeeds;

/// Lists and structs in one another.
pub(super) const MAX_DEPTH: usize = 64;

type Result<T> = std::result::Result<T, RequestError>;

const BAD: RequestError = RequestError::Metadata;

/// `filter_metadata` of a message: those namespaces that are needed, with their structs.
pub(crate) fn filter_metadata(message: &[u8], needs: &KeyNeeds) -> Result<Object> {
    let mut namespaces = Object::default();
    for field in Fields::of(message) {
        if let (1, Field::Bytes(entry)) = field.ok_or(BAD)? {
            let (name, value) = entry_of(entry)?;
            if needs.contains(name) {
                let depth = 1;
                namespaces.insert(Value::from(name), structure(value, depth)?);
            }
        }
    }
    Ok(namespaces)
}

/// `google.protobuf.Struct`.
fn structure(message: &[u8], depth: usize) -> Result<Value> {
    if depth > MAX_DEPTH {
        return Err(BAD);
    }
    let mut fields = Object::default();
    for field in Fields::of(message) {
        if let (1, Field::Bytes(entry)) = field.ok_or(BAD)? {
            let (name, message) = entry_of(entry)?;
            fields.insert(Value::from(name), value(message, depth)?);
        }
    }
    Ok(Value::Object(Rc::new(fields)))
}

/// `google.protobuf.Value`; of several kinds the last counts, none is null.
fn value(message: &[u8], depth: usize) -> Result<Value> {
    let mut value = Value::Null;
    for field in Fields::of(message) {
        value = match field.ok_or(BAD)? {
            (1, Field::Varint(_)) => Value::Null,
            (2, Field::Fixed64(bytes)) => number(f64::from_le_bytes(bytes)),
            (3, Field::Bytes(bytes)) => Value::from(text(bytes)?),
            (4, Field::Varint(flag)) => Value::Bool(flag != 0),
            (5, Field::Bytes(bytes)) => structure(bytes, depth.saturating_add(1))?,
            (6, Field::Bytes(bytes)) => list(bytes, depth.saturating_add(1))?,
            _ => value,
        };
    }
    Ok(value)
}

/// `google.protobuf.ListValue`.
fn list(message: &[u8], depth: usize) -> Result<Value> {
    if depth > MAX_DEPTH {
        return Err(BAD);
    }
    let mut items = Vec::new();
    for field in Fields::of(message) {
        if let (1, Field::Bytes(item)) = field.ok_or(BAD)? {
            items.push(value(item, depth)?);
        }
    }
    Ok(Value::from(items))
}

/// An entry of a map from text to messages.
fn entry_of(message: &[u8]) -> Result<(&str, &[u8])> {
    let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in Fields::of(message) {
        match field.ok_or(BAD)? {
            (1, Field::Bytes(bytes)) => key = bytes,
            (2, Field::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    Ok((text(key)?, value))
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| BAD)
}

/// The number that OPA writes with the shortest digits; what is none is a word, as in Go's `structpb`.
fn number(float: f64) -> Value {
    /// Beyond, a double and its shortest digits are two numbers.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if float.is_nan() {
        Value::from("NaN")
    } else if float.is_infinite() {
        Value::from(if float > 0.0 { "Infinity" } else { "-Infinity" })
    } else if float.fract() == 0.0 && float.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number of at most 53 bits")]
        let whole = float as i64;
        Value::from(whole)
    } else {
        Value::from(float)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        [&[number << 3 | 2, length], content].concat()
    }

    fn entry(key: &str, content: &[u8]) -> Vec<u8> {
        bytes(1, &[bytes(1, key.as_bytes()), bytes(2, content)].concat())
    }

    fn double(float: f64) -> Vec<u8> {
        [&[0x11][..], &float.to_le_bytes()].concat()
    }

    #[test]
    fn structs_become_objects() {
        let list = [bytes(1, &double(1.5)), bytes(1, &[0x20, 1]), bytes(1, &[8, 0]), bytes(1, &[])].concat();
        let claims = [
            entry("sub", &bytes(3, b"bob")),
            entry("exp", &double(1_767_323_045.0)),
            entry("aud", &bytes(6, &list)),
            entry("odd", &double(f64::NAN)),
            entry("nested", &bytes(5, &entry("", &bytes(3, b"")))),
        ]
        .concat();
        let message = [entry("jwt", &claims), entry("other", &claims), bytes(2, b"typed")].concat();
        let read = |needs: &KeyNeeds| Value::Object(Rc::new(filter_metadata(&message, needs).unwrap()));
        let expected = r#"{"jwt":{"sub":"bob","exp":1767323045,"aud":[1.5,true,null,null],"odd":"NaN","nested":{"":""}}}"#;
        let named = KeyNeeds::Named(["jwt".to_owned()].into());
        assert_eq!(read(&named), Value::from_json_str(expected).unwrap());
        assert_eq!(read(&KeyNeeds::All)["other"]["sub"], Value::from("bob"));
    }

    #[test]
    fn what_is_broken_or_too_deep_is_refused() {
        let whole = entry("a", &entry("b", &bytes(3, b"c")));
        for length in 1..whole.len() {
            assert!(filter_metadata(&whole[..length], &KeyNeeds::All).is_err(), "cut to {length}");
        }
        assert!(filter_metadata(&entry("\u{e9}", b""), &KeyNeeds::All).is_ok());
        assert!(filter_metadata(&bytes(1, &bytes(1, b"\xff")), &KeyNeeds::All).is_err());
        let nested = |levels: usize| {
            let mut value = Vec::new();
            for _ in 0..levels {
                let length = value.len();
                let varint = |n: usize| [(n & 0x7f) as u8 | 0x80, (n >> 7) as u8];
                let item = [&[0x0a][..], &varint(length), &value].concat();
                value = [&[0x32][..], &varint(item.len()), &item].concat();
            }
            list(
                &[&[0x0a][..], &[(value.len() & 0x7f) as u8 | 0x80, (value.len() >> 7) as u8], &value]
                    .concat(),
                1,
            )
        };
        assert!(nested(MAX_DEPTH - 1).is_ok());
        assert!(nested(MAX_DEPTH).is_err());
    }
}
