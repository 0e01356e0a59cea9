//! The data document of a declaration: rules turned into tables that the library looks up.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::base::Base;
use super::beside::Beside;
use super::document_headers::Headers;
use super::model::{
    Caller, Condition, GrpcMethod, HeaderTest, HostPattern, Mode, Rule, Segment, ServicePolicy, Target,
    Template, Test, Who,
};

/// `data.sidegate.services[namespace][name]`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    /// Not read by the rules, so that slices have none.
    #[serde(default)]
    pub(super) owner: String,
    /// `shadow`; nothing where decisions are enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rego: Option<Rego>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allow: Option<Side>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deny: Option<Side>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) headers: Option<Headers>,
}

/// `data.sidegate.base`: what holds for every service.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BaseDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rego: Option<Rego>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deny: Option<Side>,
}

/// What Rego beside the declaration has a say in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rego {
    /// `narrow` or `widen`, where it defines `allow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    allow: Option<String>,
    /// `true`, where it defines `deny`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deny: bool,
}

/// The rules of one effect. A clause is a rule with one of its targets; the tables of paths say which clauses
/// a path can belong to.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Side {
    pub(super) callers: Callers,
    pub(super) clauses: Vec<Clause>,
    /// Clauses of every path.
    pub(super) any: Vec<usize>,
    /// Whole paths.
    pub(super) exact: Paths,
    /// By the number of a path's parts between slashes: shapes with variables.
    pub(super) lengths: Vec<Vec<Shape>>,
    /// Shapes that end in `{**}`.
    pub(super) open: Vec<Shape>,
}

/// Templates that have variables at the same places.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shape {
    /// `{}` where a variable is, else empty; the first is what is before the first slash.
    pub(super) mask: Vec<String>,
    /// Parts that a path must have at least.
    pub(super) least: usize,
    /// By the parts with `{}` for the variables.
    pub(super) paths: Paths,
}

/// A set of rules, in a form that is looked up.
pub(super) type Rules = BTreeMap<String, bool>;
pub(super) type Tree<T> = BTreeMap<String, T>;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Callers {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) sa: Tree<Tree<Rules>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) ns: Tree<Rules>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) td_sa: Tree<Tree<Tree<Rules>>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) td_ns: Tree<Tree<Rules>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) td: Tree<Rules>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) principal: Tree<Rules>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) authenticated: Rules,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) anonymous: Rules,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) everyone: Rules,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Clause {
    pub(super) rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) methods: Option<BTreeMap<String, bool>>,
    pub(super) tests: Vec<Check>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", try_from = "Map<String, Json>")]
pub(super) enum Check {
    Grpc,
    Host { exact: BTreeMap<String, bool>, suffixes: Vec<String> },
    Port { ports: Vec<u16> },
    HeaderExact { name: String, text: String },
    HeaderPrefix { name: String, text: String },
    HeaderPresent { name: String },
    HeaderAbsent { name: String },
    Claim { path: Vec<String>, values: BTreeMap<String, bool> },
    Source { networks: Vec<String> },
}

/// Which of the two a side is: denies are compared with paths as a service might read them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

impl Document {
    /// The document of a declaration.
    pub(crate) fn new(policy: &ServicePolicy, may_widen: bool) -> Self {
        let ServicePolicy {
            file: _,
            namespace: _,
            name: _,
            owner,
            owner_place: _,
            mode,
            workloads: _,
            allow,
            deny,
            headers,
            rego,
            source: _,
        } = policy;
        Self {
            owner: owner.clone(),
            mode: (*mode == Mode::Shadow).then(|| "shadow".to_owned()),
            rego: rego.as_ref().and_then(|rego| Rego::new(rego, may_widen)),
            allow: Side::of(allow, Effect::Allow),
            deny: Side::of(deny, Effect::Deny),
            headers: (!headers.is_empty()).then(|| Headers::new(headers)),
        }
    }
}

