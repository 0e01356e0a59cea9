//! Bytes as text that people can write and read: printable ASCII as it is, the rest as `\xHH`.

/// `\xHH` for every byte that is not printable ASCII, and `\\` for a backslash.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            0x20..=0x7e => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// The inverse of [`escape`]; characters beyond ASCII stand for their UTF-8 bytes.
///
/// # Errors
/// A backslash that starts neither `\xHH` nor `\\`.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            bytes.push(first);
        } else if let Some(after) = rest.strip_prefix(b"\\") {
            bytes.push(b'\\');
            rest = after;
        } else {
            let hex =
                rest.strip_prefix(b"x").and_then(|r| r.get(..2)).and_then(|h| std::str::from_utf8(h).ok());
            let byte = hex.and_then(|h| u8::from_str_radix(h, 16).ok());
            bytes.push(
                byte.ok_or_else(|| format!("expected `\\xHH` or `\\\\` after a backslash in `{text}`"))?,
            );
            rest = &rest[3..];
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{escape, unescape};

    #[test]
    fn escapes_and_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(unescape(&escape(&bytes)).unwrap(), bytes);
        assert_eq!(escape(b"a\\b\xff"), "a\\\\b\\xff");
        assert!(unescape("\\q").is_err());
        assert!(unescape("\\x0").is_err());
    }
}
