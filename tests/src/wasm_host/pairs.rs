//! Header maps, and the form in which they cross the border: a count, the lengths, then every name and
//! value with a NUL behind it; numbers are 32 bits, little-endian.

/// Names and values in order, repeated names repeated.
pub type Headers = Vec<(Vec<u8>, Vec<u8>)>;

pub(super) fn encode(headers: &Headers) -> Vec<u8> {
    let number = |n: usize| u32::try_from(n).expect("a length of 32 bits").to_le_bytes();
    let mut out = number(headers.len()).to_vec();
    for (name, value) in headers {
        out.extend(number(name.len()));
        out.extend(number(value.len()));
    }
    for (name, value) in headers {
        for part in [name, value] {
            out.extend(part);
            out.push(0);
        }
    }
    out
}

/// `None` where the bytes are no pairs.
pub(super) fn decode(bytes: &[u8]) -> Option<Headers> {
    if bytes.is_empty() {
        return Some(Headers::new());
    }
    let number = |at: usize| {
        let raw: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(raw)).ok()
    };
    let count = number(0)?;
    let mut at = 4 + count.checked_mul(8)?;
    let mut take = |length: usize| {
        let part = bytes.get(at..at + length)?.to_vec();
        at += length + 1;
        Some(part)
    };
    (0..count).map(|i| Some((take(number(4 + i * 8)?)?, take(number(8 + i * 8)?)?))).collect()
}

/// All values of a name, joined as Envoy's attribute `request.headers.x` joins them.
pub(super) fn joined(headers: &Headers, name: &[u8]) -> Option<Vec<u8>> {
    let values: Vec<&[u8]> = headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_slice()).collect();
    if values.is_empty() { None } else { Some(values.join(&b","[..])) }
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn pairs_and_back() {
        let headers = vec![(b"a".to_vec(), b"\xff".to_vec()), (b"a".to_vec(), Vec::new())];
        assert_eq!(decode(&encode(&headers)), Some(headers));
        assert_eq!(decode(&[]), Some(Vec::new()));
        assert_eq!(decode(&[9, 0, 0, 0, 1]), None);
    }
}
