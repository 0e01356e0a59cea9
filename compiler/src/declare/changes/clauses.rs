//! Rules taken apart: a clause asks for one path and one method at most. The same clause of two files is one,
//! so that what both say need not be compared.

use std::collections::{BTreeMap, BTreeSet};

use crate::declare::judge::{Effect, grpc_template};
use crate::declare::model::{HostPattern, Rule, Target, Template, Test};

/// A part of a rule, without its callers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Clause {
    pub(super) effect: Effect,
    pub(super) path: Option<Template>,
    pub(super) method: Option<String>,
    /// Whether it is an allow of gRPC.
    pub(super) is_grpc: bool,
    pub(super) hosts: BTreeSet<HostPattern>,
    pub(super) ports: BTreeSet<u16>,
    pub(super) when: Vec<Test>,
}

/// Clauses of both sides, each once.
#[derive(Default)]
pub(super) struct Clauses {
    pub(super) all: Vec<Clause>,
    known: BTreeMap<Clause, usize>,
}

/// Clauses that are compared; more is said to be too much.
pub(super) const MAX_CLAUSES: usize = 20_000;

impl Clauses {
    /// The clauses of a rule; `None` where there are too many.
    pub(super) fn of(&mut self, rule: &Rule, effect: Effect) -> Option<Vec<usize>> {
        let everything = [Target::default()];
        let targets = if rule.to.is_empty() { everything.as_slice() } else { &rule.to };
        let mut when: Vec<Test> = rule.when.iter().map(|condition| condition.test.clone()).collect();
        when.iter_mut().for_each(sort);
        when.sort();
        when.dedup();
        let mut ids = BTreeSet::new();
        for target in targets {
            let Target { place: _, methods, paths, grpc, hosts, ports } = target;
            let is_grpc = !grpc.is_empty() && effect == Effect::Allow;
            let grpc = grpc.iter().map(|method| grpc_template(method, effect));
            let paths: Vec<Option<Template>> = match paths.iter().cloned().chain(grpc).collect::<Vec<_>>() {
                paths if paths.is_empty() => vec![None],
                paths => paths.into_iter().map(Some).collect(),
            };
            let methods: Vec<Option<String>> = match methods.as_slice() {
                _ if is_grpc => vec![Some("POST".to_owned())],
                [] => vec![None],
                methods => methods.iter().cloned().map(Some).collect(),
            };
            for path in &paths {
                for method in &methods {
                    let clause = Clause {
                        effect,
                        path: path.clone().map(nameless),
                        method: method.clone(),
                        is_grpc,
                        hosts: hosts.iter().cloned().collect(),
                        ports: ports.iter().copied().collect(),
                        when: when.clone(),
                    };
                    ids.insert(self.id(clause)?);
                }
            }
        }
        Some(ids.into_iter().collect())
    }

    fn id(&mut self, clause: Clause) -> Option<usize> {
        let next = self.all.len();
        let id = *self.known.entry(clause.clone()).or_insert(next);
        if id == next {
            self.all.push(clause);
        }
        (next < MAX_CLAUSES).then_some(id)
    }
}

/// The order of what any of may hold is of no meaning.
fn sort(test: &mut Test) {
    if let Test::Claim(_, values) | Test::Source(values) = test {
        values.sort();
        values.dedup();
    }
}

/// What a variable is called is of no meaning; the first name that is seen stays for people.
fn nameless(template: Template) -> Template {
    template
}
