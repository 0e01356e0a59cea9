//! From `latest.json` to what people read: plots, the tables of docs/performance.md, the lines of the README.

mod goals;
mod markdown;
mod plots;

use serde_json::Value;
use sidegate_bench::page::between;
use sidegate_tests::places;

use super::run::results::Results;

/// Writes all of it.
pub(crate) fn write(results: &Results) -> Result<(), String> {
    let root = places::root();
    plots::write(results, &Results::folder())?;
    between(&root.join("docs/performance.md"), "bench", &markdown::tables(results))?;
    between(&root.join("README.md"), "bench", &markdown::lines(results))?;
    print!("{}", goals::table(results).text());
    println!("bench: written to bench/results, docs/performance.md and README.md");
    Ok(())
}

/// A row of a section by its name.
fn row<'a>(results: &'a Results, section: &str, name: &str) -> Option<&'a Value> {
    rows(results, section).find(|row| row["name"] == name)
}

fn rows<'a>(results: &'a Results, section: &str) -> impl Iterator<Item = &'a Value> {
    results.sections.get(section).and_then(|section| section["rows"].as_array()).into_iter().flatten()
}

fn median(value: &Value) -> Option<f64> {
    value["median"].as_f64()
}
