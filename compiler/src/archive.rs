//! Packing a bundle: an OPA bundle with the compiled policy, the same bytes for the same sources.

use std::io::{self, Read, Write};

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use sidegate_engine::bundle::PLAN_FILE;

use crate::sources::{Manifest, Sources};

/// The bundle's bytes.
pub(crate) fn pack(sources: &Sources, revision: &str, plan: Vec<u8>) -> io::Result<Vec<u8>> {
    let manifest = sources
        .manifest
        .clone()
        .unwrap_or_else(|| Manifest { roots: vec![String::new()], ..Manifest::default() });
    let manifest = Manifest { revision: revision.to_owned(), ..manifest };
    let mut files = vec![
        (".manifest".to_owned(), serde_json::to_vec(&manifest)?),
        ("data.json".to_owned(), sources.data.to_string().into_bytes()),
        (PLAN_FILE.to_owned(), plan),
    ];
    files.extend(sources.modules.iter().map(|(name, text)| (name.clone(), text.clone().into_bytes())));
    files.extend(sources.descriptors.iter().cloned());
    files.sort();
    // No time, no owner, no name of the file: nothing that differs between two builds.
    let mut tar = tar::Builder::new(GzBuilder::new().mtime(0).write(Vec::new(), Compression::best()));
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(bytes.len()).map_err(io::Error::other)?);
        header.set_mode(0o644);
        header.set_mtime(0);
        tar.append_data(&mut header, name, bytes.as_slice())?;
    }
    let mut gzip = tar.into_inner()?;
    gzip.flush()?;
    gzip.finish()
}

/// The files of a bundle with their sizes in bytes, in their order.
pub fn files(bundle: &[u8]) -> io::Result<Vec<(String, u64)>> {
    let mut archive = tar::Archive::new(GzDecoder::new(bytes_of(bundle)));
    archive
        .entries()?
        .map(|entry| {
            let entry = entry?;
            Ok((entry.path()?.to_string_lossy().into_owned(), entry.size()))
        })
        .collect()
}

fn bytes_of(bundle: &[u8]) -> impl Read + '_ {
    bundle
}
