//! Packing a bundle: an OPA bundle with the compiled policy, the same bytes for the same sources.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use sidegate_engine::bundle::{self, BundleError, PLAN_FILE};
use sidegate_engine::limits::Limits;

use crate::sources::{Manifest, Sources};

/// The bundle's bytes.
pub(crate) fn bundle(sources: &Sources, revision: &str, plan: Vec<u8>) -> io::Result<Vec<u8>> {
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
    files.extend(sources.declarations.iter().map(|(name, text)| (name.clone(), text.clone().into_bytes())));
    pack(files)
}

/// A gzipped tar of these files, in the order of their names.
///
/// # Errors
/// A name that is too long for a plain tar.
pub fn pack(mut files: Vec<(String, Vec<u8>)>) -> io::Result<Vec<u8>> {
    files.sort();
    // No time, no owner, no name of the file: nothing that differs between two builds.
    let mut tar = tar::Builder::new(GzBuilder::new().mtime(0).write(Vec::new(), Compression::best()));
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        // Not by the builder, which would write a header of GNU's for a long name: the proxy takes none.
        header.set_path(&name)?;
        header.set_size(u64::try_from(bytes.len()).map_err(io::Error::other)?);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_cksum();
        tar.append(&header, bytes.as_slice())?;
    }
    let mut gzip = tar.into_inner()?;
    gzip.flush()?;
    gzip.finish()
}

/// Why a file of this name cannot be in a bundle, if it cannot: the proxy would not read it.
pub(crate) fn refuse_name(name: &str) -> Option<String> {
    if bundle::name(name.as_bytes()).is_ok_and(|same| same == name)
        && tar::Header::new_ustar().set_path(name).is_ok()
    {
        return None;
    }
    Some("expected a path without `\\`, backticks and control characters, of at most 100 bytes for the file's \
          name and 155 for its folder's"
        .to_owned())
}

/// The files of a bundle with their sizes in bytes, in their order.
pub fn files(bundle: &[u8]) -> Result<Vec<(String, u64)>, BundleError> {
    let files = bundle::files(bundle, &Limits::default())?;
    Ok(files
        .into_iter()
        .map(|(name, bytes)| (name, u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
        .collect())
}
