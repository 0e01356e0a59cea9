//! What is called.

use super::path::{ReadPath, fold_literal};
use super::request::Request;
use super::{Answer, Effect, Part};
use crate::declare::model::{GrpcMethod, HostPattern, Segment, Target, Template};

/// What is asked of a target.
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a Request,
    /// The path; `None` where it cannot be read, which is no rule's.
    pub(crate) path: Option<&'a ReadPath>,
    pub(crate) effect: Effect,
}

impl Asked<'_> {
    /// What of a target the request is not.
    pub(crate) fn misses(&self, target: &Target) -> Vec<(Part, Answer)> {
        let Target { place: _, methods, paths, grpc, hosts, ports } = target;
        let mut answers = Vec::new();
        let templates: Vec<Template> = paths
            .iter()
            .cloned()
            .chain(grpc.iter().map(|method| grpc_template(method, self.effect)))
            .collect();
        let is_path = self.path.is_some_and(|path| {
            templates.is_empty()
                || templates.iter().any(|template| matches_template(template, path, self.effect))
        });
        answers.push((Part::Path, Answer::sure(is_path)));
        if !methods.is_empty() {
            answers.push((Part::Method, method_is(self.request.method.as_deref(), methods, self.effect)));
        }
        if !grpc.is_empty() && self.effect == Effect::Allow {
            answers.push((Part::Method, Answer::sure(self.request.method.as_deref() == Some("POST"))));
            answers.push((Part::ContentType, Answer::sure(is_grpc(self.request))));
        }
        if !hosts.is_empty() {
            answers.push((Part::Host, host_is(self.request.host.as_deref(), hosts)));
        }
        if !ports.is_empty() {
            answers.push((Part::Port, port_is(self.request.port, ports)));
        }
        answers.retain(|(_, answer)| *answer != Answer::Yes);
        answers
    }
}

/// How far away: who and where weigh more than how.
pub(crate) fn distance(misses: &[(Part, Answer)], effect: Effect) -> usize {
    let weight = |(part, answer): &(Part, Answer)| match (part, answer.counts(effect)) {
        (_, true) => 0,
        (Part::Caller | Part::Path, false) => 3,
        (_, false) => 2,
    };
    misses.iter().map(weight).sum()
}

/// Whether the method is one of these.
pub(crate) fn method_is(method: Option<&str>, methods: &[String], effect: Effect) -> Answer {
    match (method, effect) {
        (None, _) => Answer::Unknown,
        (Some(method), Effect::Allow) => Answer::sure(methods.iter().any(|wanted| wanted == method)),
        (Some(method), Effect::Deny) => {
            let method = method.to_uppercase();
            Answer::sure(methods.contains(&method))
        }
    }
}

/// Whether the content type is gRPC's.
pub(crate) fn is_grpc(request: &Request) -> bool {
    request.headers.get("content-type").is_some_and(|value| value.starts_with("application/grpc"))
}

/// Whether the host is one of these; unknown where it is no name.
pub(crate) fn host_is(host: Option<&str>, hosts: &[HostPattern]) -> Answer {
    let Some(name) = host.and_then(host_name) else { return Answer::Unknown };
    Answer::sure(hosts.iter().any(|host| match host {
        HostPattern::Exact(exact) => *exact == name,
        HostPattern::Suffix(suffix) => name.ends_with(suffix.as_str()),
    }))
}

/// The name in a host, without port and trailing dot.
fn host_name(host: &str) -> Option<String> {
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_port && name.split('.').all(word)).then_some(name)
}

/// Whether the port is one of these.
pub(crate) fn port_is(port: Option<u16>, ports: &[u16]) -> Answer {
    port.map_or(Answer::Unknown, |port| Answer::sure(ports.contains(&port)))
}

/// The paths of a gRPC method's calls.
pub(crate) fn grpc_template(method: &GrpcMethod, effect: Effect) -> Template {
    let GrpcMethod { service, method } = method;
    let mut segments = vec![Segment::Literal(service.clone())];
    match (method, effect) {
        (Some(method), _) => segments.push(Segment::Literal(method.clone())),
        (None, Effect::Allow) => segments.push(Segment::Any("method".to_owned())),
        (None, Effect::Deny) => {}
    }
    Template { segments, is_open: method.is_none() && effect == Effect::Deny }
}

/// Whether a path is one of a template's.
pub(crate) fn matches_template(template: &Template, path: &ReadPath, effect: Effect) -> bool {
    let mut wanted = template.segments.as_slice();
    let given = match effect {
        Effect::Allow => &path.plain,
        Effect::Deny => &path.folded,
    };
    if let (Effect::Deny, false, [before @ .., Segment::Literal(last)]) = (effect, template.is_open, wanted)
        && last.is_empty()
    {
        wanted = before;
    }
    let is_long = match (template.is_open, effect) {
        (false, _) => given.len() == wanted.len(),
        // An allow of `/a/{**}` needs the slash; a deny does not.
        (true, Effect::Allow) => given.len() > wanted.len(),
        (true, Effect::Deny) => given.len() >= wanted.len(),
    };
    is_long
        && wanted.iter().zip(given).all(|(wanted, given)| match (wanted, effect) {
            (Segment::Any(_), _) => !given.is_empty(),
            (Segment::Literal(text), Effect::Allow) => text == given,
            (Segment::Literal(text), Effect::Deny) => fold_literal(text) == *given,
        })
}
