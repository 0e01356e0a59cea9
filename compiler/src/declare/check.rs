//! Reading the conditions of a data document. Not by a derived reader: one of enums by a tag loses which numbers are
//! whole.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::document::Check;

impl TryFrom<Map<String, Json>> for Check {
    type Error = String;

    fn try_from(mut fields: Map<String, Json>) -> Result<Self, String> {
        let fields = &mut fields;
        let kind: String = take(fields, "kind")?;
        let check = match kind.as_str() {
            "grpc" => Self::Grpc,
            "host" => Self::Host { exact: take(fields, "exact")?, suffixes: take(fields, "suffixes")? },
            "port" => Self::Port { ports: take(fields, "ports")? },
            "header_exact" => Self::HeaderExact { name: take(fields, "name")?, text: take(fields, "text")? },
            "header_prefix" => {
                Self::HeaderPrefix { name: take(fields, "name")?, text: take(fields, "text")? }
            }
            "header_present" => Self::HeaderPresent { name: take(fields, "name")? },
            "header_absent" => Self::HeaderAbsent { name: take(fields, "name")? },
            "claim" => Self::Claim { path: take(fields, "path")?, values: take(fields, "values")? },
            "source" => Self::Source { networks: take(fields, "networks")? },
            other => return Err(format!("expected a condition, got the kind `{other}`")),
        };
        if fields.is_empty() { Ok(check) } else { Err(format!("expected no more of the condition `{kind}`")) }
    }
}

fn take<T: DeserializeOwned>(fields: &mut Map<String, Json>, name: &str) -> Result<T, String> {
    let value = fields.remove(name).ok_or_else(|| format!("expected `{name}` in a condition"))?;
    serde_json::from_value(value).map_err(|error| error.to_string())
}
