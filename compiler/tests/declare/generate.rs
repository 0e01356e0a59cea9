//! Random declarations, and requests that come close to what they speak of. The same seed gives the same.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value as Json, json};

use super::model::{Caller, Condition, Declaration, Request, Rule, Target};

/// SplitMix64.
pub(crate) struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn text(&mut self, from: &[&str]) -> String {
        self.pick(from).to_owned()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn some<T>(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..1 + self.below(most)).map(|_| one(self)).collect()
    }
}

const NAMESPACES: [&str; 3] = ["shop", "pay", "ops"];
const ACCOUNTS: [&str; 4] = ["web", "a.b", "axb", "cron"];
const DOMAINS: [&str; 4] = ["cluster.local", "td2", "old.example", "clusterxlocal"];
const PATHS: [&str; 24] = [
    "/",
    "/{**}",
    "/admin",
    "/admin/",
    "/admin/{**}",
    "/v1/charges",
    "/v1/charges/{id}",
    "/v1/{a}/{b}",
    "/v1/charges/{id}/refunds",
    "/v1/{**}",
    "/v1/{x}/refunds/{**}",
    "/healthz",
    "/Admin",
    "/a.b",
    "/a+b",
    "/{id}",
    "/{id}/",
    "/v1/charges/",
    "/s",
    "/ki",
    "/a/{b}/c",
    "/shop.Cart/Add",
    "/a:b@c",
    "/v1/{id}/x",
];
const GRPC: [&str; 4] = ["shop.Cart/Add", "shop.Cart/*", "Cart/Add", "v1.charges/x"];
const METHODS: [&str; 5] = ["GET", "POST", "DELETE", "OPTIONS", "CONNECT"];
const HOSTS: [&str; 5] = ["shop.example.com", "*.example.com", "SHOP.example.com", "localhost", "*.com"];
const HEADERS: [&str; 4] = ["x-a", "x-b", "x-request-id", "content-type"];
const VALUES: [&str; 6] = ["a", "ab", "a,b", "b", "application/grpc", ""];
const NETWORKS: [&str; 6] = ["10.0.0.0/8", "10.1.2.3", "0.0.0.0/0", "::/0", "fd00::/8", "192.168.1.128/25"];
const PATTERNS: [&str; 7] = [
    "x",
    "{source.principal}",
    "ns={source.namespace}",
    "{source.service_account}",
    "{request.id}",
    "",
    "{source.namespace}/{source.service_account}",
];

fn principal(random: &mut Random) -> String {
    let domain = random.text(&DOMAINS);
    let (namespace, account) = (random.text(&NAMESPACES), random.text(&ACCOUNTS));
    format!("spiffe://{domain}/ns/{namespace}/sa/{account}")
}

fn domain(random: &mut Random) -> Option<String> {
    random.chance(25).then(|| random.text(&DOMAINS))
}

fn caller(random: &mut Random) -> Caller {
    match random.below(9) {
        0..=2 => Caller::Account(domain(random), random.text(&NAMESPACES), random.text(&ACCOUNTS)),
        3 | 4 => Caller::Namespace(domain(random), random.text(&NAMESPACES)),
        5 => Caller::TrustDomain(random.text(&DOMAINS)),
        6 => Caller::Principal(principal(random)),
        7 => Caller::Authenticated,
        _ => Caller::Anonymous,
    }
}

/// Each once, in the order in which they come first.
fn once<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

fn target(random: &mut Random) -> Target {
    let mut target = Target::default();
    if random.chance(15) {
        target.grpc = once(random.some(2, |random| random.text(&GRPC)));
    } else {
        if random.chance(85) {
            target.paths = once(random.some(3, |random| random.text(&PATHS)));
        }
        if random.chance(40) || target.paths.is_empty() {
            target.methods = once(random.some(3, |random| random.text(&METHODS)));
        }
    }
    if random.chance(15) {
        target.hosts = once(random.some(2, |random| random.text(&HOSTS)));
    }
    if random.chance(10) {
        target.ports = random.some(2, |random| random.pick(&[80, 8080]));
    }
    target
}

fn condition(random: &mut Random) -> Condition {
    let name = random.text(&HEADERS);
    match random.below(7) {
        0 => Condition::Exact(name, random.text(&VALUES)),
        1 => Condition::Prefix(name, random.text(&["a", "b", "application/"])),
        2 => Condition::Present(name),
        3 => Condition::Absent(name),
        4 | 5 => {
            let path: &[&str] = random.pick(&[&["sub"][..], &["realm", "roles"], &["n"]]);
            let values = once(random.some(2, |random| random.text(&["a", "b", "1", ""])));
            Condition::Claim(path.iter().map(|key| (*key).to_owned()).collect(), values)
        }
        _ => Condition::Source(once(random.some(2, |random| random.text(&NETWORKS)))),
    }
}

