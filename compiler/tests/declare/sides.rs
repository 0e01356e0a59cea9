//! A declaration as a policy: read, built, and loaded as the proxy loads it.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use sidegate_compiler::declare::Mesh;
use sidegate_compiler::{BuildOptions, Sources, build};
use sidegate_engine::Value;
use sidegate_engine::bundle;
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;

use super::model::Declaration;

pub(crate) const ENTRYPOINT: &str = "sidegate/authz/decision";

/// What a folder with this one declaration is built from, for the workload that it is about.
pub(crate) fn sources(declaration: &Declaration) -> Sources {
    let yaml = declaration.yaml();
    let policy = Mesh::read_one("charges.yaml", &yaml, "pay", "charges")
        .unwrap_or_else(|findings| panic!("{yaml}\n{findings:#?}"));
    let mesh = Mesh { services: vec![policy], trust_domain_aliases: declaration.aliases.clone() };
    let mut data = mesh.data().unwrap();
    let workload = Value::from(json!({"namespace": "pay", "name": "charges"}));
    data.as_object_mut().unwrap().insert(Value::from("workload"), workload);
    Sources::from_parts(mesh.modules(), Value::from(BTreeMap::from([("sidegate".into(), data)])))
}

/// The policy, from a bundle.
pub(crate) fn plan(sources: &Sources) -> Policy {
    let built = build(sources, &BuildOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let opened = bundle::open(&built.bundle, &Limits::default()).unwrap();
    Policy::load(opened.accept_unsigned(), ENTRYPOINT, Limits::default()).unwrap()
}

pub(crate) fn json_of(value: &Value) -> Json {
    serde_json::from_str(&value.to_json_str().unwrap()).unwrap()
}
