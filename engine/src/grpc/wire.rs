//! The wire format of Protocol Buffers, as far as the messages need it that are read here.
//! <https://protobuf.dev/programming-guides/encoding/>

/// A field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64([u8; 8]),
    /// Wire type 2: text, bytes, messages, packed numbers.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32([u8; 4]),
}

/// The fields of a message in their order, with their numbers; `None` in place of what cannot be read, and
/// nothing after it. Groups cannot.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    /// The tag of every field, where they are packed without one.
    packed: Option<u64>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self { rest: message, packed: None }
    }

    /// The numbers of a packed list, each as a field of this wire type.
    pub(crate) fn packed(list: &'a [u8], wire_type: u64) -> impl Iterator<Item = Option<Field<'a>>> {
        let fields = Self { rest: list, packed: Some(1 << 3 | wire_type) };
        fields.map(|field| field.map(|(_, field)| field))
    }

    fn read(&mut self) -> Option<(u64, Field<'a>)> {
        let tag = match self.packed {
            Some(tag) => tag,
            None => varint(&mut self.rest)?,
        };
        let field = match tag & 7 {
            0 => Field::Varint(varint(&mut self.rest)?),
            1 => Field::Fixed64(*chunk(&mut self.rest)?),
            2 => {
                let length = usize::try_from(varint(&mut self.rest)?).ok()?;
                let (bytes, rest) = self.rest.split_at_checked(length)?;
                self.rest = rest;
                Field::Bytes(bytes)
            }
            5 => Field::Fixed32(*chunk(&mut self.rest)?),
            _ => return None,
        };
        let number = tag >> 3;
        (number != 0).then_some((number, field))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Field<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field)
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn chunk<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (chunk, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn fields_are_read_and_what_is_cut_is_not() {
        let message = b"\x08\x96\x01\x12\x02hi\x1d\x01\0\0\0\x21\x02\0\0\0\0\0\0\0";
        let fields: Option<Vec<_>> = Fields::of(message).collect();
        let expected = [
            (1, Field::Varint(150)),
            (2, Field::Bytes(b"hi")),
            (3, Field::Fixed32([1, 0, 0, 0])),
            (4, Field::Fixed64([2, 0, 0, 0, 0, 0, 0, 0])),
        ];
        assert_eq!(fields.unwrap(), expected);
        let whole = [3, 7, 12, 21];
        for length in 1..message.len() {
            let fields: Option<Vec<_>> = Fields::of(&message[..length]).collect();
            assert_eq!(fields.is_some(), whole.contains(&length), "cut to {length}");
        }
    }

    #[test]
    fn what_is_no_field_ends_the_reading() {
        let broken: [&[u8]; 5] =
            [b"\0\0", b"\x0b", b"\x0c", b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", &[0xff; 20]];
        for message in broken {
            assert_eq!(Fields::of(message).collect::<Vec<_>>(), [None], "{message:?}");
        }
    }
}
