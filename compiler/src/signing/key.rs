//! Signing with a private key.

use p256::elliptic_curve::pkcs8::DecodePrivateKey;
use p256::elliptic_curve::sec1::ToSec1Point;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{self, KeyPair, RsaEncoding, RsaKeyPair};
use sidegate_engine::trust::TrustedKey;

use super::encoding::{self, public_pem};
use super::{SignError, Signer};

/// Signs with a private key that it has.
#[derive(Debug)]
pub struct KeySigner {
    key_id: String,
    algorithm: String,
    private: Private,
    public: Option<String>,
    trusted: TrustedKey,
}

/// A private key. The curves' are made anew for every signature: it costs nothing, and their types differ.
enum Private {
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    P521(p521::SecretKey),
    Rsa(Box<RsaKeyPair>),
    Secret(Vec<u8>),
}

impl std::fmt::Debug for Private {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.natural())
    }
}

impl Private {
    /// The algorithm where none is named.
    fn natural(&self) -> &'static str {
        match self {
            Self::P256(_) => "ES256",
            Self::P384(_) => "ES384",
            Self::P521(_) => "ES512",
            Self::Rsa(_) => "RS256",
            Self::Secret(_) => "HS256",
        }
    }

    /// The public key, in PEM; a secret has none.
    fn public(&self) -> Option<String> {
        let point = |bytes: &[u8], curve| Some(public_pem(curve, bytes));
        match self {
            Self::P256(key) => point(key.public_key().to_sec1_point(false).as_bytes(), encoding::P256),
            Self::P384(key) => point(key.public_key().to_sec1_point(false).as_bytes(), encoding::P384),
            Self::P521(key) => point(key.public_key().to_sec1_point(false).as_bytes(), encoding::P521),
            Self::Rsa(key) => Some(public_pem(encoding::RSA, key.public_key().as_ref())),
            Self::Secret(_) => None,
        }
    }
}

impl KeySigner {
    /// A signer by its private key: PEM (`EC PRIVATE KEY`, `RSA PRIVATE KEY`, `PRIVATE KEY`), or for `HS*`
    /// the secret itself, every byte of it, as OPA takes it. Where no algorithm is named it is the one
    /// that the key is usually for.
    ///
    /// # Errors
    /// [`SignError::Key`], where it is no such key, or none for the algorithm.
    pub fn new(key: &[u8], key_id: &str, algorithm: Option<&str>) -> Result<Self, SignError> {
        let refuse = |message: String| SignError::Key(message);
        let is_secret = algorithm.is_some_and(|name| name.starts_with("HS"));
        let private = if is_secret { Private::Secret(key.to_vec()) } else { private(key).map_err(refuse)? };
        let algorithm = algorithm.unwrap_or(private.natural()).to_owned();
        let public = private.public();
        let check = match &public {
            Some(public) => public,
            None => std::str::from_utf8(key)
                .map_err(|_| refuse("expected a secret that is text (UTF-8), got other bytes".to_owned()))?,
        };
        let trusted = TrustedKey::new(key_id, &algorithm, check, vec!["*".to_owned()])
            .map_err(|error| refuse(error.to_string()))?;
        Ok(Self { key_id: key_id.to_owned(), algorithm, private, public, trusted })
    }

    /// The public key in PEM, for `verify.keys` of the configuration; `None` for a secret.
    pub fn public_key(&self) -> Option<&str> {
        self.public.as_deref()
    }

    /// The key that checks what this one signs, for every namespace.
    pub fn trusted(&self) -> &TrustedKey {
        &self.trusted
    }
}

impl Signer for KeySigner {
    fn algorithm(&self) -> &str {
        &self.algorithm
    }

