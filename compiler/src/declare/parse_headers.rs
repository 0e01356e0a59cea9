//! Conditions, and what happens to headers.

use super::fields::{Checker, Text};
use super::model::{Condition, HeaderChanges, HeaderRules, HeaderTest, Test};
use super::words;
use super::yaml::{Node, Yaml};

/// Headers that say who calls, but that a caller can write: never a condition.
pub(crate) const FORGEABLE: [&str; 4] =
    ["x-forwarded-client-cert", "x-envoy-peer-metadata", "x-envoy-peer-metadata-id", "host"];
/// Headers that belong to the connection or decide where a request goes.
const UNCHANGEABLE: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
];

/// One entry of `when`.
pub(super) fn condition(check: &mut Checker<'_>, node: Node) -> Option<Condition> {
    let place = node.place;
    let keys = ["header", "exact", "prefix", "present", "absent", "claim", "in", "source", "remote"];
    let mut fields = check.fields(node, &keys, "a condition")?;
    let given: Vec<&str> = keys.into_iter().filter(|key| fields.has(key)).collect();
    let test = match given.as_slice() {
        ["header", test @ ("exact" | "prefix" | "present" | "absent")] => {
            let name = fields.take("header").and_then(|node| header(check, node));
            let node = fields.take(test)?;
            let test = match *test {
                "exact" => HeaderTest::Exact(check.value(node, "`exact`", owned_value)?),
                "prefix" => HeaderTest::Prefix(check.value(node, "`prefix`", prefix)?),
                "present" => check.yes(node, "present").map(|()| HeaderTest::Present)?,
                _ => check.yes(node, "absent").map(|()| HeaderTest::Absent)?,
            };
            Test::Header(name?, test)
        }
        ["exact", "claim"] => {
            let path = fields.take("claim").and_then(|node| claim(check, node));
            let exact = fields.take("exact").and_then(|node| check.text(node, "`exact`"))?;
            Test::Claim(path?, vec![exact.text])
        }
        ["claim", "in"] => {
            let path = fields.take("claim").and_then(|node| claim(check, node));
            let values = fields.take("in").and_then(|node| check.texts(node, "values"))?;
            Test::Claim(path?, values.into_iter().map(|text| text.text).collect())
        }
        ["source"] => {
            let networks = fields.take("source").map(|node| check.names(node, "networks", words::network));
            Test::Source(networks?)
        }
        ["remote"] => {
            return check.wrong_so(
                fields.place_of("remote"),
                "declare_remote",
                "`remote` cannot be answered: a policy's input has the address of the connection alone",
                "write `source` for the connection's address, or let the gateway that knows the client decide",
            );
        }
        _ => {
            return check.wrong_so(
                place,
                "declare_condition",
                "expected one condition",
                "`{header: NAME, exact|prefix: TEXT}`, `{header: NAME, present|absent: true}`, \
                 `{claim: NAME, exact: TEXT}`, `{claim: NAME, in: [TEXT]}` or `{source: [NETWORK]}`",
            );
        }
    };
    Some(Condition { place, test })
}

fn owned_value(text: &str) -> Result<String, String> {
    words::header_value(text).map(str::to_owned)
}

/// Several values of one header reach a policy joined by commas, so a prefix with one means two things.
fn prefix(text: &str) -> Result<String, String> {
    match text {
        "" => Err("expected some text; `present: true` asks for the header alone".to_owned()),
        text if text.contains(',') => Err("expected no comma, which parts the values of a header".to_owned()),
        text => owned_value(text),
    }
}

fn header(check: &mut Checker<'_>, node: Node) -> Option<String> {
    let text = check.text(node, "`header`")?;
    let place = text.place;
    let name = check.word(text, words::header_name)?;
    if FORGEABLE.contains(&name.as_str()) {
        let help = "write `from` for who calls, `hosts` for the host that is called";
        return check.wrong_so(place, "declare_header", format!("`{name}` is no condition"), help);
    }
    Some(name)
}

/// `sub`, or a list of keys on the way to a claim.
fn claim(check: &mut Checker<'_>, node: Node) -> Option<Vec<String>> {
    let place = node.place;
    let texts = match node.value {
        Yaml::Scalar { .. } => vec![check.text(node, "`claim`")?],
        _ => {
            let items = check.list(node, "keys")?;
            check.each(items, |check, item| check.text(item, "a key of a claim"))
        }
    };
    let mut keys = Vec::new();
    for Text { place, text } in texts {
        if text.is_empty() || text.len() > 256 {
            return check.wrong(place, "declare_value", "expected the name of a claim");
        }
        keys.push(text);
    }
    if keys.len() > 8 {
        return check.wrong(place, "declare_value", "expected at most 8 keys on the way to a claim");
    }
    Some(keys)
}

/// `spec.headers`.
pub(super) fn header_rules(check: &mut Checker<'_>, node: Node) -> HeaderRules {
    let Some(mut fields) = check.fields(node, &["request", "response"], "`headers`") else {
        return HeaderRules::default();
    };
    let mut side = |key| fields.take(key).map(|node| changes(check, node, key)).unwrap_or_default();
    HeaderRules { request: side("request"), response: side("response") }
}

fn changes(check: &mut Checker<'_>, node: Node, side: &str) -> HeaderChanges {
    let mut changes = HeaderChanges::default();
    let Some(mut fields) = check.fields(node, &["set", "remove"], &format!("`headers.{side}`")) else {
        return changes;
    };
    for (name, node) in
        fields.take("set").map(|node| check.entries(node, "headers to set")).unwrap_or_default()
    {
        let place = name.place;
        let value = check.value(node, "the value of a header", words::value);
        let (Some(name), Some(value)) = (changed(check, name), value) else { continue };
        if changes.set.insert(name.clone(), value).is_some() {
            check.wrong::<()>(place, "declare_twice", format!("expected `{name}` once, got it twice"));
        }
    }
    for name in fields.take("remove").and_then(|node| check.texts(node, "headers")).unwrap_or_default() {
        let place = name.place;
        let Some(name) = changed(check, name) else { continue };
        if changes.set.contains_key(&name) || changes.remove.contains(&name) {
            let message = format!("expected `{name}` once, got it twice");
            check.wrong_so::<()>(place, "declare_twice", message, "what is set replaces what was there");
        } else {
            changes.remove.push(name);
        }
    }
    changes
}

fn changed(check: &mut Checker<'_>, name: Text) -> Option<String> {
    let place = name.place;
    let name = check.word(name, words::header_name)?;
    if name.bytes().filter(|byte| b"-_".contains(byte)).count() > words::MOST_HYPHENS {
        let message = format!("expected at most {} hyphens in `{name}`", words::MOST_HYPHENS);
        return check.wrong_so(place, "declare_header", message, "each spelling with `_` is removed, too");
    }
    if UNCHANGEABLE.contains(&name.as_str()) {
        return check.wrong(
            place,
            "declare_header",
            format!("`{name}` cannot be changed: it belongs to the connection"),
        );
    }
    Some(name)
}
