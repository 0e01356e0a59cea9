//! A record of a log to what is known of one request: of OPA's decision logs, or of Envoy's access logs.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;
use sidegate_engine::eval::{Builtin, Context};

use super::left::Reason;
use super::{Options, access, decision};
use crate::declare::judge::ReadPath;
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

/// A text that may be missing.
pub(super) type Text<'a> = Option<Cow<'a, str>>;

/// Both kinds of record: the names of their keys differ.
#[derive(Deserialize)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    pub(super) input: Option<decision::Input<'a>>,
    #[serde(borrow)]
    pub(super) result: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) timestamp: Option<&'a RawValue>,
    pub(super) mode: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) erased: Vec<Cow<'a, str>>,
    #[serde(default)]
    pub(super) masked: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) start_time: Option<&'a RawValue>,
    pub(super) method: Text<'a>,
    #[serde(borrow)]
    pub(super) path: Option<&'a RawValue>,
    pub(super) content_type: Text<'a>,
    #[serde(borrow)]
    pub(super) response_code: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) grpc_status: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "present")]
    pub(super) downstream_peer_uri_san: Option<Text<'a>>,
    pub(super) downstream_local_uri_san: Text<'a>,
    #[serde(default, deserialize_with = "present")]
    pub(super) upstream_cluster: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) direction: Option<Text<'a>>,
    pub(super) workload_namespace: Text<'a>,
    pub(super) workload_name: Text<'a>,
}

/// A key that is there, with or without a value.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<Text<'a>>, D::Error> {
    Text::deserialize(from).map(Some)
}

/// What both kinds of record say.
pub(super) struct Said<'a> {
    pub(super) workload: (Text<'a>, Text<'a>),
    pub(super) own: Text<'a>,
    pub(super) callers: Vec<Cow<'a, str>>,
    pub(super) method: Text<'a>,
    pub(super) path: Text<'a>,
    pub(super) content_type: Text<'a>,
    pub(super) time: Option<i64>,
}

/// Reads one record.
pub(super) fn read<'a>(bytes: &'a [u8], options: &Options) -> Result<Observed<'a>, Refused> {
    let record: Record<'a> =
        serde_json::from_slice(bytes).map_err(|error| (Reason::NotJson, error.to_string()))?;
    let said =
        if record.input.is_some() { decision::read(record, options) } else { access::read(record, options) }?;
    said.observed(options)
}

pub(super) fn refuse<T>(reason: Reason, example: impl Into<String>) -> Result<T, Refused> {
    Err((reason, example.into()))
}

pub(super) fn answered(status: u32, options: &Options, path: Option<&str>) -> Result<(), Refused> {
    match (100..options.status_below).contains(&status) {
        true => Ok(()),
        false => refuse(Reason::Status, format!("{status} {}", path.unwrap_or_default())),
    }
}

/// A number, or a text that is one.
pub(super) fn number(raw: &RawValue) -> Option<u32> {
    raw.get().trim_matches('"').parse().ok()
}

pub(super) fn raw_text(raw: &RawValue) -> Text<'_> {
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
        if ReadPath::new(&path).is_err() {
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
