//! An Envoy with a listener of each kind, one VM for all of them, the callers, and the judge behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::{FRONTEND, Judge, SEAL};
use crate::case::CaseFile;
use crate::certs::{Authority, Identity, spiffe};
use crate::client::{Body, Connection, Request};
use crate::client2::{Call, Connection2};
use crate::envoy::Envoy;
use crate::envoy_config::{Listener, bootstrap, cluster, wasm_filter};
use crate::vms::Vms;
use crate::{features, paths, places};

/// The listeners: what each decides by is in policies.yaml.
pub const KINDS: [&str; 6] = ["table", "plan", "headers", "uncached", "bodies", "answers"];

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// The one who may.
    Frontend,
    /// A name of the mesh without rights.
    Other,
    /// Two names, the right one second.
    OtherFrontend,
    /// Two names, the right one first.
    FrontendOther,
    /// Nobody, in plaintext.
    Plain,
    /// TLS without a certificate.
    Nameless,
    /// The right name in a certificate that nobody trusts.
    Impostor,
    /// The right name in a certificate of yore.
    Expired,
}

/// The whole of it.
pub struct Stage {
    envoy: Envoy,
    vms: Vms,
    judge: Judge,
    identities: BTreeMap<Caller, Identity>,
    addresses: BTreeMap<&'static str, SocketAddr>,
    regulars: BTreeMap<(&'static str, Caller), Regular>,
    asked: u64,
}

/// Connections that stay open for good requests, one of each protocol.
#[derive(Default)]
struct Regular {
    http1: Option<Connection>,
    http2: Option<Connection2>,
}

impl Stage {
    /// Starts Envoy `version` with one worker, its files in `dir`.
    ///
    /// # Errors
    /// It does not start, or a policy does not compile.
    pub fn start(version: &str, seed: u64, dir: &Path) -> Result<Self, String> {
        let judge = Judge::start(
            &format!("{:016x}", super::Random::new(seed, u64::MAX).bits()),
            features::ALL_NAMES.is_in(version),
        );
        let authority = Authority::new(&dir.join("certs"));
        let own = authority.identity("service", &spiffe("shop", "cart"));
        let other = spiffe("web", "other");
        let frontend = FRONTEND.to_owned();
        let identities = BTreeMap::from([
            (Caller::Frontend, authority.identity("frontend", FRONTEND)),
            (Caller::Other, authority.identity("other", &other)),
            (Caller::OtherFrontend, authority.identity_of("second", &[other.clone(), frontend.clone()])),
            (Caller::FrontendOther, authority.identity_of("first", &[frontend, other])),
            (Caller::Nameless, authority.nameless("nameless")),
            (Caller::Impostor, authority.impostor("impostor", FRONTEND)),
            (Caller::Expired, authority.expired("expired", FRONTEND)),
        ]);
        let wasm = places::filter_wasm()?;
        let mut files = policies()?;
        let listeners = KINDS.map(|kind| {
            let file = files.remove(kind).ok_or_else(|| format!("no policy for `{kind}`"))?;
            let bundle = paths::build(&file)?;
            let listener = Listener {
                name: kind,
                identity: &own,
                plaintext: true,
                filters: vec![wasm_filter(kind, &wasm, &file.configuration(&bundle))],
                route_metadata: None,
                access_log: None,
                cluster: Some("judge"),
            };
            Ok(sealed(listener.to_json(), &judge.seal(kind)))
        });
        let listeners = listeners.into_iter().collect::<Result<Vec<_>, String>>()?;
        let envoy = Envoy::start(version, &bootstrap(&listeners, &[cluster("judge", judge.address())]), dir)?;
        let vms = Vms::of(&envoy)?;
        let mut addresses = BTreeMap::new();
        for kind in KINDS {
            addresses.insert(kind, envoy.listener(kind)?);
        }
        Ok(Self { envoy, vms, judge, identities, addresses, regulars: BTreeMap::new(), asked: 0 })
    }

    /// The process.
    pub fn envoy(&self) -> &Envoy {
        &self.envoy
    }

    /// The service behind it.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Good requests so far.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// Where a listener is.
    pub fn address(&self, kind: &str) -> SocketAddr {
        self.addresses[kind]
    }

    /// What a caller shows; `None` for plaintext.
    pub fn identity(&self, caller: Caller) -> Option<&Identity> {
        self.identities.get(&caller)
    }

