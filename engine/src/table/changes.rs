//! What happens to the headers of an allowed request.

use super::caller::{Caller, Named};
use super::parts::Changes;
use super::request::Request;
use super::spec::Piece;
use super::{Mine, NotMine, Work};
use crate::decision::{Allow, is_header_value};
use crate::limits::Limits;

/// The changes; where they are more than a decision may be, or cannot go on the wire, the plan's way says what that is.
pub(super) fn of(
    changes: &[Changes; 2],
    request: &Request<'_>,
    caller: &Caller<'_>,
    limits: &Limits,
    work: &mut Work,
) -> Mine<Allow> {
    let [on_request, on_response] = changes;
    let mut left = limits.output_bytes;
    let (request_headers_to_set, request_headers_to_remove) =
        one(on_request, request, caller, &mut left, work)?;
    let (response_headers_to_set, response_headers_to_remove) =
        one(on_response, request, caller, &mut left, work)?;
    Ok(Allow {
        request_headers_to_set,
        request_headers_to_remove,
        response_headers_to_set,
        response_headers_to_remove,
        ..Allow::default()
    })
}

type Headers = (Vec<(String, String)>, Vec<String>);

fn one(
    changes: &Changes,
    request: &Request<'_>,
    caller: &Caller<'_>,
    left: &mut usize,
    work: &mut Work,
) -> Mine<Headers> {
    let Changes { set, remove } = changes;
    let (mut values, mut names) = (Vec::with_capacity(set.len()), remove.clone());
    work.take(remove.len())?;
    for (name, pieces) in set {
        match value(pieces, request, caller, work)? {
            Some(value) if is_header_value(&value) => values.push((name.clone(), value)),
            Some(_) => return Err(NotMine),
            // Removed, so that nobody else says it.
            None => names.push(name.clone()),
        }
    }
    let of_values = values.iter().map(|(name, value)| name.len().saturating_add(value.len()));
    for length in of_values.chain(names.iter().map(String::len)) {
        work.take(1)?;
        *left = left.checked_sub(length).ok_or(NotMine)?;
    }
    Ok((values, names))
}

/// A value; `None` where a part of it cannot be said.
fn value(
    pieces: &[Piece],
    request: &Request<'_>,
    caller: &Caller<'_>,
    work: &mut Work,
) -> Mine<Option<String>> {
    let named = match caller {
        Caller::Named(named) => Some(named),
        Caller::Anonymous | Caller::Several => None,
    };
    let own = named.and_then(|Named { identity, is_own, .. }| identity.filter(|_| *is_own == Some(true)));
    let mut value = String::new();
    for piece in pieces {
        work.take(1)?;
        let header;
        let text = match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Principal => named.map(|named| named.principal),
            Piece::Namespace => own.map(|identity| identity.namespace),
            Piece::ServiceAccount => own.map(|identity| identity.service_account),
            Piece::Header(name) => {
                header = request.header(name, work)?;
                header.as_deref()
            }
        };
        let Some(text) = text else { return Ok(None) };
        value.push_str(text);
    }
    Ok(Some(value))
}
