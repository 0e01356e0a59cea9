//! One request's input, part by part.

use std::borrow::Cow;
use std::cell::OnceCell;

use regorus::Value;
use regorus::value::Object;

use super::error::RequestError;
use super::identity::Spiffe;
use super::leaves::{At, LEAVES, Leaf, Place};
use super::text::sanitize;
use super::{Fields, InputBuilder, body, uri};
use crate::attributes::Attributes;
use crate::collections;
use crate::needs::{Group, KeyNeeds, Needs, PARTIAL_BODY};

/// The headers that say what a body is.
const CONTENT_TYPE: &[u8] = b"content-type";
const CONTENT_LENGTH: &[u8] = b"content-length";
/// The header that Envoy copies to `source.service`.
const DOWNSTREAM_CLUSTER: &[u8] = b"x-envoy-downstream-service-cluster";

/// A request that has an input: what can be wrong with one has been looked at, the rest is made when it is asked for.
#[derive(Debug)]
pub struct Request<'a> {
    builder: &'a InputBuilder,
    needs: &'a Needs,
    attributes: &'a Attributes,
    /// `:path` as text.
    target: Cow<'a, str>,
    /// Where any of it is needed.
    body: Option<ReadBody<'a>>,
    metadata: Option<Value>,
    route_metadata: Option<Value>,
    /// Made once.
    document: OnceCell<Value>,
}

#[derive(Debug)]
struct ReadBody<'a> {
    text: Cow<'a, str>,
    parsed: body::Parsed,
}

/// What a leaf is.
#[derive(Debug)]
pub(crate) enum Part<'r> {
    /// Text, in the attributes as far as it is UTF-8.
    Text(Cow<'r, str>),
    /// Anything else.
    Value(Value),
}

impl<'a> Request<'a> {
    /// Looks at what may be wrong, in a fixed order: path and query, the source address, metadata, the body.
    pub(super) fn new(
        builder: &'a InputBuilder,
        needs: &'a Needs,
        attributes: &'a Attributes,
    ) -> Result<Self, RequestError> {
        let target = sanitize(attributes.header(b":path").unwrap_or_default());
        let (path, query) = uri::cut(&target);
        uri::check(path, query)?;
        if needs.contains(Group::SourceAddress) && attributes.source_is_forwarded() {
            return Err(RequestError::SourceAddress);
        }
        let metadata = needs.contains(Group::Metadata).then(|| {
            let message = attributes.metadata.as_deref();
            builder.metadata(message, needs.metadata())
        });
        let metadata = metadata.transpose()?;
        let route_metadata = needs.contains(Group::RouteMetadata).then(|| {
            let message = attributes.route_metadata.as_deref();
            builder.metadata(message, needs.route_metadata())
        });
        let route_metadata = route_metadata.transpose()?;
        let body =
            needs.contains(Group::Body).then(|| ReadBody::new(builder, attributes, path)).transpose()?;
        let document = OnceCell::new();
        Ok(Self { builder, needs, attributes, target, body, metadata, route_metadata, document })
    }

    /// The whole of it: every leaf that is needed and there.
    pub fn document(&self) -> &Value {
        self.document.get_or_init(|| {
            let mut input = Object::default();
            for ((leaf, ..), path) in LEAVES.iter().zip(&self.builder.paths) {
                if let Some(part) = self.part(*leaf) {
                    put(&mut input, path, part.into());
                }
            }
            Fields(input).into_value()
        })
    }

    /// What the document has at `place`; undefined where it has nothing there.
    pub(crate) fn value(&self, place: &Place) -> Value {
        match self.part_at(place) {
            None => Value::Undefined,
            Some(part) if place.below.is_empty() => part.into(),
            Some(part) => place.down(&part.into()).clone(),
        }
    }

