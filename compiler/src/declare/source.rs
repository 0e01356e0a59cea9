//! The text of a declaration, and places in it.

use serde::{Deserialize, Serialize};

use crate::diagnostics::Diagnostic;

/// A place in a file: line and column, counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl Place {
    /// From a line counted from 1 and a column counted from 0.
    pub(crate) fn new(line: usize, column: usize) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { line: number(line), column: number(column).saturating_add(1) }
    }
}

/// The text of a file, and its name for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) file: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self { file: file.into(), text: text.into() }
    }

    /// A finding at a place of this file.
    pub(crate) fn at(&self, place: Place, code: &'static str, message: impl Into<String>) -> Diagnostic {
        let line = usize::try_from(place.line).unwrap_or(0).saturating_sub(1);
        Diagnostic {
            line: place.line,
            column: place.column,
            source: self.text.lines().nth(line).unwrap_or("").to_owned(),
            ..Diagnostic::file(&self.file, code, message)
        }
    }
}
