//! `envoy.config.core.v3.Metadata` as bytes, for the paths that have no Envoy to make them.

use serde_json::Value;

/// A message whose `filter_metadata` is this object: namespaces with their structs.
pub fn metadata(namespaces: &Value) -> Vec<u8> {
    map(namespaces, structure)
}

/// `google.protobuf.Struct`.
fn structure(value: &Value) -> Vec<u8> {
    map(value, content)
}

/// Field 1 as a map from text to messages.
fn map(value: &Value, message: fn(&Value) -> Vec<u8>) -> Vec<u8> {
    let fields = value.as_object().expect("an object");
    let entry = |(key, value): (&String, &Value)| {
        bytes(1, &[bytes(1, key.as_bytes()), bytes(2, &message(value))].concat())
    };
    fields.iter().flat_map(entry).collect()
}

/// `google.protobuf.Value`.
pub fn content(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => vec![0x08, 0],
        Value::Bool(flag) => vec![0x20, u8::from(*flag)],
        Value::Number(number) => {
            let float = number.as_f64().expect("a number that a double holds");
            [&[0x11][..], &float.to_le_bytes()].concat()
        }
        Value::String(text) => bytes(3, text.as_bytes()),
        Value::Array(items) => {
            bytes(6, &items.iter().flat_map(|i| bytes(1, &content(i))).collect::<Vec<_>>())
        }
        Value::Object(_) => bytes(5, &structure(value)),
    }
}

fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        field.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    field.push(u8::try_from(length).expect("seven bits"));
    field.extend_from_slice(content);
    field
}
