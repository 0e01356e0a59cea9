//! Rego that names what the library computes: its bundle needs all of the library, for what is not there is undefined
//! without a word.

use std::collections::BTreeSet;

use super::beside::{Owner, SERVICES};
use super::library;
use super::model::ServicePolicy;
use crate::sources::Sources;

impl Sources {
    /// Which Rego names what the library computes.
    pub(crate) fn library_users(&self) -> LibraryUsers {
        let mut users = LibraryUsers::default();
        for (path, text) in self.modules.iter().filter(|(path, text)| !library::is_own(path, text)) {
            let names = text.matches(SERVICES).count();
            match Owner::of_file(path) {
                Some(owner @ Owner::Service(..)) => {
                    // Once it is in the name of the package.
                    if names > 1 {
                        users.readers.insert(owner.clone());
                    }
                    if names_library(text) {
                        users.services.insert(owner);
                    }
                }
                _ => {
                    users.all_read |= names > 0;
                    users.all |= names_library(text);
                }
            }
        }
        users
    }
}

/// Whose Rego names what the library computes, or may do so by way of other services'.
#[derive(Debug, Default)]
pub(crate) struct LibraryUsers {
    all: bool,
    services: BTreeSet<Owner>,
    all_read: bool,
    readers: BTreeSet<Owner>,
}

impl LibraryUsers {
    /// Whether the bundle of a service's workload has to have all of the library: what is not there would be undefined
    /// without a word.
    pub(crate) fn contain(&self, service: Option<&ServicePolicy>) -> bool {
        let own = service.map(|service| Owner::Service(service.namespace.clone(), service.name.clone()));
        let (is_user, is_reader) = match &own {
            Some(own) => (self.services.contains(own), self.readers.contains(own)),
            None => (false, false),
        };
        self.all || is_user || (self.all_read || is_reader) && !self.services.is_empty()
    }
}

/// Whether a text may name what is below `data.sidegate`. `input.sidegate` is the request's.
pub(crate) fn names_library(text: &str) -> bool {
    text.match_indices("sidegate").any(|(at, word)| {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at.saturating_add(word.len())..).unwrap_or_default();
        !before.ends_with("input.") && !after.starts_with(":ignore")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_the_library_is_seen() {
        for text in ["data.sidegate.authz.claims", "import data.sidegate.authz", "x := data[\"sidegate\"]"] {
            assert!(names_library(text), "{text}");
        }
        for text in ["input.sidegate.source", "# sidegate:ignore declare_open why", "a.b"] {
            assert!(!names_library(text), "{text}");
        }
    }
}
