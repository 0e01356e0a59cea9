//! How every verb answers.

use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;
use sidegate_compiler::Diagnostics;

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// What a verb found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Exit code 0.
    Yes,
    /// Exit code 1.
    No,
}

/// Why a verb has no answer, or an answer that is an error.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The sources have findings: exit code 1.
    Findings(Diagnostics),
    /// The policies are refused for another reason: exit code 1.
    Refused(String),
    /// Could not answer: exit code 2.
    Other(String),
    /// Nobody reads the output any more.
    Pipe,
}

impl Failure {
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self::Other(message.into())
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Findings(found) if !found.iter().any(|finding| finding.code.starts_with("source_")) => 1,
            Self::Refused(_) => 1,
            Self::Findings(_) | Self::Other(_) => 2,
            Self::Pipe => 0,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Findings(found) => {
                let count = found.iter().count();
                write!(f, "{count} finding{}\n{found}", if count == 1 { "" } else { "s" })
            }
            Self::Refused(message) | Self::Other(message) => f.write_str(message),
            Self::Pipe => f.write_str("output closed"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Pipe,
            _ => Self::Other(format!("expected to write the output: {error}")),
        }
    }
}

/// Prints one JSON document.
pub(crate) fn json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::other(error.to_string()))?;
    writeln!(out, "{text}")?;
    Ok(())
}

/// Reads a file, or says which one could not be read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::other(format!("expected a readable file at `{}`: {error}", path.display())))
}
