//! Paths, read character by character.

/// The bytes that a path stands for, if it is one that can mean one thing only.
pub(crate) fn read_path(path: &str) -> Option<String> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                let byte = u8::try_from(high * 16 + low).ok()?;
                if byte < 0x20 || byte == 0x7f || b"#%./;?\\".contains(&byte) {
                    return None;
                }
                decoded.push(byte);
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => decoded.push(byte),
            _ if b"/-._~!$&'()*+,=:@".contains(&byte) => decoded.push(byte),
            _ => return None,
        }
    }
    let text = String::from_utf8(decoded).ok()?;
    let is_lookalike = |c: char| matches!(u32::from(c), 0xfe40..=0xfe7f | 0xff00..=0xff7f);
    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let last = segments.len() - 1;
    let is_odd = |(at, segment): (usize, &&str)| {
        *segment == "." || *segment == ".." || segment.is_empty() && at != last
    };
    if segments.iter().enumerate().any(is_odd) || text.chars().any(is_lookalike) {
        return None;
    }
    Some(text)
}

/// Whether a template matches these segments, one after the other.
pub(crate) fn template(template: &str, path: &str, is_deny: bool) -> bool {
    let fold = |text: &str| {
        let folded: String = text
            .to_lowercase()
            .chars()
            .map(|c| match c {
                '\u{17f}' => 's',
                '\u{131}' => 'i',
                c => c,
            })
            .collect();
        folded.strip_suffix('/').unwrap_or(&folded).to_owned()
    };
    let (wanted, given) = match is_deny {
        true => (fold(template), fold(path)),
        false => (template.to_owned(), path.to_owned()),
    };
    let given: Vec<&str> = given.split('/').collect();
    let wanted: Vec<&str> = wanted.split('/').collect();
    for (at, wanted) in wanted.iter().enumerate() {
        match (*wanted, given.get(at)) {
            ("{**}", None) => return is_deny,
            ("{**}", Some(_)) => return true,
            (_, None) => return false,
            (wanted, Some(given)) if wanted.starts_with('{') && given.is_empty() => return false,
            (wanted, Some(_)) if wanted.starts_with('{') => {}
            (wanted, Some(given)) if wanted != *given => return false,
            _ => {}
        }
    }
    wanted.len() == given.len()
}
