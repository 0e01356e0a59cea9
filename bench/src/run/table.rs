//! The table: CPU for each request, all in one run.

use serde_json::{Value, json};
use sidegate_bench::policy::Kind;
use sidegate_bench::summary::{Summary, crosses, least, rounded};
use sidegate_tests::table::Table;

use super::bench::Bench;
use super::subject::{Place, Subject, Taken, compare, to_json};

fn least_over(row: &Taken, none: &Taken) -> f64 {
    least(&row.total()) - least(&none.total())
}

/// How many policies native RBAC is measured with.
const POLICIES: [usize; 5] = [1, 10, 30, 100, 1000];
/// Of decisions that are logged; the rows without a level have the default, `denied`.
const LEVELS: [&str; 3] = ["off", "denied", "all"];
const CALLERS: [usize; 4] = [10, 100, 1000, 10_000];

pub(crate) fn measure(bench: &Bench) -> Result<Value, String> {
    let mut subjects = vec![Subject::None, Subject::Noop, Subject::Bare];
    subjects.extend(POLICIES.map(|n| Subject::Rbac(n, Place::Last)));
    subjects.extend(POLICIES[1..].iter().map(|n| Subject::Rbac(*n, Place::Middle)));
    subjects.extend(CALLERS.map(|n| Subject::Sidegate(Kind::Callers(n))));
    subjects.extend(POLICIES.map(|n| Subject::Sidegate(Kind::Rules(n))));
    subjects.extend(
        [Kind::Rbac, Kind::CallersByData, Kind::AllowRules(1000), Kind::Members(10_000), Kind::Storefront]
            .map(Subject::Sidegate),
    );
    subjects.push(Subject::Guarded);
    subjects.extend(LEVELS.map(Subject::Logged));
    if bench.has_cache {
        subjects.push(Subject::Cached(Kind::Storefront));
    }
    if bench.opa.is_ok() {
        subjects.extend([Kind::Storefront, Kind::Callers(10)].map(Subject::Opa));
    }
    let (rounds, requests) = (bench.settings.rounds, bench.settings.requests);
    println!(
        "bench: envoy {}, one worker, mTLS, keep-alive, direct response, 15 headers; {rounds} rounds of {requests} requests",
        bench.envoy
    );
    let taken = compare(bench, &subjects, (rounds, requests), 1)?;
    print(&taken);
    let none = &taken[0];
    Ok(json!({
        "rows": taken.iter().map(|row| to_json(row, none)).collect::<Vec<_>>(),
        "break_even": {
            "last": break_even(&taken, Place::Last, over),
            "middle": break_even(&taken, Place::Middle, over),
            "least_last": break_even(&taken, Place::Last, least_over),
        },
    }))
}

fn over(row: &Taken, none: &Taken) -> f64 {
    Summary::paired(&row.total(), &none.total(), |this, none| this - none).median
}

/// How many policies it takes until native RBAC costs more than Sidegate with the same rules: between the measured
/// numbers in proportion.
fn break_even(taken: &[Taken], place: Place, over: fn(&Taken, &Taken) -> f64) -> Value {
    let none = &taken[0];
    let cost = |subject| taken.iter().find(|row| row.subject == subject).map(|row| over(row, none));
    let difference = |n: usize| {
        let place = if n == 1 { Place::Last } else { place };
        let (rbac, ours) = (cost(Subject::Rbac(n, place))?, cost(Subject::Sidegate(Kind::Rules(n)))?);
        #[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
        let at = n as f64;
        Some((at, rbac - ours))
    };
    let points: Vec<(f64, f64)> = POLICIES.iter().filter_map(|n| difference(*n)).collect();
    json!(crosses(&points, 0.0).map(rounded))
}

/// The rows as a table on the terminal.
pub(crate) fn print(taken: &[Taken]) {
    let mut table = Table::new(&[
        "filter",
        "Envoy µs/request",
        "OPA",
        "quartiles",
        "over none",
        "times none",
        "least, over",
    ]);
    let none = &taken[0];
    for row in taken {
        let (envoy, total) = (Summary::of(&row.envoy), Summary::of(&row.total()));
        let opa =
            if row.opa.is_empty() { String::new() } else { format!("{:.1}", Summary::of(&row.opa).median) };
        table.row(&[
            &row.subject.name(),
            &format!("{:.1}", envoy.median),
            &opa,
            &format!("{:.1} .. {:.1}", total.low, total.high),
            &format!("{:+.1}", over(row, none)),
            &format!("{:.2}", Summary::paired(&row.total(), &none.total(), |this, none| this / none).median),
            &format!("{:+.1}", least_over(row, none)),
        ]);
    }
    print!("{}", table.text());
    let none = Summary::of(&none.envoy);
    let spread = (none.high - none.low) / none.median * 100.0;
    println!("The middle half of the rounds without a filter spreads over {spread:.0} % of their median.");
}
