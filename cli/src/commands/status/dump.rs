//! What a configuration dump says: who the proxy is, and where the filter is missing.

use serde::Serialize;
use serde_json::Value;

/// The callback without which requests pass unseen.
const CALLBACK: &str = "proxy_on_request_headers";
/// The filter state by which the guard knows what the filter has seen.
const SEEN: &str = "wasm.sidegate_seen";
/// The listener that all of a sidecar's inbound traffic goes through, in Istio.
const ISTIO_INBOUND: &str = "virtualInbound";

/// Who a proxy is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    /// Its id.
    pub(super) id: String,
    /// Namespace and name of its workload, as the filter has them.
    pub(super) workload: Option<String>,
}

/// The chains of a proxy's inbound listeners that speak HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Chains {
    /// How many have the filter.
    pub(super) with: usize,
    /// Those that do not, and why it counts for nothing if it is there.
    pub(super) without: Vec<String>,
    /// How many have the filter, and no guard behind it.
    pub(super) unguarded: usize,
    /// How many pass on TCP without the network filter before it.
    pub(super) tcp_without: usize,
}

/// Whether it is a configuration dump.
pub(super) fn is_dump(json: &Value) -> bool {
    json.get("configs").is_some_and(Value::is_array)
}

/// Who wrote the dump.
pub(super) fn node(dump: &Value) -> Option<Node> {
    let bootstrap = configs(dump, "BootstrapConfigDump").next()?;
    node_of(bootstrap.pointer("/bootstrap/node")?)
}

/// A node, as dumps and `/server_info` have it.
pub(super) fn node_of(node: &Value) -> Option<Node> {
    let text = |pointer: &str| {
        node.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let name =
        text("/metadata/LABELS/service.istio.io~1canonical-name").or_else(|| text("/metadata/WORKLOAD_NAME"));
    let workload =
        text("/metadata/NAMESPACE").zip(name).map(|(namespace, name)| format!("{namespace}/{name}"));
    Some(Node { id: text("/id").unwrap_or_default(), workload })
}

/// Where the filter is; a filter is it if its name, its plugin's name or its root id has `wanted` in it.
pub(super) fn chains(dump: &Value, wanted: &str) -> Chains {
    let listeners: Vec<&Value> = configs(dump, "ListenersConfigDump").flat_map(listeners).collect();
    let is_istio = listeners.iter().any(|listener| name(listener) == ISTIO_INBOUND);
    let mut chains = Chains::default();
    for listener in listeners.into_iter().filter(|it| !is_istio || name(it) == ISTIO_INBOUND) {
        let all = array(listener, "filter_chains").chain(listener.get("default_filter_chain"));
        for (at, chain) in all.enumerate() {
            let place = match chain.get("name").and_then(Value::as_str) {
                Some(chain) => format!("{}, chain {chain}", name(listener)),
                None => format!("{}, chain {}", name(listener), at.saturating_add(1)),
            };
            look(dump, chain, &place, wanted, &mut chains);
        }
    }
    chains
}

fn look(dump: &Value, chain: &Value, place: &str, wanted: &str, chains: &mut Chains) {
    let mut is_decided = false;
    for filter in array(chain, "filters") {
        let kind = filter.pointer("/typed_config/@type").and_then(Value::as_str).unwrap_or_default();
        if kind.ends_with(".HttpConnectionManager") {
            let filters = filter.pointer("/typed_config/http_filters").and_then(Value::as_array);
            let own = filters.into_iter().flatten().filter(|filter| is_ours(dump, filter, wanted));
            let states: Vec<Option<&str>> = own.map(|filter| idle(dump, filter)).collect();
            let behind = filters.into_iter().flatten().skip_while(|filter| !is_ours(dump, filter, wanted));
            match states.first() {
                _ if states.contains(&None) => {
                    chains.with = chains.with.saturating_add(1);
                    if !behind.into_iter().any(is_guard) {
                        chains.unguarded = chains.unguarded.saturating_add(1);
                    }
                }
                Some(Some(why)) => chains.without.push(format!("{place}: {why}")),
                _ => chains.without.push(place.to_owned()),
            }
        } else if kind.ends_with(".TcpProxy") && !is_decided {
            chains.tcp_without = chains.tcp_without.saturating_add(1);
        } else if is_ours(dump, filter, wanted) {
            is_decided = true;
        }
    }
}

/// The configuration of a filter, be it in its place or delivered on its own (ECDS).
fn config<'a>(dump: &'a Value, filter: &'a Value) -> &'a Value {
    let typed = match filter.get("typed_config") {
        Some(typed) => Some(typed),
        None => {
            let wanted = name(filter);
            let mut delivered =
                configs(dump, "EcdsConfigDump").flat_map(|config| array(config, "ecds_filters"));
            delivered
                .find_map(|filter| filter.get("ecds_filter").filter(|it| name(it) == wanted))
                .and_then(|it| it.get("typed_config"))
        }
    };
    let typed = typed.unwrap_or(&Value::Null);
    // How Istio writes down what it does not know the type of.
    let is_struct =
        typed.get("@type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with(".TypedStruct"));
    let value = if is_struct { typed.get("value").unwrap_or(&Value::Null) } else { typed };
    value.get("config").unwrap_or(&Value::Null)
}

/// Whether it is the guard that stands behind the filter, by what it looks for.
fn is_guard(filter: &Value) -> bool {
    let typed = filter.get("typed_config").unwrap_or(&Value::Null);
    let rules = ["rules", "shadow_rules"].iter().find_map(|key| typed.get(*key));
    rules.is_some_and(|rules| rules.to_string().contains(SEEN))
}

fn is_ours(dump: &Value, filter: &Value, wanted: &str) -> bool {
    if is_guard(filter) {
        return false;
    }
    let config = config(dump, filter);
    let names = [filter.get("name"), config.get("name"), config.get("root_id")];
    names.into_iter().flatten().filter_map(Value::as_str).any(|name| name.contains(wanted))
}

/// Why a filter that is there decides nothing, if so.
fn idle(dump: &Value, filter: &Value) -> Option<&'static str> {
    if filter.get("disabled").and_then(Value::as_bool) == Some(true) {
        return Some("the filter is disabled");
    }
    let config = config(dump, filter);
    if config.is_null() {
        return Some("the filter's configuration has not arrived");
    }
    if config.get("failure_policy").and_then(Value::as_str) == Some("FAIL_OPEN")
        || config.get("fail_open").and_then(Value::as_bool) == Some(true)
    {
        return Some("the filter lets everything pass once it fails (FAIL_OPEN)");
    }
    let allowed = config.pointer("/capability_restriction_config/allowed_capabilities")?.as_object()?;
    let is_called = allowed.is_empty() || allowed.contains_key(CALLBACK);
    (!is_called)
        .then_some("the filter is never called: `proxy_on_request_headers` is not among its capabilities")
}

/// The parts of a dump of this type.
fn configs<'a>(dump: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    array(dump, "configs").filter(move |config| {
        let own = config.get("@type").and_then(Value::as_str).unwrap_or_default();
        own.rsplit('.').next() == Some(kind)
    })
}

fn listeners(config: &Value) -> Vec<&Value> {
    let fixed = array(config, "static_listeners").filter_map(|it| it.get("listener"));
    let dynamic = array(config, "dynamic_listeners").filter_map(|it| it.pointer("/active_state/listener"));
    fixed.chain(dynamic).collect()
}

fn array<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn name(value: &Value) -> &str {
    value.get("name").and_then(Value::as_str).unwrap_or_default()
}
