//! The trace that a request belongs to, by its headers.

use crate::headers::Headers;

/// A trace and the span of the caller in it, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// 32 digits; 16 where B3 has no more.
    pub trace_id: String,
    /// 16 digits.
    pub span_id: String,
}

/// What `traceparent` says (W3C Trace Context, level 1), else `b3`, else `x-b3-traceid` and `x-b3-spanid`.
pub fn trace(headers: &Headers) -> Option<Trace> {
    let text = |name: &[u8]| headers.first(name).and_then(|value| std::str::from_utf8(value).ok());
    let of = |trace: &str, span: &str| {
        let is_id = |text: &str, lengths: &[usize]| {
            lengths.contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_hexdigit())
                && text.bytes().any(|byte| byte != b'0')
        };
        (is_id(trace, &[16, 32]) && is_id(span, &[16]))
            .then(|| Trace { trace_id: trace.to_ascii_lowercase(), span_id: span.to_ascii_lowercase() })
    };
    let parent = || {
        let mut parts = text(b"traceparent")?.split('-');
        let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
        if version.len() == 2 && version != "ff" && trace.len() == 32 { of(trace, span) } else { None }
    };
    let single = || {
        let mut parts = text(b"b3")?.split('-');
        of(parts.next()?, parts.next()?)
    };
    let several = || of(text(b"x-b3-traceid")?, text(b"x-b3-spanid")?);
    parent().or_else(single).or_else(several)
}
