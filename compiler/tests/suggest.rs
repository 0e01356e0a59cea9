//! What is suggested allows what was seen, and nothing that there is no evidence for: random traffic, judged by the
//! model of declarations.

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

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use sidegate_compiler::declare::Mesh;
use sidegate_compiler::declare::suggest::{Options, Suggester, Suggestions};

use declare::generate::Random;
use declare::model::{self, Caller, Declaration, Request, Rule, Target};

const OWN: &str = "spiffe://cluster.local/ns/pay/sa/charges";

/// One request, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    caller: Option<String>,
    method: String,
    path: String,
    is_grpc: bool,
}

fn id(random: &mut Random, kinds: usize) -> String {
    let number = random.below(40);
    match random.below(kinds) {
        0 => number.to_string(),
        1 => format!("0b9e6d1c-52f4-4a55-8a51-0c3a6d0f9b{number:02}"),
        2 => format!("w{}", char::from(b'a' + u8::try_from(number % 26).unwrap())),
        3 => format!("a%20{number}"),
        4 => "me".to_owned(),
        _ => format!("x*{number}"),
    }
}

fn path(random: &mut Random) -> String {
    match random.below(12) {
        0 => "/healthz".to_owned(),
        1 => "/v1/charges".to_owned(),
        2 => format!("/v1/charges/{}", id(random, 6)),
        3 => format!("/v1/charges/{}/refunds/{}", id(random, 2), id(random, 2)),
        4 => format!("/{}", id(random, 6)),
        5 => format!("/v1/{}/", id(random, 4)),
        6 => format!("/static/{}/{}", id(random, 3), id(random, 5)),
        7 => format!("/p/{}", id(random, 3)),
        8 => ["/a//b", "/a/../b", "/a;b", "/%2fa", "/é", ""][random.below(6)].to_owned(),
        9 => "/".to_owned(),
        10 => format!("/{}/{}/{}", id(random, 2), id(random, 2), id(random, 2)),
        _ => format!("/v1/charges/{}?x={}", id(random, 2), random.below(100)),
    }
}

fn request(random: &mut Random) -> Seen {
    let caller = match random.below(9) {
        0 => None,
        1 => Some("spiffe://bank.example/ns/hooks/sa/notify".to_owned()),
        2 => Some("spiffe://old.example/ns/shop/sa/web".to_owned()),
        3 => Some("spiffe://cluster.local/job/17".to_owned()),
        4 => Some("spiffe://cluster.local/ns/no/sa/true".to_owned()),
        at => Some(format!("spiffe://cluster.local/ns/shop/sa/{}", ["web", "a.b", "cron", "axb"][at - 5])),
    };
    if random.below(8) == 0 {
        let path = ["/pay.v1.Charges/Create", "/pay.v1.Charges/Get", "/odd/1"][random.below(3)].to_owned();
        return Seen { caller, method: "POST".to_owned(), path, is_grpc: true };
    }
    let method = ["GET", "GET", "GET", "POST", "DELETE", "get"][random.below(6)].to_owned();
    Seen { caller, method, path: path(random), is_grpc: false }
}

/// As OPA's plugin logs it.
fn event(seen: &Seen) -> Json {
    let mut headers = json!({});
    if seen.is_grpc {
        headers["content-type"] = json!("application/grpc+proto");
    }
    let mut source = json!({});
    if let Some(caller) = &seen.caller {
        source["principal"] = json!(caller);
    }
    json!({
        "timestamp": "2026-11-24T10:00:00.123456Z",
        "path": "sidegate/authz/decision",
        "result": {"allowed": true},
        "input": {
            "attributes": {
                "source": source,
                "destination": {"principal": OWN},
                "request": {"http": {"method": seen.method, "path": seen.path, "headers": headers}},
            },
            "sidegate": {"workload": {"namespace": "pay", "name": "charges"}},
        },
    })
}

fn suggest(traffic: &[Seen], options: &Options, mesh: &Mesh) -> Suggestions {
    let log: String = traffic.iter().map(|seen| format!("{}\n", event(seen))).collect();
    let mut suggester = Suggester::new(options.clone(), mesh);
    suggester.read("log", log.as_bytes(), |_| {}).unwrap();
    suggester.finish(|_, _| None).unwrap_or_else(|error| panic!("{error}"))
}

