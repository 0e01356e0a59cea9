//! Random policies of the kinds that lookups are for, with data and inputs that often meet.

use serde_json::{Value as Json, json};

/// Numbers from a seed, the same on every machine (xorshift).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from((self.next() >> 11) % u64::try_from(n.max(1)).unwrap()).unwrap()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'t>(&mut self, words: &[&'t str]) -> &'t str {
        words[self.below(words.len())]
    }
}

const METHODS: [&str; 4] = ["GET", "PUT", "POST", "get"];
const PATHS: [&str; 9] = ["/a", "/a/b", "/ab", "/b", "/b/c", "", "/", "/a/\u{e9}", "/\u{10ffff}"];
const PREFIXES: [&str; 8] = ["/a", "/a/", "/b", "", "/", "/a/\u{e9}", "/\u{10ffff}", "x"];
const ADDRESSES: [&str; 8] =
    ["10.0.0.1", "10.1.2.3", "192.168.0.1", "::1", "fd00::7", "10.0.0", "::ffff:10.0.0.1", "10.255.255.255"];
const NETWORKS: [&str; 7] =
    ["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "fd00::/8", "::/0", "192.168.0.1/32", "10.0.0.1/31"];
const NUMBERS: [&str; 8] = ["1", "1.0", "2", "2.5", "-1", "10", "1e1", "0"];

/// A value as policies and data may have it: integers in other forms than `1` are refused there.
fn value(random: &mut Random) -> Json {
    loop {
        let value = any(random);
        if !value.to_string().contains(".0") && !value.to_string().contains("e+") {
            return value;
        }
    }
}

/// A value of any type that is often one that the policies ask for.
fn any(random: &mut Random) -> Json {
    let text = match random.below(13) {
        0..=3 => return json!(random.pick(&METHODS)),
        4..=6 => return json!(random.pick(&PATHS)),
        7 | 8 => random.pick(&NUMBERS),
        9 => random.pick(&["null", "true", "false", "[]", "{}"]),
        10 => random.pick(&["[1]", "[1.0]", "[\"GET\"]", "[\"v1\", \"GET\"]", "[\"v1\", \"/a\", \"x\"]"]),
        11 => random.pick(&["{\"a\": 1}", "{\"a\": \"GET\"}", "{\"GET\": true}", "{\"a\": 1.0, \"b\": []}"]),
        _ => return json!(random.pick(&ADDRESSES)),
    };
    serde_json::from_str(text).unwrap()
}

pub(crate) fn input(random: &mut Random) -> Json {
    let mut input = serde_json::Map::new();
    let fields: [(&str, &[&str]); 4] =
        [("method", &METHODS), ("path", &PATHS), ("ip", &ADDRESSES), ("x", &METHODS)];
    for (name, words) in fields {
        match random.below(10) {
            0 => {}
            1 => {
                input.insert(name.into(), any(random));
            }
            _ => {
                input.insert(name.into(), json!(random.pick(words)));
            }
        }
    }
    if !random.one_in(8) {
        let number = random.pick(&NUMBERS);
        input.insert("n".into(), serde_json::from_str(number).unwrap());
    }
    if !random.one_in(6) {
        let parts: Vec<&str> =
            (0..random.below(4)).map(|_| random.pick(&["v1", "v2", "GET", "/a"])).collect();
        input.insert("parts".into(), json!(parts));
    }
    if random.one_in(3) {
        input.insert("off".into(), any(random));
    }
    if random.one_in(4) {
        input.insert("any".into(), any(random));
    }
    Json::Object(input)
}

/// Data: a list, records, an object of records, and lists by key.
fn data(random: &mut Random) -> Json {
    let count = 8 + random.below(30);
    let list: Vec<Json> = (0..count).map(|_| value(random)).collect();
    let records: Vec<Json> = (0..count).map(|at| record(random, at)).collect();
    let by_name: serde_json::Map<String, Json> =
        (0..count).map(|at| (format!("{}{at}", random.pick(&METHODS)), record(random, at))).collect();
    let groups: serde_json::Map<String, Json> = METHODS
        .iter()
        .map(|name| {
            ((*name).to_owned(), json!((0..8 + random.below(8)).map(|_| value(random)).collect::<Vec<_>>()))
        })
        .collect();
    let unique: serde_json::Map<String, Json> =
        PATHS.iter().chain(&METHODS).map(|name| ((*name).to_owned(), value(random))).collect();
    json!({"list": list, "records": records, "byname": by_name, "groups": groups, "unique": unique})
}

fn record(random: &mut Random, at: usize) -> Json {
    let mut record = serde_json::Map::new();
    record.insert("id".into(), json!(at));
    for name in ["who", "what"] {
        if !random.one_in(8) {
            record.insert(name.into(), value(random));
        }
    }
    let roles: Vec<Json> = (0..random.below(4)).map(|_| value(random)).collect();
    record.insert("roles".into(), json!(roles));
    if random.one_in(3) {
        record.insert("off".into(), value(random));
    }
    json!({"rule": record.clone(), "who": record.get("who"), "roles": record["roles"], "id": at})
}

/// An expression that ends in a comparison with an element `e` of a collection.
fn element(random: &mut Random) -> String {
    let sought = random.pick(&[
        "input.method",
        "input.x",
        "input.path",
        "input.any",
        "input.n",
        "\"GET\"",
        "[input.x]",
    ]);
    match random.below(12) {
        0 => format!("some e in data.list\n\te == {sought}"),
        1 => format!("e := data.list[_]\n\t{sought} == e"),
        2 => format!("{sought} in data.list\n\te := 1"),
        3 => format!("some i, e in data.list\n\te == {sought}\n\ti < 9"),
        4 => format!("some e in data.records\n\te.rule.who == {sought}\n\tnot e.rule.off"),
        5 => format!("some e in data.records\n\te.who == {sought}\n\te.rule.what == input.path"),
        6 => format!("some e in data.records\n\t{sought} in e.roles"),
        7 => format!("some e in data.records\n\tsome role in e.roles\n\trole == {sought}"),
        8 => format!("some k, e in data.byname\n\te.who == {sought}\n\tstartswith(k, \"G\")"),
        9 => format!("some e in data.groups[input.method]\n\te == {sought}"),
        10 => format!("some e in data.groups[input.method]\n\te == {sought}\n\te != input.x"),
        _ => format!("{sought} in data.groups.GET\n\tsome e in data.records\n\te.id == input.n"),
    }
}

/// A condition on the input, of the kinds that bodies begin with.
fn condition(random: &mut Random) -> String {
    match random.below(18) {
        0..=2 => format!("input.method == {:?}", random.pick(&METHODS)),
        3 => format!("{:?} == input.x", random.pick(&METHODS)),
        4 | 5 => format!("input.path == {}", json!(random.pick(&PATHS))),
        6 => format!("input.path in {{{}, {}}}", json!(random.pick(&PATHS)), json!(random.pick(&PATHS))),
        7 => format!("input.x in [{}, {}, 1]", json!(random.pick(&METHODS)), value(random)),
        8 | 9 => format!("startswith(input.path, {})", json!(random.pick(&PREFIXES))),
        10 => format!("net.cidr_contains({:?}, input.ip)", random.pick(&NETWORKS)),
        11 => format!(
            "input.n {} {}",
            random.pick(&["<", "<=", ">", ">=", "=="]),
            random.pick(&["1", "2", "2.5", "-1", "10"])
        ),
        12 => format!("input.parts[{}] == {:?}", random.below(3), random.pick(&["v1", "v2", "GET"])),
        13 => format!("[\"v1\", last] = input.parts\n\tlast != {:?}", random.pick(&METHODS)),
        14 => "not input.off".to_owned(),
        15 => format!("m := input.method\n\tm == {:?}", random.pick(&METHODS)),
        16 => format!("input.any == {}", value(random)),
        _ => format!("upper(input.method) == {:?}", random.pick(&METHODS)),
    }
}

fn body(random: &mut Random) -> String {
    let mut conditions: Vec<String> = (0..1 + random.below(3)).map(|_| condition(random)).collect();
    // Names must not be bound twice in one body.
    conditions.sort();
    conditions.dedup_by(|a, b| a.split_once('\n').is_some() && a.get(..4) == b.get(..4));
    let binds = |text: &String, name: &str| text.contains(name);
    for name in ["m :=", "last]"] {
        let mut is_bound = false;
        conditions.retain(|text| !(binds(text, name) && std::mem::replace(&mut is_bound, true)));
    }
    if random.one_in(5) {
        conditions.push(element(random));
    }
    conditions.join("\n\t")
}

/// A policy that answers at `t/r`, and its data.
pub(crate) fn policy(random: &mut Random) -> (String, Json) {
    let mut rego = String::from("package t\n\n");
    let count = 6 + random.below(14);
    match random.below(9) {
        0 => {
            for _ in 0..2 {
                let element = element(random);
                rego.push_str(&format!("r contains e if {{\n\t{element}\n}}\n\n"));
            }
        }
        1 => rego.push_str(&format!("default r := false\n\nr if {{\n\t{}\n}}\n", element(random))),
        2 => rego.push_str(&format!("r := [e |\n\t{}\n]\n", element(random))),
        3 => {
            rego.push_str("default r := \"none\"\n\n");
            for at in 0..count {
                // Now and then two of them hold: a conflict, or the same value.
                rego.push_str(&format!("r := {} if {{\n\t{}\n}}\n\n", at % 3, body(random)));
            }
        }
        4 => {
            for at in 0..count {
                rego.push_str(&format!("r contains \"k{at}\" if {{\n\t{}\n}}\n\n", body(random)));
            }
        }
        5 => {
            rego.push_str(&format!("r := 0 if {{\n\t{}\n}}", body(random)));
            for at in 1..count {
                rego.push_str(&format!(" else := {at} if {{\n\t{}\n}}", body(random)));
            }
            rego.push('\n');
        }
        6 => {
            for at in 0..count {
                let (method, path) = (json!(random.pick(&METHODS)), json!(random.pick(&PATHS)));
                let (head, tail) = match random.below(3) {
                    0 => (format!("f({method}, p)"), format!("p == {path}")),
                    1 => (format!("f(m, {path})"), format!("m == {method}")),
                    _ => ("f(m, p)".to_owned(), format!("m == {method}\n\tstartswith(p, {path})")),
                };
                rego.push_str(&format!("{head} := {} if {{\n\t{tail}\n}}\n\n", at % 2));
            }
            rego.push_str("r := f(input.method, input.path)\n");
        }
        7 => {
            for at in 0..count {
                rego.push_str(&format!("allow contains {at} if {{\n\t{}\n}}\n\n", body(random)));
            }
            let (name, to) = (random.pick(&["method", "path", "n", "parts"]), value(random));
            rego.push_str(&format!(
                "r := [allow, other] if {{\n\tother := allow with input.{name} as {to}\n}}\n"
            ));
        }
        _ => {
            let element = element(random);
            let list: Vec<Json> = (0..3).map(|_| value(random)).collect();
            rego.push_str(&format!("found contains e if {{\n\t{element}\n}}\n\n"));
            rego.push_str(&format!(
                "r := [found, other] if {{\n\tother := found with data.list as {}\n}}\n",
                json!(list)
            ));
        }
    }
    (rego, data(random))
}
