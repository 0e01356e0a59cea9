//! Random policies, most of them such as a declaration can say. The same seed gives the same.

use serde_json::{Map, Value as Json, json};

use super::model::Mesh;
use crate::declare::generate::Random;

const PRINCIPALS: [&str; 12] = [
    "*",
    "cluster.local/ns/shop/sa/web",
    "cluster.local/ns/shop/sa/a.b",
    "td1/ns/pay/sa/cron",
    "partner/ns/shop/sa/web",
    "partner/*",
    "cluster.local/*",
    "cluster.local/ns/pay/*",
    "td1/ns/shop/sa/*",
    "partner/edge/x",
    "*/ns/shop/sa/web",
    "partner/ns/shop/*",
];
const ODD_PRINCIPALS: [&str; 5] =
    ["*/sa/web", "cluster.local/ns/shop/sa/w*", "*.local/ns/shop/sa/web", "cluster*", "td1/x/y/z/w"];
const NAMESPACES: [&str; 4] = ["shop", "pay", "foo", "ops"];
const ACCOUNTS: [&str; 5] = ["shop/web", "pay/cron", "web", "shop/a.b", "cron"];
const DOMAINS: [&str; 4] = ["cluster.local", "td1", "partner", "old.example"];
const NETWORKS: [&str; 7] =
    ["10.0.0.0/8", "10.1.2.3", "10.1.2.9/16", "192.168.1.128/25", "fd00::/8", "0.0.0.0/0", "2001:db8::1"];
const METHODS: [&str; 5] = ["GET", "POST", "DELETE", "*", "PUT"];
pub(crate) const PATHS: [&str; 13] = [
    "/",
    "/admin",
    "/admin/",
    "/admin/*",
    "/v1/*",
    "/v1/charges",
    "/Admin",
    "/a.b",
    "/a+b",
    "/*",
    "*",
    "/v1/ki/x",
    "/healthz",
];
const ODD_PATHS: [&str; 3] = ["/v1*", "*/info", "/v1/{**}/x"];
pub(crate) const TEMPLATES: [&str; 5] = ["/v1/{*}", "/v1/{**}", "/v1/{*}/x", "/{*}/ki/{**}", "/{*}/"];
const HOSTS: [&str; 5] = ["shop.example.com", "*.example.com", "SHOP.example.com", "*", "localhost"];
const HEADERS: [&str; 3] = ["x-a", "X-B", "x-c"];
const VALUES: [&str; 7] = ["a", "ab", "a,b", "b", "*", "a*", "b c"];

fn object(pairs: Vec<(&str, Json)>) -> Json {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
}

/// One to three of them, a few odd ones among them.
fn list(random: &mut Random, from: &[&str], odd: &[&str]) -> Json {
    let some = random.some(3, |random| match !odd.is_empty() && random.chance(4) {
        true => random.text(odd),
        false => random.text(from),
    });
    json!(some)
}

fn source(random: &mut Random) -> Json {
    let mut pairs = Vec::new();
    match random.below(8) {
        0..=3 => pairs.push(("principals", list(random, &PRINCIPALS, &ODD_PRINCIPALS))),
        4 => pairs.push(("namespaces", list(random, &NAMESPACES, &["s*", "*"]))),
        5 => pairs.push(("serviceAccounts", list(random, &ACCOUNTS, &[]))),
        6 => pairs.push(("trustDomains", list(random, &DOMAINS, &["*", "*.local"]))),
        _ => {
            pairs.push(("principals", list(random, &PRINCIPALS[..5], &[])));
            pairs.push(("namespaces", list(random, &NAMESPACES, &[])));
        }
    }
    if random.chance(10) {
        pairs.push(("ipBlocks", list(random, &NETWORKS, &[])));
    }
    if random.chance(10) {
        pairs.push(("notIpBlocks", list(random, &NETWORKS, &[])));
    }
    if random.chance(10) {
        pairs.push((
            "requestPrincipals",
            list(random, &["iss/a", "https://iss/b", "iss/b"], &["*", "iss/*", "*/a"]),
        ));
    }
    if random.chance(15) {
        pairs.remove(0);
    }
    if random.chance(3) || pairs.is_empty() {
        pairs.push(("notNamespaces", list(random, &NAMESPACES, &[])));
    }
    object(pairs)
}

