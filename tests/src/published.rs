//! What a test publishes: bundles of a few lines of Rego, and pointers to them.

use sidegate_compiler::{BuildOptions, Sources, build};
use sidegate_engine::trust::{Candidate, Layer, Pointer, PointerMode, Release};

use crate::bundle_server::{BundleServer, Reply};

/// The workload that everything here is for.
pub const WORKLOAD: (&str, &str) = ("shop", "cart");
/// Where its pointer is.
pub const POINTER: &str = "/v1/shop/cart.json";
/// The end of pointers that are to last: the year 2100.
const FAR: i64 = 4_102_444_800;

/// A bundle whose policy, below `package envoy.authz`, is `rules`.
pub fn bundle(rules: &str) -> Vec<u8> {
    let module = format!("package envoy.authz\n\n{rules}\n");
    let sources =
        Sources::from_parts(vec![("authz.rego".to_owned(), module)], sidegate_engine::Value::new_object());
    let options = BuildOptions { revision: Some("test".to_owned()), ..BuildOptions::default() };
    build(&sources, &options).expect("a policy that compiles").bundle
}

/// A bundle that allows everything and marks the response with `x-policy: mark`.
pub fn marked(mark: &str) -> Vec<u8> {
    bundle(&format!(
        "allow := {{\"allowed\": true, \"response_headers_to_add\": {{\"x-policy\": \"{mark}\"}}}}"
    ))
}

/// A bundle that denies everything.
pub fn denying() -> Vec<u8> {
    bundle("allow := false")
}

/// A pointer to this blob.
pub fn pointer(serial: u64, blob: &[u8]) -> Pointer {
    Pointer {
        mesh: String::new(),
        namespace: WORKLOAD.0.to_owned(),
        workload: WORKLOAD.1.to_owned(),
        revision: format!("r{serial}"),
        epoch: 0,
        serial,
        issued: 1_760_000_000,
        expires: FAR,
        stable: Release { layers: vec![Layer::of(blob)] },
        candidate: None,
        lowering: None,
    }
}

/// A candidate of this blob for all sidecars.
pub fn candidate(revision: &str, blob: &[u8], mode: PointerMode) -> Candidate {
    Candidate { revision: revision.to_owned(), layers: vec![Layer::of(blob)], percent: 100, mode }
}

/// The pointer's file, with a signature that is none: for filters that are configured without keys.
pub fn unsigned(pointer: &Pointer) -> Vec<u8> {
    let nothing = |_: &[u8]| Ok::<_, std::convert::Infallible>(b"none".to_vec());
    match pointer.sign("ES256", "test", nothing) {
        Ok(bytes) => bytes,
        Err(never) => match never {},
    }
}

/// The path of a blob.
pub fn blob_path(blob: &[u8]) -> String {
    format!("/blobs/sha256/{}", Layer::of(blob).hex().expect("a digest"))
}

/// Serves a blob, then the pointer to it.
pub fn publish(server: &BundleServer, serial: u64, blob: &[u8]) {
    server.set(&blob_path(blob), Reply::ok(blob));
    server.set(POINTER, Reply::ok(unsigned(&pointer(serial, blob))));
}
