//! A record of a log to what is known of one request: of OPA's decision logs, or of Envoy's access logs.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;
use sidegate_engine::eval::{Builtin, Context};

use super::Options;
use super::left::Reason;
use super::plain;
use crate::declare::words;

/// What a request was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observed<'a> {
    /// The workload's namespace and name, as the log has them.
    pub(super) workload: (Cow<'a, str>, Cow<'a, str>),
    /// The trust domain of the workload.
    pub(super) domain: Cow<'a, str>,
    /// The caller's name; none has no identity.
    pub(super) caller: Option<Cow<'a, str>>,
    pub(super) call: Call<'a>,
    /// Seconds since 1970.
    pub(super) time: Option<i64>,
}

/// What was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call<'a> {
    /// A method, and a path without its query.
    Http(Cow<'a, str>, Cow<'a, str>),
    /// `package.Service/Method`.
    Grpc(Cow<'a, str>),
}

/// Why it is left out, and what was found.
pub(super) type Refused = (Reason, String);

type Text<'a> = Option<Cow<'a, str>>;

/// Both kinds of record: the names of their keys differ.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    input: Option<Input<'a>>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    mode: Option<&'a RawValue>,
    #[serde(default)]
    erased: Vec<Cow<'a, str>>,
    #[serde(default)]
    masked: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    start_time: Option<&'a RawValue>,
    method: Text<'a>,
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    content_type: Text<'a>,
    #[serde(borrow)]
    response_code: Option<&'a RawValue>,
    #[serde(borrow)]
    grpc_status: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "present")]
    downstream_peer_uri_san: Option<Text<'a>>,
    downstream_local_uri_san: Text<'a>,
    #[serde(default, deserialize_with = "present")]
    upstream_cluster: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    direction: Option<Text<'a>>,
    workload_namespace: Text<'a>,
    workload_name: Text<'a>,
}

/// A key that is there, with or without a value.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<Text<'a>>, D::Error> {
    Text::deserialize(from).map(Some)
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    attributes: Option<Attributes<'a>>,
    #[serde(borrow)]
    sidegate: Option<Sidegate<'a>>,
    response: Option<Response>,
}

#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(borrow)]
    source: Option<Peer<'a>>,
    #[serde(borrow)]
    destination: Option<Peer<'a>>,
    #[serde(borrow)]
    request: Option<Http<'a>>,
}

#[derive(Deserialize)]
struct Peer<'a> {
    principal: Text<'a>,
}

#[derive(Deserialize)]
struct Http<'a> {
    #[serde(borrow)]
    http: Option<Head<'a>>,
}

#[derive(Deserialize)]
struct Head<'a> {
    method: Text<'a>,
    path: Text<'a>,
    #[serde(borrow)]
    headers: Option<Headers<'a>>,
}

#[derive(Deserialize)]
struct Headers<'a> {
    #[serde(rename = "content-type")]
    content_type: Text<'a>,
}

#[derive(Deserialize)]
struct Sidegate<'a> {
    #[serde(borrow)]
    source: Option<Source<'a>>,
    #[serde(borrow)]
    workload: Option<Workload<'a>>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(default)]
    uri_sans: Vec<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Workload<'a> {
    namespace: Text<'a>,
    name: Text<'a>,
}

#[derive(Deserialize)]
struct Response {
    status: Option<u32>,
}

/// A decision that is an object.
#[derive(Deserialize)]
struct Decision<'a> {
    allowed: Option<bool>,
    mode: Text<'a>,
}

/// What both kinds of record say.
struct Said<'a> {
    workload: (Text<'a>, Text<'a>),
    own: Text<'a>,
    callers: Vec<Cow<'a, str>>,
    method: Text<'a>,
    path: Text<'a>,
    content_type: Text<'a>,
    time: Option<i64>,
}

/// Reads one record.
pub(super) fn read<'a>(bytes: &'a [u8], options: &Options) -> Result<Observed<'a>, Refused> {
    let record: Record<'a> =
        serde_json::from_slice(bytes).map_err(|error| (Reason::NotJson, error.to_string()))?;
    let said = if record.input.is_some() { decision(record, options) } else { access(record, options) }?;
    said.observed(options)
}

fn refuse<T>(reason: Reason, example: impl Into<String>) -> Result<T, Refused> {
    Err((reason, example.into()))
}

