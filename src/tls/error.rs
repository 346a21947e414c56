//! What is wrong with TLS settings, or with a peer, in words a user can act on.

use core::fmt;
use core::time::Duration;

use rustls::{AlertDescription, CertificateError, Error, InconsistentKeys, InvalidMessage};

use crate::base::format_duration;

/// The first group comes from [`client_config`](crate::tls::client_config), the second from a
/// [`Session`](crate::tls::Session).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    BadCa(String),
    BadCertificate(String),
    BadKey(String),
    CertificateWithoutKey,
    KeyMismatch,
    KeyWithoutCertificate,
    NoVersion,

    /// The server ended the connection with an alert, by its name.
    Alert(String),
    /// The server refused our certificate, with an alert, by its name.
    CertificateRefused(String),
    /// The server wants a certificate of us and there is none.
    CertificateRequired,
    /// Since so long, where that is known.
    Expired(Option<Duration>),
    Interrupted(String),
    /// Nothing in common: version, cipher or protocol.
    Incompatible(String),
    /// For so long, where that is known.
    NotYetValid(Option<Duration>),
    NotTls,
    /// The server's certificate cannot be used for another reason.
    PeerCertificate(String),
    ServerName(String),
    UnknownAuthority,
    /// The name asked for, and those the certificate has.
    WrongName(String, Vec<String>),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use TlsError::*;
        match self {
            BadCa(why) => write!(f, "TLS: the CA certificates cannot be used: {why}"),
            BadCertificate(why) => write!(f, "TLS: the client certificate cannot be used: {why}"),
            BadKey(why) => write!(f, "TLS: the client key cannot be used: {why}"),
            CertificateWithoutKey => f.write_str("TLS: there is a client certificate but no key"),
            KeyMismatch => f.write_str("TLS: the client key does not belong to the certificate"),
            KeyWithoutCertificate => f.write_str("TLS: there is a client key but no certificate"),
            NoVersion => {
                f.write_str("TLS: min_version and max_version leave neither TLS 1.2 nor TLS 1.3")
            }
            Alert(name) => write!(f, "TLS: the server ended the connection with alert {name}"),
            CertificateRefused(name) => {
                write!(f, "TLS: the server refused our client certificate with alert {name}")
            }
            CertificateRequired => f.write_str(
                "TLS: the server requires a client certificate: set cert_file and key_file in tls_config",
            ),
            Expired(by) => write!(f, "TLS: the server's certificate has expired{}", Ago(*by)),
            Interrupted(why) => write!(f, "TLS: the connection broke: {why}"),
            Incompatible(why) => write!(f, "TLS: nothing in common with the server: {why}"),
            NotYetValid(Some(by)) => write!(
                f,
                "TLS: the server's certificate is not valid for another {}: are the clocks right?",
                format_duration(*by)
            ),
            NotYetValid(None) => f.write_str(
                "TLS: the server's certificate is not valid yet: are the clocks right?",
            ),
            NotTls => f.write_str("TLS: the server does not speak TLS: is it plain HTTP?"),
            PeerCertificate(why) => write!(f, "TLS: the server's certificate is unusable: {why}"),
            ServerName(name) => {
                write!(f, "TLS: {name:?} is neither a name nor an address that can be verified")
            }
            UnknownAuthority => f.write_str(
                "TLS: the server's certificate is signed by an unknown authority: set ca_file in tls_config",
            ),
            WrongName(expected, presented) if presented.is_empty() => write!(
                f,
                "TLS: the server's certificate is for no name at all, so not for {expected}: its common name \
                 does not count, it needs subject alternative names"
            ),
            WrongName(expected, presented) => write!(
                f,
                "TLS: the server's certificate is for {}, not for {expected}: set server_name in tls_config",
                presented.join(", ")
            ),
        }
    }
}

impl core::error::Error for TlsError {}

struct Ago(Option<Duration>);

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(by) => write!(f, ", {} ago", format_duration(by)),
            None => Ok(()),
        }
    }
}

impl TlsError {
    /// What went wrong in a session for `name`; `offers` tells whether we have a certificate.
    pub(crate) fn of_session(error: Error, name: &str, offers: bool) -> TlsError {
        match error {
            Error::InvalidCertificate(error) => TlsError::of_certificate(error, name),
            Error::AlertReceived(alert) => TlsError::of_alert(alert, offers),
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => TlsError::NotTls,
            Error::NoApplicationProtocol => {
                TlsError::Incompatible("it does not offer HTTP/1.1".to_owned())
            }
            Error::PeerIncompatible(why) => TlsError::Incompatible(format!("{why:?}")),
            other => TlsError::Interrupted(other.to_string()),
        }
    }

    /// What went wrong with our own certificate and key.
    pub(crate) fn of_key(error: Error) -> TlsError {
        match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::KeyMismatch,
            Error::InvalidCertificate(why) => TlsError::BadCertificate(why.to_string()),
            other => TlsError::BadKey(other.to_string()),
        }
    }

    fn of_certificate(error: CertificateError, name: &str) -> TlsError {
        let seconds = |later: rustls::pki_types::UnixTime, earlier: rustls::pki_types::UnixTime| {
            Some(Duration::from_secs(later.as_secs().saturating_sub(earlier.as_secs())))
        };
        match error {
            CertificateError::Expired => TlsError::Expired(None),
            CertificateError::ExpiredContext { time, not_after } => {
                TlsError::Expired(seconds(time, not_after))
            }
            CertificateError::NotValidYet => TlsError::NotYetValid(None),
            CertificateError::NotValidYetContext { time, not_before } => {
                TlsError::NotYetValid(seconds(not_before, time))
            }
            CertificateError::NotValidForName => TlsError::WrongName(name.to_owned(), Vec::new()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                TlsError::WrongName(name.to_owned(), presented)
            }
            CertificateError::UnknownIssuer => TlsError::UnknownAuthority,
            other => TlsError::PeerCertificate(other.to_string()),
        }
    }

    fn of_alert(alert: AlertDescription, offers: bool) -> TlsError {
        use AlertDescription as A;
        match alert {
            A::CertificateRequired => TlsError::CertificateRequired,
            // Before TLS 1.3 there was no alert of its own for a certificate that is missing.
            A::BadCertificate | A::NoCertificate if !offers => TlsError::CertificateRequired,
            A::BadCertificate
            | A::NoCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
            | A::DecryptError
                if offers =>
            {
                TlsError::CertificateRefused(format!("{alert:?}"))
            }
            A::ProtocolVersion => {
                TlsError::Incompatible("it does not speak the allowed versions of TLS".to_owned())
            }
            A::NoApplicationProtocol => {
                TlsError::Incompatible("it does not offer HTTP/1.1".to_owned())
            }
            A::HandshakeFailure if !offers => TlsError::Incompatible(
                "no common cipher, or it requires a client certificate".to_owned(),
            ),
            other => TlsError::Alert(format!("{other:?}")),
        }
    }
}
