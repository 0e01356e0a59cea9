//! From declarations to the graph.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Edge, Graph, Kind, Limit, Node, Rule, Service};
use crate::declare::{self, Caller, Mesh, Names, ServicePolicy, Who, covers, overlaps};

/// What the rules say of one caller of one service.
#[derive(Default)]
struct Pair {
    rules: Vec<usize>,
    denies: BTreeSet<usize>,
    /// Whether each of the rules is taken back whole.
    is_dead: Vec<bool>,
}

impl Graph {
    /// Who may call whom, as these declarations say.
    pub fn of(mesh: &Mesh) -> Self {
        let names = Names::of(mesh);
        let own = |at: usize| mesh.services.get(at).map(kind_of);
        let base_rego = mesh.base.rego.as_ref().is_some_and(|rego| rego.deny.is_some());
        let mut pairs: BTreeMap<(Kind, usize), Pair> = BTreeMap::new();
        // Services whose Rego may deny what a declaration allows.
        let mut narrowed: BTreeSet<usize> = BTreeSet::new();
        for (at, policy) in mesh.services.iter().enumerate() {
            for (rule, caller) in policy.allow.iter().enumerate().flat_map(callers) {
                let kind = kind(&caller.who, &names, own);
                pairs.entry((kind, at)).or_default().add(policy, &mesh.base.deny, rule, caller);
            }
            let rego = policy.rego.as_ref();
            let widens = rego.is_some_and(|rego| rego.allow.is_some()) && mesh.may_widen(policy);
            if widens {
                let Kind::Service { namespace, name } = kind_of(policy) else { continue };
                pairs.entry((Kind::Rego { namespace, name }, at)).or_default().denies =
                    (policy.allow.len()..rules(policy, mesh)).collect();
            }
            let narrows = rego.is_some_and(|rego| rego.deny.is_some() || rego.allow.is_some() && !widens);
            if narrows || base_rego {
                narrowed.insert(at);
            }
        }
        let nodes: BTreeSet<Kind> =
            pairs.keys().map(|(kind, _)| kind.clone()).chain(mesh.services.iter().map(kind_of)).collect();
        let places: BTreeMap<&Kind, usize> = nodes.iter().zip(0..).collect();
        let place = |kind: &Kind| places.get(kind).copied().unwrap_or_default();
        let services: BTreeMap<usize, Service> =
            mesh.services.iter().map(|policy| (place(&kind_of(policy)), service(policy, mesh))).collect();
        let mut edges: Vec<Edge> = pairs
            .iter()
            .filter_map(|((from, to), pair)| Some((place(from), *to, place(&own(*to)?), pair)))
            .map(|(from, at, to, pair)| pair.edge(from, to, narrowed.contains(&at)))
            .collect();
        edges.sort();
        Self { services, edges, nodes: nodes.into_iter().map(|kind| Node { kind }).collect() }
    }
}

impl Pair {
    fn add(&mut self, policy: &ServicePolicy, base: &[declare::Rule], at: usize, caller: &Caller) {
        let Some(rule) = policy.allow.get(at) else { return };
        let one = std::slice::from_ref(caller);
        let denies = || policy.deny.iter().chain(base);
        let is_dead = denies().any(|deny| covers::for_callers(deny, rule, Some(one)));
        let first = policy.allow.len();
        let denies = denies().zip(first..).filter(|(deny, _)| overlaps::rule(deny, rule, caller));
        self.denies.extend(denies.map(|(_, at)| at));
        // A rule may name a service twice, by two of its workloads.
        match self.rules.last() {
            Some(last) if *last == at => {
                if let Some(before) = self.is_dead.last_mut() {
                    *before = *before && is_dead;
                }
            }
            _ => {
                self.rules.push(at);
                self.is_dead.push(is_dead);
            }
        }
    }

    fn edge(&self, from: usize, to: usize, is_narrowed: bool) -> Edge {
        let Self { rules, denies, is_dead } = self;
        let limit = match denies.is_empty() && !is_narrowed {
            _ if !is_dead.is_empty() && is_dead.iter().all(|dead| *dead) => Limit::All,
            true => Limit::Nothing,
            false => Limit::Some,
        };
        Edge { from, to, rules: rules.clone(), denies: denies.iter().copied().collect(), limit }
    }
}

fn callers((at, rule): (usize, &declare::Rule)) -> impl Iterator<Item = (usize, &Caller)> {
    rule.from.iter().flatten().map(move |caller| (at, caller))
}

fn kind_of(policy: &ServicePolicy) -> Kind {
    Kind::Service { namespace: policy.namespace.clone(), name: policy.name.clone() }
}

/// Who a caller is: the service, where its account is one's.
fn kind(who: &Who, names: &Names<'_>, service: impl Fn(usize) -> Option<Kind>) -> Kind {
    match who.clone() {
        Who::ServiceAccount { trust_domain, namespace, service_account: name } => {
            let own = if trust_domain.is_none() { names.service(&namespace, &name) } else { None };
            own.and_then(service).unwrap_or(Kind::Account { trust_domain, namespace, name })
        }
        Who::Namespace { trust_domain, namespace } => Kind::Namespace { trust_domain, namespace },
        Who::TrustDomain(trust_domain) => Kind::TrustDomain { trust_domain },
        Who::Principal(principal) => Kind::Principal { principal },
        Who::Authenticated => Kind::Authenticated,
        Who::Anonymous => Kind::Anonymous,
    }
}

/// How many rules speak of a service.
fn rules(policy: &ServicePolicy, mesh: &Mesh) -> usize {
    [&policy.allow, &policy.deny, &mesh.base.deny].iter().map(|rules| rules.len()).sum()
}

fn service(policy: &ServicePolicy, mesh: &Mesh) -> Service {
    let rules = |rules: &[declare::Rule], is_deny: bool, is_base: bool| {
        rules.iter().map(|rule| rule_of(rule, is_deny, is_base)).collect::<Vec<_>>()
    };
    // Not as it was read: the same mesh is the same graph wherever it lies.
    let file = format!("services/{}/{}.yaml", policy.namespace, policy.name);
    let root = policy.file.strip_suffix(&file).unwrap_or_default();
    let files = [&policy.rego, &mesh.base.rego].into_iter().flatten().flat_map(|rego| &rego.files);
    let rego = files.map(|file| file.strip_prefix(root).unwrap_or(file).to_owned()).collect();
    Service {
        file,
        is_partial: false,
        is_shadow: policy.mode == declare::Mode::Shadow,
        rego,
        owner: policy.owner.clone(),
        workloads: policy.workloads.clone(),
        rules: [
            rules(&policy.allow, false, false),
            rules(&policy.deny, true, false),
            rules(&mesh.base.deny, true, true),
        ]
        .concat(),
    }
}

fn rule_of(rule: &declare::Rule, is_deny: bool, is_base: bool) -> Rule {
    Rule {
        is_deny,
        is_base,
        line: rule.place.line,
        name: rule.name.clone(),
        from: rule.from.iter().flatten().map(|caller| caller.who.to_string()).collect(),
        to: rule.to.iter().map(ToString::to_string).collect(),
        when: rule.when.iter().map(|condition| condition.test.to_string()).collect(),
    }
}
