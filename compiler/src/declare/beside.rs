//! Rego beside declarations: `services/<namespace>/<service>/*.rego` and `mesh/*.rego`. Who owns the folder owns the
//! package of that name, and nobody else does.

use std::collections::BTreeMap;
use std::sync::Arc;

use regorus::Value;
use regorus::unstable::{Expr, Literal, Rule, RuleBody, RuleHead, Span};

use super::mesh::Mesh;
use super::source::{Place, Source};
use crate::build::on_large_stack;
use crate::diagnostics::{Diagnostic, place};
use crate::rego::{Module, constant, flatten, head, plain};
use crate::sources::Sources;

/// The package of the mesh-wide base, and its folder.
pub(super) const MESH: &str = "mesh";
/// Where the packages of services are, and their folders.
pub(super) const SERVICES: &str = "services";

/// Rego that has a say beside a declaration, or beside `mesh.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Its files, as a person would write them.
    pub files: Vec<String>,
    /// Where `allow` is first defined, if it is.
    pub allow: Option<Defined>,
    /// Where `deny` is first defined, if it is.
    pub deny: Option<Defined>,
    /// Rules that allow whatever is asked.
    pub(crate) open: Vec<Defined>,
    /// The texts, for messages.
    pub(crate) sources: Vec<Arc<Source>>,
}

/// Where a rule stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defined {
    /// Path of the file, as a person would write it.
    pub file: String,
    /// The place in it.
    pub place: Place,
}

/// Whose a path is, of a file, a package, or data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Mesh,
    Service(String, String),
    /// Below `services`, but of no service.
    Nobody,
}

impl Owner {
    /// Whose folder a file is in.
    pub(super) fn of_file(path: &str) -> Option<Self> {
        match path.split('/').collect::<Vec<_>>().as_slice() {
            [MESH, _, ..] => Some(Self::Mesh),
            [SERVICES, namespace, name, _, ..] => {
                Some(Self::Service((*namespace).to_owned(), (*name).to_owned()))
            }
            [SERVICES, ..] => Some(Self::Nobody),
            _ => None,
        }
    }

    /// Whose a package is. What is above a package could define it, too.
    fn of_package(package: &[String]) -> Option<Self> {
        match package.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [MESH, ..] => Some(Self::Mesh),
            [SERVICES, namespace, name, ..] => {
                Some(Self::Service((*namespace).to_owned(), (*name).to_owned()))
            }
            [SERVICES, ..] => Some(Self::Nobody),
            _ => None,
        }
    }

    /// The package, as Rego writes it; with `_test` for tests.
    fn package(&self, suffix: &str) -> Vec<String> {
        match self {
            Self::Mesh => vec![format!("{MESH}{suffix}")],
            Self::Service(namespace, name) => {
                vec![SERVICES.to_owned(), namespace.clone(), format!("{name}{suffix}")]
            }
            Self::Nobody => Vec::new(),
        }
    }

    fn shown(&self) -> String {
        self.package("").iter().fold(String::new(), |shown, part| match shown.is_empty() {
            true => part.clone(),
            false
                if part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                    && !part.starts_with(|first: char| first.is_ascii_digit()) =>
            {
                format!("{shown}.{part}")
            }
            false => format!("{shown}[\"{part}\"]"),
        })
    }
}

