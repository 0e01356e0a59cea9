//! Envoy's native RBAC filter as istiod writes it for AuthorizationPolicies. What istiod itself made of the same
//! policies is recorded in `istiod-rbac.json` (`make bench-rbac`), and a test holds this module to it.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::policy::{SERVICE, account, path};

/// So many policies of one caller, two methods and two paths each; ours is the one at `own`. Envoy asks them in the
/// order of their names, and the first that fits ends it.
pub fn filter(policies: usize, own: usize) -> Value {
    let mut all = Map::new();
    for at in 0..policies {
        let (namespace, name) = account(at, own);
        let path = path(at, own);
        let method = |name: &str| json!({"header": {"name": ":method", "stringMatch": {"exact": name}}});
        let exact = json!({"urlPath": {"path": {"exact": path}}});
        let below = json!({"urlPath": {"path": {"prefix": format!("{path}/")}}});
        let principal = format!("spiffe://cluster.local/ns/{namespace}/sa/{name}");
        let caller = json!({"authenticated": {"principalName": {"exact": principal}}});
        let policy = json!({
            "permissions": [{"andRules": {"rules": [
                {"orRules": {"rules": [method("GET"), method("POST")]}},
                {"orRules": {"rules": [exact, below]}},
            ]}}],
            "principals": [{"andIds": {"ids": [{"orIds": {"ids": [caller]}}]}}],
        });
        all.insert(format!("ns[{}]-policy[{}]-rule[0]", SERVICE.0, policy_name(at)), policy);
    }
    json!({
        "name": "envoy.filters.http.rbac",
        "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"policies": all},
            "shadowRulesStatPrefix": "istio_dry_run_allow_",
        },
    })
}

/// The same as AuthorizationPolicies, to ask istiod about.
pub fn authorization_policies(policies: usize, own: usize) -> String {
    let mut text = String::new();
    for at in 0..policies {
        let (namespace, name) = account(at, own);
        let path = path(at, own);
        let _ = write!(
            text,
            "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {}, namespace: {}}}\n\
             spec:\n  selector: {{matchLabels: {{app: {}}}}}\n  action: ALLOW\n  rules:\n  \
             - from: [{{source: {{principals: [cluster.local/ns/{namespace}/sa/{name}]}}}}]\n    \
             to: [{{operation: {{methods: [GET, POST], paths: [\"{path}\", \"{path}/*\"]}}}}]\n",
            policy_name(at),
            SERVICE.0,
            SERVICE.1,
        );
    }
    text
}

/// What the Go program in `tests/istio/rbac` is asked.
pub fn question(policies: usize, own: usize) -> Value {
    json!({
        "name": "bench", "root": "istio-system", "trust_domains": ["cluster.local"], "namespace": SERVICE.0,
        "labels": {"app": SERVICE.1}, "policies": authorization_policies(policies, own),
    })
}

/// Names sort as the policies are numbered.
fn policy_name(at: usize) -> String {
    format!("p{at:04}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Policies of the recorded question, and the one that is ours.
    const RECORDED: (usize, usize) = (3, 2);

    #[test]
    fn the_filter_is_what_istiod_writes() {
        let recorded: Value = serde_json::from_str(include_str!("../istiod-rbac.json")).unwrap();
        assert_eq!(recorded["refused"], json!([]));
        assert_eq!(recorded["filters"], json!([filter(RECORDED.0, RECORDED.1)]));
    }
}
