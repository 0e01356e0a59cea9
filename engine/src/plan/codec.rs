//! `sidegate.bin`: a plan as bytes, and the tables that answer for it.

use std::sync::Arc;

use super::{Image, Program, Stmt};
use crate::grpc::Messages;
use crate::table::Table;

/// First bytes of every plan.
const MAGIC: &[u8; 4] = b"SDGT";

/// The version of the format that this build writes. It reads the one before, too: that has no choices.
pub const FORMAT: u16 = 5;
const WITHOUT_CHOICES: u16 = 4;

/// Why bytes are no plan that can be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Not a plan at all.
    #[error("expected a compiled policy, got other bytes; build the bundle with `sidegate build`")]
    Magic,
    /// A plan of another version.
    #[error(
        "expected format {FORMAT} or {WITHOUT_CHOICES}, got {0}; build the bundle with the `sidegate` of this version"
    )]
    Version(u16),
    /// Cut off, or followed by something else.
    #[error("compiled policy is damaged; build the bundle again")]
    Damaged,
    /// Decoded, but it breaks a rule that the evaluator relies on.
    #[error("compiled policy is not well-formed: {0}")]
    Malformed(&'static str),
}

/// The table of an entry point: the entry's place in the program, and the table's bytes.
pub type TableOf<B> = (u32, B);

/// The bytes of `program`, which knows no gRPC messages and has no tables. The same program gives the same bytes.
pub fn encode(program: &Program) -> Result<Vec<u8>, FormatError> {
    encode_with(program, &Messages::default(), &[])
}

/// The bytes of `program`, of the gRPC messages that its requests may have, and of tables of its entry points.
pub fn encode_with(
    program: &Program,
    messages: &Messages,
    tables: &[TableOf<Vec<u8>>],
) -> Result<Vec<u8>, FormatError> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&FORMAT.to_le_bytes());
    postcard::to_extend(program, out)
        .and_then(|out| postcard::to_extend(messages, out))
        .and_then(|out| postcard::to_extend(tables, out))
        .map_err(|_| FormatError::Damaged)
}

/// The plan in `bytes`, checked and ready to run.
pub fn decode(bytes: &[u8]) -> Result<Image, FormatError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(FormatError::Magic)?;
    let (version, payload) = rest.split_first_chunk::<2>().ok_or(FormatError::Damaged)?;
    let version = u16::from_le_bytes(*version);
    if !matches!(version, FORMAT | WITHOUT_CHOICES) {
        return Err(FormatError::Version(version));
    }
    let (program, rest) = postcard::take_from_bytes::<Program>(payload).map_err(|_| FormatError::Damaged)?;
    let (messages, rest) = postcard::take_from_bytes::<Messages>(rest).map_err(|_| FormatError::Damaged)?;
    let (tables, rest) =
        postcard::take_from_bytes::<Vec<TableOf<&[u8]>>>(rest).map_err(|_| FormatError::Damaged)?;
    if !rest.is_empty() {
        return Err(FormatError::Damaged);
    }
    let choices = program.blocks.iter().flatten().any(|stmt| matches!(stmt, Stmt::Choose { .. }));
    if choices && version == WITHOUT_CHOICES {
        return Err(FormatError::Malformed("a choice is newer than the format"));
    }
    let mut image = Image::new(program)?;
    image.format = version;
    image.messages = Arc::new(messages);
    for (entry, bytes) in tables {
        let table = Table::load(bytes).map_err(FormatError::Malformed)?;
        image.put_table(entry, table).map_err(FormatError::Malformed)?;
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::plan::{Entry, Func};
    use crate::table::{self, Spec};

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn program() -> Program {
        let func = Func { name: "data.a".to_owned(), params: 0, regs: 1, body: 0, default: None };
        let entry = Entry { path: "a".to_owned(), func: 0, reads: Vec::new() };
        Program { blocks: vec![Vec::new()], funcs: vec![func], entries: vec![entry], ..Program::default() }
    }

    #[test]
    fn the_format_before_is_read() {
        let mut bytes = encode(&program()).unwrap();
        assert_eq!(decode(&bytes).unwrap().format(), FORMAT);
        bytes[4] = 4;
        let image = decode(&bytes).unwrap();
        assert!(image.format() == 4 && image.table(0).is_none() && image.entry("a").is_some());
        assert_eq!(decode(&bytes[..bytes.len() - 1]).unwrap_err(), FormatError::Damaged);
        for other in [3, 6] {
            bytes[4] = other;
            assert_eq!(decode(&bytes).unwrap_err(), FormatError::Version(other.into()));
        }
    }

    #[test]
    fn a_table_is_of_one_entry_point() {
        let table = table::write(&Spec::default()).unwrap();
        let decoded = |tables: &[TableOf<Vec<u8>>]| {
            decode(&encode_with(&program(), &Messages::default(), tables).unwrap())
        };
        assert!(decoded(&[(0, table.clone())]).unwrap().table(0).is_some());
        for bad in [vec![(1, table.clone())], vec![(0, table.clone()), (0, table)], vec![(0, vec![1])]] {
            assert!(matches!(decoded(&bad).unwrap_err(), FormatError::Malformed(_)));
        }
    }
}
