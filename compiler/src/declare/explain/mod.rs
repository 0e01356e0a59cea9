//! Why a request is allowed or denied: which rules decided, what came closest, and what to write to allow it.

mod words;
mod write;

use serde::Serialize;

use super::judge::{Answer, Effect, Judged, OddPath, Part, Request, Verdict, judge};
use super::mesh::Mesh;
use super::model::{Rule, ServicePolicy};
use super::source::{Place, Source};

pub(crate) use words::test_words;
pub use words::{caller_words, name_words};
pub use write::Addition;

/// Why a declaration says what it says to a request.
#[derive(Debug)]
pub struct Explanation {
    /// The verdict, rule by rule.
    pub verdict: Verdict,
    /// Why the path alone is a reason to deny.
    pub odd: Option<OddPath>,
    /// The rules that decided: an allow, or every deny that holds.
    pub decided: Vec<Reason>,
    /// Rules of `allow` that nearly matched, the closest first.
    pub nearest: Vec<Reason>,
    /// What to write so that exactly this is allowed; `None` where more of the same would not help.
    pub addition: Option<Addition>,
    /// Why there is nothing to write, or what else there is to know about it.
    pub advice: Option<String>,
}

/// A rule, where it stands, and what it has to do with the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The file.
    pub file: String,
    /// Line of what counts.
    pub line: u32,
    /// Its column, in characters.
    pub column: u32,
    /// The line.
    pub source: String,
    /// Whether it is an allow or a deny.
    pub effect: Effect,
    /// What the rule is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it says of the request, in words; empty where it is all that the rule speaks of.
    pub because: Vec<String>,
}

/// Explains what a declaration says to a request.
pub fn explain(mesh: &Mesh, service: &ServicePolicy, request: &Request) -> Explanation {
    let verdict = judge(mesh, service, request);
    let reason = |judged: &&Judged| reason(mesh, service, judged, request);
    let decided: Vec<Reason> = verdict.decided().iter().map(reason).collect();
    let is_denied = verdict.deny.iter().any(|judged| judged.holds) && verdict.odd.is_none();
    let nearest = match verdict.is_allowed || verdict.odd.is_some() || is_denied {
        true => Vec::new(),
        false => verdict.nearest().iter().map(reason).collect(),
    };
    let (addition, advice) = match (&verdict.odd, is_denied) {
        _ if verdict.is_allowed => (None, None),
        (Some(odd), _) => {
            (None, Some(format!("no rule can allow this path: {odd}; paths are strict (docs/declare.md)")))
        }
        (None, true) => (
            None,
            Some("deny beats allow: to allow this, make the deny narrower (`from`, `to`, `when`)".to_owned()),
        ),
        (None, false) if is_in_doubt(&verdict) => {
            (None, Some("say more of the request: what the closest rule asks for was not given".to_owned()))
        }
        (None, false) => match write::addition(service, &mesh.trust_domain_aliases, request) {
            Ok(addition) => (Some(addition), None),
            Err(why) => (None, Some(why)),
        },
    };
    Explanation { odd: verdict.odd.clone(), verdict, decided, nearest, addition, advice }
}

/// Whether the closest rule would match if only the request said more.
fn is_in_doubt(verdict: &Verdict) -> bool {
    let closest = verdict.nearest();
    closest.first().is_some_and(|judged| judged.misses.iter().all(|(_, answer)| *answer == Answer::Unknown))
}

fn rule<'s>(mesh: &'s Mesh, service: &'s ServicePolicy, judged: &Judged) -> Option<&'s Rule> {
    match (judged.effect, judged.is_base) {
        (Effect::Allow, _) => service.allow.get(judged.rule),
        (Effect::Deny, true) => mesh.base.deny.get(judged.rule),
        (Effect::Deny, false) => service.deny.get(judged.rule),
    }
}

fn reason(mesh: &Mesh, service: &ServicePolicy, judged: &Judged, request: &Request) -> Reason {
    let rule = rule(mesh, service, judged);
    let place = rule.map_or(Place::default(), |rule| place(rule, judged));
    let misses = judged.misses.iter().filter(|(_, answer)| match (judged.holds, answer) {
        // Of a deny that holds: what it takes for yes because nobody knows.
        (true, answer) => *answer == Answer::Unknown,
        (false, answer) => !answer.counts(judged.effect),
    });
    let because = misses
        .filter_map(|(part, answer)| {
            words::miss(rule?, judged.target, *part, *answer, judged.effect, request)
        })
        .collect();
    let source = mesh.base.source.as_ref().filter(|_| judged.is_base).unwrap_or(&service.source);
    at(source, place, judged.effect, rule.and_then(|rule| rule.name.clone()), because)
}

fn at(source: &Source, place: Place, effect: Effect, name: Option<String>, because: Vec<String>) -> Reason {
    let found = source.at(place, "explain", "");
    Reason {
        file: found.file,
        line: found.line,
        column: found.column,
        source: found.source,
        effect,
        name,
        because,
    }
}

/// Where to look: at the only thing that is missing, else at the rule.
fn place(rule: &Rule, judged: &Judged) -> Place {
    let target = judged.target.and_then(|at| rule.to.get(at));
    match judged.misses.as_slice() {
        [(Part::Caller, _)] => rule.from.iter().flatten().next().map_or(rule.place, |caller| caller.place),
        [(Part::Condition(at), _)] => rule.when.get(*at).map_or(rule.place, |condition| condition.place),
        [] => rule.place,
        misses if misses.iter().all(|(part, _)| !matches!(part, Part::Caller | Part::Condition(_))) => {
            target.map_or(rule.place, |target| target.place)
        }
        _ => rule.place,
    }
}
