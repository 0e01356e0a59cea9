//! All declarations of a folder, and `mesh.yaml`, which speaks of all of them.

use std::collections::BTreeMap;

use regorus::Value;

use super::base::Base;
use super::document::{BaseDocument, Document};
use super::model::ServicePolicy;
use super::source::Source;
use super::{library, parse, words};
use crate::diagnostics::Diagnostic;

/// Every service that a folder declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mesh {
    /// The services, by namespace and name.
    pub services: Vec<ServicePolicy>,
    /// Other names of the mesh's own trust domain.
    pub trust_domain_aliases: Vec<String>,
    /// What holds for every service.
    pub base: Base,
}

/// A file of declarations, not yet read.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) kind: FileKind,
    pub(crate) source: Source,
}

/// What a file speaks of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    /// The service that its path names.
    Service { namespace: String, name: String },
    /// All services: `mesh.yaml`.
    Mesh,
}

impl FileKind {
    /// What a path inside the folder means; an error where it looks like a declaration and is none.
    pub(crate) fn of(path: &[String]) -> Option<Result<Self, String>> {
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let name = parts.last()?;
        if parts.as_slice() == ["mesh.yaml"] {
            return Some(Ok(Self::Mesh));
        }
        let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        if parts.first() != Some(&"services") || !is_yaml || matches!(*name, "data.yaml" | "data.yml") {
            return None;
        }
        let expected = "expected declarations at `services/<namespace>/<service>.yaml`";
        let [_, namespace, file] = parts.as_slice() else { return Some(Err(expected.to_owned())) };
        let Some(name) = file.strip_suffix(".yaml") else {
            return Some(Err(format!("{expected}, got a name that ends in `.yml`")));
        };
        for (what, name) in [("namespace", namespace), ("service", &name)] {
            if let Err(reason) = words::label(name) {
                return Some(Err(format!("{expected}; the {what} `{name}`: {reason}")));
            }
        }
        Some(Ok(Self::Service { namespace: (*namespace).to_owned(), name: name.to_owned() }))
    }
}

impl FileKind {
    /// The path inside the folder.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Service { namespace, name } => format!("services/{namespace}/{name}.yaml"),
            Self::Mesh => "mesh.yaml".to_owned(),
        }
    }
}

impl Mesh {
    /// Reads the files of a folder.
    pub(crate) fn read(files: &[File]) -> Result<Self, Vec<Diagnostic>> {
        let mut mesh = Self::default();
        let mut findings = Vec::new();
        for File { kind, source } in files {
            let read = match kind {
                FileKind::Service { namespace, name } => {
                    parse::parse(source, namespace, name).map(|policy| mesh.services.push(policy))
                }
                FileKind::Mesh => Base::read(source).map(|(base, aliases)| {
                    (mesh.base, mesh.trust_domain_aliases) = (base, aliases);
                }),
            };
            findings.extend(read.err().into_iter().flatten());
        }
        mesh.services.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        findings.extend(mesh.workloads().err().into_iter().flatten());
        if findings.is_empty() { Ok(mesh) } else { Err(findings) }
    }

    /// Reads one declaration: `text` of the file `file`, for the service of its path.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read_one(
        file: &str,
        text: &str,
        namespace: &str,
        name: &str,
    ) -> Result<ServicePolicy, Vec<Diagnostic>> {
        for part in [namespace, name] {
            if let Err(reason) = words::label(part) {
                return Err(vec![Diagnostic::file(file, "declare_path", format!("`{part}`: {reason}"))]);
            }
        }
        parse::parse(&Source::new(file, text), namespace, name)
    }

    /// The service of this name, or the one that has a workload of this name.
    pub fn find(&self, namespace: &str, name: &str) -> Option<&ServicePolicy> {
        let mut own = self.services.iter().filter(|service| service.namespace == namespace);
        let named = own.clone().find(|service| service.name == name);
        named.or_else(|| own.find(|service| service.workloads.iter().any(|workload| workload == name)))
    }

    /// The service of every workload, by namespace.
    fn workloads(&self) -> Result<BTreeMap<&str, BTreeMap<&str, &str>>, Vec<Diagnostic>> {
        let mut workloads: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        let mut findings = Vec::new();
        for service in &self.services {
            let own = workloads.entry(&service.namespace).or_default();
            for workload in &service.workloads {
                if let Some(before) = own.insert(workload, &service.name) {
                    let message = format!(
                        "expected each workload in one declaration, got `{workload}` in `{before}` and `{}`",
                        service.name
                    );
                    let finding = Diagnostic::file(&service.file, "declare_workload", message);
                    findings.push(finding.help("say in `spec.workloads` which service is which"));
                }
            }
        }
        if findings.is_empty() { Ok(workloads) } else { Err(findings) }
    }

    /// `data.sidegate`: what the library decides by.
    ///
    /// # Errors
    /// Two services that claim one workload.
    pub fn data(&self) -> Result<Value, Vec<Diagnostic>> {
        let mut services: BTreeMap<&str, BTreeMap<&str, Document>> = BTreeMap::new();
        for service in &self.services {
            services.entry(&service.namespace).or_default().insert(&service.name, self.document(service));
        }
        let aliases: BTreeMap<&str, bool> =
            self.trust_domain_aliases.iter().map(|domain| (domain.as_str(), true)).collect();
        let mut data = serde_json::json!({
            "services": services,
            "workloads": self.workloads()?,
            "trust_domain_aliases": aliases,
        });
        if let (Some(base), Some(fields)) = (BaseDocument::new(&self.base), data.as_object_mut()) {
            fields.insert("base".to_owned(), serde_json::json!(base));
        }
        Ok(Value::from(data))
    }

    fn document(&self, service: &ServicePolicy) -> Document {
        Document::new(service, self.may_widen(service))
    }

    /// Whether what the service's Rego allows is allowed, though the declaration does not say so.
    pub fn may_widen(&self, service: &ServicePolicy) -> bool {
        self.base.widen.iter().any(|widen| widen.covers(&service.namespace, &service.name))
    }

    /// What is no error, but is seldom meant: each with a code that a comment can take back.
    pub fn review(&self) -> Vec<Diagnostic> {
        super::review::review(self)
    }

    /// The Rego files that these declarations need, by their paths in a bundle.
    pub fn modules(&self) -> Vec<(String, String)> {
        library::modules(&library::Asked { services: self.services.iter().collect(), base: &self.base })
    }
}
