//! What the host has to do with a request.

use std::collections::BTreeMap;

use regorus::Value;

use crate::attributes::Phase;
use crate::decision::{Allow, Decision, DecisionError, Deny};

/// What the host carries out. Nothing in it needs checking again.
#[derive(Clone, Debug, PartialEq)]
pub enum Actions {
    /// The request goes on.
    Allow {
        /// On the request, in this order.
        request_headers: Vec<HeaderOp>,
        /// The new `:path`, where query parameters changed it. Setting it selects the route anew.
        path: Option<Vec<u8>>,
        /// On the response, in this order.
        response_headers: Vec<HeaderOp>,
        /// Metadata for later filters and logs, an object.
        dynamic_metadata: Option<Value>,
    },
    /// The request is answered here.
    Deny {
        /// HTTP status, 200 to 599.
        status: u16,
        /// On the response; a name may repeat, as `set-cookie` does.
        headers: Vec<(String, String)>,
        /// The body, empty for none.
        body: String,
        /// Metadata for logs, an object.
        dynamic_metadata: Option<Value>,
    },
}

/// One change to a header map. Names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderOp {
    /// Replace every value.
    Set(String, String),
    /// Add one value beside those that are there.
    Add(String, String),
    /// Remove every value.
    Remove(String),
    /// Remove every header whose name begins so, of those that were there before any change.
    RemovePrefix(String),
}

impl Actions {
    /// A deny without headers and body, as for every error.
    pub fn deny(status: u16) -> Self {
        Deny::bare(status).into()
    }

    /// The request goes on as it came.
    pub fn unchanged() -> Self {
        Self::Allow {
            request_headers: Vec::new(),
            path: None,
            response_headers: Vec::new(),
            dynamic_metadata: None,
        }
    }

    /// Whether the request goes on.
    pub fn is_allow(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }

    /// The actions of a decision on a request with this `:path`, on the response to one, or on a connection. Fails where
    /// a request without path (`CONNECT`) is to get other query parameters, or one that has gone upstream is to be
    /// changed. Of a connection nothing can be changed: there such keys have no effect, as in OPA behind Envoy.
    pub fn new(decision: Decision, phase: Phase, path: Option<&[u8]>) -> Result<Self, DecisionError> {
        let allow = match decision {
            Decision::Deny(deny) => return Ok(deny.into()),
            Decision::Allow(allow) => allow,
        };
        let allow = match (phase, allow.request_key()) {
            (Phase::Response, Some(key)) => return Err(DecisionError::Phase { key }),
            (Phase::Connection, _) => Allow { dynamic_metadata: allow.dynamic_metadata, ..Allow::default() },
            (Phase::Request, _) | (Phase::Response, None) => allow,
        };
        let Allow {
            request_headers_to_set,
            request_headers_to_add,
            request_headers_to_remove,
            request_header_prefixes_to_remove,
            response_headers_to_add,
            response_headers_to_set,
            response_headers_to_remove,
            response_header_prefixes_to_remove,
            query_parameters_to_set,
            query_parameters_to_remove,
            dynamic_metadata,
        } = allow;
        let is_query_changed = !(query_parameters_to_set.is_empty() && query_parameters_to_remove.is_empty());
        let path = match (is_query_changed, path) {
            (false, _) => None,
            (true, None) => return Err(DecisionError::NoPath),
            (true, Some(path)) => {
                let new = with_query(path, &query_parameters_to_set, &query_parameters_to_remove);
                (new != path).then_some(new)
            }
        };
        Ok(Self::Allow {
            request_headers: request_ops(
                request_header_prefixes_to_remove,
                request_headers_to_set,
                request_headers_to_add,
                request_headers_to_remove,
            ),
            path,
            response_headers: response_ops(
                response_header_prefixes_to_remove,
                response_headers_to_remove,
                response_headers_to_set,
                response_headers_to_add,
            ),
            dynamic_metadata,
        })
    }
}

/// `dynamic_metadata` as the text that goes into the proxy's filter state: JSON without white space, keys
/// sorted, sets as arrays. `None` if it cannot be written.
pub fn metadata_text(metadata: &Value) -> Option<String> {
    serde_json::to_string(metadata).ok()
}

