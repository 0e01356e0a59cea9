//! Random policies over the data of many services, and requests for them. The same seed gives the same ones.

use serde_json::{Value as Json, json};
use sidegate_compiler::{Manifest, Sources};
use sidegate_engine::Value;

/// The entry point of every policy.
pub const ENTRYPOINT: &str = "p/r";
/// Namespaces and names of the services there are; workloads may have others.
pub const NAMESPACES: [&str; 3] = ["a", "b", "c"];
/// Names of the services.
pub const NAMES: [&str; 4] = ["x", "y", "z", "none"];

/// Conditions, as they stand in a body.
const CONDITIONS: &[&str] = &[
    // Exactly one service.
    "svc.callers[_] == input.who",
    "input.who in svc.callers",
    "some caller in svc.callers; caller == input.who",
    "data.services[workload.namespace][workload.name].flag",
    "w := data.sidegate.workload; data.services[w.namespace][w.name].level == input.n",
    "w := data.sidegate.workload; ns := w.namespace; n := w.name; data.services[ns][n].flag == false",
    "w = data.sidegate.workload; not data.services[w.namespace][w.name].flag",
    "{\"namespace\": ns, \"name\": n} = data.sidegate.workload; data.services[ns][n].callers[0] == input.who",
    "not data.services[namespace][workload.name].flag",
    "x := svc.level + 1; x > input.n",
    "every caller in svc.callers { caller != input.who }",
    "object.get(svc, \"flag\", \"no\") == \"no\"",
    "count(svc) == input.n",
    "svc.callers[input.n] == input.who",
    "svc == data.services[namespace].x",
    "data.services[namespace][workload.name][input.key]",
    "[data.services[namespace][workload.name].level, input.n] == [1, 1]",
    "lib.calls(svc, input.who)",
    "lib.level(workload.name) > input.n",
    "data.sidegate.workload.name == input.name",
    "workload == {\"namespace\": input.ns, \"name\": input.name}",
    "count(data.sidegate) == 1",
    "none",
    "not none",
    "alias.callers[0] == input.who",
    // More than one.
    "data.services[namespace][input.name].flag",
    "data.services[input.ns][workload.name].flag",
    "data.services[input.ns][input.name].level > 0",
    "some n; data.services[namespace][n].level > input.n",
    "some ns, n; data.services[ns][n].callers[_] == input.who",
    "data.services[_][workload.name].flag",
    "count(data.services[namespace]) == input.n",
    "all := data.services; all[input.ns][input.name].flag",
    "{n | data.services[namespace][n]} == {\"x\", \"y\"}",
    "object.keys(data.services)[_] == input.ns",
    "walk(data.services[namespace], [_, value]); value == input.who",
    "walk(svc, [path, true]); count(path) == 1",
    "not data.services[namespace].none",
    // Packages and data side by side.
    "data.rules[workload.name].ok",
    "data.rules[input.name].ok",
    "data.rules[_].ok",
    "data.rules.y.ok",
    "data.rules[workload.name].set[_] == input.who",
    "not data.rules[workload.name].ok",
    "data.mixed[workload.name].v == input.n",
    "data.mixed[input.name].v == input.n",
    "count(data.mixed) == input.n",
    "some k; data.mixed[k].v == input.n",
    "data.mixed[workload.name][input.key]",
    "count(data.rules) > input.n",
    "data.deep[input.name].ok",
    // What is replaced.
    "svc.flag with data.sidegate.workload as {\"namespace\": \"b\", \"name\": \"y\"}",
    "data.services[workload.namespace][workload.name].flag with data.sidegate.workload.name as input.name",
    "svc.level == 5 with data.services as {\"a\": {\"x\": {\"level\": 5}}}",
    "svc.level == 5 with data.services.a.x.level as 5",
    "data.rules[workload.name].ok with data.rules.x.ok as input.name",
    "lib.calls(svc, \"sa1\") with data.lib.calls as other",
    "namespace == \"b\" with workload as {\"namespace\": \"b\"}",
    // Places and digits.
    "data.list[0] == input.n",
    "data.list[input.n] == input.n",
    "one := 1; data.list[one] == input.n",
    "data.digits[1] == input.n",
    "i := 1; data.digits[i] == input.n",
    "x := data.list[input.n]; x > 0",
    "data.list[\"1\"] == input.n",
    "data.table[workload.name][1] == input.n",
    "row := data.table[workload.name]; row[0] == input.n",
    "\"sa2\" in data.table[data.names[workload.name]]",
    "data.names[data.names[workload.name]] == input.name",
    "data.text.below",
    "not data.text.below",
    "data.absent[workload.name].x",
    "not data.absent[workload.name]",
    "data.services[data.absent.x].x",
    "data.null == null",
    "data[\"services\"][namespace].x.flag",
    "k := \"services\"; data[k].a.x.flag",
    "sprintf(\"%s/%s\", [namespace, workload.name]) == input.full",
];

const HEAD: &str = "package p

import data.lib
import data.sidegate.workload as mine

workload := data.sidegate.workload

namespace := workload.namespace

svc := data.services[workload.namespace][workload.name]

alias := data.services[mine.namespace][mine.name]

none := data.services[workload.name][workload.namespace]

other(_, _) := true

# Nothing asks for it, and OPA compiles it.
unasked := data.extra.used(input.who) if data.services.b.z.level == 1
";

