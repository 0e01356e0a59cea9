//! What is taken out of an event before anybody sees it.

use regorus::Value;

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
const HEADERS: [&[&str]; 2] =
    [&["input", "attributes", "request", "http", "headers"], &["input", "response", "headers"]];

/// What may be secret as a whole.
const BODIES: [&[&str]; 3] = [
    &["input", "attributes", "request", "http", "body"],
    &["input", "attributes", "request", "http", "raw_body"],
    &["input", "parsed_body"],
];

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
    for path in HEADERS {
        if let Some(headers) = inner(&mut event, path) {
            erase_secrets(headers, &mut written(path), &mut erased);
        }
    }
    for path in BODIES {
        // That there was no body is no secret.
        let is_there = inner(&mut event, path).is_some_and(|body| *body != Value::Null);
        if is_there && edit(&mut event, path, None) {
            erased.push(Value::from(written(path)));
        }
    }
    if let Some(result) = inner(&mut event, &["result"]) {
        erase_secrets(result, &mut "/result".to_owned(), &mut erased);
    }
    for Rule { path, upsert } in rules {
        if edit(&mut event, &parts(&path), upsert.as_ref()) {
            if upsert.is_some() { &mut masked } else { &mut erased }.push(Value::from(path));
        }
    }
    for (key, paths) in [("erased", erased), ("masked", masked)] {
        if !paths.is_empty() {
            edit(&mut event, &[key], Some(&Value::from(paths)));
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

/// What is at a path of objects.
fn inner<'v>(value: &'v mut Value, path: &[&str]) -> Option<&'v mut Value> {
    let mut place = value;
    for key in path {
        place = place.as_object_mut().ok()?.get_mut(&Value::from(*key))?;
    }
    Some(place)
}

fn written(path: &[&str]) -> String {
    path.iter().fold(String::new(), |text, part| text + "/" + part)
}

/// Puts another value in the place that `path` names, or takes out what is there; false where there is no such place.
/// Like OPA, what is put somewhere makes the objects on the way, and arrays do not grow.
fn edit(value: &mut Value, path: &[&str], upsert: Option<&Value>) -> bool {
    let Some((key, rest)) = path.split_first() else { return false };
    match value {
        Value::Object(_) => {
            let Ok(object) = value.as_object_mut() else { return false };
            let key = Value::from(*key);
            match (rest, upsert) {
                ([], None) => object.remove(&key).is_some(),
                ([], Some(put)) => {
                    object.insert(key, put.clone());
                    true
                }
                (rest, upsert) => {
                    if upsert.is_some() && !object.contains_key(&key) {
                        object.insert(key.clone(), Value::new_object());
                    }
                    object.get_mut(&key).is_some_and(|inner| edit(inner, rest, upsert))
                }
            }
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().cloned().collect();
            let Some(at) = key.parse::<usize>().ok().filter(|at| *at < items.len()) else { return false };
            let is_done = match (items.get_mut(at), rest, upsert) {
                (Some(_), [], None) => {
                    items.remove(at);
                    true
                }
                (Some(place), [], Some(put)) => {
                    *place = put.clone();
                    true
                }
                (Some(place), rest, upsert) => edit(place, rest, upsert),
                (None, ..) => false,
            };
            *value = Value::from(items);
            is_done
        }
        _ => false,
    }
}

fn is_secret(key: &Value) -> bool {
    match key {
        Value::String(name) => SECRET_HEADERS.iter().any(|secret| name.eq_ignore_ascii_case(secret)),
        _ => false,
    }
}

fn has_secrets(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| is_secret(key) || has_secrets(value)),
        Value::Array(items) => items.iter().any(has_secrets),
        _ => false,
    }
}

/// Takes out what stands under the name of a secret, however deep. `at` is where `value` stands.
fn erase_secrets(value: &mut Value, at: &mut String, erased: &mut Vec<Value>) {
    if !has_secrets(value) {
        return;
    }
    let mut below = |key: &str, value: Option<&mut Value>| {
        let length = at.len();
        at.push('/');
        at.push_str(key);
        match value {
            Some(value) => erase_secrets(value, at, erased),
            None => erased.push(Value::from(at.as_str())),
        }
        at.truncate(length);
    };
    match value {
        Value::Object(_) => {
            let Ok(object) = value.as_object_mut() else { return };
            let secrets: Vec<Value> = object.keys_sorted().filter(|key| is_secret(key)).cloned().collect();
            for key in secrets {
                object.remove(&key);
                below(key.as_string().map_or("", |key| key.as_ref()), None);
            }
            for (key, value) in object.iter_mut() {
                below(key.as_string().map_or("", |key| key.as_ref()), Some(value));
            }
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().cloned().collect();
            for (at, value) in items.iter_mut().enumerate() {
                below(&at.to_string(), Some(value));
            }
            *value = Value::from(items);
        }
        _ => {}
    }
}
