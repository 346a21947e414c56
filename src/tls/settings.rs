//! From what a configuration says to what a connection uses.

use core::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use crate::tls::TlsError;
use crate::tls::verify::{Authorities, Nobody, Renamed, Unverified};

/// `tls_config` with its files read. Equal settings give connections that can be shared.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The only authorities to trust; without it the system's.
    pub ca_pem: Option<Vec<u8>>,
    pub cert_pem: Option<Vec<u8>>,
    pub key_pem: Option<Vec<u8>>,
    pub insecure_skip_verify: bool,
    pub min_version: Option<Version>,
    pub max_version: Option<Version>,
}

/// Versions that a configuration can name. The first two are never spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |pem: &Option<Vec<u8>>| pem.as_ref().map(Vec::len);
        f.debug_struct("Settings")
            .field("ca_bytes", &bytes(&self.ca_pem))
            .field("cert_bytes", &bytes(&self.cert_pem))
            .field("key", &self.key_pem.as_ref().map(|_| "<secret>"))
            .field("insecure_skip_verify", &self.insecure_skip_verify)
            .field("min_version", &self.min_version)
            .field("max_version", &self.max_version)
            .finish()
    }
}

/// The configuration for connections with those settings: TLS 1.2 and 1.3, `http/1.1` only, sessions resumed.
///
/// `system_roots` are DER certificates, used when there is no `ca_pem`; those that cannot be used are passed over,
/// and with none at all every server is of an unknown authority.
pub fn client_config(
    settings: &Settings,
    system_roots: &[Vec<u8>],
) -> Result<Arc<ClientConfig>, TlsError> {
    client_config_named(settings, system_roots, "")
}

/// As [`client_config`]; a `server_name` that is not empty is what the peer has to prove to be, whatever name was asked
/// for. For a client that takes the name from the URL.
pub fn client_config_named(
    settings: &Settings,
    system_roots: &[Vec<u8>],
    server_name: &str,
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(settings)?)
        .map_err(|_| TlsError::NoVersion)?;
    let verifier: Arc<dyn ServerCertVerifier> =
        match (settings.insecure_skip_verify, &settings.ca_pem) {
            (true, _) => Arc::new(Unverified::new(&provider)),
            (false, Some(pem)) => authorities(pem, provider)?,
            (false, None) => {
                let mut roots = RootCertStore::empty();
                let certificates =
                    system_roots.iter().map(|der| CertificateDer::from(der.as_slice()));
                roots.add_parsable_certificates(certificates);
                match roots.is_empty() {
                    true => Arc::new(Nobody::new(&provider)),
                    false => WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|error| TlsError::BadCa(error.to_string()))?,
                }
            }
        };
    let verifier = match server_name {
        "" => verifier,
        name => {
            let wrong = || TlsError::ServerName(name.to_owned());
            let name = ServerName::try_from(name.to_owned()).map_err(|_| wrong())?;
            Arc::new(Renamed::new(verifier, name))
        }
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match (&settings.cert_pem, &settings.key_pem) {
        (None, None) => builder.with_no_client_auth(),
        (Some(_), None) => return Err(TlsError::CertificateWithoutKey),
        (None, Some(_)) => return Err(TlsError::KeyWithoutCertificate),
        (Some(cert), Some(key)) => {
            let chain = certificates(cert).map_err(TlsError::BadCertificate)?;
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|error| TlsError::BadKey(words(&error)))?;
            builder.with_client_auth_cert(chain, key).map_err(TlsError::of_key)?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// An RSA key as its PEM section holds it, in DER.
#[derive(Clone, PartialEq, Eq)]
pub enum RsaKey {
    Pkcs1(Vec<u8>),
    Pkcs8(Vec<u8>),
}

/// The first private key of a PEM text.
pub fn rsa_key(pem: &[u8]) -> Result<RsaKey, TlsError> {
    match PrivateKeyDer::from_pem_slice(pem).map_err(|error| TlsError::BadKey(words(&error)))? {
        PrivateKeyDer::Pkcs1(der) => Ok(RsaKey::Pkcs1(der.secret_pkcs1_der().to_vec())),
        PrivateKeyDer::Pkcs8(der) => Ok(RsaKey::Pkcs8(der.secret_pkcs8_der().to_vec())),
        _ => Err(TlsError::BadKey("it is no RSA key".to_owned())),
    }
}

pub(super) fn versions(
    settings: &Settings,
) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let allowed = |version| {
        settings.min_version.is_none_or(|min| min <= version)
            && settings.max_version.is_none_or(|max| version <= max)
    };
    let offered = [(Version::Tls13, &TLS13), (Version::Tls12, &TLS12)];
    let kept: Vec<_> = offered
        .into_iter()
        .filter(|(version, _)| allowed(*version))
        .map(|(_, kept)| kept)
        .collect();
    if kept.is_empty() { Err(TlsError::NoVersion) } else { Ok(kept) }
}

fn authorities(
    ca_pem: &[u8],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let own = certificates(ca_pem).map_err(TlsError::BadCa)?;
    let mut roots = RootCertStore::empty();
    for certificate in &own {
        roots.add(certificate.clone()).map_err(|error| TlsError::BadCa(error.to_string()))?;
    }
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| TlsError::BadCa(error.to_string()))?;
    Ok(Arc::new(Authorities::new(chain, own)))
}

