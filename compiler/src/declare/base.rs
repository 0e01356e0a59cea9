//! `mesh.yaml`: what holds for every service, declared or not.

use std::sync::Arc;

use super::beside::Beside;
use super::fields::{Checker, Text};
use super::model::Rule;
use super::parse::API_VERSION;
use super::source::{Place, Source};
use super::yaml::Node;
use super::{words, yaml};
use crate::diagnostics::Diagnostic;

/// The kind of `mesh.yaml`.
const KIND: &str = "MeshPolicy";

/// The mesh-wide base. Nothing that a service's own files say takes its denies back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// Path of the file, as a person would write it; empty where there is none.
    pub file: String,
    /// The team that answers for it.
    pub owner: Option<String>,
    /// Where the file says so.
    pub owner_place: Place,
    /// Who may call nothing, whatever a declaration allows.
    pub deny: Vec<Rule>,
    /// Services whose Rego may allow more than their declaration does.
    pub widen: Vec<Widen>,
    /// The Rego in the folder `mesh`, if there is any.
    pub rego: Option<Beside>,
    /// The text of the file, for messages.
    pub(crate) source: Option<Arc<Source>>,
}

/// One service, or all of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Widen {
    /// Where it stands.
    pub place: Place,
    /// Namespace.
    pub namespace: String,
    /// Service; `None` is `*`.
    pub name: Option<String>,
}

impl Widen {
    /// Whether a service is meant.
    pub fn covers(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name.as_deref().is_none_or(|own| own == name)
    }
}

impl Base {
    /// Reads the file. Also gives back other names of the trust domain.
    pub(crate) fn read(source: &Source) -> Result<(Self, Vec<String>), Vec<Diagnostic>> {
        let document = yaml::read(source).map_err(|finding| vec![finding])?;
        let mut check = Checker::new(source);
        let read = check.base(document);
        match read {
            Some((mut base, aliases)) if check.findings.is_empty() => {
                base.file.clone_from(&source.file);
                base.source = Some(Arc::new(source.clone()));
                Ok((base, aliases))
            }
            _ => Err(check.findings),
        }
    }
}

impl Checker<'_> {
    fn base(&mut self, node: Node) -> Option<(Base, Vec<String>)> {
        let mut fields = self.fields(node, &["apiVersion", "kind", "spec"], "`mesh.yaml`")?;
        self.constant(&mut fields, "apiVersion", API_VERSION);
        self.constant(&mut fields, "kind", KIND);
        let spec = self.required(&mut fields, "spec", "a map")?;
        let mut spec = self.fields(spec, &["owner", "trustDomainAliases", "deny", "rego"], "`spec`")?;
        if spec.is_empty() {
            let help = "write what is meant, or remove the file";
            self.wrong_so::<()>(spec.place, "declare_mesh", "expected at least one key in `spec`", help);
        }
        let owner = spec.take("owner").and_then(|node| self.text(node, "`owner`"));
        let owner = owner.and_then(|text| self.owner(text));
        let aliases = spec.take("trustDomainAliases");
        let aliases = aliases.map(|node| self.names(node, "trust domains", words::subdomain));
        let deny = self.rules(spec.take("deny"), false);
        let widen = spec.take("rego").map(|node| self.widening(node)).unwrap_or_default();
        let (owner_place, owner) = match owner {
            Some(Text { place, text }) => (place, Some(text)),
            None => (Place::default(), None),
        };
        Some((Base { owner, owner_place, deny, widen, ..Base::default() }, aliases.unwrap_or_default()))
    }

    fn widening(&mut self, node: Node) -> Vec<Widen> {
        let Some(mut fields) = self.fields(node, &["widen"], "`rego`") else { return Vec::new() };
        let Some(node) = self.required(&mut fields, "widen", "services whose Rego may allow more") else {
            return Vec::new();
        };
        let texts = self.texts(node, "services").unwrap_or_default();
        self.each(texts, |check, text| {
            let place = text.place;
            let (namespace, name) = check.word(text, words::services)?;
            Some(Widen { place, namespace, name })
        })
    }
}
