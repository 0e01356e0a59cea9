//! Policies of any size, as bundles. All of them allow the request of [`crate::request`].

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};
use sidegate_compiler::declare::Mesh;
use sidegate_compiler::{BuildOptions, Sources, Workload, build};
use sidegate_engine::Value;
use sidegate_tests::places;

use crate::request::{CALLER, principal};
pub use sidegate_tests::plots::thousands;

/// Namespace and name of the service that is called.
pub const SERVICE: (&str, &str) = ("shop", "orders");

const DECLARED: &str = "sidegate/authz/decision";

/// A built policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The bundle.
    pub bundle: Vec<u8>,
    /// Where it answers.
    pub entrypoint: String,
    /// The Rego that is not the library's; empty for declarations.
    pub rego: String,
    /// The data document.
    pub data: Json,
}

/// A policy with a name to show and to find it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Declarations: one rule with so many callers, ours in the middle.
    Callers(usize),
    /// Declarations: so many rules of one caller with its own paths, ours the last: the same as native RBAC's.
    Rules(usize),
    /// Roles and grants in data.
    Rbac,
    /// 1,000 callers looked up in data.
    CallersByData,
    /// So many `allow` rules, ours the last.
    AllowRules(usize),
    /// A loop over a list of so many, our caller the last.
    Members(usize),
    /// A decision that is an object with headers: `policies/examples/storefront`.
    Storefront,
    /// The same in spirit, in the Rego that regorus's virtual machine compiles.
    Headers,
}

impl Kind {
    /// A name for people.
    pub fn name(self) -> String {
        match self {
            Self::Callers(n) => format!("declarations, {} callers", thousands(n)),
            Self::Rules(1) => "declarations, 1 rule".to_owned(),
            Self::Rules(n) => format!("declarations, {} rules", thousands(n)),
            Self::Rbac => "Rego: roles and grants".to_owned(),
            Self::CallersByData => "Rego: callers by data".to_owned(),
            Self::AllowRules(n) => format!("Rego: {} allow rules", thousands(n)),
            Self::Members(n) => format!("Rego: loop over {}", thousands(n)),
            Self::Storefront => "Rego: header object".to_owned(),
            Self::Headers => "Rego: header object, short".to_owned(),
        }
    }

    /// Builds it.
    ///
    /// # Errors
    /// The compiler refuses it.
    pub fn build(self) -> Result<Policy, String> {
        match self {
            Self::Callers(n) => declared(&one_rule(n)),
            Self::Rules(n) => declared(&many_rules(n)),
            Self::Rbac => rego("rbac", include_str!("../policies/rbac.rego"), "allow", rbac_data()),
            Self::CallersByData => {
                rego("callers", include_str!("../policies/callers.rego"), "allow", callers_data())
            }
            Self::AllowRules(n) => rego("rules", &allow_rules(n), "allow", json!({})),
            Self::Members(n) => {
                let data = json!({"members": members(n)});
                rego("members", include_str!("../policies/members.rego"), "allow", data)
            }
            Self::Storefront => storefront(),
            Self::Headers => {
                rego("headers", include_str!("../policies/headers.rego"), "decision", headers_data())
            }
        }
    }
}

/// The caller at a place: ours at `own`, else one that never asks.
pub(crate) fn account(at: usize, own: usize) -> (String, String) {
    let (namespace, name) = CALLER;
    if at == own {
        (namespace.to_owned(), name.to_owned())
    } else {
        ("shop".to_owned(), format!("caller-{at}"))
    }
}

fn one_rule(callers: usize) -> String {
    let accounts: Vec<String> = (0..callers)
        .map(|at| account(at, callers / 2))
        .map(|(namespace, name)| format!("{{serviceAccount: {namespace}/{name}}}"))
        .collect();
    format!(
        "  - from: [{}]\n    to: [{{methods: [GET, POST], paths: [\"/orders\", \"/orders/{{**}}\"]}}]\n",
        accounts.join(", ")
    )
}

fn many_rules(rules: usize) -> String {
    let mut text = String::new();
    for at in 0..rules {
        let (namespace, name) = account(at, rules - 1);
        let path = path(at, rules - 1);
        let _ = writeln!(
            text,
            "  - from: [{{serviceAccount: {namespace}/{name}}}]\n    to: [{{methods: [GET, POST], paths: [\"{path}\", \"{path}/{{**}}\"]}}]"
        );
    }
    text
}

/// The path that the rule at a place is about.
pub(crate) fn path(at: usize, own: usize) -> String {
    if at == own { "/orders".to_owned() } else { format!("/v{at}/orders") }
}

