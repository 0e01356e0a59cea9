//! What is called: an operation becomes a target.

use super::callers::once;
use super::policy::Operation;
use super::reasons::{Narrowing, Reason};
use super::translate::{Effect, Notes};
use crate::declare::{HostPattern, Place, Target, Template, words};

const NOT: &str = "a declaration says what is meant, not what is not";
const PART: &str = "declarations compare whole segments: `/a/*` can be said, `/a*` and `*a` cannot";
/// The target of an operation and the ports that conditions add; a target without keys is everything.
pub(super) fn target(operation: &Operation, effect: Effect, notes: &mut Notes) -> Result<Target, Reason> {
    let Operation { hosts, not_hosts, ports, not_ports, methods, not_methods, paths, not_paths } = operation;
    for (field, texts) in [
        ("notHosts", not_hosts),
        ("notPorts", not_ports),
        ("notMethods", not_methods),
        ("notPaths", not_paths),
    ] {
        if !texts.0.is_empty() {
            return Err(Reason::Field(field, NOT));
        }
    }
    Ok(Target {
        place: Place::default(),
        methods: self::methods(&methods.0, effect, notes)?,
        paths: self::paths(&paths.0, effect, notes)?,
        grpc: Vec::new(),
        hosts: self::hosts(&hosts.0, effect, notes)?,
        ports: self::ports(&ports.0)?,
    })
}

fn methods(values: &[String], effect: Effect, notes: &mut Notes) -> Result<Vec<String>, Reason> {
    // Every request has a method.
    if values.iter().any(|value| value == "*") {
        return Ok(Vec::new());
    }
    let read = |value: &String| {
        words::method(value).map_err(|_| Reason::Value {
            field: "methods",
            value: value.clone(),
            why: "expected a whole method in upper case",
        })
    };
    let methods = values.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if effect == Effect::Deny && !methods.is_empty() {
        notes.insert(Narrowing::Method);
    }
    Ok(once(methods))
}

/// Paths; none where there is no condition on them.
fn paths(values: &[String], effect: Effect, notes: &mut Notes) -> Result<Vec<Template>, Reason> {
    // No allow matches a request without a path, and a deny of every path is one without a condition.
    if values.iter().any(|value| value == "*") {
        return Ok(Vec::new());
    }
    let mut templates = Vec::new();
    for value in values {
        templates.push(path(value)?);
    }
    if effect == Effect::Deny && !templates.is_empty() {
        notes.insert(Narrowing::Path);
    }
    Ok(once(templates))
}

fn path(value: &str) -> Result<Template, Reason> {
    let refused = |why| Reason::Value { field: "paths", value: value.to_owned(), why };
    let plain = |text: &str| {
        words::template(text)
            .map_err(|_| refused("no path that a declaration can name, or that any allow matches"))
    };
    if value.contains("{*}") || value.contains("{**}") {
        return plain(&value.replace("{*}", "{any}"));
    }
    if value.contains(['{', '}']) {
        return Err(refused("`{*}` and `{**}` are the only templates"));
    }
    match value.strip_suffix("/*") {
        Some(before) if !before.contains('*') => plain(&format!("{before}/{{**}}")),
        _ if value.contains('*') => Err(refused(PART)),
        _ => plain(value),
    }
}

/// Hosts, which Istio compares with the port that stands in the request.
fn hosts(values: &[String], effect: Effect, notes: &mut Notes) -> Result<Vec<HostPattern>, Reason> {
    // Envoy answers a request without a host itself.
    if values.is_empty() || values.iter().any(|value| value == "*") {
        return Ok(Vec::new());
    }
    let mut hosts = Vec::new();
    for value in values {
        let refused = |why| Reason::Value { field: "hosts", value: value.clone(), why };
        if effect == Effect::Allow {
            return Err(refused(
                "Istio lets this very text in, a declaration the host with any port and with a dot at its end",
            ));
        }
        let any_port = value.strip_suffix(":*").filter(|host| values.iter().any(|other| other == host));
        let host = any_port.unwrap_or(value);
        hosts.push(words::host(host).map_err(|_| refused("expected a host, or `*.` and a host"))?);
    }
    notes.insert(Narrowing::Host);
    Ok(once(hosts))
}

/// Ports, as numbers.
pub(super) fn ports(values: &[String]) -> Result<Vec<u16>, Reason> {
    let read = |value: &String| {
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let port = value.parse::<u16>().ok().filter(|port| is_number && *port > 0);
        port.ok_or_else(|| Reason::Value { field: "ports", value: value.clone(), why: "expected a port" })
    };
    values.iter().map(read).collect::<Result<Vec<_>, _>>().map(once)
}
