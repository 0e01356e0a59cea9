//! Who has a right to what, said once more and apart from the policies: the judge of what reached the service.

use super::readings::readings;
use crate::bytes::unescape;
use crate::upstream::Echo;

/// What a request is about, as a service may read it.
pub struct Caller<'a> {
    /// As `callers.yaml` calls it.
    pub name: &'a str,
    /// The URI SANs of the certificate.
    pub uris: &'a [String],
}

/// Headers that the policy takes away or denies, in every spelling that a service may take for them.
const UNWANTED: [&str; 6] = [
    "x-internal-debug",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-envoy-original-path",
    "x-debug",
];

/// Why a request that reached the service should not have; `None` where its caller had a right to it.
pub fn violation(caller: &Caller<'_>, echo: &Echo) -> Option<String> {
    let target = unescape(&echo.path).unwrap_or_else(|_| echo.path.clone().into_bytes());
    let is_tunnel = echo.method == "CONNECT";
    let paths = readings(&target);
    let is_in = |path: &[u8], area: &[u8]| {
        path.strip_prefix(area).is_some_and(|rest| rest.first().is_none_or(|&byte| byte == b'/'))
    };
    let any_in = |area: &str| paths.iter().any(|path| is_in(path, area.as_bytes()));
    let all_below = |area: &str| {
        paths.iter().all(|path| path.strip_prefix(area.as_bytes()).is_some_and(|rest| rest.starts_with(b"/")))
    };
    let is_get = echo.method == "GET";
    let host = hosts(echo);
    if is_tunnel {
        return Some("a tunnel that nobody may open".to_owned());
    }
    if any_in("/admin") {
        return Some("it may be read as `/admin`, which nobody may have".to_owned());
    }
    if host.iter().any(|name| name == "internal.example") {
        return Some("it is for `internal.example`, which nobody may ask".to_owned());
    }
    let has_right = match caller.name {
        "web" | "first-web-then-banned" | "first-web-then-sre" => {
            matches!(echo.method.as_str(), "GET" | "POST")
                && !["/ops", "/tenants", "/accounts"].into_iter().any(any_in)
                && (!any_in("/transfers") || is_small(&echo.body))
        }
        "guest" => is_get && (all_below("/public") || all_below("/items")),
        "sre" | "old-sre" | "first-sre-then-web" => is_get && all_below("/ops"),
        "host" => is_get && !host.is_empty() && host.iter().all(|name| is_public(name)),
        "anyhost" => is_get,
        "tenant" => is_get && all_below("/tenants") && is_blue(echo),
        "rpc" => echo.method == "POST" && target == b"/shop.Orders/Get",
        "user" => is_get && all_below("/accounts") && !echo.values("authorization").is_empty(),
        "nobody" => is_get && target == b"/healthz",
        _ => false,
    };
    if !has_right {
        return Some(format!("`{}` has no right to it", caller.name));
    }
    headers(caller, echo)
}

/// The hosts that a service may read.
fn hosts(echo: &Echo) -> Vec<String> {
    let values = echo.values("host").into_iter().flat_map(|value| value.split(','));
    values
        .map(|value| {
            let name = value.rsplit('@').next().unwrap_or_default().trim().to_ascii_lowercase();
            let name = name.split(':').next().unwrap_or_default();
            name.trim_end_matches('.').to_owned()
        })
        .collect()
}

fn is_public(name: &str) -> bool {
    name == "public.example" || name.ends_with(".public.example")
}

/// Every amount that a service may read in the body, whichever of several it takes, is at most 100.
fn is_small(body: &[u8]) -> bool {
    // Some leave out what is no UTF-8.
    let text = String::from_utf8_lossy(body).replace('\u{fffd}', "");
    let amounts: Vec<&str> = text.split("\"amount\"").skip(1).collect();
    let is_small = |rest: &&str| {
        let value = rest.trim_start().strip_prefix(':').unwrap_or_default().trim_start();
        let number = value.split([',', '}', ' ', '\n']).next().unwrap_or_default();
        number.parse::<f64>().is_ok_and(|amount| (0.0..=100.0).contains(&amount))
    };
    // A key in another case, or escaped, is one more.
    let is_plain =
        text.to_ascii_lowercase().matches("amount").count() == amounts.len() && !text.contains('\\');
    is_plain && !amounts.is_empty() && amounts.iter().all(is_small)
}

