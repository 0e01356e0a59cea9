//! Builtins where regorus differs from OPA on some arguments: answered here, or refused.
//!
//! What differs, with the smallest case of each, is in `docs/upstream.md`;
//! `engine/tests/fixtures/builtins.json` holds OPA's answers.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use regorus::Value;

use super::number::{self, Inexact, is_whole, small};
use super::strings::integer;
use super::{format, glob, order, pattern, strings};

/// States that a step pays for: one at one character. Measured: a step is then below 1 µs in release.
const STATES_PER_STEP: u64 = 32;
/// Building a state costs as much as running it at so many characters.
const STATES_WITHOUT_TEXT: u64 = 32;

/// A builtin's own answer; the second argument is regorus's function, which leaves errors undefined.
pub(super) type Own = fn(&[Value], &dyn Fn(&[Value]) -> Value) -> Result<Value, Inexact>;

/// The answer of a builtin that regorus's function does not always give.
pub(super) fn own(name: &str) -> Option<Own> {
    Some(match name {
        "abs" | "ceil" | "floor" | "round" => match name {
            "abs" | "round" => |args, plain| rounded(args, plain, false),
            _ => |args, plain| rounded(args, plain, true),
        },
        "array.slice" => |args, plain| match args {
            [_, from, to] if integer(from).is_some() && integer(to).is_some() => Ok(plain(args)),
            _ => Ok(Value::Undefined),
        },
        "base64.decode" => |args, _| strings::base64_decode(args),
        "base64.is_valid" => |args, _| Ok(strings::base64_is_valid(args)),
        "base64url.decode" => |args, _| strings::base64url_decode(args),
        "count" => |args, plain| Ok(args.first().and_then(strings::length).unwrap_or_else(|| plain(args))),
        "format_int" => |args, plain| match args {
            [number @ Value::Number(_), _] if slips(number) => Err(Inexact),
            _ => Ok(plain(args)),
        },
        "glob.match" => |args, _| glob::matches(args),
        "glob.quote_meta" => |args, _| Ok(strings::quote_meta(args)),
        "hex.decode" => |args, _| strings::hex_decode(args),
        "indexof" | "indexof_n" => |args, plain| match args {
            [_, Value::String(part)] if part.is_empty() => Ok(Value::Undefined),
            _ => Ok(plain(args)),
        },
        "json.is_valid" | "json.unmarshal" => json_read(name == "json.is_valid"),
        "json.marshal" => |args, plain| match (args, plain(args)) {
            ([value], Value::String(json)) if format::marshals_alike(value) => Ok(format::marshalled(&json)),
            _ => Err(Inexact),
        },
        "lower" => |args, _| strings::cased(args, char::to_lowercase),
        "upper" => |args, _| strings::cased(args, char::to_uppercase),
        "max" => |args, _| Ok(extreme(args, Ordering::Greater)),
        "min" => |args, _| Ok(extreme(args, Ordering::Less)),
        "sort" => |args, _| {
            Ok(elements(args).map_or(Value::Undefined, |items| {
                Value::from(order::sorted(items.into_iter()).into_iter().cloned().collect::<Vec<_>>())
            }))
        },
        "sum" => |args, _| total(args, number::sum),
        "product" => |args, _| total(args, number::product),
        "object.subset" => |args, _| match args {
            [Value::Array(items), Value::Set(part)] => {
                let distinct: BTreeSet<&Value> = items.iter().collect();
                // OPA counts elements that are there twice, and finds an empty set nowhere at times.
                if part.is_empty() || distinct.len() != items.len() {
                    return Err(Inexact);
                }
                Ok(Value::Bool(part.iter().all(|item| distinct.contains(item))))
            }
            [all, part] => Ok(subset(all, part).map_or(Value::Undefined, Value::Bool)),
            _ => Ok(Value::Undefined),
        },
        "regex.match" => |args, plain| regex(args, plain, true),
        "regex.split" => |args, plain| regex(args, plain, false),
        "replace" => |args, plain| match args {
            // OPA's optimised code cuts characters in pieces.
            [Value::String(text), Value::String(old), _] if old.is_empty() && !text.is_ascii() => {
                Err(Inexact)
            }
            _ => Ok(plain(args)),
        },
        "semver.compare" | "semver.is_valid" => |args, plain| {
            if args.iter().any(version_in_doubt) { Err(Inexact) } else { Ok(plain(args)) }
        },
        "sprintf" => |args, _| format::sprintf(args),
        "substring" => |args, _| Ok(strings::substring(args)),
        "to_number" => to_number,
        "urlquery.decode" => |args, _| strings::query_decode(args),
        "urlquery.encode" => |args, _| Ok(strings::query_encode(args)),
        _ => return None,
    })
}

/// Number of arguments of the builtins that regorus's functions are not there for at all.
pub(super) fn own_arity(name: &str) -> Option<u8> {
    matches!(name, "urlquery.decode" | "urlquery.encode").then_some(1)
}

/// Why a constant argument would be refused, if it would.
pub(super) fn refusal(name: &str, at: usize, value: &Value) -> Option<&'static str> {
    let Value::String(text) = value else { return None };
    match (name, at) {
        ("sprintf", 0) => format::refusal(text),
        ("glob.match", 0) => glob::refusal(text),
        ("regex.match" | "regex.split", 0) => pattern::refusal(text),
        _ => None,
    }
}

