//! Durations: Go's, and OPA's with days, weeks and years.

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];
/// The most nanoseconds below zero.
const LIMIT: u64 = 1 << 63;

/// Nanoseconds.
pub(super) fn read(text: &str) -> Option<i64> {
    if text.contains(['d', 'w', 'y']) { plain(&rewritten(text)?) } else { plain(text) }
}

/// The same with days, weeks and years as hours.
fn rewritten(text: &str) -> Option<String> {
    let (sign, mut rest) = match text.split_at_checked(1) {
        Some((sign @ ("+" | "-"), rest)) => (sign, rest),
        _ => ("", text),
    };
    let mut written = sign.to_owned();
    while !rest.is_empty() {
        let (digits, after) = split_where(rest, |c| !c.is_ascii_digit() && c != '.');
        let two = ["ms", "us", "\u{b5}s", "ns"].into_iter().find(|unit| after.starts_with(unit));
        let unit = match (two, after.chars().next()) {
            (Some(unit), _) => unit,
            (None, Some('a'..='z')) => after.get(..1)?,
            _ => return None,
        };
        if digits.is_empty() {
            return None;
        }
        let hours = match unit {
            "d" => 24.0,
            "w" => 168.0,
            "y" => 8_760.0,
            _ => 0.0,
        };
        if hours > 0.0 {
            let number: f64 = digits.parse().ok().filter(|n: &f64| n.is_finite())?;
            written.push_str(&format!("{}h", number * hours));
        } else {
            written.push_str(digits);
            written.push_str(unit);
        }
        rest = after.strip_prefix(unit)?;
    }
    Some(written)
}

/// Up to the first character that `ends`, and the rest.
fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.find(ends).and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""))
}

/// Go's `time.ParseDuration`.
fn plain(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.split_at_checked(1) {
        Some(("-", rest)) => (true, rest),
        Some(("+", rest)) => (false, rest),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_where(after, |c| !c.is_ascii_digit()),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (unit, after) = split_where(after, |c| c.is_ascii_digit() || c == '.');
        let size = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        let mut value = digits(whole)?.checked_mul(size).filter(|n| *n <= LIMIT)?;
        let (part, scale) = leading_fraction(fraction);
        if part > 0 {
            value = value.checked_add(truncated(lossy(part) * (lossy(size) / scale)))?;
        }
        total = total.checked_add(value).filter(|n| *n <= LIMIT && value <= LIMIT)?;
        rest = after;
    }
    let total = i128::from(total);
    i64::try_from(if negative { total.checked_neg()? } else { total }).ok()
}

/// `None` beyond 2^63; no digits are zero.
fn digits(text: &str) -> Option<u64> {
    text.bytes().try_fold(0_u64, |n, b| {
        let n = Some(n)
            .filter(|n| *n <= LIMIT / 10)?
            .checked_mul(10)?
            .checked_add(u64::from(b.wrapping_sub(b'0')))?;
        Some(n).filter(|n| *n <= LIMIT)
    })
}

/// Digits after the point, and what one of them stands for; those that do not fit are left out.
fn leading_fraction(text: &str) -> (u64, f64) {
    let (mut n, mut scale) = (0_u64, 1.0);
    for b in text.bytes() {
        if n > (LIMIT - 1) / 10 {
            break;
        }
        let next = n.wrapping_mul(10).wrapping_add(u64::from(b.wrapping_sub(b'0')));
        if next > LIMIT {
            break;
        }
        (n, scale) = (next, scale * 10.0);
    }
    (n, scale)
}

#[expect(clippy::cast_precision_loss, reason = "as Go computes fractions of units")]
fn lossy(n: u64) -> f64 {
    n as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as Go computes fractions of units"
)]
fn truncated(n: f64) -> u64 {
    n as u64
}
