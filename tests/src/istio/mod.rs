//! A real Istio without a cluster: a Kubernetes API server, istiod, and for each pod Istio's agent with an Envoy, its
//! traffic redirected by Istio's own iptables rules. Pods are network namespaces on a bridge; all of it lives in
//! namespaces of its own ([`space::enter`]) and is gone with the process.

mod child;
mod cluster;
mod control;
mod pod;
mod space;
mod story;
pub mod workload;

pub use child::Child;
pub use cluster::Cluster;
pub use control::Control;
pub use pod::{Pod, PodSpec, Role};
pub use space::{HUB, Space, enter, is_inside};
pub use story::{stay, tell};

use std::path::PathBuf;

use crate::places;

/// A version of Istio and what it is run with.
#[derive(Clone, Debug)]
pub struct Version {
    /// As `1.31`.
    pub istio: String,
    /// Envoy's, of the sidecars.
    pub envoy: String,
}

impl Version {
    /// All of `scripts/versions.sh`.
    ///
    /// # Errors
    /// One of them has not been built; the message names the command that does.
    pub fn all() -> Result<Vec<Self>, String> {
        places::istio_versions().into_iter().map(|(istio, envoy)| Self::new(istio, envoy)).collect()
    }

    fn new(istio: String, envoy: String) -> Result<Self, String> {
        places::istio_file(&istio, "done")?;
        places::envoy_binary(&envoy)?;
        Ok(Self { istio, envoy })
    }

    /// A program or file of this version.
    ///
    /// # Errors
    /// It is not there.
    pub fn file(&self, name: &str) -> Result<PathBuf, String> {
        places::istio_file(&self.istio, name)
    }
}
