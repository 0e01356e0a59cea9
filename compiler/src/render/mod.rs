//! Configuration that brings the filter to proxies: resources for Istio, and for a stand-alone Envoy.
//!
//! One file of values says what is wanted. The plugin's own part is taken from the configuration that is shipped and
//! tested, the filter's configuration is read as the filter reads it, and what does not go together is refused: of much of
//! it Istio says nothing, and a filter that is not there lets everything pass.

mod bundles;
mod check;
mod config;
mod envoyfilter;
mod extension;
mod guard;
mod plugin;
mod standalone;
mod tree;
mod values;
mod yaml;

use self::tree::{Tree, map};
use self::values::{Select, Values};
use crate::declare::yaml::read;
use crate::declare::{Checker, Source};
use crate::diagnostics::{Diagnostic, Diagnostics};

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An EnvoyFilter.
    EnvoyFilter,
    /// A WasmPlugin.
    WasmPlugin,
    /// A TrafficExtension.
    TrafficExtension,
    /// What serves bundles, or makes known who does.
    Bundles,
    /// A configuration for a stand-alone Envoy.
    Envoy,
}

/// A file that was given besides.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// What is in it.
    pub bytes: &'a [u8],
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What is to be made.
    pub kind: Kind,
    /// The name of the file of values, for messages.
    pub file: &'a str,
    /// What is in it.
    pub text: &'a str,
    /// The built filter, whose hash is wanted.
    pub wasm: Option<Given<'a>>,
    /// A bundle for the configuration.
    pub bundle: Option<Given<'a>>,
}

/// What was made.
#[derive(Debug)]
pub struct Rendered {
    objects: Vec<Tree>,
    is_kubernetes: bool,
    /// What is seldom meant.
    pub warnings: Vec<Diagnostic>,
}

impl Kind {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::EnvoyFilter => "EnvoyFilter",
            Self::WasmPlugin => "WasmPlugin",
            Self::TrafficExtension => "TrafficExtension",
            Self::Bundles => "server of bundles",
            Self::Envoy => "stand-alone Envoy",
        }
    }
}

impl Rendered {
    /// As YAML, a comment before it.
    pub fn yaml(&self, comment: &str) -> String {
        let documents: Vec<String> = self.objects.iter().map(yaml::write).collect();
        format!("# {comment}\n{}", documents.join("---\n"))
    }

    /// As one document of JSON; several resources as a list that kubectl takes.
    pub fn json(&self) -> String {
        let text = match &self.objects[..] {
            [one] => one.json(),
            all if self.is_kubernetes => {
                let items = Tree::List(all.to_vec());
                map([("apiVersion", "v1".into()), ("kind", "List".into()), ("items", items)]).json()
            }
            all => Tree::List(all.to_vec()).json(),
        };
        format!("{text}\n")
    }
}

/// Makes what is asked for.
///
/// # Errors
/// Everything that is wrong with the values, or does not go together.
pub fn render(asked: &Asked<'_>) -> Result<Rendered, Diagnostics> {
    let source = Source::new(asked.file, asked.text);
    let node = read(&source).map_err(|finding| Diagnostics::from(of_values(finding)))?;
    let mut check = Checker::new(&source);
    let values = values::read(&mut check, node);
    let made = values.and_then(|values| make(&mut check, asked, values));
    match made {
        Some(made) if check.findings.is_empty() => Ok(made),
        _ => Err(Diagnostics::new(check.findings.into_iter().map(of_values).collect())),
    }
}

fn make(check: &mut Checker<'_>, asked: &Asked<'_>, mut values: Values) -> Option<Rendered> {
    let Asked { kind, wasm, bundle, .. } = *asked;
    config::hash(check, &mut values, kind, wasm)?;
    check::check(check, kind, &values);
    if kind == Kind::Bundles {
        let Some(bundles) = &values.bundles else {
            return check.wrong(
                values.config.place,
                "values_missing_key",
                "expected `bundles`, got no such key",
            );
        };
        let objects = bundles::render(&values, &bundles.value);
        return Some(Rendered { objects, is_kubernetes: true, warnings: Vec::new() });
    }
    let ready = config::prepare(check, &values, kind, bundle)?;
    if !check.findings.is_empty() {
        return None;
    }
    let objects = match kind {
        Kind::EnvoyFilter => envoyfilter::render(&values, &ready),
        Kind::WasmPlugin | Kind::TrafficExtension | Kind::Bundles => extension::render(kind, &values, &ready),
        Kind::Envoy => {
            let (standalone, module) = (values.standalone.as_ref()?, values.module.as_ref()?);
            standalone::render(&values, standalone, module, &ready).map(|envoy| vec![envoy])
        }
    };
    let objects = objects.map_err(|finding| check.findings.push(finding)).ok()?;
    let mut warnings = ready.warnings;
    if kind != Kind::Envoy {
        warnings.extend(objects.iter().filter_map(|object| config::size(check, &values, object)));
    }
    Some(Rendered { objects, is_kubernetes: kind != Kind::Envoy, warnings })
}

/// Findings of the reader that values share with declarations.
fn of_values(finding: Diagnostic) -> Diagnostic {
    let (code, message, help) = match finding.code {
        "declare_empty" => ("values_empty", Some("expected values, got an empty file"), Some(None)),
        "declare_documents" => ("values_documents", None, Some(None)),
        "declare_yaml" => ("values_yaml", None, None),
        "declare_yaml_feature" => ("values_yaml_feature", None, None),
        "declare_size" => ("values_size", None, None),
        "declare_key" => ("values_key", None, None),
        "declare_duplicate_key" => ("values_duplicate_key", None, None),
        "declare_unknown_key" => ("values_unknown_key", None, None),
        "declare_kind" => ("values_kind", None, None),
        "declare_text" => ("values_text", None, None),
        "declare_port" => ("values_port", None, None),
        "declare_empty_list" => ("values_empty_list", None, None),
        code => (code, None, None),
    };
    Diagnostic {
        code,
        message: message.map_or(finding.message, str::to_owned),
        help: help.unwrap_or(finding.help),
        ..finding
    }
}

/// `metadata` of a resource.
fn metadata(name: &str, namespace: &str) -> Tree {
    map([("name", name.into()), ("namespace", namespace.into())])
}

/// Which proxies a resource is for, with the keys of an EnvoyFilter.
fn selection(values: &Values) -> Vec<(String, Tree)> {
    match &values.select {
        Select::All => Vec::new(),
        Select::Labels(labels) => {
            let labels =
                labels.value.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
            vec![("workloadSelector".to_owned(), map([("labels", Tree::Map(labels))]))]
        }
        Select::Targets(targets) => {
            let target = |target: &values::Target| {
                map([
                    ("group", target.group.into()),
                    ("kind", target.kind.into()),
                    ("name", target.name.as_str().into()),
                ])
            };
            vec![("targetRefs".to_owned(), Tree::List(targets.value.iter().map(target).collect()))]
        }
    }
}
