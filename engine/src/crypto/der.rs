//! DER, as strictly as Go's `cryptobyte`: definite lengths, the shortest forms.

use num_bigint::BigUint;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// What is left of some DER.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Der<'a>(pub(crate) &'a [u8]);

/// One element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    /// Tag, length and content.
    pub(crate) whole: &'a [u8],
}

impl<'a> Der<'a> {
    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Whether the next element has the tag.
    pub(crate) fn is_next(self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The next element; nothing is taken where there is none.
    pub(crate) fn element(&mut self) -> Option<Element<'a>> {
        let (tag, rest) = self.0.split_first()?;
        // Tags of several bytes are of no use here, and Go does not read them either.
        if tag & 0x1F == 0x1F {
            return None;
        }
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7F => (usize::from(*first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
                let length = digits.iter().fold(0_usize, |n, digit| (n << 8) | usize::from(*digit));
                if length < 0x80 || digits.first() == Some(&0) {
                    return None;
                }
                (length, rest)
            }
            _ => return None,
        };
        let (content, after) = rest.split_at_checked(length)?;
        let whole = self.0.get(..self.0.len().checked_sub(after.len())?)?;
        self.0 = after;
        Some(Element { tag: *tag, content, whole })
    }

    /// The next element, which must have the tag.
    pub(crate) fn tagged(&mut self, tag: u8) -> Option<Element<'a>> {
        if self.is_next(tag) { self.element() } else { None }
    }

    /// What is in the next element, which must have the tag.
    pub(crate) fn inside(&mut self, tag: u8) -> Option<Der<'a>> {
        Some(Der(self.tagged(tag)?.content))
    }

    /// The bytes of an integer, most significant first, two's complement.
    pub(crate) fn integer(&mut self) -> Option<&'a [u8]> {
        let bytes = self.tagged(INTEGER)?.content;
        match bytes {
            [] | [0, 0..=0x7F, ..] | [0xFF, 0x80..=0xFF, ..] => None,
            _ => Some(bytes),
        }
    }

    /// A number that is not below zero.
    pub(crate) fn natural(&mut self) -> Option<BigUint> {
        let bytes = self.integer()?;
        bytes.first().is_some_and(|first| *first < 0x80).then(|| BigUint::from_bytes_be(bytes))
    }

    /// A small number that is not below zero.
    pub(crate) fn small(&mut self) -> Option<i64> {
        i64::try_from(self.natural()?).ok()
    }

    /// A truth value.
    pub(crate) fn boolean(&mut self) -> Option<bool> {
        match self.tagged(BOOLEAN)?.content {
            [0] => Some(false),
            [0xFF] => Some(true),
            _ => None,
        }
    }

    /// Bits, with how many of the last byte are none.
    pub(crate) fn bits(&mut self) -> Option<(&'a [u8], u8)> {
        let (unused, bytes) = self.tagged(BIT_STRING)?.content.split_first()?;
        let last = bytes.last().copied();
        match (last, *unused) {
            (None, 0) => Some((bytes, 0)),
            (Some(last), 0..=7) if last & ((1 << unused) - 1) == 0 => Some((bytes, *unused)),
            _ => None,
        }
    }

    /// The numbers of an object identifier.
    pub(crate) fn oid(&mut self) -> Option<Vec<u64>> {
        oid(self.tagged(OID)?.content)
    }
}

/// The numbers of an object identifier, each of 31 bits.
fn oid(content: &[u8]) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    let mut number = None;
    for byte in content {
        let low = u64::from(byte & 0x7F);
        let next = match number {
            None if *byte == 0x80 => return None,
            None => low,
            Some(high) => u64::checked_add(high << 7, low).filter(|n| *n <= 0x7FFF_FFFF)?,
        };
        if byte & 0x80 != 0 {
            number = Some(next);
            continue;
        }
        number = None;
        if numbers.is_empty() {
            let first = (next / 40).min(2);
            numbers.extend([first, next.saturating_sub(first.saturating_mul(40))]);
        } else {
            numbers.push(next);
        }
    }
    (number.is_none() && !numbers.is_empty()).then_some(numbers)
}