impl Sources {
    /// Finds the Rego beside the declarations and refuses what stands where it must not.
    pub(crate) fn beside(&self, mesh: &mut Mesh) -> Result<(), Vec<Diagnostic>> {
        let mut findings: Vec<Diagnostic> = Vec::new();
        let mut found: BTreeMap<Owner, Beside> = BTreeMap::new();
        let parsed = on_large_stack(|| {
            for (path, text) in &self.modules {
                let owner = Owner::of_file(path);
                if owner.is_none() && ![SERVICES, MESH].iter().any(|word| text.contains(word)) {
                    continue;
                }
                let file = self.shown(path);
                let version = self.version(path);
                let module = match version.and_then(|version| Module::parse(&file, text, version)) {
                    Ok(module) => module,
                    Err(finding) => {
                        findings.push(finding);
                        continue;
                    }
                };
                if let Some(finding) = misplaced(path, &module, owner.as_ref()) {
                    findings.push(finding);
                } else if let Some(owner) = owner
                    && !is_test(path)
                {
                    let source = Arc::new(Source::new(file, text.clone()));
                    found.entry(owner).or_default().take(&module, source, &mut findings);
                }
            }
            Ok(())
        });
        findings.extend(parsed.err().iter().flat_map(|found| found.iter().cloned()));
        for (owner, beside) in found {
            findings.extend(mesh.attach(&owner, beside).err());
        }
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }
}

fn is_test(path: &str) -> bool {
    path.ends_with("_test.rego")
}

/// Why a module must not be in its package, or not in its folder.
fn misplaced(path: &str, module: &Module, owner: Option<&Owner>) -> Option<Diagnostic> {
    let package = Owner::of_package(&module.package);
    let at = |code, message: String, help: String| {
        Some(Diagnostic::at(&module.ast.package.span, code, message).help(help))
    };
    match owner {
        None => {
            let owner = package?;
            let (message, help) = match &owner {
                Owner::Nobody => (
                    "expected no package here, above those of services".to_owned(),
                    "give the package another name".to_owned(),
                ),
                owner => (
                    format!("expected package `{}` in its own folder alone", owner.shown()),
                    format!(
                        "move the file to `{}/`, or give the package another name",
                        owner.package("").join("/")
                    ),
                ),
            };
            at("declare_package", message, help)
        }
        Some(Owner::Nobody) => at(
            "declare_package",
            "expected Rego in the folder of a service, `services/<namespace>/<service>/`".to_owned(),
            "move the file there, or out of `services/`".to_owned(),
        ),
        Some(owner) => {
            let is_own = module.package == owner.package("");
            let is_own_test =
                is_test(path) && (package.is_none() || module.package == owner.package("_test"));
            if is_own || is_own_test {
                return None;
            }
            let message = format!("expected `package {}`, as the folder says", owner.shown());
            at("declare_package", message, format!("write `package {}`", owner.shown()))
        }
    }
}

impl Mesh {
    /// Gives Rego to the declaration that it stands beside.
    fn attach(&mut self, owner: &Owner, beside: Beside) -> Result<(), Diagnostic> {
        let file = beside.files.first().cloned().unwrap_or_default();
        match owner {
            Owner::Mesh if self.base.source.is_none() => {
                let message = "expected `mesh.yaml` beside the folder `mesh`, got none";
                Err(Diagnostic::file(&file, "declare_rego", message))
            }
            Owner::Mesh => {
                let allow = beside.allow.clone();
                self.base.rego = Some(beside);
                allow.map_or(Ok(()), |allow| {
                    let message = "expected no `allow` in the mesh-wide base, which only denies";
                    let found =
                        self.base.rego.as_ref().and_then(|rego| rego.at(&allow, "declare_rego", message));
                    found.map_or(Ok(()), |finding| {
                        Err(finding.help("write `deny`, or give the rule another name"))
                    })
                })
            }
            Owner::Service(namespace, name) => {
                let mut services = self.services.iter_mut();
                match services.find(|own| own.namespace == *namespace && own.name == *name) {
                    Some(service) => {
                        service.rego = Some(beside);
                        Ok(())
                    }
                    None => {
                        let message =
                            format!("expected a declaration beside this, got none for `{namespace}/{name}`");
                        let help = format!(
                            "write `services/{namespace}/{name}.yaml`, or move the file out of `services/`"
                        );
                        Err(Diagnostic::file(&file, "declare_rego", message).help(help))
                    }
                }
            }
            Owner::Nobody => Ok(()),
        }
    }
}

