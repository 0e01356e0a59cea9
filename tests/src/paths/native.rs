//! The engine and the reference, natively: the same input and the same reading of the answer, with either
//! the decoded bundle or regorus's interpreter in between.

use regorus::Value;
use sidegate_compiler::{BuildOptions, Sources, WorkloadError, reference};
use sidegate_engine::actions::{Actions, HeaderOp, metadata_text};
use sidegate_engine::attributes::{Attributes, Body, Phase, Workload};
use sidegate_engine::bundle;
use sidegate_engine::decide::{Settings, Verdict};
use sidegate_engine::decision::Decision;
use sidegate_engine::eval::Context;
use sidegate_engine::gate::{Gate, Seed};
use sidegate_engine::input::InputBuilder;
use sidegate_engine::limits::Limits;
use sidegate_engine::needs::Needs;
use sidegate_engine::policy::Policy;
use sidegate_engine::trust::Trust;
use tempfile::TempDir;

use super::{Observed, echo, local_reply, readable, status, upstream_response};
use crate::bytes::escape;
use crate::case::{CaseFile, Declarations, RequestCase, SERVICE};
use crate::certs;
use crate::places::root;
use crate::proto;
use crate::wasm_host::Headers;

/// One file's policy, asked without a proxy.
pub struct Native {
    judge: Judge,
    settings: Settings,
    route_metadata: Option<serde_json::Value>,
}

enum Judge {
    Interpreter { sources: Sources, entrypoint: String, builder: InputBuilder },
    Bundle(Gate),
}

/// The bundle of a file.
///
/// # Errors
/// The policy does not compile; the message has every finding.
pub fn build(file: &CaseFile) -> Result<Vec<u8>, String> {
    let mut options = BuildOptions {
        entrypoints: file.entrypoints(),
        revision: Some(file.name.clone()),
        ..BuildOptions::default()
    };
    let sources = match &file.declarations {
        Some(declarations) => {
            options.workload = Some(declarations.workload.parse().map_err(|e: WorkloadError| e.to_string())?);
            declared(declarations)?
        }
        None => written(file)?,
    };
    sidegate_compiler::build(&sources, &options).map(|built| built.bundle).map_err(|e| e.to_string())
}

/// The file's policy in regorus's interpreter.
///
/// # Errors
/// Its data is none.
pub fn interpreter(file: &CaseFile) -> Result<Native, String> {
    // The messages that a bodies' reader needs are in the bundle, which the interpreter does without.
    let messages = load(file, &build(file)?)?.messages();
    let builder = InputBuilder::new(&workload()).with_messages(messages);
    let entrypoint = file.entrypoint.clone();
    Ok(Native::new(file, Judge::Interpreter { sources: sources(file)?, entrypoint, builder }))
}

/// The decoded bundle in the engine's evaluator.
///
/// # Errors
/// The bundle cannot be read, or has not the file's entry point.
pub fn evaluator(file: &CaseFile, bytes: &[u8]) -> Result<Native, String> {
    let gate = Gate::new(load(file, bytes)?, &workload(), settings(file), Seed::default());
    Ok(Native::new(file, Judge::Bundle(gate)))
}

fn load(file: &CaseFile, bytes: &[u8]) -> Result<Policy, String> {
    let limits = limits(file);
    let bundle = Trust::nothing_required().bundle(bytes, &limits, &workload()).map_err(|e| e.to_string())?;
    Policy::load(bundle, &file.entrypoint, limits).map_err(|e| e.to_string())
}

/// As in the cases' Envoys, whose node says nothing of a workload.
fn workload() -> Workload {
    Workload::default()
}

fn settings(file: &CaseFile) -> Settings {
    Settings {
        error_status: file.error_status(),
        limits: limits(file),
        lets_lower: file.config.get("allow_lowering") == Some(&true.into()),
        waives_undeclared: file.config.get("undeclared") == Some(&"shadow".into()),
    }
}

impl Native {
    fn new(file: &CaseFile, judge: Judge) -> Self {
        Self { judge, settings: settings(file), route_metadata: file.route_metadata.clone() }
    }

