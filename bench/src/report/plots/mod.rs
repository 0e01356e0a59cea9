//! Plots as SVG. What is compared on a logarithmic axis is dots and no bars: a bar's length would mean nothing.

mod dots;

use std::path::Path;

use serde_json::Value;
use sidegate_tests::plots::{Line, Lines, Mark};

use self::dots::{Dots, Row};
use super::super::run::results::Results;
use super::{median, rows};

fn mark(value: &Value) -> Option<Mark> {
    let quartile = |at: usize| value["quartiles"][at].as_f64();
    Some(Mark { low: quartile(0)?, median: median(value)?, high: quartile(1)? })
}

/// What is there to plot.
pub(crate) fn write(results: &Results, folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    let cpu = rows(results, "table").skip(1).filter_map(|row| dots_row(row, &[&row["over_none_us"]]));
    Dots {
        title: "CPU of a request over no filter",
        axis: "µs, logarithmic; lines: the middle half of the rounds",
        is_spread: true,
        rows: cpu.collect(),
    }
    .write(&folder.join("cpu.svg"))?;
    let latency = rows(results, "latency")
        .filter_map(|row| dots_row(row, &[&row["fixed"]["p50_us"], &row["fixed"]["p99_us"]]));
    Dots {
        title: "Latency at a fixed rate: p50 (disc) and p99 (ring)",
        axis: "µs, logarithmic",
        is_spread: false,
        rows: latency.collect(),
    }
    .write(&folder.join("latency.svg"))?;
    let mut growth = lines(results, "rules", |name| match name {
        "declarations" => "declared rules".to_owned(),
        other => other.to_owned(),
    });
    growth.extend(lines(results, "callers", |_| "declared callers".to_owned()));
    Lines {
        title: "What the cost of a request grows with",
        across: "policies, rules or callers, logarithmic",
        up: "µs over no filter, logarithmic",
        is_log: true,
        has_points: true,
        lines: growth,
    }
    .write(&folder.join("growth.svg"))?;
    let headers =
        lines(results, "headers", str::to_owned).into_iter().filter(|line| line.name != "no filter");
    Lines {
        title: "What headers cost",
        across: "headers of the request",
        up: "µs over no filter",
        is_log: false,
        has_points: true,
        lines: headers.collect(),
    }
    .write(&folder.join("headers.svg"))
}

fn dots_row(row: &Value, marks: &[&Value]) -> Option<Row> {
    let name = row["name"].as_str()?.to_owned();
    let is_ours = name.starts_with("Sidegate");
    let marks = marks.iter().map(|value| mark(value)).collect::<Option<Vec<_>>>()?;
    Some(Row { name, is_ours, marks })
}

fn lines(results: &Results, section: &str, shown: impl Fn(&str) -> String) -> Vec<Line> {
    let mut all: Vec<Line> = Vec::new();
    let points = results.sections.get(section).and_then(|section| section["points"].as_array());
    for point in points.into_iter().flatten() {
        let (Some(name), Some(at), Some(cost)) =
            (point["line"].as_str(), point["at"].as_f64(), mark(&point["over_none_us"]))
        else {
            continue;
        };
        let name = shown(name);
        match all.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push((at, cost)),
            None => all.push(Line { name, points: vec![(at, cost)] }),
        }
    }
    all
}
