//! Where things are: the repository, what was built, and the tools that `make setup` fetched.

use std::path::{Path, PathBuf};

/// What builds all that a real Istio needs.
const ISTIO_SETUP: &str = "scripts/setup.sh istio";

/// The newest Envoy that is supported; the demo and the bench run on it.
pub fn envoy_newest() -> String {
    version("ENVOY_NEWEST")
}

/// The oldest Envoy that is supported.
pub fn envoy_oldest() -> String {
    version("ENVOY_OLDEST")
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests crate lies in the workspace").to_owned()
}

/// The built filter.
///
/// # Errors
/// It is not there; the message names the command that makes it.
pub fn filter_wasm() -> Result<PathBuf, String> {
    existing(root().join("dist/sidegate.wasm"), "the built filter", "make wasm")
}

/// The binary of one Envoy version.
///
/// # Errors
/// It is not there; the message names the command that fetches it.
pub fn envoy_binary(version: &str) -> Result<PathBuf, String> {
    existing(cache().join("envoy").join(version).join("envoy"), &format!("envoy {version}"), "make setup")
}

/// OPA with its Envoy plugin.
///
/// # Errors
/// It is not there; the message names the command that builds it.
pub fn opa_binary() -> Result<PathBuf, String> {
    let path = cache().join("opa-envoy/current/opa");
    existing(path, "OPA with its Envoy plugin", "scripts/setup.sh differential")
}

/// The load generator of the benchmark.
///
/// # Errors
/// It is not there; the message names the command that builds it.
pub fn fortio_binary() -> Result<PathBuf, String> {
    let path = cache().join("fortio").join(version("FORTIO")).join("fortio");
    existing(path, "fortio", "scripts/setup.sh bench")
}

/// A program of Prometheus': `prometheus` or `promtool`.
///
/// # Errors
/// It is not there; the message names the command that fetches it.
pub fn prometheus_binary(name: &str) -> Result<PathBuf, String> {
    existing(cache().join("prometheus").join(name), name, "scripts/setup.sh test")
}

/// etcd.
///
/// # Errors
/// It is not there; the message names the command that fetches it.
pub fn etcd_binary() -> Result<PathBuf, String> {
    existing(cache().join("etcd/etcd"), "etcd", ISTIO_SETUP)
}

/// A program of Kubernetes: `kube-apiserver` or `kubectl`.
///
/// # Errors
/// It is not there; the message names the command that builds it.
pub fn kubernetes_binary(name: &str) -> Result<PathBuf, String> {
    existing(cache().join("kubernetes/current").join(name), name, ISTIO_SETUP)
}

/// A program or file of one version of Istio.
///
/// # Errors
/// It is not there; the message names the command that builds it.
pub fn istio_file(version: &str, name: &str) -> Result<PathBuf, String> {
    let path = cache().join("istio").join(version).join("current").join(name);
    existing(path, &format!("{name} of Istio {version}"), ISTIO_SETUP)
}

/// The versions of Istio that are tested, each with that of its sidecars' Envoy.
pub fn istio_versions() -> Vec<(String, String)> {
    let versions = version("ISTIO");
    let envoy = |istio: &str| version(&format!("ISTIO_{}_ENVOY", istio.replace('.', "_")));
    versions.trim_matches('"').split(' ').map(|istio| (istio.to_owned(), envoy(istio))).collect()
}

/// `path`, or an error that says what was expected there and which command makes it.
///
/// # Errors
/// There is no file at `path`.
pub fn existing(path: PathBuf, what: &str, command: &str) -> Result<PathBuf, String> {
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("expected {what} at {}, found nothing; run: {command}", path.display()))
    }
}

/// The cache of `scripts/lib.sh`.
fn cache() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("SIDEGATE_CACHE").unwrap_or_else(|| {
        let base = set("XDG_CACHE_HOME").unwrap_or_else(|| set("HOME").unwrap_or_default().join(".cache"));
        base.join("sidegate")
    })
}

fn version(key: &str) -> String {
    include_str!("../../scripts/versions.sh")
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .unwrap_or_else(|| panic!("expected {key}= in scripts/versions.sh"))
        .to_owned()
}
