//! OPA's hash of structured files: of what they say, not of their bytes.

use serde_json::Value;

/// What OPA hashes of a structured file (`data.json`, `.manifest`): objects with their keys in order,
/// strings as Go's encoder writes them, numbers as they stand in the file, and no white space.
///
/// # Errors
/// What the file is instead of JSON. OPA takes YAML too, and JSON that is not quite UTF-8: neither is in a
/// bundle that `sidegate build` or `opa build` made.
pub fn structural(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    walk(&value, &mut out);
    Ok(out)
}

fn walk(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(flag) => out.extend_from_slice(flag.to_string().as_bytes()),
        Value::Number(number) => out.extend_from_slice(number.as_str().as_bytes()),
        Value::String(text) => string(text, out),
        Value::Array(items) => list(b"[]", items.iter(), out, walk),
        Value::Object(fields) => list(b"{}", fields.iter(), out, |(key, value), out| {
            string(key, out);
            out.push(b':');
            walk(value, out);
        }),
    }
}

fn list<T>(
    [open, close]: &[u8; 2],
    items: impl Iterator<Item = T>,
    out: &mut Vec<u8>,
    each: impl Fn(T, &mut Vec<u8>),
) {
    out.push(*open);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        each(item, out);
    }
    out.push(*close);
}

/// As Go's `json.Encoder` without its escaping for HTML.
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
            }
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}
