//! Reading a sidecar's configuration.

use serde_json::Value;

/// The HTTP filter chains of a sidecar: of which listener, and their filters in order.
pub(super) struct Chain {
    /// Whether requests to the workload go through it.
    pub(super) is_inbound: bool,
    /// The chain's name.
    pub(super) name: String,
    /// The filters' names.
    pub(super) filters: Vec<String>,
}

/// All of them, from `/config_dump`.
pub(super) fn chains(dump: &Value) -> Vec<Chain> {
    chains_of(dump, |listener| &listener["active_state"]["listener"])
        .into_iter()
        .map(|(_, chain)| chain)
        .collect()
}

/// The same of listeners in another state, with their names.
pub(super) fn chains_of(dump: &Value, state: impl Fn(&Value) -> &Value) -> Vec<(String, Chain)> {
    let mut found = Vec::new();
    for listener in items(dump, "ListenersConfigDump", "dynamic_listeners") {
        let listener = state(listener);
        let of = listener["name"].as_str().unwrap_or("?");
        let is_inbound = listener["traffic_direction"] == "INBOUND";
        let default = listener["default_filter_chain"].as_object().map(|_| &listener["default_filter_chain"]);
        for chain in listener["filter_chains"].as_array().into_iter().flatten().chain(default) {
            for filter in chain["filters"].as_array().into_iter().flatten() {
                if let Some(http) = filter["typed_config"]["http_filters"].as_array() {
                    let names = http.iter().filter_map(|filter| filter["name"].as_str());
                    let filters = names.map(str::to_owned).collect();
                    let name = chain["name"].as_str().unwrap_or("?").to_owned();
                    found.push((of.to_owned(), Chain { is_inbound, name, filters }));
                }
            }
        }
    }
    found
}

/// The types of what came by ECDS, with their names.
pub(super) fn extensions(dump: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    items(dump, "EcdsConfigDump", "ecds_filters")
        .map(|filter| {
            let config = &filter["ecds_filter"];
            (text(&config["name"]), text(&config["typed_config"]["@type"]))
        })
        .collect()
}

/// What one part of the dump lists.
fn items<'a>(dump: &'a Value, part: &str, list: &str) -> impl Iterator<Item = &'a Value> {
    let parts = dump["configs"].as_array().into_iter().flatten();
    let wanted = parts.filter(move |entry| entry["@type"].as_str().is_some_and(|name| name.ends_with(part)));
    let list = list.to_owned();
    wanted.flat_map(move |entry| entry[&list].as_array().into_iter().flatten())
}

/// Whether any part names this type; what Envoy was built with aside, which its bootstrap lists.
pub(super) fn mentions(dump: &Value, kind: &str) -> bool {
    let parts = dump["configs"].as_array().into_iter().flatten();
    let mut parts = parts.filter(|part| part["bootstrap"].is_null());
    parts.any(|part| part.to_string().contains(kind))
}