fn declared(allow: &str) -> Result<Policy, String> {
    let (namespace, name) = SERVICE;
    let text = format!(
        "apiVersion: sidegate.io/v1alpha1\nkind: ServicePolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec:\n  owner: team-shop\n  allow:\n{allow}  deny:\n  - to: [{{paths: [\"/admin/{{**}}\"]}}]\n"
    );
    let found = |findings: Vec<sidegate_compiler::Diagnostic>| format!("{findings:?}");
    let service = Mesh::read_one("orders.yaml", &text, namespace, name).map_err(found)?;
    let mesh = Mesh { services: vec![service], ..Mesh::default() };
    let data = Value::from(std::collections::BTreeMap::from([(
        Value::from("sidegate"),
        mesh.data().map_err(found)?,
    )]));
    let workload = Some(Workload::new(namespace, name).map_err(|e| e.to_string())?);
    let options = BuildOptions { workload, ..BuildOptions::default() };
    let built =
        build(&Sources::from_parts(mesh.modules(), data), &options).map_err(|found| found.to_string())?;
    Ok(Policy { bundle: built.bundle, entrypoint: DECLARED.to_owned(), rego: String::new(), data: json!({}) })
}

fn rego(package: &str, text: &str, rule: &str, data: Json) -> Result<Policy, String> {
    let entrypoint = format!("bench/{package}/{rule}");
    let sources =
        Sources::from_parts(vec![(format!("{package}.rego"), text.to_owned())], Value::from(data.clone()));
    let options = BuildOptions { entrypoints: vec![entrypoint.clone()], ..BuildOptions::default() };
    let bundle = build(&sources, &options).map_err(|found| found.to_string())?.bundle;
    Ok(Policy { bundle, entrypoint, rego: text.to_owned(), data })
}

fn storefront() -> Result<Policy, String> {
    let dir = places::root().join("policies/examples/storefront");
    let entrypoint = "storefront/authz/decision".to_owned();
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).map_err(|e| format!("{name}: {e}"));
    let sources = Sources::read_dir(&dir).map_err(|found| found.to_string())?;
    let options = BuildOptions { entrypoints: vec![entrypoint.clone()], ..BuildOptions::default() };
    let bundle = build(&sources, &options).map_err(|found| found.to_string())?.bundle;
    let data = serde_json::from_str(&read("data.json")?).map_err(|e| e.to_string())?;
    Ok(Policy { bundle, entrypoint, rego: read("authz.rego")?, data })
}

fn rbac_data() -> Json {
    let mut roles = Map::new();
    for at in 0..100 {
        let (namespace, name) = account(at, 50);
        let principal = format!("spiffe://cluster.local/ns/{namespace}/sa/{name}");
        roles.insert(principal, json!(["reader", if at % 2 == 0 { "buyer" } else { "auditor" }]));
    }
    json!({"user_roles": roles, "role_grants": {
        "reader": [{"method": "GET", "resource": "catalog"}, {"method": "GET", "resource": "prices"}],
        "buyer": [{"method": "POST", "resource": "orders"}, {"method": "GET", "resource": "orders"}],
        "auditor": [{"method": "GET", "resource": "ledger"}],
    }})
}

fn callers_data() -> Json {
    let callers: Map<String, Json> = (0..1000)
        .map(|at| account(at, 500))
        .map(|(namespace, name)| {
            let grant = json!({"methods": ["GET", "POST"], "prefix": "/orders"});
            (format!("spiffe://cluster.local/ns/{namespace}/sa/{name}"), grant)
        })
        .collect();
    json!({"callers": {"orders": callers}})
}

fn allow_rules(rules: usize) -> String {
    let mut text = "package bench.rules\n\nimport rego.v1\n\ndefault allow := false\n".to_owned();
    for at in 0..rules {
        let (namespace, name) = account(at, rules - 1);
        let path = path(at, rules - 1);
        let _ = write!(
            text,
            "\nallow if {{\n\tinput.source_principal == \"spiffe://cluster.local/ns/{namespace}/sa/{name}\"\n\t\
             input.attributes.request.http.method == \"GET\"\n\t\
             startswith(input.attributes.request.http.path, \"{path}/\")\n}}\n"
        );
    }
    text
}

fn members(count: usize) -> Vec<String> {
    let name = |(namespace, name)| format!("spiffe://cluster.local/ns/{namespace}/sa/{name}");
    (0..count).map(|at| name(account(at, count - 1))).collect()
}

fn headers_data() -> Json {
    let mut callers = Map::new();
    for at in 0..10 {
        let (namespace, name) = account(at, 5);
        let grants =
            json!([{"methods": ["GET"], "path": "catalog"}, {"methods": ["GET", "POST"], "path": "orders"}]);
        let caller = json!({"team": namespace, "grants": grants});
        callers.insert(format!("spiffe://cluster.local/ns/{namespace}/sa/{name}"), caller);
    }
    assert!(callers.contains_key(&principal()), "our caller is among them");
    json!({"callers": callers})
}
