//! The form in which header maps cross the border: a count, the lengths of every name and value, then the
//! names and values themselves, each followed by a NUL. Numbers are 32 bits, little-endian.

/// A name and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

const WORD: usize = size_of::<u32>();

/// Reads pairs; `None` unless the buffer is exactly what its count and lengths say. An empty buffer is no
/// pairs, as Envoy writes it.
pub fn decode(buffer: &[u8]) -> Option<Vec<Pair>> {
    if buffer.is_empty() {
        return Some(Vec::new());
    }
    let (count, rest) = word(buffer)?;
    let (mut lengths, mut bytes) = rest.split_at_checked(count.checked_mul(2 * WORD)?)?;
    // The table is there in full, so the count is bounded by the length of the buffer.
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let (name_length, rest) = word(lengths)?;
        let (value_length, rest) = word(rest)?;
        lengths = rest;
        let (name, rest) = text(bytes, name_length)?;
        let (value, rest) = text(rest, value_length)?;
        bytes = rest;
        pairs.push((name.to_vec(), value.to_vec()));
    }
    bytes.is_empty().then_some(pairs)
}

/// Writes pairs; `None` if a length does not fit 32 bits.
pub fn encode<T: AsRef<[u8]>>(pairs: &[(T, T)]) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.extend(u32::try_from(pairs.len()).ok()?.to_le_bytes());
    for (name, value) in pairs {
        for text in [name, value] {
            buffer.extend(u32::try_from(text.as_ref().len()).ok()?.to_le_bytes());
        }
    }
    for (name, value) in pairs {
        for text in [name, value] {
            buffer.extend_from_slice(text.as_ref());
            buffer.push(0);
        }
    }
    Some(buffer)
}

fn word(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (word, rest) = bytes.split_first_chunk::<WORD>()?;
    Some((usize::try_from(u32::from_le_bytes(*word)).ok()?, rest))
}

/// `length` bytes and the NUL behind them.
fn text(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(length)?;
    let (nul, rest) = rest.split_first()?;
    (*nul == 0).then_some((text, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Pair> {
        [(":path", &b"/a"[..]), ("x-empty", b""), ("x-bad", b"\xff\xfe"), ("x-bad", b"a\0b")]
            .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
            .to_vec()
    }

    #[test]
    fn what_is_written_is_read() {
        for length in 0..=4 {
            let pairs = sample()[..length].to_vec();
            assert_eq!(decode(&encode(&pairs).unwrap()), Some(pairs));
        }
        assert_eq!(decode(&[]), Some(Vec::new()));
    }

    #[test]
    fn a_buffer_cut_short_or_drawn_out_is_refused() {
        let whole = encode(&sample()).unwrap();
        for length in 1..whole.len() {
            assert_eq!(decode(&whole[..length]), None, "cut to {length}");
        }
        assert_eq!(decode(&[whole, vec![0]].concat()), None);
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(decode(&u32::MAX.to_le_bytes()), None);
        let whole = encode(&sample()).unwrap();
        for at in 0..(1 + 2 * 4) {
            for lie in [u32::MAX, u32::MAX / 8, 0x8000_0000, 1_000_000, 63] {
                let mut buffer = whole.clone();
                buffer[at * 4..at * 4 + 4].copy_from_slice(&lie.to_le_bytes());
                assert_eq!(decode(&buffer), None, "word {at} is {lie}");
            }
        }
    }

    #[test]
    fn every_single_byte_may_be_wrong_without_harm() {
        let whole = encode(&sample()).unwrap();
        for at in 0..whole.len() {
            for byte in 0..=u8::MAX {
                let mut buffer = whole.clone();
                buffer[at] = byte;
                let _ = decode(&buffer);
            }
        }
    }
}
