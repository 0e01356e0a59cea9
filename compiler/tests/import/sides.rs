//! Policies as the importer makes them a declaration, and that as the proxy loads it.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use sidegate_compiler::import::{Imported, ItemKind, Labels, Options, Status, import};
use sidegate_compiler::{BuildOptions, Sources, build};
use sidegate_engine::Value;
use sidegate_engine::attributes::Workload;
use sidegate_engine::eval::Context;
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

use super::model::{Mesh, Request};
use crate::declare::sides::{ENTRYPOINT, json_of};

/// What the importer made of a mesh.
pub(crate) struct Side {
    pub(crate) imported: Imported,
    /// The declaration, and the policy that it is; none where it refused the service.
    pub(crate) policy: Option<(String, Policy)>,
}

impl Mesh {
    pub(crate) fn yaml(&self) -> String {
        self.policies.iter().map(|policy| format!("---\n{policy}\n")).collect()
    }

    /// Without rules that the importer refused: nothing is let in by them.
    pub(crate) fn without_refused(&self, imported: &Imported) -> Self {
        let mut mesh = self.clone();
        for item in imported.services.iter().flat_map(|service| &service.items) {
            let (ItemKind::Refused, Some(number)) = (item.kind, item.rule) else { continue };
            let name = item.policy.split_once('/').unwrap().1;
            let policy = mesh.policies.iter_mut().find(|policy| policy["metadata"]["name"] == name).unwrap();
            // A rule that matches nothing, in its place.
            policy["spec"]["rules"][number - 1] = json!({"from": [{"source": {"namespaces": ["/"]}}]});
        }
        mesh
    }
}

/// Imports, and builds what came of it.
pub(crate) fn side(mesh: &Mesh) -> Side {
    let options = Options {
        trust_domain: mesh.own[0].clone(),
        trust_domain_aliases: mesh.own[1..].to_vec(),
        own_trust_domain_only: mesh.is_own_only,
        undeclared_open: true,
        services: vec![Labels::parse("app=httpbin:foo/httpbin").unwrap()],
        ..Options::default()
    };
    let imported = import(&[("p.yaml".to_owned(), mesh.yaml())], &options).unwrap();
    let [service] = imported.services.as_slice() else { panic!("{}\n{imported:#?}", mesh.yaml()) };
    let policy = match &service.status {
        Status::Written { text, .. } => Some((text.clone(), load(mesh, text))),
        Status::Refused { .. } => None,
    };
    Side { policy, imported }
}

fn load(mesh: &Mesh, text: &str) -> Policy {
    let dir = tempfile::tempdir().unwrap();
    let service = dir.path().join("services/foo/httpbin.yaml");
    std::fs::create_dir_all(service.parent().unwrap()).unwrap();
    std::fs::write(service, text).unwrap();
    if mesh.own.len() > 1 {
        let spec = json!({"trustDomainAliases": mesh.own[1..]});
        let settings = json!({"apiVersion": "sidegate.io/v1alpha1", "kind": "MeshPolicy", "spec": spec});
        std::fs::write(dir.path().join("mesh.yaml"), settings.to_string()).unwrap();
    }
    let mut sources = Sources::read_dir(dir.path()).unwrap_or_else(|findings| panic!("{text}\n{findings}"));
    // Whose rules count; a slice would say the same at the price of two more compilations.
    let workload = Value::from(json!({"namespace": "foo", "name": "httpbin"}));
    let mut sidegate = sources.data[&Value::from("sidegate")].clone();
    sidegate.as_object_mut().unwrap().insert(Value::from("workload"), workload);
    sources.data.as_object_mut().unwrap().insert(Value::from("sidegate"), sidegate);
    let built = build(&sources, &BuildOptions::default()).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let (limits, workload) = (Limits::default(), Workload::default());
    let opened = Trust::nothing_required().bundle(&built.bundle, &limits, &workload).unwrap();
    Policy::load(opened, ENTRYPOINT, limits).unwrap()
}

/// Whether the declaration lets a request in.
pub(crate) fn is_allowed(policy: &Policy, mesh: &Mesh, request: &Request) -> bool {
    let value = policy.evaluate(&Value::from(input(mesh, request)), &Context::default()).unwrap();
    json_of(&value)["allowed"] == true
}

/// The request as the filter hands it over.
fn input(mesh: &Mesh, request: &Request) -> Json {
    let Request { names, method, path, host, headers, claims, address, port } = request;
    let mut all = BTreeMap::from([
        (":method".to_owned(), method.clone()),
        (":path".to_owned(), path.clone()),
        (":authority".to_owned(), host.clone()),
    ]);
    for (name, value) in headers {
        let text = all.entry(name.clone()).and_modify(|text| text.push(',')).or_default();
        text.push_str(value);
    }
    let mut input = json!({
        "attributes": {
            "source": {"address": {"socketAddress": {"address": address, "portValue": 40000}}},
            "destination": {
                "address": {"socketAddress": {"address": "10.0.0.9", "portValue": port}},
                "principal": format!("spiffe://{}/ns/foo/sa/httpbin", mesh.own[0]),
            },
            "request": {"http": {"method": method, "path": path, "host": host, "headers": all}},
        },
        "sidegate": {"source": {"uri_sans": names}},
    });
    if let Some(name) = names.first() {
        input["attributes"]["source"]["principal"] = json!(name);
    }
    if let Some(claims) = claims {
        input["attributes"]["metadataContext"] =
            json!({"filterMetadata": {"envoy.filters.http.jwt_authn": {"payload": claims}}});
    }
    input
}
