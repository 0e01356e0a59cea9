//! Results as JUnit XML, in the form that GitLab, Jenkins and GitHub's reporters read: a suite for each
//! package, a test case for each test or each case of it.

use std::collections::BTreeMap;
use std::fmt::Write;

use sidegate_compiler::testing::{Outcome, TestReport, TestResult};

use super::text::{details, word};

/// One `<testcase>`.
struct Entry<'a> {
    test: &'a TestResult,
    name: String,
    outcome: Outcome,
    /// Keys of the case.
    case: Vec<&'a str>,
    /// Whether what `print` gave belongs here: to the test, or to the first of its cases.
    first: bool,
}

/// The whole document.
pub(super) fn xml(report: &TestReport) -> String {
    let mut suites: BTreeMap<&str, Vec<Entry<'_>>> = BTreeMap::new();
    for test in &report.tests {
        suites.entry(&test.package).or_default().extend(entries(test));
    }
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let all: Vec<&Entry<'_>> = suites.values().flatten().collect();
    let time = report.tests.iter().map(|test| test.duration_ns).sum();
    let _ = writeln!(xml, "<testsuites name=\"sidegate test\"{} time=\"{}\">", counts(&all), seconds(time));
    for (package, entries) in &suites {
        let refs: Vec<&Entry<'_>> = entries.iter().collect();
        let time =
            report.tests.iter().filter(|test| test.package == *package).map(|test| test.duration_ns).sum();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\"{} skipped=\"{}\" time=\"{}\">",
            escaped(package),
            counts(&refs),
            number(&refs, &[Outcome::Skipped]),
            seconds(time)
        );
        entries.iter().for_each(|entry| case(entry, &mut xml));
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn entries(test: &TestResult) -> Vec<Entry<'_>> {
    let leaves = test.leaves();
    if leaves.is_empty() || !matches!(test.outcome, Outcome::Pass | Outcome::Fail) {
        return vec![Entry {
            test,
            name: test.name.clone(),
            outcome: test.outcome,
            case: Vec::new(),
            first: true,
        }];
    }
    let named = leaves.into_iter().enumerate();
    named
        .map(|(at, (keys, case))| Entry {
            test,
            name: format!("{}/{}", test.name, keys.join("/")),
            outcome: if case.failed { Outcome::Fail } else { Outcome::Pass },
            case: keys,
            first: at == 0,
        })
        .collect()
}

fn case(entry: &Entry<'_>, xml: &mut String) {
    let Entry { test, name, outcome, case, first } = entry;
    let time = if *first { test.duration_ns } else { 0 };
    let _ = write!(
        xml,
        "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\" time=\"{}\"",
        escaped(&test.package),
        escaped(name),
        escaped(&test.file),
        test.line,
        seconds(time)
    );
    let output = (*first && !test.printed.is_empty()).then(|| test.printed.join("\n"));
    if *outcome == Outcome::Pass && output.is_none() {
        xml.push_str("/>\n");
        return;
    }
    xml.push_str(">\n");
    let place = format!("{}:{}", test.file, test.line);
    let lines = details(test, case);
    let message = lines.first().map_or_else(|| word(*outcome).to_owned(), Clone::clone);
    let whole = std::iter::once(place).chain(lines).chain([String::new(), test.source.clone()]);
    let whole = whole.collect::<Vec<_>>().join("\n");
    match outcome {
        Outcome::Pass => {}
        Outcome::Skipped => xml.push_str("      <skipped/>\n"),
        Outcome::Error => element("error", &message, *outcome, &whole, xml),
        Outcome::Fail | Outcome::Differs => element("failure", &message, *outcome, &whole, xml),
    }
    if let Some(output) = output {
        let _ = writeln!(xml, "      <system-out>{}</system-out>", text(&output));
    }
    xml.push_str("    </testcase>\n");
}

fn element(name: &str, message: &str, outcome: Outcome, body: &str, xml: &mut String) {
    let kind = word(outcome).to_lowercase();
    let (message, body) = (escaped(message), text(body));
    let _ = writeln!(xml, "      <{name} type=\"{kind}\" message=\"{message}\">{body}</{name}>");
}

fn counts(entries: &[&Entry<'_>]) -> String {
    format!(
        " tests=\"{}\" failures=\"{}\" errors=\"{}\"",
        entries.len(),
        number(entries, &[Outcome::Fail, Outcome::Differs]),
        number(entries, &[Outcome::Error])
    )
}

fn number(entries: &[&Entry<'_>], outcomes: &[Outcome]) -> usize {
    entries.iter().filter(|entry| outcomes.contains(&entry.outcome)).count()
}

fn seconds(ns: u64) -> String {
    let micros = ns / 1000;
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Text of an attribute.
fn escaped(value: &str) -> String {
    text(value).replace('\n', "&#10;").replace('\t', "&#9;")
}

/// Text of an element. Characters that XML 1.0 cannot hold become U+FFFD.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_for_attributes_and_elements() {
        assert_eq!(escaped("a<b & \"c\"\n\u{1}é"), "a&lt;b &amp; &quot;c&quot;&#10;\u{fffd}é");
        assert_eq!(seconds(1_234_567_890), "1.234567");
    }
}