    /// What the way to `place` leads to, without its keys below.
    pub(crate) fn part_at(&self, place: &Place) -> Option<Part<'_>> {
        match &place.at {
            At::Leaf(leaf) => self.part(*leaf),
            At::Header(name) => self.header(name),
            At::Names => self.part_of_headers(false).map(Part::Value),
            At::Document => Some(Part::Value(self.document().clone())),
            At::Nothing => None,
        }
    }

    /// A leaf; `None` where it is absent, or not needed.
    pub(crate) fn part(&self, leaf: Leaf) -> Option<Part<'_>> {
        if !self.needs.contains(leaf.group()) {
            return None;
        }
        let attributes = self.attributes;
        match leaf {
            Leaf::Version => Some(Part::Value(self.builder.version.clone())),
            Leaf::Phase => Some(Part::Text(Cow::Borrowed(attributes.phase.name()))),
            Leaf::Workload => Some(Part::Value(self.builder.workload.clone())),
            Leaf::Path => filled(Cow::Borrowed(&self.target)),
            Leaf::Method => text(attributes.header(b":method")),
            Leaf::Host => text(attributes.header(b":authority")),
            Leaf::Scheme => text(attributes.header(b":scheme")),
            Leaf::Headers => self.part_of_headers(true).map(Part::Value),
            Leaf::ParsedPath => {
                let segments = uri::segments(uri::cut(&self.target).0).ok()?;
                Some(Part::Value(segments.into_iter().map(Value::from).collect::<Vec<_>>().into()))
            }
            Leaf::ParsedQuery => uri::parameter_object(uri::cut(&self.target).1).ok().map(Part::Value),
            Leaf::Time => attributes.request_time_ns.map(|nanos| Part::Value(self.builder.timestamp(nanos))),
            Leaf::Protocol => text(attributes.protocol.as_deref()),
            Leaf::SourceAddress => self.address(attributes.source_address.as_deref()),
            Leaf::SourceService => filled(self.joined(DOWNSTREAM_CLUSTER)?),
            Leaf::SourceNames => Some(Part::Value(self.caller())),
            Leaf::Principal | Leaf::SourcePrincipal => text(attributes.peer_principal()),
            Leaf::DestinationAddress => self.address(attributes.destination_address.as_deref()),
            Leaf::DestinationPrincipal => text(attributes.local_principal()),
            Leaf::TlsVersion => text(attributes.tls_version.as_deref()),
            Leaf::Sni => text(attributes.requested_server_name.as_deref()).filter(|_| self.is_tls()),
            Leaf::Mtls => {
                attributes.mtls.map(|mtls| Part::Value(Value::Bool(mtls))).filter(|_| self.is_tls())
            }
            Leaf::Direction => match attributes.listener_direction {
                Some(1) => Some(Part::Value(self.builder.inbound.clone())),
                Some(2) => Some(Part::Value(self.builder.outbound.clone())),
                _ => None,
            },
            Leaf::Body => filled(Cow::Borrowed(self.body.as_ref()?.text.as_ref())),
            Leaf::Size => match attributes.body.as_ref()?.received {
                0 => None,
                bytes => Some(Part::Value(Value::from(bytes))),
            },
            Leaf::ParsedBody => Some(Part::Value(self.body.as_ref()?.parsed.value.clone())),
            Leaf::TruncatedBody => Some(Part::Value(Value::Bool(self.body.as_ref()?.parsed.is_cut))),
            Leaf::Metadata => self.metadata.clone().map(Part::Value),
            Leaf::RouteMetadata => self.route_metadata.clone().map(Part::Value),
            Leaf::ResponseStatus => {
                let status = std::str::from_utf8(attributes.response.first(b":status")?).ok()?;
                Some(Part::Value(Value::from(u64::from(status.parse::<u16>().ok()?))))
            }
            Leaf::ResponseHeaders => {
                let sent = attributes.response.iter().filter(|(name, _)| !name.starts_with(b":"));
                self.headers(None, sent, true).map(Part::Value)
            }
        }
    }

    /// The values of one header, joined by `,` in their order; `None` where it is not there, or not needed. `name` is one
    /// that no other name in the input can be confused with ([`At::Header`]).
    fn header(&self, name: &str) -> Option<Part<'_>> {
        if !self.needs.contains(Group::Headers) || !self.needs.headers().contains(name) {
            return None;
        }
        self.joined(name.as_bytes()).map(Part::Text)
    }

    /// Names on the wire, those among them that are in the input.
    pub(crate) fn header_names(&self) -> impl Iterator<Item = &'a [u8]> {
        let needs = self.needs;
        let is_in = move |name: &[u8]| {
            needs.contains(Group::Headers)
                && name != PARTIAL_BODY.as_bytes()
                && is_needed(needs.headers(), name)
        };
        self.attributes.headers.iter().map(|(name, _)| name).filter(move |name| is_in(name))
    }

    /// Name to value, several values of one name joined by `,` in their order; with a body, Envoy's mark
    /// on it. Where values are not asked for each is null.
    fn part_of_headers(&self, with_values: bool) -> Option<Value> {
        let (needs, attributes) = (self.needs, self.attributes);
        if !needs.contains(Group::Headers) {
            return None;
        }
        let mark = match &attributes.body {
            Some(body) if needs.contains(Group::Body) && needs.headers().contains(PARTIAL_BODY) => {
                let is_cut = if body.is_cut { "true" } else { "false" };
                Some((PARTIAL_BODY.as_bytes(), is_cut.as_bytes()))
            }
            _ => None,
        };
        // One from the client is not passed on.
        let is_in = |name: &[u8]| name != PARTIAL_BODY.as_bytes() && is_needed(needs.headers(), name);
        let sent = attributes.headers.iter().filter(|(name, _)| is_in(name));
        self.headers(mark, sent, with_values)
    }

    /// An object of headers; `None` where there are none.
    fn headers<'h>(
        &self,
        mark: Option<(&'h [u8], &'h [u8])>,
        sent: impl Iterator<Item = (&'h [u8], &'h [u8])>,
        with_values: bool,
    ) -> Option<Value> {
        // Sorted by name. A search for each is less than what a general sort takes for so few.
        let mut all: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::with_capacity(self.attributes.headers.len());
        for (name, value) in mark.into_iter().chain(sent) {
            let name = sanitize(name);
            let value = if with_values { sanitize(value) } else { Cow::Borrowed("") };
            match all.binary_search_by(|(known, _)| known.as_ref().cmp(name.as_ref())) {
                Err(at) => all.insert(at, (name, value)),
                Ok(at) => {
                    if let Some((_, before)) = all.get_mut(at).filter(|_| with_values) {
                        let before = before.to_mut();
                        before.push(',');
                        before.push_str(&value);
                    }
                }
            }
        }
        let mut known = self.builder.header_names.iter().peekable();
        let fields = all.into_iter().map(|(name, value)| {
            while known.next_if(|(known, _)| *known < name.as_ref()).is_some() {}
            let key = match known.peek() {
                Some((known, key)) if *known == name.as_ref() => key.clone(),
                _ => Value::from(name.as_ref()),
            };
            (key, if with_values { Value::from(value.as_ref()) } else { Value::Null })
        });
        let fields = collections::object(fields);
        (!matches!(&fields, Value::Object(fields) if fields.is_empty())).then_some(fields)
    }

    /// All values of a header; `None` where there is none.
    fn joined(&self, name: &[u8]) -> Option<Cow<'a, str>> {
        joined(self.attributes, name)
    }

    fn address(&self, text: Option<&[u8]>) -> Option<Part<'_>> {
        self.builder.address(text).map(Part::Value)
    }

    /// All URI SANs, and the parts of the SPIFFE identity where there is exactly one: a certificate with
    /// several is no SPIFFE identity (X509-SVID, section 2).
    fn caller(&self) -> Value {
        let keys = &self.builder.keys;
        let all = self.attributes.peer_uri_sans.iter();
        let sans: Vec<_> = all.filter(|san| !san.is_empty()).map(|san| sanitize(san)).collect();
        let mut source = Fields::default();
        if let [only] = sans.as_slice()
            && let Some(identity) = Spiffe::parse(only)
        {
            let Spiffe { trust_domain, namespace, service_account } = identity;
            source.put_filled(&keys.trust_domain, self.own_name(trust_domain));
            source.put_filled(&keys.namespace, namespace);
            source.put_filled(&keys.service_account, service_account);
        }
        let sans: Vec<_> = sans.iter().map(|san| Value::from(san.as_ref())).collect();
        source.put(&keys.uri_sans, Value::from(sans));
        source.into_value()
    }

    /// The trust domain of this proxy's own certificate, where `trust_domain` is another name of it; else itself.
    fn own_name<'s>(&'s self, trust_domain: &'s str) -> &'s str {
        let own = || Spiffe::parse(std::str::from_utf8(self.attributes.local_principal()?).ok()?);
        match self.builder.is_alias(trust_domain).then(own).flatten() {
            Some(own) => own.trust_domain,
            None => trust_domain,
        }
    }

    /// What is said of TLS is empty, and so absent, on plaintext.
    fn is_tls(&self) -> bool {
        self.attributes.tls_version.as_ref().is_some_and(|version| !version.is_empty())
    }
}

