//! Tables for docs/performance.md and the README.

use std::fmt::Write as _;

use serde_json::Value;
use sidegate_bench::machine::in_words;
use sidegate_bench::policy::Kind;

use super::super::run::results::Results;
use super::super::run::subject::{Place, Subject};
use super::goals::{all, over};
use super::{median, rows};

/// Everything that was measured.
pub(crate) fn tables(results: &Results) -> String {
    let mut text = String::new();
    goals(&mut text, results);
    cpu(&mut text, results);
    sweeps(&mut text, results);
    latency(&mut text, results);
    memory(&mut text, results);
    start(&mut text, results);
    border(&mut text, results);
    micro(&mut text, results);
    text
}

/// The main lines.
pub(crate) fn lines(results: &Results) -> String {
    let mut text = String::new();
    let Some(table) = results.sections.get("table") else { return text };
    let _ = writeln!(text, "| CPU µs of a request over no filter ({}) | |\n|---|---|", circumstances(table));
    let all = [
        (Subject::Noop, "a wasm filter that does nothing"),
        (Subject::Sidegate(Kind::Callers(10)), "**Sidegate**, declarations, 10 callers"),
        (Subject::Guarded, "**Sidegate**, the same, with the guard that Istio's manifests have"),
        (Subject::Sidegate(Kind::Callers(10_000)), "**Sidegate**, declarations, 10,000 callers"),
        (Subject::Sidegate(Kind::Storefront), "**Sidegate**, Rego with a header object, no cache"),
        (Subject::Cached(Kind::Storefront), "**Sidegate**, the same, cache answers"),
        (Subject::Rbac(10, Place::Last), "Envoy's native RBAC, 10 policies, the last fits"),
        (Subject::Rbac(100, Place::Last), "Envoy's native RBAC, 100 policies"),
        (Subject::Rbac(1000, Place::Last), "Envoy's native RBAC, 1,000 policies"),
        (Subject::Opa(Kind::Storefront), "OPA by `ext_authz`, the same Rego (Envoy and OPA)"),
    ];
    for (subject, name) in all {
        if let Some(cost) = over(results, subject) {
            let _ = writeln!(text, "| {name} | {cost:+.1} |");
        }
    }
    if let Some(at) = table["break_even"]["last"].as_f64() {
        let _ = writeln!(text, "\nFrom {:.0} policies on, Sidegate is cheaper than native RBAC.", at.ceil());
    }
    text
}

fn goals(text: &mut String, results: &Results) {
    text.push_str(
        "### Goals\nBy the medians of the rounds; what the least of them say stands beside it.\n\n\
         | | goal | measured | | least |\n|---|---|---|---|---|\n",
    );
    for goal in all(results) {
        let [what, bound, got, verdict, least] = goal.cells();
        let _ = writeln!(text, "| {what} | {bound} | {got} | {verdict} | {least} |");
    }
}

fn circumstances(section: &Value) -> String {
    let measured = &section["measured"];
    let envoy = measured["versions"]["envoy"].as_str().unwrap_or("unknown");
    format!("{}, Envoy {envoy}", in_words(measured))
}

fn versions(section: &Value) -> String {
    let measured = &section["measured"];
    let versions = measured["versions"].as_object();
    let named = versions
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "envoy")
        .filter_map(|(name, version)| Some(format!("{name} {}", version.as_str()?)));
    let mut text = format!(
        "{}; {}; commit {}",
        circumstances(section),
        named.collect::<Vec<_>>().join(", "),
        measured["commit"].as_str().unwrap_or("unknown")
    );
    for missing in measured["missing"].as_array().into_iter().flatten() {
        let _ = write!(text, "; **not measured: {}**", missing["what"].as_str().unwrap_or_default());
    }
    text
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

