//! What the tests, the demo and the bench share: certificates, a real Envoy, an upstream that shows what
//! it got, a client that sends bytes as they are, and a mock host that runs the built wasm without Envoy.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test support: a failed assumption is a failed test"
)]

pub mod attacks;
pub mod bundle_server;
pub mod bytes;
pub mod canned;
pub mod capabilities;
pub mod case;
pub mod certs;
pub mod client;
pub mod client2;
pub mod collector;
pub mod conformance;
pub mod desk;
pub mod differential;
pub mod docs;
pub mod envoy;
pub mod envoy_config;
pub mod features;
pub mod frames;
pub mod grpc_upstream;
pub mod hostile;
pub mod istio;
pub mod logged;
pub mod manifests;
pub mod matrix;
pub mod mix;
pub mod observe;
pub mod oci;
pub mod opa_bundles;
pub mod paths;
pub mod places;
pub mod plots;
pub mod process;
pub mod proto;
pub mod published;
pub mod rollout;
pub mod slices;
pub mod soak;
pub mod table;
pub mod upstream;
pub mod vms;
pub mod wasm_host;
pub mod wire;
