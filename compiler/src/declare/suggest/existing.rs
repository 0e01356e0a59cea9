//! What declarations say already of what was seen.

use super::request::spiffe;
use crate::declare::covers;
use crate::declare::mesh::Mesh;
use crate::declare::model::{Caller, GrpcMethod, Rule, Segment, ServicePolicy, Target, Template, Who};
use crate::declare::words;

/// What a declaration says of a request of which caller, method and path are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It allows it, whatever else the request is.
    Allowed,
    /// It denies it, whatever else the request is.
    Denied,
    /// It allows it under conditions, or for some hosts or ports.
    Conditional,
    /// It does not speak of it.
    Silent,
}

/// All ways to name a caller, given the service's own trust domain.
pub(super) fn names(mesh: &Mesh, own: &str, caller: Option<&str>) -> Vec<Who> {
    let Some(name) = caller else { return vec![Who::Anonymous] };
    let mut names = vec![Who::Principal(name.to_owned())];
    if let Some((domain, namespace, service_account)) = spiffe(name) {
        let account = |trust_domain| Who::ServiceAccount {
            trust_domain,
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
        };
        names.push(account(Some(domain.to_owned())));
        if is_own(mesh, own, domain) {
            names.push(account(None));
        }
    }
    names
}

/// Whether a trust domain is the service's own, by this or another name.
pub(super) fn is_own(mesh: &Mesh, own: &str, domain: &str) -> bool {
    own == domain || mesh.trust_domain_aliases.iter().any(|alias| alias == domain)
}

/// The caller as a suggestion names it; nothing where a declaration cannot.
pub(super) fn who(mesh: &Mesh, own: &str, caller: Option<&str>, by_namespace: bool) -> Option<Who> {
    let Some(name) = caller else { return Some(Who::Anonymous) };
    if let Some((domain, namespace, account)) = spiffe(name) {
        let is_sayable = words::subdomain(domain).is_ok()
            && words::label(namespace).is_ok()
            && (by_namespace || words::subdomain(account).is_ok());
        let trust_domain = (!is_own(mesh, own, domain)).then(|| domain.to_owned());
        let namespace = namespace.to_owned();
        if is_sayable {
            return Some(match by_namespace {
                true => Who::Namespace { trust_domain, namespace },
                false => Who::ServiceAccount { trust_domain, namespace, service_account: account.to_owned() },
            });
        }
    }
    words::principal(name).ok().map(Who::Principal)
}

/// A path, or a shape of some, as a template without variables.
pub(super) fn literal(path: &str) -> Template {
    let segments = path.strip_prefix('/').unwrap_or(path).split('/');
    Template {
        segments: segments.map(|segment| Segment::Literal(segment.to_owned())).collect(),
        is_open: false,
    }
}

/// What there is about a service: its declaration, if it has one, and the mesh-wide base.
pub(super) struct Existing<'m> {
    mesh: &'m Mesh,
    policy: Option<&'m ServicePolicy>,
    /// The declaration's rules without conditions.
    bare: Vec<Rule>,
    /// Whether Rego allows more than the declaration does.
    is_widened: bool,
}

impl<'m> Existing<'m> {
    pub(super) fn new(mesh: &'m Mesh, policy: Option<&'m ServicePolicy>) -> Self {
        let bare = policy.into_iter().flat_map(|policy| policy.allow.iter().map(without_conditions));
        let is_widened = policy.is_some_and(|policy| {
            policy.rego.as_ref().is_some_and(|rego| rego.allow.is_some()) && mesh.may_widen(policy)
        });
        Self { mesh, policy, bare: bare.collect(), is_widened }
    }

    /// What it says of a caller who asks for a path by a method, or for a method of gRPC. A deny that compares the
    /// path otherwise than word for word may be overlooked: what is suggested then is denied as before.
    pub(super) fn judge(&self, names: &[Who], method: Option<&str>, path: &str) -> Verdict {
        let asked = asked(names, method, path);
        let is_said =
            |rules: &[Rule]| rules.iter().any(|rule| asked.iter().any(|asked| covers::rule(rule, asked)));
        match () {
            () if is_said(&self.mesh.base.deny) => Verdict::Denied,
            () if self.policy.is_some_and(|policy| is_said(&policy.deny)) => Verdict::Denied,
            () if self.policy.is_some_and(|policy| is_said(&policy.allow)) => Verdict::Allowed,
            () if self.is_widened || is_said(&self.bare) => Verdict::Conditional,
            () => Verdict::Silent,
        }
    }
}

/// Rules that say just this, one for each way to say it.
fn asked(names: &[Who], method: Option<&str>, path: &str) -> Vec<Rule> {
    let by_path = |method: &str, path: &str| Target {
        methods: vec![method.to_owned()],
        paths: vec![literal(path)],
        ..Target::default()
    };
    let targets = match (method, path.split_once('/')) {
        (None, Some((service, method))) => {
            let grpc = GrpcMethod { service: service.to_owned(), method: Some(method.to_owned()) };
            vec![Target { grpc: vec![grpc], ..Target::default() }, by_path("POST", &format!("/{path}"))]
        }
        (method, _) => vec![by_path(method.unwrap_or_default(), path)],
    };
    let rule = |who: &Who, target: &Target| Rule {
        place: Default::default(),
        name: None,
        from: Some(vec![Caller { place: Default::default(), who: who.clone() }]),
        to: vec![target.clone()],
        when: Vec::new(),
    };
    names.iter().flat_map(|who| targets.iter().map(move |target| rule(who, target))).collect()
}

fn without_conditions(rule: &Rule) -> Rule {
    let mut bare = rule.clone();
    bare.when.clear();
    for target in &mut bare.to {
        target.hosts.clear();
        target.ports.clear();
    }
    // A target that only named hosts or ports is everything.
    if bare
        .to
        .iter()
        .any(|target| target.methods.is_empty() && target.paths.is_empty() && target.grpc.is_empty())
    {
        bare.to.clear();
    }
    bare
}
