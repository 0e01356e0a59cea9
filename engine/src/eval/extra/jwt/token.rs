//! A token's three parts.

use std::borrow::Cow;
use std::collections::BTreeSet;

use regorus::Value;

use crate::eval::builtins::Builtin;
use crate::eval::context::Context;
use crate::eval::extra::{Failed, UNSURE};
use crate::eval::strings;

/// A token, split and not yet decoded.
pub(super) struct Token<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// What the signature is made of: header, period, payload.
    pub(super) signed: &'a str,
}

/// A decoded header.
pub(super) struct Header(Value);

/// What of a header decides about the signature.
pub(super) struct Protected {
    /// Empty if there is none.
    pub(super) alg: String,
    pub(super) kid: String,
    pub(super) cty: String,
    /// Whether there is an algorithm, and nothing critical that is not known here (RFC 7515, 4.1.11).
    pub(super) is_valid: bool,
}

/// The object that some JSON is.
pub(super) fn object(json: &[u8]) -> Result<Value, Failed> {
    // Go reads bytes that are no UTF-8 as U+FFFD where they may stand, but not always as many of them.
    let text = String::from_utf8_lossy(json);
    let is_text = matches!(text, Cow::Borrowed(_));
    let unmarshal = Builtin::find("json.unmarshal").ok_or(UNSURE)?;
    match unmarshal.call(&[Value::from(text.as_ref())], &Context::default()) {
        Ok(Value::Object(_)) if !is_text => Err(UNSURE),
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Failed::Error),
        Err(_) => Err(UNSURE),
    }
}

impl<'a> Token<'a> {
    pub(super) fn split(text: &'a str) -> Result<Self, Failed> {
        let (signed, signature) = text.rsplit_once('.').ok_or(Failed::Error)?;
        let (header, payload) = signed.split_once('.').ok_or(Failed::Error)?;
        if payload.contains('.') {
            return Err(Failed::Error);
        }
        Ok(Self { header, payload, signature, signed })
    }

    pub(super) fn header(&self) -> Result<Header, Failed> {
        let header = Header(object(&strings::base64url_bytes(self.header).ok_or(Failed::Error)?)?);
        // An encrypted token has no payload to read.
        if header.get("enc").is_some() { Err(Failed::Error) } else { Ok(header) }
    }

    pub(super) fn payload(&self) -> Result<Vec<u8>, Failed> {
        strings::base64url_bytes(self.payload).ok_or(Failed::Error)
    }

    pub(super) fn signature(&self) -> Result<Vec<u8>, Failed> {
        strings::base64url_bytes(self.signature).ok_or(Failed::Error)
    }
}

impl Header {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        match &self.0 {
            Value::Object(fields) => fields.get(&Value::from(name)),
            _ => None,
        }
    }

    pub(super) fn value(self) -> Value {
        self.0
    }

    /// Reads the fields that are known; each must be of its type.
    pub(super) fn protected(&self) -> Result<Protected, Failed> {
        let text = |name: &str| match self.get(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.to_string()),
            Some(_) => Err(Failed::Error),
        };
        text("typ")?;
        let (alg, kid, cty) = (text("alg")?, text("kid")?, text("cty")?);
        let critical = self.critical()?;
        let known = ["alg", "kid", "typ", "cty", "crit"];
        let unknown = critical.iter().any(|name| !known.contains(&name.as_str()) && self.get(name).is_some());
        let is_valid = !alg.is_empty() && !unknown;
        Ok(Protected { alg, kid, cty, is_valid })
    }

    /// Names up to the first that is no text.
    fn critical(&self) -> Result<BTreeSet<String>, Failed> {
        let names = match self.get("crit") {
            None => return Ok(BTreeSet::new()),
            Some(Value::Array(names)) => names,
            Some(_) => return Err(Failed::Error),
        };
        let texts = names.iter().map_while(|name| match name {
            Value::String(name) => Some(name.to_string()),
            _ => None,
        });
        let mut names = BTreeSet::new();
        names.extend(texts);
        if names.is_empty() { Err(Failed::Error) } else { Ok(names) }
    }
}
