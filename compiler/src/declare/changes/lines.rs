//! Differences as lines that people read: who, with which methods, which paths, by which rule.

use std::collections::{BTreeMap, BTreeSet};

use super::callers::{CallerClass, simple};
use super::clauses::Clause;
use super::compare::{Taken, speaks};
use super::explore::{Explored, Found};
use super::values::Method;
use super::{Access, Example, Methods, RuleRef, Seen, State};
use crate::declare::covers;
use crate::declare::explain::test_words;
use crate::declare::judge::{Effect, Request};
use crate::declare::model::{Segment, Template};

/// What a line says, but for its callers and paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    gains: bool,
    rule: RuleRef,
    methods: Methods,
    grpc: bool,
    when: Vec<String>,
    in_part: bool,
    uncertain: bool,
}

/// A caller, and whether the proxy knows its own trust domain.
type Caller = (CallerClass, bool);

/// What a line says, with its paths.
type What = (Key, BTreeSet<String>);
/// Of whom it says so, and a request.
type Whom = (BTreeSet<Caller>, Option<Example>);
/// Methods, and a request.
type Named = (BTreeSet<String>, Option<Example>);

/// The lines of a service.
#[derive(Default)]
pub(super) struct Lines {
    /// Callers and paths of each line, the paths by the callers.
    lines: BTreeMap<What, Whom>,
}

/// The rules that clauses are of.
pub(super) struct Rules<'a> {
    pub(super) taken: &'a [Taken<'a>],
    /// Numbers of the clauses that are explored.
    pub(super) used: &'a [usize],
    pub(super) seen: [Seen<'a>; 2],
    /// A request of the callers.
    pub(super) base: &'a Request,
}

impl Rules<'_> {
    /// What is asked besides; of what Rego allows nobody knows more.
    fn when(&self, mut when: Vec<String>) -> Vec<String> {
        when.extend(self.seen.iter().any(|seen| seen.is_rego).then(|| "its Rego allows it".to_owned()));
        when
    }

    /// The first rule of this state that has the clause and speaks of the caller.
    fn of(&self, clause: usize, effect: Effect, state: State) -> Option<RuleRef> {
        let id = self.used.get(clause)?;
        let is_it = |taken: &&Taken<'_>| {
            let Taken { rule, reference, clauses } = taken;
            reference.effect == effect
                && reference.state == state
                && clauses.binary_search(id).is_ok()
                && speaks(rule, reference, self.seen, self.base)
        };
        self.taken.iter().find(is_it).map(|taken| taken.reference.clone())
    }
}

impl Lines {
    /// The lines of a group of callers.
    pub(super) fn add(
        &mut self,
        callers: &[Caller],
        clauses: &[&Clause],
        explored: &Explored,
        rules: &Rules<'_>,
    ) {
        let mut paths: BTreeMap<Key, (BTreeSet<String>, Option<Example>)> = BTreeMap::new();
        for found in &explored.found {
            let Some(clause) = clauses.get(found.clause) else { continue };
            let allow = found.allow.and_then(|allow| clauses.get(allow)).copied();
            // An allow of the new state lets in, one of the old state did; with denies it is the other way round.
            let state = match (found.gains, clause.effect) {
                (true, Effect::Allow) | (false, Effect::Deny) => State::New,
                (true, Effect::Deny) | (false, Effect::Allow) => State::Old,
            };
            let Some(rule) = rules.of(found.clause, clause.effect, state) else { continue };
            let shown = shown(clause, allow);
            let grpc = clause.is_grpc || allow.is_some_and(|allow| allow.is_grpc);
            let key = Key {
                gains: found.gains,
                rule,
                methods: methods(found, clause, allow, &explored.methods),
                grpc,
                when: rules.when(when(clause, allow)),
                in_part: found.in_part,
                uncertain: found.is_bounded,
            };
            let (paths, example) = paths.entry(key).or_default();
            paths
                .extend(shown.map(|template| if grpc { grpc_words(template) } else { template.to_string() }));
            if shown.is_none() {
                paths.insert(String::new());
            }
            if example.is_none() {
                *example = found.example.as_ref().map(Example::new);
            }
        }
        for (key, (paths, example)) in paths {
            let (all, _) = self.lines.entry((key, paths)).or_insert_with(|| (BTreeSet::new(), example));
            all.extend(callers.iter().cloned());
        }
    }

