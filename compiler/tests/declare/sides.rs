//! A declaration as a policy: read, built, and loaded as the proxy loads it.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use sidegate_compiler::declare::Mesh;
use sidegate_compiler::{BuildOptions, Sources, build};
use sidegate_engine::Value;
use sidegate_engine::attributes::Workload;
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;

use super::model::Declaration;

pub(crate) const ENTRYPOINT: &str = "sidegate/authz/decision";

/// What a folder with this one declaration is built from, for the workload that it is about.
pub(crate) fn sources(declaration: &Declaration) -> Sources {
    let yaml = declaration.yaml();
    let policy = Mesh::read_one("charges.yaml", &yaml, "pay", "charges")
        .unwrap_or_else(|findings| panic!("{yaml}\n{findings:#?}"));
    let mesh =
        Mesh { services: vec![policy], trust_domain_aliases: declaration.aliases.clone(), ..Mesh::default() };
    let mut data = mesh.data().unwrap();
    let workload = Value::from(json!({"namespace": "pay", "name": "charges"}));
    data.as_object_mut().unwrap().insert(Value::from("workload"), workload);
    Sources::from_parts(mesh.modules(), Value::from(BTreeMap::from([("sidegate".into(), data)])))
}

/// The policy, from a bundle.
pub(crate) fn plan(sources: &Sources) -> Policy {
    load(sources, &BuildOptions::default())
}

/// The same as a slice, which is what a proxy gets.
#[allow(dead_code, reason = "the tool asks for whole bundles")]
pub(crate) fn slice(sources: &Sources) -> Policy {
    let mut whole = sources.clone();
    let sidegate = Value::from("sidegate");
    let mut data = whole.data[&sidegate].clone();
    data.as_object_mut().unwrap().remove(&Value::from("workload"));
    whole.data.as_object_mut().unwrap().insert(sidegate, data);
    let workload = sidegate_compiler::Workload::new("pay", "charges").unwrap();
    load(&whole, &BuildOptions { workload: Some(workload), ..BuildOptions::default() })
}

fn load(sources: &Sources, options: &BuildOptions) -> Policy {
    let built = build(sources, options).unwrap_or_else(|error| panic!("{error}"));
    let (limits, workload) = (Limits::default(), Workload::default());
    let opened = Trust::nothing_required().bundle(&built.bundle, &limits, &workload).unwrap();
    Policy::load(opened, ENTRYPOINT, limits).unwrap()
}

#[allow(dead_code, reason = "not every test looks at documents")]
pub(crate) fn json_of(value: &Value) -> Json {
    serde_json::from_str(&value.to_json_str().unwrap()).unwrap()
}
