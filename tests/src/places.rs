//! Where things are: the repository, what was built, and the tools that `make setup` fetched.

use std::path::{Path, PathBuf};

/// What builds all that a real Istio needs.
const ISTIO_SETUP: &str = "scripts/setup.sh istio";

/// The newest Envoy that tests run on; the demo and the bench run on it.
pub fn envoy_newest() -> String {
    envoys().pop().expect("an Envoy to run on")
}

/// The oldest Envoy that tests run on.
pub fn envoy_oldest() -> String {
    envoys().swap_remove(0)
}

/// The Envoys that tests run on, oldest first: the oldest and the newest that are supported, or what `SIDEGATE_ENVOYS`
/// says.
///
/// # Panics
/// It says nothing, or what is not supported.
pub fn envoys() -> Vec<String> {
    let Some(chosen) = chosen_envoys() else { return vec![version("ENVOY_OLDEST"), version("ENVOY_NEWEST")] };
    let known = envoys_supported();
    let all: Vec<String> = chosen.split_whitespace().map(str::to_owned).collect();
    let unknown = all.iter().find(|version| !known.contains(version));
    assert!(unknown.is_none(), "expected SIDEGATE_ENVOYS to be some of {known:?}, got {unknown:?}");
    assert!(!all.is_empty(), "expected versions of Envoy in SIDEGATE_ENVOYS, found none");
    all
}

/// What `SIDEGATE_ENVOYS` says, if it is set: pages that are written from what tests see are about the usual ones.
pub fn chosen_envoys() -> Option<String> {
    std::env::var("SIDEGATE_ENVOYS").ok()
}

/// All Envoys that are supported, oldest first.
pub fn envoys_supported() -> Vec<String> {
    version("ENVOYS").split_whitespace().map(str::to_owned).collect()
}

/// Versions of the package whose Envoy is one of the supported ones: packed anew.
pub fn envoys_again() -> Vec<String> {
    version("ENVOYS_AGAIN").split_whitespace().map(str::to_owned).collect()
}

/// Versions of the package whose Envoy runs no wasm.
pub fn envoys_without_wasm() -> Vec<String> {
    version("ENVOYS_WITHOUT_WASM").split_whitespace().map(str::to_owned).collect()
}

/// Whether an Envoy is one before `first`, which may have fewer numbers: `1.38`.
pub fn is_before(version: &str, first: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> { text.split('.').filter_map(|n| n.parse().ok()).collect() };
    numbers(version) < numbers(first)
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
    existing(
        cache().join("envoy").join(version).join("envoy"),
        &format!("envoy {version}"),
        "make setup, or scripts/setup.sh matrix",
    )
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
    versions.split(' ').map(|istio| (istio.to_owned(), envoy(istio))).collect()
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
        .trim_matches('"')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_and_the_newest_are_the_ends_of_the_list() {
        let all = envoys_supported();
        assert_eq!(all.first(), Some(&version("ENVOY_OLDEST")));
        assert_eq!(all.last(), Some(&version("ENVOY_NEWEST")));
        assert!(all.is_sorted_by(|one, next| is_before(one, next)), "{all:?}");
    }
}
