//! Lines of Envoy's access logs as JSON, in the form of docs/suggest.md.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Options;
use super::left::Reason;
use super::request::{Record, Refused, Said, Text, answered, number, raw_text, refuse, seconds};

/// A line of an access log in the form of docs/suggest.md.
pub(super) fn read<'a>(record: Record<'a>, options: &Options) -> Result<Said<'a>, Refused> {
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
    let grpc = record.grpc_status.map_or(0, grpc_status);
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

/// The status of a call; what is none is an error, but for what Envoy writes of other requests.
fn grpc_status(raw: &RawValue) -> u32 {
    match raw.get() {
        "\"-\"" | "\"\"" => 0,
        _ => number(raw).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::declare::suggest::request::{Call, read};

    const CALLER: &str = "spiffe://td/ns/a/sa/b";

    fn asked(line: &Value, options: &Options) -> Result<(Option<String>, String), Reason> {
        let text = line.to_string();
        let seen = read(text.as_bytes(), options).map_err(|(reason, _)| reason)?;
        let Call::Http(method, path) = seen.call else { return Err(Reason::NotARequest) };
        Ok((
            seen.caller.map(String::from),
            format!("{}/{} {} {method} {path}", seen.workload.0, seen.workload.1, seen.domain),
        ))
    }

    #[test]
    fn access_logs_say_who_came_in() {
        let line = json!({
            "start_time": "2026-11-24T10:00:00.000Z", "method": "GET", "path": "/a", "response_code": 200,
            "downstream_peer_uri_san": null, "upstream_cluster": "inbound|80||",
            "workload_namespace": "pay", "workload_name": "charges",
        });
        let with = |key: &str, value: Value| {
            let mut line = line.clone();
            line[key] = value;
            asked(&line, &Options::default())
        };
        let wanted = |caller: Option<&str>| {
            Ok((caller.map(str::to_owned), "pay/charges cluster.local GET /a".to_owned()))
        };
        assert_eq!(with("x", json!([1])), wanted(None));
        assert_eq!(with("downstream_peer_uri_san", json!("-")), wanted(None));
        assert_eq!(with("downstream_peer_uri_san", json!(CALLER)), wanted(Some(CALLER)));
        assert_eq!(with("response_code", json!("302")), wanted(None));
        assert_eq!(with("grpc_status", json!("-")), wanted(None));
        assert_eq!(with("grpc_status", json!(5)), Err(Reason::Status));
        assert_eq!(with("direction", json!("outbound")), Err(Reason::Outbound));
        assert_eq!(with("upstream_cluster", json!("outbound|80||a")), Err(Reason::Outbound));
        assert_eq!(with("upstream_cluster", json!("-")), Err(Reason::Status));
    }
}
