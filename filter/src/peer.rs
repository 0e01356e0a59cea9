//! All names of the peer's certificate. Envoy has an attribute for the first one; the others are read from the
//! certificate, once for each: what a certificate says never changes. Envoys before 1.38 do not show it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use sidegate_engine::certificate;

use crate::attributes::filled;
use crate::host::{self, Level, Status};

/// The attribute with the first URI SAN.
pub(crate) const FIRST_URI_SAN: &[u8] = b"connection\0uri_san_peer_certificate";
/// The attribute with the certificate's SHA-256, in hexadecimal digits.
const DIGEST: &[u8] = b"connection\0sha256_peer_certificate_digest";
/// The attribute with the certificate itself, as PEM.
const CERTIFICATE: &[u8] = b"connection\0peer_certificate";
const NOT_SHOWN: &str = "sidegate: this proxy does not show the certificates of callers (Envoy does from 1.38 on): \
    of several URI SANs the policy sees the first alone";
/// Where Istio's waypoints say whose the connection was that they got this one by (HBONE), and their own name.
const RELAYED_PEER: &[u8] = b"filter_state\0io.istio.peer_principal";
const RELAYED_LOCAL: &[u8] = b"filter_state\0io.istio.local_principal";
/// What is said of TLS alone.
const TLS_VERSION: &[u8] = b"connection\0tls_version";
/// What a name has to be to be taken from there; Envoy writes `-` where there is none.
const SPIFFE: &[u8] = b"spiffe://";
/// How many certificates' names are kept.
const KEPT: usize = 1024;

thread_local! {
    /// Names by the certificate's digest. Nobody can choose where a digest falls.
    static KNOWN: RefCell<BTreeMap<Vec<u8>, Vec<Vec<u8>>>> = const { RefCell::new(BTreeMap::new()) };
    /// Whether the log says that certificates are not shown.
    static IS_SAID: Cell<bool> = const { Cell::new(false) };
}

/// Names that another listener of this proxy has verified, for connections that are not encrypted themselves.
#[derive(Debug, Default)]
pub(crate) struct Relayed {
    /// The URI SANs of who called it.
    pub(crate) peer: Vec<Vec<u8>>,
    /// Its own.
    pub(crate) local: Option<Vec<u8>>,
}

/// What was relayed; nothing where the connection has TLS, for then its own certificates say who it is. Filter state is
/// written by the proxy's own filters: no client can, but a filter may do so for each request.
///
/// A name that is no SPIFFE ID is an error: who wrote it is not known.
pub(crate) fn relayed() -> Result<Relayed, Status> {
    if filled(TLS_VERSION)?.is_some() {
        return Ok(Relayed::default());
    }
    let names = |path: &[u8]| -> Result<Vec<Vec<u8>>, Status> {
        let Some(text) = filled(path)?.filter(|text| text.as_slice() != b"-") else { return Ok(Vec::new()) };
        let names: Vec<_> = text.split(|byte| *byte == b',').map(<[u8]>::to_vec).collect();
        if names.iter().all(|name| name.starts_with(SPIFFE)) { Ok(names) } else { Err(Status::Malformed) }
    };
    let peer = names(RELAYED_PEER)?;
    // Without a caller nobody relays.
    let local = if peer.is_empty() { None } else { names(RELAYED_LOCAL)?.into_iter().next() };
    Ok(Relayed { peer, local })
}

/// The URI SANs of the peer's certificate in their order; none where there is no certificate.
///
/// A certificate that cannot be read, or whose first name is not the one that the proxy says, is an error. Of one
/// that the proxy does not show, the first name is all that is known.
pub(crate) fn uri_sans() -> Result<Vec<Vec<u8>>, Status> {
    let Some(digest) = filled(DIGEST)? else { return Ok(Vec::new()) };
    if let Some(names) = KNOWN.with_borrow(|known| known.get(&digest).cloned()) {
        return Ok(names);
    }
    let first = filled(FIRST_URI_SAN)?;
    let Some(text) = filled(CERTIFICATE)? else {
        if !IS_SAID.replace(true) {
            host::log(Level::Warn, NOT_SHOWN);
        }
        return Ok(first.into_iter().collect());
    };
    let names = certificate::uri_sans(&text).ok_or(Status::Malformed)?;
    if names.first().filter(|name| !name.is_empty()) != first.as_ref() {
        return Err(Status::Malformed);
    }
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(digest, names.clone());
    });
    Ok(names)
}