/// The YAML as the model has it.
fn declaration(yaml: &str, aliases: &[String]) -> Declaration {
    let json: Json = serde_yaml_ng::from_str(yaml).unwrap();
    let texts = |json: &Json| -> Vec<String> {
        json.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let text = |json: &Json| json.as_str().map(str::to_owned);
    let caller = |json: &Json| {
        let (account, namespace) = (text(&json["serviceAccount"]), text(&json["namespace"]));
        let domain = text(&json["trustDomain"]);
        match (account, namespace, text(&json["principal"])) {
            (Some(account), ..) => {
                let (namespace, account) = account.split_once('/').unwrap();
                Caller::Account(domain, namespace.to_owned(), account.to_owned())
            }
            (_, Some(namespace), _) => Caller::Namespace(domain, namespace),
            (.., Some(principal)) => Caller::Principal(principal),
            _ if json["anonymous"] == true => Caller::Anonymous,
            _ => panic!("{json}"),
        }
    };
    let target = |json: &Json| Target {
        methods: texts(&json["methods"]),
        paths: texts(&json["paths"]),
        grpc: texts(&json["grpc"]),
        ..Target::default()
    };
    let rule = |json: &Json| Rule {
        from: Some(json["from"].as_array().unwrap().iter().map(caller).collect()),
        to: json["to"].as_array().unwrap().iter().map(target).collect(),
        when: Vec::new(),
    };
    let allow = json["spec"]["allow"].as_array().unwrap().iter().map(rule).collect();
    Declaration { allow, aliases: aliases.to_vec(), ..Declaration::default() }
}

fn is_allowed(declaration: &Declaration, seen: &Seen) -> bool {
    let mut request = Request {
        principal: seen.caller.clone(),
        own: Some(OWN.to_owned()),
        method: Some(seen.method.clone()),
        path: Some(seen.path.clone()),
        ..Request::default()
    };
    if seen.is_grpc {
        request.headers.insert("content-type".to_owned(), "application/grpc+proto".to_owned());
    }
    model::decide(declaration, &request)["allowed"] == true
}

fn bare(path: &str) -> &str {
    path.split('?').next().unwrap()
}

/// Whether a template matches a path, written down once more.
fn matches(template: &str, path: &str) -> bool {
    if let Some(prefix) = template.strip_suffix("{**}") {
        return path.starts_with(prefix);
    }
    let (wanted, given): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    wanted.len() == given.len()
        && wanted.iter().zip(&given).all(|(w, g)| if w.starts_with('{') { !g.is_empty() } else { w == g })
}

/// Every place of every rule for which there is too little evidence.
fn unexplained(declaration: &Declaration, traffic: &[Seen], least: usize) -> Vec<String> {
    let mut found = Vec::new();
    for rule in &declaration.allow {
        for caller in rule.from.iter().flatten() {
            let own = Declaration {
                allow: vec![Rule { from: Some(vec![caller.clone()]), ..Rule::default() }],
                ..declaration.clone()
            };
            let by_caller: Vec<&Seen> = traffic
                .iter()
                .filter(|seen| is_allowed(&own, &Seen { path: "/".to_owned(), ..(*seen).clone() }))
                .collect();
            for target in &rule.to {
                for grpc in &target.grpc {
                    let path = format!("/{grpc}");
                    if !by_caller.iter().any(|seen| seen.is_grpc && seen.path == path) {
                        found.push(format!("{caller:?} {grpc}"));
                    }
                }
                for (method, template) in
                    target.methods.iter().flat_map(|m| target.paths.iter().map(move |p| (m, p)))
                {
                    let paths: BTreeSet<&str> = by_caller
                        .iter()
                        .filter(|seen| seen.method == *method && matches(template, bare(&seen.path)))
                        .map(|seen| bare(&seen.path))
                        .collect();
                    let places = template.split('/').enumerate().filter(|(_, part)| part.starts_with('{'));
                    let values = |at: usize| {
                        paths.iter().map(|path| path.split('/').nth(at)).collect::<BTreeSet<_>>().len()
                    };
                    let weakest = if template.ends_with("{**}") {
                        Some(paths.len())
                    } else {
                        places.map(|(at, _)| values(at)).min()
                    };
                    if paths.is_empty() || weakest.is_some_and(|count| count < least) {
                        found.push(format!("{caller:?} {method} {template}"));
                    }
                }
            }
        }
    }
    found
}

fn options(random: &mut Random) -> Options {
    Options {
        min_values: 1 + random.below(6),
        vary: [0, 10, 20][random.below(3)],
        by_namespace: random.below(4) == 0,
        open: if random.below(2) == 0 { vec!["/static/".to_owned()] } else { Vec::new() },
        ..Options::default()
    }
}

#[test]
fn what_was_seen_is_allowed_and_what_is_allowed_was_seen() {
    let aliases = vec!["old.example".to_owned()];
    let mesh = Mesh { trust_domain_aliases: aliases.clone(), ..Mesh::default() };
    let (mut templates, mut literals, mut refused, mut probes) = (0, 0, 0, [0, 0]);
    for seed in 1..200 {
        let mut random = Random(seed);
        let count = 1 + random.below(400);
        let traffic: Vec<Seen> = (0..count).map(|_| request(&mut random)).collect();
        let options = options(&mut random);
        let suggestions = suggest(&traffic, &options, &mesh);
        let again = suggest(&traffic, &options, &mesh);
        assert_eq!(json!(suggestions), json!(again), "seed {seed}");
        let left: u64 = suggestions.left_out.values().map(|left| left.count).sum();
        assert_eq!(suggestions.suggested + left, u64::try_from(count).unwrap(), "seed {seed}");
        let Some(service) = suggestions.services.first() else { continue };
        let declaration = declaration(&service.yaml, &aliases);
        let context = || format!("seed {seed} {options:?}\n{}", service.yaml);
        for seen in traffic.iter().filter(|seen| !is_allowed(&declaration, seen)) {
            let is_odd = ["/a//b", "/a/../b", "/a;b", "/%2fa", "/é", ""].contains(&seen.path.as_str());
            let is_unsayable = bare(&seen.path).contains(['%', '*']);
            assert!(is_odd || is_unsayable || seen.method == "get", "{seen:?}\n{}", context());
        }
        let unexplained = unexplained(&declaration, &traffic, options.min_values);
        assert!(unexplained.is_empty(), "{unexplained:#?}\n{}", context());
        // Other requests are allowed only if a rule says so that was looked at above.
        let rules: BTreeSet<(Option<String>, String)> =
            traffic.iter().map(|seen| (seen.caller.clone(), seen.method.clone())).collect();
        for _ in 0..50 {
            let probe = request(&mut random);
            let is_allowed = is_allowed(&declaration, &probe);
            probes[usize::from(is_allowed)] += 1;
            let is_known = rules.contains(&(probe.caller.clone(), probe.method.clone()));
            assert!(
                !is_allowed
                    || is_known
                    || options.by_namespace
                    || probe.caller.as_deref().is_some_and(|name| name.contains("/shop/sa/web")),
                "{probe:?}\n{}",
                context()
            );
        }
        templates += service.yaml.matches("{id}").count();
        literals += service.yaml.matches("# 1 request\n").count();
        refused += left;
    }
    assert!(templates > 250 && literals > 250 && refused > 250, "{templates} {literals} {refused}");
    assert!(probes.iter().all(|count| *count > 500), "{probes:?}");
}

#[test]
fn nothing_is_suggested_twice() {
    let aliases = vec!["old.example".to_owned()];
    for seed in 1..50 {
        let mut random = Random(seed);
        let traffic: Vec<Seen> = (0..200).map(|_| request(&mut random)).collect();
        let options = options(&mut random);
        let mesh = Mesh { trust_domain_aliases: aliases.clone(), ..Mesh::default() };
        let first = suggest(&traffic, &options, &mesh);
        let service = first.services.first().unwrap();
        let file = "services/pay/charges.yaml";
        let policy = Mesh::read_one(file, &service.yaml, "pay", "charges").unwrap();
        let mesh = Mesh { services: vec![policy], ..mesh };
        let second = suggest(&traffic, &options, &mesh);
        assert!(second.services.is_empty(), "seed {seed}\n{}\n{:#?}", service.yaml, second.services);
        assert!(second.allowed_already >= first.suggested);
    }
}
