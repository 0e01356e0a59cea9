//! Parsed modules and what a name means in each.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use regorus::unstable::{self as ast, Expr, Parser, Source};

use super::expand::{expand, plain};
use super::terms::{RefArg, flatten};
use super::{annotations, scan};
use crate::declare::library;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::sources::{RegoVersion, Sources};

/// Longest line that is parsed, in characters.
const MAX_COLUMNS: u32 = 65_536;

/// A parsed file.
pub(crate) struct Module {
    pub(crate) ast: ast::Module,
    /// `["envoy", "authz"]`
    pub(crate) package: Vec<String>,
    /// Paths below `data` that annotations make entry points.
    pub(crate) entrypoints: Vec<Vec<String>>,
    /// Alias → path with its root: `["input", "attributes"]`.
    imports: BTreeMap<String, Vec<String>>,
}

/// What a name that is no local variable stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// A path below `input`.
    Input(Vec<String>),
    /// A path below `data`.
    Data(Vec<String>),
}

/// Every module of a policy.
pub(crate) struct Modules {
    modules: Vec<Arc<Module>>,
    /// Names of the rules of each package.
    rules: BTreeMap<Vec<String>, BTreeSet<String>>,
}

impl Modules {
    /// Parses the sources.
    pub(crate) fn parse(sources: &Sources) -> Result<Self, Diagnostics> {
        let mut modules = Vec::new();
        let mut findings = Vec::new();
        for (name, text) in &sources.modules {
            let version = sources.version(name);
            match version.and_then(|version| Module::parse(&sources.shown(name), text, version)) {
                Ok(module) => {
                    findings.extend(reserved(sources, &module, name, text));
                    modules.push(Arc::new(module));
                }
                Err(finding) => findings.push(finding),
            }
        }
        if findings.is_empty() { Ok(Self::new(modules)) } else { Err(Diagnostics::new(findings)) }
    }

    fn new(modules: Vec<Arc<Module>>) -> Self {
        let mut rules: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
        for module in &modules {
            let names = rules.entry(module.package.clone()).or_default();
            names.extend(module.ast.policy.iter().filter_map(|rule| rule_name(rule)));
        }
        Self { modules, rules }
    }

    /// Those of some packages.
    pub(crate) fn of(&self, packages: &BTreeSet<Vec<String>>) -> Self {
        let modules = self.modules.iter().filter(|module| packages.contains(&module.package));
        Self::new(modules.cloned().collect())
    }

