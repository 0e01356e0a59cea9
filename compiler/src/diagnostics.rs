//! What is wrong with a source, where, and what to do.

use std::fmt;

use regorus::unstable::Span;
use serde::Serialize;

/// One finding. Lines and columns count from 1; 0 where the finding is about a whole file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Diagnostic {
    /// Path of the file, as given.
    pub file: String,
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
    /// Stable name of the kind of finding.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The line of the source.
    pub source: String,
}

impl Diagnostic {
    /// A finding about a whole file.
    pub fn file(file: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            code,
            message: message.into(),
            help: None,
            source: String::new(),
        }
    }

    /// A finding at a place in a Rego file.
    pub(crate) fn at(span: &Span, code: &'static str, message: impl Into<String>) -> Self {
        let (line, column) = place(span);
        Self {
            file: span.source.file().clone(),
            line,
            column,
            code,
            message: message.into(),
            help: None,
            source: span.source.line(line.saturating_sub(1)).to_owned(),
        }
    }

    /// A construct that is not planned.
    pub(crate) fn unsupported(span: &Span, what: &str, instead: &str) -> Self {
        Self::at(span, "rego_unsupported", format!("{what} cannot be compiled yet")).help(instead)
    }

    /// The same finding with advice.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The finding in a parser's error, which is text: `--> file:line:col … error: message`.
    pub(crate) fn parse(file: &str, error: &str) -> Self {
        let place = error.lines().find_map(|line| line.trim().strip_prefix("--> "));
        let message = error
            .lines()
            .rev()
            .find_map(|line| line.trim().strip_prefix("error: "))
            .unwrap_or_else(|| error.trim());
        let mut numbers = place.into_iter().flat_map(|place| place.rsplit(':'));
        let column = numbers.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let line = numbers.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let prefix = format!("{line} |");
        let source = error.lines().find_map(|text| text.trim_start().strip_prefix(&prefix)).unwrap_or("");
        let source = source.strip_prefix(' ').unwrap_or(source).trim_end().to_owned();
        let column = characters(&source, column);
        Self { line, column, source, ..Self::file(file, "rego_parse", message) }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, code, message, help, source } = self;
        if *line == 0 {
            write!(f, "{file}: {message} [{code}]")?;
        } else {
            write!(f, "{file}:{line}:{column}: {message} [{code}]")?;
            let number = line.to_string();
            let (source, indent) = untabbed(source, *column);
            write!(f, "\n {number} | {source}\n {:1$} | {2:3$}^", "", number.len(), "", indent)?;
        }
        if let Some(help) = help {
            write!(f, "\n   help: {help}")?;
        }
        Ok(())
    }
}

/// Line and column of the first character. The parser's own column is that of a reference's last part
/// and counts a tab as four.
pub(crate) fn place(span: &Span) -> (u32, u32) {
    let start = usize::try_from(span.start).unwrap_or(usize::MAX);
    let Some(before) = span.source.contents().get(..start) else { return (span.line, span.col) };
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count());
    (count(before.matches('\n').count()), count(column))
}

/// The column in characters for one in which a tab counts as four.
fn characters(source: &str, column: u32) -> u32 {
    let mut at = 1;
    let mut width = 1;
    for c in source.chars() {
        if width >= column {
            return at;
        }
        width = width.saturating_add(if c == '\t' { 4 } else { 1 });
        at = at.saturating_add(1);
    }
    column.saturating_sub(width).saturating_add(at)
}

/// The line with tabs as four spaces, and how far in the column is then.
fn untabbed(source: &str, column: u32) -> (String, usize) {
    let before = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
    let indent = source.chars().take(before).map(|c| if c == '\t' { 4 } else { 1 }).sum();
    (source.replace('\t', "    "), indent)
}

/// Everything that was found; never empty as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// In the order of files and lines, each once.
    pub fn new(mut findings: Vec<Diagnostic>) -> Self {
        findings.sort();
        findings.dedup();
        Self(findings)
    }

    /// The findings.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(finding: Diagnostic) -> Self {
        Self(vec![finding])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, finding) in self.0.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_error_keeps_its_place() {
        let error = "\n--> p.rego:3:5\n  |\n3 | \tx := \n  |     ^\nerror: expecting expression";
        let finding = Diagnostic::parse("p.rego", error);
        assert_eq!((finding.line, finding.column), (3, 2));
        assert_eq!(finding.message, "expecting expression");
        assert_eq!(finding.source, "\tx :=");
    }
}
