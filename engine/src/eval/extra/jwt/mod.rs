//! `io.jwt.*`: JSON web tokens in their compact form, decoded and checked as OPA does.

mod constraints;
mod token;
mod verify;

use regorus::Value;

pub(in crate::eval) use self::constraints::{decode_verify, decode_verify_cost};
pub(in crate::eval) use self::verify::{
    eddsa, eddsa_cost, es256, es256_cost, es384, es384_cost, es512, es512_cost, hs256, hs384, hs512, ps256,
    ps256_cost, ps384, ps384_cost, ps512, ps512_cost, rs256, rs256_cost, rs384, rs384_cost, rs512,
    rs512_cost,
};

use self::token::Token;
use super::{Failed, UNSURE, answered};
use crate::crypto::hex;
use crate::eval::context::Context;
use crate::eval::table::Unanswered;

type Answer = Result<Value, Unanswered>;

/// `io.jwt.decode(token)`: header, payload and the signature in hexadecimal digits.
pub(in crate::eval) fn decode(args: &[Value], _: &Context) -> Answer {
    let [Value::String(text)] = args else { return Ok(Value::Undefined) };
    answered(decoded(text))
}

fn decoded(text: &str) -> Result<Value, Failed> {
    let mut text = text.to_owned();
    // Every round decodes base64, so the text shrinks.
    loop {
        let token = Token::split(&text)?;
        let header = token.header()?;
        let payload = token.payload()?;
        match header.get("cty") {
            Some(Value::String(kind)) if kind.as_ref() == "JWT" => {
                let inner = String::from_utf8(payload).map_err(|_| UNSURE)?;
                text = inner.trim_matches(['"', '\'']).to_owned();
            }
            // OPA falls over.
            Some(other) if !matches!(other, Value::String(_)) => return Err(UNSURE),
            _ => {
                let claims = token::object(&payload)?;
                let signature = Value::from(hex(&token.signature()?));
                return Ok(Value::from(vec![header.value(), claims, signature]));
            }
        }
    }
}