fn rule(random: &mut Random, is_deny: bool) -> Rule {
    let mut rule = Rule::default();
    if !is_deny || random.chance(60) {
        rule.from = Some(once(random.some(3, caller)));
    }
    if random.chance(85) || rule.from.is_none() {
        rule.to = random.some(3, target);
    }
    if random.chance(25) {
        rule.when = random.some(2, condition);
    }
    rule
}

/// A declaration of a few rules.
pub(crate) fn declaration(random: &mut Random) -> Declaration {
    let mut declaration = Declaration::default();
    if random.chance(96) {
        declaration.allow = random.some(4, |random| rule(random, false));
    }
    if random.chance(60) {
        declaration.deny = random.some(3, |random| rule(random, true));
    }
    if random.chance(30) {
        for side in 0..2 {
            let names = ["x-caller", "x-ns", "x-c"];
            for name in names {
                match random.below(4) {
                    0 => declaration.set[side].push((name.to_owned(), random.text(&PATTERNS))),
                    1 => declaration.remove[side].push(name.to_owned()),
                    _ => {}
                }
            }
        }
    }
    if random.chance(30) {
        declaration.aliases = once(random.some(2, |random| random.text(&DOMAINS)));
    }
    declaration
}

fn odd_path(random: &mut Random, path: &str) -> String {
    let at = random.below(path.len() + 1);
    let at = (0..=at).rev().find(|at| path.is_char_boundary(*at)).unwrap_or(0);
    let (before, after) = path.split_at(at);
    let odd = [
        "/",
        "//",
        "/.",
        "/..",
        "/./",
        "/../",
        "%2f",
        "%2F",
        "%2e",
        "%2E%2e",
        "%5c",
        "%25",
        "%00",
        "%0a",
        "%",
        "%4",
        "%zz",
        ";",
        ";x=1",
        "%3b",
        "\\",
        "#",
        "?",
        "?a=//b%2f",
        "%c0%af",
        "%c3%a9",
        "%C5%BF",
        "%E2%84%AA",
        "%c4%b1",
        "%ef%bc%8f",
        "%ef%b9%92",
        "%f0%9f%98%80",
        "%ff",
        "%ed%a0%80",
        "%f4%90%80%80",
        "%e0%80%af",
        "é",
        " ",
        "*",
        "+",
        "%20",
        "%7B%7D",
        "{}",
        "{id}",
        "..;",
        "|",
        "~",
        "!",
        "x",
        ".",
        "%7f",
        "\t",
        "@",
        "%7e",
        "%61",
    ];
    match random.below(6) {
        0 => match after.chars().next() {
            Some(c) if c.is_ascii() => {
                let hex = if random.chance(50) {
                    format!("%{:02x}", c as u32)
                } else {
                    format!("%{:02X}", c as u32)
                };
                format!("{before}{hex}{}", &after[1..])
            }
            _ => path.to_owned(),
        },
        1 => path.to_ascii_uppercase(),
        2 => format!("{path}/"),
        3 => path.strip_prefix('/').unwrap_or(path).to_owned(),
        _ => format!("{before}{}{after}", random.pick(&odd)),
    }
}

fn path(random: &mut Random, declaration: &Declaration) -> String {
    let rules = declaration.allow.iter().chain(&declaration.deny);
    let targets: Vec<&Target> = rules.flat_map(|rule| &rule.to).collect();
    let known: Vec<String> = targets
        .iter()
        .flat_map(|target| {
            target.paths.iter().cloned().chain(target.grpc.iter().map(|method| format!("/{method}")))
        })
        .collect();
    let template =
        if known.is_empty() || random.chance(20) { random.text(&PATHS) } else { random.pick(&known) };
    let segment = |segment: &str, random: &mut Random| match segment {
        "{**}" => random.text(&["", "x", "x/y", "x/", "charges", "users/1/é%c3%a9"]),
        "*" => random.text(&["Add", "x", ""]),
        part if part.starts_with('{') => random.text(&["1", "charges", "admin", "a.b", "", "x", "%7b"]),
        part => part.to_owned(),
    };
    let mut path = template.split('/').map(|part| segment(part, random)).collect::<Vec<_>>().join("/");
    for _ in 0..random.below(4).saturating_sub(1) {
        path = odd_path(random, &path);
    }
    if random.chance(15) {
        path.push_str(&random.text(&["?", "?a=1", "?a=/../%2f"]));
    }
    path
}