impl From<Deny> for Actions {
    fn from(deny: Deny) -> Self {
        let Deny { status, headers, body, dynamic_metadata } = deny;
        Self::Deny { status, headers, body, dynamic_metadata }
    }
}

/// What the client sent under a prefix goes first. Then as ext_authz does: each header is set in turn, others added to
/// them, and removed afterwards, so the last value wins over earlier ones and a removal over all.
fn request_ops(
    prefixes: Vec<String>,
    set: Vec<(String, String)>,
    mut add: Vec<(String, String)>,
    remove: Vec<String>,
) -> Vec<HeaderOp> {
    add.retain(|(name, _)| !remove.contains(name));
    let mut ops = BTreeMap::new();
    ops.extend(set.into_iter().map(|(name, value)| (name, Some(value))));
    ops.extend(remove.into_iter().map(|name| (name, None)));
    let op = |(name, value)| match value {
        Some(value) => HeaderOp::Set(name, value),
        None => HeaderOp::Remove(name),
    };
    let mut all: Vec<_> = prefixes.into_iter().map(HeaderOp::RemovePrefix).collect();
    all.extend(ops.into_iter().map(op));
    all.extend(add.into_iter().map(|(name, value)| HeaderOp::Add(name, value)));
    all
}

/// Removals, then replacements, then additions: a header that is both removed and added has the added
/// values alone.
fn response_ops(
    prefixes: Vec<String>,
    remove: Vec<String>,
    set: Vec<(String, String)>,
    add: Vec<(String, String)>,
) -> Vec<HeaderOp> {
    let mut replaced = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in set {
        replaced.entry(name).or_default().push(value);
    }
    let mut ops: Vec<_> = prefixes.into_iter().map(HeaderOp::RemovePrefix).collect();
    ops.extend(remove.into_iter().map(HeaderOp::Remove));
    for (name, values) in replaced {
        for (index, value) in values.into_iter().enumerate() {
            let op = if index == 0 { HeaderOp::Set } else { HeaderOp::Add };
            ops.push(op(name.clone(), value));
        }
    }
    ops.extend(add.into_iter().map(|(name, value)| HeaderOp::Add(name, value)));
    ops
}

