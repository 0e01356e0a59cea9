//! What signs, for the verbs that sign.

use std::path::PathBuf;

use sidegate_compiler::signing::{CommandSigner, KeySigner, Signer};
use sidegate_engine::trust::TrustedKey;

use crate::output::{Failure, read};

/// A private key's text, for those who have it in a variable and not in a file.
const KEY_VARIABLE: &str = "SIDEGATE_SIGN_KEY";

/// How to sign.
#[derive(clap::Args)]
pub(crate) struct SignArgs {
    /// Sign with the private key in this file: PEM (EC P-256, P-384, P-521 or RSA), or a secret for `HS*`.
    /// The key itself may be in the variable SIDEGATE_SIGN_KEY instead.
    #[arg(long, value_name = "FILE", conflicts_with = "sign_cmd")]
    sign_key: Option<PathBuf>,
    /// Sign by a command: `sh -c CMD` gets what is to be signed on standard input, SIDEGATE_ALGORITHM and
    /// SIDEGATE_KEY_ID, and prints the signature in base64 or base64url (ECDSA: DER or both halves).
    #[arg(long, value_name = "CMD", requires_all = ["sign_alg", "key_id"])]
    sign_cmd: Option<String>,
    /// Algorithm: ES256, ES384, ES512, RS*, PS*, HS* [default: the key's usual one].
    #[arg(long, value_name = "ALG")]
    sign_alg: Option<String>,
    /// What the proxies know the key by: `id` in `verify.keys`.
    #[arg(long, value_name = "ID")]
    key_id: Option<String>,
}

/// What signs.
pub(crate) struct Signing {
    pub(crate) signer: Box<dyn Signer>,
    /// What checks that, where it is known.
    pub(crate) key: Option<TrustedKey>,
}

impl SignArgs {
    /// What signs; `None` where nothing says how.
    pub(crate) fn signing(&self) -> Result<Option<Signing>, Failure> {
        let Self { sign_key, sign_cmd, sign_alg, key_id } = self;
        let algorithm = sign_alg.as_deref();
        if let (Some(command), Some(algorithm), Some(key_id)) = (sign_cmd, algorithm, key_id) {
            let signer = CommandSigner::new(command, algorithm, key_id);
            return Ok(Some(Signing { signer: Box::new(signer), key: None }));
        }
        let variable = std::env::var_os(KEY_VARIABLE).filter(|text| !text.is_empty());
        let (key, place) = match (sign_key, variable) {
            (Some(file), _) => (read(file)?, format!("`{}`", file.display())),
            (None, Some(text)) => (text.into_encoded_bytes(), format!("`{KEY_VARIABLE}`")),
            (None, None) if algorithm.is_some() || key_id.is_some() => {
                return Err(Failure::other(
                    "expected `--sign-key FILE` or `--sign-cmd CMD` to sign by, got neither",
                ));
            }
            (None, None) => return Ok(None),
        };
        let Some(key_id) = key_id else {
            return Err(Failure::other(
                "expected `--key-id ID`, by which the proxies know the key, got none",
            ));
        };
        let signer = KeySigner::new(&key, key_id, algorithm)
            .map_err(|error| Failure::other(format!("{place}: {error} [{}]", error.code())))?;
        let key = Some(signer.trusted().clone());
        Ok(Some(Signing { signer: Box::new(signer), key }))
    }
}
