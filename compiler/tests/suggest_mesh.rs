//! Traffic that the sample mesh allows, and what is suggested for it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test that fails may panic"
)]

#[path = "declare/mod.rs"]
#[allow(dead_code, reason = "the other tests of declarations use the rest")]
mod declare;

use serde_json::{Value as Json, json};
use sidegate_compiler::Sources;
use sidegate_compiler::declare::suggest::{Options, Suggester};
use sidegate_compiler::declare::{Mesh, Rule, Segment, ServicePolicy, Target, Template, Who};

use declare::generate::Random;

/// Whether a template matches a path, written down once more.
fn matches(template: &str, path: &str) -> bool {
    if let Some(prefix) = template.strip_suffix("{**}") {
        return path.starts_with(prefix);
    }
    let (wanted, given): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    wanted.len() == given.len()
        && wanted.iter().zip(&given).all(|(w, g)| if w.starts_with('{') { !g.is_empty() } else { w == g })
}

/// As OPA's plugin logs it.
fn event(caller: Option<String>, method: &str, path: &str, is_grpc: bool) -> Json {
    let mut source = json!({});
    if let Some(caller) = caller {
        source["principal"] = json!(caller);
    }
    let kind = if is_grpc { "application/grpc+proto" } else { "text/plain" };
    json!({"result": true, "input": {
        "attributes": {
            "source": source,
            "destination": {"principal": "spiffe://cluster.local/ns/x/sa/y"},
            "request": {"http": {"method": method, "path": path, "headers": {"content-type": kind}}},
        },
        "sidegate": {},
    }})
}

/// Fills the places of a template.
fn fill(random: &mut Random, template: &str) -> String {
    let parts: Vec<String> = template
        .split('/')
        .map(|part| match part {
            "{**}" => format!("x{}/y", random.below(3)),
            part if part.starts_with('{') => (1000 + random.below(50)).to_string(),
            part => part.to_owned(),
        })
        .collect();
    parts.join("/")
}

/// Traffic that the sample mesh allows leads back into it: what is suggested is never more than its rules say, but for
/// their conditions, which a log does not show.
#[test]
fn traffic_of_the_sample_mesh_leads_back_to_it() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mesh = Sources::read_dir(&root).unwrap().declared.unwrap();
    let mut random = Random(7);
    let mut covered = 0;
    for service in &mesh.services {
        let text = std::fs::read_to_string(&service.file).unwrap();
        let json: Json = serde_yaml_ng::from_str(&text).unwrap();
        let mut log = String::new();
        let list = |json: &Json| json.as_array().cloned().unwrap_or_default();
        for rule in list(&json["spec"]["allow"]) {
            for target in list(&rule["to"]) {
                for from in list(&rule["from"]) {
                    for _ in 0..200 {
                        log.push_str(&line(&mut random, service, &from, &target));
                    }
                }
            }
        }
        let none = Mesh { services: vec![], ..mesh.clone() };
        let mut suggester = Suggester::new(Options::default(), &none);
        suggester.read("log", log.as_bytes(), |_| {}).unwrap();
        let suggestions = suggester.finish(|_, _| None).unwrap();
        for suggestion in &suggestions.services {
            let policy =
                Mesh::read_one("s.yaml", &suggestion.yaml, &suggestion.namespace, &suggestion.name).unwrap();
            let outside = policy.allow.iter().filter(|rule| !is_within(rule, service)).count();
            assert_eq!(outside, 0, "{}\n{text}\n{}", service.file, suggestion.yaml);
            covered += policy.allow.len();
        }
    }
    assert!(covered > 20, "{covered}");
}

