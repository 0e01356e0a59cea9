//! What became of every policy.

use std::collections::BTreeMap;

use serde::Serialize;

use super::policy::Policy;

/// What an import made.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Imported {
    /// Services that policies are about.
    pub services: Vec<Service>,
    /// Policies that are about no service.
    pub policies: Vec<Item>,
    /// What is odd about manifests.
    pub odd: Vec<String>,
    /// Manifests that were not looked at, by kind.
    pub others: BTreeMap<String, usize>,
}

/// What became of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Whether there is a declaration.
    #[serde(flatten)]
    pub status: Status,
    /// Every rule of every policy that is about it.
    pub items: Vec<Item>,
}

/// Whether a service has a declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// It has.
    Written {
        /// Path of the file, from the folder.
        file: String,
        /// The file.
        #[serde(skip)]
        text: String,
        /// How many rules.
        rules: usize,
    },
    /// It has none.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What became of a policy, or of one of its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The file that the policy stands in.
    pub file: String,
    /// `namespace/name`.
    pub policy: String,
    /// Which rule, counted from 1; the whole policy where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// What became of it.
    pub kind: ItemKind,
    /// Why, or what is to be said of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// In what less is let in than by Istio.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub narrowed: Vec<String>,
}

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// The declaration says it.
    Carried,
    /// It is not in the declaration.
    Refused,
    /// There is nothing to carry over.
    Left,
}

impl Item {
    pub(super) fn of_policy(policy: &Policy, kind: ItemKind, reason: &str) -> Self {
        Self {
            file: policy.file.clone(),
            policy: policy.title(),
            rule: None,
            kind,
            reason: reason.to_owned(),
            narrowed: Vec::new(),
        }
    }
}

impl Imported {
    /// Whether everything was carried over.
    pub fn is_whole(&self) -> bool {
        let is_refused = |item: &Item| item.kind == ItemKind::Refused;
        let is_bad = |service: &Service| {
            matches!(service.status, Status::Refused { .. }) || service.items.iter().any(is_refused)
        };
        !self.services.iter().any(is_bad) && !self.policies.iter().any(is_refused)
    }
}