/// Rewrites the query as ext_authz does (`QueryParamsMulti`): parameters stay encoded, are sorted by the
/// bytes of their name, values of one name keep their order, and each has a `=`.
fn with_query(path: &[u8], set: &[(String, String)], remove: &[String]) -> Vec<u8> {
    let mut parts = path.splitn(2, |byte| *byte == b'?');
    let mut new = parts.next().unwrap_or_default().to_vec();
    let query = parts.next().unwrap_or_default();

    let mut parameters = BTreeMap::<&[u8], Vec<&[u8]>>::new();
    if !query.is_empty() {
        // A trailing `&` is no parameter, a leading or doubled one is an empty parameter.
        for pair in query.strip_suffix(b"&").unwrap_or(query).split(|byte| *byte == b'&') {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = halves.next().unwrap_or_default();
            parameters.entry(name).or_default().push(halves.next().unwrap_or_default());
        }
    }
    for (name, value) in set {
        parameters.insert(name.as_bytes(), vec![value.as_bytes()]);
    }
    for name in remove {
        parameters.remove(name.as_bytes());
    }
    let mut separator = b'?';
    for (name, values) in parameters {
        for value in values {
            new.push(separator);
            new.extend_from_slice(name);
            new.push(b'=');
            new.extend_from_slice(value);
            separator = b'&';
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn on_a_request_the_last_value_wins_and_removal_over_all() {
        let ops = request_ops(
            names(&["x-in-"]),
            pairs(&[("b", "1"), ("a", "1"), ("a", "2"), ("gone", "1")]),
            pairs(&[("b", "2"), ("gone", "2"), ("new", "1"), ("new", "2")]),
            names(&["gone", "x"]),
        );
        let expected = [
            HeaderOp::RemovePrefix("x-in-".into()),
            HeaderOp::Set("a".into(), "2".into()),
            HeaderOp::Set("b".into(), "1".into()),
            HeaderOp::Remove("gone".into()),
            HeaderOp::Remove("x".into()),
            HeaderOp::Add("b".into(), "2".into()),
            HeaderOp::Add("new".into(), "1".into()),
            HeaderOp::Add("new".into(), "2".into()),
        ];
        assert_eq!(ops, expected);
    }

    #[test]
    fn on_a_response_every_value_counts() {
        let ops = response_ops(
            names(&["x-debug-"]),
            names(&["server"]),
            pairs(&[("s", "1"), ("s", "2")]),
            pairs(&[("a", "1"), ("a", "2")]),
        );
        let expected = [
            HeaderOp::RemovePrefix("x-debug-".into()),
            HeaderOp::Remove("server".into()),
            HeaderOp::Set("s".into(), "1".into()),
            HeaderOp::Add("s".into(), "2".into()),
            HeaderOp::Add("a".into(), "1".into()),
            HeaderOp::Add("a".into(), "2".into()),
        ];
        assert_eq!(ops, expected);
    }

    #[test]
    fn queries_are_rewritten_as_ext_authz_does() {
        let set = pairs(&[("lang", "de"), ("lang", "en"), ("new", "%20")]);
        let remove = names(&["token"]);
        for (path, expected) in [
            ("/a", "/a?lang=en&new=%20"),
            ("/a?", "/a?lang=en&new=%20"),
            ("/a?z=1&b=2&b=1&token=x&lang=fr&lang=it", "/a?b=2&b=1&lang=en&new=%20&z=1"),
            ("/a?flag&x=1=2", "/a?flag=&lang=en&new=%20&x=1=2"),
            ("/a?x=%zz?y", "/a?lang=en&new=%20&x=%zz?y"),
            ("/a?x=1&", "/a?lang=en&new=%20&x=1"),
            ("/a?x=1&&y=2", "/a?=&lang=en&new=%20&x=1&y=2"),
            ("/a?&", "/a?=&lang=en&new=%20"),
            ("/a&", "/a&?lang=en&new=%20"),
        ] {
            let new = with_query(path.as_bytes(), &set, &remove);
            assert_eq!(String::from_utf8(new).unwrap(), expected, "{path}");
        }
        assert_eq!(with_query(b"/a?token=1", &[], &remove), b"/a");
    }

    #[test]
    fn a_path_is_given_only_where_it_changes() {
        let allow = |names: &[&str]| {
            Decision::Allow(Allow { query_parameters_to_remove: self::names(names), ..Default::default() })
        };
        let path_of = |decision, path| match Actions::new(decision, Phase::Request, path) {
            Ok(Actions::Allow { path, .. }) => Ok(path),
            other => Err(other),
        };
        assert_eq!(path_of(allow(&[]), Some(b"/?b&a")), Ok(None));
        assert_eq!(path_of(allow(&["c"]), Some(b"/?a=1&b=2")), Ok(None));
        assert_eq!(path_of(allow(&["c"]), Some(b"/?b&a")), Ok(Some(b"/?a=&b=".to_vec())));
        assert_eq!(path_of(allow(&["c"]), None), Err(Err(DecisionError::NoPath)));
    }

    #[test]
    fn a_request_that_has_gone_upstream_is_not_changed() {
        let change = Allow { request_headers_to_remove: names(&["a"]), ..Allow::default() };
        let on_response = |allow| Actions::new(Decision::Allow(allow), Phase::Response, None);
        assert_eq!(
            on_response(change.clone()),
            Err(DecisionError::Phase { key: "request_headers_to_remove" })
        );
        let on_connection = Actions::new(Decision::Allow(change), Phase::Connection, None);
        assert_eq!(on_connection, Ok(Actions::unchanged()));
        let allow = Allow { response_headers_to_remove: names(&["server"]), ..Allow::default() };
        let response_headers = vec![HeaderOp::Remove("server".into())];
        let expected = Actions::Allow {
            request_headers: Vec::new(),
            path: None,
            response_headers,
            dynamic_metadata: None,
        };
        assert_eq!(on_response(allow), Ok(expected));
    }
}