    /// Asks every listener what must be allowed and what must be denied, on connections that stay open.
    ///
    /// # Errors
    /// An answer is wrong, or a VM is not what it was.
    pub fn check(&mut self) -> Result<(), String> {
        // Every other time by HTTP/2.
        let is_http2 = self.asked / 18 % 2 == 1;
        for kind in KINDS {
            for (caller, is_good, status) in
                [(Caller::Frontend, true, 200), (Caller::Frontend, false, 403), (Caller::Other, true, 403)]
            {
                let wanted = if kind == "answers" && status == 403 { 422 } else { status };
                let got = self
                    .regular(kind, caller, is_good, is_http2)
                    .map_err(|e| self.envoy.with_log(&format!("{kind}, {caller:?}: {e}")))?;
                if got != (wanted, status == 200) {
                    return Err(self.envoy.with_log(&format!(
                        "{kind}, {caller:?}, good: {is_good}, HTTP/2: {is_http2}: expected {wanted}, got {} (from \
                         the upstream: {})",
                        got.0, got.1
                    )));
                }
                self.asked += 1;
            }
        }
        Ok(())
    }

    /// Whether the VM lives and nothing wrong got through.
    ///
    /// # Errors
    /// What is wrong.
    pub fn verdict(&mut self) -> Result<(), String> {
        if !self.envoy.runs() {
            return Err(self.envoy.with_log("expected envoy to run, it ended"));
        }
        self.vms.check(&self.envoy)?;
        self.judge.verdict()
    }

    /// Status, and whether the upstream gave it.
    fn regular(
        &mut self,
        kind: &'static str,
        caller: Caller,
        is_good: bool,
        is_http2: bool,
    ) -> Result<(u16, bool), String> {
        let to = self.address(kind);
        let identity = self.identities.get(&caller);
        let regular = self.regulars.entry((kind, caller)).or_default();
        let (method, path, body) = match (kind, is_good) {
            ("bodies", true) => ("POST", "/ok/json", r#"{"ok": true}"#),
            ("bodies", false) => ("POST", "/ok/json", r#"{"ok": 1}"#),
            (_, true) => ("GET", "/ok/good?x=1", ""),
            (_, false) => ("GET", "/ok/secret", ""),
        };
        // Whoever was there before may have had the connection closed: a new one is as good.
        let mut first = Err(String::new());
        for _ in 0..2 {
            first = match is_http2 {
                true => regular.by_http2(to, identity, method, path, body),
                false => regular.by_http1(to, identity, method, path, body),
            };
            if first.is_ok() {
                break;
            }
            *regular = Regular::default();
        }
        first
    }
}

impl Regular {
    fn by_http1(
        &mut self,
        to: SocketAddr,
        identity: Option<&Identity>,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<(u16, bool), String> {
        let connection = match &mut self.http1 {
            Some(open) => open,
            None => self.http1.insert(Connection::open(to, identity)?),
        };
        let mut headers = vec![(b"host".to_vec(), b"cart.shop".to_vec())];
        if !body.is_empty() {
            headers.push((b"content-type".to_vec(), b"application/json".to_vec()));
            headers.push((b"content-length".to_vec(), body.len().to_string().into_bytes()));
        }
        let body =
            (!body.is_empty()).then(|| Body { bytes: body.into(), chunks: None, trailers: Vec::new() });
        let request = Request { method: method.to_owned(), target: path.into(), headers, body };
        let response = connection.send(&request)?;
        if response.closes() {
            self.http1 = None;
        }
        Ok((response.status, !response.values("x-upstream").is_empty()))
    }

    fn by_http2(
        &mut self,
        to: SocketAddr,
        identity: Option<&Identity>,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<(u16, bool), String> {
        let connection = match &mut self.http2 {
            Some(open) => open,
            None => self.http2.insert(Connection2::open(to, identity)?),
        };
        let mut call = Call::new(method, path, &[]);
        if !body.is_empty() {
            call.headers.push(("content-type".to_owned(), b"application/json".to_vec()));
            call.data.push(body.into());
        }
        let reply = connection.call(&call)?;
        match reply.reset {
            Some(code) if reply.status == 0 => Err(format!("the stream was reset, code {code}")),
            _ => Ok((reply.status, !reply.values("x-upstream").is_empty())),
        }
    }
}

fn policies() -> Result<BTreeMap<String, CaseFile>, String> {
    let at = |e: serde_yaml_ng::Error| format!("policies.yaml: {e}");
    let mut all: serde_yaml_ng::Value = serde_yaml_ng::from_str(include_str!("policies.yaml")).map_err(at)?;
    all.apply_merge().map_err(at)?;
    serde_yaml_ng::from_value(all).map_err(at)
}

/// The listener, which says in a header of each request whose it is, and takes CONNECT over HTTP/2.
fn sealed(mut listener: Value, seal: &str) -> Value {
    for chain in listener["filter_chains"].as_array_mut().into_iter().flatten() {
        let manager = &mut chain["filters"][0]["typed_config"];
        manager["route_config"]["request_headers_to_add"] = json!([{
            "header": {"key": SEAL, "value": seal},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"
        }]);
        manager["http2_protocol_options"] = json!({"allow_connect": true});
        manager["stream_idle_timeout"] = json!("20s");
        manager["request_headers_timeout"] = json!("20s");
    }
    listener
}
