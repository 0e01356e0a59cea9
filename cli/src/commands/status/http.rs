//! As much of an HTTP client as asking an admin page takes: one `GET` on a connection of its own, bounded in time and
//! size.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// Most bytes of an answer: a configuration of many thousands of listeners.
const MOST: usize = 256 << 20;
/// Most bytes of an answer's head.
const MOST_HEAD: usize = 64 << 10;

/// The body that `address` (`HOST:PORT`) answers with 200 to a `GET` of `path`, within `timeout`.
pub(super) fn get(address: &str, path: &str, timeout: Duration) -> Result<Vec<u8>, String> {
    let until = Instant::now().checked_add(timeout).ok_or("expected a shorter time-out")?;
    let mut stream = connect(address, timeout)?;
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
            format!("expected an answer within {} s", timeout.as_secs())
        }
        _ => format!("expected an answer: {error}"),
    };
    stream.set_write_timeout(Some(timeout)).map_err(failed)?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("expected an answer within {} s", timeout.as_secs()));
        }
        stream.set_read_timeout(Some(left)).map_err(failed)?;
        match stream.read(&mut chunk).map_err(failed)? {
            0 => break,
            read => answer.extend_from_slice(chunk.get(..read).unwrap_or_default()),
        }
        if answer.len() > MOST {
            return Err(format!("expected an answer of at most {MOST} bytes, got more"));
        }
        // What keeps the connection although it was asked not to is done when its body is.
        if let Some(body) = complete(&answer)? {
            return Ok(body);
        }
    }
    whole(&answer)
}

fn connect(address: &str, timeout: Duration) -> Result<TcpStream, String> {
    let places = address.to_socket_addrs().map_err(|error| format!("expected `HOST:PORT`: {error}"))?;
    let mut last = "expected an address, got none".to_owned();
    for place in places {
        match TcpStream::connect_timeout(&place, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("expected a connection: {error}"),
        }
    }
    Err(last)
}

/// Head and body, once the head is there.
fn split(answer: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = answer.windows(4).take(MOST_HEAD).position(|bytes| bytes == b"\r\n\r\n")?;
    Some((answer.get(..at)?, answer.get(at.saturating_add(4)..)?))
}

fn header(head: &[u8], wanted: &str) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    text.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().to_ascii_lowercase())
    })
}

/// The body, if its head says where it ends and that is there.
fn complete(answer: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let Some((head, body)) = split(answer) else { return Ok(None) };
    if is_chunked(head) {
        // The end may be of a chunk that looks like it: then there is more to come.
        let is_end = body.ends_with(b"0\r\n\r\n") && dechunked(body).is_some();
        return if is_end { whole(answer).map(Some) } else { Ok(None) };
    }
    let length = header(head, "content-length").and_then(|length| length.parse::<usize>().ok());
    if length == Some(body.len()) { whole(answer).map(Some) } else { Ok(None) }
}

fn is_chunked(head: &[u8]) -> bool {
    header(head, "transfer-encoding").is_some_and(|coding| coding.contains("chunked"))
}

/// The body of an answer after which the connection has been closed.
fn whole(answer: &[u8]) -> Result<Vec<u8>, String> {
    let (head, body) = split(answer).ok_or("expected an answer in HTTP, got none")?;
    let line = String::from_utf8_lossy(head);
    let status = line.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        return Err(format!("expected status 200, got `{}`", status.escape_debug()));
    }
    if is_chunked(head) {
        return dechunked(body).ok_or_else(|| "expected a whole answer, got a part of one".to_owned());
    }
    match header(head, "content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) if length != body.len() => {
            Err(format!("expected an answer of {length} bytes, got {}", body.len()))
        }
        _ => Ok(body.to_vec()),
    }
}

/// RFC 9112, section 7.1.
fn dechunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = rest.windows(2).position(|bytes| bytes == b"\r\n")?;
        let size = std::str::from_utf8(rest.get(..end)?).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        rest = rest.get(end.checked_add(2)?..)?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn bodies_are_whole_or_refused() {
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\na;x=1\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(complete(chunked).unwrap().unwrap(), b"abc0123456789");
        assert_eq!(complete(chunked.get(..60).unwrap()).unwrap(), None);
        assert!(whole(chunked.get(..60).unwrap()).is_err());
        let sized = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc";
        assert_eq!(complete(sized).unwrap().unwrap(), b"abc");
        assert!(whole(sized.get(..40).unwrap()).is_err());
        assert!(whole(b"HTTP/1.1 404 Not Found\r\n\r\nabc").unwrap_err().contains("`404`"));
        assert!(whole(b"SSH-2.0").is_err());
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\n\r\nabc").unwrap(), b"abc");
    }
}
