//! Header maps, in the form in which they cross the border of the VM: a count, the lengths of every name and value,
//! then the names and values themselves, each followed by a NUL. Numbers are 32 bits, little-endian.
//!
//! A map is kept as it came, in one buffer: nothing is copied, and what nobody asks for is not looked at twice.

use std::fmt;

const WORD: usize = size_of::<u32>();
/// The lengths of a name and of its value.
const LENGTHS: usize = 2 * WORD;

/// Every header in order, repeated ones repeated, pseudo-headers included; names in lower case as Envoy keeps them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Empty where there are none.
    wire: Vec<u8>,
}

/// The headers of a map, as name and value.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    lengths: &'a [[u8; LENGTHS]],
    bytes: &'a [u8],
}

impl Headers {
    /// Takes a buffer over; `None` unless it is exactly what its count and lengths say. An empty buffer is no
    /// headers, as Envoy writes it.
    pub fn read(wire: Vec<u8>) -> Option<Self> {
        if wire.is_empty() {
            return Some(Self::default());
        }
        let mut all = Iter::of(&wire)?;
        let count = all.lengths.len();
        for _ in 0..count {
            all.next()?;
        }
        let is_whole = all.bytes.is_empty();
        is_whole.then(|| if count == 0 { Self::default() } else { Self { wire } })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.wire.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().lengths.len()
    }

    /// Every header in its order.
    pub fn iter(&self) -> Iter<'_> {
        Iter::of(&self.wire).unwrap_or(Iter { lengths: &[], bytes: &[] })
    }

    /// The values of a name (in lower case) in their order.
    pub fn values<'a>(&'a self, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The first value of a name (in lower case).
    pub fn first(&self, name: &[u8]) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The map as it crosses the border.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// A copy that can be changed, and collected into a map again.
    pub fn to_vec(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
    }
}

/// Writes headers as they cross the border; `None` if a length does not fit 32 bits.
pub fn write<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Option<Vec<u8>> {
    let mut wire = Vec::new();
    wire.extend(u32::try_from(headers.len()).ok()?.to_le_bytes());
    for (name, value) in headers {
        for text in [name.as_ref(), value.as_ref()] {
            wire.extend(u32::try_from(text.len()).ok()?.to_le_bytes());
        }
    }
    for (name, value) in headers {
        for text in [name.as_ref(), value.as_ref()] {
            wire.extend_from_slice(text);
            wire.push(0);
        }
    }
    Some(wire)
}

impl<'a> Iter<'a> {
    fn of(wire: &'a [u8]) -> Option<Self> {
        let (count, rest) = wire.split_first_chunk::<WORD>()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let (lengths, bytes) = rest.split_at_checked(count.checked_mul(LENGTHS)?)?;
        let (lengths, _) = lengths.as_chunks::<LENGTHS>();
        Some(Self { lengths, bytes })
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([a, b, c, d, e, f, g, h], lengths) = self.lengths.split_first()?;
        let (name, rest) = text(self.bytes, [*a, *b, *c, *d])?;
        let (value, rest) = text(rest, [*e, *f, *g, *h])?;
        *self = Self { lengths, bytes: rest };
        Some((name, value))
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Lengths that do not fit 32 bits, which no host has, make a map without headers.
impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(headers: T) -> Self {
        let headers: Vec<_> = headers.into_iter().collect();
        write(&headers).and_then(Self::read).unwrap_or_default()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>, const COUNT: usize> From<[(N, V); COUNT]> for Headers {
    fn from(headers: [(N, V); COUNT]) -> Self {
        headers.into_iter().collect()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        f.debug_list().entries(self.iter().map(|(name, value)| (text(name), text(value)))).finish()
    }
}

/// The bytes of this length and the NUL behind them.
fn text(bytes: &[u8], length: [u8; WORD]) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(usize::try_from(u32::from_le_bytes(length)).ok()?)?;
    let (nul, rest) = rest.split_first()?;
    (*nul == 0).then_some((text, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SAMPLE: [(&str, &[u8]); 4] =
        [(":path", b"/a"), ("x-empty", b""), ("x-bad", b"\xff\xfe"), ("x-bad", b"a\0b")];

    fn read(wire: &[u8]) -> Option<Headers> {
        Headers::read(wire.to_vec())
    }

    #[test]
    fn what_is_written_is_read() {
        for length in 0..=4 {
            let headers = read(&write(&SAMPLE[..length]).unwrap()).unwrap();
            let wanted: Vec<_> =
                SAMPLE[..length].iter().map(|(name, value)| (name.as_bytes(), *value)).collect();
            assert_eq!(headers.iter().collect::<Vec<_>>(), wanted);
            assert_eq!((headers.len(), headers.is_empty()), (length, length == 0));
            assert_eq!(headers, SAMPLE[..length].iter().copied().collect());
            assert_eq!(headers, headers.to_vec().into_iter().collect());
        }
        assert_eq!(read(&[]), Some(Headers::default()));
    }

    #[test]
    fn values_are_found_by_name_in_their_order() {
        let headers = Headers::from(SAMPLE);
        assert_eq!(headers.first(b":path"), Some(&b"/a"[..]));
        assert_eq!(headers.first(b"x-empty"), Some(&b""[..]));
        assert_eq!(headers.first(b"x-ba"), None);
        assert_eq!(headers.values(b"x-bad").collect::<Vec<_>>(), [&b"\xff\xfe"[..], b"a\0b"]);
        assert_eq!(Headers::default().first(b""), None);
    }

    #[test]
    fn a_buffer_cut_short_or_drawn_out_is_refused() {
        let whole = write(&SAMPLE).unwrap();
        for length in 1..whole.len() {
            assert_eq!(read(&whole[..length]), None, "cut to {length}");
        }
        assert_eq!(read(&[whole, vec![0]].concat()), None);
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(read(&u32::MAX.to_le_bytes()), None);
        let whole = write(&SAMPLE).unwrap();
        for at in 0..(1 + 2 * 4) {
            for lie in [u32::MAX, u32::MAX / 8, 0x8000_0000, 1_000_000, 63] {
                let mut wire = whole.clone();
                wire[at * 4..at * 4 + 4].copy_from_slice(&lie.to_le_bytes());
                assert_eq!(read(&wire), None, "word {at} is {lie}");
            }
        }
    }

    #[test]
    fn every_single_byte_may_be_wrong_without_harm() {
        let whole = write(&SAMPLE).unwrap();
        for at in 0..whole.len() {
            for byte in 0..=u8::MAX {
                let mut wire = whole.clone();
                wire[at] = byte;
                if let Some(headers) = read(&wire) {
                    assert_eq!(headers.iter().count(), headers.len());
                }
            }
        }
    }
}
