//! What is so for a connection is so for all of its requests: whose certificates they are, and how it is encrypted.
//! Every property costs about a microsecond, so these are asked for once, and known by the connection's id after that.
//! Envoy counts connections up for as long as it runs, so an id never comes twice; TLS is set up once for each, and does
//! not ask for another certificate later (Envoy refuses renegotiation, TLS 1.3 has none).
//!
//! Addresses are no part of this: the source's may be another one for each request, from `x-forwarded-for`.

use std::cell::RefCell;
use std::collections::BTreeMap;

use sidegate_engine::attributes::Attributes;
use sidegate_engine::needs::{Group, Needs};

use crate::attributes::{filled, flag, number};
use crate::host::{self, Status};
use crate::peer;

const GROUPS: [Group; 4] =
    [Group::SourceNames, Group::SourcePrincipal, Group::DestinationPrincipal, Group::Tls];
/// Which of them are asked for.
type Groups = [bool; GROUPS.len()];

/// How many connections are known.
const KEPT: usize = 4096;

thread_local! {
    /// By the connection, and by what was asked about it: policies that ask for more have answers of their own.
    static KNOWN: RefCell<BTreeMap<(i64, Groups), Known>> = const { RefCell::new(BTreeMap::new()) };
}

/// What has been asked about a connection.
#[derive(Clone, Default)]
struct Known {
    peer_uri_sans: Vec<Vec<u8>>,
    peer_dns_san: Option<Vec<u8>>,
    peer_subject: Option<Vec<u8>>,
    local_uri_san: Option<Vec<u8>>,
    local_dns_san: Option<Vec<u8>>,
    local_subject: Option<Vec<u8>>,
    tls_version: Option<Vec<u8>>,
    requested_server_name: Option<Vec<u8>>,
    mtls: Option<bool>,
}

/// Fills in what is needed of the connection.
pub(crate) fn fetch(needs: &Needs, attributes: &mut Attributes) -> Result<(), Status> {
    let groups = GROUPS.map(|group| needs.contains(group));
    if !groups.contains(&true) {
        return Ok(());
    }
    // Without an id nothing is remembered, and that is all.
    let id = number(b"connection\0id").unwrap_or(None);
    let known = id.and_then(|id| KNOWN.with_borrow(|known| known.get(&(id, groups)).cloned()));
    let found = match known {
        Some(known) => known,
        None => {
            let asked = Known::ask(needs)?;
            if let Some(id) = id.filter(|_| asked.is_settled(groups)) {
                keep((id, groups), &asked);
            }
            asked
        }
    };
    let Known {
        peer_uri_sans,
        peer_dns_san,
        peer_subject,
        local_uri_san,
        local_dns_san,
        local_subject,
        tls_version,
        requested_server_name,
        mtls,
    } = found;
    attributes.peer_uri_sans = peer_uri_sans;
    attributes.peer_dns_san = peer_dns_san;
    attributes.peer_subject = peer_subject;
    attributes.local_uri_san = local_uri_san;
    attributes.local_dns_san = local_dns_san;
    attributes.local_subject = local_subject;
    attributes.tls_version = tls_version;
    attributes.requested_server_name = requested_server_name;
    attributes.mtls = mtls;
    Ok(())
}

fn keep(key: (i64, Groups), known: &Known) {
    KNOWN.with_borrow_mut(|all| {
        // The oldest connection is the first that is likely to be over.
        if all.len() >= KEPT {
            all.pop_first();
        }
        all.insert(key, known.clone());
    });
}

impl Known {
    /// Whether there was an answer to everything. What is not there may only not be there yet.
    fn is_settled(&self, [names, principal, own, tls]: Groups) -> bool {
        let filled = |text: &Option<Vec<u8>>| text.as_ref().is_some_and(|text| !text.is_empty());
        let peer = !self.peer_uri_sans.is_empty() || filled(&self.peer_dns_san) || filled(&self.peer_subject);
        let local = filled(&self.local_uri_san) || filled(&self.local_dns_san) || filled(&self.local_subject);
        (peer || !(names || principal)) && (local || !own) && (filled(&self.tls_version) || !tls)
    }

    fn ask(needs: &Needs) -> Result<Self, Status> {
        let mut known = Self::default();
        if needs.contains(Group::SourceNames) {
            known.peer_uri_sans = peer::uri_sans()?;
        }
        if needs.contains(Group::SourcePrincipal) {
            known.ask_peer(needs.contains(Group::SourceNames))?;
        }
        if needs.contains(Group::DestinationPrincipal) {
            known.ask_local()?;
        }
        if needs.contains(Group::Tls) {
            known.tls_version = host::property(b"connection\0tls_version")?;
            known.requested_server_name = host::property(b"connection\0requested_server_name")?;
            known.mtls = flag(b"connection\0mtls")?;
        }
        Ok(known)
    }

    /// The peer's principal: the next kind of name is only asked for where the one before is missing.
    fn ask_peer(&mut self, has_uris: bool) -> Result<(), Status> {
        if !has_uris {
            self.peer_uri_sans.extend(filled(peer::FIRST_URI_SAN)?);
        }
        if self.peer_uri_sans.first().is_some_and(|uri| !uri.is_empty()) {
            return Ok(());
        }
        self.peer_dns_san = filled(b"connection\0dns_san_peer_certificate")?;
        if self.peer_dns_san.is_none() {
            self.peer_subject = filled(b"connection\0subject_peer_certificate")?;
        }
        Ok(())
    }

    fn ask_local(&mut self) -> Result<(), Status> {
        self.local_uri_san = filled(b"connection\0uri_san_local_certificate")?;
        if self.local_uri_san.is_none() {
            self.local_dns_san = filled(b"connection\0dns_san_local_certificate")?;
        }
        if self.local_uri_san.is_none() && self.local_dns_san.is_none() {
            self.local_subject = filled(b"connection\0subject_local_certificate")?;
        }
        Ok(())
    }
}
