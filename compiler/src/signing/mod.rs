//! Signing bundles and pointers.

mod bundle;
mod command;
mod encoding;
mod key;
mod structure;

pub use bundle::{check_structured, sign_bundle};
pub use command::CommandSigner;
pub use key::KeySigner;
pub use structure::structural;

use sidegate_engine::trust::Pointer;

/// Why something cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key cannot be read, or is none for the algorithm.
    #[error("{0}")]
    Key(String),
    /// The command that signs failed.
    #[error("{0}")]
    Command(String),
    /// What is to be signed is no bundle.
    #[error("{0}")]
    Bundle(String),
}

impl SignError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Key(_) => "sign_key",
            Self::Command(_) => "sign_command",
            Self::Bundle(_) => "sign_bundle",
        }
    }
}

/// What signs: a private key, or a command that has one.
pub trait Signer: Send + Sync {
    /// The algorithm, as RFC 7518 names it.
    fn algorithm(&self) -> &str;
    /// The id by which the proxies know the key.
    fn key_id(&self) -> &str;
    /// The signature of `message`, in the form that JWS has.
    ///
    /// # Errors
    /// [`SignError`], where there is none.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// The file of a pointer.
///
/// # Errors
/// [`SignError`], where the signer has no signature.
pub fn sign_pointer(pointer: &Pointer, signer: &dyn Signer) -> Result<Vec<u8>, SignError> {
    pointer.sign(signer.algorithm(), signer.key_id(), |message| signer.sign(message))
}
