//! Times as people write them.

/// Seconds of `90s`, `30m`, `1h`, `14d`.
pub(super) fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || format!("expected a time like `30m`, `1h` or `14d`, got `{text}`");
    let mut chars = text.chars();
    let unit = match chars.next_back() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let digits = chars.as_str();
    let plain = !digits.is_empty() && digits.len() <= 6 && digits.bytes().all(|c| c.is_ascii_digit());
    let count = digits.parse::<i64>().ok().filter(|count| plain && *count > 0);
    count.and_then(|count| count.checked_mul(unit)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_nonsense_is_not() {
        assert_eq!(seconds("14d"), Ok(1_209_600));
        assert_eq!(seconds("1h"), Ok(3600));
        assert_eq!((seconds("30m"), seconds("45s")), (Ok(1800), Ok(45)));
        for wrong in ["", "d", "1", "0h", "-1h", "+1h", "1.5h", "1 h", "1w", "9999999d", "1é"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
