//! The built filter, but for one callback, which traps: what a flaw in it would do.

use std::path::Path;

use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

/// Writes the filter at `from` to `to`, with a trap at the beginning of the exported function `export`.
///
/// # Errors
/// A file cannot be read or written, or there is no such function.
pub fn trapping(from: &Path, to: &Path, export: &str) -> Result<(), String> {
    let at = |path: &Path, e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let mut wasm = std::fs::read(from).map_err(|e| at(from, &e))?;
    let first = first_instruction(&wasm, export).map_err(|e| at(from, &e))?;
    let place = wasm.get_mut(first).ok_or("expected code in the module")?;
    // `unreachable` and then `nop`s, as many bytes as the instruction had: whatever follows stays valid.
    place.fill(0x01);
    if let Some(byte) = place.first_mut() {
        *byte = 0x00;
    }
    std::fs::write(to, wasm).map_err(|e| at(to, &e))
}

fn first_instruction(wasm: &[u8], export: &str) -> Result<std::ops::Range<usize>, String> {
    let (mut imported, mut wanted, mut defined) = (0_u32, None, 0_u32);
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
            Payload::CodeSectionEntry(body) => {
                if wanted == Some(imported + defined) {
                    let mut reader = body.get_operators_reader().map_err(|e| e.to_string())?;
                    let begin = reader.original_position();
                    reader.read().map_err(|e| e.to_string())?;
                    return Ok(begin..reader.original_position());
                }
                defined += 1;
            }
            _ => {}
        }
    }
    Err(format!("expected the exported function `{export}`, found none"))
}
