//! Bundles on the classic way: gzip, tar, signature, compiled policy.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use sidegate_engine::bundle::{self as bundles, PLAN_FILE, SIGNATURES_FILE};
use sidegate_engine::trust::{Layer, Trust, is_structured};

use crate::feed::fields;
use crate::packed::{gzip, is_line, limits, own, signatures, strangers, tar, token, workload};

/// Most files of a bundle.
const FILES: usize = 10_000;
const BLOCK: usize = 512;

/// What is unpacked is within its bounds, and every other reader of the same bytes finds the same files. Only a bundle
/// that the own key has signed as it is verifies.
///
/// The first byte says what the others are: a bundle as it is; a tar, to be packed; a tar whose headers get the
/// checksums that they should have; names and contents of files in turn, to be signed, and with a byte of the whole
/// changed afterwards.
pub fn bundle(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    match mode % 5 {
        0 => unsigned(rest),
        1 => unsigned(&gzip(rest)),
        2 => unsigned(&gzip(&with_checksums(rest))),
        3 => signed(rest, None),
        _ => match rest.split_first_chunk::<3>() {
            Some((change, rest)) => signed(rest, Some(*change)),
            None => unsigned(rest),
        },
    }
}

/// Nobody has signed it: no key verifies it.
fn unsigned(packed: &[u8]) {
    look_into(packed);
    let limits = limits();
    for trust in strangers().chain([own()]) {
        is_line(&trust.bundle(packed, &limits, &workload()).expect_err("nobody signed it, and it is taken"));
    }
}

/// What can be said of any bytes.
fn look_into(packed: &[u8]) {
    let limits = limits();
    let open = Trust::nothing_required().bundle(packed, &limits, &workload());
    let layer = bundles::open_layer(packed, &Layer::of(packed), &limits);
    assert_eq!(open.is_ok(), layer.is_ok(), "a bundle and a layer of the same bytes");
    let Ok(files) = bundles::files(packed, &limits) else {
        assert!(open.is_err(), "it cannot be unpacked, and it is taken");
        return;
    };
    assert!(bundles::check(packed, &limits).is_ok());
    assert!(files.len() <= FILES);
    let all: usize = files.iter().map(|(_, content)| content.len()).sum();
    assert!(all <= limits.bundle_bytes, "more is unpacked than may be: {all}");
    for (name, _) in &files {
        assert_eq!(&bundles::name(name.as_bytes()).unwrap(), name);
        assert!(!name.split('/').any(|part| matches!(part, "" | "." | "..")), "{name:?}");
    }
    let once: BTreeMap<_, _> = files.iter().cloned().collect();
    assert_eq!(once.len(), files.len(), "a file is there twice");
    assert_eq!(other_reader(packed), files, "another reader finds other files");
    if open.is_ok() {
        assert!(once.contains_key(PLAN_FILE));
    }
}

/// The files that Rust's usual reader finds.
fn other_reader(packed: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ::tar::Archive::new(MultiGzDecoder::new(packed));
    let mut files = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.expect("what is read here is read elsewhere");
        if entry.header().entry_type().is_dir() {
            continue;
        }
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let name = name.strip_prefix("./").or_else(|| name.strip_prefix('/')).unwrap_or(&name).to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.push((name, content));
    }
    files
}

/// A tar whose headers have the checksums that they should have, as far as headers are where contents end.
fn with_checksums(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    let mut at = 0;
    while let Some(header) = tar.get_mut(at..at + BLOCK).filter(|header| header.iter().any(|b| *b != 0)) {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size = String::from_utf8_lossy(&header[124..136]).into_owned();
        let size = usize::from_str_radix(size.trim_matches([' ', '\0']), 8).unwrap_or(0);
        at = at.saturating_add(BLOCK).saturating_add(size.min(tar.len()).div_ceil(BLOCK) * BLOCK);
    }
    tar
}

/// Files by names and contents in turn, signed; with a change, one byte of the tar is another one then.
fn signed(data: &[u8], change: Option<[u8; 3]>) {
    let parts: Vec<&[u8]> = fields(data).collect();
    let named = parts.chunks(2).map(|pair| (String::from_utf8_lossy(pair[0]), pair.get(1).copied()));
    let mut files: Vec<(String, &[u8])> =
        named.map(|(name, content)| (name.into_owned(), content.unwrap_or_default())).collect();
    let listed = files.iter().filter(|(name, _)| name != SIGNATURES_FILE).map(|(name, content)| {
        let digest = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        serde_json::json!({"name": name, "hash": digest, "algorithm": "SHA-256"})
    });
    let claims = serde_json::json!({"files": listed.collect::<Vec<_>>()}).to_string();
    let signature = signatures(&token(br#"{"alg":"HS256","kid":"net"}"#, claims.as_bytes()));
    files.push((SIGNATURES_FILE.to_owned(), &signature));
    let Some(whole) = tar(&files) else { return };
    let changed = change.map(|[high, low, xor]| {
        let mut changed = whole.clone();
        let at = (usize::from(high) << 8 | usize::from(low)) % changed.len();
        changed[at] ^= xor;
        changed
    });
    let packed = gzip(changed.as_ref().unwrap_or(&whole));
    look_into(&packed);
    let limits = limits();
    assert!(strangers().all(|trust| trust.bundle(&packed, &limits, &workload()).is_err()));
    let Ok(bundle) = own().bundle(&packed, &limits, &workload()) else { return };
    assert_eq!(bundle.signed_by(), Some("net"));
    // What is taken is what was signed, name by name, but for what nobody reads.
    let read = |bytes: &[u8]| -> BTreeMap<String, Vec<u8>> {
        let files = bundles::files(bytes, &limits).unwrap();
        files.into_iter().filter(|(name, _)| !is_structured(name)).collect()
    };
    let mut got = read(&packed);
    let mut wanted: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, content) in &files {
        let name = bundles::name(name.as_bytes()).unwrap();
        if !is_structured(&name) {
            wanted.insert(name, content.to_vec());
        }
    }
    // White space in the JSON around the token means nothing.
    got.remove(SIGNATURES_FILE);
    wanted.remove(SIGNATURES_FILE);
    assert_eq!(got, wanted, "other files than were signed are taken");
}
