//! One Envoy with two listeners for every policy: OPA behind one, Sidegate in the other.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde_json::{Value, json};

use super::on_purpose::{Told, on_purpose};
use super::opa::Opa;
use super::policy::Policy;
use super::random::Sent;
use crate::bytes::escape;
use crate::case::{SERVICE, plugin_configuration};
use crate::certs::{Authority, Identity, spiffe};
use crate::client::{Connection, Response};
use crate::envoy::Envoy;
use crate::envoy_config::{Listener, bootstrap, cluster, ext_authz, grpc_cluster, wasm_filter};
use crate::places;
use crate::upstream::{Echo, Upstream};

/// Service accounts that call.
pub const CALLERS: [(&str, &str); 3] =
    [("default", "frontend"), ("backoffice", "admin"), ("payments", "api")];

const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";

/// Bytes of a body that both sides see at most.
const BODY_BYTES: u32 = 65_536;

/// Headers that differ from request to request by themselves. Whether Envoy closes a connection after a
/// deny depends on whether the body had arrived.
const VOLATILE: [&str; 4] = ["x-request-id", "date", "x-envoy-upstream-service-time", "connection"];

/// The two sides.
pub struct Sides {
    envoy: Envoy,
    opa: Opa,
    upstream: Upstream,
    callers: Vec<Identity>,
}

/// What became of a request on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The status at the client.
    pub status: u16,
    /// What the upstream got; `None` where it got nothing.
    pub upstream: Option<Reached>,
    /// Headers at the client.
    pub response: Headers,
    /// The body at the client of what did not reach the upstream.
    pub body: String,
}

/// A request at the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The method.
    pub method: String,
    /// The request target, escaped.
    pub path: String,
    /// Its headers.
    pub headers: Headers,
    /// Length and checksum of the body.
    pub body: (usize, u64),
}

/// All values of each header in order.
pub type Headers = BTreeMap<String, Vec<String>>;

/// One request that was answered in two ways.
pub struct Difference {
    policy: String,
    sent: Sent,
    opa: Seen,
    sidegate: Seen,
    told: Told,
}

/// What was compared.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests sent to both sides.
    pub compared: usize,
    /// Those that both sides let through.
    pub allowed: usize,
    /// How many differ as they are meant to, by the name of the reason.
    pub on_purpose: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.compared += other.compared;
        self.allowed += other.allowed;
        for (name, count) in &other.on_purpose {
            *self.on_purpose.entry(name).or_default() += count;
        }
    }
}

impl Sides {
    /// Starts OPA and Envoy with these policies and their bundles.
    ///
    /// # Errors
    /// One of them does not start; the message has its log.
    pub fn start(opa: &Path, policies: &[(Policy, Vec<u8>)], dir: &Path) -> Result<Self, String> {
        let wasm = places::filter_wasm()?;
        let all: Vec<Policy> = policies.iter().map(|(policy, _)| policy.clone()).collect();
        let opa = Opa::start(opa, &all, &dir.join("opa"))?;
        let authority = Authority::new(&dir.join("certs"));
        let own = authority.identity("service", &spiffe(SERVICE.0, SERVICE.1));
        let callers = CALLERS.map(|(ns, sa)| authority.identity(&format!("{ns}.{sa}"), &spiffe(ns, sa)));
        let upstream = Upstream::start();
        let mut clusters = vec![cluster("upstream", upstream.address())];
        let mut listeners = Vec::new();
        for (policy, bundle) in policies {
            let configuration = plugin_configuration(bundle, &policy.entrypoint()).to_string();
            let opa_cluster = format!("opa-{}", policy.name);
            clusters.push(grpc_cluster(&opa_cluster, json!({"pipe": {"path": opa.socket(&policy.name)}})));
            let body = policy.reads_body().then_some(BODY_BYTES);
            let filters = [
                (opa_listener(policy), ext_authz(&opa_cluster, body, &[JWT_AUTHN])),
                (sidegate_listener(policy), wasm_filter(&policy.name, &wasm, &configuration)),
            ];
            for (name, filter) in filters {
                let before = policy.reads_jwt_metadata().then(jwt_authn);
                let listener = Listener {
                    name: &name,
                    identity: &own,
                    plaintext: true,
                    filters: before.into_iter().chain([filter]).collect(),
                    route_metadata: None,
                    access_log: None,
                    cluster: Some("upstream"),
                };
                listeners.push(listener.to_json());
            }
        }
        let envoy =
            Envoy::start(&places::envoy_newest(), &bootstrap(&listeners, &clusters), &dir.join("envoy"))?;
        Ok(Self { envoy, opa, upstream, callers: callers.to_vec() })
    }

    /// Sends a request to both sides; what differs, unless it is meant to.
    ///
    /// # Errors
    /// A connection breaks or an answer cannot be read.
    pub fn compare(
        &self,
        policy: &Policy,
        sent: &Sent,
        tally: &mut Tally,
    ) -> Result<Option<Difference>, String> {
        let opa = self.ask(&opa_listener(policy), sent)?;
        let sidegate = self.ask(&sidegate_listener(policy), sent)?;
        tally.compared += 1;
        tally.allowed += usize::from(opa.upstream.is_some() && sidegate.upstream.is_some());
        if opa == sidegate {
            return Ok(None);
        }
        let told = self.told(policy, sent)?;
        if let Some(name) = on_purpose(&opa, &sidegate, &told) {
            *tally.on_purpose.entry(name).or_default() += 1;
            return Ok(None);
        }
        Ok(Some(Difference { policy: policy.name.clone(), sent: sent.clone(), opa, sidegate, told }))
    }