/// A request that may have to do with the declaration.
pub(crate) fn request(random: &mut Random, declaration: &Declaration) -> Request {
    let principal = match random.below(20) {
        0 | 1 => None,
        2 => Some(random.text(&[
            "",
            "spiffe://td2",
            "spiffe://cluster.local/ns/shop/sa/",
            "spiffe://td2/ns//sa/web",
            "CN=web",
            "spiffe://cluster.local/ns/shop/sa/web/x",
            "SPIFFE://cluster.local/ns/shop/sa/web",
            "spiffe://cluster.local/sa/web/ns/shop",
            "spiffe:///ns/shop/sa/web",
            "spiffe://td2/x",
        ])),
        _ => {
            let named = declaration.allow.iter().flat_map(|rule| rule.from.iter().flatten());
            let named: Vec<&Caller> = named.collect();
            let own = "cluster.local".to_owned();
            match (named.is_empty() || random.chance(30))
                .then(|| None)
                .unwrap_or_else(|| Some(random.pick(&named)))
            {
                Some(Caller::Account(domain, namespace, account)) => {
                    Some(format!("spiffe://{}/ns/{namespace}/sa/{account}", domain.clone().unwrap_or(own)))
                }
                Some(Caller::Namespace(domain, namespace)) => {
                    Some(format!("spiffe://{}/ns/{namespace}/sa/web", domain.clone().unwrap_or(own)))
                }
                Some(Caller::TrustDomain(domain)) => Some(format!("spiffe://{domain}/ns/shop/sa/web")),
                Some(Caller::Principal(name)) => Some(name.clone()),
                _ => Some(self::principal(random)),
            }
        }
    };
    let uris = random.chance(40).then(|| {
        let mut uris: Vec<String> = principal.iter().filter(|name| !name.is_empty()).cloned().collect();
        if random.chance(25) {
            uris.push(self::principal(random));
        }
        uris
    });
    let mut headers = BTreeMap::new();
    for name in HEADERS {
        if random.chance(35) {
            headers.insert(
                name.to_owned(),
                random.text(&["a", "ab", "a,b", "b, a", "c", "application/grpc+proto", ""]),
            );
        }
    }
    let claims = random.chance(60).then(|| {
        let claim = |random: &mut Random| {
            random.pick(&[
                json!("a"),
                json!("c"),
                json!(["a"]),
                json!(["c", "b"]),
                json!(1),
                json!(["c", 1]),
                json!(null),
                json!([]),
                json!({}),
            ])
        };
        let realm = if random.chance(50) { json!({"roles": claim(random)}) } else { json!("a") };
        json!({"sub": claim(random), "n": claim(random), "realm": realm})
    });
    Request {
        principal,
        uris,
        own: match random.below(12) {
            0 => None,
            1 => Some(random.text(&["", "CN=x", "spiffe://", "spiffe://td2"])),
            _ => Some("spiffe://cluster.local/ns/pay/sa/charges".to_owned()),
        },
        method: (!random.chance(2))
            .then(|| random.text(&["GET", "POST", "DELETE", "get", "POST", "GET", "CONNECT"])),
        path: (!random.chance(2)).then(|| path(random, declaration)),
        host: (!random.chance(5)).then(|| {
            random.text(&[
                "shop.example.com",
                "SHOP.example.com:8080",
                "a.b.example.com",
                "localhost.",
                "example.com",
                "a,b",
                "shop.example.com:x",
                "u@shop.example.com",
                "[::1]:80",
                "",
                "shop.example.com..",
                "x.com",
                ".com",
                "shop.example.com.:80",
                "localhost",
            ])
        }),
        port: (!random.chance(10)).then(|| random.pick(&[80, 8080, 9090])),
        headers,
        claims,
        address: (!random.chance(10)).then(|| {
            random.text(&[
                "10.1.2.3",
                "10.255.0.1",
                "11.0.0.1",
                "192.168.1.200",
                "192.168.1.1",
                "fd00::1",
                "2001:db8::1",
                "x",
            ])
        }),
    }
}

