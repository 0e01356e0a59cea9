//! Names of stats and codes, as they stand in the sources of filter and engine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sidegate_compiler::stats::{FAMILIES, Family};

use crate::places;

/// Files whose `code()` names errors of requests.
const ERRORS: &[&str] = &["input/error.rs", "decision/error.rs", "eval/mod.rs"];
/// Files whose `code()` names refusals of what was fetched.
const REFUSALS: &[&str] = &["trust/error.rs", "bundle/error.rs", "refresh/error.rs"];

/// The figures that a text (a query) speaks of.
pub fn families_in(text: &str) -> Vec<&'static Family> {
    let is_in = |family: &&Family| {
        let name = family.prometheus();
        text.match_indices(&name).any(|(at, found)| {
            let is_begin = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            let rest = &text[at + found.len()..];
            let rest = rest.strip_prefix("_bucket").unwrap_or(rest);
            is_begin && !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        })
    };
    FAMILIES.iter().filter(is_in).collect()
}

/// Every code that the sources of engine and filter count an error by.
pub fn errors_in_sources() -> BTreeSet<String> {
    let mut codes: BTreeSet<String> = ERRORS.iter().flat_map(|file| code_arms(file)).collect();
    let filter = filter_sources();
    for before in ["Refusal::new(", "Refusal::host(", "count_error(", "code: "] {
        codes.extend(texts_after(&filter, before));
    }
    codes
}

/// Every code that the sources of the engine refuse a bundle or pointer by.
pub fn refusals_in_sources() -> BTreeSet<String> {
    let mut codes: BTreeSet<String> = REFUSALS.iter().flat_map(|file| code_arms(file)).collect();
    let refresh = sources(&places::root().join("engine/src/refresh"));
    codes.extend(texts_after(&refresh, "code: "));
    for form in ["Form::Bundle => (", "Form::Pointer { .. } => ("] {
        codes.extend(texts_after(&refresh, form));
    }
    codes
}

/// Names that the filter's sources define stats by, without `sidegate.`; their beginnings, with a dot at the end, where
/// the last part is not written there.
pub fn gauges_and_counters_in_sources() -> BTreeSet<String> {
    let filter = filter_sources();
    let mut names = BTreeSet::new();
    for before in ["count_named(", "count_many(", "counters.named("] {
        names.extend(filter.split(before).skip(1).filter_map(|rest| {
            let (prefix, rest) = literal(rest)?;
            // Where the next argument is a word, the name is whole.
            let word = rest.trim_start().strip_prefix(',').and_then(literal);
            Some(word.map_or_else(|| prefix.to_owned(), |(word, _)| format!("{prefix}{word}")))
        }));
    }
    for before in ["define_counter(", "define_gauge(", "define_histogram("] {
        let found = texts_after(&filter, before);
        names.extend(found.iter().map(|name| name.trim_start_matches("sidegate.").to_owned()));
    }
    names.extend(texts_after(&filter, "record_gauge(").iter().map(|word| format!("bundle.{word}")));
    names
}

/// A literal that a text begins with, and what is behind it.
fn literal(text: &str) -> Option<(&str, &str)> {
    text.trim_start().strip_prefix('"')?.split_once('"')
}

/// The texts that stand directly behind `before`.
fn texts_after(source: &str, before: &str) -> Vec<String> {
    let behind = source.split(before).skip(1);
    behind
        .filter_map(|rest| Some(rest.trim_start().strip_prefix('"')?.split_once('"')?.0.to_owned()))
        .collect()
}

/// The codes of the `code()` in a file of the engine.
fn code_arms(file: &str) -> Vec<String> {
    let path = places::root().join("engine/src").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, body) = text.split_once("fn code(").expect("a function that names codes");
    let body = body.split_once("\n    }\n").map_or(body, |(body, _)| body);
    let codes = texts_after(body, "=> ");
    assert!(!codes.is_empty(), "{file}");
    codes
}

/// Without what is said of a configuration: that goes into the log alone, for there is nobody yet to count it.
fn filter_sources() -> String {
    let folder = places::root().join("filter/src");
    let configure = fs::read_to_string(folder.join("configure.rs")).expect("a source");
    sources(&folder).replace(&configure, "")
}

/// All sources in a folder.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            text.push_str(&fs::read_to_string(&path).expect("a source"));
        }
    }
    text
}
