//! What the filter uses and not every supported Envoy has.

use crate::places;

/// Something of Envoy, and the first version that has it.
#[derive(Debug, Eq, PartialEq)]
pub struct Feature {
    /// What it is, to be read by operators.
    pub name: &'static str,
    /// The first version that has it: `1.38`.
    pub since: &'static str,
}

/// The certificate of a caller as a whole; without it a filter is told the first URI SAN alone.
pub const ALL_NAMES: Feature =
    Feature { name: "all URI SANs of a certificate (`connection.peer_certificate`)", since: "1.38" };

/// Filter state as the value of a span's tag.
pub const SPANS: Feature =
    Feature { name: "decisions on spans (`observability/tracing.yaml`)", since: "1.37" };

/// A TCP proxy that opens nothing upstream before it has bytes.
pub const WAITING: Feature = Feature {
    name: "`upstream_connect_mode` of `tcp_proxy` ([docs/network.md](docs/network.md))",
    since: "1.37",
};

/// Native RBAC that compares each value of a header that comes several times, and not all of them joined.
pub const EACH_VALUE: Feature =
    Feature { name: "native RBAC that looks at each value of a header", since: "1.38" };

/// All of them that are missed where they are missing; how native RBAC compares headers is not ours to miss.
pub const MISSED: [Feature; 3] = [ALL_NAMES, SPANS, WAITING];

impl Feature {
    /// Whether an Envoy has it.
    pub fn is_in(&self, version: &str) -> bool {
        !places::is_before(version, self.since)
    }
}
