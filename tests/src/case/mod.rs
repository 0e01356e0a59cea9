//! Cases as data: a policy, its configuration, and requests with what is to become of each. The format is
//! described in `tests/cases/README.md`.

mod wire;

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::places;

pub use self::wire::{HeaderLine, Text};

/// The sidecar that the cases ask: its own service account.
pub const SERVICE: (&str, &str) = ("default", "service");
/// The host that requests name where the case says none.
pub const HOST: &str = "service.test";

/// One file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// The file's name without its ending; not in the file.
    #[serde(skip)]
    pub name: String,
    /// What these cases are about.
    pub about: String,
    /// The policy's modules, by file name.
    #[serde(default)]
    pub policy: BTreeMap<String, String>,
    /// A folder with declarations, and the workload whose slice is asked, in the place of `policy` and `data`.
    pub declarations: Option<Declarations>,
    /// A descriptor set of Protocol Buffers to build the policy with: a path below the repository's root.
    pub descriptors: Option<String>,
    /// The policy's data.
    #[serde(default = "empty_object")]
    pub data: Value,
    /// What is asked.
    #[serde(default = "default_entrypoint")]
    pub entrypoint: String,
    /// Keys laid over the plugin's configuration.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// Envoy's filters before Sidegate.
    #[serde(default)]
    pub filters_before: Vec<Value>,
    /// The metadata of the route, by namespace.
    pub route_metadata: Option<Value>,
    /// Asked after each of the requests: an ordinary one that must be answered as ever.
    pub after_each: Option<RequestCase>,
    /// The requests, asked in this order of one VM.
    pub requests: Vec<RequestCase>,
}

/// A folder with declarations: one of the repository, or files that the case says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declarations {
    /// The folder, below the repository's root.
    pub folder: Option<String>,
    /// Files by their paths in the folder, where it is none of the repository.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// `namespace/workload`.
    pub workload: String,
}

/// One request and what is to become of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestCase {
    /// Names the case in reports.
    pub name: String,
    /// `namespace/service-account` of an mTLS caller; absent for a caller in plaintext.
    pub from: Option<String>,
    /// URI SANs of the caller's certificate after its first.
    #[serde(default)]
    pub more_uri_sans: Vec<String>,
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// The request target.
    #[serde(default = "slash")]
    pub path: String,
    /// The host.
    #[serde(default = "default_host")]
    pub host: String,
    /// The other headers, in order.
    #[serde(default)]
    pub headers: Vec<HeaderLine>,
    /// The body.
    pub body: Option<Text>,
    /// Sends the body in chunks of so many bytes instead of with a `content-length`.
    pub chunks: Option<usize>,
    /// Trailers after the chunks.
    #[serde(default)]
    pub trailers: Vec<HeaderLine>,
    /// What the filters before Sidegate leave in the dynamic metadata, by namespace: Envoy's own do, the
    /// other paths are told.
    pub metadata: Option<Value>,
    /// What is to become of it.
    pub want: Want,
    /// What becomes of it in an Envoy that does not have what it takes yet.
    pub before: Option<Before>,
    /// Why regorus's interpreter cannot be asked this; the other paths still are.
    pub not_in_interpreter: Option<String>,
}

/// Whether a request is to reach the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// It reaches the upstream.
    Allow,
    /// It does not.
    Deny,
}

/// What is wanted. What is not named is not looked at.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Want {
    /// Whether the request reaches the upstream.
    pub decision: Reach,
    /// The status at the client: 200 for allow and 403 for deny where the case says none.
    pub status: Option<u16>,
    /// Headers at the upstream: all their values in order, escaped, or `absent`.
    #[serde(default)]
    pub upstream_headers: BTreeMap<String, WantValues>,
    /// The request target at the upstream.
    pub path: Option<String>,
    /// Headers of the response at the client.
    #[serde(default)]
    pub response_headers: BTreeMap<String, WantValues>,
    /// The body at the client, of a deny.
    pub body: Option<String>,
    /// The text in the filter state that has the decision's `dynamic_metadata`; `-` for none.
    pub dynamic_metadata: Option<String>,
}

/// What is wanted of Envoys before a version.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// The first version that has what it takes: `1.38`.
    envoy: String,
    /// What is wanted of those before.
    want: Want,
}

/// All values of one header.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum WantValues {
    /// These, in this order.
    All(Vec<String>),
    /// A word; only `absent` means something.
    Word(String),
}

