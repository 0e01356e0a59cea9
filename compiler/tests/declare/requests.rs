//! Requests that come close to what a declaration speaks of.

use std::collections::BTreeMap;

use serde_json::json;

use super::generate::{self, HEADERS, PATHS, Random};
use super::model::{Caller, Declaration, Request, Target};

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
            let meant = if named.is_empty() || random.chance(30) { None } else { Some(random.pick(&named)) };
            match meant {
                Some(Caller::Account(domain, namespace, account)) => {
                    Some(format!("spiffe://{}/ns/{namespace}/sa/{account}", domain.clone().unwrap_or(own)))
                }
                Some(Caller::Namespace(domain, namespace)) => {
                    Some(format!("spiffe://{}/ns/{namespace}/sa/web", domain.clone().unwrap_or(own)))
                }
                Some(Caller::TrustDomain(domain)) => Some(format!("spiffe://{domain}/ns/shop/sa/web")),
                Some(Caller::Principal(name)) => Some(name.clone()),
                _ => Some(generate::principal(random)),
            }
        }
    };
    let uris = random.chance(40).then(|| {
        let mut uris: Vec<String> = principal.iter().filter(|name| !name.is_empty()).cloned().collect();
        if random.chance(25) {
            uris.push(generate::principal(random));
        }
        uris
    });
    let mut headers = BTreeMap::new();
    for name in HEADERS.into_iter().chain(["x_a", "x_b", "content_type"]) {
        if random.chance(if name.contains('_') { 5 } else { 35 }) {
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
