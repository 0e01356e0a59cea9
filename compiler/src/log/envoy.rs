//! Lines of Envoy's own log that a Wasm filter has written: `wasm log NAME: {…}`.
//!
//! Any other line with JSON in it may have that from a caller, who writes paths and the name of his program as he
//! likes. So all that stands before the JSON has to be as Envoy writes it: by its own format, by that of Istio's agent
//! (`--log-format` in `pkg/envoy/proxy.go`), or as JSON (`--log_as_json`). What `kubectl logs --prefix`, its
//! `--timestamps` and the container runtime put in front may be there.

use std::borrow::Cow;

use serde::Deserialize;

/// Where the JSON of such a line begins. `is_bracketed` is whether the line had a `[` before.
pub(super) fn message(line: &[u8], is_bracketed: bool) -> Option<usize> {
    let at = line.windows(2).position(|pair| pair == b"{\"")?;
    let head = std::str::from_utf8(line.get(..at)?).ok()?;
    let (origin, name) = head.split_once("wasm log")?;
    (is_name(name) && is_envoys(origin, is_bracketed)).then_some(at)
}

/// The message of a line that is an object itself, if a Wasm filter has written it and it is JSON.
pub(super) fn unwrapped(object: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        scope: Cow<'a, str>,
        #[serde(borrow)]
        msg: Cow<'a, str>,
    }
    // Cheaper than to look at every record.
    if !object.starts_with(b"{\"level\"") {
        return None;
    }
    let Line { scope, msg } = serde_json::from_slice(object).ok()?;
    let (name, json) = msg.strip_prefix("wasm log")?.split_once('{')?;
    let is_ours = scope == "envoy wasm" && is_name(name) && json.starts_with('"');
    is_ours.then(|| format!("{{{json}").into_bytes())
}

/// Whether this is what stands between `wasm log` and the message: the names of the plugin and its VM.
fn is_name(text: &str) -> bool {
    text.strip_suffix(": ").is_some_and(|name| !name.contains([':', '"', '{', '\t']))
}

fn is_envoys(origin: &str, is_bracketed: bool) -> bool {
    let (text, is_bracketed) = match origin.strip_prefix("pod/").filter(|_| is_bracketed) {
        Some(rest) => match rest.split_once("] ") {
            Some((_, rest)) => (rest, false),
            None => return false,
        },
        None => (origin, is_bracketed),
    };
    if !is_bracketed && let [time, level, scope, ""] = text.split('\t').collect::<Vec<_>>().as_slice() {
        let time = time.rsplit(' ').next().unwrap_or_default();
        return is_time(time) && is_word(level) && scope.starts_with("envoy wasm ");
    }
    let text = match is_bracketed {
        true => text,
        false => match without_runtime(text).strip_prefix('[') {
            Some(text) => text,
            None => return false,
        },
    };
    let Some((left, place)) = text.split_once("] [") else { return false };
    let [time, thread, level, "wasm"] = *left.split("][").collect::<Vec<_>>().as_slice() else {
        return false;
    };
    let is_place = place.strip_suffix("] ").is_some_and(|place| !place.contains(['[', ']', ' ']));
    is_time(time) && thread.bytes().all(|byte| byte.is_ascii_digit()) && is_word(level) && is_place
}

/// Without the time, the stream and the mark that containerd or `--timestamps` put before a line.
fn without_runtime(text: &str) -> &str {
    let Some((time, rest)) = text.split_once(' ').filter(|(time, _)| is_time(time)) else { return text };
    let _ = time;
    ["stdout F ", "stderr F "].iter().find_map(|stream| rest.strip_prefix(stream)).unwrap_or(rest)
}

fn is_time(text: &str) -> bool {
    let is_year = text.get(..4).is_some_and(|year| year.bytes().all(|byte| byte.is_ascii_digit()));
    is_year && text.bytes().all(|byte| byte.is_ascii_digit() || b"-:. TZ+,".contains(&byte))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str =
        "[2026-11-29 18:00:00.123][17][warning][wasm] [source/extensions/common/wasm/context.cc:1198] ";
    const ISTIO: &str = "2026-11-29T18:00:00.123456Z\twarning\tenvoy wasm external/envoy/source/extensions/common/wasm/context.cc:1198\t";

    fn found(line: &str) -> bool {
        let (line, is_bracketed) = match line.strip_prefix('[') {
            Some(rest) => (rest, true),
            None => (line, false),
        };
        message(line.as_bytes(), is_bracketed).is_some_and(|at| line.as_bytes()[at..].starts_with(b"{\"a\""))
    }

    #[test]
    fn what_a_filter_wrote_is_found() {
        for origin in [OWN, ISTIO] {
            for front in [
                "",
                "2026-11-29T18:00:00.1Z ",
                "[pod/web-1/istio-proxy] ",
                "2026-11-29T18:00:00.1Z stderr F ",
            ] {
                for name in [": ", " sidegate: ", " sidegate sidegate vm-1: "] {
                    let line = format!("{front}{origin}wasm log{name}{{\"a\": 1}}\tthread=17");
                    assert!(found(&line), "{line}");
                }
            }
        }
    }

    #[test]
    fn what_a_caller_wrote_is_not() {
        let other = OWN.replace("[wasm]", "[http]");
        for line in [
            "{\"a\": 1}".to_owned(),
            "wasm log sidegate: {\"a\": 1}".to_owned(),
            format!("{OWN}wasm log other: path /{{\"a\": 1}}"),
            format!("{OWN}wasm log other: x: {{\"a\": 1}}"),
            format!("{OWN}wasm log other: {{\"b\": \"wasm log sidegate: {{\\\"a\": 1}}"),
            format!("{OWN}path: {{\"a\": 1}}"),
            format!("{other}wasm log sidegate: {{\"a\": 1}}"),
            format!("{}wasm log sidegate: {{\"a\": 1}}", ISTIO.replace("envoy wasm", "envoy http")),
            "[2026-11-29T18:00:00.1Z] \"GET /][17][warning][wasm] [x] wasm log a: {\"a\": 1}".to_owned(),
            format!("[2026-11-29T18:00:00.1Z] \"GET / HTTP/1.1\" 200 {OWN}wasm log sidegate: {{\"a\": 1}}"),
        ] {
            assert!(!found(&line), "{line}");
        }
    }

    #[test]
    fn a_line_that_is_json_is_unwrapped() {
        let line = |scope: &str, msg: &str| {
            let line =
                serde_json::json!({"scope": scope, "msg": msg, "caller": "x:1", "thread": 17}).to_string();
            format!("{{\"level\":\"warning\",{}", line.strip_prefix('{').unwrap_or_default())
        };
        let event = "wasm log sidegate: {\"a\": \"x\\\"y\"}";
        let inner =
            unwrapped(line("envoy wasm", event).as_bytes()).map(|text| String::from_utf8(text).unwrap());
        assert_eq!(inner.as_deref(), Some("{\"a\": \"x\\\"y\"}"));
        assert_eq!(unwrapped(line("envoy http", event).as_bytes()), None);
        assert_eq!(unwrapped(line("envoy wasm", "wasm log other: x: {\"a\": 1}").as_bytes()), None);
        assert_eq!(unwrapped(b"{\"level\": 1}"), None);
    }
}
