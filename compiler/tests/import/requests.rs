//! Requests that come close to what policies speak of.

use serde_json::{Value as Json, json};

use super::generate::{PATHS, TEMPLATES};
use super::model::{Mesh, Request};
use crate::declare::generate::Random;

fn name(random: &mut Random, mesh: &Mesh) -> String {
    let domain = match mesh.is_own_only {
        true => random.pick(&mesh.own),
        false => random.text(&["cluster.local", "td1", "partner", "old.example", "other", "ns"]),
    };
    let (namespace, account) = random.pick(&[
        ("shop", "web"),
        ("shop", "a.b"),
        ("shop", "axb"),
        ("pay", "cron"),
        ("pay", "web"),
        ("foo", "web"),
        ("foo", "cron"),
        ("ops", "x"),
        ("ns", "shop"),
    ]);
    if !mesh.is_own_only && random.chance(12) {
        let odd = [
            "edge/x",
            "ns/shop/sa/web/x",
            "ns/shop/x/sa/web",
            "ns/shop/sa/",
            "ns/shop/",
            "x/ns/shop/sa/web",
            "",
        ];
        return format!("spiffe://{domain}/{}", random.pick(&odd));
    }
    if !mesh.is_own_only && random.chance(3) {
        return random.text(&["spiffe://partner", "CN=web", "https://partner/ns/shop/sa/web"]);
    }
    format!("spiffe://{domain}/ns/{namespace}/sa/{account}")
}

/// The values that policies have for some key, wherever it stands.
fn mentioned(value: &Json, key: &str, found: &mut Vec<String>) {
    match value {
        Json::Object(map) => {
            for (name, value) in map {
                if name == key {
                    found.extend(
                        value.as_array().into_iter().flatten().filter_map(|v| v.as_str()).map(str::to_owned),
                    );
                }
                mentioned(value, key, found);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| mentioned(item, key, found)),
        _ => {}
    }
}

/// Every character that a segment of a plain path can have, but letters and digits.
const ALL: &str = "a!$&'()*+,=:@-._~%20z";

fn path(random: &mut Random, mesh: &Mesh) -> String {
    let mut known = Vec::new();
    mesh.policies.iter().for_each(|policy| mentioned(policy, "paths", &mut known));
    let pattern = match random.below(5) {
        0 => random.text(&PATHS),
        1 => random.text(&TEMPLATES),
        _ if known.is_empty() => random.text(&PATHS),
        _ => random.pick(&known),
    };
    let rest = random.text(&["", "x", "x/y", "x/", "charges", "a*b", "%41", "ki/x", ALL, "1/ki/x"]);
    let one = random.text(&["1", "charges", "a.b", "x*", "", "%c3%a9", ALL]);
    let mut path = pattern.replace("{**}", &rest).replace("{*}", &one);
    if let Some(before) = path.strip_suffix('*') {
        path = format!("{before}{rest}");
    } else if let Some(after) = path.strip_prefix('*') {
        path = format!("/{rest}{after}");
    }
    if path.is_empty() {
        path = "/".to_owned();
    }
    match random.below(12) {
        0 => path.to_ascii_uppercase(),
        1 => format!("{path}/"),
        2 => format!("{path}?a=/admin"),
        3 => path.replacen('a', "%61", 1),
        4 => path.replacen('/', "//", 1),
        5 => format!("{path};x"),
        6 => format!("{path}%2fx"),
        7 => path.replacen('s', "%C5%BF", 1),
        8 => path.trim_end_matches('/').to_owned() + "/",
        _ => path,
    }
}

/// A request that may have to do with the policies.
pub(crate) fn request(random: &mut Random, mesh: &Mesh) -> Request {
    let mut names = Vec::new();
    if !random.chance(15) {
        names.push(name(random, mesh));
        if random.chance(6) {
            names.push(name(random, mesh));
        }
    }
    let mut headers = Vec::new();
    for header in ["x-a", "x-b", "x-c"] {
        for _ in 0..random.below(6).saturating_sub(3) {
            let value = random.text(&["a", "ab", "a,b", "b", "abc", "", "b c", "b, a"]);
            headers.push((header.to_owned(), value));
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
                json!({"a": "b"}),
            ])
        };
        let mut claims =
            json!({"n": claim(random), "groups": claim(random), "realm": {"roles": claim(random)}});
        // Envoy refuses tokens where these are something else.
        if random.chance(85) {
            claims["iss"] = json!(random.text(&["iss", "https://iss", "other"]));
        }
        if random.chance(85) {
            claims["sub"] = json!(random.text(&["a", "b", "c"]));
        }
        claims["aud"] = random.pick(&[json!("a"), json!(["a", "b"]), json!(["c"])]);
        claims
    });
    Request {
        names,
        method: random.text(&["GET", "POST", "DELETE", "GET", "PUT", "OPTIONS", "get"]),
        path: path(random, mesh),
        host: random.text(&[
            "shop.example.com",
            "SHOP.example.com",
            "shop.example.com:8080",
            "shop.example.com.",
            "a.b.example.com",
            "localhost",
            "localhost:x",
            "a,b",
            "x.com",
        ]),
        headers,
        claims,
        address: random.text(&[
            "10.1.2.3",
            "10.255.0.1",
            "11.0.0.1",
            "192.168.1.200",
            "fd00::1",
            "2001:db8::1",
        ]),
        port: random.pick(&[80, 8080, 9090]),
    }
}
