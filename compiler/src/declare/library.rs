//! The Rego library that decides by declarations, and which of its files a mesh needs: what is not needed
//! must not be there, for a policy reads of a request what any of its rules may ask for.

use super::base::Base;
use super::model::{Mode, Rule, ServicePolicy, Target, Test};

/// Where the files are in a bundle.
pub(crate) const FOLDER: &str = "sidegate-lib";

macro_rules! files {
    ($($name:ident = $file:literal, $core:expr, $needed:expr, $else:expr;)*) => {
        $(const $name: &str = include_str!(concat!("../../../policies/lib/sidegate/", $file));)*
        const FILES: &[File] = &[$(File { name: $file, text: $name, is_core: $core, is_needed: $needed, or: $else }),*];
    };
}

/// A file of the library.
struct File {
    name: &'static str,
    text: &'static str,
    /// Whether it is always there.
    is_core: bool,
    /// Whether declarations need it.
    is_needed: fn(&Asked<'_>) -> bool,
    /// Functions that the others call and that never hold where nothing needs them.
    or: &'static [&'static str],
}

files! {
    AUTHZ = "authz.rego", true, |_| true, &[];
    BASE = "base.rego", false, |asked| !asked.base.deny.is_empty() || asked.base.rego.is_some(), &[];
    BESIDE = "beside.rego", false, |asked| asked.services.iter().any(|policy| policy.rego.is_some()), &[];
    CALLERS = "callers.rego", true, |_| true, &[];
    CHANGES = "changes.rego", false, |asked| asked.services.iter().any(|policy| !policy.headers.is_empty()), &[];
    CLAIMS = "claims.rego", false, |asked| asked.tests(|test| matches!(test, Test::Claim(..))),
        &["claim_holds", "claim_fails"];
    DENIES = "denies.rego", true, |_| true, &[];
    HEADERS = "headers.rego", false, |asked| asked.tests(|test| matches!(test, Test::Header(..))),
        &["header_holds", "header_fails"];
    HOSTS = "hosts.rego", true, |_| true, &[];
    NETWORKS = "networks.rego", false, |asked| asked.tests(|test| matches!(test, Test::Source(..))),
        &["network_holds", "network_fails"];
    PATH = "path.rego", true, |_| true, &[];
    PORTS = "ports.rego", false, |asked| asked.targets(|target| !target.ports.is_empty()),
        &["port_holds", "port_fails"];
    RULE = "rule.rego", true, |_| true, &[];
    SHADOW = "shadow.rego", false, |asked| asked.services.iter().any(|policy| policy.mode == Mode::Shadow), &[];
    TESTS = "tests.rego", true, |_| true, &[];
    TRANSPORT = "transport.rego", true, |_| true, &[];
    WORKLOAD = "workload.rego", true, |_| true, &[];
}

/// What a bundle is asked about: services, none of them where it is for a workload that is not declared, and what
/// holds for every one.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) services: Vec<&'a ServicePolicy>,
    pub(crate) base: &'a Base,
}

/// The files that these declarations need, by their paths in a bundle.
pub(crate) fn modules(asked: &Asked<'_>) -> Vec<(String, String)> {
    let module = |file: &File| {
        let is_needed = file.is_core || (file.is_needed)(asked);
        let text = if is_needed { Some(file.text.to_owned()) } else { file.stub() };
        text.map(|text| (format!("{FOLDER}/{}", file.name), text))
    };
    FILES.iter().filter_map(module).collect()
}

/// All files, as they stand in this repository.
pub(crate) fn all() -> Vec<(String, String)> {
    FILES.iter().map(|file| (format!("{FOLDER}/{}", file.name), file.text.to_owned())).collect()
}

/// Whether a text is that of one of the files, wherever it stands.
pub(crate) fn is_copy(text: &str) -> bool {
    FILES.iter().any(|file| file.text == text)
}

/// Whether rules of a package could change what declarations mean.
pub(crate) fn is_reserved(package: &[String]) -> bool {
    let own = ["authz", "base", "services", "workloads", "workload", "trust_domain_aliases"];
    match package {
        [root] => root == "sidegate",
        [root, name, ..] => root == "sidegate" && own.contains(&name.as_str()),
        [] => false,
    }
}

/// Whether a module is one of the library's own.
pub(crate) fn is_own(path: &str, text: &str) -> bool {
    let name = path.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/'));
    FILES
        .iter()
        .any(|file| name == Some(file.name) && (file.text == text || file.stub().as_deref() == Some(text)))
}

/// Whether a module is this file of the library, and not what stands in for it.
pub(crate) fn is_whole(path: &str, text: &str, file: &str) -> bool {
    path.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/')) == Some(file)
        && FILES.iter().any(|known| known.name == file && known.text == text)
}

impl File {
    /// What stands in its place where nothing needs it, if the others call any of it.
    fn stub(&self) -> Option<String> {
        let functions: String = self.or.iter().map(|name| format!("\n{name}(_) if false\n")).collect();
        (!functions.is_empty()).then(|| format!("package sidegate.authz\n{functions}"))
    }
}

impl Asked<'_> {
    fn rules(&self) -> impl Iterator<Item = &Rule> {
        let own = self.services.iter().flat_map(|policy| policy.allow.iter().chain(&policy.deny));
        own.chain(&self.base.deny)
    }

    fn tests(&self, is_meant: fn(&Test) -> bool) -> bool {
        self.rules().flat_map(|rule| &rule.when).any(|condition| is_meant(&condition.test))
    }

    fn targets(&self, is_meant: fn(&Target) -> bool) -> bool {
        self.rules().flat_map(|rule| &rule.to).any(is_meant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_decide_are_reserved() {
        let reserved = |path: &str| is_reserved(&path.split('.').map(str::to_owned).collect::<Vec<_>>());
        assert!(reserved("sidegate") && reserved("sidegate.authz") && reserved("sidegate.authz.x"));
        assert!(!reserved("sidegate.authz_test") && !reserved("envoy.authz") && !reserved("sidegatex"));
    }

    #[test]
    fn a_module_is_the_librarys_by_path_and_text() {
        assert!(is_own("sidegate-lib/path.rego", PATH));
        assert!(!is_own("sidegate-lib/path.rego", "package sidegate.authz"));
        assert!(!is_own("other/path.rego", PATH));
        assert!(!is_own("path.rego", PATH));
    }
}
