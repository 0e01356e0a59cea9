//! A real Envoy with a listener for each side, and a service behind it that keeps what reached it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sidegate_compiler::{BuildOptions, Form, Sources, build};

use super::{Attacks, Wire, http2};
use crate::bytes::escape;
use crate::case::{SERVICE, plugin_configuration};
use crate::certs::{Authority, Identity, spiffe};
use crate::client::Connection;
use crate::envoy::Envoy;
use crate::envoy_config::{Listener, bootstrap, cluster, wasm_filter};
use crate::places;
use crate::upstream::{Echo, Upstream};

const LOG_LINE: &str = "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %REQ(:PATH)%";
const DEADLINE: Duration = Duration::from_secs(20);

/// The key of the tokens that `jwt_authn` takes, in base64url.
const TOKEN_KEY: &str = "b25seSBmb3IgdGhlIHRlc3RzIG9mIHNpZGVnYXRlLCAzMisgYnl0ZXM";

/// What decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The declaration, as a table.
    Table,
    /// The same with Rego beside it, as a plan.
    Plan,
    /// Rego on OPA's input.
    Rego,
}

/// What became of an attack.
#[derive(Clone, Debug)]
pub struct Seen {
    /// In the words of `want`.
    pub outcome: String,
    /// The path that Envoy showed the filter, escaped, where the request got so far.
    pub sees: Option<String>,
    /// What reached the service.
    pub requests: Vec<Echo>,
}

/// One Envoy, three policies.
pub struct Arena {
    envoy: Envoy,
    upstream: Upstream,
    callers: BTreeMap<String, Option<Identity>>,
    logs: BTreeMap<Side, PathBuf>,
    markers: AtomicUsize,
}

impl Side {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Table, Self::Plan, Self::Rego];

    /// Its listener.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Plan => "plan",
            Self::Rego => "rego",
        }
    }

    /// The plugin's configuration with this side's bundle.
    fn configuration(self, folder: &Path, dir: &Path) -> Result<String, String> {
        let (sources, form, entrypoint) = match self {
            Self::Table => (Sources::read_dir(&folder.join("declared")), Form::Table, DECLARED),
            Self::Plan => (Sources::read_dir(&beside(folder, dir)?), Form::Plan, DECLARED),
            Self::Rego => {
                let text = std::fs::read_to_string(folder.join("policy.rego")).map_err(|e| e.to_string())?;
                let modules = vec![("policy.rego".to_owned(), text)];
                let data = sidegate_engine::Value::new_object();
                (Ok(Sources::from_parts(modules, data)), Form::Plan, "attacks/authz/decision")
            }
        };
        let workload = (self != Self::Rego).then(|| "pay/payments".parse()).transpose();
        let options = BuildOptions {
            entrypoints: vec![entrypoint.to_owned()],
            revision: Some(self.name().to_owned()),
            workload: workload.map_err(|e: sidegate_compiler::WorkloadError| e.to_string())?,
            ..BuildOptions::default()
        };
        let built = build(&sources.map_err(|e| e.to_string())?, &options).map_err(|e| e.to_string())?;
        let asked = built.entries.iter().find(|entry| entry.entrypoint == entrypoint);
        if asked.is_none_or(|entry| entry.form != form) {
            return Err(format!("expected the form {form:?} of {self:?}, got {:?}", built.entries));
        }
        Ok(plugin_configuration(&built.bundle, entrypoint).to_string())
    }
}

const DECLARED: &str = "sidegate/authz/decision";

impl Arena {
    /// Starts Envoy `version`.
    ///
    /// # Errors
    /// It does not start, or a policy cannot be built.
    pub fn start(version: &str, attacks: &Attacks, dir: &Path) -> Result<Self, String> {
        let authority = Authority::new(&dir.join("certs"));
        let own = authority.identity("service", &spiffe(SERVICE.0, SERVICE.1));
        let callers = attacks
            .callers
            .iter()
            .map(|(name, uris)| {
                let identity = (!uris.is_empty()).then(|| authority.identity_of(name, uris));
                (name.clone(), identity)
            })
            .collect();
        let upstream = Upstream::keeping();
        let wasm = places::filter_wasm()?;
        let folder = places::root().join("tests/attacks");
        let (mut listeners, mut logs) = (Vec::new(), BTreeMap::new());
        for side in Side::ALL {
            let path = dir.join(format!("{}.log", side.name()));
            let configuration = side.configuration(&folder, dir)?;
            let mut listener = Listener {
                name: side.name(),
                identity: &own,
                plaintext: true,
                filters: vec![jwt(), wasm_filter(side.name(), &wasm, &configuration)],
                route_metadata: None,
                access_log: Some((&path, LOG_LINE)),
                cluster: Some("upstream"),
            }
            .to_json();
            // So that a tunnel over HTTP/2 is tried, too.
            for chain in listener["filter_chains"].as_array_mut().into_iter().flatten() {
                let manager = &mut chain["filters"][0]["typed_config"];
                manager["http2_protocol_options"] = json!({"allow_connect": true});
                // A connection that is given up need not linger.
                manager["delayed_close_timeout"] = json!("0.05s");
            }
            listeners.push(listener);
            logs.insert(side, path);
        }
        let clusters = [cluster("upstream", upstream.address())];
        let envoy = Envoy::start(version, &bootstrap(&listeners, &clusters), dir)?;
        Ok(Self { envoy, upstream, callers, logs, markers: AtomicUsize::new(0) })
    }