fn cpu(text: &mut String, results: &Results) {
    let Some(table) = results.sections.get("table") else { return };
    let _ = writeln!(
        text,
        "\n### CPU of a request\n{}. {} rounds of {} requests, all in turn.\n\n\
         | | Envoy µs | OPA µs | quartiles | over none | times none | least, over none's |\n|---|---|---|---|---|---|---|",
        versions(table),
        table["measured"]["rounds"],
        table["measured"]["requests"],
    );
    for row in rows(results, "table") {
        let total = &row["total_us"];
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} … {} | {} | {} | {} |",
            row["name"].as_str().unwrap_or_default(),
            number(median(&row["envoy_us"]), 1),
            if row["opa_us"].is_null() { String::new() } else { number(median(&row["opa_us"]), 1) },
            number(total["quartiles"][0].as_f64(), 1),
            number(total["quartiles"][1].as_f64(), 1),
            median(&row["over_none_us"]).map_or_else(String::new, |over| format!("{over:+.1}")),
            number(median(&row["times_none"]), 2),
            row["least_over_none_us"].as_f64().map_or_else(String::new, |over| format!("{over:+.1}")),
        );
    }
    let at = |place: &str| number(table["break_even"][place].as_f64(), 1);
    let _ = writeln!(
        text,
        "\nNative RBAC costs more than the same rules declared from {} policies on where the last one fits, from {} \
         where the middle one does.\n\n![CPU of a request](../bench/results/cpu.svg)",
        at("last"),
        at("middle"),
    );
}

/// A table for each sweep: a line's cost over no filter at each place.
fn sweeps(text: &mut String, results: &Results) {
    let names = [
        ("callers", "Callers of one declared rule"),
        ("rules", "Rules, or policies of native RBAC"),
        ("headers", "Headers of the request"),
        ("workers", "Workers"),
    ];
    let there = || names.iter().filter_map(|(name, title)| Some((*title, results.sections.get(*name)?)));
    let Some((_, first)) = there().next() else { return };
    let _ = writeln!(
        text,
        "\n### What the cost grows with\n{}. µs over no filter, medians; {} rounds of {} requests.",
        circumstances(first),
        first["rounds"],
        first["requests"],
    );
    for (title, section) in there() {
        let (mut places, mut lines) = (Vec::new(), Vec::<(&str, Vec<String>)>::new());
        for point in section["points"].as_array().into_iter().flatten() {
            let (Some(line), Some(at)) = (point["line"].as_str(), point["at"].as_u64()) else { continue };
            if !places.contains(&at) {
                places.push(at);
            }
            let cost = median(&point["over_none_us"]).map_or_else(String::new, |over| format!("{over:+.1}"));
            match lines.iter_mut().find(|(name, _)| *name == line) {
                Some((_, costs)) => costs.push(cost),
                None => lines.push((line, vec![cost])),
            }
        }
        let heads: Vec<String> = places.iter().map(u64::to_string).collect();
        let _ = writeln!(text, "\n| {title} | {} |\n|---|{}", heads.join(" | "), "---|".repeat(places.len()));
        for (name, costs) in lines.iter().filter(|(name, _)| *name != "no filter") {
            let _ = writeln!(text, "| {name} | {} |", costs.join(" | "));
        }
    }
    text.push_str(
        "\n![What the cost grows with](../bench/results/growth.svg)\n\n![Headers](../bench/results/headers.svg)\n",
    );
}

fn latency(text: &mut String, results: &Results) {
    let Some(section) = results.sections.get("latency") else { return };
    let none = rows(results, "latency").next();
    let _ = writeln!(
        text,
        "\n### Latency\n{}. By fortio: {} requests a second on {} connections; and as many as {} connections can.\n\n\
         | | p50 µs | over none | p99 µs | over none | full: per s | p50 µs | p99 µs |\n|---|---|---|---|---|---|---|---|",
        circumstances(section),
        section["rate"],
        section["fixed"]["connections"],
        section["full"]["connections"],
    );
    for row in rows(results, "latency") {
        let of = |load: &str, what: &str| median(&row[load][what]);
        let over = |what: &str| Some(of("fixed", what)? - median(&none?["fixed"][what])?);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            row["name"].as_str().unwrap_or_default(),
            number(of("fixed", "p50_us"), 0),
            number(over("p50_us"), 0),
            number(of("fixed", "p99_us"), 0),
            number(over("p99_us"), 0),
            number(of("full", "per_second"), 0),
            number(of("full", "p50_us"), 0),
            number(of("full", "p99_us"), 0),
        );
    }
    text.push_str("\n![Latency](../bench/results/latency.svg)\n");
}

