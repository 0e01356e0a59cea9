//! Events of decision logs, as OPA writes them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Options;
use super::left::Reason;
use super::request::{Record, Refused, Said, Text, answered, raw_text, refuse, seconds};

/// The request, as OPA's Envoy plugin has it.
#[derive(Deserialize)]
pub(super) struct Input<'a> {
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

/// An event of a decision log, as OPA writes them.
pub(super) fn read<'a>(record: Record<'a>, options: &Options) -> Result<Said<'a>, Refused> {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::declare::suggest::request::{Call, read, seconds};

    fn event() -> Value {
        json!({"timestamp": "2026-11-24T10:00:00.5Z", "result": true, "path": "envoy/authz/allow", "input": {
            "attributes": {
                "source": {"principal": "spiffe://td/ns/a/sa/b"},
                "destination": {"principal": "spiffe://own/ns/pay/sa/charges"},
                "request": {"http": {"method": "POST", "path": "/pay.Charges/Get", "headers": {"content-type": "application/grpc"}}},
            },
            "sidegate": {"workload": {"namespace": "pay", "name": "charges-v1"}, "source": {"uri_sans": ["spiffe://td/ns/a/sa/b"]}},
        }})
    }

    fn with(pointer: &str, value: Value) -> Result<(Option<String>, String), Reason> {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let mut event = event();
        event.pointer_mut(parent).unwrap()[key] = value;
        asked(&event, &Options::default())
    }

    fn asked(record: &Value, options: &Options) -> Result<(Option<String>, String), Reason> {
        let text = record.to_string();
        let seen = read(text.as_bytes(), options).map_err(|(reason, _)| reason)?;
        let call = match seen.call {
            Call::Http(method, path) => format!("{method} {path}"),
            Call::Grpc(name) => format!("grpc {name}"),
        };
        Ok((
            seen.caller.map(String::from),
            format!("{}/{} {} {call}", seen.workload.0, seen.workload.1, seen.domain),
        ))
    }

    const CALLER: &str = "spiffe://td/ns/a/sa/b";

    #[test]
    fn decisions_are_read_as_opa_writes_them() {
        let own = "pay/charges-v1 own";
        let wanted = |call: &str| Ok((Some(CALLER.to_owned()), format!("{own} {call}")));
        assert_eq!(with("/x", json!(1)), wanted("grpc pay.Charges/Get"));
        let http = "/input/attributes/request/http";
        assert_eq!(with(&format!("{http}/path"), json!("/odd?x")), wanted("POST /odd"));
        assert_eq!(with(&format!("{http}/headers"), json!({})), wanted("POST /pay.Charges/Get"));
        assert_eq!(with(&format!("{http}/method"), json!("GET")), wanted("GET /pay.Charges/Get"));
        assert_eq!(with(&format!("{http}/path"), Value::Null), Err(Reason::NotARequest));
        assert_eq!(
            with("/masked", json!(["/input/attributes/request/http/headers/authorization"])),
            wanted("grpc pay.Charges/Get")
        );
        for masked in ["/input", "/input/attributes/request/http/path", "/input/sidegate/workload/name"] {
            assert_eq!(with("/erased", json!([masked])), Err(Reason::Masked), "{masked}");
        }
    }

    #[test]
    fn who_calls_is_never_guessed() {
        let principal = "/input/attributes/source/principal";
        let sans = "/input/sidegate/source/uri_sans";
        assert_eq!(with(principal, json!("")), Err(Reason::SeveralNames));
        assert_eq!(with(principal, json!("spiffe://td/ns/a/sa/c")), Err(Reason::SeveralNames));
        assert_eq!(with(sans, json!([CALLER, "spiffe://td/x"])), Err(Reason::SeveralNames));
        assert_eq!(with(sans, json!([])).unwrap().0.as_deref(), Some(CALLER));
        let mut nobody = event();
        nobody["input"]["attributes"]["source"] = json!({});
        nobody["input"]["sidegate"]["source"] = json!({});
        assert_eq!(asked(&nobody, &Options::default()).unwrap().0, None);
    }

    #[test]
    fn what_was_denied_is_left_out_unless_it_went_on() {
        for (result, has_passed) in [
            (json!(true), true),
            (json!(false), false),
            (json!({"allowed": true}), true),
            (json!({"allowed": false}), false),
            (json!({"allowed": false, "mode": "shadow"}), true),
            (json!({"allowed": false, "undeclared": true}), false),
            (json!({"allowed": "yes"}), false),
            (json!("true"), false),
            (Value::Null, false),
        ] {
            assert_eq!(with("/result", result.clone()).is_ok(), has_passed, "{result}");
        }
        let mut denied = event();
        denied["result"] = json!(false);
        assert!(asked(&denied, &Options { denied: true, ..Options::default() }).is_ok());
        denied["mode"] = json!("shadow");
        assert!(asked(&denied, &Options::default()).is_ok());
        assert_eq!(with("/input/response", json!({"status": 404})), Err(Reason::Status));
        assert!(with("/input/response", json!({"status": 204})).is_ok());
    }

    #[test]
    fn services_and_times_are_asked_for() {
        let mut unnamed = event();
        unnamed["input"]["sidegate"] = json!({});
        assert_eq!(asked(&unnamed, &Options::default()), Err(Reason::NoService));
        let to = Options { to: Some(("pay".to_owned(), "x".to_owned())), ..Options::default() };
        assert!(asked(&unnamed, &to).unwrap().1.starts_with("pay/x own"));
        let by_account = Options { by_account: true, ..Options::default() };
        assert!(asked(&unnamed, &by_account).unwrap().1.starts_with("pay/charges own"));
        let since = |text: &str| Options { since: seconds(text), ..Options::default() };
        assert_eq!(asked(&event(), &since("2026-11-25")), Err(Reason::Old));
        assert!(asked(&event(), &since("2026-11-24T10:00:00Z")).is_ok());
        unnamed = event();
        unnamed["timestamp"] = json!(5);
        assert_eq!(asked(&unnamed, &since("2026-11-24")), Err(Reason::NoTime));
        assert_eq!(
            (seconds("2026-11-24"), seconds("1970-01-01T00:00:01+00:00")),
            (Some(1_795_478_400), Some(1))
        );
        assert!(
            ["", "yesterday", "2026-13-01", "10:00", "2026-11-24 10:00"]
                .iter()
                .all(|text| seconds(text).is_none())
        );
    }
}
