//! The keys of a decision object, each read when its branch asks for it.

use std::borrow::Cow;

use regorus::Value;

use super::error::DecisionError;
use super::{Marks, wire};
use crate::eval::key_times;

/// The keys that mean something, and the values that an object has for them.
pub(super) struct Fields<'a>(Vec<(&'static str, &'a Value)>);

/// The bytes that a decision may still have.
pub(super) struct Budget {
    left: usize,
    limit: usize,
}

const KEYS: &[&str] = &[
    "allowed",
    "headers",
    "request_headers_to_add",
    "request_headers_to_remove",
    "request_header_prefixes_to_remove",
    "response_headers_to_add",
    "response_headers_to_set",
    "response_headers_to_remove",
    "response_header_prefixes_to_remove",
    "query_parameters_to_set",
    "query_parameters_to_remove",
    "body",
    "http_status",
    "dynamic_metadata",
    "mode",
    "undeclared",
];

/// Counted for a number, boolean, null or container in metadata.
const SCALAR_BYTES: usize = 8;

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self { left: limit, limit }
    }

    fn take(&mut self, bytes: usize) -> Result<(), DecisionError> {
        self.left = self.left.checked_sub(bytes).ok_or(DecisionError::OutputBytes { limit: self.limit })?;
        Ok(())
    }
}

impl<'a> Fields<'a> {
    pub(super) fn new(entries: impl Iterator<Item = (&'a Value, &'a Value)>) -> Self {
        let known = entries.filter_map(|(key, value)| match key {
            Value::String(name) => Some((*KEYS.iter().find(|key| **key == name.as_ref())?, value)),
            _ => None,
        });
        Self(known.collect())
    }

    pub(super) fn allowed(&self) -> Result<bool, DecisionError> {
        match self.get("allowed") {
            Some(Value::Bool(allowed)) => Ok(*allowed),
            Some(other) => Err(wrong("allowed", "a boolean", other)),
            None => Err(DecisionError::AllowedMissing),
        }
    }

    /// `mode` and `undeclared`. A word that is not understood could mean less than `enforce`, or more.
    pub(super) fn marks(&self, is_allowed: bool) -> Result<Marks, DecisionError> {
        let is_shadow = match self.get("mode") {
            None => false,
            Some(Value::String(mode)) => match mode.as_ref() {
                "enforce" => false,
                "shadow" => true,
                other => return Err(DecisionError::Mode { got: wire::shown(other) }),
            },
            Some(other) => return Err(wrong("mode", "a string", other)),
        };
        let is_undeclared = match self.get("undeclared") {
            None => false,
            Some(Value::Bool(is_undeclared)) => *is_undeclared,
            Some(other) => return Err(wrong("undeclared", "a boolean", other)),
        };
        if is_undeclared && is_allowed {
            return Err(DecisionError::Undeclared);
        }
        Ok(Marks { is_shadow, is_undeclared })
    }

    /// Headers as they go on a request, of which `host` decides where it ends up.
    pub(super) fn request_headers(
        &self,
        key: &'static str,
        budget: &mut Budget,
    ) -> Result<Vec<(String, String)>, DecisionError> {
        let headers = self.headers(key, budget)?;
        match headers.iter().find(|(name, _)| name == "host") {
            Some((name, _)) => Err(DecisionError::HeaderReserved { key, name: name.clone() }),
            None => Ok(headers),
        }
    }

    /// `request_headers_to_remove` without `host`, which ext_authz skips in silence.
    pub(super) fn request_header_names(&self, budget: &mut Budget) -> Result<Vec<String>, DecisionError> {
        let mut names = self.header_names("request_headers_to_remove", budget)?;
        names.retain(|name| name != "host");
        Ok(names)
    }

