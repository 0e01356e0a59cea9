//! What is so for a connection is so for all of its requests: whose certificates they are, and how it is encrypted.
//! Every property costs about a microsecond, so these are asked for once, and known by the connection's id after that.
//! Envoy counts connections up for as long as it runs, so an id never comes twice; TLS is set up once for each, and does
//! not ask for another certificate later (Envoy refuses renegotiation, TLS 1.3 has none).
//!
//! Addresses are no part of this: the source's may be another one for each request, from `x-forwarded-for`.

use std::cell::RefCell;

use sidegate_engine::attributes::Attributes;
use sidegate_engine::needs::{Group, Needs};

use crate::attributes::{filled, flag, number};
use crate::host::{self, Status};
use crate::peer::{self, Relayed};

const GROUPS: [Group; 4] =
    [Group::SourceNames, Group::SourcePrincipal, Group::DestinationPrincipal, Group::Tls];
/// Which of them are asked for.
type Groups = [bool; GROUPS.len()];

/// How many connections are known.
const KEPT: usize = 4096;

/// What is known of a connection.
struct Known {
    id: i64,
    groups: Groups,
    asked: Attributes,
}

thread_local! {
    /// By the connection, and by what was asked about it: policies that ask for more have answers of their own. Each has
    /// one place, which the last that comes takes: ids count up, so the one that was there is likely to be over.
    static KNOWN: RefCell<Vec<Option<Box<Known>>>> = const { RefCell::new(Vec::new()) };
}

/// What is needed of the connection; nothing else is in it.
pub(crate) fn fetch(needs: &Needs) -> Result<Attributes, Status> {
    let groups = GROUPS.map(|group| needs.contains(group));
    if !groups.contains(&true) {
        return Ok(Attributes::default());
    }
    // Without an id nothing is remembered, and that is all.
    let id = number(b"connection\0id").unwrap_or(None);
    if let Some(known) = id.and_then(|id| recall(id, groups)) {
        return Ok(known);
    }
    let mut asked = ask(needs)?;
    let [names, principal, own, _] = groups;
    if (names || principal || own) && asked.peer_principal().is_none() {
        let Relayed { peer, local } = peer::relayed()?;
        if !peer.is_empty() {
            if names || principal {
                asked.peer_uri_sans = peer;
            }
            asked.local_uri_san = local.filter(|_| own);
            // Said of a request, maybe, and not of the connection: not remembered.
            return Ok(asked);
        }
    }
    if let Some(id) = id.filter(|_| is_settled(groups, &asked)) {
        remember(Known { id, groups, asked: asked.clone() });
    }
    Ok(asked)
}

fn place(id: i64, groups: Groups) -> usize {
    let bits = groups.iter().fold(0_u64, |bits, group| bits << 1 | u64::from(*group));
    // Those that were asked for together are apart for different questions.
    let at = id.cast_unsigned().wrapping_add(bits.wrapping_mul(KEPT as u64 / 16)) % KEPT as u64;
    usize::try_from(at).unwrap_or(0)
}

fn recall(id: i64, groups: Groups) -> Option<Attributes> {
    KNOWN.with_borrow(|all| {
        let known = all.get(place(id, groups))?.as_ref()?;
        (known.id == id && known.groups == groups).then(|| known.asked.clone())
    })
}

fn remember(known: Known) {
    KNOWN.with_borrow_mut(|all| {
        if all.is_empty() {
            all.resize_with(KEPT, || None);
        }
        if let Some(slot) = all.get_mut(place(known.id, known.groups)) {
            *slot = Some(Box::new(known));
        }
    });
}

/// Whether there was an answer to everything. What is not there may only not be there yet.
fn is_settled([names, principal, own, tls]: Groups, asked: &Attributes) -> bool {
    let peer = asked.peer_principal().is_some();
    let is_tls = asked.tls_version.as_ref().is_some_and(|version| !version.is_empty());
    (peer || !(names || principal)) && (asked.local_principal().is_some() || !own) && (is_tls || !tls)
}

fn ask(needs: &Needs) -> Result<Attributes, Status> {
    let mut attributes = Attributes::default();
    if needs.contains(Group::SourceNames) {
        attributes.peer_uri_sans = peer::uri_sans()?;
    }
    if needs.contains(Group::SourcePrincipal) {
        principal(&mut attributes, needs.contains(Group::SourceNames))?;
    }
    if needs.contains(Group::DestinationPrincipal) {
        local(&mut attributes)?;
    }
    if needs.contains(Group::Tls) {
        attributes.tls_version = host::property(b"connection\0tls_version")?;
        attributes.requested_server_name = host::property(b"connection\0requested_server_name")?;
        attributes.mtls = flag(b"connection\0mtls")?;
    }
    Ok(attributes)
}

/// The peer's principal: the next kind of name is only asked for where the one before is missing.
fn principal(attributes: &mut Attributes, has_uris: bool) -> Result<(), Status> {
    if !has_uris {
        attributes.peer_uri_sans.extend(filled(peer::FIRST_URI_SAN)?);
    }
    if attributes.peer_uri_sans.first().is_some_and(|uri| !uri.is_empty()) {
        return Ok(());
    }
    attributes.peer_dns_san = filled(b"connection\0dns_san_peer_certificate")?;
    if attributes.peer_dns_san.is_none() {
        attributes.peer_subject = filled(b"connection\0subject_peer_certificate")?;
    }
    Ok(())
}

fn local(attributes: &mut Attributes) -> Result<(), Status> {
    attributes.local_uri_san = filled(b"connection\0uri_san_local_certificate")?;
    if attributes.local_uri_san.is_none() {
        attributes.local_dns_san = filled(b"connection\0dns_san_local_certificate")?;
    }
    if attributes.local_uri_san.is_none() && attributes.local_dns_san.is_none() {
        attributes.local_subject = filled(b"connection\0subject_local_certificate")?;
    }
    Ok(())
}