    /// Both sides are asked again, and Envoy's counters looked at before and after.
    fn told(&self, policy: &Policy, sent: &Sent) -> Result<Told, String> {
        const ERRORS: &str = "wasmcustom.sidegate.errors.";
        let routes = format!("http.{}.no_route", opa_listener(policy));
        let before = (self.envoy.stats(ERRORS)?, self.envoy.stats(&routes)?);
        self.ask(&sidegate_listener(policy), sent)?;
        self.ask(&opa_listener(policy), sent)?;
        let after = (self.envoy.stats(ERRORS)?, self.envoy.stats(&routes)?);
        let moved = after.0.iter().find(|(name, count)| before.0.get(*name) != Some(count));
        Ok(Told {
            code: moved.map(|(name, _)| name.trim_start_matches(ERRORS).to_owned()),
            no_route: before.1 != after.1,
        })
    }

    /// What OPA logged.
    pub fn opa_log(&self) -> String {
        self.opa.log()
    }

    fn ask(&self, listener: &str, sent: &Sent) -> Result<Seen, String> {
        let explain = |e: String| self.envoy.with_log(&format!("{e}\n{sent}"));
        let before = self.upstream.served();
        let mut bytes = sent.request.to_bytes();
        bytes.extend_from_slice(&sent.body);
        let to = self.envoy.listener(listener)?;
        let mut connection = Connection::open(to, self.callers.get(sent.caller)).map_err(explain)?;
        let response = connection.send_bytes(&bytes, false).map_err(explain)?;
        let reached = match self.upstream.served() - before {
            0 => false,
            1 => true,
            n => return Err(explain(format!("expected at most one request at the upstream, got {n}"))),
        };
        seen(&response, reached).map_err(explain)
    }
}

fn seen(response: &Response, reached: bool) -> Result<Seen, String> {
    let mut headers = by_name(response.headers.iter().map(|(name, value)| (name.clone(), escape(value))));
    let mut upstream = None;
    let mut body = escape(&response.body);
    if reached {
        let echo: Echo = serde_json::from_slice(&response.body)
            .map_err(|e| format!("expected the upstream's answer, got `{body}`: {e}"))?;
        let Echo { method, path, headers: got, body_bytes, body_sum, body: _ } = echo;
        upstream =
            Some(Reached { method, path, headers: by_name(got.into_iter()), body: (body_bytes, body_sum) });
        // It is what the upstream got, over again.
        body.clear();
        headers.remove("content-length");
    }
    Ok(Seen { status: response.status, upstream, response: headers, body })
}

fn by_name(headers: impl Iterator<Item = (String, String)>) -> Headers {
    let mut map = Headers::new();
    for (name, value) in headers.filter(|(name, _)| !VOLATILE.contains(&name.as_str())) {
        map.entry(name).or_default().push(value);
    }
    map
}

fn opa_listener(policy: &Policy) -> String {
    format!("{}.opa", policy.name)
}

fn sidegate_listener(policy: &Policy) -> String {
    format!("{}.sidegate", policy.name)
}

/// Envoy's own filter for tokens, before either: what it verified is in the metadata, what it did not
/// goes through.
fn jwt_authn() -> Value {
    let jwks = json!({"keys": [{"kty": "oct", "alg": "HS256", "k": "c2VjcmV0"}]}).to_string();
    json!({"name": JWT_AUTHN, "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"mesh": {
            "local_jwks": {"inline_string": jwks},
            "forward": true,
            "payload_in_metadata": "verified_jwt"
        }},
        "rules": [{"match": {"prefix": "/"}, "requires": {"requires_any": {"requirements": [
            {"provider_name": "mesh"},
            {"allow_missing_or_failed": {}}
        ]}}}]
    }})
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { caller, request, body } = self;
        let caller = CALLERS.get(*caller).map_or("plaintext".to_owned(), |(ns, sa)| format!("{ns}/{sa}"));
        write!(f, "{caller}: {} {}", request.method, escape(&request.target))?;
        for (name, value) in &request.headers {
            write!(f, "\n    {}: {}", escape(name), escape(value))?;
        }
        if !body.is_empty() {
            write!(f, "\n\n    {}", escape(body))?;
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, sent, opa, sidegate, told } = self;
        writeln!(f, "--- {policy}: {sent}\n  sidegate's error: {}", told.code.as_deref().unwrap_or("none"))?;
        let mut differ = |what: &str, a: &dyn fmt::Debug, b: &dyn fmt::Debug| {
            let (a, b) = (format!("{a:?}"), format!("{b:?}"));
            if a == b { Ok(()) } else { writeln!(f, "  {what}\n    opa      {a}\n    sidegate {b}") }
        };
        differ("status", &opa.status, &sidegate.status)?;
        differ("upstream", &opa.upstream, &sidegate.upstream)?;
        differ("response headers", &opa.response, &sidegate.response)?;
        differ("body", &opa.body, &sidegate.body)
    }
}
