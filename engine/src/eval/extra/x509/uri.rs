//! URIs of certificates: Go's `url.URL`, for those that are plain.

use regorus::Value;

use crate::collections;
use crate::eval::extra::{Failed, UNSURE};

/// A URI as an object. Only those of a scheme, a host and a path of letters that need no escapes are
/// taken, as SPIFFE's are.
pub(super) fn read(text: &str) -> Result<Value, Failed> {
    let (scheme, rest) = text.split_once("://").ok_or(UNSURE)?;
    let (host, path) = match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
        Some((host, path)) => (host, path),
        None => (rest, ""),
    };
    let plain =
        |text: &str, more: &[u8]| text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b));
    let lower = scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    let simple = lower
        && scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && plain(host, b"-.")
        && host.len() <= 253
        && host.split('.').all(label)
        && plain(path, b"/-._~");
    if !simple {
        return Err(UNSURE);
    }
    let text = |name: &str, value: &str| (Value::from(name), Value::from(value));
    let no = |name: &str| (Value::from(name), Value::Bool(false));
    Ok(collections::object([
        text("Scheme", scheme),
        text("Opaque", ""),
        (Value::from("User"), Value::Null),
        text("Host", host),
        text("Path", path),
        text("RawPath", ""),
        no("OmitHost"),
        no("ForceQuery"),
        text("RawQuery", ""),
        text("Fragment", ""),
        text("RawFragment", ""),
    ]))
}