/// Every value that a service may read is `blue`.
fn is_blue(echo: &Echo) -> bool {
    let mut values =
        echo.headers.iter().filter(|(name, _)| spelt(name) == "x-tenant").map(|(_, value)| value);
    values.all(|value| value.split(',').all(|part| part.trim() == "blue"))
}

/// Who calls is said by the policy alone, and what it takes away is gone.
fn headers(caller: &Caller<'_>, echo: &Echo) -> Option<String> {
    let said: Vec<&str> = echo
        .headers
        .iter()
        .filter(|(name, _)| spelt(name) == "x-caller")
        .map(|(_, value)| value.as_str())
        .collect();
    let principal: Vec<&str> = caller.uris.first().map(String::as_str).into_iter().collect();
    if said != principal {
        return Some(format!("the service reads that {said:?} calls"));
    }
    if echo.values("upgrade").into_iter().any(|to| !to.eq_ignore_ascii_case("websocket")) {
        return Some("the service may speak another protocol from here on".to_owned());
    }
    if echo.headers.iter().any(|(_, value)| value.contains("\\x0a") || value.contains("\\x0d")) {
        return Some("a service may read two headers where there is one".to_owned());
    }
    let lengths = echo.values("content-length").len();
    if lengths > 1 || (lengths > 0 && !echo.values("transfer-encoding").is_empty()) {
        return Some("a service may find another end of it".to_owned());
    }
    let unwanted = echo.headers.iter().find(|(name, _)| UNWANTED.contains(&spelt(name).as_str()));
    unwanted.map(|(name, _)| format!("`{name}` is there"))
}

/// A header's name as CGI's and its heirs' variables have it.
fn spelt(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, path: &str, headers: &[(&str, &str)]) -> bool {
        let uris = vec!["spiffe://td/x".to_owned()];
        let mut all = vec![("host", "service.test"), ("x-caller", "spiffe://td/x")];
        all.extend(headers);
        let headers = all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (method, path) = ("GET".to_owned(), path.to_owned());
        let echo = Echo { method, path, headers, body_bytes: 0, body_sum: 0, body: Vec::new() };
        violation(&Caller { name, uris: &uris }, &echo).is_some()
    }

    #[test]
    fn what_nobody_may_have_is_told() {
        assert!(!told("web", "/orders", &[]) && !told("guest", "/public/a", &[]));
        for path in ["/admin", "//admin", "/a/..;/admin", "/%61dmin", "/ops;x"] {
            assert!(told("web", path, &[]), "{path}");
        }
        for path in
            ["/orders", "/public", "/public/..%2forders", "/public/../orders", "/PUBLIC/a/%2e%2e/x;/../y"]
        {
            assert!(told("guest", path, &[]), "{path}");
        }
        for header in [
            ("x_caller", "boss"),
            ("x-debug", ""),
            ("x_original-url", "/admin"),
            ("upgrade", "h2c"),
            ("host", "internal.example."),
            ("x-a", "b\\x0dx-caller: boss"),
        ] {
            assert!(told("web", "/orders", &[header]), "{header:?}");
        }
        assert!(told("host", "/x", &[]) && told("tenant", "/tenants/7", &[("x_tenant", "red")]));
        assert!(told("somebody", "/orders", &[]));
        for body in
            ["", r#"{"amount": 700}"#, r#"{"amount": 7, "Amount": 700}"#, r#"{"amount": 7, "amount": 101}"#]
        {
            assert!(!is_small(body.as_bytes()), "{body}");
        }
        assert!(is_small(br#"{"amount": 7}"#) && !is_small(b"{\"amount\": 7, \"am\xffount\": 700}"));
    }
}
