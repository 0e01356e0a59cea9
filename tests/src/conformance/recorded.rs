//! What a real OPA answers in the mode of its Envoy plugin, where that is not what the case says.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::case::Case;
use super::compare::same_solutions;
use super::exclusions::Exclusions;

/// Answers by id of the case.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// The version of OPA that answered.
    pub opa: String,
    /// The answers.
    pub answers: BTreeMap<String, Answer>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The solutions, as an array of objects.
    Value(Value),
    /// An error, of evaluation or of the build.
    Error {
        /// OPA's code.
        code: String,
        /// OPA's message.
        message: String,
    },
}

impl Recorded {
    /// Reads the answers.
    ///
    /// # Errors
    /// They cannot be read or are not well-formed.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text =
            std::fs::read_to_string(path).map_err(|e| format!("could not read {}: {e}", path.display()))?;
        serde_json::from_str(&text)
            .map_err(|e| format!("expected recorded answers in {}: {e}", path.display()))
    }

    /// What is worth keeping of the answers to all questions: those to cases written for strict errors, and
    /// those that differ from the case though it is not. The ids of the latter come beside it.
    ///
    /// # Errors
    /// A case was not answered.
    pub fn kept(self, cases: &[Case], exclusions: &Exclusions) -> Result<(Self, Vec<String>), String> {
        let Self { opa, mut answers } = self;
        let mut kept = BTreeMap::new();
        let mut differ = Vec::new();
        for case in cases.iter().filter(|case| exclusions.reason(case).is_none()) {
            let answer =
                answers.remove(&case.id).ok_or_else(|| format!("expected an answer to {}", case.id))?;
            let differs = !case.strict_error && !answer.is_what(case);
            if differs {
                differ.push(case.id.clone());
            }
            if differs || case.strict_error {
                kept.insert(case.id.clone(), answer);
            }
        }
        Ok((Self { opa, answers: kept }, differ))
    }
}

impl Answer {
    fn is_what(&self, case: &Case) -> bool {
        match self {
            Self::Error { code, .. } => {
                case.wants_error() && case.want_error_code.as_ref().is_none_or(|wanted| wanted == code)
            }
            Self::Value(Value::Array(got)) => case.solutions().is_some_and(|want| {
                // Compared as sets, each of JSON values.
                let got: Vec<_> = got.iter().cloned().map(sidegate_engine::Value::from).collect();
                same_solutions(&got.iter().collect::<Vec<_>>(), &want, case.sort_bindings)
            }),
            Self::Value(_) => false,
        }
    }
}
