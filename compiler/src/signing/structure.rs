//! OPA's hash of structured files: of what they say, not of their bytes.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Most levels of arrays and objects, as in `data.json` where it is read for a build.
const DEPTH: usize = 128;

/// What OPA hashes of a structured file (`data.json`, `.manifest`): objects with their keys in order,
/// strings as Go's encoder writes them, numbers as they stand in the file, and no white space.
///
/// # Errors
/// What the file is instead of JSON. OPA takes YAML too, and JSON that is not quite UTF-8: neither is in a
/// bundle that `sidegate build` or `opa build` made.
pub fn structural(bytes: &[u8]) -> Result<Vec<u8>, String> {
    // By parts of the text: a parsed number has lost how it was written (`1E3` is `1e+3` then).
    let value: &RawValue = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    walk(value, DEPTH, &mut out)?;
    Ok(out)
}

fn walk(value: &RawValue, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let text = value.get();
    let wrong = |error: serde_json::Error| error.to_string();
    let below = || depth.checked_sub(1).ok_or_else(|| format!("more than {DEPTH} levels"));
    match text.as_bytes().first() {
        Some(b'"') => string(&serde_json::from_str::<String>(text).map_err(wrong)?, out),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(wrong)?;
            let depth = below()?;
            return list(b"[]", items.into_iter(), out, |item, out| walk(item, depth, out));
        }
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(wrong)?;
            let depth = below()?;
            return list(b"{}", fields.into_iter(), out, |(key, value), out| {
                string(&key, out);
                out.push(b':');
                walk(value, depth, out)
            });
        }
        _ => out.extend_from_slice(text.as_bytes()),
    }
    Ok(())
}

fn list<T>(
    [open, close]: &[u8; 2],
    items: impl Iterator<Item = T>,
    out: &mut Vec<u8>,
    each: impl Fn(T, &mut Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    out.push(*open);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        each(item, out)?;
    }
    out.push(*close);
    Ok(())
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
