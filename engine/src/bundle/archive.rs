//! The files of a gzipped tar, one after the other, without unpacking more than allowed.

use std::collections::BTreeSet;
use std::io::{Error, Read};

use flate2::bufread::GzDecoder;

use super::BundleError;
use super::tar::{self, BLOCK, Header};

/// Most files of a bundle.
const FILES: usize = 10_000;
/// Most times that a bundle may grow by when it is unpacked, beyond [`FREE`]; policies and data grow five
/// to thirty times, a bomb a thousand times.
const RATIO: u64 = 200;
/// [`BLOCK`] as the number that sizes are.
const BLOCK_BYTES: u64 = BLOCK as u64;
/// Bytes that may be unpacked from anything.
const FREE: u64 = 1 << 20;

/// Reads a bundle's files in their order.
pub(crate) struct Unpacker<'a> {
    gzip: GzDecoder<&'a [u8]>,
    limit: usize,
    /// Most bytes that may come out, for each of two reasons.
    most: u64,
    ratio: u64,
    count: u64,
    /// Bytes of the file at hand that have not been read, and of what fills its last block.
    left: u64,
    filler: u64,
    names: BTreeSet<String>,
    entries: usize,
}

impl<'a> Unpacker<'a> {
    /// Of a bundle of at most `limit` bytes, packed and unpacked.
    pub(crate) fn new(bytes: &'a [u8], limit: usize) -> Result<Self, BundleError> {
        let number = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        if bytes.len() > limit {
            return Err(BundleError::Size { limit });
        }
        Ok(Self {
            gzip: GzDecoder::new(bytes),
            limit,
            most: number(limit),
            ratio: number(bytes.len()).saturating_mul(RATIO).max(FREE),
            count: 0,
            left: 0,
            filler: 0,
            names: BTreeSet::new(),
            entries: 0,
        })
    }

    /// The next file's name. After the last one it is certain that the archive is whole and that nothing
    /// follows it.
    pub(crate) fn next(&mut self) -> Result<Option<String>, BundleError> {
        self.pass(self.left.saturating_add(self.filler))?;
        (self.left, self.filler) = (0, 0);
        loop {
            let mut block = [0; BLOCK];
            self.fill(&mut block)?;
            match tar::header(&block)? {
                Header::End => {
                    self.finish()?;
                    return Ok(None);
                }
                header => {
                    self.entries = self.entries.saturating_add(1);
                    if self.entries > FILES {
                        return Err(BundleError::Files { limit: FILES });
                    }
                    let Header::File(name, size) = header else { continue };
                    if !self.names.insert(name.clone()) {
                        return Err(BundleError::Twice { name });
                    }
                    self.left = size;
                    self.filler = size.wrapping_neg() % BLOCK_BYTES;
                    return Ok(Some(name));
                }
            }
        }
    }

    /// What is in the file at hand, if that is at most `most` bytes.
    pub(crate) fn content(&mut self, most: usize) -> Result<Option<Vec<u8>>, BundleError> {
        if self.left > u64::try_from(most).unwrap_or(u64::MAX) {
            return Ok(None);
        }
        let mut content = Vec::new();
        self.read(|bytes| content.extend_from_slice(bytes))?;
        Ok(Some(content))
    }

    /// What is in the file at hand.
    pub(crate) fn whole(&mut self) -> Result<Vec<u8>, BundleError> {
        self.content(self.limit)?.ok_or(BundleError::Size { limit: self.limit })
    }

    fn pass(&mut self, count: u64) -> Result<(), BundleError> {
        self.left = count;
        self.read(|_| {})
    }

    fn read(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), BundleError> {
        let mut buffer = [0; 4096];
        while self.left > 0 {
            let wanted = usize::try_from(self.left).unwrap_or(buffer.len()).min(buffer.len());
            let part = buffer.get_mut(..wanted).unwrap_or_default();
            let count = self.some(part)?;
            if count == 0 {
                return Err(cut_off());
            }
            take(part.get(..count).unwrap_or_default());
            self.left = self.left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn fill(&mut self, block: &mut [u8; BLOCK]) -> Result<(), BundleError> {
        let mut filled = 0_usize;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let count = self.some(rest)?;
            if count == 0 {
                return Err(cut_off());
            }
            filled = filled.saturating_add(count);
        }
        Ok(())
    }

    /// Another block of zeros, zeros to the end, the checksum that stands there, and nothing behind it:
    /// other readers would go on with a second archive.
    fn finish(&mut self) -> Result<(), BundleError> {
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        loop {
            if block.iter().any(|byte| *byte != 0) {
                return Err(BundleError::Archive(Error::other("more after the end")));
            }
            if self.some(&mut block)? == 0 {
                break;
            }
        }
        if self.gzip.get_ref().is_empty() {
            Ok(())
        } else {
            Err(BundleError::Archive(Error::other("more after the end")))
        }
    }

    fn some(&mut self, buffer: &mut [u8]) -> Result<usize, BundleError> {
        let count = self.gzip.read(buffer).map_err(BundleError::Archive)?;
        self.count = self.count.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if self.count > self.most {
            return Err(BundleError::Size { limit: self.limit });
        }
        if self.count > self.ratio {
            return Err(BundleError::Ratio { ratio: RATIO });
        }
        Ok(count)
    }
}

fn cut_off() -> BundleError {
    BundleError::Archive(Error::other("an archive that is cut off"))
}

#[cfg(test)]
pub(crate) mod tests;
