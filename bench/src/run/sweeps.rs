//! What the cost grows with, and what not: callers, rules, headers, workers.

use serde_json::{Value, json};
use sidegate_bench::policy::Kind;

use super::bench::Bench;
use super::subject::{Place, Subject, Taken, compare, interleave, to_json};
use super::table::print;

const CALLERS: [usize; 7] = [10, 30, 100, 300, 1000, 3000, 10_000];
const RULES: [usize; 4] = [1, 10, 100, 1000];
const HEADERS: [usize; 4] = [5, 15, 40, 100];
const WORKERS: [usize; 3] = [1, 2, 4];

/// Points of lines: each has a line's name, a place on it, and what it costs.
pub(crate) fn measure(bench: &Bench, sweep: &str) -> Result<Value, String> {
    println!("bench: sweep over {sweep}");
    let points = match sweep {
        "callers" => callers(bench)?,
        "rules" => rules(bench)?,
        "headers" => headers(bench)?,
        "workers" => workers(bench)?,
        other => return Err(format!("expected the name of a sweep, got `{other}`")),
    };
    let settings = bench.settings.for_sweeps();
    Ok(json!({"rounds": settings.rounds, "requests": settings.requests, "points": points}))
}

fn callers(bench: &Bench) -> Result<Vec<Value>, String> {
    let line = CALLERS.map(|n| ("declarations", n, Subject::Sidegate(Kind::Callers(n))));
    of(bench, &line)
}

fn rules(bench: &Bench) -> Result<Vec<Value>, String> {
    let declared = RULES.map(|n| ("declarations", n, Subject::Sidegate(Kind::Rules(n))));
    let rego = RULES.map(|n| ("Rego allow rules", n, Subject::Sidegate(Kind::AllowRules(n))));
    let native = RULES.map(|n| ("native RBAC, last policy", n, Subject::Rbac(n, Place::Last)));
    of(bench, &[declared, rego, native].concat())
}

fn of(bench: &Bench, line: &[(&str, usize, Subject)]) -> Result<Vec<Value>, String> {
    let settings = bench.settings.for_sweeps();
    let mut subjects = vec![Subject::None];
    subjects.extend(line.iter().map(|(_, _, subject)| *subject));
    let taken = compare(bench, &subjects, (settings.rounds, settings.requests), 1)?;
    print(&taken);
    Ok(line.iter().zip(&taken[1..]).map(|((name, at, _), row)| point(name, *at, row, &taken[0])).collect())
}

fn headers(bench: &Bench) -> Result<Vec<Value>, String> {
    let settings = bench.settings.for_sweeps();
    let lines = [
        ("no filter", Subject::None),
        ("no-op wasm filter, SDK", Subject::Noop),
        ("declarations", Subject::Sidegate(Kind::Callers(100))),
        ("Rego, header object", Subject::Sidegate(Kind::Storefront)),
    ];
    let started = lines.iter().map(|(_, s)| s.start(bench, 1)).collect::<Result<Vec<_>, _>>()?;
    let all: Vec<_> = HEADERS.iter().flat_map(|n| started.iter().map(|running| (running, *n))).collect();
    let taken = interleave(bench, &all, settings.rounds, settings.requests)?;
    let mut points = Vec::new();
    for (group, count) in taken.chunks(lines.len()).zip(HEADERS) {
        println!("{count} headers");
        print(group);
        let none = &group[0];
        points.extend(group.iter().zip(lines).map(|(row, (name, _))| point(name, count, row, none)));
    }
    Ok(points)
}

fn workers(bench: &Bench) -> Result<Vec<Value>, String> {
    let settings = bench.settings.for_sweeps();
    let lines = [
        ("no filter", Subject::None),
        ("no-op wasm filter, SDK", Subject::Noop),
        ("declarations", Subject::Sidegate(Kind::Callers(1000))),
        ("Rego, header object", Subject::Sidegate(Kind::Storefront)),
    ];
    let mut points = Vec::new();
    for count in WORKERS {
        let subjects = lines.map(|(_, subject)| subject);
        let taken = compare(bench, &subjects, (settings.rounds, settings.requests), count)?;
        println!("{count} workers");
        print(&taken);
        points.extend(taken.iter().zip(lines).map(|(row, (name, _))| point(name, count, row, &taken[0])));
    }
    Ok(points)
}

fn point(line: &str, at: usize, row: &Taken, none: &Taken) -> Value {
    let mut point = to_json(row, none);
    point["line"] = json!(line);
    point["at"] = json!(at);
    point
}