/// An event of a decision log, as OPA writes them.
fn decision<'a>(record: Record<'a>, options: &Options) -> Result<Said<'a>, Refused> {
    let Some(Input { attributes, sidegate, response }) = record.input else {
        return refuse(Reason::NotARequest, "");
    };
    let Some(Attributes { source, destination, request }) = attributes else {
        return refuse(Reason::NotARequest, "no `input.attributes`");
    };
    let Some(Head { method, path, headers }) = request.and_then(|request| request.http) else {
        return refuse(Reason::NotARequest, "no `input.attributes.request.http`");
    };
    if let Some(pointer) = record.erased.iter().chain(&record.masked).find(|pointer| is_needed(pointer)) {
        return refuse(Reason::Masked, pointer.as_ref());
    }
    if !options.denied && !has_passed(record.result, record.mode) {
        return refuse(Reason::Denied, path.unwrap_or_default());
    }
    if let Some(status) = response.and_then(|response| response.status) {
        answered(status, options, path.as_deref())?;
    }
    let (sans, workload) = sidegate.map_or((None, None), |own| (own.source, own.workload));
    let principal = source.and_then(|peer| peer.principal).filter(|name| !name.is_empty());
    let mut callers = sans.map(|source| source.uri_sans).unwrap_or_default();
    // The first name is the principal's; if it is not, no rule knows who calls.
    match principal {
        Some(principal) if callers.is_empty() => callers.push(principal),
        Some(principal) if callers.first() != Some(&principal) => callers.push(principal),
        None if !callers.is_empty() => return refuse(Reason::SeveralNames, "names without a principal"),
        _ => {}
    }
    Ok(Said {
        workload: workload.map_or((None, None), |workload| (workload.namespace, workload.name)),
        own: destination.and_then(|peer| peer.principal),
        callers,
        method,
        path,
        content_type: headers.and_then(|headers| headers.content_type),
        time: record.timestamp.and_then(raw_text).and_then(|text| seconds(&text)),
    })
}

/// Whether a JSON pointer into an event leads to what is read here.
fn is_needed(pointer: &str) -> bool {
    const READ: [&str; 7] = [
        "/input/attributes/source/principal",
        "/input/attributes/destination/principal",
        "/input/attributes/request/http/method",
        "/input/attributes/request/http/path",
        "/input/attributes/request/http/headers/content-type",
        "/input/sidegate/source/uri_sans",
        "/input/sidegate/workload",
    ];
    let below = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    READ.iter().any(|read| below(read, pointer) || below(pointer, read))
}

/// Whether the request went on: it was allowed, or only decided in shadow.
fn has_passed(result: Option<&RawValue>, mode: Option<&RawValue>) -> bool {
    let is_shadow = |mode: Text<'_>| mode.as_deref() == Some("shadow");
    if mode.is_some_and(|mode| is_shadow(raw_text(mode))) {
        return true;
    }
    match result.map(|result| result.get()) {
        Some("true") => true,
        Some(text) => serde_json::from_str::<Decision<'_>>(text)
            .is_ok_and(|decision| decision.allowed == Some(true) || is_shadow(decision.mode)),
        None => false,
    }
}

/// A line of an access log in the form of docs/suggest.md.
fn access<'a>(record: Record<'a>, options: &Options) -> Result<Said<'a>, Refused> {
    let path = record.path.and_then(raw_text);
    let (Some(method), Some(path), Some(code)) = (record.method, path, record.response_code) else {
        return refuse(
            Reason::NotARequest,
            "no `input`, and not all of `method`, `path` and `response_code`",
        );
    };
    let Some(peer) = record.downstream_peer_uri_san else { return refuse(Reason::NoPeer, "") };
    match (known(record.direction.flatten()), record.upstream_cluster) {
        (Some(direction), _) if direction == "inbound" => {}
        (Some(direction), _) => return refuse(Reason::Outbound, direction),
        (None, None) => return refuse(Reason::NoDirection, ""),
        (None, Some(cluster)) => match known(cluster) {
            Some(cluster) if cluster.starts_with("inbound|") => {}
            Some(cluster) => return refuse(Reason::Outbound, cluster),
            // Answered by the proxy itself.
            None => return refuse(Reason::Status, path),
        },
    }
    let status = number(code).unwrap_or(0);
    let grpc = record.grpc_status.map_or(Some(0), number).unwrap_or(0);
    answered(status, options, Some(path.as_ref()))?;
    answered(as_http(grpc), options, Some(path.as_ref()))?;
    let peers = known(peer).map(|peers| match peers {
        Cow::Borrowed(peers) => peers.split(',').map(|name| Cow::Borrowed(name.trim())).collect(),
        Cow::Owned(peers) => {
            peers.split(',').map(|name| Cow::Owned(name.trim().to_owned())).collect::<Vec<_>>()
        }
    });
    Ok(Said {
        workload: (known(record.workload_namespace), known(record.workload_name)),
        own: known(record.downstream_local_uri_san),
        callers: peers.unwrap_or_default(),
        method: Some(method),
        path: Some(path),
        content_type: known(record.content_type),
        time: record.start_time.and_then(raw_text).and_then(|text| seconds(&text)),
    })
}

