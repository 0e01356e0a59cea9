//! Which rules are tests, by the rules of `opa test` (`v1/tester/runner.go` in OPA).

use std::collections::BTreeMap;

use regorus::Value;
use regorus::unstable::{Expr, Rule, RuleBody, RuleHead, Span};

use crate::diagnostics::{Diagnostic, Diagnostics, place};
use crate::rego::{Module, Modules, head};
use crate::sources::Sources;

const PREFIX: &str = "test_";
const SKIPPED_PREFIX: &str = "todo_test_";

/// What a test is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One answer, which must be `true`.
    Single,
    /// An object of cases: `test_x[name] if …`.
    Cases,
    /// A function, which has no answer of its own.
    Function,
    /// `todo_test_…`: not run.
    Skipped,
}

/// A test as it stands in the sources.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// `data.storefront.authz_test`
    pub(super) package: String,
    /// `test_x`; the second of one name is `test_x#01`, as in OPA.
    pub(super) name: String,
    pub(super) shape: Shape,
    /// Index of the module and of the rule in it.
    pub(super) module: usize,
    pub(super) rule: usize,
    /// How many steps of the head name the test; what follows are the keys of its cases.
    pub(super) steps: usize,
    pub(super) file: String,
    pub(super) line: u32,
    /// Path of its document below `data`.
    pub(super) path: Vec<String>,
}

impl Found {
    /// The rule.
    pub(super) fn rule<'a>(&self, modules: &'a Modules) -> Option<(&'a Module, &'a Rule)> {
        let module = modules.iter().nth(self.module)?;
        Some((module, module.ast.policy.get(self.rule)?.as_ref()))
    }

    /// `data.storefront.authz_test.test_x`
    pub(super) fn full_name(&self) -> String {
        format!("{}.{}", self.package, self.name)
    }
}

/// Text of a module to be replaced.
struct Edit {
    module: usize,
    start: usize,
    end: usize,
    text: String,
}

/// The tests of the sources in the order of files and lines, and the sources in which each test is a
/// document of its own: of several rules of one name all but the first are called otherwise.
pub(super) fn discover(sources: &Sources, modules: &Modules) -> Result<(Vec<Found>, Sources), Diagnostics> {
    let mut tests = Vec::new();
    let mut edits = Vec::new();
    let mut findings = Vec::new();
    let mut seen: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for (at, module) in modules.iter().enumerate() {
        for (index, rule) in module.ast.policy.iter().enumerate() {
            let Some(mut test) = found(at, module, index, rule) else { continue };
            if test.shape != Shape::Skipped {
                findings.extend(several_bodies(rule));
                let count = seen.entry(test.path.clone()).or_insert(0);
                if *count > 0 {
                    let module = module.package.len();
                    let mut own = test.path.get(module..).unwrap_or_default().to_vec();
                    own.iter_mut()
                        .next_back()
                        .into_iter()
                        .for_each(|last| last.push_str(&format!("#{count:02}")));
                    test.name = rule_name(&own);
                    edits.extend(rename(sources, at, rule, &mut test, edits.len()));
                }
                *count = count.saturating_add(1);
            }
            tests.push(test);
        }
    }
    if !findings.is_empty() {
        return Err(Diagnostics::new(findings));
    }
    let mut renamed = sources.clone();
    // From the back, so that the places of those before stay what they are.
    edits.sort_by_key(|edit| std::cmp::Reverse((edit.module, edit.start)));
    for (at, module) in modules.iter().enumerate() {
        let own: Vec<&Edit> = edits.iter().filter(|edit| edit.module == at).collect();
        if let (false, Some((_, text))) = (own.is_empty(), renamed.modules.get_mut(at)) {
            // The parser's text, which is not the file's where that has template strings.
            text.clone_from(module.ast.package.span.source.contents());
            for Edit { start, end, text: name, .. } in own {
                text.replace_range(*start..*end, name);
            }
        }
    }
    Ok((tests, renamed))
}

