//! What was aimed at, and how it stands.

use serde_json::Value;
use sidegate_bench::policy::Kind;
use sidegate_tests::table::Table;

use super::super::run::results::Results;
use super::super::run::subject::{Place, Subject};
use super::{median, row, rows};

/// A goal: what was measured for it, and the bound.
pub(crate) struct Goal {
    what: String,
    unit: &'static str,
    measured: Option<f64>,
    /// The same by the least of all rounds, where there are rounds.
    least: Option<f64>,
    bound: f64,
    /// Whether the measured number is to be at least the bound; else at most.
    is_floor: bool,
}

/// By what rounds are put into one number.
#[derive(Clone, Copy)]
enum By {
    Median,
    Least,
}

impl Goal {
    fn at_most(what: &str, unit: &'static str, bound: f64, measured: Option<f64>) -> Self {
        Self { what: what.to_owned(), unit, measured, least: None, bound, is_floor: false }
    }

    /// One that is measured in rounds.
    fn in_rounds(what: &str, unit: &'static str, bound: f64, measured: impl Fn(By) -> Option<f64>) -> Self {
        Self { least: measured(By::Least), ..Self::at_most(what, unit, bound, measured(By::Median)) }
    }

    /// The bound is the least that it takes.
    fn floor(self) -> Self {
        Self { is_floor: true, ..self }
    }

    fn is_met(&self) -> Option<bool> {
        self.measured.map(|got| if self.is_floor { got >= self.bound } else { got <= self.bound })
    }

    /// The goal, what came, whether that is enough, and what the least of the rounds say.
    pub(crate) fn cells(&self) -> [String; 5] {
        let Self { what, unit, measured, least, bound, is_floor } = self;
        let word = if *is_floor { "at least" } else { "at most" };
        let verdict = match self.is_met() {
            None => "not measured".to_owned(),
            Some(true) => "met".to_owned(),
            Some(false) => format!("missed by {:.2}{unit}", (measured.unwrap_or(f64::NAN) - bound).abs()),
        };
        let shown = |number: &Option<f64>| number.map(|got| format!("{got:.2}{unit}"));
        let got = shown(measured).unwrap_or_else(|| "-".to_owned());
        [what.clone(), format!("{word} {bound}{unit}"), got, verdict, shown(least).unwrap_or_default()]
    }
}

/// What a subject costs over no filter.
pub(crate) fn over(results: &Results, subject: Subject) -> Option<f64> {
    over_by(results, subject, By::Median)
}

fn over_by(results: &Results, subject: Subject, by: By) -> Option<f64> {
    let row = row(results, "table", &subject.name())?;
    match by {
        By::Median => median(&row["over_none_us"]),
        By::Least => row["least_over_none_us"].as_f64(),
    }
}

fn total_by(results: &Results, subject: Subject, by: By) -> Option<f64> {
    let row = row(results, "table", &subject.name())?;
    match by {
        By::Median => median(&row["total_us"]),
        By::Least => row["least_us"].as_f64(),
    }
}

/// The goals of the project, in its order.
pub(crate) fn all(results: &Results) -> Vec<Goal> {
    let ours = Subject::Sidegate;
    let over = |subject| move |by| over_by(results, subject, by);
    let ratio = |one, other| move |by| Some(over_by(results, one, by)? / over_by(results, other, by)?);
    let flat = |by| {
        let total = |n| total_by(results, ours(Kind::Callers(n)), by);
        Some(total(10_000)? / total(10)?)
    };
    let break_even = |by| {
        let name = match by {
            By::Median => "last",
            By::Least => "least_last",
        };
        results.sections.get("table")?["break_even"][name].as_f64()
    };
    let callers = |n| ours(Kind::Callers(n));
    let mut goals = vec![
        Goal::in_rounds("declarations, 10 callers, over no filter", " µs", 5.0, over(callers(10))),
        Goal::in_rounds("declarations, 10,000 callers, over no filter", " µs", 5.0, over(callers(10_000))),
        Goal::in_rounds("10,000 callers beside 10, whole request", " ×", 1.05, flat),
        Goal::in_rounds("native RBAC costs more from so many policies on", "", 30.0, break_even),
        Goal::in_rounds(
            "native RBAC, 1,000 policies, beside the same declared",
            " ×",
            25.0,
            ratio(Subject::Rbac(1000, Place::Last), ours(Kind::Rules(1000))),
        )
        .floor(),
    ];
    for (what, kind) in [("header object", Kind::Storefront), ("declarations", Kind::Callers(10))] {
        let what = format!("OPA beside Sidegate, {what}");
        goals.push(Goal::in_rounds(&what, " ×", 40.0, ratio(Subject::Opa(kind), ours(kind))).floor());
    }
    for kind in [Kind::Rbac, Kind::CallersByData, Kind::AllowRules(1000), Kind::Members(10_000)] {
        goals.push(Goal::in_rounds(&kind.name(), " µs", 6.0, over(ours(kind))));
    }
    for (what, level, bound) in [
        ("logging what is denied, on requests that are allowed", "denied", 0.5),
        ("every decision logged and posted, 15 headers", "all", 20.0),
    ] {
        let log = move |by| {
            Some(
                total_by(results, Subject::Logged(level), by)?
                    - total_by(results, Subject::Logged("off"), by)?,
            )
        };
        goals.push(Goal::in_rounds(what, " µs", bound, log));
    }
    let evaluation =
        micro(results, "evaluations", &Kind::Headers.name()).and_then(|row| median(&row["times"]));
    let ten_thousand = callers(10_000).name();
    let load = micro(results, "filters", &ten_thousand).and_then(|row| row["first_load_ms"].as_f64());
    let memory = row(results, "memory", &ten_thousand).and_then(|row| row["over_noop_mb"].as_f64());
    goals.extend([
        Goal::in_rounds("Rego, header object", " µs", 7.0, over(ours(Kind::Storefront))),
        Goal::in_rounds("the same, cache answers", " µs", 5.0, over(Subject::Cached(Kind::Storefront))),
        Goal::at_most("regorus's VM beside the plan, evaluation alone", " ×", 2.0, evaluation).floor(),
        Goal::at_most("loading 10,000 callers, each VM", " ms", 20.0, load),
        Goal::at_most("memory over the no-op filter, 4 workers, 10,000 callers", " MB", 25.0, memory),
        Goal::at_most("the filter, gzipped", " KiB", 650.0, results.wasm_kib()),
    ]);
    goals
}

fn micro<'a>(results: &'a Results, list: &str, name: &str) -> Option<&'a Value> {
    results.sections.get("micro")?[list].as_array()?.iter().find(|row| row["name"] == name)
}

/// For the terminal.
pub(crate) fn table(results: &Results) -> Table {
    let mut table = Table::new(&["goal", "", "measured", "", "least"]);
    if rows(results, "table").next().is_none() {
        return table;
    }
    for goal in all(results) {
        let cells = goal.cells();
        table.row(&cells.each_ref().map(String::as_str));
    }
    table
}
