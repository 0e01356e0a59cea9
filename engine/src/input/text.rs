//! Bytes to text, as Envoy and Go read them.

use std::borrow::Cow;

/// What Envoy's gRPC check request makes of bytes that are not UTF-8: each becomes `!`
/// (`MessageUtil::sanitizeUtf8String`).
pub(super) fn sanitize(bytes: &[u8]) -> Cow<'_, str> {
    replace_invalid(bytes, '!')
}

/// What a Go program sees when it walks over a string that is not UTF-8: each byte that does not belong to
/// a character reads as U+FFFD. OPA keeps the raw bytes; a [`regorus::Value`] cannot.
pub(super) fn to_go_text(bytes: &[u8]) -> Cow<'_, str> {
    replace_invalid(bytes, char::REPLACEMENT_CHARACTER)
}

fn replace_invalid(bytes: &[u8], replacement: char) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| replacement));
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn one_mark_for_each_bad_byte() {
        let cases: [(&[u8], &str); 7] = [
            (b"plain", "plain"),
            ("h\u{e9}".as_bytes(), "h\u{e9}"),
            (b"\xff\xfe", "!!"),
            (b"a\xe2\x82b", "a!!b"),
            (b"\xc0\x80", "!!"),
            (b"\xed\xa0\x80", "!!!"),
            (b"\xf0\x9f\x98", "!!!"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(sanitize(bytes), expected);
            assert_eq!(to_go_text(bytes), expected.replace('!', "\u{fffd}"));
        }
    }
}
