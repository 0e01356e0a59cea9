//! Doubles as Go's `strconv.AppendFloat` writes them.

use super::Flags;

/// A finite number with its sign before it, under `v`, `g`, `e`, `f` and their capitals.
pub(super) fn text(number: f64, verb: char, flags: &Flags) -> String {
    let sign = if number.is_sign_negative() { '-' } else { '+' };
    let number = number.abs();
    let body = match verb {
        'e' | 'E' => exponent(&format!("{number:.*e}", flags.precision.unwrap_or(6))),
        'f' | 'F' => format!("{number:.*}", flags.precision.unwrap_or(6)),
        _ => general(number, flags.precision),
    };
    let body = if matches!(verb, 'E' | 'G') { body.to_ascii_uppercase() } else { body };
    let body = if flags.sharp { sharp(&body, verb, flags.precision) } else { body };
    format!("{sign}{body}")
}

/// Go's exponents have a sign and two digits.
fn exponent(text: &str) -> String {
    let (mantissa, power) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = power.strip_prefix('-').map_or(('+', power), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// The shorter of the two forms: without precision, that decides at a million; with it, at the precision.
fn general(number: f64, precision: Option<usize>) -> String {
    let written = match precision {
        None => format!("{number:e}"),
        Some(digits) => format!("{number:.*e}", digits.max(1).saturating_sub(1)),
    };
    let (mantissa, power) = written.split_once('e').unwrap_or((&written, "0"));
    let power: i64 = power.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    // Zero has no digits in Go.
    let (known, point) = if digits == "0" { (0, 0) } else { (count, power.saturating_add(1)) };
    let mut most = precision.map_or(6, |n| i64::try_from(n.max(1)).unwrap_or(i64::MAX));
    if precision.is_some() && most > known && known >= point {
        most = known;
    }
    let power_known = point.saturating_sub(1);
    if power_known < -4 || power_known >= most {
        let (first, rest) = digits.split_at_checked(1).unwrap_or(("0", ""));
        let dot = if rest.is_empty() { "" } else { "." };
        return exponent(&format!("{first}{dot}{rest}e{power}"));
    }
    let places = usize::try_from(count.saturating_sub(point).max(0)).unwrap_or(0);
    if digits == "0" { "0".to_owned() } else { plain(digits, point, places) }
}

/// Digits with the point at its place.
fn plain(digits: &str, point: i64, places: usize) -> String {
    let Ok(whole) = usize::try_from(point) else {
        return format!("0.{digits:0>places$}");
    };
    match digits.split_at_checked(whole) {
        Some(("", fraction)) => format!("0.{fraction:0>places$}"),
        Some((whole, "")) => whole.to_owned(),
        Some((whole, fraction)) => format!("{whole}.{fraction}"),
        None => format!("{digits:0<whole$}"),
    }
}

/// The `#` flag: always a point, and under `g` the zeros that were left out.
fn sharp(body: &str, verb: char, precision: Option<usize>) -> String {
    let (number, tail) = body.find(['e', 'E']).and_then(|at| body.split_at_checked(at)).unwrap_or((body, ""));
    let mut digits = match verb {
        'v' | 'g' | 'G' => precision.unwrap_or(6),
        _ => 0,
    };
    let significant = number.chars().filter(|c| *c != '.').skip_while(|c| *c == '0').count();
    digits = digits.saturating_sub(significant);
    let mut out = number.to_owned();
    if !number.contains('.') {
        if number == "0" {
            digits = digits.saturating_sub(1);
        }
        out.push('.');
    }
    out.push_str(&"0".repeat(digits));
    out.push_str(tail);
    out
}
