//! What a request goes through on the host, each piece on its own: for criterion (`cargo bench`), for callgrind
//! (`make bench-instructions`) and for the figures from V8.

use std::hint::black_box;

use sidegate_engine::Value;
use sidegate_engine::attributes::{Attributes, Workload};
use sidegate_engine::bundle::{self, PLAN_FILE};
use sidegate_engine::decide::{Basis, Settings, Verdict};
use sidegate_engine::gate::Gate;
use sidegate_engine::input::InputBuilder;
use sidegate_engine::limits::Limits;
use sidegate_engine::needs::Needs;
use sidegate_engine::plan;
use sidegate_engine::policy::Policy as Loaded;
use sidegate_engine::trust::Trust;

use crate::policy::{Kind, Policy};
use crate::request::{HEADERS, principal, seen};

/// One piece of work, the same at every call.
pub struct Path {
    /// Its name.
    pub name: &'static str,
    /// The policy that it is about.
    pub kind: Kind,
    ready: fn(&Policy) -> Box<dyn Fn()>,
}

/// All of them.
pub const PATHS: &[Path] = &[
    Path { name: "table-10-callers", kind: Kind::Callers(10), ready: by_table },
    Path { name: "table-10000-callers", kind: Kind::Callers(10_000), ready: by_table },
    Path { name: "table-1000-rules", kind: Kind::Rules(1000), ready: by_table },
    Path { name: "plan-header-object", kind: Kind::Storefront, ready: by_plan },
    Path { name: "plan-header-object-kept", kind: Kind::Storefront, ready: known },
    Path { name: "plan-header-object-input", kind: Kind::Storefront, ready: input_alone },
    Path { name: "plan-header-object-evaluation", kind: Kind::Storefront, ready: evaluation_alone },
    Path { name: "decide-roles-and-grants", kind: Kind::Rbac, ready: decided },
    Path { name: "decide-callers-by-data", kind: Kind::CallersByData, ready: decided },
    Path { name: "decide-1000-allow-rules", kind: Kind::AllowRules(1000), ready: decided },
    Path { name: "load-bundle-10000-callers", kind: Kind::Callers(10_000), ready: load_bundle },
    Path { name: "load-image-10000-callers", kind: Kind::Callers(10_000), ready: load_image },
];

impl Path {
    /// The work for a policy that was built from `kind`.
    pub fn ready(&self, policy: &Policy) -> Box<dyn Fn()> {
        (self.ready)(policy)
    }
}

struct Ready {
    gate: Gate,
    attributes: Attributes,
}

/// The request as the filter fetches it, with all that a policy may ask for.
pub fn attributes() -> Attributes {
    let bytes = |text: &str| Some(text.as_bytes().to_vec());
    Attributes {
        headers: seen(HEADERS)
            .into_iter()
            .map(|(name, value)| (name.into_bytes(), value.into_bytes()))
            .collect(),
        request_time_ns: Some(1_767_323_045_678_901_000),
        protocol: bytes("HTTP/1.1"),
        source_address: bytes("127.0.0.1:50000"),
        destination_address: bytes("127.0.0.1:8080"),
        peer_uri_sans: vec![principal().into_bytes()],
        local_uri_san: bytes("spiffe://cluster.local/ns/shop/sa/orders"),
        tls_version: bytes("TLSv1.3"),
        mtls: Some(true),
        listener_direction: Some(1),
        ..Attributes::default()
    }
}

/// The whole input document of the request, as JSON.
///
/// # Errors
/// The request has none.
pub fn input_of(policy: &Policy) -> Result<String, String> {
    let builder = InputBuilder::new(&Workload::default())
        .with_messages(load(&policy.bundle, &policy.entrypoint).messages());
    let input = builder.build(&Needs::all(), &attributes()).map_err(|e| e.to_string())?;
    input.to_json_str().map_err(|e| e.to_string())
}

/// Limits that no benchmark runs into.
fn limits() -> Limits {
    Limits { steps: 10_000_000, ..Limits::default() }
}

fn load(bundle: &[u8], entrypoint: &str) -> Loaded {
    let limits = limits();
    let opened = Trust::nothing_required().bundle(bundle, &limits, &Workload::default()).unwrap();
    Loaded::load(opened, entrypoint, limits).unwrap()
}