impl BaseDocument {
    /// What the base says; `None` where it says nothing.
    pub(crate) fn new(base: &Base) -> Option<Self> {
        let rego = base.rego.as_ref().and_then(|rego| Rego::new(rego, false));
        let deny = Side::of(&base.deny, Effect::Deny);
        (rego.is_some() || deny.is_some()).then_some(Self { rego, deny })
    }
}

impl Rego {
    fn new(rego: &Beside, may_widen: bool) -> Option<Self> {
        let allow =
            rego.allow.as_ref().map(|_| if may_widen { "widen".to_owned() } else { "narrow".to_owned() });
        let deny = rego.deny.is_some();
        (allow.is_some() || deny).then_some(Self { allow, deny })
    }
}

impl Side {
    fn of(rules: &[Rule], effect: Effect) -> Option<Self> {
        (!rules.is_empty()).then(|| Self::new(rules, effect))
    }

    fn new(rules: &[Rule], effect: Effect) -> Self {
        let mut side = Self::default();
        let mut shapes = Shapes::default();
        for (at, rule) in rules.iter().enumerate() {
            let id = at.to_string();
            side.callers.add(rule.from.as_deref(), &id);
            let everything = [Target::default()];
            let targets = if rule.to.is_empty() { everything.as_slice() } else { &rule.to };
            for target in targets {
                side.target(&id, target, &rule.when, effect, &mut shapes);
            }
        }
        for ((mask, is_open), paths) in shapes.0 {
            let parts = mask.len();
            // An allow of `/a/{**}` needs the slash; a deny does not.
            let more = usize::from(is_open && effect == Effect::Allow);
            let mask = mask.into_iter().map(str::to_owned).collect();
            let shape = Shape { mask, least: parts.saturating_add(more), paths };
            if is_open {
                side.open.push(shape);
                continue;
            }
            if side.lengths.len() <= parts {
                side.lengths.resize_with(parts.saturating_add(1), Vec::new);
            }
            if let Some(same) = side.lengths.get_mut(parts) {
                same.push(shape);
            }
        }
        side
    }

    fn target(
        &mut self,
        rule: &str,
        target: &Target,
        when: &[Condition],
        effect: Effect,
        shapes: &mut Shapes,
    ) {
        let Target { place: _, methods, paths, grpc, hosts, ports } = target;
        let mut tests = Vec::new();
        if !hosts.is_empty() {
            tests.push(Check::hosts(hosts));
        }
        if !ports.is_empty() {
            tests.push(Check::Port { ports: ports.clone() });
        }
        let mut methods: Option<BTreeMap<String, bool>> =
            (!methods.is_empty()).then(|| methods.iter().map(|method| (method.clone(), true)).collect());
        if !grpc.is_empty() && effect == Effect::Allow {
            tests.push(Check::Grpc);
            methods = Some(BTreeMap::from([("POST".to_owned(), true)]));
        }
        tests.extend(when.iter().map(Check::new));
        let id = self.clauses.len();
        self.clauses.push(Clause { rule: rule.to_owned(), methods, tests });
        let templates: Vec<Template> =
            paths.iter().cloned().chain(grpc.iter().map(|m| m.template(effect))).collect();
        if templates.is_empty() {
            self.any.push(id);
        }
        for template in templates {
            match template.folded(effect).key() {
                Key::Exact(path) => {
                    self.exact.entry(path).or_default().insert(id);
                }
                Key::Shape(mask, is_open, path) => {
                    shapes.0.entry((mask, is_open)).or_default().entry(path).or_default().insert(id);
                }
            }
        }
    }
}

