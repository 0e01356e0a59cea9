//! Every way in which a service may read a request target that is not read as it stands.

use std::collections::BTreeSet;

/// The paths that a service may take this target for: in any order, each step or none of it, decoded once at most.
/// Written for the judgement of attacks, with nothing of the code that it judges.
pub fn readings(target: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let mut open = vec![(until(target, b'?'), false)];
    while let Some((path, is_decoded)) = open.pop() {
        if !found.insert((path.clone(), is_decoded)) {
            continue;
        }
        let mut next = vec![
            path.to_ascii_lowercase(),
            path.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect(),
            without_parameters(&path),
            merged(&path),
            without_dots(&path),
            until(&path, b'#'),
            until(&path, 0),
            without_authority(&path),
        ];
        if !is_decoded {
            open.push((decoded(&path), true));
        }
        open.extend(next.drain(..).map(|path| (path, is_decoded)));
    }
    found.into_iter().map(|(path, _)| path).collect()
}

fn until(path: &[u8], end: u8) -> Vec<u8> {
    path.split(|&byte| byte == end).next().unwrap_or_default().to_vec()
}

fn decoded(path: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(&byte) = path.get(at) {
        let code = digit(path.get(at + 1)).zip(digit(path.get(at + 2))).map(|(high, low)| high << 4 | low);
        match code.and_then(|code| u8::try_from(code).ok()) {
            Some(code) if byte == b'%' => {
                out.push(code);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// `/a;x=1/b` as `/a/b`.
fn without_parameters(path: &[u8]) -> Vec<u8> {
    path.split(|&byte| byte == b'/').map(|segment| until(segment, b';')).collect::<Vec<_>>().join(&b'/')
}

fn merged(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for &byte in path {
        if byte != b'/' || out.last() != Some(&b'/') {
            out.push(byte);
        }
    }
    out
}

/// RFC 3986's removal of dot segments.
fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<&[u8]> = Vec::new();
    let segments: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
    for (at, segment) in segments.iter().enumerate() {
        let is_last = at + 1 == segments.len();
        match *segment {
            b"." | b".." => {
                if *segment == b".." && out.len() > 1 {
                    out.pop();
                }
                if is_last {
                    out.push(b"");
                }
            }
            other => out.push(other),
        }
    }
    out.join(&b'/')
}

/// `http://host/a` as `/a`.
fn without_authority(path: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(path);
    match text.find("://") {
        Some(at) if text[..at].bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            let rest = &path[at + 3..];
            rest.iter().position(|&byte| byte == b'/').map_or_else(|| b"/".to_vec(), |at| rest[at..].to_vec())
        }
        _ => path.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::readings;

    #[test]
    fn a_service_may_read_admin() {
        for path in [
            "/admin",
            "/ADMIN",
            "//admin",
            "/%61dmin",
            "/a/..;/admin",
            "/a/..;x=1/admin",
            "/a\\..\\admin",
            "/a%2f..%2fadmin",
            "/admin;x=1",
            "/admin#x",
            "/admin%23x",
            "/admin%00x",
            "/./admin",
            "/a/%2e%2e/admin",
            "/%5cadmin",
            "http://evil/admin",
            "/admin?x",
        ] {
            let found = readings(path.as_bytes());
            assert!(found.contains("/admin".as_bytes()), "{path}: {found:?}");
        }
        for path in ["/", "/a", "/adminx", "/a/admin", "/%2561dmin", "/a?/../admin"] {
            assert!(!readings(path.as_bytes()).contains("/admin".as_bytes()), "{path}");
        }
    }
}
