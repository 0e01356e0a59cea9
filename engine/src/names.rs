//! Names that Kubernetes gives (RFC 1123): lower case, and never anything that could mean another path.

/// Whether text is a DNS-1123 label: a namespace.
pub fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether text is a DNS-1123 subdomain, labels with dots between them: a workload, a service account.
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}
