//! Who calls, as a declaration names them.

use super::fields::Checker;
use super::model::{Caller, Who};
use super::words;
use super::yaml::Node;

const KEYS: [&str; 6] =
    ["serviceAccount", "namespace", "trustDomain", "principal", "authenticated", "anonymous"];

/// One entry of `from`.
pub(super) fn caller(check: &mut Checker<'_>, node: Node) -> Option<Caller> {
    let place = node.place;
    let mut fields = check.fields(node, &KEYS, "a caller")?;
    let given: Vec<&str> = KEYS.into_iter().filter(|key| fields.has(key)).collect();
    let is_one = matches!(given.as_slice(), [_] | ["serviceAccount" | "namespace", "trustDomain"]);
    if !is_one {
        let got = match given.as_slice() {
            [] => "none".to_owned(),
            keys => format!("`{}`", keys.join("`, `")),
        };
        return check.wrong_so(
            place,
            "declare_caller",
            format!("expected one kind of caller, got {got}"),
            "write each caller as an entry of its own; only `trustDomain` goes with `serviceAccount` or `namespace`",
        );
    }
    let trust_domain = match fields.take("trustDomain") {
        Some(node) => Some(check.value(node, "`trustDomain`", words::subdomain)?),
        None => None,
    };
    let who = if let Some(node) = fields.take("serviceAccount") {
        let (namespace, service_account) = check.value(node, "`serviceAccount`", words::service_account)?;
        Who::ServiceAccount { trust_domain, namespace, service_account }
    } else if let Some(node) = fields.take("namespace") {
        Who::Namespace { trust_domain, namespace: check.value(node, "`namespace`", words::label)? }
    } else if let Some(node) = fields.take("principal") {
        Who::Principal(check.value(node, "`principal`", words::principal)?)
    } else if let Some(node) = fields.take("authenticated") {
        check.yes(node, "authenticated")?;
        Who::Authenticated
    } else if let Some(node) = fields.take("anonymous") {
        check.yes(node, "anonymous")?;
        Who::Anonymous
    } else {
        Who::TrustDomain(trust_domain?)
    };
    Some(Caller { place, who })
}