impl<'a> ReadBody<'a> {
    fn new(builder: &InputBuilder, attributes: &'a Attributes, path: &str) -> Result<Self, RequestError> {
        let body = attributes.body.as_ref();
        let text = body.map(|body| sanitize(&body.bytes)).unwrap_or_default();
        let (content_type, content_length) =
            (joined(attributes, CONTENT_TYPE), joined(attributes, CONTENT_LENGTH));
        let parsed = body::parse(body::Source {
            content_type: content_type.as_deref(),
            content_length: content_length.as_deref(),
            text: &text,
            bytes: body.map_or(&[], |body| body.bytes.as_slice()),
            path,
            messages: &builder.messages,
            is_cut: body.is_some_and(|body| body.is_cut),
        })?;
        Ok(Self { text, parsed })
    }
}

impl From<Part<'_>> for Value {
    fn from(part: Part<'_>) -> Self {
        match part {
            Part::Text(text) => Self::from(text.as_ref()),
            Part::Value(value) => value,
        }
    }
}

/// Puts a value in an object, at the end of a path of objects.
fn put(object: &mut Object, path: &[Value], value: Value) {
    match path {
        [] => {}
        [key] => {
            object.insert(key.clone(), value);
        }
        [key, rest @ ..] => {
            let inner = object.get_or_insert_with(key.clone(), Value::new_object);
            if let Ok(inner) = inner.as_object_mut() {
                put(inner, rest, value);
            }
        }
    }
}

/// Text; what is empty is protobuf's default, and absent.
fn text(bytes: Option<&[u8]>) -> Option<Part<'_>> {
    filled(sanitize(bytes?))
}

fn filled(text: Cow<'_, str>) -> Option<Part<'_>> {
    (!text.is_empty()).then_some(Part::Text(text))
}

fn joined<'a>(attributes: &'a Attributes, name: &[u8]) -> Option<Cow<'a, str>> {
    let mut values = attributes.headers.values(name).map(sanitize);
    let first = values.next()?;
    Some(match values.next() {
        None => first,
        Some(second) => {
            let all: Vec<_> = [first, second].into_iter().chain(values).collect();
            Cow::Owned(all.join(","))
        }
    })
}

fn is_needed(needs: &KeyNeeds, name: &[u8]) -> bool {
    matches!(needs, KeyNeeds::All) || std::str::from_utf8(name).is_ok_and(|name| needs.contains(name))
}
