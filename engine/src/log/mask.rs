//! What is taken out of an event before anybody sees it.

use regorus::Value;

use crate::collections::fields;

/// A mask of the policy that cannot be followed; then nothing of the event is logged, as in OPA.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a set of paths such as `/input/attributes` or of objects with `op` and `path`, got {0}")]
pub struct MaskError(String);

/// An event of which nothing that must not be seen is left.
#[derive(Clone, Debug, PartialEq)]
pub struct Masked(Value);

/// One change.
struct Rule {
    path: String,
    /// What is put there; removed where there is none.
    upsert: Option<Value>,
}

/// Headers whose values are secrets, wherever they are.
const SECRET_HEADERS: [&str; 5] =
    ["authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"];

/// Where headers are in the input.
const HEADERS: [&str; 2] = ["/input/attributes/request/http/headers", "/input/response/headers"];

/// What may be secret as a whole.
const BODIES: [&str; 3] =
    ["/input/attributes/request/http/body", "/input/attributes/request/http/raw_body", "/input/parsed_body"];

/// What rules may speak of.
const ROOTS: [&str; 3] = ["input", "nd_builtin_cache", "result"];

/// Takes out of `event` what is secret by its name, and what `rules`, the value of `data.system.log.mask`, says; that
/// is undefined where the policy says nothing. What was taken out is listed under `erased`, what was put in its place
/// by `masked`.
///
/// A part of a path stands for the key as it is written. OPA compares it escaped, so that a key with a blank in it is
/// never found: here it is.
///
/// # Errors
/// Rules that are none.
pub fn mask(mut event: Value, rules: &Value) -> Result<Masked, MaskError> {
    let rules = read(rules)?;
    // What was too large to be in it.
    let mut erased: Vec<Value> = match field(&event, "erased") {
        Some(Value::Array(paths)) => paths.iter().cloned().collect(),
        _ => Vec::new(),
    };
    let mut masked = Vec::new();
    let headers = HEADERS.iter().flat_map(|at| SECRET_HEADERS.iter().map(move |name| format!("{at}/{name}")));
    for path in headers.chain(BODIES.map(str::to_owned)) {
        let parts = parts(&path);
        // That there was no body is no secret.
        let is_there =
            parts.iter().try_fold(&event, |value, key| field(value, key)).is_some_and(|v| *v != Value::Null);
        if is_there && let Some(without) = edit(&event, &parts, None) {
            event = without;
            erased.push(Value::from(path));
        }
    }
    if let Some(result) = field(&event, "result") {
        let mut at = "/result".to_owned();
        if let Some(result) = without_secrets(result, &mut at, &mut erased) {
            event = with(&event, "result", result);
        }
    }
    for Rule { path, upsert } in rules {
        if let Some(changed) = edit(&event, &parts(&path), upsert.as_ref()) {
            event = changed;
            if upsert.is_some() { &mut masked } else { &mut erased }.push(Value::from(path));
        }
    }
    for (key, paths) in [("erased", erased), ("masked", masked)] {
        if !paths.is_empty() {
            event = with(&event, key, Value::from(paths));
        }
    }
    Ok(Masked(event))
}

impl Masked {
    /// The event as JSON on one line; `None` if it cannot be written.
    pub fn line(&self) -> Option<String> {
        serde_json::to_string(&self.0).ok()
    }

    /// The event.
    pub fn event(&self) -> &Value {
        &self.0
    }
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').skip(1).collect()
}

fn read(rules: &Value) -> Result<Vec<Rule>, MaskError> {
    match rules {
        Value::Undefined => Ok(Vec::new()),
        Value::Set(items) => items.iter().map(rule).collect(),
        Value::Array(items) => items.iter().map(rule).collect(),
        other => Err(MaskError(kind(other).to_owned())),
    }
}

