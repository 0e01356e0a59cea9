//! A small mesh authority: SPIFFE certificates made on the spot, as PEM files for Envoy and curl and as
//! DER for our own client.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sidegate_engine::trust::Layer;

/// The trust domain of every certificate here.
pub const TRUST_DOMAIN: &str = "cluster.local";

/// Signs identities and writes them below one folder.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: PathBuf,
}

/// One workload's certificate and key.
#[derive(Clone)]
pub struct Identity {
    /// The SPIFFE id: the certificate's first URI SAN.
    pub spiffe: String,
    /// The certificate in PEM.
    pub cert: PathBuf,
    /// Its key in PEM.
    pub key: PathBuf,
    /// The authority's certificate in PEM.
    pub ca: PathBuf,
    client: Arc<rustls::ClientConfig>,
}

/// The SPIFFE id of a service account, as Istio writes it.
pub fn spiffe(namespace: &str, service_account: &str) -> String {
    format!("spiffe://{TRUST_DOMAIN}/ns/{namespace}/sa/{service_account}")
}

/// A certificate with these URI SANs that nobody has signed but itself, in PEM, and its SHA-256 in hexadecimal
/// digits: what Envoy shows a filter of a caller.
pub fn shown(uris: &[String]) -> (String, String) {
    let cert = of_workload("caller", uris).self_signed(&KeyPair::generate().unwrap()).unwrap();
    (cert.pem(), Layer::of(cert.der()).hex().unwrap().to_owned())
}

fn of_workload(name: &str, uris: &[String]) -> CertificateParams {
    let uri = |uri: &String| SanType::URI(uri.as_str().try_into().unwrap());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names = uris.iter().map(uri).collect();
    params.subject_alt_names.extend([
        SanType::DnsName("localhost".try_into().unwrap()),
        SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()),
    ]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

impl Authority {
    /// A new authority; `dir` gets its certificate and those of all identities.
    pub fn new(dir: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "sidegate test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, dir: dir.to_owned() }
    }

    /// A certificate whose first URI SAN is `spiffe`. It also names localhost, so that curl accepts it for
    /// a server on the loopback.
    pub fn identity(&self, name: &str, spiffe: &str) -> Identity {
        self.identity_of(name, &[spiffe.to_owned()])
    }

    /// The same with several URI SANs, in this order.
    pub fn identity_of(&self, name: &str, uris: &[String]) -> Identity {
        let params = of_workload(name, uris);
        self.signed(name, uris, &params, &self.issuer)
    }

    /// A client that trusts this authority, with the certificate of another that nobody here trusts.
    pub fn impostor(&self, name: &str, spiffe: &str) -> Identity {
        let uris = [spiffe.to_owned()];
        let other = Self::new(&self.dir.join(name));
        self.signed(name, &uris, &of_workload(name, &uris), &other.issuer)
    }

    /// A client whose certificate was good until a day in 2001.
    pub fn expired(&self, name: &str, spiffe: &str) -> Identity {
        let uris = [spiffe.to_owned()];
        let mut params = of_workload(name, &uris);
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        self.signed(name, &uris, &params, &self.issuer)
    }

    /// A client that shows no certificate, though it has one.
    pub fn nameless(&self, name: &str) -> Identity {
        let client = Arc::new(self.client(None));
        Identity { client, ..self.identity_of(name, &[]) }
    }

    fn signed(
        &self,
        name: &str,
        uris: &[String],
        params: &CertificateParams,
        issuer: &CertifiedIssuer<'static, KeyPair>,
    ) -> Identity {
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, issuer).unwrap();
        let path = |kind| self.dir.join(format!("{name}.{kind}.pem"));
        fs::write(path("cert"), cert.pem()).unwrap();
        fs::write(path("key"), key.serialize_pem()).unwrap();

        let key_der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let client = Arc::new(self.client(Some((cert.der().clone(), key_der))));
        Identity {
            spiffe: uris.first().cloned().unwrap_or_default(),
            cert: path("cert"),
            key: path("key"),
            ca: self.dir.join("ca.pem"),
            client,
        }
    }

    /// How a TLS client trusts this authority and shows this certificate, if any.
    fn client(
        &self,
        shown: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> rustls::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        match shown {
            Some((cert, key)) => client.with_client_auth_cert(vec![cert], key).unwrap(),
            None => client.with_no_client_auth(),
        }
    }
}

impl Identity {
    /// How a TLS client presents this identity.
    pub fn client_config(&self) -> Arc<rustls::ClientConfig> {
        Arc::clone(&self.client)
    }
}