    /// Whether there are rules for the document at this path, such as `system/log/mask`.
    pub(crate) fn defines(&self, path: &str) -> bool {
        path.rsplit_once('/').is_some_and(|(package, name)| {
            let package: Vec<String> = package.split('/').map(str::to_owned).collect();
            self.rules.get(&package).is_some_and(|rules| rules.contains(name))
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Module> {
        self.modules.iter().map(AsRef::as_ref)
    }

    /// What `name` stands for in `module`, where no local variable hides it.
    pub(crate) fn resolve(&self, module: &Module, name: &str) -> Option<Name> {
        let name = plain(name);
        match name {
            "input" => return Some(Name::Input(Vec::new())),
            "data" => return Some(Name::Data(Vec::new())),
            _ => {}
        }
        if let Some((root, path)) = module.imports.get(name).and_then(|path| path.split_first()) {
            let path = path.to_vec();
            return Some(if root == "input" { Name::Input(path) } else { Name::Data(path) });
        }
        let names = self.rules.get(&module.package)?;
        names.contains(name).then(|| {
            let mut path = module.package.clone();
            path.push(name.to_owned());
            Name::Data(path)
        })
    }
}

/// What declarations mean is said by their library alone.
fn reserved(sources: &Sources, module: &Module, name: &str, text: &str) -> Option<Diagnostic> {
    let is_reserved = sources.declared.is_some() && library::is_reserved(&module.package);
    if !is_reserved || library::is_own(name, text) {
        return None;
    }
    let span = &module.ast.package.span;
    let finding =
        Diagnostic::at(span, "declare_reserved", "expected no package here, where declarations are decided");
    Some(finding.help("give the package another name"))
}

impl Module {
    /// Parses a file.
    pub(crate) fn parse(file: &str, text: &str, version: RegoVersion) -> Result<Self, Diagnostic> {
        scan::check(file, text)?;
        later_language(file, text)?;
        let parse = || {
            let source = Source::from_contents(file.to_owned(), expand(text).into_owned())?;
            let mut parser = Parser::new(&source)?;
            if let Some(columns) = NonZeroU32::new(MAX_COLUMNS) {
                parser.set_max_col(columns);
            }
            if version == RegoVersion::V1 {
                parser.enable_rego_v1()?;
            }
            parser.parse()
        };
        let ast = parse().map_err(|error: anyhow::Error| Diagnostic::parse(file, &error.to_string()))?;
        let package = path(&ast.package.refr)?;
        let mut imports = BTreeMap::new();
        for import in &ast.imports {
            let path = path(&import.refr)?;
            let root = path.first().map_or("", String::as_str);
            if matches!(root, "rego" | "future") {
                language(import, &path)?;
                continue;
            }
            let alias = import.r#as.as_ref().map(|span| span.text().to_owned());
            let Some(alias) = alias.or_else(|| path.last().cloned()) else { continue };
            if path.len() == 1 && alias != root {
                // `import data as x`: legal, and of no use.
                let what = "an import of the whole document";
                return Err(Diagnostic::unsupported(&import.span, what, "import a path below it"));
            }
            imports.insert(alias, path);
        }
        let mut module = Self { ast, package, entrypoints: Vec::new(), imports };
        for line in annotations::entrypoints(file, text)? {
            let path = module.annotated(line).ok_or_else(|| {
                let message = "expected a rule or a package of a written path after `entrypoint: true`";
                Diagnostic { line, column: 1, ..Diagnostic::file(file, "rego_metadata", message) }
            })?;
            module.entrypoints.push(path);
        }
        Ok(module)
    }

    /// The document that what comes after a line defines.
    fn annotated(&self, line: u32) -> Option<Vec<String>> {
        if self.ast.package.span.line > line {
            return Some(self.package.clone());
        }
        let rule = self.ast.policy.iter().find(|rule| rule.span().line > line)?;
        let (Expr::Var { span, .. }, args) = flatten(head(rule)) else { return None };
        let keys = args.iter().map(RefArg::key).collect::<Option<Vec<_>>>()?;
        let names = std::iter::once(plain(span.text())).chain(keys).map(str::to_owned);
        Some(self.package.iter().cloned().chain(names).collect())
    }
}

/// Imports of a language that the parser does not know (`and`, `or`, bodies after `not`).
const LATER: [&str; 4] = ["future.keywords.and", "future.keywords.not", "future.keywords.or", "rego.v2"];

/// Refuses a file of a later language before it is parsed: what the parser would read could mean something
/// else.
fn later_language(file: &str, text: &str) -> Result<(), Diagnostic> {
    let path =
        |line: &str| line.trim_start().strip_prefix("import ").map(|rest| rest.trim_start().to_owned());
    let found = text.lines().zip(1_u32..).find_map(|(line, number)| {
        let path = path(line)?;
        let end = path.find(|c: char| c.is_whitespace() || matches!(c, '#' | ';')).unwrap_or(path.len());
        LATER.iter().find(|later| path.get(..end) == Some(**later)).map(|later| (line, number, *later))
    });
    let Some((line, number, later)) = found else { return Ok(()) };
    let message = format!("`import {later}` cannot be compiled yet");
    Err(Diagnostic {
        line: number,
        column: 1,
        source: line.to_owned(),
        ..Diagnostic::file(file, "rego_unsupported", message)
    }
    .help("write alternatives as rules of their own, and `not` with one expression"))
}

/// Refuses an import that changes the language in a way that nobody knows.
fn language(import: &ast::Import, path: &[String]) -> Result<(), Diagnostic> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["rego", "v1"] | ["future", "keywords"] => Ok(()),
        ["future", "keywords", "contains" | "every" | "if" | "in"] => Ok(()),
        _ => {
            let message = format!("expected `rego.v1` or a keyword that OPA knows, got `{}`", path.join("."));
            Err(Diagnostic::at(&import.span, "rego_parse", message))
        }
    }
}

/// The components of a reference made of names and strings alone.
fn path(expr: &ast::Expr) -> Result<Vec<String>, Diagnostic> {
    let wrong = || Diagnostic::at(expr.span(), "rego_parse", "expected a path of names");
    let (head, args) = flatten(expr);
    let Expr::Var { span, .. } = head else { return Err(wrong()) };
    let mut path = vec![span.text().to_owned()];
    for arg in args {
        let RefArg::Key(key) = arg else { return Err(wrong()) };
        path.push(key.to_owned());
    }
    Ok(path)
}

/// What a rule is called, with its keys.
pub(crate) fn head(rule: &ast::Rule) -> &Expr {
    match rule {
        ast::Rule::Default { refr, .. } => refr,
        ast::Rule::Spec { head, .. } => match head {
            ast::RuleHead::Compr { refr, .. }
            | ast::RuleHead::Set { refr, .. }
            | ast::RuleHead::Func { refr, .. } => refr,
        },
    }
}

fn rule_name(rule: &ast::Rule) -> Option<String> {
    match flatten(head(rule)).0 {
        Expr::Var { span, .. } => Some(plain(span.text()).to_owned()),
        _ => None,
    }
}