fn rule(value: &Value) -> Result<Rule, MaskError> {
    let (path, upsert) = match value {
        Value::String(path) => (path.as_ref(), None),
        Value::Object(_) => {
            let text = |key| match field(value, key) {
                Some(Value::String(text)) => Some(text.as_ref()),
                _ => None,
            };
            let upsert = match text("op") {
                Some("remove") => None,
                Some("upsert") => Some(field(value, "value").cloned().unwrap_or(Value::Null)),
                _ => {
                    return Err(MaskError(
                        "an object whose `op` is neither `remove` nor `upsert`".to_owned(),
                    ));
                }
            };
            (text("path").unwrap_or_default(), upsert)
        }
        other => return Err(MaskError(kind(other).to_owned())),
    };
    let is_known = path.starts_with('/') && parts(path).first().is_some_and(|root| ROOTS.contains(root));
    if is_known {
        Ok(Rule { path: path.to_owned(), upsert })
    } else {
        Err(MaskError("a path that begins with none of `/input`, `/result`".to_owned()))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "an array",
        Value::Set(_) => "a set",
        Value::Object(_) => "an object",
        Value::String(_) => "a string",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a boolean",
        _ => "null",
    }
}

fn field<'a>(object: &'a Value, key: &str) -> Option<&'a Value> {
    object.as_object().ok()?.get(&Value::from(key))
}

fn with(object: &Value, key: &str, value: Value) -> Value {
    let old = object.as_object().ok().into_iter().flatten();
    let old = old.map(|(key, value)| (key.clone(), value.clone()));
    Value::from(fields(old.chain([(Value::from(key), value)])))
}

/// The value with another in the place that `path` names, or without it; `None` where there is no such place. Like OPA,
/// what is put somewhere makes the objects on the way, and arrays do not grow.
fn edit(value: &Value, path: &[&str], upsert: Option<&Value>) -> Option<Value> {
    let (key, rest) = path.split_first()?;
    match value {
        Value::Object(_) => {
            let old = field(value, key);
            if rest.is_empty() && upsert.is_none() {
                old?;
                let kept = value.as_object().ok()?.iter().filter(|(name, _)| **name != Value::from(*key));
                return Some(Value::from(fields(kept.map(|(name, value)| (name.clone(), value.clone())))));
            }
            let new = match (old, rest, upsert) {
                (_, [], Some(put)) => put.clone(),
                (Some(old), rest, upsert) => edit(old, rest, upsert)?,
                (None, rest, Some(put)) => edit(&Value::new_object(), rest, Some(put))?,
                (None, _, None) => return None,
            };
            Some(with(value, key, new))
        }
        Value::Array(items) => {
            let at = key.parse::<usize>().ok().filter(|at| *at < items.len())?;
            let mut items: Vec<Value> = items.iter().cloned().collect();
            match (rest, upsert) {
                ([], None) => drop(items.remove(at)),
                ([], Some(put)) => *items.get_mut(at)? = put.clone(),
                (rest, upsert) => {
                    let place = items.get_mut(at)?;
                    *place = edit(place, rest, upsert)?;
                }
            }
            Some(Value::from(items))
        }
        _ => None,
    }
}

/// A policy's answer without the secrets that it sets; `None` where there are none. `at` is where it stands.
fn without_secrets(value: &Value, at: &mut String, erased: &mut Vec<Value>) -> Option<Value> {
    let mut is_changed = false;
    let mut inner = |key: &str, value: &Value| {
        let length = at.len();
        at.push('/');
        at.push_str(key);
        let new = if SECRET_HEADERS.iter().any(|secret| key.eq_ignore_ascii_case(secret)) {
            erased.push(Value::from(at.as_str()));
            is_changed = true;
            None
        } else {
            let new = without_secrets(value, at, erased);
            is_changed |= new.is_some();
            Some(new.unwrap_or_else(|| value.clone()))
        };
        at.truncate(length);
        new
    };
    let new = match value {
        Value::Object(object) => {
            let key = |key: &Value| key.as_string().map(|key| key.to_string()).unwrap_or_default();
            let kept =
                object.iter().filter_map(|(name, value)| Some((name.clone(), inner(&key(name), value)?)));
            Value::from(fields(kept))
        }
        Value::Array(items) => {
            let kept = items.iter().enumerate().filter_map(|(at, value)| inner(&at.to_string(), value));
            Value::from(kept.collect::<Vec<_>>())
        }
        _ => return None,
    };
    is_changed.then_some(new)
}