/// Paths of the templates with the same mask and end.
#[derive(Default)]
struct Shapes(BTreeMap<(Vec<&'static str>, bool), Paths>);

/// Clauses by the path that they are looked up by.
pub(super) type Paths = BTreeMap<String, BTreeSet<usize>>;

/// Where a template is looked up.
enum Key {
    Exact(String),
    Shape(Vec<&'static str>, bool, String),
}

impl Template {
    /// As it is compared: denies without regard to case and to a slash at the end.
    fn folded(self, effect: Effect) -> Self {
        if effect == Effect::Allow {
            return self;
        }
        let Self { mut segments, is_open } = self;
        for segment in &mut segments {
            if let Segment::Literal(text) = segment {
                text.make_ascii_lowercase();
            }
        }
        if !is_open && matches!(segments.last(), Some(Segment::Literal(text)) if text.is_empty()) {
            segments.pop();
        }
        Self { segments, is_open }
    }

    fn key(&self) -> Key {
        let Self { segments, is_open } = self;
        let (mut mask, mut parts) = (vec![""], vec![""]);
        for segment in segments {
            let (kind, part) = match segment {
                Segment::Literal(text) => ("", text.as_str()),
                Segment::Any(_) => ("{}", "{}"),
            };
            mask.push(kind);
            parts.push(part);
        }
        let path = parts.join("/");
        if *is_open || mask.contains(&"{}") { Key::Shape(mask, *is_open, path) } else { Key::Exact(path) }
    }
}

impl GrpcMethod {
    /// The path of its calls.
    fn template(&self, effect: Effect) -> Template {
        let Self { service, method } = self;
        let mut segments = vec![Segment::Literal(service.clone())];
        match (method, effect) {
            (Some(method), _) => segments.push(Segment::Literal(method.clone())),
            (None, Effect::Allow) => segments.push(Segment::Any("method".to_owned())),
            (None, Effect::Deny) => {}
        }
        Template { segments, is_open: method.is_none() && effect == Effect::Deny }
    }
}

impl Callers {
    fn add(&mut self, from: Option<&[Caller]>, rule: &str) {
        let Some(callers) = from else {
            self.everyone.insert(rule.to_owned(), true);
            return;
        };
        for Caller { place: _, who } in callers {
            let rules = match who.clone() {
                Who::ServiceAccount { trust_domain: None, namespace, service_account } => {
                    self.sa.entry(namespace).or_default().entry(service_account).or_default()
                }
                Who::ServiceAccount { trust_domain: Some(domain), namespace, service_account } => {
                    let accounts = self.td_sa.entry(domain).or_default().entry(namespace).or_default();
                    accounts.entry(service_account).or_default()
                }
                Who::Namespace { trust_domain: None, namespace } => self.ns.entry(namespace).or_default(),
                Who::Namespace { trust_domain: Some(domain), namespace } => {
                    self.td_ns.entry(domain).or_default().entry(namespace).or_default()
                }
                Who::TrustDomain(domain) => self.td.entry(domain).or_default(),
                Who::Principal(principal) => self.principal.entry(principal).or_default(),
                Who::Authenticated => &mut self.authenticated,
                Who::Anonymous => &mut self.anonymous,
            };
            rules.insert(rule.to_owned(), true);
        }
    }
}

impl Check {
    fn hosts(hosts: &[HostPattern]) -> Self {
        let (mut exact, mut suffixes) = (BTreeMap::new(), Vec::new());
        for host in hosts {
            match host {
                HostPattern::Exact(name) => {
                    exact.insert(name.clone(), true);
                }
                HostPattern::Suffix(suffix) => suffixes.push(suffix.clone()),
            }
        }
        Self::Host { exact, suffixes }
    }

    fn new(condition: &Condition) -> Self {
        match condition.test.clone() {
            Test::Header(name, HeaderTest::Exact(text)) => Self::HeaderExact { name, text },
            Test::Header(name, HeaderTest::Prefix(text)) => Self::HeaderPrefix { name, text },
            Test::Header(name, HeaderTest::Present) => Self::HeaderPresent { name },
            Test::Header(name, HeaderTest::Absent) => Self::HeaderAbsent { name },
            Test::Claim(path, values) => {
                Self::Claim { path, values: values.into_iter().map(|value| (value, true)).collect() }
            }
            Test::Source(networks) => Self::Source { networks },
        }
    }
}
