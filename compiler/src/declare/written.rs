//! Parts of a declaration as YAML, in the form that a person would write and that every reader takes for the same.

use super::model::Who;
use super::yaml::plain_kind;

/// Text as it stands where nothing could take it for something else, and in quotes where it could.
pub(crate) fn scalar(text: &str) -> String {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    if begins && is_plain && plain_kind(text).is_none() { text.to_owned() } else { quoted(text) }
}

/// Text in double quotes: JSON's are YAML's.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A list on one line.
pub(crate) fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

/// A caller, as an entry of a list of `from`.
pub(crate) fn caller(who: &Who) -> String {
    let of = |domain: &Option<String>| {
        domain.as_deref().map(|domain| format!(", trustDomain: {}", scalar(domain))).unwrap_or_default()
    };
    match who {
        Who::ServiceAccount { trust_domain, namespace, service_account } => {
            let account = scalar(&format!("{namespace}/{service_account}"));
            format!("{{serviceAccount: {account}{}}}", of(trust_domain))
        }
        Who::Namespace { trust_domain, namespace } => {
            format!("{{namespace: {}{}}}", scalar(namespace), of(trust_domain))
        }
        Who::TrustDomain(domain) => format!("{{trustDomain: {}}}", scalar(domain)),
        Who::Principal(name) => format!("{{principal: {}}}", scalar(name)),
        Who::Authenticated => "{authenticated: true}".to_owned(),
        Who::Anonymous => "{anonymous: true}".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_they_could_be_something_else() {
        for (text, written) in [
            ("shop/web", "shop/web"),
            ("a.b-c_d", "a.b-c_d"),
            ("/v1", "/v1"),
            ("no", "\"no\""),
            ("1e3", "\"1e3\""),
            ("1shop", "\"1shop\""),
            ("~", "\"~\""),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a: b", "\"a: b\""),
            ("a\n- b", "\"a\\n- b\""),
            ("/v1/{id}", "\"/v1/{id}\""),
            ("spiffe://a/b", "\"spiffe://a/b\""),
        ] {
            assert_eq!(scalar(text), written);
        }
    }
}