impl Ready {
    /// With so many decisions kept.
    fn new(policy: &Policy, cache_entries: usize) -> Self {
        let policy = load(&policy.bundle, &policy.entrypoint);
        let settings = Settings { limits: Limits { cache_entries, ..limits() }, ..Settings::default() };
        Self { gate: Gate::new(policy, &Workload::default(), settings, [7; 16]), attributes: attributes() }
    }

    fn decide(&self) -> Verdict {
        self.gate.decide(black_box(&self.attributes))
    }

    fn by_plan(&self) -> Verdict {
        self.gate.decide_by_plan(black_box(&self.attributes))
    }

    fn input(&self) -> Value {
        self.gate.document(self.gate.needs(), black_box(&self.attributes)).unwrap()
    }
}

fn by_table(policy: &Policy) -> Box<dyn Fn()> {
    let ready = Ready::new(policy, 0);
    let verdict = ready.decide();
    assert!(verdict.actions.is_allow() && matches!(verdict.basis, Basis::Table(_)), "{verdict:?}");
    Box::new(move || drop(black_box(ready.decide())))
}

/// By whatever this version decides it.
fn decided(policy: &Policy) -> Box<dyn Fn()> {
    let ready = Ready::new(policy, 0);
    assert!(ready.decide().actions.is_allow());
    Box::new(move || drop(black_box(ready.decide())))
}

fn by_plan(policy: &Policy) -> Box<dyn Fn()> {
    let ready = Ready::new(policy, 0);
    assert!(ready.by_plan().actions.is_allow());
    Box::new(move || drop(black_box(ready.by_plan())))
}

/// As it was decided before.
fn known(policy: &Policy) -> Box<dyn Fn()> {
    let ready = Ready::new(policy, 4096);
    ready.decide();
    assert_eq!(ready.decide().basis, Basis::Cache);
    Box::new(move || drop(black_box(ready.decide())))
}

fn input_alone(policy: &Policy) -> Box<dyn Fn()> {
    let ready = Ready::new(policy, 0);
    Box::new(move || drop(black_box(ready.input())))
}

fn evaluation_alone(policy: &Policy) -> Box<dyn Fn()> {
    let ready = Ready::new(policy, 0);
    let input = ready.input();
    Box::new(move || {
        drop(black_box(ready.gate.policy().evaluate(black_box(&input), &ready.attributes.context).unwrap()));
    })
}

fn load_bundle(policy: &Policy) -> Box<dyn Fn()> {
    let policy = policy.clone();
    Box::new(move || drop(black_box(load(black_box(&policy.bundle), &policy.entrypoint))))
}

fn load_image(policy: &Policy) -> Box<dyn Fn()> {
    let files = bundle::files(&policy.bundle, &limits()).unwrap();
    let (_, bytes) = files.into_iter().find(|(name, _)| name == PLAN_FILE).unwrap();
    Box::new(move || drop(black_box(plan::decode(black_box(&bytes)).unwrap())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_allows_the_request() {
        let kinds = [
            Kind::Callers(10),
            Kind::Rules(1),
            Kind::Rules(10),
            Kind::Rbac,
            Kind::CallersByData,
            Kind::AllowRules(10),
            Kind::Members(100),
            Kind::Storefront,
            Kind::Headers,
        ];
        for kind in kinds {
            let ready = Ready::new(&kind.build().unwrap(), 0);
            let verdict = ready.decide();
            assert!(verdict.actions.is_allow(), "{kind:?}: {verdict:?}");
        }
    }

    #[test]
    fn another_caller_is_denied() {
        for kind in [
            Kind::Callers(10),
            Kind::Rules(10),
            Kind::Rbac,
            Kind::CallersByData,
            Kind::AllowRules(10),
            Kind::Members(10),
        ] {
            let mut ready = Ready::new(&kind.build().unwrap(), 0);
            ready.attributes.peer_uri_sans = vec![b"spiffe://cluster.local/ns/shop/sa/nobody".to_vec()];
            assert!(!ready.decide().actions.is_allow(), "{kind:?}");
        }
    }
}