    fn key_id(&self) -> &str {
        &self.key_id
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        use p256::ecdsa::signature::Signer as _;
        Ok(match &self.private {
            Private::P256(key) => {
                let signature: p256::ecdsa::Signature = p256::ecdsa::SigningKey::from(key).sign(message);
                signature.to_bytes().to_vec()
            }
            Private::P384(key) => {
                let signature: p384::ecdsa::Signature = p384::ecdsa::SigningKey::from(key).sign(message);
                signature.to_bytes().to_vec()
            }
            Private::P521(key) => {
                let signature: p521::ecdsa::Signature = p521::ecdsa::SigningKey::from(key).sign(message);
                signature.to_bytes().to_vec()
            }
            Private::Rsa(key) => rsa(key, &self.algorithm, message)?,
            Private::Secret(secret) => {
                let hash = match self.algorithm.as_str() {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::sign(&hmac::Key::new(hash, secret), message).as_ref().to_vec()
            }
        })
    }
}

fn rsa(key: &RsaKeyPair, algorithm: &str, message: &[u8]) -> Result<Vec<u8>, SignError> {
    let encoding: &'static dyn RsaEncoding = match algorithm {
        "RS256" => &signature::RSA_PKCS1_SHA256,
        "RS384" => &signature::RSA_PKCS1_SHA384,
        "RS512" => &signature::RSA_PKCS1_SHA512,
        "PS256" => &signature::RSA_PSS_SHA256,
        "PS384" => &signature::RSA_PSS_SHA384,
        "PS512" => &signature::RSA_PSS_SHA512,
        other => return Err(SignError::Key(format!("expected an algorithm of RSA, got `{other}`"))),
    };
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(encoding, &SystemRandom::new(), message, &mut signature)
        .map_err(|_| SignError::Key("expected an RSA key that can sign, got an error".to_owned()))?;
    Ok(signature)
}

/// The private key among the blocks: `openssl ecparam` writes its curve before it.
fn private(text: &[u8]) -> Result<Private, String> {
    const EXPECTED: &str = "expected a private key in PEM (SEC1, PKCS#1 or PKCS#8; EC or RSA)";
    let blocks = pem::parse_many(text).map_err(|error| format!("{EXPECTED}, got none: {error}"))?;
    let mut keys = blocks.iter().filter(|block| block.tag().ends_with("PRIVATE KEY"));
    let (Some(block), None) = (keys.next(), keys.next()) else {
        let got = if blocks.is_empty() { "no PEM" } else { "another block, or more than one key" };
        return Err(format!("{EXPECTED}, got {got}; for a secret name its algorithm (HS256)"));
    };
    if block.tag().starts_with("ENCRYPTED") || block.headers().get("DEK-Info").is_some() {
        return Err(format!("{EXPECTED}, got an encrypted one; decrypt it (`openssl pkey -in FILE`)"));
    }
    let der = block.contents();
    let found = match block.tag() {
        "EC PRIVATE KEY" => sec1(der),
        "RSA PRIVATE KEY" => return rsa_key(RsaKeyPair::from_der(der)),
        "PRIVATE KEY" => match RsaKeyPair::from_pkcs8(der) {
            Ok(key) => Some(Private::Rsa(Box::new(key))),
            Err(error) => match pkcs8(der) {
                Some(key) => Some(key),
                // Its words for what is no RSA key at all would only mislead.
                None if error.to_string() == "WrongAlgorithm" => None,
                None => return rsa_key(Err(error)),
            },
        },
        _ => None,
    };
    found.ok_or_else(|| {
        format!("{EXPECTED}, got a `{}` that is none of P-256, P-384, P-521, RSA", block.tag())
    })
}

fn rsa_key(key: Result<RsaKeyPair, ring::error::KeyRejected>) -> Result<Private, String> {
    key.map(|key| Private::Rsa(Box::new(key))).map_err(|error| {
        format!("expected a sound RSA key of 2048 to 4096 bits, got one that is refused: {error}")
    })
}

fn pkcs8(der: &[u8]) -> Option<Private> {
    p256::SecretKey::from_pkcs8_der(der)
        .map(Private::P256)
        .or_else(|_| p384::SecretKey::from_pkcs8_der(der).map(Private::P384))
        .or_else(|_| p521::SecretKey::from_pkcs8_der(der).map(Private::P521))
        .ok()
}

/// By the curve's name, which may be left out (RFC 5915): then by the length of the number.
fn sec1(der: &[u8]) -> Option<Private> {
    p256::SecretKey::from_sec1_der(der)
        .map(Private::P256)
        .or_else(|_| p384::SecretKey::from_sec1_der(der).map(Private::P384))
        .or_else(|_| p521::SecretKey::from_sec1_der(der).map(Private::P521))
        .ok()
}
