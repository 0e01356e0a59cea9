//! From what was counted to rules.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Options;
use super::existing::{self, Existing, Verdict};
use super::general::{Evidence, Found, Kind, generalise};
use super::left::{Left, Reason};
use super::tally::{Group, Seen, Service, When};
use crate::declare::mesh::Mesh;
use crate::declare::model::{ServicePolicy, Who};
use crate::declare::{covers, words};

/// Paths that are shown for a template.
const EXAMPLES: usize = 3;

/// A rule to add.
#[derive(Clone, Debug, Serialize)]
pub struct Rule {
    /// Who calls.
    #[serde(skip)]
    pub(super) from: Vec<Who>,
    /// The same, as a declaration has it.
    #[serde(rename = "from")]
    pub callers: Vec<String>,
    /// What they call.
    pub to: Vec<Target>,
    /// How often, and when.
    #[serde(flatten)]
    pub when: When,
    #[serde(skip)]
    pub(super) seen: Seen,
}

/// A target of a rule.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// Methods; none for gRPC.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Path templates or gRPC methods.
    pub items: Vec<Item>,
}

/// A path template or a gRPC method, and what was seen of it.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    /// As a declaration has it.
    #[serde(rename = "template")]
    pub text: String,
    /// Different paths that it stands for.
    pub paths: usize,
    /// Whether there are more: of very many not all are kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// The most frequent of them.
    pub examples: Vec<String>,
    /// How often, and when.
    #[serde(flatten)]
    pub when: When,
    #[serde(skip)]
    pub(super) seen: Seen,
    #[serde(skip)]
    pub(super) kind: Kind,
}

/// What one caller asked, by method: paths, and shapes of those that were not kept.
type Asked = BTreeMap<Option<String>, (BTreeMap<String, Seen>, BTreeMap<String, Seen>)>;
/// What rules say: methods, and paths or methods of gRPC, of each target.
type Said = Vec<(Vec<String>, Vec<String>)>;
/// Templates by text, and by method what was found.
type Items = BTreeMap<String, BTreeMap<Option<String>, Found>>;

/// The rules that one service lacks; how many requests a declaration allows already.
pub(super) struct Proposed {
    pub(super) rules: Vec<Rule>,
    pub(super) allowed: u64,
    pub(super) suggested: u64,
}

/// Works out the rules for one service.
pub(super) fn propose(
    service: &Service,
    policy: Option<&ServicePolicy>,
    mesh: &Mesh,
    options: &Options,
    left: &mut Left,
) -> Proposed {
    let mut allowed = 0;
    let existing = Existing::new(mesh, policy);
    let mut asked: BTreeMap<Who, Asked> = BTreeMap::new();
    let callers: BTreeMap<_, _> = service.callers.iter().collect();
    for (caller, methods) in callers {
        let names = existing::names(mesh, &service.domain, caller.as_deref());
        let who = existing::who(mesh, &service.domain, caller.as_deref(), options.by_namespace);
        for (method, group) in methods {
            let mut sift = |path: &str, seen: Seen| {
                let verdict = existing.judge(&names, method.as_deref(), path);
                let reason = match (verdict, &who) {
                    (Verdict::Allowed, _) => {
                        allowed += seen.count;
                        return false;
                    }
                    (Verdict::Silent, Some(_)) => return true,
                    (Verdict::Silent, None) => Reason::Caller,
                    (Verdict::Denied, _) => Reason::DeniedByRule,
                    (Verdict::Conditional, _) => Reason::Conditional,
                };
                let example = format!("{} {path}", caller.as_deref().unwrap_or("anonymous"));
                left.add(reason, seen.count, || None, &example);
                false
            };
            let (paths, beyond) = sifted(group, &mut sift);
            let Some(who) = who.clone().filter(|_| !paths.is_empty() || !beyond.is_empty()) else { continue };
            let own = asked.entry(who).or_default().entry(method.as_deref().map(str::to_owned)).or_default();
            add(&mut own.0, paths);
            add(&mut own.1, beyond);
        }
    }
    let items = asked.into_iter().map(|(who, asked)| (who, templates(asked, options, left)));
    let rules = rules(items.filter(|(_, items)| !items.is_empty()));
    let suggested = rules.iter().map(|rule| rule.seen.count).sum();
    Proposed { rules, allowed, suggested }
}

fn add(all: &mut BTreeMap<String, Seen>, more: BTreeMap<String, Seen>) {
    for (path, seen) in more {
        all.entry(path).or_insert(Seen::NEVER).add(seen);
    }
}

/// The paths and shapes of a group that `is_wanted` keeps, in their order.
fn sifted(
    group: &Group,
    is_wanted: &mut dyn FnMut(&str, Seen) -> bool,
) -> (BTreeMap<String, Seen>, BTreeMap<String, Seen>) {
    let paths: BTreeMap<&str, Seen> = group.paths.iter().map(|(path, seen)| (path.as_ref(), *seen)).collect();
    let beyond: BTreeMap<&str, Seen> =
        group.shapes.iter().map(|(shape, kept)| (shape.as_ref(), kept.beyond)).collect();
    let mut kept = |all: BTreeMap<&str, Seen>| -> BTreeMap<String, Seen> {
        let some = all.into_iter().filter(|(text, seen)| seen.count > 0 && is_wanted(text, *seen));
        some.map(|(text, seen)| (text.to_owned(), seen)).collect()
    };
    (kept(paths), kept(beyond))
}