fn operation(random: &mut Random, is_deny: bool) -> Json {
    let mut pairs = Vec::new();
    if random.chance(80) {
        let mut paths = list(random, &PATHS, &ODD_PATHS);
        if random.chance(20) {
            paths = list(random, &TEMPLATES, &[]);
        }
        pairs.push(("paths", paths));
    }
    if random.chance(50) || pairs.is_empty() {
        pairs.push(("methods", list(random, &METHODS, &["G*", "get"])));
    }
    if random.chance(10) {
        pairs.push(("ports", list(random, &["80", "8080", "080"], &[])));
    }
    if random.chance(if is_deny { 15 } else { 2 }) {
        let hosts = random.text(&HOSTS);
        pairs.push((
            "hosts",
            if random.chance(20) { json!([hosts, format!("{hosts}:*")]) } else { json!([hosts]) },
        ));
    }
    if random.chance(2) {
        pairs.push(("notMethods", json!(["GET"])));
    }
    object(pairs)
}

fn when(random: &mut Random) -> Json {
    let key = random.text(&HEADERS);
    let (key, values) = match random.below(10) {
        0..=3 => (format!("request.headers[{key}]"), list(random, &VALUES, &["*b", "a!"])),
        4 => return json!({"key": format!("request.headers[{key}]"), "notValues": ["*"]}),
        5 => {
            let key = random.text(&["[n]", "[realm][roles]", "[groups]", "[sub]"]);
            (format!("request.auth.claims{key}"), list(random, &["a", "b", "c"], &["a*", "*"]))
        }
        6 => ("request.auth.audiences".to_owned(), list(random, &["a", "b"], &["*"])),
        7 => ("destination.port".to_owned(), list(random, &["80", "8080"], &[])),
        8 => {
            let key = if random.chance(50) { "values" } else { "notValues" };
            return json!({"key": "source.ip", key: list(random, &NETWORKS, &[])});
        }
        _ => match random.below(3) {
            0 => ("source.namespace".to_owned(), list(random, &NAMESPACES, &[])),
            1 => ("source.principal".to_owned(), list(random, &PRINCIPALS[..5], &[])),
            _ => ("source.serviceAccount".to_owned(), list(random, &ACCOUNTS, &[])),
        },
    };
    json!({"key": key, "values": values})
}

fn rule(random: &mut Random, is_deny: bool) -> Json {
    let mut pairs = Vec::new();
    if random.chance(70) {
        let sources = random.some(2, |random| json!({"source": source(random)}));
        pairs.push(("from", json!(sources)));
    }
    if random.chance(75) {
        let operations = random.some(2, |random| json!({"operation": operation(random, is_deny)}));
        pairs.push(("to", json!(operations)));
    }
    if random.chance(30) {
        pairs.push(("when", json!(random.some(2, when))));
    }
    object(pairs)
}

fn policy(random: &mut Random, at: usize) -> Json {
    let is_deny = random.chance(35);
    let namespace = if random.chance(15) { "istio-system" } else { "foo" };
    let mut spec = Vec::new();
    if random.chance(60) {
        spec.push(("selector", json!({"matchLabels": {"app": "httpbin"}})));
    }
    if is_deny || random.chance(50) {
        spec.push(("action", json!(if is_deny { "DENY" } else { "ALLOW" })));
    }
    if is_deny || !random.chance(5) {
        spec.push(("rules", json!(random.some(3, |random| rule(random, is_deny)))));
    }
    let mut metadata = json!({"name": format!("p{at}"), "namespace": namespace});
    if random.chance(3) {
        metadata["annotations"] = json!({"istio.io/dry-run": "true"});
    }
    let version = random.text(&["security.istio.io/v1", "security.istio.io/v1beta1"]);
    json!({"apiVersion": version, "kind": "AuthorizationPolicy", "metadata": metadata, "spec": object(spec)})
}

/// A few policies about one workload.
pub(crate) fn mesh(random: &mut Random) -> Mesh {
    let own: &[&str] = random.pick(&[
        &["cluster.local"][..],
        &["cluster.local", "old.example"],
        &["td1"],
        &["td1", "cluster.local"],
    ]);
    Mesh {
        policies: (0..1 + random.below(3)).map(|at| policy(random, at)).collect(),
        own: own.iter().map(|own| (*own).to_owned()).collect(),
        is_own_only: random.chance(40),
    }
}
