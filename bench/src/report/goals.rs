//! What was aimed at, and how it stands.

use sidegate_bench::policy::Kind;
use sidegate_tests::table::Table;

use super::super::run::results::Results;
use super::super::run::subject::{Place, Subject};
use super::{median, row, rows};

/// A goal: what was measured for it, and the bound.
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) measured: Option<f64>,
    pub(crate) bound: f64,
    /// Whether the measured number is to be at least the bound; else at most.
    pub(crate) is_floor: bool,
}

impl Goal {
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.measured.map(|got| if self.is_floor { got >= self.bound } else { got <= self.bound })
    }

    /// The goal, what came, and whether that is enough.
    pub(crate) fn cells(&self) -> [String; 4] {
        let Self { what, unit, measured, bound, is_floor } = self;
        let word = if *is_floor { "at least" } else { "at most" };
        let verdict = match self.is_met() {
            None => "not measured".to_owned(),
            Some(true) => "met".to_owned(),
            Some(false) => format!("missed by {:.1}{unit}", (measured.unwrap_or(f64::NAN) - bound).abs()),
        };
        let got = measured.map_or_else(|| "-".to_owned(), |got| format!("{got:.2}{unit}"));
        [what.clone(), format!("{word} {bound}{unit}"), got, verdict]
    }
}

/// What a subject costs over no filter.
pub(crate) fn over(results: &Results, subject: Subject) -> Option<f64> {
    median(&row(results, "table", &subject.name())?["over_none_us"])
}

/// The goals of the project, in its order.
pub(crate) fn all(results: &Results) -> Vec<Goal> {
    let declared = |n| over(results, Subject::Sidegate(Kind::Callers(n)));
    let total = |n| median(&row(results, "table", &Subject::Sidegate(Kind::Callers(n)).name())?["total_us"]);
    let ratio = |one: Option<f64>, other: Option<f64>| Some(one? / other?);
    let at_most = |what: &str, unit, measured, bound| Goal {
        what: what.to_owned(),
        unit,
        measured,
        bound,
        is_floor: false,
    };
    let at_least = |what: &str, unit, measured, bound| Goal {
        what: what.to_owned(),
        unit,
        measured,
        bound,
        is_floor: true,
    };
    let break_even = results.sections.get("table").and_then(|table| table["break_even"]["last"].as_f64());
    let thousand = ratio(
        over(results, Subject::Rbac(1000, Place::Last)),
        over(results, Subject::Sidegate(Kind::Rules(1000))),
    );
    let opa = |kind| ratio(over(results, Subject::Opa(kind)), over(results, Subject::Sidegate(kind)));
    let mut goals = vec![
        at_most("declarations, 10 callers, over no filter", " µs", declared(10), 5.0),
        at_most("declarations, 10,000 callers, over no filter", " µs", declared(10_000), 5.0),
        at_most("10,000 callers beside 10, whole request", " ×", ratio(total(10_000), total(10)), 1.05),
        at_most("native RBAC costs more from so many policies on", "", break_even, 30.0),
        at_least("native RBAC, 1,000 policies, beside the same declared", " ×", thousand, 25.0),
        at_least("OPA beside Sidegate, header object", " ×", opa(Kind::Storefront), 40.0),
        at_least("OPA beside Sidegate, declarations", " ×", opa(Kind::Callers(10)), 40.0),
    ];
    for kind in [Kind::Rbac, Kind::CallersByData, Kind::AllowRules(1000), Kind::Members(10_000)] {
        goals.push(at_most(&kind.name(), " µs", over(results, Subject::Sidegate(kind)), 6.0));
    }
    let evaluation = rows_of_evaluations(results, Kind::Headers);
    let memory = row(results, "memory", &Subject::Sidegate(Kind::Callers(10_000)).name());
    let load = rows_named(results, "micro", "filters", &Subject::Sidegate(Kind::Callers(10_000)).name());
    goals.extend([
        at_most("Rego, header object", " µs", over(results, Subject::Sidegate(Kind::Storefront)), 7.0),
        at_most("the same, cache answers", " µs", over(results, Subject::Cached(Kind::Storefront)), 5.0),
        at_least("regorus's VM beside the plan, evaluation alone", " ×", evaluation, 2.0),
        at_most(
            "loading 10,000 callers, each VM",
            " ms",
            load.and_then(|row| row["first_load_ms"].as_f64()),
            20.0,
        ),
        at_most(
            "memory over the no-op filter, 4 workers, 10,000 callers",
            " MB",
            memory.and_then(|row| row["over_noop_mb"].as_f64()),
            25.0,
        ),
        at_most("the filter, gzipped", " KiB", results.wasm_kib(), 650.0),
    ]);
    goals
}

fn rows_named<'a>(
    results: &'a Results,
    section: &str,
    list: &str,
    name: &str,
) -> Option<&'a serde_json::Value> {
    results.sections.get(section)?[list].as_array()?.iter().find(|row| row["name"] == name)
}

fn rows_of_evaluations(results: &Results, kind: Kind) -> Option<f64> {
    let row = rows_named(results, "micro", "evaluations", &kind.name())?;
    median(&row["times"])
}

/// For the terminal.
pub(crate) fn table(results: &Results) -> Table {
    let mut table = Table::new(&["goal", "", "measured", ""]);
    if rows(results, "table").next().is_none() {
        return table;
    }
    for goal in all(results) {
        let cells = goal.cells();
        table.row(&cells.each_ref().map(String::as_str));
    }
    table
}
