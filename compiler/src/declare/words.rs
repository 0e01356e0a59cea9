//! The small languages inside a declaration: names, path templates, gRPC methods, hosts, networks, header
//! values. None of them is a regular expression. Every error says what was expected.

use std::net::IpAddr;

use sidegate_engine::names::{is_label, is_subdomain};

use super::model::{GrpcMethod, HostPattern, Part, Segment, Template, Variable};

/// A namespace or a service: a DNS-1123 label.
pub(crate) fn label(text: &str) -> Result<String, String> {
    if is_label(text) {
        return Ok(text.to_owned());
    }
    Err("expected lower-case letters, digits and `-`, at most 63, beginning and ending with a letter or digit"
        .to_owned())
}

/// A workload, a service account or a trust domain: DNS-1123 labels with dots between them.
pub(crate) fn subdomain(text: &str) -> Result<String, String> {
    if is_subdomain(text) {
        return Ok(text.to_owned());
    }
    Err("expected lower-case letters, digits, `-` and `.`, each part beginning and ending with a letter or digit"
        .to_owned())
}

/// `namespace/name`.
pub(crate) fn service_account(text: &str) -> Result<(String, String), String> {
    let expected = "expected `namespace/name`";
    let (namespace, name) = text.split_once('/').ok_or(expected)?;
    match (label(namespace), subdomain(name)) {
        (Ok(namespace), Ok(name)) => Ok((namespace, name)),
        (Err(reason), _) => Err(format!("{expected}; the namespace: {reason}")),
        (_, Err(reason)) => Err(format!("{expected}; the name: {reason}")),
    }
}

/// `namespace/service`, or `namespace/*`.
pub(crate) fn services(text: &str) -> Result<(String, Option<String>), String> {
    let expected = "expected `namespace/service` or `namespace/*`";
    let (namespace, name) = text.split_once('/').ok_or(expected)?;
    let namespace = label(namespace).map_err(|reason| format!("{expected}; the namespace: {reason}"))?;
    let name = (name != "*").then(|| label(name)).transpose();
    Ok((namespace, name.map_err(|reason| format!("{expected}; the service: {reason}"))?))
}

/// A whole SPIFFE ID (SPIFFE-ID, section 2), compared as it stands.
pub(crate) fn principal(text: &str) -> Result<String, String> {
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    let is_id = text.len() <= 2048
        && text.strip_prefix("spiffe://").is_some_and(|rest| {
            rest.split('/').all(plain)
                && rest
                    .split('/')
                    .next()
                    .is_some_and(|domain| !domain.bytes().any(|b| b.is_ascii_uppercase()))
        });
    if is_id {
        return Ok(text.to_owned());
    }
    Err("expected a SPIFFE ID, `spiffe://trust-domain/path`, of letters, digits, `.`, `-`, `_` and `/`"
        .to_owned())
}

/// A method, in upper case (RFC 9110, section 9.1).
pub(crate) fn method(text: &str) -> Result<String, String> {
    let is_method = (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'));
    if is_method {
        return Ok(text.to_owned());
    }
    let upper = text.to_ascii_uppercase();
    Err(if upper != text && method(&upper).is_ok() {
        format!("expected a method in upper case: `{upper}`")
    } else {
        "expected a method in upper case, such as `GET`".to_owned()
    })
}

/// A path template.
pub(crate) fn template(text: &str) -> Result<Template, String> {
    let Some(rest) = text.strip_prefix('/') else {
        return Err("expected a path that begins with `/`".to_owned());
    };
    if text.len() > 2048 {
        return Err("expected a path of at most 2048 characters".to_owned());
    }
    let mut segments = Vec::new();
    let mut is_open = false;
    let mut parts = rest.split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        if part == "{**}" {
            if !is_last {
                return Err("expected `{**}` as the last segment only".to_owned());
            }
            is_open = true;
        } else {
            segments.push(segment(part, is_last)?);
        }
    }
    if segments.len() > 64 {
        return Err("expected a path of at most 64 segments".to_owned());
    }
    Ok(Template { segments, is_open })
}

