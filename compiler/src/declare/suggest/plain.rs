//! Which paths can mean one thing only: docs/declare.md, "Paths are strict".

/// Whether a path, without its query, is one that a rule may allow.
pub(super) fn is_plain(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,=:@%".contains(&byte);
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        if matches!(segment, "." | "..") || segment.is_empty() && segments.peek().is_some() {
            return false;
        }
    }
    path.bytes().all(is_char) && (!path.contains('%') || is_well_escaped(path))
}

fn is_well_escaped(path: &str) -> bool {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let byte = match (digit(), digit()) {
            (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or_default(),
            _ => return false,
        };
        if byte < 0x20 || byte == 0x7f || b"#%./;?\\".contains(&byte) {
            return false;
        }
        decoded.push(byte);
    }
    let is_lookalike = |c: char| matches!(c, '\u{fe40}'..='\u{fe7f}' | '\u{ff00}'..='\u{ff7f}');
    String::from_utf8(decoded).is_ok_and(|text| !text.chars().any(is_lookalike))
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn doubtful_paths_are_none() {
        for path in ["/", "/a/", "/a/b.c", "/a%20b", "/%C3%A9", "/a*b", "/a:b@c", "/..."] {
            assert!(is_plain(path), "{path}");
        }
        for path in [
            "",
            "*",
            "a",
            "//",
            "//a",
            "/a//b",
            "/./a",
            "/a/..",
            "/a/.",
            "/a;b",
            "/a\\b",
            "/a#b",
            "/a b",
            "/é",
            "/%",
            "/%2",
            "/%zz",
            "/%2f",
            "/%2E",
            "/%25",
            "/%00",
            "/%7f",
            "/%ff",
            "/%C3",
            "/%EF%BC%8F",
            "/a\"b",
            "/{id}",
            "/a\nb",
            "http://a/b",
            "/%ED%A0%80",
        ] {
            assert!(!is_plain(path), "{path}");
        }
    }
}