impl Request {
    /// The request as OPA's Envoy plugin hands it over.
    pub(crate) fn input(&self) -> Json {
        let Self { principal, uris, own, method, path, host, port, headers, claims, address } = self;
        let (mut source, mut destination, mut http) = (json!({}), json!({}), json!({}));
        if let Some(principal) = principal {
            source["principal"] = json!(principal);
        }
        if let Some(address) = address {
            source["address"] = json!({"socketAddress": {"address": address, "portValue": 40000}});
        }
        if let Some(own) = own {
            destination["principal"] = json!(own);
        }
        if let Some(port) = port {
            destination["address"] = json!({"socketAddress": {"address": "10.0.0.9", "portValue": port}});
        }
        let mut all = json!(headers);
        for (key, header, value) in
            [("method", ":method", method), ("path", ":path", path), ("host", ":authority", host)]
        {
            if let Some(value) = value {
                http[key] = json!(value);
                all[header] = json!(value);
            }
        }
        all[":scheme"] = json!("https");
        http["headers"] = all;
        let mut input =
            json!({"attributes": {"source": source, "destination": destination, "request": {"http": http}}});
        if let Some(claims) = claims {
            input["attributes"]["metadataContext"] =
                json!({"filterMetadata": {"envoy.filters.http.jwt_authn": {"payload": claims}}});
        }
        if let Some(uris) = uris {
            input["sidegate"] = json!({"source": {"uri_sans": uris}});
        }
        input
    }
}

impl Declaration {
    /// The file, as a person could write it.
    pub(crate) fn yaml(&self) -> String {
        let mut text = "apiVersion: sidegate.io/v1alpha1\nkind: ServicePolicy\nmetadata: {name: charges, namespace: pay}\n\
             spec:\n  owner: team\n"
            .to_owned();
        for (key, rules) in [("allow", &self.allow), ("deny", &self.deny)] {
            if !rules.is_empty() {
                let rules: Vec<Json> = rules.iter().map(Rule::json).collect();
                writeln!(text, "  {key}: {}", json!(rules)).unwrap();
            }
        }
        let side = |side: usize| {
            let mut json = json!({});
            if !self.set[side].is_empty() {
                json["set"] =
                    self.set[side].iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            }
            if !self.remove[side].is_empty() {
                json["remove"] = json!(self.remove[side]);
            }
            json
        };
        writeln!(text, "  headers: {}", json!({"request": side(0), "response": side(1)})).unwrap();
        text
    }
}

impl Rule {
    fn json(&self) -> Json {
        let mut json = json!({});
        if let Some(from) = &self.from {
            json["from"] = from.iter().map(Caller::json).collect();
        }
        if !self.to.is_empty() {
            json["to"] = self.to.iter().map(Target::json).collect();
        }
        if !self.when.is_empty() {
            json["when"] = self.when.iter().map(Condition::json).collect();
        }
        json
    }
}

impl Caller {
    fn json(&self) -> Json {
        let (mut json, domain) = match self {
            Self::Account(domain, namespace, account) => {
                (json!({"serviceAccount": format!("{namespace}/{account}")}), domain.clone())
            }
            Self::Namespace(domain, namespace) => (json!({"namespace": namespace}), domain.clone()),
            Self::TrustDomain(domain) => (json!({}), Some(domain.clone())),
            Self::Principal(name) => (json!({"principal": name}), None),
            Self::Authenticated => (json!({"authenticated": true}), None),
            Self::Anonymous => (json!({"anonymous": true}), None),
        };
        if let Some(domain) = domain {
            json["trustDomain"] = json!(domain);
        }
        json
    }
}

impl Target {
    fn json(&self) -> Json {
        let Self { methods, paths, grpc, hosts, ports } = self;
        let mut json = json!({});
        for (key, texts) in [("methods", methods), ("paths", paths), ("grpc", grpc), ("hosts", hosts)] {
            if !texts.is_empty() {
                json[key] = json!(texts);
            }
        }
        if !ports.is_empty() {
            json["ports"] = json!(ports);
        }
        json
    }
}

impl Condition {
    fn json(&self) -> Json {
        match self {
            Self::Exact(name, text) => json!({"header": name, "exact": text}),
            Self::Prefix(name, text) => json!({"header": name, "prefix": text}),
            Self::Present(name) => json!({"header": name, "present": true}),
            Self::Absent(name) => json!({"header": name, "absent": true}),
            Self::Claim(path, values) => match (path.as_slice(), values.as_slice()) {
                ([key], [value]) => json!({"claim": key, "exact": value}),
                _ => json!({"claim": path, "in": values}),
            },
            Self::Source(networks) => json!({"source": networks}),
        }
    }
}
