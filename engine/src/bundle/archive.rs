//! Finding the compiled policy in a gzipped tar, without unpacking more than allowed.

use std::io::Read;

use flate2::read::GzDecoder;
use tar::Archive;

use super::{BundleError, PLAN_FILE};

/// The bytes of `sidegate.bin`.
pub(super) fn plan(bytes: &[u8], limit: usize) -> Result<Vec<u8>, BundleError> {
    let too_large = BundleError::Size { limit };
    if bytes.len() > limit {
        return Err(too_large);
    }
    let budget = u64::try_from(limit).unwrap_or(u64::MAX);
    // One byte more than the budget: reading it proves that there was more.
    let mut unpacked = GzDecoder::new(bytes).take(budget.saturating_add(1));
    let mut found = None;
    let result = find(&mut unpacked, &mut found);
    if unpacked.limit() == 0 {
        return Err(too_large);
    }
    result?;
    found.ok_or(BundleError::NoPlan)
}

fn find(unpacked: &mut impl Read, found: &mut Option<Vec<u8>>) -> Result<(), BundleError> {
    for entry in Archive::new(&mut *unpacked).entries().map_err(BundleError::Archive)? {
        let mut entry = entry.map_err(BundleError::Archive)?;
        if !is_plan(&entry.path_bytes()) {
            continue;
        }
        if found.is_some() {
            return Err(BundleError::ManyPlans);
        }
        let mut plan = Vec::new();
        entry.read_to_end(&mut plan).map_err(BundleError::Archive)?;
        *found = Some(plan);
    }
    // To the end: gzip's checksum stands there.
    std::io::copy(unpacked, &mut std::io::sink()).map_err(BundleError::Archive)?;
    Ok(())
}

/// `opa build` writes `/name`, tar `./name`, others `name`.
fn is_plan(path: &[u8]) -> bool {
    let path = path.strip_prefix(b".").unwrap_or(path);
    path.strip_prefix(b"/").unwrap_or(path) == PLAN_FILE.as_bytes()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn bundle(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, *bytes).unwrap();
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&tar.into_inner().unwrap()).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn the_plan_is_found_among_other_files() {
        let packed = bundle(&[("data.json", b"{}"), (PLAN_FILE, b"plan"), ("a/sidegate.bin", b"no")]);
        assert_eq!(plan(&packed, 1 << 20).unwrap(), b"plan");
    }

    #[test]
    fn what_is_no_bundle_is_refused_by_code() {
        let code = |bytes: &[u8], limit| plan(bytes, limit).unwrap_err().code();
        let good = bundle(&[(PLAN_FILE, b"plan")]);
        assert_eq!(code(b"", 100), "bundle_archive");
        assert_eq!(code(b"PK\x03\x04 no gzip", 100), "bundle_archive");
        assert_eq!(code(&good[..good.len() - 4], 1 << 20), "bundle_archive");
        assert_eq!(code(&bundle(&[("data.json", b"{}")]), 1 << 20), "bundle_no_plan");
        assert_eq!(code(&bundle(&[(PLAN_FILE, b"1"), (PLAN_FILE, b"2")]), 1 << 20), "bundle_many_plans");
        assert_eq!(code(&good, 10), "bundle_size");
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let bomb = bundle(&[("data.json", &vec![b' '; 8 << 20]), (PLAN_FILE, b"plan")]);
        assert!(bomb.len() < 1 << 16);
        assert_eq!(plan(&bomb, 1 << 20).unwrap_err().code(), "bundle_size");
    }
}