/// Steps for matching a pattern, the first argument, against a text, the last one.
pub(super) fn pattern_steps(args: &[Value]) -> u64 {
    let (Some(Value::String(pattern)), Some(Value::String(text))) = (args.first(), args.last()) else {
        return 0;
    };
    // A glob is no regular expression; its length stands for its states then.
    let length = u64::try_from(pattern.len()).unwrap_or(u64::MAX);
    let states = pattern::translate(pattern).map_or(length, |pattern| pattern.states.max(length));
    let text = u64::try_from(text.len()).unwrap_or(u64::MAX);
    states.saturating_mul(text.saturating_add(STATES_WITHOUT_TEXT)) / STATES_PER_STEP
}

/// `abs`, `round`, `ceil`, `floor`: OPA works in binary with 64 bits, and lets fractions just below
/// zero slip to the other side.
fn rounded(args: &[Value], plain: &dyn Fn(&[Value]) -> Value, directed: bool) -> Result<Value, Inexact> {
    let [number] = args else { return Ok(Value::Undefined) };
    if is_whole(number) {
        return if small(number).is_some() { Ok(plain(args)) } else { Err(Inexact) };
    }
    if directed && slips(number) { Err(Inexact) } else { Ok(plain(args)) }
}

/// Whether a value is between -1 and 0.
fn slips(number: &Value) -> bool {
    Value::from(-1_i64) < *number && *number < Value::from(0_u64)
}

/// `regex.match` and `regex.split`. Go splits at empty matches in a way of its own.
fn regex(args: &[Value], plain: &dyn Fn(&[Value]) -> Value, empty: bool) -> Result<Value, Inexact> {
    let [Value::String(pattern), text @ Value::String(_)] = args else { return Ok(Value::Undefined) };
    let pattern = pattern::translate(pattern)?;
    if pattern.empty && !empty {
        return Err(Inexact);
    }
    match plain(&[Value::from(pattern.text), text.clone()]) {
        // Every pattern that is written here is well-formed: this one is too large for the library.
        Value::Undefined => Err(Inexact),
        answer => Ok(answer),
    }
}

fn json_read(is_valid: bool) -> Own {
    if is_valid {
        |args, plain| match args {
            [Value::String(text)] if strings::huge_number(text) => Err(Inexact),
            [Value::String(text)] => match plain(args) {
                Value::Bool(false) if strings::json_in_doubt(text) => Err(Inexact),
                answer => Ok(answer),
            },
            _ => Ok(Value::Bool(false)),
        }
    } else {
        |args, plain| match args {
            [Value::String(text)] if strings::huge_number(text) => Err(Inexact),
            [Value::String(text)] => match plain(args) {
                Value::Undefined if strings::json_in_doubt(text) => Err(Inexact),
                answer => Ok(answer),
            },
            _ => Ok(Value::Undefined),
        }
    }
}

/// Whether `part` is in `all`: an array as a run of elements, objects key by key. `None` if the two are
/// not of one kind. regorus looks for windows of no elements, which is a panic.
fn subset(all: &Value, part: &Value) -> Option<bool> {
    match (all, part) {
        (Value::Object(all), Value::Object(part)) => Some(part.iter().all(|(key, value)| {
            all.get(key).is_some_and(|held| held == value || subset(held, value) == Some(true))
        })),
        (Value::Set(all), Value::Set(part)) => Some(part.iter().all(|item| all.contains(item))),
        (Value::Array(_), Value::Array(part)) if part.is_empty() => Some(true),
        (Value::Array(all), Value::Array(part)) => {
            let mut windows = all.as_slice().windows(part.len());
            Some(windows.any(|window| window == part.as_slice()))
        }
        _ => None,
    }
}

fn elements(args: &[Value]) -> Option<Vec<&Value>> {
    match args {
        [Value::Array(items)] => Some(items.iter().collect()),
        [Value::Set(items)] => Some(order::sorted(items.iter_sorted())),
        _ => None,
    }
}

fn extreme(args: &[Value], wanted: Ordering) -> Value {
    let items = elements(args).unwrap_or_default().into_iter();
    let best = items.reduce(|best, item| if order::compare(item, best) == wanted { item } else { best });
    best.cloned().unwrap_or(Value::Undefined)
}

fn total(args: &[Value], of: fn(&[&Value]) -> Result<Value, Inexact>) -> Result<Value, Inexact> {
    match elements(args) {
        Some(items) if items.iter().all(|item| matches!(item, Value::Number(_))) => of(&items),
        _ => Ok(Value::Undefined),
    }
}

/// Versions that releases of OPA read differently: `v1.2.3`, and numbers beyond 64 bits.
fn version_in_doubt(value: &Value) -> bool {
    let Value::String(text) = value else { return false };
    let long = text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 18);
    text.starts_with(['v', 'V']) || long
}

fn to_number(args: &[Value], plain: &dyn Fn(&[Value]) -> Value) -> Result<Value, Inexact> {
    let [Value::String(text)] = args else { return Ok(plain(args)) };
    if text.trim() != text.as_ref() {
        return Ok(Value::Undefined);
    }
    if strings::huge_number(text) {
        return Err(Inexact);
    }
    let answer = plain(args);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain_decimal = digits.len() <= 17
        && digits.split('.').count() <= 2
        && digits.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()))
        && (digits == "0" || digits.starts_with("0.") || !digits.starts_with('0'));
    // Hexadecimal, infinities, exponents, too many digits: OPA keeps the text or has an opinion.
    if answer == Value::Undefined || plain_decimal { Ok(answer) } else { Err(Inexact) }
}