/// Envoy writes `-` or null where there is nothing.
fn known(text: Text<'_>) -> Text<'_> {
    text.filter(|text| !matches!(text.as_ref(), "" | "-"))
}

fn answered(status: u32, options: &Options, path: Option<&str>) -> Result<(), Refused> {
    match (100..options.status_below).contains(&status) {
        true => Ok(()),
        false => refuse(Reason::Status, format!("{status} {}", path.unwrap_or_default())),
    }
}

/// The status of HTTP that says the same as one of gRPC (google.rpc.Code).
fn as_http(grpc: u32) -> u32 {
    match grpc {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        16 => 401,
        _ => 500,
    }
}

/// A number, or a text that is one.
fn number(raw: &RawValue) -> Option<u32> {
    raw.get().trim_matches('"').parse().ok()
}

fn raw_text(raw: &RawValue) -> Text<'_> {
    serde_json::from_str(raw.get()).ok()
}

/// A time as RFC 3339 writes it, or a day, to seconds since 1970.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let parse = Builtin::find("time.parse_rfc3339_ns")?;
    let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let ns = parse.call(&[text.into()], &Context::default()).ok()?.as_i64().ok()?;
    Some(ns.div_euclid(1_000_000_000))
}

impl<'a> Said<'a> {
    fn observed(self, options: &Options) -> Result<Observed<'a>, Refused> {
        let Self { workload, own, mut callers, method, path, content_type, time } = self;
        let Some(path) = path else { return refuse(Reason::NotARequest, "no path") };
        if let Some(since) = options.since {
            match time {
                None => return refuse(Reason::NoTime, path),
                Some(time) if time < since => return refuse(Reason::Old, path),
                Some(_) => {}
            }
        }
        if callers.len() > 1 {
            return refuse(Reason::SeveralNames, callers.join(", "));
        }
        let own_parts = own.as_deref().and_then(spiffe);
        let domain = own.as_deref().and_then(domain).unwrap_or(&options.trust_domain).to_owned();
        let workload = match (&options.to, workload) {
            (Some((namespace, name)), _) => (Cow::Owned(namespace.clone()), Cow::Owned(name.clone())),
            (None, (Some(namespace), Some(name))) if !namespace.is_empty() && !name.is_empty() => {
                (namespace, name)
            }
            (None, _) => match own_parts.filter(|_| options.by_account) {
                Some((_, namespace, account)) => {
                    (Cow::Owned(namespace.to_owned()), Cow::Owned(account.to_owned()))
                }
                None => return refuse(Reason::NoService, own.unwrap_or_default()),
            },
        };
        let method = method.filter(|method| words::method(method).is_ok());
        let Some(method) = method else { return refuse(Reason::Method, path) };
        let path = match path.find('?').and_then(|at| path.get(..at)) {
            Some(bare) => Cow::Owned(bare.to_owned()),
            None => path,
        };
        if !plain::is_plain(&path) {
            return refuse(Reason::AmbiguousPath, path);
        }
        let is_grpc =
            method == "POST" && content_type.is_some_and(|kind| kind.starts_with("application/grpc"));
        let name = path
            .strip_prefix('/')
            .filter(|name| is_grpc && words::grpc(name).is_ok_and(|grpc| grpc.method.is_some()));
        let call = match name {
            Some(name) => Call::Grpc(Cow::Owned(name.to_owned())),
            None => Call::Http(method, path),
        };
        Ok(Observed { workload, domain: Cow::Owned(domain), caller: callers.pop(), call, time })
    }
}

/// Trust domain, namespace and service account of an Istio identity.
pub(super) fn spiffe(name: &str) -> Option<(&str, &str, &str)> {
    let mut parts = name.strip_prefix("spiffe://")?.split('/');
    let found = (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (domain, "ns", namespace, "sa", account) = found else { return None };
    let is_full = !domain.is_empty() && !namespace.is_empty() && !account.is_empty();
    (is_full && parts.next().is_none()).then_some((domain, namespace, account))
}

fn domain(name: &str) -> Option<&str> {
    name.strip_prefix("spiffe://")?.split('/').next().filter(|domain| !domain.is_empty())
}
