//! Somebody who publishes to a [`BundleServer`], without the program: what it writes may be wrong on purpose.

use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::KeyPair;
use sidegate_compiler::signing::{KeySigner, sign_pointer};
use sidegate_engine::trust::{Layer, Pointer, Release};

use crate::bundle_server::{BundleServer, Reply};

/// Namespace and name of the workload under test.
pub const WORKLOAD: (&str, &str) = ("shop", "cart");

/// Signs with one key and counts serials.
pub struct Publisher {
    /// What pointers are signed with.
    pub signer: KeySigner,
    /// The serial of the last pointer.
    pub serial: u64,
    /// The epoch of pointers.
    pub epoch: u64,
}

/// Seconds since 1970.
fn now_s() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(now.as_secs()).expect("a clock before the end of time")
}

impl Publisher {
    /// A publisher with a new key of this id.
    pub fn new(key_id: &str) -> Self {
        let pem = KeyPair::generate().expect("a new key").serialize_pem();
        let signer = KeySigner::new(pem.as_bytes(), key_id, None).expect("a key that was just made");
        Self { signer, serial: 0, epoch: 0 }
    }

    /// The key as `verify.keys` has it.
    pub fn key(&self, namespaces: &[&str]) -> serde_json::Value {
        use sidegate_compiler::signing::Signer as _;
        serde_json::json!({
            "id": self.signer.key_id(),
            "algorithm": self.signer.algorithm(),
            "key": self.signer.public_key().expect("no secret"),
            "namespaces": namespaces,
        })
    }

    /// The path of a workload's pointer.
    pub fn path() -> String {
        format!("/v1/{}/{}.json", WORKLOAD.0, WORKLOAD.1)
    }

    /// The path of a blob.
    pub fn blob_path(layer: &Layer) -> String {
        format!("/blobs/sha256/{}", layer.hex().expect("a layer of ours has a digest"))
    }

    /// The next pointer, to a release of one layer; not yet signed.
    pub fn next(&mut self, layer: Layer) -> Pointer {
        self.serial += 1;
        let now = now_s();
        Pointer {
            mesh: String::new(),
            namespace: WORKLOAD.0.to_owned(),
            workload: WORKLOAD.1.to_owned(),
            revision: format!("r{}", self.serial),
            epoch: self.epoch,
            serial: self.serial,
            issued: now,
            expires: now + 3600,
            stable: Release { layers: vec![layer] },
            candidate: None,
            lowering: None,
        }
    }

    /// The file of a pointer.
    pub fn sign(&self, pointer: &Pointer) -> Vec<u8> {
        sign_pointer(pointer, &self.signer).expect("a key that signs")
    }

    /// Serves a blob.
    pub fn put_blob(server: &BundleServer, blob: &[u8]) -> Layer {
        let layer = Layer::of(blob);
        server.set(&Self::blob_path(&layer), Reply::ok(blob));
        layer
    }

    /// Serves a pointer.
    pub fn put_pointer(&self, server: &BundleServer, pointer: &Pointer) {
        server.set(&Self::path(), Reply::ok(self.sign(pointer)));
    }

    /// Serves a bundle and the next pointer, which names it.
    pub fn publish(&mut self, server: &BundleServer, bundle: &[u8]) -> Pointer {
        let layer = Self::put_blob(server, bundle);
        let pointer = self.next(layer);
        self.put_pointer(server, &pointer);
        pointer
    }
}
