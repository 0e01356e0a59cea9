//! The plugin's configuration.

use serde_json::Value as Json;
use sidegate_engine::attributes::Workload;
use sidegate_engine::config::{Config, DecisionLog, Entrypoints, Form, HttpSource, LogSink};

use crate::packed::{is_line, workload};

/// The keys of the contract.
const KEYS: [&str; 15] = [
    "version",
    "bundle",
    "entrypoint",
    "response_entrypoint",
    "network_entrypoint",
    "mode",
    "allow_lowering",
    "guard",
    "undeclared",
    "verify",
    "trust_domain_aliases",
    "paths",
    "on_error",
    "limits",
    "decision_log",
];

/// A configuration that is taken is JSON of the contract's keys, and every value is within its range; why one is not is
/// a line that a log can bear.
pub fn config(data: &[u8]) {
    let first = Config::parse(data);
    assert_eq!(first, Config::parse(data), "the same text, read twice");
    match first {
        Ok(config) => taken(data, &config),
        Err(error) => {
            assert!(!error.code().is_empty());
            is_line(&error);
        }
    }
}

fn taken(data: &[u8], config: &Config) {
    let json: Json = serde_json::from_slice(data).expect("what is taken is JSON");
    let object = json.as_object().expect("what is taken is an object");
    assert!(object.keys().all(|key| KEYS.contains(&key.as_str())), "an unknown key is taken");
    assert!(object.contains_key("version") && object.contains_key("bundle"));
    let Config { entrypoints, on_error_status, limits, trust, bundle, .. } = config;
    let Config { decision_log, trust_domain_aliases, .. } = config;
    let Entrypoints { request, response, connection } = entrypoints;
    for path in [Some(request), response.as_ref(), connection.as_ref()].into_iter().flatten() {
        assert!(path.split('/').all(|part| !part.is_empty()) && path.is_ascii(), "{path:?}");
    }
    assert_eq!(response.is_some(), json.get("response_entrypoint").is_some_and(Json::is_string));
    assert_eq!(connection.is_some(), json.get("network_entrypoint").is_some_and(Json::is_string));
    assert!(trust_domain_aliases.iter().all(|name| !name.is_empty() && !name.contains(['/', '*'])));
    assert!((400..=599).contains(on_error_status));
    assert!((1..=100_000_000).contains(&limits.steps) && (1..=128).contains(&limits.depth));
    assert!((1..=1 << 20).contains(&limits.output_bytes) && (1..=1 << 20).contains(&limits.body_bytes));
    assert!(limits.cache_entries <= 65_536 && (1..=33_554_432).contains(&limits.bundle_bytes));
    assert!(!trust.required || !trust.keys.is_empty(), "signatures are required, and nobody can make one");
    if !trust.required {
        assert_eq!(json["verify"]["required"], false, "signatures are waived, and nobody said so");
    }
    assert_eq!(config.allow_lowering, json["allow_lowering"] == true);
    assert_eq!(config.is_guarded, json["guard"] == true);
    assert_eq!(config.waives_undeclared, json["undeclared"] == "shadow");
    assert_eq!(config.mode.as_str(), json.get("mode").and_then(Json::as_str).unwrap_or("enforce"));
    assert!(bundle.inline.is_some() || bundle.http.is_some());
    assert!(bundle.inline.as_ref().is_none_or(|bytes| bytes.len() <= limits.bundle_bytes));
    logged(decision_log);
    if let Some(http) = &bundle.http {
        assert!(!trust.keys.iter().any(sidegate_engine::trust::TrustedKey::is_secret));
        fetched(http);
    }
}

/// What goes into headers of our own can stand there.
fn logged(DecisionLog { level: _, sink, rate, id_header }: &DecisionLog) {
    let is_plain = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    assert!((1..=100_000).contains(rate));
    assert!(id_header.as_ref().is_none_or(|name| is_plain(name) && !name.contains(':')));
    if let LogSink::Http { cluster, path } = sink {
        assert!(is_plain(cluster) && is_plain(path) && path.starts_with('/'));
    }
}

/// Whatever the workload is called, what is asked for is a path of this server.
fn fetched(http: &HttpSource) {
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    assert!(is_plain(&http.cluster) && is_plain(&http.authority));
    assert!(http.interval >= 1_000_000_000 && http.timeout >= 100_000_000 && http.first_wait >= 0);
    let odd = ["..", "a/b", "a?b", "A", "", "{workload}", "{namespace}", "x\r\ny"];
    let named = |namespace: &str, name: &str| Workload { namespace: namespace.into(), name: name.into() };
    let odd = odd.iter().flat_map(|text| [named(text, "cart"), named("shop", text)]);
    for workload in odd.chain([workload()]) {
        let Ok(location) = http.locate(&workload) else {
            assert_ne!(workload, self::workload(), "a workload with names has a path");
            continue;
        };
        assert!(location.path.starts_with('/') && is_plain(&location.path), "{}", location.path);
        assert!(!location.path.contains("{namespace}") && !location.path.contains("{workload}"));
        assert_eq!(location.form != Form::Bundle, http.path.ends_with(".json"));
    }
}