    /// A new connection of a caller.
    ///
    /// # Errors
    /// There is no such caller, or the connection fails.
    pub fn connect(&self, side: Side, caller: &str) -> Result<Connection, String> {
        let identity = self.callers.get(caller).ok_or("expected a known caller")?;
        Connection::open(self.envoy.listener(side.name())?, identity.as_ref())
    }

    /// What reached the service since the last time.
    pub fn reached(&self) -> Vec<Echo> {
        self.upstream.take()
    }

    /// Sends an attack on a new connection, and says what became of it.
    ///
    /// # Errors
    /// The place does not work: what an attack does to its own connection is no error.
    pub fn send(&self, side: Side, caller: &str, wire: &Wire) -> Result<Seen, String> {
        let explain = |e: String| self.envoy.with_log(&e);
        let from = self.log(side).len();
        let bytes_before = self.upstream.received();
        let mut connection = self.connect(side, caller).map_err(explain)?;
        let status = if wire.is_http2 {
            if connection.write(&wire.bytes).is_ok() {
                until_ended(&mut connection);
            }
            None
        } else {
            connection.send_bytes(&wire.bytes, wire.is_connect).ok().map(|response| response.status)
        };
        drop(connection);
        let lines = self.logged(side, from).map_err(explain)?;
        let mut requests = self.reached();
        // What does not come whole is known when its connection ends.
        let deadline = Instant::now() + DEADLINE;
        while requests.is_empty() && self.upstream.received() != bytes_before && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
            requests = self.reached();
        }
        let line = lines.first().map(|line| {
            let mut words = line.splitn(3, ' ');
            let mut word = || words.next().unwrap_or("").to_owned();
            (word(), word(), word())
        });
        let sees = line.as_ref().map(|(_, _, path)| escape(path.as_bytes())).filter(|path| path != "-");
        let outcome = match (&requests[..], line) {
            ([], Some((code, details, _))) if details.starts_with("sidegate_") => match code.as_str() {
                // A gRPC client gets 200 and `grpc-status`.
                "403" | "200" => "denied".to_owned(),
                other => format!("denied {other}"),
            },
            ([], Some((code, ..))) if code != "0" => format!("refused {code}"),
            ([], _) => status.map_or("closed".to_owned(), |status| format!("refused {status}")),
            (requests, _) => {
                let shown =
                    |echo: &Echo| if echo.path.len() > 1000 { "long".to_owned() } else { echo.path.clone() };
                let paths: Vec<String> = requests.iter().map(shown).collect();
                format!("passes {}", paths.join(" and "))
            }
        };
        Ok(Seen { outcome, sees, requests })
    }

    /// The lines that were logged from a place on, once everything before now is there.
    fn logged(&self, side: Side, from: usize) -> Result<Vec<String>, String> {
        let marker = format!("/marker-{}", self.markers.fetch_add(1, Ordering::SeqCst));
        let request = format!("GET {marker} HTTP/1.1\r\nhost: a\r\n\r\n");
        self.connect(side, "nobody")?.send_bytes(request.as_bytes(), false)?;
        let deadline = Instant::now() + DEADLINE;
        loop {
            let log = self.log(side);
            let new = String::from_utf8_lossy(log.get(from..).unwrap_or_default()).into_owned();
            if let Some((before, _)) = new.split_once(&format!(" {marker}\n")) {
                let mut lines: Vec<String> = before.lines().map(str::to_owned).collect();
                // The beginning of the marker's own line.
                lines.pop();
                return Ok(lines);
            }
            if Instant::now() > deadline {
                return Err(format!("expected `{marker}` in the access log, got `{new}`"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn log(&self, side: Side) -> Vec<u8> {
        self.logs.get(&side).and_then(|path| std::fs::read(path).ok()).unwrap_or_default()
    }
}

/// Reads until the answer on the stream has ended.
fn until_ended(connection: &mut Connection) {
    while let Ok(Some(bytes)) = connection.read_more() {
        if http2::has_ended(bytes) {
            return;
        }
    }
}

/// The declaration with Rego beside it, in a folder of its own.
fn beside(folder: &Path, dir: &Path) -> Result<PathBuf, String> {
    let to = dir.join("beside");
    let copy = |from: PathBuf, to: PathBuf| -> Result<(), String> {
        std::fs::create_dir_all(to.parent().unwrap_or(&to)).map_err(|e| e.to_string())?;
        std::fs::copy(&from, &to).map(|_| ()).map_err(|e| format!("{}: {e}", from.display()))
    };
    for name in ["mesh.yaml", "services/pay/payments.yaml"] {
        copy(folder.join("declared").join(name), to.join(name))?;
    }
    copy(folder.join("beside/policy.rego"), to.join("services/pay/payments/policy.rego"))?;
    Ok(to)
}

/// A token may be missing; one that is there has to be good.
fn jwt() -> Value {
    let keys = json!({"keys": [{"kty": "oct", "alg": "HS256", "kid": "test", "k": TOKEN_KEY}]});
    json!({"name": "jwt", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"test": {
            "issuer": "issuer.test",
            "audiences": ["payments"],
            "payload_in_metadata": "payload",
            "forward": true,
            "local_jwks": {"inline_string": keys.to_string()}
        }},
        "rules": [{"match": {"prefix": "/"}, "requires": {"requires_any": {
            "requirements": [{"provider_name": "test"}, {"allow_missing": {}}]
        }}}]
    }})
}
