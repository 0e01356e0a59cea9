//! What is compared: one Envoy each, with one worker unless the section is about them.

use serde_json::{Value, json};
use sidegate_bench::policy::{Kind, Policy, thousands};
use sidegate_bench::rbac;
use sidegate_bench::request::HEADERS;
use sidegate_tests::case::plugin_configuration;
use sidegate_tests::envoy::Envoy;
use sidegate_tests::envoy_config::{
    Listener, address, bootstrap, cluster, ext_authz, grpc_cluster, wasm_filter,
};
use sidegate_tests::manifests::guards;
use sidegate_tests::process;
use sidegate_tests::upstream::Upstream;

use super::bench::Bench;
use super::load::Load;
use super::opa::Opa;

pub(crate) const LISTENER: &str = "inbound";
/// Of each worker.
const CONNECTIONS: usize = 2;
/// Of each worker: V8 compiles for each of them.
const WARM_UP: usize = 2000;

/// Where among native RBAC's policies ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Middle,
    Last,
}

/// What stands between the listener and the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    None,
    /// A filter of the proxy-wasm SDK that does nothing.
    Noop,
    /// One without any SDK.
    Bare,
    /// One of the filters that show what the border costs.
    Border(usize),
    Rbac(usize, Place),
    /// Sidegate without its decision cache, as far as there is one.
    Sidegate(Kind),
    /// With it, and every request after the first is one that it knows.
    Cached(Kind),
    /// Declarations for ten callers, and the guard behind it.
    Guarded,
    /// Declarations for ten callers, and the decisions of this level posted to a collector.
    Logged(&'static str),
    /// OPA behind `ext_authz`, with the same bundle.
    Opa(Kind),
}

/// What is guarded, and what decisions are logged about.
const LOGGED: Kind = Kind::Callers(10);

impl Subject {
    pub(crate) fn name(self) -> String {
        match self {
            Self::None => "no filter".to_owned(),
            Self::Noop => "no-op wasm filter, SDK".to_owned(),
            Self::Bare => "no-op wasm filter, raw ABI".to_owned(),
            Self::Border(at) => format!("border {at}"),
            Self::Rbac(1, _) => "native RBAC, 1 policy".to_owned(),
            Self::Rbac(n, Place::Middle) => format!("native RBAC, {} policies, middle", thousands(n)),
            Self::Rbac(n, Place::Last) => format!("native RBAC, {} policies, last", thousands(n)),
            Self::Sidegate(kind) => format!("Sidegate, {}", kind.name()),
            Self::Cached(kind) => format!("Sidegate, {}, cache answers", kind.name()),
            Self::Guarded => format!("Sidegate, {}, with the guard", LOGGED.name()),
            Self::Logged(level) => format!("Sidegate, {}, logs {level}", LOGGED.name()),
            Self::Opa(kind) => format!("OPA ext_authz, {}", kind.name()),
        }
    }

    /// Starts it with so many workers.
    pub(crate) fn start(self, bench: &Bench, workers: usize) -> Result<Running, String> {
        let name = self.name();
        let dir = bench.dir(&name);
        let (mut opa, mut collector) = (None, None);
        let (mut clusters, mut guard) = (Vec::new(), None);
        let wasm = |code, text: &str| Some(wasm_filter("bench", code, text));
        let filter = match self {
            Self::None => None,
            Self::Noop => wasm(&bench.noop, ""),
            Self::Bare => wasm(&bench.bare, ""),
            Self::Border(at) => wasm(&bench.path().join(format!("border-{at}.wasm")), ""),
            Self::Rbac(policies, place) => {
                let own = if place == Place::Last { policies - 1 } else { policies / 2 };
                Some(rbac::filter(policies, own))
            }
            Self::Sidegate(kind) => wasm(&bench.sidegate, &configuration(&kind.build()?, bench, false)),
            Self::Cached(kind) => wasm(&bench.sidegate, &configuration(&kind.build()?, bench, true)),
            Self::Guarded => {
                guard = Some(guards("enforce")?.0);
                let configuration = with(&LOGGED.build()?, bench, false, &[("guard", json!(true))]);
                wasm(&bench.sidegate, &configuration)
            }
            Self::Logged(level) => {
                let to = Upstream::start();
                clusters.push(cluster("logs", to.address()));
                collector = Some(to);
                let log = json!({"level": level, "sink": "http", "cluster": "logs", "rate": 100_000});
                let configuration = with(&LOGGED.build()?, bench, false, &[("decision_log", log)]);
                wasm(&bench.sidegate, &configuration)
            }
            Self::Opa(kind) => {
                let running = Opa::start(bench.opa.as_ref()?, &kind.build()?, &dir.join("opa"))?;
                let to = running.address();
                clusters.push(grpc_cluster("opa", address(&to.ip().to_string(), to.port())));
                opa = Some(running);
                Some(ext_authz("opa", None, &[]))
            }
        };
        let listener = Listener {
            name: LISTENER,
            identity: &bench.own,
            plaintext: false,
            filters: filter.into_iter().chain(guard).collect(),
            route_metadata: None,
            access_log: None,
            cluster: None,
        };
        let config = bootstrap(&[listener.to_json()], &clusters);
        let envoy =
            Envoy::start_with(&bench.envoy, &config, &dir, workers).map_err(|e| format!("{name}: {e}"))?;
        Ok(Running { subject: self, workers, envoy, opa, _collector: collector })
    }
}

