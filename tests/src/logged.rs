//! Decisions as a proxy's own logs show them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// The line of an access log that [`states`] reads.
pub const LINE: &str = "%REQ(:PATH)% %FILTER_STATE(wasm.sidegate:PLAIN)%";

/// The filter state of each request, by its path, once an access log of [`LINE`]s has so many lines; null where there is
/// none.
///
/// # Errors
/// They do not come within ten seconds.
pub fn states(access_log: &Path, count: usize) -> Result<BTreeMap<String, Value>, String> {
    let mut text = String::new();
    for _ in 0..500 {
        text = std::fs::read_to_string(access_log).unwrap_or_default();
        if text.lines().count() >= count {
            let of = |line: &str| {
                let (path, state) = line.split_once(' ')?;
                Some((path.to_owned(), serde_json::from_str(state).unwrap_or(Value::Null)))
            };
            return Ok(text.lines().filter_map(of).collect());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("expected {count} lines in {}, got:\n{text}", access_log.display()))
}

/// The events in Envoy's own log, oldest first.
pub fn events(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| line.find("{\"").and_then(|at| line.get(at..)));
    let events = lines.filter_map(|json| serde_json::from_str::<Value>(json).ok());
    events.filter(|event| event["decision_id"].is_string()).collect()
}
