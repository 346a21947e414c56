//! The other side: what a server shows, and what it wants to see.

use core::fmt;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoClientAuth, ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, NamedGroup, RootCertStore,
    ServerConfig, SignatureScheme,
};

use crate::tls::settings::{certificates, versions, words};
use crate::tls::{Settings, TlsError, Version};

/// What a server is set up with.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ServerSettings {
    pub cert_pem: Vec<u8>,
    pub key_pem: Vec<u8>,
    pub client: ClientCheck,
    pub min_version: Option<Version>,
    pub max_version: Option<Version>,
    /// As Go names them; empty: all that there are.
    pub cipher_suites: Vec<String>,
    pub curves: Vec<String>,
}

/// What a client has to show.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum ClientCheck {
    #[default]
    Nothing,
    /// A certificate of anybody; `required`: without one there is no connection.
    Anybody { required: bool },
    /// A certificate of these authorities, for one of `names` if there are any.
    Authorities { ca_pem: Vec<u8>, required: bool, names: Vec<String> },
}

impl fmt::Debug for ServerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSettings").field("key", &"<secret>").finish_non_exhaustive()
    }
}

/// The configuration for connections with those settings: `http/1.1` only.
///
/// # Errors
/// A PEM text that cannot be used, or names that are not known.
pub fn server_config(settings: &ServerSettings) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(provider(settings)?);
    let bounds = Settings {
        min_version: settings.min_version,
        max_version: settings.max_version,
        ..Settings::default()
    };
    let chain = certificates(&settings.cert_pem).map_err(TlsError::BadCertificate)?;
    let key = PrivateKeyDer::from_pem_slice(&settings.key_pem)
        .map_err(|error| TlsError::BadKey(words(&error)))?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(&bounds)?)
        .map_err(|_| TlsError::NoVersion)?
        .with_client_cert_verifier(verifier(&settings.client, provider)?)
        .with_single_cert(chain, key)
        .map_err(TlsError::of_key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn verifier(
    check: &ClientCheck,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let (ca_pem, required, names) = match check {
        ClientCheck::Nothing => return Ok(Arc::new(NoClientAuth)),
        ClientCheck::Anybody { required } => {
            let rule = Rule { inner: None, provider, required: *required, names: Vec::new() };
            return Ok(Arc::new(rule));
        }
        ClientCheck::Authorities { ca_pem, required, names } => (ca_pem, *required, names),
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca_pem).map_err(TlsError::BadCa)? {
        roots.add(certificate).map_err(|error| TlsError::BadCa(error.to_string()))?;
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    let inner = builder.build().map_err(|error| TlsError::BadCa(error.to_string()))?;
    if names.is_empty() {
        return Ok(inner);
    }
    let names: Result<Vec<_>, _> = names
        .iter()
        .map(|name| {
            ServerName::try_from(name.clone()).map_err(|_| TlsError::ServerName(name.clone()))
        })
        .collect();
    Ok(Arc::new(Rule { inner: Some(inner), provider, required, names: names? }))
}

/// With what is asked for and nothing else. Names that Go knows and this program does not speak are passed over as long
/// as one is left.
fn provider(settings: &ServerSettings) -> Result<CryptoProvider, TlsError> {
    let mut provider = rustls::crypto::ring::default_provider();
    if !settings.cipher_suites.is_empty() {
        provider.cipher_suites.retain(|suite| {
            let name = format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
            // As in Go, a list is about TLS 1.2 only.
            suite.tls13().is_some()
                || settings
                    .cipher_suites
                    .iter()
                    .any(|wanted| *wanted == name || format!("{wanted}_SHA256") == name)
        });
        if settings.max_version == Some(Version::Tls12)
            && provider.cipher_suites.iter().all(|suite| suite.tls13().is_some())
        {
            let text = "none of cipher_suites is spoken".to_owned();
            return Err(TlsError::Incompatible(text));
        }
    }
    if !settings.curves.is_empty() {
        let wanted = |group: NamedGroup| {
            let name = match group {
                NamedGroup::X25519 => "X25519",
                NamedGroup::secp256r1 => "CurveP256",
                NamedGroup::secp384r1 => "CurveP384",
                _ => "",
            };
            settings.curves.iter().any(|curve| curve == name)
        };
        provider.kx_groups.retain(|group| wanted(group.name()));
        if provider.kx_groups.is_empty() {
            let text = "none of curve_preferences is spoken".to_owned();
            return Err(TlsError::Incompatible(text));
        }
    }
    Ok(provider)
}

/// Rules that rustls has no verifier of its own for. The client always has to own the key of what it shows.
#[derive(Debug)]
struct Rule {
    /// Checks the chain; without it anybody's certificate is good.
    inner: Option<Arc<dyn ClientCertVerifier>>,
    provider: Arc<CryptoProvider>,
    required: bool,
    /// Not empty: the certificate must be for one of them.
    names: Vec<ServerName<'static>>,
}

impl ClientCertVerifier for Rule {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.as_ref().map_or(&[], |inner| inner.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(inner) = &self.inner {
            inner.verify_client_cert(end_entity, intermediates, now)?;
        }
        if !self.names.is_empty() {
            let parsed = ParsedCertificate::try_from(end_entity)?;
            if !self.names.iter().any(|name| verify_server_name(&parsed, name).is_ok()) {
                return Err(CertificateError::ApplicationVerificationFailure.into());
            }
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Vec<u8>, Vec<u8>) {
        let pair = rcgen::generate_simple_self_signed(["a".to_owned()]).expect("made");
        (pair.cert.pem().into_bytes(), pair.signing_key.serialize_pem().into_bytes())
    }

    #[test]
    fn settings_make_a_server_or_say_why_not() {
        let (cert_pem, key_pem) = pair();
        let good = ServerSettings { cert_pem: cert_pem.clone(), key_pem, ..Default::default() };
        assert!(server_config(&good).is_ok());
        let (_, other) = pair();
        let foreign = ServerSettings { key_pem: other, ..good.clone() };
        assert_eq!(server_config(&foreign).err(), Some(TlsError::KeyMismatch));
        for (curves, suites, fine) in [
            (&["X25519", "CurveP521"][..], &[][..], true),
            (&["CurveP521"], &[], false),
            (&[], &["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"], true),
            (&[], &["TLS_RSA_WITH_AES_128_CBC_SHA"], false),
        ] {
            let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let settings = ServerSettings {
                curves: list(curves),
                cipher_suites: list(suites),
                max_version: Some(Version::Tls12),
                ..good.clone()
            };
            assert_eq!(server_config(&settings).is_ok(), fine, "{curves:?} {suites:?}");
        }
        let names = vec!["not a name".to_owned()];
        let client = ClientCheck::Authorities { ca_pem: cert_pem, required: true, names };
        let named = ServerSettings { client, ..good.clone() };
        assert!(matches!(server_config(&named), Err(TlsError::ServerName(_))));
        assert!(!format!("{good:?}").contains("PRIVATE"));
    }
}