const MODULES: &[(&str, &str)] = &[
    (
        "lib/lib.rego",
        "package lib\n\ncalls(svc, who) if who in svc.callers\n\nlevel(name) := data.services.a[name].level\n",
    ),
    ("lib/more.rego", "package lib\n\nunused := [data.rules.x, data.other.far]\n"),
    ("extra.rego", "package extra\n\nused(x) := data.extra.again.more(x)\n"),
    ("again.rego", "package extra.again\n\nmore(x) := x\n"),
    ("other.rego", "package other\n\nfar := data.services\n"),
    (
        "rules/x.rego",
        "package rules.x\n\nok if input.name == \"x\"\n\nset contains caller if some caller in data.services.a.x.callers\n",
    ),
    ("rules/y.rego", "package rules.y\n\nok if data.services.b.y.flag\n\nset contains input.name\n"),
    ("rules/empty.rego", "package rules.none\n"),
    ("mixed.rego", "package mixed.x\n\nv := data.list[2]\n"),
    ("deep.rego", "package deep.x.down\n\nok := true\n"),
    ("deep2.rego", "package deep.y\n\nok if data.services.c.y.flag\n"),
];

/// SplitMix64: small, and the same everywhere.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }

    /// One of them.
    pub fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from.get(self.below(from.len())).copied().unwrap_or_default()
    }
}

/// A policy of a few random rules, and random data.
pub(super) fn sources(random: &mut Random) -> Sources {
    let mut rego = HEAD.to_owned();
    for rule in 0..=random.below(3) {
        rego.push_str(&format!("\nr contains {rule} if {{\n"));
        let mut declared = false;
        for _ in 0..=random.below(2) {
            let condition = random.pick(CONDITIONS);
            // A name is declared once in a body.
            let declares = ["some ", " := ", " = "].iter().any(|word| condition.contains(word));
            if !(declares && declared) {
                rego.push_str(&format!("\t{condition}\n"));
            }
            declared |= declares;
        }
        rego.push_str("}\n");
    }
    let mut modules: Vec<(String, String)> =
        MODULES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    modules.push(("p/main.rego".to_owned(), rego));
    let mut sources = Sources::from_parts(modules, Value::from(data(random)));
    if random.below(3) == 0 {
        let roots = ["p", "lib", "extra", "other", "rules", "mixed", "deep", "services", "list", "digits"];
        let roots = roots.into_iter().chain(["table", "names", "text", "null"]).map(str::to_owned);
        sources.manifest = Some(Manifest { roots: roots.collect(), ..Manifest::default() });
    }
    sources
}

fn data(random: &mut Random) -> Json {
    let mut services = json!({});
    for ns in NAMESPACES {
        if random.below(6) == 0 {
            continue;
        }
        for name in ["x", "y", "z"] {
            if random.below(5) == 0 {
                continue;
            }
            let mut service = json!({});
            if random.below(4) > 0 {
                let callers: Vec<&str> =
                    (0..random.below(4)).map(|_| random.pick(&["sa1", "sa2", "sa3"])).collect();
                service["callers"] = json!(callers);
            }
            if random.below(3) > 0 {
                service["flag"] = json!(random.below(2) == 0);
            }
            if random.below(3) > 0 {
                service["level"] = json!(random.below(3));
            }
            services[ns][name] = service;
        }
    }
    json!({
        "services": services,
        "mixed": {"y": {"v": random.below(3)}, "z": {"w": 1}},
        "list": [0, 1, 2],
        "digits": {"1": random.below(3), "2": null},
        "table": {"x": [1, 2, "sa2"], "y": [0], "z": "sa2"},
        "names": {"x": "y", "y": "z", "z": "x"},
        "text": "text",
        "null": null,
    })
}

/// Gives something among the data another value, or takes it away.
pub(super) fn change(random: &mut Random, data: &mut Value) {
    let other = Value::from(self::data(random));
    let keys: &[&str] = match random.below(3) {
        0 => &["services"],
        1 => &["services", random.pick(&NAMESPACES)],
        _ => &["services", random.pick(&NAMESPACES), random.pick(&NAMES)],
    };
    let keys: &[&str] = if random.below(4) == 0 {
        &[random.pick(&["mixed", "list", "digits", "table", "names", "text", "null", "absent", "none"])]
    } else {
        keys
    };
    replace(data, &other, keys);
}

fn replace(data: &mut Value, other: &Value, keys: &[&str]) {
    let Some((key, rest)) = keys.split_first() else { return };
    let key = Value::from(*key);
    let Ok(fields) = data.as_object_mut() else { return };
    match fields.get_mut(&key) {
        Some(inner) if !rest.is_empty() => replace(inner, &other[&key], rest),
        _ if other[&key] == Value::Undefined => {
            fields.remove(&key);
        }
        _ => {
            fields.insert(key.clone(), other[&key].clone());
        }
    }
}

/// A request.
pub fn input(random: &mut Random) -> Json {
    let mut input = json!({
        "who": random.pick(&["sa1", "sa2", "sa3", "sa4"]),
        "ns": random.pick(&NAMESPACES),
        "name": random.pick(&NAMES),
        "n": random.below(4),
        "key": random.pick(&["flag", "level", "v", "none"]),
        "full": format!("{}/{}", random.pick(&NAMESPACES), random.pick(&NAMES)),
    });
    if let (0, Some(fields)) = (random.below(4), input.as_object_mut()) {
        fields.remove(random.pick(&["who", "ns", "name", "n", "key"]));
    }
    input
}
