//! Hashes, public keys and signatures, with what Go's `crypto` demands of them.
//!
//! Signatures are checked here, never made. What builtins answer with them is in [`crate::eval`], what
//! bundles and pointers are trusted by in [`crate::trust`].

pub(crate) mod der;
mod hash;
pub(crate) mod pem;
pub(crate) mod spki;
mod verify;

pub(crate) use hash::{Hash, hex, same};
pub(crate) use verify::{Algorithm, Curve, Material, PublicKey};

/// Why a key cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadKey {
    /// It is none.
    Error,
    /// Go may see a key in it.
    Unsure,
}
