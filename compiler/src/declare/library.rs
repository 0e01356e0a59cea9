//! The Rego library that decides by declarations, and which of its files a mesh needs: what is not needed
//! must not be there, for a policy reads of a request what any of its rules may ask for.

use super::model::{Rule, ServicePolicy, Target, Test};

/// Where the files are in a bundle.
pub(crate) const FOLDER: &str = "sidegate-lib";

macro_rules! files {
    ($($name:ident = $file:literal, $needed:expr;)*) => {
        $(const $name: &str = include_str!(concat!("../../../policies/lib/sidegate/", $file));)*
        /// Every file: its name, its text, and whether a declaration needs it.
        const FILES: &[(&str, &str, fn(&ServicePolicy) -> bool)] = &[$(($file, $name, $needed)),*];
    };
}

files! {
    AUTHZ = "authz.rego", |_| true;
    CALLERS = "callers.rego", |_| true;
    CHANGES = "changes.rego", |policy| !policy.headers.is_empty();
    CLAIMS = "claims.rego", |policy| tests(policy, |test| matches!(test, Test::Claim(..)));
    HEADERS = "headers.rego", |policy| tests(policy, |test| matches!(test, Test::Header(..)));
    HOSTS = "hosts.rego", |_| true;
    NETWORKS = "networks.rego", |policy| tests(policy, |test| matches!(test, Test::Source(..)));
    PATH = "path.rego", |_| true;
    PORTS = "ports.rego", |policy| targets(policy, |target| !target.ports.is_empty());
    WORKLOAD = "workload.rego", |_| true;
}

/// The files that these declarations need, by their paths in a bundle.
pub(crate) fn modules(policies: &[ServicePolicy]) -> Vec<(String, String)> {
    let needed = FILES.iter().filter(|(_, _, is_needed)| policies.iter().any(is_needed));
    needed.map(|(name, text, _)| (format!("{FOLDER}/{name}"), (*text).to_owned())).collect()
}

/// Whether a module is one of the library's own.
pub(crate) fn is_own(path: &str, text: &str) -> bool {
    let file = path.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/'));
    FILES.iter().any(|(name, own, _)| file == Some(name) && *own == text)
}

fn rules(policy: &ServicePolicy) -> impl Iterator<Item = &Rule> {
    policy.allow.iter().chain(&policy.deny)
}

fn tests(policy: &ServicePolicy, is_meant: fn(&Test) -> bool) -> bool {
    rules(policy).flat_map(|rule| &rule.when).any(|condition| is_meant(&condition.test))
}

fn targets(policy: &ServicePolicy, is_meant: fn(&Target) -> bool) -> bool {
    rules(policy).flat_map(|rule| &rule.to).any(is_meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_the_librarys_by_path_and_text() {
        assert!(is_own("sidegate-lib/path.rego", PATH));
        assert!(!is_own("sidegate-lib/path.rego", "package sidegate.authz"));
        assert!(!is_own("other/path.rego", PATH));
        assert!(!is_own("path.rego", PATH));
    }
}
