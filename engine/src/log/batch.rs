//! Events on their way: a buffer of lines, and what is posted of it.

use flate2::Crc;

/// Lines that wait to be handed on; those that there is no room for are counted.
#[derive(Debug, Default)]
pub struct Buffer {
    lines: Vec<u8>,
    dropped: u64,
}

/// Most bytes that one worker keeps between two ticks.
const MOST: usize = 256 * 1024;

/// The header of a gzip file without a name, a time or an operating system (RFC 1952, 2.3).
const GZIP: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255];

impl Buffer {
    /// Adds an event, of one line.
    pub fn push(&mut self, line: &str) {
        if self.lines.len().saturating_add(line.len()) >= MOST {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.lines.extend_from_slice(line.as_bytes());
        self.lines.push(b'\n');
    }

    /// What waits.
    pub(super) fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// It has been handed on.
    pub(super) fn clear(&mut self) {
        self.lines.clear();
    }

    /// How many events were dropped since this was asked last.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

/// Events on lines as one JSON array, which is what OPA posts.
pub fn array(lines: &[u8]) -> Vec<u8> {
    let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
    let mut array = Vec::with_capacity(lines.len().saturating_add(2));
    array.push(b'[');
    // In JSON a line break stands between values alone; each event is written on one line.
    array.extend(lines.iter().map(|byte| if *byte == b'\n' { b',' } else { *byte }));
    array.push(b']');
    array
}

/// How many events these lines are.
pub(super) fn count(lines: &[u8]) -> u64 {
    lines.iter().fold(0, |count, byte| count.saturating_add(u64::from(*byte == b'\n')))
}

/// `data` as a gzip file, of what zlib made of it (RFC 1950): the proxy has zlib, and the same compressed bytes are in
/// both. `None` where `zlib` is not what it should be.
pub fn gzip(data: &[u8], zlib: &[u8]) -> Option<Vec<u8>> {
    let (head, rest) = zlib.split_first_chunk::<2>()?;
    let (deflated, _adler) = rest.split_last_chunk::<4>()?;
    // Deflate, and no dictionary.
    if head[0] & 0x0F != 8 || head[1] & 0x20 != 0 {
        return None;
    }
    let mut crc = Crc::new();
    crc.update(data);
    let mut file = Vec::with_capacity(deflated.len().saturating_add(GZIP.len()).saturating_add(8));
    file.extend_from_slice(&GZIP);
    file.extend_from_slice(deflated);
    file.extend_from_slice(&crc.sum().to_le_bytes());
    file.extend_from_slice(&crc.amount().to_le_bytes());
    Some(file)
}
