//! What is no error, but is seldom meant: rules that change nothing, callers that nobody is, doors that are
//! wide open. Each has a code that a comment on the line before takes back: `# sidegate:ignore CODE reason`.

use std::collections::HashSet;

use sidegate_engine::words::nearest;

use super::beside::Beside;
use super::covers;
use super::mesh::Mesh;
use super::model::{Rule, Segment, ServicePolicy, Target, Who};
use super::names::Names;
use super::never::never;
use super::source::{Place, Source};
use crate::diagnostics::Diagnostic;

/// Codes that can be ignored.
pub(crate) const CODES: [&str; 9] = [
    "declare_broad",
    "declare_dead",
    "declare_idle",
    "declare_nobody",
    "declare_never",
    "declare_open",
    "declare_shadowed",
    "declare_unknown_caller",
    "declare_widen",
];

/// What a comment begins with.
const IGNORE: &str = "sidegate:ignore";

/// Methods that change nothing (RFC 9110, section 9.2.1).
const SAFE: [&str; 4] = ["GET", "HEAD", "OPTIONS", "TRACE"];

/// Everything that is seldom meant, in the order of files and lines.
pub(crate) fn review(mesh: &Mesh) -> Vec<Diagnostic> {
    let names = Names::of(mesh);
    let mut findings: Vec<Diagnostic> =
        mesh.services.iter().flat_map(|service| of_service(mesh, service, &names)).collect();
    findings.extend(of_base(mesh, &names));
    findings.sort();
    findings
}

/// Looks through one file.
struct Reviewer<'a> {
    source: &'a Source,
    findings: Vec<Diagnostic>,
    /// Lines after a comment, with the code that it names.
    ignored: HashSet<(u32, &'a str)>,
    used: HashSet<(u32, &'static str)>,
}

fn of_service(mesh: &Mesh, service: &ServicePolicy, names: &Names<'_>) -> Vec<Diagnostic> {
    let mut review = Reviewer::new(&service.source);
    let rego = service.rego.as_ref();
    let widens = mesh.may_widen(service) && rego.is_some_and(|rego| rego.allow.is_some());
    if service.allow.is_empty() && !widens {
        let message = format!("nobody may call `{}`: there is no `allow`", service.name);
        review.note(
            Place { line: 1, column: 1 },
            "declare_nobody",
            message,
            "add `allow`, or say that it is meant so",
        );
    }
    for (rules, is_allow) in [(&service.allow, true), (&service.deny, false)] {
        for (at, rule) in rules.iter().enumerate() {
            review.rule(rule, rules.get(..at).unwrap_or_default(), is_allow);
            review.callers(rule, names);
        }
    }
    for rule in &service.allow {
        review.dead(rule, &service.deny, None);
        review.dead(rule, &mesh.base.deny, Some(&mesh.base.file));
    }
    let mut findings = review.finish();
    findings.extend(rego.map(|rego| of_rego(rego, widens)).unwrap_or_default());
    findings
}

/// `mesh.yaml`.
fn of_base(mesh: &Mesh, names: &Names<'_>) -> Vec<Diagnostic> {
    let base = &mesh.base;
    let Some(source) = &base.source else { return Vec::new() };
    let mut review = Reviewer::new(source);
    for (at, rule) in base.deny.iter().enumerate() {
        review.rule(rule, base.deny.get(..at).unwrap_or_default(), false);
        review.callers(rule, names);
    }
    for widen in &base.widen {
        let mut meant =
            mesh.services.iter().filter(|service| widen.covers(&service.namespace, &service.name)).peekable();
        let shown = format!("{}/{}", widen.namespace, widen.name.as_deref().unwrap_or("*"));
        let message = if meant.peek().is_none() {
            format!("no file declares `{shown}`")
        } else if meant.any(|service| service.rego.as_ref().is_some_and(|rego| rego.allow.is_some())) {
            continue;
        } else {
            format!("no Rego beside `{shown}` defines `allow`")
        };
        let help = "remove it: who writes such Rego later would be let in unasked";
        review.note(widen.place, "declare_widen", message, help);
    }
    let mut findings = review.finish();
    findings.extend(base.rego.as_ref().map(|rego| of_rego(rego, false)).unwrap_or_default());
    findings
}

/// Rego beside a declaration.
fn of_rego(rego: &Beside, may_widen: bool) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (at, source) in rego.sources.iter().enumerate() {
        let mut review = Reviewer::new(source);
        for open in rego.open.iter().filter(|open| may_widen && open.file == source.file) {
            let message =
                "everybody may do everything: this allows whatever is asked, and may widen the declaration";
            let help =
                "give the rule a body, or leave it out: then it only has to be allowed by the declaration";
            review.note(open.place, "declare_open", message, help);
        }
        if at == 0 && rego.allow.is_none() && rego.deny.is_none() {
            let message = "this Rego decides nothing: it defines neither `allow` nor `deny`";
            let help = "write one of them, or move the file out of this folder";
            review.note(Place { line: 1, column: 1 }, "declare_idle", message, help);
        }
        findings.extend(review.finish());
    }
    findings
}

