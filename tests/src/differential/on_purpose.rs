//! Where Sidegate is meant to differ from OPA in Envoy: each by name, with its reason, in this one place.

use super::sides::Seen;

/// One such difference.
struct OnPurpose {
    name: &'static str,
    /// Why it is so; printed with the count.
    reason: &'static str,
    applies: fn(&Seen, &Seen, &Told) -> bool,
}

const LIST: [OnPurpose; 5] = [
    OnPurpose {
        name: "forwarded-address",
        reason: "Envoy tells its filters what `x-forwarded-for` says, ext_authz the connection's address: a policy that \
                 reads it is not asked",
        applies: |_, sidegate, told| {
            told.code.as_deref() == Some("request_source_address") && plain_deny(sidegate)
        },
    },
    OnPurpose {
        name: "400-without-a-body",
        reason: "a request that cannot be parsed is 400 on both sides; the plugin's body tells of its inside, ours \
                 is empty",
        applies: |opa, sidegate, told| {
            opa.status == 400
                && opa.body.starts_with("request_parse_error")
                && told.code.as_deref().is_some_and(|code| code.starts_with("request_"))
                && sidegate.body.is_empty()
                && without_body(opa) == without_body(sidegate)
        },
    },
    OnPurpose {
        name: "inexact",
        reason: "what is not certain to be OPA's answer is a deny (`eval_inexact`, docs/upstream.md)",
        applies: |_, sidegate, told| told.code.as_deref() == Some("eval_inexact") && plain_deny(sidegate),
    },
    OnPurpose {
        name: "query-parameter-not-encoded",
        reason: "a query parameter that would become several, or break the path, is a deny; ext_authz copies it \
                 as it is",
        applies: |_, sidegate, told| {
            told.code.as_deref() == Some("decision_query_parameter") && plain_deny(sidegate)
        },
    },
    OnPurpose {
        name: "no-route",
        reason: "where no route matches, ext_authz asks nobody and the router answers 404; Sidegate decides first",
        applies: |opa, sidegate, told| told.no_route && opa.upstream.is_none() && sidegate.upstream.is_none(),
    },
];

/// What Envoy's counters tell of a request.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The code of the error that Sidegate denied it with, if it was one.
    pub(super) code: Option<String>,
    /// Whether no route matched it behind OPA.
    pub(super) no_route: bool,
}

/// The name of the reason for which two answers may differ, if there is one.
pub(super) fn on_purpose(opa: &Seen, sidegate: &Seen, told: &Told) -> Option<&'static str> {
    LIST.iter().find(|entry| (entry.applies)(opa, sidegate, told)).map(|entry| entry.name)
}

/// The reason of a name.
pub fn reason(name: &str) -> &'static str {
    LIST.iter().find(|entry| entry.name == name).map_or("", |entry| entry.reason)
}

/// What an error answers: 403, nothing said, nothing upstream.
fn plain_deny(seen: &Seen) -> bool {
    seen.status == 403 && seen.body.is_empty() && seen.upstream.is_none()
}

fn without_body(seen: &Seen) -> Seen {
    let mut seen = seen.clone();
    seen.body.clear();
    seen.response.remove("content-length");
    seen.response.remove("content-type");
    seen
}

#[cfg(test)]
mod tests {
    use super::super::sides::{Headers, Reached};
    use super::*;

    fn seen(status: u16, reached: bool) -> Seen {
        let upstream = reached.then(|| Reached {
            method: "GET".into(),
            path: "/".into(),
            headers: Headers::new(),
            body: (0, 0),
        });
        Seen { status, upstream, response: Headers::new(), body: String::new() }
    }

    #[test]
    fn a_request_that_only_sidegate_lets_through_is_never_on_purpose() {
        let codes = [
            None,
            Some("request_source_address"),
            Some("eval_inexact"),
            Some("decision_query_parameter"),
            Some("request_body_json"),
        ];
        for code in codes {
            for no_route in [false, true] {
                let told = Told { code: code.map(str::to_owned), no_route };
                for status in [400, 403, 404, 500] {
                    let mut opa = seen(status, false);
                    opa.body = "request_parse_error: x".into();
                    assert_eq!(on_purpose(&opa, &seen(200, true), &told), None, "{status} {told:?}");
                }
            }
        }
    }

    #[test]
    fn a_deny_needs_its_code() {
        let told = |code: &str| Told { code: Some(code.into()), no_route: false };
        let (allowed, denied) = (seen(200, true), seen(403, false));
        assert_eq!(on_purpose(&allowed, &denied, &told("eval_inexact")), Some("inexact"));
        assert_eq!(on_purpose(&allowed, &denied, &told("eval_steps")), None);
        assert_eq!(on_purpose(&allowed, &denied, &Told::default()), None);
    }

    #[test]
    fn every_name_has_a_reason() {
        assert!(LIST.iter().all(|entry| !reason(entry.name).is_empty()));
        assert_eq!(reason("nothing"), "");
    }
}