impl CaseFile {
    /// Reads every file of a folder, sorted by name.
    ///
    /// # Errors
    /// A file that is not of this format; the message names it.
    pub fn read_dir(dir: &Path) -> Result<Vec<Self>, String> {
        let at = |e: &dyn std::fmt::Display| format!("{}: {e}", dir.display());
        let mut paths: Vec<_> =
            std::fs::read_dir(dir).map_err(|e| at(&e))?.filter_map(|e| Some(e.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// Requests alone, for a policy whose bundle has been built already.
    ///
    /// # Errors
    /// `yaml` is no list of requests.
    pub fn of_requests(name: &str, entrypoint: &str, yaml: &str) -> Result<Self, String> {
        let requests: Vec<RequestCase> = serde_yaml_ng::from_str(yaml).map_err(|e| format!("{name}: {e}"))?;
        Ok(Self {
            name: name.to_owned(),
            about: String::new(),
            policy: BTreeMap::new(),
            declarations: None,
            descriptors: None,
            data: empty_object(),
            entrypoint: entrypoint.to_owned(),
            config: Map::new(),
            filters_before: Vec::new(),
            route_metadata: None,
            after_each: None,
            requests,
        })
    }

    fn read(path: &Path) -> Result<Self, String> {
        let at = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| at(&e))?;
        let mut file: Self = serde_yaml_ng::from_str(&text).map_err(|e| at(&e))?;
        file.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for request in file.all() {
            request.to_wire().map_err(|e| at(&format!("`{}`: {e}", request.name)))?;
            for want in std::iter::once(&request.want).chain(request.before.iter().map(|old| &old.want)) {
                want.check().map_err(|e| at(&format!("`{}`: {e}", request.name)))?;
            }
        }
        Ok(file)
    }

    /// The requests in the order they are asked.
    pub fn all(&self) -> impl Iterator<Item = &RequestCase> {
        self.requests.iter().flat_map(|request| std::iter::once(request).chain(&self.after_each))
    }

    /// All that is asked, of requests, responses and connections.
    pub fn entrypoints(&self) -> Vec<String> {
        let others = ["response_entrypoint", "network_entrypoint"].map(|key| self.config.get(key)?.as_str());
        let mut all = vec![self.entrypoint.clone()];
        for other in others.into_iter().flatten() {
            if all.iter().all(|path| path != other) {
                all.push(other.to_owned());
            }
        }
        all
    }

    /// The plugin's configuration with this bundle in it.
    pub fn configuration(&self, bundle: &[u8]) -> String {
        let mut configuration = plugin_configuration(bundle, &self.entrypoint);
        for (key, value) in &self.config {
            configuration[key] = value.clone();
        }
        configuration.to_string()
    }

    /// The status of an error in this file's configuration.
    pub fn error_status(&self) -> u16 {
        let set = self.config.get("on_error").and_then(|e| e["status"].as_u64());
        set.and_then(|s| u16::try_from(s).ok()).unwrap_or(403)
    }

    /// A limit that this file's configuration sets.
    pub fn limit(&self, name: &str) -> Option<u64> {
        self.config.get("limits").and_then(|limits| limits[name].as_u64())
    }
}

/// The least configuration: an inline bundle, and no signature asked for.
pub fn plugin_configuration(bundle: &[u8], entrypoint: &str) -> Value {
    let inline = base64::engine::general_purpose::STANDARD.encode(bundle);
    json!({"version": 1, "bundle": {"inline": inline}, "entrypoint": entrypoint, "verify": {"required": false}})
}

impl RequestCase {
    /// The request with what is wanted of Envoy `version`.
    pub fn of_envoy(&self, version: &str) -> Self {
        let mut request = self.clone();
        if let Some(Before { want, .. }) = self.before_in(version) {
            request.want = want.clone();
        }
        request
    }

    /// What is wanted of Envoy `version`, if that is other than of the newest.
    pub fn before_in(&self, version: &str) -> Option<&Before> {
        self.before.as_ref().filter(|before| places::is_before(version, &before.envoy))
    }
}

impl Want {
    /// The status at the client.
    pub fn status(&self) -> u16 {
        self.status.unwrap_or(if self.decision == Reach::Allow { 200 } else { 403 })
    }

    fn check(&self) -> Result<(), String> {
        let all = self.upstream_headers.values().chain(self.response_headers.values());
        for values in all {
            if let WantValues::Word(word) = values
                && word != "absent"
            {
                return Err(format!("expected a list of values or `absent`, got `{word}`"));
            }
        }
        match self.decision {
            Reach::Allow if self.body.is_some() => {
                Err("the body of an allowed request is the upstream's".to_owned())
            }
            Reach::Deny if self.path.is_some() || !self.upstream_headers.is_empty() => {
                Err("a denied request has no path and no headers at the upstream".to_owned())
            }
            Reach::Allow | Reach::Deny => Ok(()),
        }
    }
}

fn empty_object() -> Value {
    json!({})
}

fn default_entrypoint() -> String {
    "envoy/authz/allow".to_owned()
}

fn get() -> String {
    "GET".to_owned()
}

fn slash() -> String {
    "/".to_owned()
}

fn default_host() -> String {
    HOST.to_owned()
}