/// What one caller is to be allowed.
fn templates(asked: Asked, options: &Options, left: &mut Left) -> Items {
    let evidence = Evidence { min_values: options.min_values, vary: options.vary, open: &options.open };
    let mut items = Items::new();
    for (method, (paths, beyond)) in asked {
        let mut found = match &method {
            Some(_) => generalise(&paths, evidence),
            None => paths
                .into_iter()
                .map(|(text, seen)| Found {
                    text: text.clone(),
                    kind: Kind::Literal,
                    more: false,
                    seen,
                    paths: vec![(text, seen.count)],
                })
                .collect(),
        };
        for (shape, seen) in beyond {
            // Of a shape that no template is, it cannot be said that what was not kept is like what was.
            let like = existing::literal(&shape);
            match found
                .iter_mut()
                .find(|found| words::template(&found.text).is_ok_and(|own| covers::template(&own, &like)))
            {
                Some(found) => {
                    found.seen.add(seen);
                    found.more = true;
                }
                None => left.add(Reason::NoRoom, seen.count, || None, &shape),
            }
        }
        for found in found {
            let is_sayable = method.is_none() || words::template(&found.text).is_ok();
            let reason = match () {
                () if !is_sayable => Reason::Unsayable,
                () if found.seen.count < options.min_count => Reason::Rare,
                () => {
                    items.entry(found.text.clone()).or_default().insert(method.clone(), found);
                    continue;
                }
            };
            left.add(reason, found.seen.count, || None, &found.text);
        }
    }
    items
}

/// A rule for all callers who ask the same.
fn rules(callers: impl Iterator<Item = (Who, Items)>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut known: BTreeMap<Said, usize> = BTreeMap::new();
    for (who, items) in callers {
        let to = targets(items);
        let key = to.iter().map(|target| {
            (target.methods.clone(), target.items.iter().map(|item| item.text.clone()).collect())
        });
        // Callers without identity stand alone: the rule has a comment of its own.
        let key = (who != Who::Anonymous).then(|| key.collect());
        let at = key.as_ref().and_then(|key| known.get(key)).and_then(|at| rules.get_mut(*at));
        match at {
            Some(rule) => rule.join(who, to),
            None => {
                if let Some(key) = key {
                    known.insert(key, rules.len());
                }
                rules.push(Rule::new(who, to));
            }
        }
    }
    rules
}

/// Targets: what is asked by the same methods stands together, and nothing else does.
fn targets(items: Items) -> Vec<Target> {
    let mut targets: BTreeMap<Vec<String>, Vec<Item>> = BTreeMap::new();
    for (text, found) in items {
        let mut methods = Vec::new();
        let (mut seen, mut paths) = (Seen::NEVER, BTreeMap::<String, u64>::new());
        let (mut kind, mut more) = (Kind::Literal, false);
        // gRPC has no method here; a text of it is never one of a path, which begins with a slash.
        for (method, found) in found {
            methods.extend(method);
            seen.add(found.seen);
            kind = found.kind;
            more |= found.more;
            for (path, count) in found.paths {
                *paths.entry(path).or_default() += count;
            }
        }
        targets.entry(methods).or_default().push(Item { more, ..Item::new(text, kind, seen, paths) });
    }
    targets.into_iter().map(|(methods, items)| Target { methods, items }).collect()
}

impl Item {
    fn new(text: String, kind: Kind, seen: Seen, paths: BTreeMap<String, u64>) -> Self {
        let count = paths.len();
        let mut paths: Vec<(String, u64)> = paths.into_iter().collect();
        paths.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let examples = paths.into_iter().take(EXAMPLES).map(|(path, _)| path).collect();
        Self { text, paths: count, more: false, examples, when: seen.when(), seen, kind }
    }
}

impl Rule {
    fn new(who: Who, to: Vec<Target>) -> Self {
        let mut rule =
            Self { from: vec![who], callers: Vec::new(), to, when: Seen::NEVER.when(), seen: Seen::NEVER };
        rule.count();
        rule
    }

    fn count(&mut self) {
        self.seen = Seen::NEVER;
        for item in self.to.iter().flat_map(|target| &target.items) {
            self.seen.add(item.seen);
        }
        self.when = self.seen.when();
        self.callers = self.from.iter().map(crate::declare::written::caller).collect();
    }

    /// Another caller who asks the same.
    fn join(&mut self, who: Who, to: Vec<Target>) {
        self.from.push(who);
        let items = self.to.iter_mut().flat_map(|target| &mut target.items);
        for (own, other) in items.zip(to.into_iter().flat_map(|target| target.items)) {
            own.seen.add(other.seen);
            own.when = own.seen.when();
            // How many are the same is not known any more.
            own.more |= own.kind != Kind::Literal || other.more;
            own.paths = own.paths.max(other.paths);
            let mut seen: BTreeSet<String> = own.examples.iter().cloned().collect();
            let more = other.examples.into_iter().filter(|path| seen.insert(path.clone()));
            own.examples.extend(more);
            own.examples.truncate(EXAMPLES);
        }
        self.count();
    }
}
