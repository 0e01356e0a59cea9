//! Which workload a slice is for.

use std::fmt;
use std::str::FromStr;

use regorus::Value;
use serde::{Deserialize, Serialize};
use sidegate_engine::names::{is_label, is_subdomain};

/// A workload by its names in Kubernetes. No other names can be held.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Workload {
    namespace: String,
    name: String,
}

/// Why text names no workload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkloadError {
    /// Not two names.
    #[error("expected a workload as `NAMESPACE/NAME`, got `{0}`")]
    Form(String),
    /// Not a label.
    #[error(
        "expected a namespace of at most 63 of a-z, 0-9 and `-`, with a letter or digit at both ends (DNS-1123), got `{0}`"
    )]
    Namespace(String),
    /// Not a subdomain.
    #[error(
        "expected a workload's name of at most 253 of a-z, 0-9, `-` and `.`, with a letter or digit at both ends of each part (DNS-1123), got `{0}`"
    )]
    Name(String),
}

impl Workload {
    /// The workload of these names.
    pub fn new(namespace: &str, name: &str) -> Result<Self, WorkloadError> {
        if !is_label(namespace) {
            return Err(WorkloadError::Namespace(namespace.to_owned()));
        }
        if !is_subdomain(name) {
            return Err(WorkloadError::Name(name.to_owned()));
        }
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// Its namespace, a DNS-1123 label.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its name, a DNS-1123 subdomain.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What policies read at `data.sidegate.workload`.
    pub(crate) fn document(&self) -> Value {
        let fields = [("namespace", &self.namespace), ("name", &self.name)];
        let fields = fields.map(|(key, value)| (Value::from(key), Value::from(value.as_str())));
        Value::from(std::collections::BTreeMap::from(fields))
    }
}

impl FromStr for Workload {
    type Err = WorkloadError;

    fn from_str(text: &str) -> Result<Self, WorkloadError> {
        let (namespace, name) = text.split_once('/').ok_or_else(|| WorkloadError::Form(text.to_owned()))?;
        Self::new(namespace, name)
    }
}

impl TryFrom<String> for Workload {
    type Error = WorkloadError;

    fn try_from(text: String) -> Result<Self, WorkloadError> {
        text.parse()
    }
}

impl From<Workload> for String {
    fn from(workload: Workload) -> Self {
        workload.to_string()
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubernetes_and_no_paths() {
        for good in ["shop/cart", "a/b", "a-1/x.y-2.z", "0/0"] {
            assert_eq!(good.parse::<Workload>().unwrap().to_string(), good);
        }
        let long = format!("a/{}", "b".repeat(64));
        for bad in [
            "", "/", "a", "a/", "/b", "a/b/c", "../b", "a/..", "a/.", "A/b", "a/-b", "a/b-", "a/b..c",
            "a/b_c", "a.b/c", "a/b\n", "a/b%2f", "a\\b/c", "a/é", &long,
        ] {
            assert!(bad.parse::<Workload>().is_err(), "{bad}");
        }
    }
}
