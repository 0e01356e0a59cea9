//! Where Sidegate is meant to differ from OPA in Envoy: each by name, with its reason, in this one place.

use super::random::Sent;
use super::sides::Seen;

/// One such difference.
struct OnPurpose {
    name: &'static str,
    /// Why it is so; printed with the count.
    reason: &'static str,
    applies: fn(&Sent, &Seen, &Seen) -> bool,
}

const LIST: [OnPurpose; 1] = [OnPurpose {
    name: "400-without-a-body",
    reason: "a request that cannot be parsed is 400 on both sides; the plugin's body tells of its inside, ours is empty",
    applies: |_, opa, sidegate| {
        let bare = |seen: &Seen| {
            let mut seen = seen.clone();
            seen.body.clear();
            seen.response.remove("content-length");
            seen.response.remove("content-type");
            seen
        };
        opa.status == 400
            && opa.body.starts_with("request_parse_error")
            && sidegate.body.is_empty()
            && bare(opa) == bare(sidegate)
    },
}];

/// The name of the reason for which two answers may differ, if there is one.
pub(super) fn on_purpose(sent: &Sent, opa: &Seen, sidegate: &Seen) -> Option<&'static str> {
    LIST.iter().find(|entry| (entry.applies)(sent, opa, sidegate)).map(|entry| entry.name)
}

/// The reason of a name.
pub fn reason(name: &str) -> &'static str {
    LIST.iter().find(|entry| entry.name == name).map_or("", |entry| entry.reason)
}