    /// Asks it one request.
    ///
    /// # Errors
    /// The interpreter fails where it should have no value.
    pub fn ask(&self, request: &RequestCase) -> Result<Observed, String> {
        let headers = request.to_header_map()?;
        let mut attributes = attributes(request, headers.clone());
        let sent = request.body()?.filter(|body| !body.is_announced_empty()).map(|body| body.bytes);
        let limit = self.settings.limits.body_bytes;
        attributes.body = sent.clone().map(|bytes| Body {
            received: bytes.len(),
            is_cut: bytes.len() > limit,
            bytes: bytes.into_iter().take(limit).collect(),
        });
        attributes.metadata = request.metadata.as_ref().map(proto::metadata);
        attributes.route_metadata = self.route_metadata.as_ref().map(proto::metadata);
        let actions = match &self.judge {
            Judge::Bundle(gate) => carried_out(asked_thrice(gate, &attributes)?),
            Judge::Interpreter { sources, entrypoint, builder } => {
                match builder.build(&Needs::all(), &attributes) {
                    Err(error) => Actions::deny(error.status(self.settings.error_status)),
                    Ok(input) => {
                        let result = reference::evaluate(sources, entrypoint, &input)?;
                        let path = attributes.header(b":path");
                        Decision::read_marked(&result, &self.settings.limits)
                            .and_then(|(decision, marks)| {
                                Ok((Actions::new(decision, Phase::Request, path)?, marks))
                            })
                            .map_or_else(
                                |_| Actions::deny(self.settings.error_status),
                                |(actions, marks)| match self.settings.waived(marks) {
                                    Some(_) => Actions::unchanged(),
                                    None => actions,
                                },
                            )
                    }
                }
            }
        };
        let observed = observed(actions, headers, &sent.unwrap_or_default());
        Ok(local_reply(observed, &request.to_header_map()?))
    }
}

/// The verdict: the same by the plan alone, and the same the second time, when it may be known already.
fn asked_thrice(gate: &Gate, attributes: &Attributes) -> Result<Verdict, String> {
    let verdict = gate.decide(attributes);
    for (how, other) in [("by the plan", gate.decide_by_plan(attributes)), ("again", gate.decide(attributes))]
    {
        let same = (&verdict.actions, verdict.waived, &verdict.error)
            == (&other.actions, other.waived, &other.error);
        if !same {
            return Err(format!("expected the same verdict {how}, got {verdict:?} and {other:?}"));
        }
    }
    Ok(verdict)
}

fn carried_out(verdict: Verdict) -> Actions {
    if verdict.waived.is_some() { Actions::unchanged() } else { verdict.actions }
}

/// What the interpreter reads: of declarations what is in the slice, which says whose it is.
fn sources(file: &CaseFile) -> Result<Sources, String> {
    if file.declarations.is_none() {
        return written(file);
    }
    let files = bundle::files(&build(file)?, &Limits::default()).map_err(|e| e.to_string())?;
    Sources::from_files(files).map_err(|e| e.to_string())
}

/// A folder of declarations, read as the program reads one.
fn declared(declarations: &Declarations) -> Result<Sources, String> {
    let Declarations { folder, files, workload: _ } = declarations;
    if let Some(folder) = folder {
        return match files.is_empty() {
            true => Sources::read_dir(&root().join(folder)).map_err(|e| e.to_string()),
            false => Err("expected a `folder` or `files`, got both".to_owned()),
        };
    }
    let dir = TempDir::new().map_err(|e| format!("no temporary folder: {e}"))?;
    for (path, text) in files {
        let path = dir.path().join(path);
        let parent = path.parent().unwrap_or(dir.path());
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|e| format!("could not write `{}`: {e}", path.display()))?;
    }
    Sources::read_dir(dir.path()).map_err(|e| e.to_string())
}