/// The plugin's configuration for a policy. Loops that are measured may go on for longer than is good for a proxy.
pub(crate) fn configuration(policy: &Policy, bench: &Bench, has_cache: bool) -> String {
    with(policy, bench, has_cache, &[])
}

fn with(policy: &Policy, bench: &Bench, has_cache: bool, more: &[(&str, Value)]) -> String {
    let mut configuration = plugin_configuration(&policy.bundle, &policy.entrypoint);
    let mut limits = json!({"steps": 10_000_000});
    if bench.has_cache && !has_cache {
        limits["cache_entries"] = json!(0);
    }
    configuration["limits"] = limits;
    for (key, value) in more {
        configuration[*key] = value.clone();
    }
    configuration.to_string()
}

/// A started subject. Its OPA, if there is one, goes after its Envoy.
pub(crate) struct Running {
    pub(crate) subject: Subject,
    workers: usize,
    pub(crate) envoy: Envoy,
    pub(crate) opa: Option<Opa>,
    _collector: Option<Upstream>,
}

impl Running {
    /// CPU of Envoy and of OPA so far, in nanoseconds.
    pub(crate) fn cpu(&self) -> Result<[u64; 2], String> {
        let opa = self.opa.as_ref().map_or(Ok(0), |opa| process::cpu_nanoseconds(opa.pid()))?;
        Ok([self.envoy.cpu_nanoseconds()?, opa])
    }

    /// Connections to it, warm.
    pub(crate) fn load(&self, bench: &Bench, headers: usize) -> Result<Load, String> {
        let connections = CONNECTIONS * self.workers;
        let mut load = Load::open(self.envoy.listener(LISTENER)?, &bench.caller, headers, connections)?;
        let warm_up = WARM_UP.min(bench.settings.requests) * self.workers;
        load.run(warm_up).map_err(|e| self.explain(&e))?;
        Ok(load)
    }

    pub(crate) fn explain(&self, message: &str) -> String {
        self.envoy.with_log(&format!("{}: {message}", self.subject.name()))
    }
}

/// What one subject took, a number for each round.
pub(crate) struct Taken {
    pub(crate) subject: Subject,
    /// Microseconds of Envoy's CPU for a request.
    pub(crate) envoy: Vec<f64>,
    /// Microseconds of OPA's CPU for a request; empty where there is none.
    pub(crate) opa: Vec<f64>,
}

impl Taken {
    /// Both, round by round.
    pub(crate) fn total(&self) -> Vec<f64> {
        match self.opa.is_empty() {
            true => self.envoy.clone(),
            false => self.envoy.iter().zip(&self.opa).map(|(envoy, opa)| envoy + opa).collect(),
        }
    }
}

/// Starts all and asks them in turn, round after round, so that what else the machine does hits all alike.
pub(crate) fn compare(
    bench: &Bench,
    subjects: &[Subject],
    (rounds, requests): (usize, usize),
    workers: usize,
) -> Result<Vec<Taken>, String> {
    let running = subjects.iter().map(|s| s.start(bench, workers)).collect::<Result<Vec<_>, _>>()?;
    let with_headers: Vec<_> = running.iter().map(|running| (running, HEADERS)).collect();
    interleave(bench, &with_headers, rounds, requests)
}

/// The same for what is started already, each with its number of headers.
pub(crate) fn interleave(
    bench: &Bench,
    running: &[(&Running, usize)],
    rounds: usize,
    requests: usize,
) -> Result<Vec<Taken>, String> {
    let mut loads = running
        .iter()
        .map(|(running, headers)| running.load(bench, *headers))
        .collect::<Result<Vec<_>, _>>()?;
    let mut taken: Vec<Taken> = running
        .iter()
        .map(|(running, _)| Taken { subject: running.subject, envoy: Vec::new(), opa: Vec::new() })
        .collect();
    for round in 0..rounds {
        for step in 0..running.len() {
            // Another one first in each round: none always has the same neighbour.
            let at = (round + step) % running.len();
            let (subject, _) = running[at];
            let explain = |e: String| subject.explain(&e);
            // What another process has put out of the caches is fetched before the clock runs.
            loads[at].run(requests.div_ceil(20)).map_err(explain)?;
            let before = subject.cpu()?;
            let sent = loads[at].run(requests).map_err(explain)?;
            let after = subject.cpu()?;
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            let each = |which: usize| (after[which] - before[which]) as f64 / 1000.0 / sent as f64;
            taken[at].envoy.push(each(0));
            if subject.opa.is_some() {
                taken[at].opa.push(each(1));
            }
        }
    }
    Ok(taken)
}

/// A row as JSON: what it took, and how that compares with the first row, round by round.
pub(crate) fn to_json(taken: &Taken, none: &Taken) -> Value {
    use sidegate_bench::summary::{Summary, least, rounded};
    let (total, base) = (taken.total(), none.total());
    json!({
        "name": taken.subject.name(),
        "envoy_us": Summary::of(&taken.envoy).to_json(),
        "opa_us": if taken.opa.is_empty() { Value::Null } else { Summary::of(&taken.opa).to_json() },
        "total_us": Summary::of(&total).to_json(),
        "over_none_us": Summary::paired(&total, &base, |this, none| this - none).to_json(),
        "times_none": Summary::paired(&total, &base, |this, none| this / none).to_json(),
        "least_us": rounded(least(&total)),
        "least_over_none_us": rounded(least(&total) - least(&base)),
        "rounds_us": total.iter().map(|us| rounded(*us)).collect::<Vec<_>>(),
    })
}
