//! A declaration as a policy: read, built, and loaded as the proxy loads it.

use serde_json::{Value as Json, json};
use sidegate_compiler::declare::{self, Mesh};
use sidegate_compiler::{BuildOptions, Sources, build};
use sidegate_engine::Value;
use sidegate_engine::attributes::Workload;
use sidegate_engine::limits::Limits;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;
use tempfile::TempDir;

use super::model::{self, Declaration};

pub(crate) const ENTRYPOINT: &str = "sidegate/authz/decision";

/// The mesh of this one declaration.
pub(crate) fn mesh(declaration: &Declaration) -> Mesh {
    sources(declaration).declared.unwrap()
}

/// Whether those who explain decisions say the same; of Rego they know nothing.
pub(crate) fn agrees(declaration: &Declaration, verdict: &declare::Verdict, decision: &Json) -> bool {
    let is_allowed = decision["allowed"] == true;
    let is_denied = verdict.odd.is_some() || verdict.deny.iter().any(|judged| judged.holds);
    match declaration.rego.is_some() || declaration.has_base_rego {
        _ if declaration.is_undeclared => !is_allowed,
        true => !(is_allowed && is_denied),
        false => verdict.is_allowed == is_allowed,
    }
}

/// The request, as those who explain decisions take it.
pub(crate) fn asked(request: &model::Request) -> declare::Request {
    let model::Request { principal, uris, own, method, path, host, port, headers, claims, address } =
        request.clone();
    declare::Request {
        principal,
        uri_sans: uris,
        own_principal: own,
        method,
        path,
        host,
        port,
        headers,
        claims,
        source: address,
    }
}

/// What those who explain decisions say.
pub(crate) fn judge(mesh: &Mesh, request: &model::Request) -> declare::Verdict {
    declare::judge(mesh, &mesh.services[0], &asked(request))
}

/// The rule that decided, in the words of the decision log, as those who explain decisions say; `None` where Rego has a
/// say, or nobody has declared the workload.
#[allow(dead_code, reason = "not every test looks at rules")]
pub(crate) fn rule(declaration: &Declaration, verdict: &declare::Verdict) -> Option<String> {
    let Declaration { name, is_undeclared, rego, has_base_rego, .. } = declaration;
    let decided = verdict.decided().into_iter().next();
    let of_rule = |judged: &declare::Judged| {
        let effect = if judged.effect == declare::Effect::Allow { "allow" } else { "deny" };
        let side = if judged.is_base { "mesh".to_owned() } else { format!("pay/{name}") };
        format!("{side} {effect}[{}]", judged.rule)
    };
    if *is_undeclared || rego.is_some() || *has_base_rego {
        return None;
    }
    Some(match (&verdict.odd, decided) {
        (Some(_), _) => format!("pay/{name} odd path"),
        (None, Some(judged)) => of_rule(judged),
        (None, None) => format!("pay/{name} no rule"),
    })
}

/// What a folder with this one declaration is built from, for the workload that it is about.
pub(crate) fn sources(declaration: &Declaration) -> Sources {
    let dir = TempDir::new().unwrap();
    for (path, text) in declaration.files() {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let mut sources = Sources::read_dir(dir.path())
        .unwrap_or_else(|findings| panic!("{}\n{findings}", declaration.shown()));
    let (own, place) = (Value::from("sidegate"), Value::from("workload"));
    let mut data = sources.data[&own].clone();
    let workload = Value::from(json!({"namespace": "pay", "name": workload(declaration)}));
    data.as_object_mut().unwrap().insert(place, workload);
    sources.data.as_object_mut().unwrap().insert(own, data);
    sources
}

fn workload(declaration: &Declaration) -> &str {
    if declaration.is_undeclared { "nobodys" } else { &declaration.name }
}

/// The policy, from a bundle.
pub(crate) fn plan(sources: &Sources) -> Policy {
    load(sources, &BuildOptions::default())
}

/// The sources before anybody said whose slice they are to be.
#[allow(dead_code, reason = "the tool asks for whole bundles")]
pub(crate) fn whole(sources: &Sources) -> Sources {
    let mut whole = sources.clone();
    let sidegate = Value::from("sidegate");
    let mut data = whole.data[&sidegate].clone();
    data.as_object_mut().unwrap().remove(&Value::from("workload"));
    whole.data.as_object_mut().unwrap().insert(sidegate, data);
    whole
}

/// The same as a slice, which is what a proxy gets.
#[allow(dead_code, reason = "the tool asks for whole bundles")]
pub(crate) fn slice(sources: &Sources, declaration: &Declaration) -> Policy {
    let workload = sidegate_compiler::Workload::new("pay", workload(declaration)).unwrap();
    load(&whole(sources), &BuildOptions { workload: Some(workload), ..BuildOptions::default() })
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