fn written(file: &CaseFile) -> Result<Sources, String> {
    let modules = file.policy.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
    let data = Value::from_json_str(&file.data.to_string()).map_err(|e| e.to_string())?;
    let mut sources = Sources::from_parts(modules, data);
    if let Some(path) = &file.descriptors {
        let bytes = std::fs::read(root().join(path)).map_err(|e| format!("could not read {path}: {e}"))?;
        sources.descriptors = vec![("descriptors.pb".to_owned(), bytes)];
    }
    Ok(sources)
}

fn limits(file: &CaseFile) -> Limits {
    let mut limits = Limits::default();
    if let Some(steps) = file.limit("steps") {
        limits.steps = steps;
    }
    if let Some(depth) = file.limit("depth").and_then(|depth| u32::try_from(depth).ok()) {
        limits.depth = depth;
    }
    if let Some(bytes) = file.limit("output_bytes").and_then(|bytes| usize::try_from(bytes).ok()) {
        limits.output_bytes = bytes;
    }
    if let Some(bytes) = file.limit("body_bytes").and_then(|bytes| usize::try_from(bytes).ok()) {
        limits.body_bytes = bytes;
    }
    limits
}

fn attributes(request: &RequestCase, headers: Headers) -> Attributes {
    let mut attributes = Attributes {
        headers: headers.into_iter().collect(),
        request_time_ns: Some(1_767_323_045_678_901_000),
        protocol: Some(b"HTTP/1.1".to_vec()),
        source_address: Some(b"127.0.0.1:40000".to_vec()),
        destination_address: Some(b"127.0.0.1:15006".to_vec()),
        mtls: Some(false),
        listener_direction: Some(1),
        context: Context { now_ns: Some(1_767_323_045_678_901_000), seed: Some([0; 32]) },
        ..Attributes::default()
    };
    if request.from.is_some() {
        attributes.mtls = Some(true);
        attributes.tls_version = Some(b"TLSv1.3".to_vec());
        attributes.requested_server_name = Some(b"localhost".to_vec());
        attributes.peer_uri_sans = request.uri_sans().into_iter().map(String::into_bytes).collect();
        attributes.local_uri_san = Some(certs::spiffe(SERVICE.0, SERVICE.1).into_bytes());
    }
    attributes
}

/// What a host makes of the actions.
fn observed(actions: Actions, mut headers: Headers, body: &[u8]) -> Observed {
    let (Actions::Allow { dynamic_metadata, .. } | Actions::Deny { dynamic_metadata, .. }) = &actions;
    let text = dynamic_metadata.as_ref().and_then(metadata_text);
    let dynamic_metadata = Some(text.map_or("-".to_owned(), |text| escape(text.as_bytes())));
    match actions {
        Actions::Allow { request_headers, path, response_headers, .. } => {
            apply(&mut headers, &request_headers);
            if let (Some(path), Some(at)) = (path, headers.iter().position(|(name, _)| name == b":path")) {
                headers[at].1 = path;
            }
            let mut response = upstream_response();
            apply(&mut response, &response_headers);
            Observed {
                status: status(&response),
                upstream: Some(echo(&headers, body)),
                response_headers: readable(response.iter()),
                body: String::new(),
                dynamic_metadata,
            }
        }
        Actions::Deny { status, headers, body, .. } => Observed {
            status,
            upstream: None,
            response_headers: headers.into_iter().collect(),
            body: escape(body.as_bytes()),
            dynamic_metadata,
        },
    }
}

fn apply(headers: &mut Headers, ops: &[HeaderOp]) {
    for op in ops {
        match op {
            HeaderOp::Set(name, value) => {
                headers.retain(|(n, _)| n != name.as_bytes());
                headers.push((name.clone().into_bytes(), value.clone().into_bytes()));
            }
            HeaderOp::Add(name, value) => {
                headers.push((name.clone().into_bytes(), value.clone().into_bytes()))
            }
            HeaderOp::Remove(name) => headers.retain(|(n, _)| n != name.as_bytes()),
            HeaderOp::RemovePrefix(prefix) => headers.retain(|(n, _)| !n.starts_with(prefix.as_bytes())),
        }
    }
}