impl<'a> Reviewer<'a> {
    fn new(source: &'a Source) -> Self {
        let mut review = Self { source, findings: Vec::new(), ignored: HashSet::new(), used: HashSet::new() };
        review.comments();
        review
    }

    /// All that was found, comments that take nothing back among it.
    fn finish(mut self) -> Vec<Diagnostic> {
        let unused =
            self.ignored.iter().filter(|(line, code)| !self.used.iter().any(|used| used == &(*line, *code)));
        for (line, code) in unused {
            let place = Place { line: line.saturating_sub(1), column: 1 };
            let message = format!("nothing here is `{code}`");
            self.findings.push(self.source.at(place, "declare_ignore", message).help("remove the comment"));
        }
        self.findings
    }

    /// Reads the comments that take findings back.
    fn comments(&mut self) {
        for (line, number) in self.source.text.lines().zip(1_u32..) {
            let Some(rest) = line.trim().strip_prefix('#').and_then(|text| text.trim().strip_prefix(IGNORE))
            else {
                continue;
            };
            let mut words = rest.split_whitespace();
            let place = Place { line: number, column: 1 };
            let (code, has_reason) = (words.next().unwrap_or_default(), words.next().is_some());
            match CODES.iter().find(|known| **known == code) {
                Some(code) if has_reason => {
                    self.ignored.insert((number.saturating_add(1), code));
                }
                Some(_) => {
                    let message = format!("expected a reason after `{code}`");
                    self.findings.push(self.source.at(place, "declare_ignore", message));
                }
                None => {
                    let message = format!("expected a code that can be ignored, got `{code}`");
                    let help = format!("there are `{}`", CODES.join("`, `"));
                    self.findings.push(self.source.at(place, "declare_ignore", message).help(help));
                }
            }
        }
    }

    fn note(
        &mut self,
        place: Place,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if self.ignored.contains(&(place.line, code)) {
            self.used.insert((place.line, code));
            return;
        }
        self.findings.push(self.source.at(place, code, message).help(help));
    }

    fn rule(&mut self, rule: &Rule, before: &[Rule], is_allow: bool) {
        if let Some(earlier) = before.iter().find(|earlier| covers::rule(earlier, rule)) {
            let message =
                format!("this rule changes nothing: the one at line {} says it all", earlier.place.line);
            self.note(rule.place, "declare_shadowed", message, "remove it, or make the other one narrower");
        }
        if let Some(reason) = never(rule, is_allow) {
            self.note(
                rule.place,
                "declare_never",
                format!("this rule never matches: {reason}"),
                "remove one of the two",
            );
        }
        if !is_allow {
            return;
        }
        let open = rule
            .from
            .iter()
            .flatten()
            .find(|caller| matches!(caller.who, Who::Authenticated | Who::Anonymous));
        let is_wide = rule.when.is_empty() && (rule.to.is_empty() || rule.to.iter().any(is_wide));
        if let (Some(caller), true) = (open, is_wide) {
            let who = if caller.who == Who::Anonymous { "everybody" } else { "everybody in the mesh" };
            let message = format!("{who} may write everywhere");
            let help = "name the callers, the paths, or methods that only read";
            self.note(caller.place, "declare_broad", message, help);
        }
    }

    /// An allow that one of the denies takes back; `file` is what the message has before the deny's line.
    fn dead(&mut self, rule: &Rule, denies: &[Rule], file: Option<&str>) {
        if let Some(deny) = denies.iter().find(|deny| covers::rule(deny, rule)) {
            let at = match file {
                None => format!("at line {}", deny.place.line),
                Some(file) => format!("at {file}:{}", deny.place.line),
            };
            let message = format!("this rule allows nothing: the deny {at} takes it all back");
            self.note(rule.place, "declare_dead", message, "remove it, or make the deny narrower");
        }
    }

    fn callers(&mut self, rule: &Rule, names: &Names<'_>) {
        for caller in rule.from.iter().flatten() {
            let (namespace, account) = match &caller.who {
                Who::ServiceAccount { trust_domain: None, namespace, service_account } => {
                    (namespace, Some(service_account))
                }
                Who::Namespace { trust_domain: None, namespace } => (namespace, None),
                _ => continue,
            };
            let (what, known, wanted) = match account {
                _ if !names.has_namespace(namespace) => {
                    (format!("namespace `{namespace}`"), names.namespaces(), namespace)
                }
                Some(account) if names.service(namespace, account).is_none() => {
                    (format!("service `{namespace}/{account}`"), names.accounts(namespace), account)
                }
                _ => continue,
            };
            let help = match nearest(wanted, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "declare it, or say why it is none of this folder's".to_owned(),
            };
            self.note(caller.place, "declare_unknown_caller", format!("no file declares {what}"), help);
        }
    }
}

/// Any path, and methods that change something.
fn is_wide(target: &Target) -> bool {
    let writes =
        target.methods.is_empty() || target.methods.iter().any(|method| !SAFE.contains(&method.as_str()));
    let everywhere = target.paths.is_empty()
        || target.paths.iter().any(|path| {
            path.is_open && path.segments.iter().all(|segment| matches!(segment, Segment::Any(_)))
        });
    writes && everywhere && target.grpc.is_empty() && target.hosts.is_empty()
}