fn line(random: &mut Random, service: &ServicePolicy, from: &Json, target: &Json) -> String {
    let pick = |random: &mut Random, json: &Json, default: &str| {
        let texts = json.as_array().cloned().unwrap_or_default();
        if texts.is_empty() {
            default.to_owned()
        } else {
            texts[random.below(texts.len())].as_str().unwrap().to_owned()
        }
    };
    let domain = from["trustDomain"].as_str().unwrap_or("cluster.local");
    let account = |account: String| format!("spiffe://{domain}/ns/{}", account.replacen('/', "/sa/", 1));
    let caller = match () {
        () if from["anonymous"] == true => None,
        () if from["serviceAccount"].is_string() => {
            Some(account(from["serviceAccount"].as_str().unwrap().to_owned()))
        }
        () if from["namespace"].is_string() => {
            Some(account(format!("{}/w{}", from["namespace"].as_str().unwrap(), random.below(3))))
        }
        () => Some(account(format!("any/w{}", random.below(3)))),
    };
    let grpc = pick(random, &target["grpc"], "");
    let is_grpc = !grpc.is_empty();
    let path = match is_grpc {
        true => format!("/{}", grpc.replace('*', ["A", "B"][random.below(2)])),
        false => {
            let template = pick(random, &target["paths"], "/{**}");
            fill(random, &template)
        }
    };
    let method = if is_grpc { "POST".to_owned() } else { pick(random, &target["methods"], "GET") };
    let mut event = event(caller, &method, &path, is_grpc);
    event["input"]["sidegate"]["workload"] =
        json!({"namespace": service.namespace, "name": service.workloads[0]});
    format!("{event}\n")
}

/// Whether a suggested rule says nothing that a rule of the service does not, path by path.
fn is_within(rule: &Rule, service: &ServicePolicy) -> bool {
    let caller_is = |outer: &Who, inner: &Who| match (outer, inner) {
        (Who::Authenticated, inner) => *inner != Who::Anonymous,
        (
            Who::Namespace { trust_domain: a, namespace: n },
            Who::ServiceAccount { trust_domain: b, namespace: m, .. },
        ) => a == b && n == m,
        (outer, inner) => outer == inner,
    };
    let path = |template: &Template| {
        let parts: Vec<String> = template
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Literal(text) => text.clone(),
                Segment::Any(_) => "{id}".to_owned(),
            })
            .collect();
        format!("/{}{}", parts.join("/"), if template.is_open { "/{**}" } else { "" })
    };
    // A variable of the suggestion is a segment that no text of the declaration is.
    let template_is = |outer: &str, inner: &str| matches(outer, &inner.replace("{id}", "\u{1}"));
    let target_is = |outer: &Target, inner: &Target| {
        let methods =
            outer.methods.is_empty() || inner.methods.iter().all(|method| outer.methods.contains(method));
        let paths = outer.paths.is_empty()
            || !inner.paths.is_empty()
                && inner
                    .paths
                    .iter()
                    .all(|one| outer.paths.iter().any(|all| template_is(&path(all), &path(one))));
        let grpc = outer.grpc.is_empty()
            || !inner.grpc.is_empty()
                && inner.grpc.iter().all(|one| {
                    outer.grpc.iter().any(|all| {
                        all.service == one.service && (all.method.is_none() || all.method == one.method)
                    })
                });
        methods && paths && grpc
    };
    let from = rule.from.iter().flatten();
    from.clone().all(|caller| {
        rule.to.iter().all(|target| {
            // Each path may have another rule to thank.
            let alone: Vec<Target> = match target.grpc.is_empty() {
                true => target
                    .paths
                    .iter()
                    .flat_map(|path| target.methods.iter().map(move |method| (method, path)))
                    .map(|(method, path)| Target {
                        methods: vec![method.clone()],
                        paths: vec![path.clone()],
                        ..Default::default()
                    })
                    .collect(),
                false => target
                    .grpc
                    .iter()
                    .map(|grpc| Target { grpc: vec![grpc.clone()], ..Default::default() })
                    .collect(),
            };
            alone.iter().all(|one| {
                service.allow.iter().any(|outer| {
                    outer.from.iter().flatten().any(|all| caller_is(&all.who, &caller.who))
                        && (outer.to.is_empty() || outer.to.iter().any(|all| target_is(all, one)))
                })
            })
        })
    })
}