impl Beside {
    fn take(&mut self, module: &Module, source: Arc<Source>, findings: &mut Vec<Diagnostic>) {
        if !module.entrypoints.is_empty() {
            let message = "expected no entry point here: a declaration is what is asked";
            let finding = Diagnostic::at(&module.ast.package.span, "declare_rego", message);
            findings.push(finding.help("leave `entrypoint: true` out"));
        }
        for rule in &module.ast.policy {
            let Expr::Var { span: name, .. } = flatten(head(rule)).0 else { continue };
            let name = plain(name.text());
            if !matches!(name, "allow" | "deny") {
                continue;
            }
            if is_function(rule) {
                let message = format!("expected `{name}` as a rule, got a function");
                findings.push(Diagnostic::at(rule.span(), "declare_rego", message));
                continue;
            }
            let defined = Defined { file: source.file.clone(), place: Place::of(rule.span()) };
            if name == "allow" && is_open(rule) {
                self.open.push(defined.clone());
            }
            let first = if name == "allow" { &mut self.allow } else { &mut self.deny };
            first.get_or_insert(defined);
        }
        self.files.push(source.file.clone());
        self.sources.push(source);
    }

    /// A finding at a rule.
    pub(crate) fn at(&self, defined: &Defined, code: &'static str, message: &str) -> Option<Diagnostic> {
        let source = self.sources.iter().find(|source| source.file == defined.file)?;
        Some(source.at(defined.place, code, message))
    }
}

impl Place {
    /// Where a span begins.
    fn of(span: &Span) -> Self {
        let (line, column) = place(span);
        Self { line, column }
    }
}

fn is_function(rule: &Rule) -> bool {
    match rule {
        Rule::Default { args, .. } => !args.is_empty(),
        Rule::Spec { head: RuleHead::Func { args, .. }, .. } => !args.is_empty(),
        Rule::Spec { .. } => false,
    }
}

/// Whether a rule is true whatever is asked, as far as it shows.
fn is_open(rule: &Rule) -> bool {
    let is_true = |expr: &Expr| constant(expr) == Some(Value::Bool(true));
    let holds = |body: &RuleBody| {
        body.query
            .stmts
            .iter()
            .all(|stmt| matches!(&stmt.literal, Literal::Expr { expr, .. } if is_true(expr)))
    };
    match rule {
        Rule::Default { value, .. } => is_true(value),
        Rule::Spec { head: RuleHead::Compr { assign, .. }, bodies, .. } => {
            assign.as_ref().is_none_or(|assign| is_true(&assign.value))
                && (bodies.is_empty() || bodies.iter().any(holds))
        }
        Rule::Spec { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_owned_by_folders() {
        let service =
            |namespace: &str, name: &str| Some(Owner::Service(namespace.to_owned(), name.to_owned()));
        for (path, owner) in [
            ("a.rego", None),
            ("mesh.rego", None),
            ("lib/services/a/b/c.rego", None),
            ("mesh/policy.rego", Some(Owner::Mesh)),
            ("mesh/deep/policy.rego", Some(Owner::Mesh)),
            ("services/policy.rego", Some(Owner::Nobody)),
            ("services/pay/policy.rego", Some(Owner::Nobody)),
            ("services/pay/payments/policy.rego", service("pay", "payments")),
            ("services/pay/payments/deep/policy.rego", service("pay", "payments")),
        ] {
            assert_eq!(Owner::of_file(path), owner, "{path}");
        }
        let of = |package: &[&str]| {
            Owner::of_package(&package.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of(&["services"]), Some(Owner::Nobody));
        assert_eq!(of(&["services", "pay"]), Some(Owner::Nobody));
        assert_eq!(of(&["services", "pay", "payments", "deny"]), service("pay", "payments"));
        assert_eq!(of(&["mesh", "x"]), Some(Owner::Mesh));
        assert_eq!(of(&["servicesx"]), None);
        assert_eq!(
            service("a-b", "1c").map(|owner| owner.shown()).as_deref(),
            Some("services[\"a-b\"][\"1c\"]")
        );
    }
}
