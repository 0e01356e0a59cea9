//! Headers of a tar (POSIX ustar), read so that no other reader of the same bytes sees other files.

use super::BundleError;

/// Bytes of a block: a header is one, content fills whole ones.
pub(super) const BLOCK: usize = 512;

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// A file: name and size in bytes.
    File(String, u64),
    /// A folder. It has no content, and nothing here depends on it.
    Folder,
    /// The end of the archive begins: a block of zeros.
    End,
}

const CHECKSUM: std::ops::Range<usize> = 148..156;

/// Reads a header.
pub(super) fn header(block: &[u8; BLOCK]) -> Result<Header, BundleError> {
    if block.iter().all(|byte| *byte == 0) {
        return Ok(Header::End);
    }
    let field = |from: usize, to: usize| block.get(from..to).unwrap_or_default();
    let sum = block.iter().enumerate().fold(0_u64, |sum, (at, byte)| {
        sum.saturating_add(u64::from(if CHECKSUM.contains(&at) { b' ' } else { *byte }))
    });
    if octal(field(CHECKSUM.start, CHECKSUM.end)) != Some(sum) {
        return Err(archive("a header with another checksum"));
    }
    let size = octal(field(124, 136)).ok_or(archive("a header without a size"))?;
    let prefix = match field(257, 265) {
        b"ustar\x0000" => field(345, 500),
        // GNU tar has times where others have the front of the name.
        b"ustar  \0" => &[],
        _ => return Err(BundleError::Entry { what: "a header that is not ustar's" }),
    };
    // Other formats (star) go on here, with a shorter name before it.
    if field(257, 265) == b"ustar\x0000" && field(500, BLOCK).iter().any(|byte| *byte != 0) {
        return Err(BundleError::Entry { what: "a header that is not ustar's" });
    }
    match field(156, 157) {
        b"0" | b"\0" => {}
        b"5" if size == 0 => return Ok(Header::Folder),
        b"5" => return Err(BundleError::Entry { what: "a folder with content" }),
        b"1" | b"2" => return Err(BundleError::Entry { what: "a link" }),
        b"x" | b"g" | b"L" | b"K" => return Err(BundleError::Entry { what: "an extended header" }),
        _ => return Err(BundleError::Entry { what: "something that is no file" }),
    }
    let (prefix, base) = (text(prefix), text(field(0, 100)));
    let whole = if prefix.is_empty() { base.to_vec() } else { [prefix, b"/", base].concat() };
    Ok(Header::File(name(&whole)?, size))
}

/// Up to the first zero.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number in octal digits, with blanks before and blanks or zeros behind.
fn octal(field: &[u8]) -> Option<u64> {
    let field = field.trim_ascii_start();
    let end = field.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(field.len());
    let (digits, rest) = field.split_at_checked(end)?;
    if digits.is_empty() || !rest.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(u64::from(digit.wrapping_sub(b'0'))),
        _ => None,
    })
}

/// A file's name: `opa build` writes `/name`, tar `./name`, others `name`. Nothing else that could mean
/// another place or another file is taken.
pub(super) fn name(bytes: &[u8]) -> Result<String, BundleError> {
    let shown = || bytes.escape_ascii().take(80).map(char::from).collect::<String>().replace('`', "'");
    let refuse = || BundleError::Name { name: shown() };
    let name = std::str::from_utf8(bytes).map_err(|_| refuse())?;
    let name = name.strip_prefix("./").or_else(|| name.strip_prefix('/')).unwrap_or(name);
    let odd = |c: char| c.is_control() || matches!(c, '\\' | '`');
    if name.contains(odd) || name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(refuse());
    }
    Ok(name.to_owned())
}

fn archive(what: &'static str) -> BundleError {
    BundleError::Archive(std::io::Error::other(what))
}