fn memory(text: &mut String, results: &Results) {
    let Some(section) = results.sections.get("memory") else { return };
    let _ = writeln!(
        text,
        "\n### Memory\n{}. Resident, {} workers, after load.\n\n| | Envoy MB | over the no-op filter | OPA MB |\n|---|---|---|---|",
        circumstances(section),
        section["workers"],
    );
    for row in rows(results, "memory") {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            row["name"].as_str().unwrap_or_default(),
            number(median(&row["envoy_mb"]), 1),
            row["over_noop_mb"].as_f64().map_or_else(String::new, |over| format!("{over:+.1}")),
            median(&row["opa_mb"]).map_or_else(String::new, |mb| format!("{mb:.1}")),
        );
    }
}

fn start(text: &mut String, results: &Results) {
    let Some(section) = results.sections.get("start") else { return };
    let _ = writeln!(
        text,
        "\n### Start\n{}. CPU of Envoy until it is ready, {} workers; each load, over the smallest policy's.\n\n\
         | | CPU ms | each load |\n|---|---|---|",
        circumstances(section),
        section["workers"],
    );
    for row in rows(results, "start") {
        let each = median(&row["each_load_over_smallest_ms"]);
        let name = row["name"].as_str().unwrap_or_default();
        let _ = writeln!(text, "| {name} | {} | {} ms |", number(median(&row["cpu_ms"]), 0), number(each, 2));
    }
}

fn border(text: &mut String, results: &Results) {
    let Some(section) = results.sections.get("border") else { return };
    let _ = writeln!(
        text,
        "\n### The border between Envoy and a wasm filter\n{}. Filters of a few bytes that export one callback more, or make one \
         host call {} times, beside one that does not.\n\n| | µs each | quartiles | least |\n|---|---|---|---|",
        circumstances(section),
        section["times"],
    );
    for row in rows(results, "border") {
        let each = &row["each_us"];
        let _ = writeln!(
            text,
            "| {} | {} | {} … {} | {} |",
            row["name"].as_str().unwrap_or_default(),
            number(median(each), 2),
            number(each["quartiles"][0].as_f64(), 2),
            number(each["quartiles"][1].as_f64(), 2),
            number(row["least_us"].as_f64(), 2),
        );
    }
}

fn micro(text: &mut String, results: &Results) {
    let Some(section) = results.sections.get("micro") else { return };
    let _ = writeln!(
        text,
        "\n### The same wasm in Node's V8\n{}. No Envoy: all callbacks of a request, the host's answers canned.\n\n\
         | | µs a request | first load ms | load ms |\n|---|---|---|---|",
        versions(section),
    );
    for row in section["filters"].as_array().into_iter().flatten() {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            row["name"].as_str().unwrap_or_default(),
            number(median(&row["request_us"]), 2),
            number(row["first_load_ms"].as_f64(), 2),
            number(median(&row["load_ms"]), 2),
        );
    }
    text.push_str(
        "\nEvaluation alone, the whole input there already:\n\n| | plan µs | regorus's VM µs | times |\n|---|---|---|---|\n",
    );
    for row in section["evaluations"].as_array().into_iter().flatten() {
        let (plan, rvm) = (median(&row["plan_us"]), median(&row["rvm_us"]));
        let times = median(&row["times"]).map(|times| format!("{times:.1}"));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            row["name"].as_str().unwrap_or_default(),
            number(plan, 2),
            rvm.map_or_else(
                || row["rvm_refuses"].as_str().unwrap_or("-").to_owned(),
                |rvm| format!("{rvm:.2}")
            ),
            times.unwrap_or_default(),
        );
    }
}
