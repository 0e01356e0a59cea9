//! `sidegate explain`

mod asked;
mod recorded;
mod text;

use std::io::Write;

use serde::Serialize;
use sidegate_compiler::declare::{self, Addition, Explanation, Mesh, Reason, Request, ServicePolicy};
use sidegate_compiler::{Sources, Workload};
use sidegate_engine::Value;
use sidegate_engine::bundle;
use sidegate_engine::limits::Limits;

use crate::output::{Answer, Failure, Format, json, read};
use asked::Asked;

pub(crate) use asked::Args;

/// What is known about a question.
#[derive(Serialize)]
struct Report<'a> {
    allowed: bool,
    /// Who asks, as people would say it.
    caller: &'a str,
    workload: &'a str,
    method: &'a str,
    path: &'a str,
    /// What the policy answers.
    result: &'a Value,
    /// Which rule decided, in the words of the decision log; of a recorded decision `decision` says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// Whether a file declares the workload.
    declared: bool,
    /// The rules that decided.
    decided_by: &'a [Reason],
    /// Rules that nearly allowed it.
    nearest: &'a [Reason],
    /// Why the path alone is a reason to deny.
    #[serde(skip_serializing_if = "Option::is_none")]
    odd_path: Option<String>,
    /// What to write to allow it.
    #[serde(skip_serializing_if = "Option::is_none")]
    write: Option<&'a Addition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'a str>,
    /// Rego that has a say, too.
    rego: &'a [String],
}

impl<'a> Report<'a> {
    /// The reasons of an answer, without the rest. What the files say is beside the point where Rego has decided
    /// otherwise.
    fn new(allowed: bool, explained: Option<&'a Explanation>) -> Self {
        let field = |field: fn(&Explanation) -> &Vec<Reason>| {
            explained.map_or(&[][..], |explained| field(explained).as_slice())
        };
        let is_declared_so = explained.is_some_and(|explained| explained.verdict.is_allowed == allowed);
        Self {
            allowed,
            caller: "",
            workload: "",
            method: "",
            path: "",
            result: &Value::Undefined,
            rule: None,
            declared: explained.is_some(),
            decided_by: if is_declared_so { field(|explained| &explained.decided) } else { &[] },
            nearest: field(|explained| &explained.nearest),
            odd_path: explained.and_then(|explained| explained.odd.as_ref()).map(ToString::to_string),
            write: explained.and_then(|explained| explained.addition.as_ref()),
            advice: explained.and_then(|explained| explained.advice.as_deref()),
            rego: &[],
        }
    }
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<Answer, Failure> {
    if let Some(recorded) = args.recorded()? {
        return recorded::run(&recorded, args.format, out);
    }
    let asked = args.asked()?;
    let sources = sources(args, &asked)?;
    let mesh = sources.mesh().map_err(Failure::Findings)?;
    let service = mesh.as_ref().and_then(|mesh| mesh.find(asked.to.namespace(), asked.to.name()));
    let workload = workload(&asked.to, service)?;
    let Some((method, path)) = &asked.what else {
        let (Some(mesh), Some(service)) = (mesh.as_deref(), service) else {
            return Err(nothing_declared(&asked));
        };
        return may(args, &asked, mesh, service, out);
    };
    let policy = declare::policy_of(&sources, &workload).map_err(Failure::Findings)?;
    let input = Value::from(asked.request.input());
    let result = policy
        .evaluate(&input, &super::context(None))
        .map_err(|error| Failure::other(format!("the policy has no answer: {error} [{}]", error.code())))?;
    let allowed = is_allowed(&result);
    let rule = policy.rule().and_then(|rule| rule.evaluate(&input, &super::context(None)).ok());
    let explained = match (&mesh, service) {
        (Some(mesh), Some(service)) => Some(declare::explain(mesh, service, &asked.request)),
        _ => None,
    };
    let rego = rego(mesh.as_deref(), service);
    if let Some(explained) = explained.as_ref().filter(|_| rego.is_empty()) {
        agree(allowed, explained)?;
    }
    let shown = workload.to_string();
    let of = Report::new(allowed, explained.as_ref());
    let report = Report {
        caller: &asked.caller,
        workload: &shown,
        method,
        path,
        result: &result,
        rule: rule.and_then(|rule| Some(rule.as_string().ok()?.to_string())),
        declared: service.is_some(),
        rego: &rego,
        ..of
    };
    match args.format {
        Format::Json => json(out, &report)?,
        Format::Text => text::one(&report, mesh.is_some(), out)?,
    }
    Ok(if allowed { Answer::Yes } else { Answer::No })
}

/// The answer is the policy's; the reasons are those of the files. If they say something else, there is none.
fn agree(allowed: bool, explained: &Explanation) -> Result<(), Failure> {
    if allowed == explained.verdict.is_allowed {
        return Ok(());
    }
    let word = |yes: bool| if yes { "allowed" } else { "denied" };
    Err(Failure::other(format!(
        "the compiled policy says {}, its declarations read as {}: this is a defect of sidegate, or the bundle's \
         declarations are not those that it was built from (`sidegate verify`)",
        word(allowed),
        word(explained.verdict.is_allowed)
    )))
}

fn sources(args: &Args, asked: &Asked) -> Result<Sources, Failure> {
    let Some(path) = &args.bundle else { return Sources::read_dir(&asked.dir).map_err(Failure::Findings) };
    let bytes = read(path)?;
    let files = bundle::files(&bytes, &Limits::default())
        .map_err(|error| Failure::other(format!("`{}`: {error} [{}]", path.display(), error.code())))?;
    Sources::from_files(files).map_err(Failure::Findings)
}

/// The workload that decides: as it was named, or the first of the service.
fn workload(to: &Workload, service: Option<&ServicePolicy>) -> Result<Workload, Failure> {
    let Some(service) = service else { return Ok(to.clone()) };
    let first = service.workloads.first().map_or(to.name(), String::as_str);
    let name = if service.workloads.iter().any(|name| name == to.name()) { to.name() } else { first };
    Workload::new(&service.namespace, name).map_err(|error| Failure::other(error.to_string()))
}

fn is_allowed(result: &Value) -> bool {
    match result {
        Value::Object(fields) => fields.get(&Value::from("allowed")) == Some(&Value::Bool(true)),
        other => *other == Value::Bool(true),
    }
}

/// Files of Rego that have a say besides declarations.
fn rego(mesh: Option<&Mesh>, service: Option<&ServicePolicy>) -> Vec<String> {
    let base = mesh.and_then(|mesh| mesh.base.rego.as_ref());
    let own = service.and_then(|service| service.rego.as_ref());
    base.into_iter().chain(own).flat_map(|rego| rego.files.clone()).collect()
}

fn nothing_declared(asked: &Asked) -> Failure {
    Failure::other(format!("no file declares `{}`: give METHOD and PATH to ask the policy", asked.to))
}

/// All that a caller may do.
fn may(
    args: &Args,
    asked: &Asked,
    mesh: &Mesh,
    service: &ServicePolicy,
    out: &mut dyn Write,
) -> Result<Answer, Failure> {
    let Asked { request, own, .. } = asked;
    let Request { principal, .. } = request;
    let access = declare::access(mesh, service, principal.as_deref(), own);
    match args.format {
        Format::Json => json(out, &access)?,
        Format::Text => text::may(asked, service, &access, &rego(Some(mesh), Some(service)), out)?,
    }
    Ok(if access.is_empty() { Answer::No } else { Answer::Yes })
}
