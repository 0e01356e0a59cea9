//! What all sections need: tools, certificates, a folder.

use std::path::{Path, PathBuf};

use sidegate_bench::policy::SERVICE;
use sidegate_bench::request::{CALLER, principal};
use sidegate_engine::config::Config;
use sidegate_tests::certs::{Authority, Identity, spiffe};
use sidegate_tests::places;

use super::settings::Settings;

const SETUP: &str = "scripts/setup.sh bench (needs Go: https://go.dev/dl, or apt-get install golang-go)";

/// The bench's surroundings.
pub(crate) struct Bench {
    pub(crate) settings: Settings,
    pub(crate) envoy: String,
    pub(crate) sidegate: PathBuf,
    pub(crate) noop: PathBuf,
    pub(crate) bare: PathBuf,
    /// OPA with its Envoy plugin, where it is there.
    pub(crate) opa: Result<PathBuf, String>,
    /// The load generator for latencies, where it is there.
    pub(crate) fortio: Result<PathBuf, String>,
    pub(crate) own: Identity,
    pub(crate) caller: Identity,
    /// Whether the filter has a decision cache that can be turned off.
    pub(crate) has_cache: bool,
    dir: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn prepare(settings: Settings) -> Result<Self, String> {
        let root = places::root();
        let built = |name: &str| places::existing(root.join("dist").join(name), name, "make noop");
        let dir = tempfile::TempDir::new().map_err(|e| e.to_string())?;
        let authority = Authority::new(&dir.path().join("certs"));
        Ok(Self {
            settings,
            envoy: places::envoy_newest(),
            sidegate: places::filter_wasm()?,
            noop: built("noop.wasm")?,
            bare: built("bare.wasm")?,
            opa: places::opa_binary(),
            fortio: places::fortio_binary(),
            own: authority.identity("service", &spiffe(SERVICE.0, SERVICE.1)),
            caller: authority.identity(CALLER.1, &principal()),
            has_cache: knows_cache(),
            dir,
        })
    }

    /// A folder of this name.
    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        self.path().join(name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Peers that cannot be measured here, each with the command that installs it.
    pub(crate) fn missing(&self) -> Vec<(&'static str, &'static str)> {
        let opa = self.opa.is_err().then_some(("OPA with its Envoy plugin", SETUP));
        let fortio = self.fortio.is_err().then_some(("fortio, which measures latencies", SETUP));
        opa.into_iter().chain(fortio).collect()
    }
}

/// Asked of the configuration's reader, so that the figures without it are there once there is a cache.
fn knows_cache() -> bool {
    let text = br#"{"version": 1, "bundle": {"inline": "AA=="}, "verify": {"required": false}, "limits": {"cache_entries": 0}}"#;
    Config::parse(text).is_ok()
}
