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

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use sidegate_compiler::Sources;
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
    for seed in 1..400 {
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
        let allowed = traffic.iter().filter(|seen| is_allowed(&declaration, seen)).count();
        // What is left out may be like what is suggested for another reason, never the other way round.
        assert!(u64::try_from(allowed).unwrap() >= suggestions.suggested, "{}", context());
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
    assert!(templates > 500 && literals > 500 && refused > 500, "{templates} {literals} {refused}");
    assert!(probes.iter().all(|count| *count > 1000), "{probes:?}");
}

#[test]
fn nothing_is_suggested_twice() {
    let aliases = vec!["old.example".to_owned()];
    for seed in 1..100 {
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

fn line(
    random: &mut Random,
    service: &sidegate_compiler::declare::ServicePolicy,
    from: &Json,
    target: &Json,
) -> String {
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
    let mut event = event(&Seen { caller, method, path, is_grpc });
    event["input"]["sidegate"]["workload"] =
        json!({"namespace": service.namespace, "name": service.workloads[0]});
    format!("{event}\n")
}

/// Whether a suggested rule says nothing that a rule of the service does not, path by path.
fn is_within(
    rule: &sidegate_compiler::declare::Rule,
    service: &sidegate_compiler::declare::ServicePolicy,
) -> bool {
    use sidegate_compiler::declare::Who;
    let caller_is = |outer: &Who, inner: &Who| match (outer, inner) {
        (Who::Authenticated, inner) => *inner != Who::Anonymous,
        (
            Who::Namespace { trust_domain: a, namespace: n },
            Who::ServiceAccount { trust_domain: b, namespace: m, .. },
        ) => a == b && n == m,
        (outer, inner) => outer == inner,
    };
    let path = |template: &sidegate_compiler::declare::Template| {
        let parts: Vec<String> = template
            .segments
            .iter()
            .map(|segment| match segment {
                sidegate_compiler::declare::Segment::Literal(text) => text.clone(),
                sidegate_compiler::declare::Segment::Any(_) => "{id}".to_owned(),
            })
            .collect();
        format!("/{}{}", parts.join("/"), if template.is_open { "/{**}" } else { "" })
    };
    // A variable of the suggestion is a segment that no text of the declaration is.
    let template_is = |outer: &str, inner: &str| matches(outer, &inner.replace("{id}", "\u{1}"));
    let target_is = |outer: &sidegate_compiler::declare::Target,
                     inner: &sidegate_compiler::declare::Target| {
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
            let alone: Vec<sidegate_compiler::declare::Target> = match target.grpc.is_empty() {
                true => target
                    .paths
                    .iter()
                    .flat_map(|path| target.methods.iter().map(move |method| (method, path)))
                    .map(|(method, path)| sidegate_compiler::declare::Target {
                        methods: vec![method.clone()],
                        paths: vec![path.clone()],
                        ..Default::default()
                    })
                    .collect(),
                false => target
                    .grpc
                    .iter()
                    .map(|grpc| sidegate_compiler::declare::Target {
                        grpc: vec![grpc.clone()],
                        ..Default::default()
                    })
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

#[test]
fn hostile_logs_are_counted_and_cost_nothing_else() {
    let good = json!({
        "start_time": "2026-11-24T10:00:00.000Z", "method": "GET", "path": "/a?b", "response_code": 200,
        "downstream_peer_uri_san": "spiffe://cluster.local/ns/a/sa/b", "downstream_local_uri_san": OWN,
        "upstream_cluster": "inbound|8080||", "workload_namespace": "pay", "workload_name": "charges",
    });
    let with = |key: &str, value: Json| {
        let mut json = good.clone();
        json[key] = value;
        json.to_string()
    };
    let without = |key: &str| {
        let mut json = good.clone();
        json.as_object_mut().unwrap().remove(key);
        json.to_string()
    };
    let lines: Vec<(&str, Vec<u8>)> = vec![
        ("not_json", b"hello".to_vec()),
        ("not_json", b"{\"method\": \"GET\xff\"}".to_vec()),
        ("not_json", b"{\"a\": \"cut".to_vec()),
        ("not_json", with("method", json!(["GET"])).into_bytes()),
        ("not_json", with("downstream_peer_uri_san", json!(7)).into_bytes()),
        ("not_json", good.to_string().replacen("{", "{\"method\": \"PUT\", ", 1).into_bytes()),
        ("not_json", b"{\"input\": 1}".to_vec()),
        ("not_json", b"{\"input\": {\"attributes\": {\"source\": []}}}".to_vec()),
        ("too_large", with("x", json!("y".repeat(2 << 20))).into_bytes()),
        ("too_large", format!("{{\"a\": {}{}}}", "[".repeat(5000), "]".repeat(5000)).into_bytes()),
        ("not_a_request", b"{}".to_vec()),
        ("not_a_request", b"{\"input\": {}}".to_vec()),
        ("not_a_request", with("path", json!(null)).into_bytes()),
        ("not_a_request", with("path", json!(7)).into_bytes()),
        ("no_peer", without("downstream_peer_uri_san").into_bytes()),
        ("no_direction", without("upstream_cluster").into_bytes()),
        ("no_service", without("workload_name").into_bytes()),
        ("no_service", with("workload_name", json!("../../etc")).into_bytes()),
        ("no_service", with("workload_name", json!("a\nb: c")).into_bytes()),
        ("several_names", with("downstream_peer_uri_san", json!("spiffe://a/b,spiffe://a/c")).into_bytes()),
        ("caller", with("downstream_peer_uri_san", json!("spiffe://a/\"]\n- x")).into_bytes()),
        ("method", with("method", json!("get")).into_bytes()),
        ("method", with("method", json!("GET]\n- x")).into_bytes()),
        ("ambiguous_path", with("path", json!("/a\n- \"/b\"")).into_bytes()),
        ("ambiguous_path", with("path", json!("/\u{1b}[2J")).into_bytes()),
        ("ambiguous_path", with("path", json!("/\"# x")).into_bytes()),
        ("ambiguous_path", with("path", json!("//a")).into_bytes()),
        ("unsayable_path", with("path", json!("/a%20b")).into_bytes()),
        ("unsayable_path", with("path", json!(format!("/{}", "a/".repeat(100)))).into_bytes()),
        ("unsayable_path", with("path", json!(format!("/{}", "a".repeat(5000)))).into_bytes()),
        ("outbound", with("upstream_cluster", json!("outbound|80||x")).into_bytes()),
        ("status", with("response_code", json!(403)).into_bytes()),
        ("status", with("response_code", json!("404")).into_bytes()),
        ("status", with("response_code", json!(0)).into_bytes()),
        ("status", with("response_code", json!(-1)).into_bytes()),
        ("status", with("response_code", json!(1e300)).into_bytes()),
        ("status", with("grpc_status", json!(7)).into_bytes()),
        ("status", with("upstream_cluster", json!(null)).into_bytes()),
    ];
    let mut log = Vec::new();
    let mut wanted: BTreeMap<&str, (u64, String)> = BTreeMap::new();
    for ((code, line), number) in lines.iter().zip(1..) {
        log.extend_from_slice(line);
        log.push(b'\n');
        wanted.entry(code).or_insert((0, format!("log:{number}"))).0 += 1;
    }
    log.extend_from_slice(good.to_string().as_bytes());
    let mesh = Mesh::default();
    let mut suggester = Suggester::new(Options::default(), &mesh);
    suggester.read("log", log.as_slice(), |_| {}).unwrap();
    let suggestions = suggester.finish(|_, _| None).unwrap();
    let found = json!(suggestions)["left_out"].clone();
    let counts: BTreeMap<&str, u64> = found
        .as_object()
        .unwrap()
        .iter()
        .map(|(code, left)| (code.as_str(), left["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(counts, wanted.iter().map(|(code, (count, _))| (*code, *count)).collect());
    for (code, (_, place)) in &wanted {
        let own = &found[*code];
        assert!(own["place"].is_null() || own["place"] == **place, "{code} {own}");
        assert!(own["example"].as_str().unwrap_or_default().bytes().all(|byte| byte >= 0x20), "{own}");
    }
    assert_eq!(suggestions.suggested, 1);
    assert!(
        suggestions.services[0].yaml.contains("      - \"/a\" # 1 request\n"),
        "{}",
        suggestions.services[0].yaml
    );
}
