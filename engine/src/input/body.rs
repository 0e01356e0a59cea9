//! A request's body as OPA's Envoy plugin reads it (`getParsedBody`).
//!
//! Envoy hands the body over as text (`sanitizeUtf8String`), up to a number of bytes. What kind of body it
//! is, the plugin finds by words in `content-type`; whether it is all of it, by `content-length`.

use regorus::Value;

use super::error::RequestError;
use super::media::{Media, MediaError};
use super::{json, multipart, uri};
use crate::collections;
use crate::grpc::{self, Messages, ReadError};

/// Lists and structs in one another.
pub(super) const MAX_METADATA_DEPTH: usize = super::metadata::MAX_DEPTH;

/// `parsed_body` and `truncated_body`.
#[derive(Debug, PartialEq)]
pub(super) struct Parsed {
    pub(super) value: Value,
    pub(super) is_cut: bool,
}

/// What there is to go by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    /// All values, joined by `,`; `None` where there is no such header.
    pub(super) content_type: Option<&'a str>,
    /// All values, joined by `,`; `None` where there is no such header.
    pub(super) content_length: Option<&'a str>,
    /// The body, or as much of it as the limit allows.
    pub(super) text: &'a str,
    /// The same, byte for byte.
    pub(super) bytes: &'a [u8],
    /// The path, without its query.
    pub(super) path: &'a str,
    /// What gRPC bodies may be.
    pub(super) messages: &'a Messages,
    /// Whether more of the body came, or was still to come, than `text` has.
    pub(super) is_cut: bool,
}

enum Kind {
    Json,
    Grpc,
    Form,
    Multipart,
}

impl Parsed {
    const NONE: Self = Self { value: Value::Null, is_cut: false };
}

/// Reads a body.
pub(super) fn parse(source: Source<'_>) -> Result<Parsed, RequestError> {
    let Source { content_type, content_length, text, bytes, path, messages, is_cut } = source;
    let Some((content_type, kind)) = content_type.and_then(|value| Some((value, kind(value)?))) else {
        return Ok(Parsed::NONE);
    };
    if text.is_empty() {
        return Ok(Parsed::NONE);
    }
    if matches!(kind, Kind::Grpc) {
        return grpc(bytes, path, messages);
    }
    if let Some(length) = content_length {
        let length: i64 = length.parse().map_err(|_| RequestError::ContentLength)?;
        // -1 is Go's "unknown", and no longer than any body.
        if i64::try_from(text.len()).is_ok_and(|bytes| length > bytes) {
            return Ok(Parsed { value: Value::Null, is_cut: true });
        }
    }
    // OPA would take the piece for the whole.
    if is_cut {
        return Err(RequestError::BodyCut);
    }
    let value = match kind {
        Kind::Grpc => Value::Null,
        Kind::Json => json::read(text)?,
        Kind::Form => uri::parameter_object(text)?,
        Kind::Multipart => match boundary(content_type)? {
            None => Value::Null,
            Some(boundary) => {
                let parts = multipart::read(text, &boundary)?;
                let parts = parts.into_iter().map(|(name, values)| (Value::from(name), Value::from(values)));
                collections::object(parts)
            }
        },
    };
    Ok(Parsed { value, is_cut: false })
}

/// By the first of these words that the type has somewhere.
fn kind(content_type: &str) -> Option<Kind> {
    if content_type.contains("application/json") {
        Some(Kind::Json)
    } else if content_type.contains("application/grpc") {
        Some(Kind::Grpc)
    } else if content_type.contains("application/x-www-form-urlencoded") {
        Some(Kind::Form)
    } else if content_type.contains("multipart/form-data") {
        Some(Kind::Multipart)
    } else {
        None
    }
}

/// The first message of the body, if it is known what it is and not compressed (`getGRPCBody`).
fn grpc(bytes: &[u8], path: &str, messages: &Messages) -> Result<Parsed, RequestError> {
    if messages.methods.is_empty() {
        return Ok(Parsed::NONE);
    }
    let segments = uri::segments(path)?;
    let [service, method] = segments.as_slice() else { return Err(RequestError::BodyGrpc) };
    let (head, rest) = bytes.split_first_chunk::<5>().ok_or(RequestError::BodyGrpc)?;
    let [flags, size @ ..] = *head;
    if flags != 0 {
        return Ok(Parsed::NONE);
    }
    let size = usize::try_from(u32::from_be_bytes(size)).map_err(|_| RequestError::BodyGrpc)?;
    let Some(message) = rest.get(..size) else { return Ok(Parsed { value: Value::Null, is_cut: true }) };
    let Some(input) = messages.input(service, method) else { return Ok(Parsed::NONE) };
    match grpc::read(messages, input, message) {
        Ok(value) => Ok(Parsed { value, is_cut: false }),
        Err(ReadError::Malformed) => Err(RequestError::BodyGrpc),
        Err(ReadError::Inexact) => Err(RequestError::BodyInexact),
    }
}

fn boundary(content_type: &str) -> Result<Option<String>, RequestError> {
    let media = Media::parse(content_type).map_err(|_| RequestError::BodyMultipart)?;
    match media.parameter("boundary") {
        Ok(boundary) => Ok(boundary.map(str::to_owned)),
        Err(MediaError::Pieces) => Err(RequestError::BodyInexact),
        Err(MediaError::Syntax) => Err(RequestError::BodyMultipart),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn cut(content_type: Option<&str>, content_length: Option<&str>) -> Result<Parsed, RequestError> {
        parse(Source {
            content_type,
            content_length,
            text: "[1]",
            bytes: b"[1]",
            path: "/",
            messages: &Messages::default(),
            is_cut: true,
        })
    }

    #[test]
    fn a_piece_is_never_taken_for_the_whole() {
        let json = Some("application/json");
        assert_eq!(cut(json, Some("4")), Ok(Parsed { value: Value::Null, is_cut: true }));
        assert_eq!(cut(json, None), Err(RequestError::BodyCut));
        assert_eq!(cut(json, Some("3")), Err(RequestError::BodyCut));
        assert_eq!(cut(Some("text/plain"), None), Ok(Parsed::NONE));
    }
}
