//! `CODEOWNERS`: whether who has to review a declaration is who the declaration says owns it.

use std::path::Path;

use super::beside::Beside;
use super::mesh::Mesh;
use super::model::ServicePolicy;
use super::source::{Place, Source};
use crate::diagnostics::Diagnostic;

/// Rules of a `CODEOWNERS` file, in its order; the last that matches counts.
#[derive(Clone, Debug)]
pub struct CodeOwners {
    rules: Vec<Owned>,
}

#[derive(Clone, Debug)]
struct Owned {
    /// Segments of the pattern; `**` is any number of them.
    pattern: Vec<String>,
    /// Whether what lies below a match is meant, too.
    is_tree: bool,
    owners: Vec<String>,
}

impl CodeOwners {
    /// Reads the lines. GitLab's sections (`[Name]`) and negations are refused: they would be misread.
    ///
    /// # Errors
    /// The line that is not understood, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Vec::new();
        for (line, number) in text.lines().zip(1_u32..) {
            let line = line.split(" #").next().unwrap_or_default().trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with(['[', '^', '!']) || line.contains('\\') {
                return Err(format!("line {number}: expected a path and its owners, got `{line}`"));
            }
            let mut words = line.split_whitespace();
            let path = words.next().unwrap_or_default();
            rules.push(Owned::new(path, words.map(str::to_owned).collect()));
        }
        Ok(Self { rules })
    }

    /// Who owns a file, by its path from the root of the repository.
    pub fn owners(&self, path: &str) -> &[String] {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let rule = self.rules.iter().rev().find(|rule| rule.matches(&segments));
        rule.map_or(&[], |rule| &rule.owners)
    }
}

impl Owned {
    fn new(path: &str, owners: Vec<String>) -> Self {
        let inner = path.trim_matches('/');
        // A name without a slash is one at any depth.
        let is_anchored = path.starts_with('/') || inner.contains('/');
        let mut pattern: Vec<String> = if is_anchored { Vec::new() } else { vec!["**".to_owned()] };
        pattern.extend(inner.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned));
        // `docs/*` is the files in `docs`, and not those below.
        let is_tree = !inner.ends_with('*') || path.ends_with('/') || inner == "*" || inner.ends_with("**");
        Self { pattern, is_tree, owners }
    }

    fn matches(&self, path: &[&str]) -> bool {
        segments(&self.pattern, path, self.is_tree)
    }
}

fn segments(pattern: &[String], path: &[&str], is_tree: bool) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (None, Some(_)) => is_tree,
        (Some((first, rest)), _) if first == "**" => {
            (0..=path.len()).any(|skip| path.get(skip..).is_some_and(|left| segments(rest, left, is_tree)))
        }
        (Some(_), None) => false,
        (Some((first, rest)), Some((name, left))) => {
            let (first, name): (Vec<char>, Vec<char>) = (first.chars().collect(), name.chars().collect());
            segment(&first, &name) && segments(rest, left, is_tree)
        }
    }
}

fn segment(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => {
            segment(rest, name) || name.split_first().is_some_and(|(_, left)| segment(pattern, left))
        }
        (Some(('?', rest)), Some((_, left))) => segment(rest, left),
        (Some((a, rest)), Some((b, left))) => a == b && segment(rest, left),
        _ => false,
    }
}

impl Mesh {
    /// Declarations, and Rego beside them, that who is their `owner` does not have to review; `root` is the
    /// repository's.
    pub fn review_owners(&self, owners: &CodeOwners, root: &Path) -> Vec<Diagnostic> {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let services = self.services.iter().flat_map(|service| {
            let ServicePolicy { file, owner, owner_place, rego, source, .. } = service;
            owned(file, owner, *owner_place, rego.as_ref(), source)
        });
        let base = self.base.source.iter().zip(&self.base.owner).flat_map(|(source, owner)| {
            owned(&self.base.file, owner, self.base.owner_place, self.base.rego.as_ref(), source)
        });
        services.chain(base).filter_map(|owned| owned.wrong(owners, &root)).collect()
    }
}

/// A file, and who a declaration says owns it.
struct Declared<'a> {
    file: &'a str,
    owner: &'a str,
    source: &'a Source,
    place: Place,
}

fn owned<'a>(
    file: &'a str,
    owner: &'a str,
    place: Place,
    rego: Option<&'a Beside>,
    source: &'a Source,
) -> impl Iterator<Item = Declared<'a>> {
    let beside = rego.into_iter().flat_map(|rego| rego.files.iter().map(String::as_str));
    std::iter::once(file).chain(beside).map(move |file| Declared { file, owner, source, place })
}

impl Declared<'_> {
    fn wrong(&self, owners: &CodeOwners, root: &Path) -> Option<Diagnostic> {
        let path = Path::new(self.file).canonicalize().ok();
        let inside = path.as_deref().and_then(|path| path.strip_prefix(root).ok());
        let inside = inside.map(|path| path.to_string_lossy().replace('\\', "/"));
        let owner = self.owner.trim_start_matches('@');
        let is_owner = |name: &String| {
            let name = name.trim_start_matches('@');
            name == owner || name.rsplit_once('/').is_some_and(|(_, team)| team == owner)
        };
        let message = match &inside {
            None => "expected this file below the folder of `CODEOWNERS`".to_owned(),
            Some(path) => match owners.owners(path) {
                [] => format!("expected an owner of `{path}` in `CODEOWNERS`, got none"),
                names if names.iter().any(is_owner) => return None,
                names => format!(
                    "expected `{}` to own `{path}` in `CODEOWNERS`, got `{}`",
                    self.owner,
                    names.join("`, `")
                ),
            },
        };
        let finding = self.source.at(self.place, "declare_codeowners", message);
        Some(finding.help("one of the two is wrong: `owner`, or the line in `CODEOWNERS`"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_last_line_that_matches_counts() {
        let owners = CodeOwners::parse(
            "# all\n* @all\n/policies/services/pay/ @org/team-pay @x # why\nservices/shop/*.yaml @shop\n\
             /policies/services/shop/web.yaml\n**/deep/*.yaml @deep\n/docs/* @docs\n",
        )
        .unwrap();
        for (path, wanted) in [
            ("README.md", vec!["@all"]),
            ("policies/services/pay/a.yaml", vec!["@org/team-pay", "@x"]),
            ("policies/services/shop/a.yaml", vec!["@all"]),
            ("services/shop/a.yaml", vec!["@shop"]),
            ("policies/services/shop/web.yaml", vec![]),
            ("a/b/deep/x.yaml", vec!["@deep"]),
            ("docs/a.md", vec!["@docs"]),
            ("docs/a/b.md", vec!["@all"]),
        ] {
            assert_eq!(owners.owners(path), wanted, "{path}");
        }
        assert!(CodeOwners::parse("[Section]\n").is_err());
    }
}