/// All certificates of a PEM text, at least one.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err("there is no certificate in the PEM text".to_owned()),
        Ok(all) => Ok(all),
        Err(error) => Err(words(&error)),
    }
}

/// Without the text itself, which may be a key.
pub(super) fn words(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a PEM section has no END line",
        pem::Error::IllegalSectionStart { .. } => "a PEM section has a malformed BEGIN line",
        pem::Error::Base64Decode(_) => "a PEM section is not base64",
        pem::Error::NoItemsFound => "the PEM text has no section of that kind",
        _ => "the PEM text cannot be read",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pems() -> (Vec<u8>, Vec<u8>) {
        let pair = rcgen::generate_simple_self_signed(["a".to_owned()]).expect("made");
        (pair.cert.pem().into_bytes(), pair.signing_key.serialize_pem().into_bytes())
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_name() {
        let (cert, key) = pems();
        let (_, other_key) = pems();
        let junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
        let cut = cert.get(..100).expect("longer").to_vec();
        let none = Settings::default();
        let client = |cert_pem: Option<&Vec<u8>>, key_pem: Option<&Vec<u8>>| Settings {
            cert_pem: cert_pem.cloned(),
            key_pem: key_pem.cloned(),
            ..none.clone()
        };
        let ca = |pem: &[u8]| Settings { ca_pem: Some(pem.to_vec()), ..none.clone() };
        let between =
            |min_version, max_version| Settings { min_version, max_version, ..none.clone() };
        use Version::*;
        for (settings, wanted) in [
            (none.clone(), None),
            (ca(&cert), None),
            (client(Some(&cert), Some(&key)), None),
            (between(Some(Tls10), Some(Tls12)), None),
            (between(None, Some(Tls11)), Some(TlsError::NoVersion)),
            (between(Some(Tls13), Some(Tls12)), Some(TlsError::NoVersion)),
            (client(Some(&cert), None), Some(TlsError::CertificateWithoutKey)),
            (client(None, Some(&key)), Some(TlsError::KeyWithoutCertificate)),
            (client(Some(&cert), Some(&other_key)), Some(TlsError::KeyMismatch)),
            (client(Some(&key), Some(&key)), Some(TlsError::BadCertificate(String::new()))),
            (client(Some(&junk), Some(&key)), Some(TlsError::BadCertificate(String::new()))),
            (client(Some(&cert), Some(&cert)), Some(TlsError::BadKey(String::new()))),
            (ca(b""), Some(TlsError::BadCa(String::new()))),
            (ca(b"junk"), Some(TlsError::BadCa(String::new()))),
            (ca(&junk), Some(TlsError::BadCa(String::new()))),
            (ca(&cut), Some(TlsError::BadCa(String::new()))),
        ] {
            let kind = client_config(&settings, &[]).err().as_ref().map(core::mem::discriminant);
            let wanted_kind = wanted.as_ref().map(core::mem::discriminant);
            assert_eq!(kind, wanted_kind, "{settings:?} {wanted:?}");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let (cert, key) = pems();
        let mut settings =
            Settings { cert_pem: Some(cert), key_pem: Some(key.clone()), ..Settings::default() };
        assert!(format!("{settings:?}").contains("<secret>"));
        assert!(!format!("{settings:?}").contains("45, 45"));
        // A key whose lines are broken must not come back in the error either.
        let broken = String::from_utf8(key).expect("text").replace('A', "!");
        settings.key_pem = Some(broken.clone().into_bytes());
        let error = client_config(&settings, &[]).expect_err("broken").to_string();
        assert!(broken.lines().all(|line| !error.contains(line)), "{error}");
    }
}