fn found(at: usize, module: &Module, index: usize, rule: &Rule) -> Option<Found> {
    let steps = steps(head(rule));
    let ground: Vec<&str> = steps.iter().map_while(|(key, _)| *key).collect();
    let named = ground.iter().position(|key| key.starts_with(PREFIX) || key.starts_with(SKIPPED_PREFIX))?;
    let count = named.saturating_add(1);
    let own: Vec<String> = ground.into_iter().take(count).map(str::to_owned).collect();
    let skipped = own.last().is_some_and(|name| name.starts_with(SKIPPED_PREFIX));
    let dynamic = steps.iter().any(|(key, _)| key.is_none());
    let shape = match rule {
        _ if skipped => Shape::Skipped,
        Rule::Spec { head: RuleHead::Func { .. }, .. } => Shape::Function,
        Rule::Default { args, .. } if !args.is_empty() => Shape::Function,
        Rule::Spec { head: RuleHead::Compr { .. }, .. } if dynamic => Shape::Cases,
        Rule::Spec { .. } | Rule::Default { .. } => Shape::Single,
    };
    let path = module.package.iter().cloned().chain(own.iter().cloned()).collect();
    Some(Found {
        package: dotted("data", &module.package),
        name: rule_name(&own),
        shape,
        module: at,
        rule: index,
        steps: count,
        file: rule.span().source.file().clone(),
        line: place(rule.span()).0,
        path,
    })
}

/// The steps of a head with their places; those that are no names have no key.
pub(super) fn steps(refr: &Expr) -> Vec<(Option<&str>, &Span)> {
    let mut steps = Vec::new();
    let mut at = refr;
    loop {
        match at {
            Expr::RefDot { refr, field, .. } => {
                steps.push((Some(field.0.text()), &field.0));
                at = refr;
            }
            Expr::RefBrack { refr, index, .. } => {
                steps.push(match index.as_ref() {
                    Expr::String { span, value: Value::String(text), .. }
                    | Expr::RawString { span, value: Value::String(text), .. } => (Some(text.as_ref()), span),
                    other => (None, other.span()),
                });
                at = refr;
            }
            Expr::Var { span, .. } => {
                steps.push((Some(span.text()), span));
                break;
            }
            _ => break,
        }
    }
    steps.reverse();
    steps
}

/// In the old language one head may have several bodies, which are tests of their own in OPA.
fn several_bodies(rule: &Rule) -> Option<Diagnostic> {
    let Rule::Spec { bodies, span, .. } = rule else { return None };
    let own: Vec<&RuleBody> = bodies.iter().filter(|body| !body.is_else).collect();
    (own.len() > 1).then(|| {
        Diagnostic::unsupported(span, "a test with several bodies", "write a rule of its own for each body")
    })
}

/// Gives a test that is not the first of its name one that nothing has, as long as the old one: places in
/// messages stay what they are.
fn rename(sources: &Sources, at: usize, rule: &Rule, test: &mut Found, nth: usize) -> Option<Edit> {
    let last = test.path.last_mut()?;
    let width = last.len();
    let name = (nth..)
        .map(|n| letters(n, width))
        .find(|name| !sources.modules.iter().any(|(_, text)| text.contains(name.as_str())))?;
    let steps = steps(head(rule));
    let (_, span) = steps.get(test.steps.checked_sub(1)?)?;
    let within = span.text().find(last.as_str()).unwrap_or(0);
    let start = usize::try_from(span.start).ok()?.checked_add(within)?;
    last.clone_from(&name);
    Some(Edit { module: at, start, end: start.checked_add(width)?, text: name })
}

/// The `n`th name of a width: `z`, `_` and digits of 26 letters.
fn letters(mut n: usize, width: usize) -> String {
    let mut name = vec!['a'; width.saturating_sub(2)];
    for c in name.iter_mut().rev() {
        let digit = u8::try_from(n.checked_rem(26).unwrap_or(0)).unwrap_or(0);
        *c = char::from(b'a'.saturating_add(digit));
        n = n.checked_div(26).unwrap_or(0);
    }
    format!("z_{}", name.into_iter().collect::<String>())
}

/// A rule's name as Rego writes it.
fn rule_name(path: &[String]) -> String {
    path.split_first().map(|(first, rest)| dotted(first, rest)).unwrap_or_default()
}

/// A path as Rego writes it.
fn dotted(first: &str, rest: &[String]) -> String {
    rest.iter().fold(first.to_owned(), |path, key| {
        let plain = !key.starts_with(|c: char| c.is_ascii_digit())
            && !key.is_empty()
            && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if plain { format!("{path}.{key}") } else { format!("{path}[{}]", Value::from(key.as_str())) }
    })
}