    /// Lines for all rules, where nothing was compared.
    pub(super) fn give_up(&mut self, taken: &[Taken<'_>]) {
        for Taken { reference, .. } in taken {
            let gains = (reference.effect == Effect::Allow) == (reference.state == State::New);
            let key = Key {
                gains,
                rule: reference.clone(),
                methods: Methods::Any,
                grpc: false,
                when: Vec::new(),
                in_part: false,
                uncertain: true,
            };
            let callers = [CallerClass::Authenticated, CallerClass::Anonymous].map(|class| (class, true));
            let callers = BTreeSet::from(callers);
            self.lines.insert((key, BTreeSet::from([String::new()])), (callers, None));
        }
    }

    /// The lines, those that differ by their methods alone put together.
    fn merged(self) -> BTreeMap<What, Whom> {
        let mut methods: BTreeMap<(What, BTreeSet<Caller>), Named> = BTreeMap::new();
        let mut merged = BTreeMap::new();
        for ((key, paths), (callers, example)) in self.lines {
            let Methods::These(names) = &key.methods else {
                merged.insert((key, paths), (callers, example));
                continue;
            };
            let names = names.clone();
            let key = Key { methods: Methods::Any, ..key };
            let (all, kept) =
                methods.entry(((key, paths), callers)).or_insert_with(|| (BTreeSet::new(), None));
            all.extend(names);
            *kept = kept.take().or(example);
        }
        for (((key, paths), callers), (names, example)) in methods {
            let key = Key { methods: Methods::These(names.into_iter().collect()), ..key };
            // The same line of other callers is there, where those have fewer methods in another line.
            let (all, kept) = merged.entry((key, paths)).or_insert_with(|| (BTreeSet::new(), None));
            all.extend(callers);
            *kept = kept.take().or(example);
        }
        merged
    }

    /// Gains and losses, each in the order of the rules.
    pub(super) fn finish(
        self,
        own: &str,
        aliases: &BTreeSet<&str>,
        all: &BTreeSet<CallerClass>,
    ) -> (Vec<Access>, Vec<Access>) {
        let (mut gains, mut loses) = (Vec::new(), Vec::new());
        for ((key, paths), (callers, example)) in self.merged() {
            let Key { gains: is_gain, rule, methods, grpc, when, in_part, uncertain } = key;
            let paths: Vec<String> =
                if paths.contains("") { Vec::new() } else { paths.into_iter().collect() };
            let known: BTreeSet<&CallerClass> =
                callers.iter().filter(|(_, knows)| *knows).map(|(class, _)| class).collect();
            let others: BTreeSet<&CallerClass> =
                callers.iter().map(|(class, _)| class).filter(|class| !known.contains(class)).collect();
            for (classes, knows) in [(known, true), (others, false)] {
                if classes.is_empty() {
                    continue;
                }
                let mut when = when.clone();
                when.extend((!knows).then(|| "the proxy does not know its own trust domain".to_owned()));
                let access = Access {
                    callers: simple(&classes, all, own, aliases),
                    methods: methods.clone(),
                    paths: paths.clone(),
                    grpc,
                    when,
                    in_part,
                    uncertain,
                    rule: rule.clone(),
                    example: example.clone(),
                };
                if is_gain { gains.push(access) } else { loses.push(access) }
            }
        }
        (gains, loses)
    }
}

/// The template that is narrower, of a deny and of what it is compared with.
fn shown<'c>(clause: &'c Clause, allow: Option<&'c Clause>) -> Option<&'c Template> {
    match (clause.path.as_ref(), allow.and_then(|allow| allow.path.as_ref())) {
        (Some(deny), Some(allow)) if covers::template(deny, allow) => Some(allow),
        (None, path) | (path, _) => path,
    }
}

fn when(clause: &Clause, allow: Option<&Clause>) -> Vec<String> {
    let mut said = Vec::new();
    for clause in [Some(clause), allow].into_iter().flatten() {
        if !clause.hosts.is_empty() {
            let hosts: Vec<String> = clause.hosts.iter().map(ToString::to_string).collect();
            said.push(format!("host {}", hosts.join(" or ")));
        }
        if !clause.ports.is_empty() {
            let ports: Vec<String> = clause.ports.iter().map(ToString::to_string).collect();
            said.push(format!("port {}", ports.join(" or ")));
        }
        said.extend(clause.when.iter().map(test_words));
    }
    said.dedup();
    said
}

fn methods(found: &Found, clause: &Clause, allow: Option<&Clause>, all: &BTreeSet<Method>) -> Methods {
    let named = clause.method.as_ref().or_else(|| allow.and_then(|allow| allow.method.as_ref()));
    if let Some(method) = named {
        return Methods::These(vec![method.clone()]);
    }
    let names = |set: &BTreeSet<Method>| -> BTreeSet<String> {
        set.iter()
            .filter_map(|method| match method {
                Method::Named(name) => Some(name.clone()),
                Method::Lower(_) | Method::Other(_) => None,
            })
            .collect()
    };
    let (all, own) = (names(all), names(&found.methods));
    let has_other = found.methods.iter().any(|method| !matches!(method, Method::Named(_)));
    if found.is_bounded || has_other && all == own {
        return Methods::Any;
    }
    match has_other {
        true => Methods::AnyBut(all.difference(&own).cloned().collect()),
        false => Methods::These(own.into_iter().collect()),
    }
}

/// `package.Service/Method` of the path of its calls.
fn grpc_words(template: &Template) -> String {
    let words: Vec<&str> = template
        .segments
        .iter()
        .map(|segment| match segment {
            Segment::Literal(text) => text.as_str(),
            Segment::Any(_) => "*",
        })
        .collect();
    words.join("/")
}

impl Example {
    fn new(request: &Request) -> Self {
        Self {
            method: request.method.clone().unwrap_or_default(),
            path: request.path.clone().unwrap_or_default(),
            input: request.input(),
        }
    }
}
