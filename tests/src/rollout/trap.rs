//! The built filter with a trap in one callback, which it meets on purpose: what a flaw in it would do.

use std::ops::Range;
use std::path::Path;

use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

/// Where things are in a module.
#[derive(Default)]
struct Places {
    /// What follows the code section's number: its length and what it holds.
    section: Range<usize>,
    /// The wanted function with its length before it, and its first instruction.
    function: Range<usize>,
    first: usize,
}

/// Writes the filter at `from` to `to`, with a trap at the beginning of the exported function `export`.
///
/// # Errors
/// A file cannot be read or written, or there is no such function.
pub fn trapping(from: &Path, to: &Path, export: &str) -> Result<(), String> {
    // `unreachable`: whatever follows is not looked at.
    patch(from, to, export, &[0x00])
}

/// The same, but it traps only where the parameter number `parameter`, a number of 32 bits, is `value`.
///
/// # Errors
/// As [`trapping`].
pub fn trapping_if(from: &Path, to: &Path, export: &str, parameter: u8, value: i32) -> Result<(), String> {
    // local.get, i32.const, i32.eq, if, unreachable, end
    let code = [&[0x20, parameter, 0x41][..], &signed(value), &[0x46, 0x04, 0x40, 0x00, 0x0b]].concat();
    patch(from, to, export, &code)
}

/// Puts code at the beginning of a function.
fn patch(from: &Path, to: &Path, export: &str, code: &[u8]) -> Result<(), String> {
    let at = |path: &Path, e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let wasm = std::fs::read(from).map_err(|e| at(from, &e))?;
    let Places { section, function, first } = find(&wasm, export).map_err(|e| at(from, &e))?;
    let locals = function.start + unsigned_length(&wasm[function.clone()]);
    let body = [&wasm[locals..first], code, &wasm[first..function.end]].concat();
    let body = [unsigned(body.len()), body].concat();
    let inside = section.start + unsigned_length(&wasm[section.clone()]);
    let held = [&wasm[inside..function.start], &body, &wasm[function.end..section.end]].concat();
    let patched = [&wasm[..section.start], &unsigned(held.len()), &held, &wasm[section.end..]].concat();
    std::fs::write(to, patched).map_err(|e| at(to, &e))
}

fn find(wasm: &[u8], export: &str) -> Result<Places, String> {
    let (mut imported, mut wanted, mut defined) = (0_u32, None, 0_u32);
    let mut places = Places::default();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(|e| e.to_string())? {
            Payload::ImportSection(imports) => {
                for import in imports {
                    let import = import.map_err(|e| e.to_string())?;
                    imported += u32::from(matches!(import.ty, TypeRef::Func(_)));
                }
            }
            Payload::ExportSection(exports) => {
                for found in exports {
                    let found = found.map_err(|e| e.to_string())?;
                    if found.name == export && found.kind == ExternalKind::Func {
                        wanted = Some(found.index);
                    }
                }
            }
            Payload::CodeSectionStart { range, .. } => {
                places.section = before(wasm, range.start, range.len())?..range.end;
            }
            Payload::CodeSectionEntry(body) => {
                if wanted == Some(imported + defined) {
                    let range = body.range();
                    places.function = before(wasm, range.start, range.len())?..range.end;
                    places.first =
                        body.get_operators_reader().map_err(|e| e.to_string())?.original_position();
                    return Ok(places);
                }
                defined += 1;
            }
            _ => {}
        }
    }
    Err(format!("expected the exported function `{export}`, found none"))
}

/// Where the length begins that says how much there is from `start` on. A linker may write it with more bytes than
/// it needs.
fn before(wasm: &[u8], start: usize, length: usize) -> Result<usize, String> {
    (1..=5)
        .filter_map(|bytes| start.checked_sub(bytes))
        .find(|at| {
            let number = &wasm[*at..start];
            let value = number.iter().rev().fold(0_usize, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
            unsigned_length(number) == number.len() && value == length
        })
        .ok_or_else(|| format!("expected the length {length} before byte {start}"))
}

/// Bytes of the number at the beginning (LEB128).
fn unsigned_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| byte & 0x80 == 0).map_or(0, |last| last + 1)
}

fn unsigned(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
    out
}

fn signed(mut value: i32) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if (value == 0 && low & 0x40 == 0) || (value == -1 && low & 0x40 != 0) {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = r#"(module
        (import "env" "log" (func $log (param i32)))
        (func $other (param i32) (result i32) (local i64) (i32.const 3))
        (func (export "callback") (param i32 i32) (result i32) (local i32 i32) (call $other (local.get 1)))
    )"#;

    fn call(wasm: &Path, argument: i32) -> Result<i32, String> {
        let engine = wasmi::Engine::default();
        let module = wasmi::Module::new(&engine, std::fs::read(wasm).unwrap()).unwrap();
        let mut store = wasmi::Store::new(&engine, ());
        let mut linker = wasmi::Linker::new(&engine);
        linker.func_wrap("env", "log", |_: i32| {}).unwrap();
        let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
        let callback = instance.get_typed_func::<(i32, i32), i32>(&store, "callback").unwrap();
        callback.call(&mut store, (0, argument)).map_err(|e| e.to_string())
    }

    #[test]
    fn it_traps_where_it_is_told_to() {
        let dir = tempfile::TempDir::new().unwrap();
        let [from, to] = ["from.wasm", "to.wasm"].map(|name| dir.path().join(name));
        std::fs::write(&from, wat::parse_str(MODULE).unwrap()).unwrap();
        assert_eq!(call(&from, 7777), Ok(3));
        trapping(&from, &to, "callback").unwrap();
        assert!(call(&to, 1).is_err());
        trapping_if(&from, &to, "callback", 1, 7777).unwrap();
        assert!(call(&to, 7777).is_err());
        assert_eq!(call(&to, 7778), Ok(3));
        assert!(trapping(&from, &to, "nothing").is_err());
    }
}