fn segment(part: &str, is_last: bool) -> Result<Segment, String> {
    if part.is_empty() && !is_last {
        return Err("expected no empty segment (`//`), which matches no request".to_owned());
    }
    if matches!(part, "." | "..") {
        return Err(format!("expected no `{part}` as a segment, which matches no request"));
    }
    if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        let is_name =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        return match is_name {
            true => Ok(Segment::Any(name.to_owned())),
            false => Err(format!(
                "expected a name in `{part}`, such as `{{id}}`; `{{**}}` is the rest of the path"
            )),
        };
    }
    for (found, advice) in [
        ('*', "`*` has no meaning here; write `{id}` for one segment, `{**}` for the rest"),
        ('{', "`{name}` is a whole segment"),
        ('}', "`{name}` is a whole segment"),
        (
            '%',
            "paths are compared as they stand, and encoded parts of a template match nothing that is plain",
        ),
        ('?', "the query is no part of a path"),
        ('#', "a fragment never reaches a service"),
        (';', "a path with `;` matches no rule"),
    ] {
        if part.contains(found) {
            return Err(format!("expected plain segments, got `{part}`: {advice}"));
        }
    }
    match part.chars().find(|c| !is_path_char(*c)) {
        Some(c) => {
            Err(format!("expected characters that a path may have (RFC 3986), got `{}`", c.escape_debug()))
        }
        None => Ok(Segment::Literal(part.to_owned())),
    }
}

/// RFC 3986's `pchar`, without `;`, `%` and `*`.
fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()+,=:@".contains(c)
}

/// `pkg.Service/Method` or `pkg.Service/*`.
pub(crate) fn grpc(text: &str) -> Result<GrpcMethod, String> {
    let expected = || "expected `package.Service/Method` or `package.Service/*`".to_owned();
    let word = |part: &str| {
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let (service, method) = text.split_once('/').ok_or_else(expected)?;
    if !service.split('.').all(word) || method != "*" && !word(method) {
        return Err(expected());
    }
    Ok(GrpcMethod { service: service.to_owned(), method: (method != "*").then(|| method.to_owned()) })
}

/// A host, or `*.` and what it has to end in.
pub(crate) fn host(text: &str) -> Result<HostPattern, String> {
    let lower = text.to_ascii_lowercase();
    let (name, is_suffix) = match lower.strip_prefix("*.") {
        Some(rest) => (rest, true),
        None => (lower.as_str(), false),
    };
    let word = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    if name.len() > 253 || !name.split('.').all(word) {
        return Err(
            "expected a host such as `shop.example.com` or `*.example.com`, without port and trailing dot"
                .to_owned(),
        );
    }
    Ok(if is_suffix { HostPattern::Suffix(format!(".{name}")) } else { HostPattern::Exact(name.to_owned()) })
}

/// A network: an address, or one with the length of its prefix; written as CIDR.
pub(crate) fn network(text: &str) -> Result<String, String> {
    let expected = || "expected a network such as `10.0.0.0/8`, or an address".to_owned();
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| expected())?;
    let most: u8 = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => most,
        Some(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse::<u8>().ok().filter(|length| *length <= most).ok_or_else(expected)?
        }
        Some(_) => return Err(expected()),
    };
    let host_bits = match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)) & ones(32_u8.saturating_sub(length)),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            return Err("expected IPv4 networks in their own form, such as `10.0.0.0/8`".to_owned());
        }
        IpAddr::V6(v6) => u128::from(v6) & ones(128_u8.saturating_sub(length)),
    };
    match host_bits {
        0 => Ok(format!("{address}/{length}")),
        _ => Err(format!(
            "expected a network, got an address inside one; write `{address}` or clear its last bits"
        )),
    }
}

/// A number whose lowest `bits` bits are set.
fn ones(bits: u8) -> u128 {
    1_u128.checked_shl(u32::from(bits)).map_or(u128::MAX, |bit| bit.wrapping_sub(1))
}

/// The name of a header, in lower case.
pub(crate) fn header_name(text: &str) -> Result<String, String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.starts_with(':') {
        return Err("expected a header, got a pseudo-header; `to` speaks of method, path and host".to_owned());
    }
    if text.is_empty() || text.len() > 256 || !text.bytes().all(is_token) {
        return Err("expected the name of a header".to_owned());
    }
    Ok(text.to_ascii_lowercase())
}

/// Most of `-` and `_` in the name of a request's header that is changed.
pub(crate) const MOST_HYPHENS: usize = 6;

/// All names that are this one with `_` for `-`, or the other way round; those that CGI and its heirs take for it.
pub(crate) fn spellings(name: &str) -> Vec<String> {
    let is_hyphen = |c: char| c == '-' || c == '_';
    name.chars().fold(vec![String::new()], |found, c| {
        let written: &[char] = if is_hyphen(c) { &['-', '_'] } else { &[c] };
        let with = |c: &char| {
            let c = *c;
            found.iter().map(move |before| format!("{before}{c}"))
        };
        written.iter().flat_map(with).collect()
    })
}

