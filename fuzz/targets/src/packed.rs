//! Bundles, tokens and keys, made here as far as a target needs them to get behind what everybody would be stopped by.

use std::convert::Infallible;
use std::io::Write;
use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use sidegate_engine::attributes::Workload;
use sidegate_engine::bundle::PLAN_FILE;
use sidegate_engine::limits::Limits;
use sidegate_engine::trust::{Trust, TrustedKey};

/// What the targets sign with.
pub(crate) const SECRET: &str = "the secret that targets sign with themselves";
/// The id that keys have in fixtures.
pub(crate) const ID: &str = "net";

/// Keys that have signed nothing: whoever made them has thrown the private halves away.
static STRANGERS: LazyLock<Vec<TrustedKey>> = LazyLock::new(|| {
    let rsa = include_str!("../keys/rsa.pub");
    let keys = [
        ("ES256", include_str!("../keys/p256.pub")),
        ("ES384", include_str!("../keys/p384.pub")),
        ("ES512", include_str!("../keys/p521.pub")),
        ("RS256", rsa),
        ("RS384", rsa),
        ("RS512", rsa),
        ("PS256", rsa),
        ("PS384", rsa),
        ("PS512", rsa),
        ("HS256", "another secret, which nothing has been signed with"),
        ("HS384", "another secret, which nothing has been signed with"),
        ("HS512", "another secret, which nothing has been signed with"),
    ];
    keys.map(|(algorithm, key)| TrustedKey::new(ID, algorithm, key, vec!["*".to_owned()]).unwrap()).to_vec()
});

pub(crate) fn workload() -> Workload {
    Workload { namespace: "shop".to_owned(), name: "cart".to_owned() }
}

/// Bounds that keep an input quick.
pub(crate) fn limits() -> Limits {
    Limits { steps: 20_000, bundle_bytes: 1 << 20, ..Limits::default() }
}

/// Trust in each key that has signed nothing, alone.
pub(crate) fn strangers() -> impl Iterator<Item = Trust> {
    STRANGERS.iter().map(|key| trust(key.clone()))
}

/// Trust in the key that the targets have.
pub(crate) fn own() -> Trust {
    trust(TrustedKey::new(ID, "HS256", SECRET, vec!["shop".to_owned()]).unwrap())
}

fn trust(key: TrustedKey) -> Trust {
    Trust { required: true, keys: vec![key], mesh: "prod".to_owned(), ..Trust::default() }
}

/// HMAC with SHA-256 (RFC 2104), with a key that is shorter than a block.
pub(crate) fn hmac(secret: &str, text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..secret.len()].copy_from_slice(secret.as_bytes());
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5C)).chain_update(inner).finalize().to_vec()
}

pub(crate) fn sign(text: &[u8]) -> Result<Vec<u8>, Infallible> {
    Ok(hmac(SECRET, text))
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A JSON Web Token, truly signed.
pub(crate) fn token(header: &[u8], payload: &[u8]) -> String {
    let text = format!("{}.{}", base64url(header), base64url(payload));
    format!("{text}.{}", base64url(&hmac(SECRET, text.as_bytes())))
}

/// `.signatures.json` with one token.
pub(crate) fn signatures(token: &str) -> Vec<u8> {
    serde_json::json!({ "signatures": [token] }).to_string().into_bytes()
}

/// Gzip that only wraps.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A tar of these files, as a build makes one; `None` where a name does not fit.
pub(crate) fn tar<N: AsRef<str>>(files: &[(N, &[u8])]) -> Option<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_path(name.as_ref()).ok()?;
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *bytes).ok()?;
    }
    tar.into_inner().ok()
}

/// A bundle of a compiled policy alone.
pub(crate) fn bundle(plan: &[u8]) -> Vec<u8> {
    gzip(&tar(&[(PLAN_FILE, plan)]).unwrap())
}

/// A message is for a log, where a line is one line, whoever is quoted in it.
pub(crate) fn is_line(error: &dyn std::error::Error) {
    let text = error.to_string();
    assert!(!text.is_empty() && !text.chars().any(char::is_control), "more than a line: {text:?}");
}
