//! What a segment of a path looks like: a name that a program has, or one that data has.

/// Whether a segment looks like a number, a date, a UUID, a hash or another key, or cannot be written in a
/// template.
pub(super) fn is_id(segment: &str) -> bool {
    is_number(segment)
        || is_hash(segment)
        || is_prefixed(segment)
        || is_random(segment)
        || is_address(segment)
        || segment.contains(['%', '*'])
}

/// `17`, `2026-11-24`, `10.1.2.3`.
fn is_number(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let is_plain = segment.bytes().all(|byte| byte.is_ascii_digit());
    let is_dated = segment.starts_with(|c: char| c.is_ascii_digit())
        && segment.bytes().all(|byte| byte.is_ascii_digit() || b"-_.:,TZ+".contains(&byte));
    digits > 0 && is_plain || digits >= 4 && is_dated
}

/// Hexadecimal, with at least one digit: hashes and, with hyphens, UUIDs.
fn is_hash(segment: &str) -> bool {
    let text = segment.bytes().filter(|byte| *byte != b'-');
    let is_hex = text.clone().all(|byte| byte.is_ascii_hexdigit());
    is_hex && text.clone().count() >= 8 && text.into_iter().any(|byte| byte.is_ascii_digit())
}

/// `order-10023`, `INV20240017`.
fn is_prefixed(segment: &str) -> bool {
    let rest = segment.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let letters = segment.len().saturating_sub(rest.len());
    let number = rest.strip_prefix(['-', '_', ':', '.']);
    let is_digits =
        |text: &str, least: usize| text.len() >= least && text.bytes().all(|byte| byte.is_ascii_digit());
    letters > 0 && (number.is_some_and(|number| is_digits(number, 2)) || is_digits(rest, 4))
}

/// A long run of letters with digits among them: ULIDs, base64 and what is drawn at random.
fn is_random(segment: &str) -> bool {
    let is_long = |run: &str| {
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        run.len() >= 10 && digits >= 2 && digits < run.len()
    };
    segment.split(|c: char| !c.is_ascii_alphanumeric()).any(is_long)
}

/// `bob@example.com`.
fn is_address(segment: &str) -> bool {
    segment.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && domain.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::is_id;

    #[test]
    fn names_of_programs_and_of_data() {
        for id in [
            "1",
            "2026",
            "2026-11-24",
            "2026-11-24T10:00:00Z",
            "10.1.2.3",
            "0b9e6d1c-52f4-4a55-8a51-0c3a6d0f9b11",
            "d41d8cd98f00b204e9800998ecf8427e",
            "7f3a9c01",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "cus_9s6XKzkNRiz8i3",
            "ZGVhZGJlZWYx1Q2",
            "order-10023",
            "item_42",
            "INV20240017",
            "bob@example.com",
            "a%20b",
            "*",
        ] {
            assert!(is_id(id), "{id}");
        }
        for name in [
            "",
            "v1",
            "v2beta1",
            "charges",
            "me",
            "oauth2",
            "s3",
            "utf-8",
            "deadbeef",
            "healthz",
            "robots.txt",
            "1.0",
            "users:batchGet",
            "@scope",
            "blue-shirt",
            "payments.v1.Charges",
            "well-known",
            "3d",
            "~bob",
        ] {
            assert!(!is_id(name), "{name}");
        }
    }
}