/// A value of a header: printable ASCII, no space at either end (RFC 9110, section 5.5).
pub(crate) fn header_value(text: &str) -> Result<&str, String> {
    let is_plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if is_plain && text.trim() == text && text.len() <= 4096 {
        return Ok(text);
    }
    Err("expected printable ASCII without spaces at its ends".to_owned())
}

/// A value with `{source.principal}` and the like; `{{` and `}}` are braces.
pub(crate) fn value(text: &str) -> Result<Vec<Part>, String> {
    header_value(text)?;
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                chars.next();
                plain.push(c);
            }
            '{' => {
                let mut name = String::new();
                let is_closed = chars.by_ref().any(|c| {
                    name.push(c);
                    c == '}'
                });
                let name = name.trim_end_matches('}');
                let variable = Variable::ALL.iter().find(|(known, _)| is_closed && *known == name);
                let Some((_, variable)) = variable else {
                    let known = Variable::ALL.map(|(name, _)| name);
                    let known = sidegate_engine::words::alternatives(known.into_iter());
                    return Err(format!(
                        "expected {known} in braces, got `{name}`; a brace itself is written twice"
                    ));
                };
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Variable(*variable));
            }
            '}' => return Err("expected `{` before `}`; a brace itself is written twice".to_owned()),
            c => plain.push(c),
        }
    }
    if !plain.is_empty() || parts.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn templates_are_whole_segments() {
        let open = template("/a/{id}/{**}").unwrap();
        assert!(open.is_open && open.segments.len() == 2);
        assert_eq!(template("/").unwrap().segments, [Segment::Literal(String::new())]);
        assert_eq!(template("/{**}").unwrap(), Template { segments: vec![], is_open: true });
        assert_eq!(template("/a/").unwrap().segments.len(), 2);
        for bad in [
            "", "a", "//", "/a//b", "/a/*", "/a*", "/{**}/a", "/{}", "/a{id}", "/{id}a", "/a%20b", "/a?b",
            "/a#b", "/a;b", "/./a", "/..", "/a b", "/\u{e9}", "/a\\b", "/a|b", "/{a.b}",
        ] {
            assert!(template(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_hosts_and_networks() {
        assert!(label("a-1").is_ok() && label("a.b").is_err() && label("A").is_err() && label("").is_err());
        assert_eq!(service_account("a/b.c"), Ok(("a".to_owned(), "b.c".to_owned())));
        for bad in ["a", "a/", "/b", "a/b/c", "a/*", "A/b", "a/b_c"] {
            assert!(service_account(bad).is_err(), "{bad}");
        }
        assert!(principal("spiffe://td/ns/a/sa/b").is_ok());
        for bad in ["spiffe://", "spiffe://td/", "spiffe://TD/a", "https://td/a", "spiffe://td/a/../b", "*"] {
            assert!(principal(bad).is_err(), "{bad}");
        }
        assert_eq!(host("*.Example.com"), Ok(HostPattern::Suffix(".example.com".to_owned())));
        for bad in ["", "*", "a:80", "a.", "a..b", "*.*.a", "a*", "a,b"] {
            assert!(host(bad).is_err(), "{bad}");
        }
        assert_eq!(network("10.0.0.1"), Ok("10.0.0.1/32".to_owned()));
        assert_eq!(network("::/0"), Ok("::/0".to_owned()));
        for bad in
            ["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::ffff:10.0.0.1", "x", "010.0.0.0/8"]
        {
            assert!(network(bad).is_err(), "{bad}");
        }
        assert!(grpc("a.B/C").is_ok() && grpc("B/*").is_ok());
        for bad in ["a.B", "a.B/", "/a.B/C", "a.B/C/D", "a..B/C", "a.*/C", "a.B/C*"] {
            assert!(grpc(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_have_variables_in_braces() {
        assert_eq!(value("a").unwrap(), [Part::Text("a".to_owned())]);
        assert_eq!(value("").unwrap(), [Part::Text(String::new())]);
        let parts = value("{{x}} {request.id}").unwrap();
        assert_eq!(parts, [Part::Text("{x} ".to_owned()), Part::Variable(Variable::RequestId)]);
        for bad in ["{x}", "{", "}", "{source.principal", " a", "a\nb", "\u{e9}"] {
            assert!(value(bad).is_err(), "{bad}");
        }
    }
}
