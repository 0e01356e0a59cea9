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
/// How many certificates' names are kept.
const KEPT: usize = 1024;

thread_local! {
    /// Names by the certificate's digest. Nobody can choose where a digest falls.
    static KNOWN: RefCell<BTreeMap<Vec<u8>, Vec<Vec<u8>>>> = const { RefCell::new(BTreeMap::new()) };
    /// Whether the log says that certificates are not shown.
    static IS_SAID: Cell<bool> = const { Cell::new(false) };
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
