use std::io::Write;

use super::*;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A tar of these files; what a test wants otherwise, it changes in the bytes.
pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files {
        bytes.extend(head(name.as_bytes(), content.len() as u64, b'0'));
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    bytes
}

fn head(name: &[u8], size: u64, kind: u8) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..name.len()].copy_from_slice(name);
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    sum(&mut block);
    block
}

fn sum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn files(packed: &[u8], limit: usize) -> Result<Vec<(String, Vec<u8>)>, BundleError> {
    let mut files = Vec::new();
    let mut unpacker = Unpacker::new(packed, limit)?;
    while let Some(name) = unpacker.next()? {
        files.push((name, unpacker.whole()?));
    }
    Ok(files)
}

fn code(tar: &[u8]) -> &'static str {
    files(&gzip(tar), 1 << 24).map_or_else(|error| error.code(), |_| "read")
}

#[test]
fn files_come_as_they_were_packed() {
    let large = vec![b'x'; 10_000];
    let packed = gzip(&tar(&[("/data.json", b"{}"), ("./a/b.rego", b""), ("sidegate.bin", &large)]));
    let found = files(&packed, 1 << 20).unwrap();
    let names: Vec<_> = found.iter().map(|(name, content)| (name.as_str(), content.len())).collect();
    assert_eq!(names, [("data.json", 2), ("a/b.rego", 0), ("sidegate.bin", 10_000)]);
    // What is not read is passed over.
    let mut unpacker = Unpacker::new(&packed, 1 << 20).unwrap();
    assert_eq!(unpacker.next().unwrap().as_deref(), Some("data.json"));
    assert_eq!(unpacker.next().unwrap().as_deref(), Some("a/b.rego"));
    assert_eq!(unpacker.next().unwrap().as_deref(), Some("sidegate.bin"));
    assert_eq!(unpacker.content(100).unwrap(), None);
    assert_eq!(unpacker.next().unwrap(), None);
}

#[test]
fn long_names_are_put_together() {
    let mut bytes = tar(&[("b.rego", b"x")]);
    bytes[345..348].copy_from_slice(b"a/c");
    sum(&mut bytes[..BLOCK]);
    assert_eq!(files(&gzip(&bytes), 1 << 20).unwrap()[0].0, "a/c/b.rego");
    // GNU tar keeps other things there.
    bytes[257..265].copy_from_slice(b"ustar  \0");
    sum(&mut bytes[..BLOCK]);
    assert_eq!(files(&gzip(&bytes), 1 << 20).unwrap()[0].0, "b.rego");
}

#[test]
fn what_is_no_archive_is_refused() {
    let good = tar(&[("a", b"1")]);
    let packed = gzip(&good);
    assert_eq!(code(&good), "read");
    let refused = |packed: &[u8]| files(packed, 1 << 20).unwrap_err().code();
    assert_eq!(refused(b""), "bundle_archive");
    assert_eq!(refused(b"PK\x03\x04 no gzip"), "bundle_archive");
    for end in 0..packed.len() {
        assert_eq!(refused(&packed[..end]), "bundle_archive", "{end} of {} bytes", packed.len());
    }
    assert_eq!(refused(&[packed.as_slice(), b"more"].concat()), "bundle_archive");
    assert_eq!(refused(&[packed.as_slice(), &packed].concat()), "bundle_archive");
    // Cut off inside, though the gzip is whole; without an end; with something behind it.
    for end in [0, 100, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK] {
        assert_eq!(code(&good[..end]), "bundle_archive", "{end}");
    }
    assert_eq!(code(&[good.clone(), vec![0; 20 * BLOCK]].concat()), "read");
    assert_eq!(code(&[good.clone(), good.clone()].concat()), "bundle_archive");
    assert_eq!(code(&[good[..3 * BLOCK].to_vec(), good].concat()), "bundle_archive");
}

#[test]
fn only_plain_files_are_taken() {
    let with = |kind: u8| [head(b"x", 0, kind), tar(&[("a", b"1")])].concat();
    assert_eq!(code(&with(b'0')), "read");
    assert_eq!(code(&with(0)), "read");
    assert_eq!(code(&with(b'5')), "read");
    for kind in *b"1234678xgLKSVMAZ" {
        assert_eq!(code(&with(kind)), "bundle_entry", "{}", char::from(kind));
    }
    let mut folder = [head(b"x/", 1, b'5'), vec![0; BLOCK], tar(&[])].concat();
    assert_eq!(code(&folder), "bundle_entry");
    folder[0] = b'y';
    assert_eq!(code(&folder), "bundle_archive", "another checksum");
    for (at, byte) in [(257, b'U'), (263, b'1'), (508, b't'), (500, 1)] {
        let mut bytes = tar(&[("a", b"1")]);
        bytes[at] = byte;
        sum(&mut bytes[..BLOCK]);
        assert_eq!(code(&bytes), "bundle_entry", "{at}");
    }
    for size in [b"\x80\0\0\0\0\0\0\0\0\0\0\x01".as_slice(), b"            ", b"00000000008\0", b"1\x001"] {
        let mut bytes = tar(&[("a", b"1")]);
        bytes[124..124 + size.len()].copy_from_slice(size);
        sum(&mut bytes[..BLOCK]);
        assert_eq!(code(&bytes), "bundle_archive", "{size:?}");
    }
}

#[test]
fn names_are_those_of_one_file() {
    for name in ["a", "/a", "./a", "a/b", ".manifest", "é.rego", "a b"] {
        assert_eq!(code(&tar(&[(name, b"")])), "read", "{name}");
    }
    for name in [
        "", "/", "./", ".", "..", "../a", "a/../b", "a/./b", "a//b", "a/", "//a", "/./a", ".//a", "./../a",
        "a\\b", "a\nb", "a\u{7f}", "a`b",
    ] {
        assert_eq!(code(&tar(&[(name, b"")])), "bundle_name", "{name:?}");
    }
    assert_eq!(code(&[head(b"\xff", 0, b'0'), tar(&[])].concat()), "bundle_name");
    assert_eq!(code(&tar(&[("a", b"1"), ("/a", b"2")])), "bundle_file_twice");
    let many: Vec<String> = (0..=FILES).map(|at| at.to_string()).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), [].as_slice())).collect();
    assert_eq!(code(&tar(&many)), "bundle_files");
    assert_eq!(code(&tar(&many[1..])), "read");
}

#[test]
fn a_bomb_is_stopped_early() {
    let refused = |packed: &[u8], limit| files(packed, limit).unwrap_err().code();
    let bomb = gzip(&tar(&[("data.json", &vec![b' '; 8 << 20])]));
    assert!(bomb.len() < 1 << 16);
    assert_eq!(refused(&bomb, 1 << 20), "bundle_size");
    assert_eq!(refused(&bomb, 1 << 24), "bundle_ratio");
    assert_eq!(refused(&bomb, 100), "bundle_size");
    let small = gzip(&tar(&[("data.json", &vec![b' '; 1 << 19])]));
    assert!(files(&small, 1 << 20).is_ok(), "what is small need not unpack by less");
    // A size that is a lie takes no memory: the archive ends before.
    let lie = [head(b"a", (1 << 33) - 1, b'0'), vec![0; BLOCK]].concat();
    assert_eq!(code(&lie), "bundle_size");
    let passed = Unpacker::new(&gzip(&lie), 1 << 24).and_then(|mut it| it.next().and_then(|_| it.next()));
    assert_eq!(passed.unwrap_err().code(), "bundle_archive");
}