    /// An object or an array of objects; values are strings or arrays of strings.
    pub(super) fn headers(
        &self,
        key: &'static str,
        budget: &mut Budget,
    ) -> Result<Vec<(String, String)>, DecisionError> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let mut headers = Vec::new();
        match items(value) {
            Some(objects) => {
                for object in objects {
                    read_headers(key, object, budget, &mut headers)?;
                }
            }
            None => read_headers(key, value, budget, &mut headers)?,
        }
        Ok(headers)
    }

    pub(super) fn header_names(
        &self,
        key: &'static str,
        budget: &mut Budget,
    ) -> Result<Vec<String>, DecisionError> {
        let names = self.strings(key, budget)?;
        names.iter().map(|name| wire::header_name(key, name)).collect()
    }

    pub(super) fn strings(
        &self,
        key: &'static str,
        budget: &mut Budget,
    ) -> Result<Vec<String>, DecisionError> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let items = items(value).ok_or_else(|| wrong(key, "an array of strings", value))?;
        let read = |item: &&Value| match item {
            Value::String(text) => {
                budget.take(text.len())?;
                Ok(text.as_ref().to_owned())
            }
            other => Err(wrong(key, "an array of strings", other)),
        };
        items.iter().map(read).collect()
    }

    /// `query_parameters_to_set`: an object; values are strings or arrays of strings.
    pub(super) fn parameters(&self, budget: &mut Budget) -> Result<Vec<(String, String)>, DecisionError> {
        const KEY: &str = "query_parameters_to_set";
        let Some(value) = self.get(KEY) else {
            return Ok(Vec::new());
        };
        let mut parameters = Vec::new();
        read_object(KEY, value, &mut |name, value| {
            wire::check_parameter(KEY, name, value)?;
            budget.take(name.len().saturating_add(value.len()))?;
            parameters.push((name.to_owned(), value.to_owned()));
            Ok(())
        })?;
        Ok(parameters)
    }

    pub(super) fn body(&self, budget: &mut Budget) -> Result<String, DecisionError> {
        match self.get("body") {
            Some(Value::String(text)) => {
                budget.take(text.len())?;
                Ok(text.as_ref().to_owned())
            }
            Some(other) => Err(wrong("body", "a string", other)),
            None => Ok(String::new()),
        }
    }

    pub(super) fn status(&self) -> Result<Option<u16>, DecisionError> {
        match self.get("http_status") {
            Some(Value::Number(number)) => {
                let status = number.as_i64().and_then(|status| u16::try_from(status).ok());
                match status.filter(|status| wire::is_status(*status)) {
                    Some(status) => Ok(Some(status)),
                    None => Err(DecisionError::HttpStatus { got: wire::shown(&number.format_decimal()) }),
                }
            }
            Some(other) => Err(wrong("http_status", "a number", other)),
            None => Ok(None),
        }
    }

    pub(super) fn metadata(&self, budget: &mut Budget) -> Result<Option<Value>, DecisionError> {
        match self.get("dynamic_metadata") {
            Some(value @ Value::Object(_)) => {
                weigh(value, budget)?;
                Ok(Some(value.clone()))
            }
            Some(other) => Err(wrong("dynamic_metadata", "an object", other)),
            None => Ok(None),
        }
    }

    fn get(&self, key: &'static str) -> Option<&'a Value> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }
}

/// The kind of a value, for messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Set(_) => "a set",
        Value::Object(_) => "an object",
        Value::Undefined => "nothing",
    }
}

fn wrong(key: &'static str, expected: &'static str, got: &Value) -> DecisionError {
    DecisionError::KeyType { key, expected, got: kind(got) }
}

/// The elements of an array, or of a set in its order.
fn items(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Array(array) => Some(array.iter().collect()),
        Value::Set(set) => Some(set.iter_sorted().collect()),
        _ => None,
    }
}

fn read_headers(
    key: &'static str,
    value: &Value,
    budget: &mut Budget,
    headers: &mut Vec<(String, String)>,
) -> Result<(), DecisionError> {
    read_object(key, value, &mut |name, value| {
        let name = wire::header_name(key, name)?;
        wire::check_header_value(key, &name, value)?;
        budget.take(name.len().saturating_add(value.len()))?;
        headers.push((name, value.to_owned()));
        Ok(())
    })
}

/// Calls `put` for every name and value of an object whose values are strings or arrays of strings.
fn read_object(
    key: &'static str,
    value: &Value,
    put: &mut dyn FnMut(&str, &str) -> Result<(), DecisionError>,
) -> Result<(), DecisionError> {
    const VALUES: &str = "an object of strings or arrays of strings";
    let Value::Object(object) = value else {
        return Err(wrong(key, VALUES, value));
    };
    for (name, value) in object.iter_sorted() {
        let name = match name {
            Value::String(name) => Cow::Borrowed(name.as_ref()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                Cow::Owned(name.to_json_str().unwrap_or_default())
            }
            // Its JSON text has brackets or braces, which neither a header nor a parameter may have.
            other => return Err(wrong(key, VALUES, other)),
        };
        match value {
            Value::String(value) => put(&name, value)?,
            Value::Array(_) | Value::Set(_) => {
                for item in items(value).unwrap_or_default() {
                    match item {
                        Value::String(item) => put(&name, item)?,
                        other => return Err(wrong(key, VALUES, other)),
                    }
                }
            }
            other => return Err(wrong(key, VALUES, other)),
        }
    }
    Ok(())
}

/// Charges every part of a value, without recursion: a policy decides how deep it is, and how often as long as itself it
/// is written.
fn weigh(value: &Value, budget: &mut Budget) -> Result<(), DecisionError> {
    let mut pending = vec![(value, 1_u64)];
    while let Some((value, times)) = pending.pop() {
        let own = if let Value::String(text) = value { text.len() } else { SCALAR_BYTES };
        budget.take(usize::try_from(times).unwrap_or(usize::MAX).saturating_mul(own))?;
        match value {
            Value::Object(object) => {
                let parts = object.iter();
                pending.extend(parts.flat_map(|(key, value)| [(key, key_times(key, times)), (value, times)]));
            }
            Value::Array(_) | Value::Set(_) => {
                pending.extend(items(value).unwrap_or_default().into_iter().map(|item| (item, times)));
            }
            _ => {}
        }
    }
    Ok(())
}
