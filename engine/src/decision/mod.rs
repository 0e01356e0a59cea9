//! A policy's answer, read as OPA's Envoy plugin reads it (`envoyauth/response.go`, `internal.go`).
//!
//! `true`, `false`, or an object with a boolean `allowed`. Unknown keys are ignored; a known key is looked
//! at, and can be wrong, only on the branch that uses it. Sets count as arrays and keys that are no strings
//! as their JSON text, as in OPA's conversion of results to JSON.

mod error;
mod read;
mod wire;

use regorus::Value;

use crate::limits::Limits;
pub use error::DecisionError;
use read::{Budget, Fields};
pub(crate) use wire::{is_header_name, is_header_value};

/// A well-formed answer. Names are in lower case, and names and values are fit for the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Let the request pass, changed as said.
    Allow(Allow),
    /// Answer it here.
    Deny(Deny),
}

/// What a decision says of itself, besides what it decides. OPA's plugin knows neither, and carries the decision out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// `"mode": "shadow"`: it is to be counted, and not carried out.
    pub is_shadow: bool,
    /// `"undeclared": true`: nobody has said who may call this workload.
    pub is_undeclared: bool,
}

/// What an allowed request gets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Allow {
    /// `headers`: set on the request, replacing; of several values of one name the last wins.
    pub request_headers_to_set: Vec<(String, String)>,
    /// `request_headers_to_add`: beside what the request has, and what is set. Sidegate only.
    pub request_headers_to_add: Vec<(String, String)>,
    /// `request_headers_to_remove`; `host`, which Envoy does not remove, is left out.
    pub request_headers_to_remove: Vec<String>,
    /// `request_header_prefixes_to_remove`: every header that came with such a name, before the others. Sidegate only.
    pub request_header_prefixes_to_remove: Vec<String>,
    /// `response_headers_to_add`: beside what the response has.
    pub response_headers_to_add: Vec<(String, String)>,
    /// `response_headers_to_set`: all values of a name replace what the response has. Sidegate only.
    pub response_headers_to_set: Vec<(String, String)>,
    /// `response_headers_to_remove`, before the others. Sidegate only.
    pub response_headers_to_remove: Vec<String>,
    /// `response_header_prefixes_to_remove`, as these. Sidegate only.
    pub response_header_prefixes_to_remove: Vec<String>,
    /// `query_parameters_to_set`, URL-encoded, replacing; of several values of one name the last wins.
    pub query_parameters_to_set: Vec<(String, String)>,
    /// `query_parameters_to_remove`, compared with the encoded names in the path, after the others.
    pub query_parameters_to_remove: Vec<String>,
    /// `dynamic_metadata`, an object.
    pub dynamic_metadata: Option<Value>,
}

/// What the client of a denied request gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Deny {
    /// `http_status`; 403 if the policy gives none.
    pub status: u16,
    /// `headers`: on the response, every value of a name.
    pub headers: Vec<(String, String)>,
    /// `body`.
    pub body: String,
    /// `dynamic_metadata`, an object.
    pub dynamic_metadata: Option<Value>,
}

/// The plugin's status for a deny that names none.
const FORBIDDEN: u16 = 403;

impl Decision {
    /// Whether the request's query parameters are to change, so that what becomes of it depends on its path.
    pub fn changes_query(&self) -> bool {
        matches!(self, Self::Allow(allow)
            if !(allow.query_parameters_to_set.is_empty() && allow.query_parameters_to_remove.is_empty()))
    }

    /// Reads the value of an entry point. Fails where the plugin does, where a header or parameter is not
    /// fit for the wire, and where the answer is larger than [`Limits::output_bytes`].
    pub fn read(value: &Value, limits: &Limits) -> Result<Self, DecisionError> {
        Self::read_marked(value, limits).map(|(decision, _)| decision)
    }

    /// The same, with what the decision says of itself.
    pub fn read_marked(value: &Value, limits: &Limits) -> Result<(Self, Marks), DecisionError> {
        let plain = |decision| Ok((decision, Marks::default()));
        let fields = match value {
            Value::Undefined => return Err(DecisionError::Undefined),
            Value::Bool(true) => return plain(Self::Allow(Allow::default())),
            Value::Bool(false) => return plain(Self::Deny(Deny::bare(FORBIDDEN))),
            Value::Object(object) => Fields::new(object.iter()),
            other => {
                return Err(DecisionError::Type { got: read::kind(other) });
            }
        };
        let mut budget = Budget::new(limits.output_bytes);
        let is_allowed = fields.allowed()?;
        let marks = fields.marks(is_allowed)?;
        let decision = if is_allowed {
            Self::Allow(Allow {
                request_headers_to_set: fields.request_headers("headers", &mut budget)?,
                request_headers_to_add: fields.request_headers("request_headers_to_add", &mut budget)?,
                request_header_prefixes_to_remove: fields
                    .header_names("request_header_prefixes_to_remove", &mut budget)?,
                request_headers_to_remove: fields.request_header_names(&mut budget)?,
                response_headers_to_add: fields.headers("response_headers_to_add", &mut budget)?,
                response_headers_to_set: fields.headers("response_headers_to_set", &mut budget)?,
                response_headers_to_remove: fields.header_names("response_headers_to_remove", &mut budget)?,
                response_header_prefixes_to_remove: fields
                    .header_names("response_header_prefixes_to_remove", &mut budget)?,
                query_parameters_to_set: fields.parameters(&mut budget)?,
                query_parameters_to_remove: fields.strings("query_parameters_to_remove", &mut budget)?,
                dynamic_metadata: fields.metadata(&mut budget)?,
            })
        } else {
            Self::Deny(Deny {
                status: fields.status()?.unwrap_or(FORBIDDEN),
                headers: fields.headers("headers", &mut budget)?,
                body: fields.body(&mut budget)?,
                dynamic_metadata: fields.metadata(&mut budget)?,
            })
        };
        Ok((decision, marks))
    }
}

impl Allow {
    /// The first of the decision's keys that says something about a request that has gone upstream already.
    pub(crate) fn request_key(&self) -> Option<&'static str> {
        let keys = [
            ("headers", self.request_headers_to_set.is_empty()),
            ("request_headers_to_add", self.request_headers_to_add.is_empty()),
            ("request_headers_to_remove", self.request_headers_to_remove.is_empty()),
            ("request_header_prefixes_to_remove", self.request_header_prefixes_to_remove.is_empty()),
            ("query_parameters_to_set", self.query_parameters_to_set.is_empty()),
            ("query_parameters_to_remove", self.query_parameters_to_remove.is_empty()),
        ];
        keys.into_iter().find(|(_, is_empty)| !is_empty).map(|(key, _)| key)
    }
}

impl Deny {
    /// A deny without headers and body.
    pub fn bare(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new(), dynamic_metadata: None }
    }
}

#[cfg(test)]
mod tests;
