//! One client connection: bytes in, bytes out.

use core::fmt;
use std::io::{BufRead as _, Write as _};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::tls::TlsError;

/// Bytes held back for the socket, and before the handshake is done those still to be encrypted.
const BUFFER_BYTES: usize = 64 << 10;

/// The client's side of one TLS connection. Whatever is called, [`Session::outgoing`] comes next: every step can
/// make bytes for the peer.
pub struct Session {
    tls: ClientConnection,
    server_name: String,
    /// We have a certificate to show.
    offers: bool,
}

/// How a session stands after some bytes were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// The peer said that nothing more will come. A connection that ends without this may have been cut by someone
    /// else, so a body that ends with it is not known to be whole.
    pub closed: bool,
    /// The handshake is done on our side.
    pub ready: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl Session {
    /// Begins a handshake with a server that has to prove that it is `server_name`: a name, or an address without
    /// brackets (an IPv6 zone is passed over).
    pub fn new(config: Arc<ClientConfig>, server_name: &str) -> Result<Session, TlsError> {
        let wrong = || TlsError::ServerName(server_name.to_owned());
        let bare = server_name.split('%').next().unwrap_or("").to_owned();
        let offers = config.client_auth_cert_resolver.has_certs();
        let name = ServerName::try_from(bare).map_err(|_| wrong())?;
        let mut tls = ClientConnection::new(config, name)
            .map_err(|error| TlsError::of_session(error, server_name, offers))?;
        tls.set_buffer_limit(Some(BUFFER_BYTES));
        Ok(Session { tls, server_name: server_name.to_owned(), offers })
    }

    /// Takes all of `tls` as it came from the socket and appends what it says to `plain`. After an error the
    /// session is over; [`Session::outgoing`] then has the alert that tells the peer why.
    pub fn receive(&mut self, mut tls: &[u8], plain: &mut Vec<u8>) -> Result<Received, TlsError> {
        let mut closed = false;
        while !tls.is_empty() && !closed {
            let read = self.tls.read_tls(&mut tls);
            read.map_err(|error| TlsError::Interrupted(error.to_string()))?;
            let state = self.tls.process_new_packets();
            // What came before a fault is still good.
            let mut reader = self.tls.reader();
            while let Ok(chunk) = reader.fill_buf() {
                let len = chunk.len();
                if len == 0 {
                    break;
                }
                plain.extend_from_slice(chunk);
                reader.consume(len);
            }
            let state = state
                .map_err(|error| TlsError::of_session(error, &self.server_name, self.offers))?;
            closed = state.peer_has_closed();
        }
        Ok(Received { closed, ready: !self.tls.is_handshaking() })
    }

    /// Takes bytes to be encrypted, as many as the buffer has room for, also before the handshake is done; gives
    /// how many were taken.
    pub fn send(&mut self, plain: &[u8]) -> usize {
        self.tls.writer().write(plain).unwrap_or(0)
    }

    /// Appends what must go to the socket; empties the buffer.
    pub fn outgoing(&mut self, tls: &mut Vec<u8>) {
        while self.tls.wants_write() {
            if self.tls.write_tls(tls).is_err() {
                return;
            }
        }
    }

    /// Tells the peer that nothing more will come; receiving goes on.
    pub fn close(&mut self) {
        self.tls.send_close_notify();
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::server::WebPkiClientVerifier;
    use rustls::{
        HandshakeKind, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
    };

    use super::*;
    use crate::tls::{Settings, Version, client_config};

    struct Authority {
        der: CertificateDer<'static>,
        pem: Vec<u8>,
        issuer: Issuer<'static, KeyPair>,
    }

    /// A certificate and its key.
    struct Pair {
        der: CertificateDer<'static>,
        pem: Vec<u8>,
        key: KeyPair,
    }

    fn authority(name: &str) -> Authority {
        let mut params = CertificateParams::new([name.to_owned()]).expect("valid");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().expect("made");
        let certificate = params.self_signed(&key).expect("made");
        let (der, pem) = (certificate.der().clone(), certificate.pem().into_bytes());
        Authority { der, pem, issuer: Issuer::new(params, key) }
    }

    impl Authority {
        fn sign(&self, name: &str, years: (i32, i32)) -> Pair {
            let mut params = CertificateParams::new([name.to_owned()]).expect("valid");
            params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
            params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
            let key = KeyPair::generate().expect("made");
            let certificate = params.signed_by(&key, &self.issuer).expect("made");
            Pair { der: certificate.der().clone(), pem: certificate.pem().into_bytes(), key }
        }
    }

    const VALID: (i32, i32) = (2000, 4000);

    fn self_signed(is_ca: IsCa, years: (i32, i32)) -> Pair {
        let mut params = CertificateParams::new(["a.example".to_owned()]).expect("valid");
        params.is_ca = is_ca;
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().expect("made");
        let certificate = params.self_signed(&key).expect("made");
        Pair { der: certificate.der().clone(), pem: certificate.pem().into_bytes(), key }
    }

    fn server_config(
        pair: &Pair,
        client_ca: Option<&Authority>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .expect("known");
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.der.clone()).expect("valid");
                let roots = Arc::new(roots);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                builder.with_client_cert_verifier(verifier.build().expect("valid"))
            }
        };
        let key = PrivateKeyDer::try_from(pair.key.serialize_der()).expect("valid");
        let mut config = builder.with_single_cert(vec![pair.der.clone()], key).expect("valid");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    fn server(
        pair: &Pair,
        client_ca: Option<&Authority>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ServerConnection {
        ServerConnection::new(server_config(pair, client_ca, versions)).expect("valid")
    }

    fn session(settings: &Settings, roots: &[Vec<u8>], name: &str) -> Session {
        let config = client_config(settings, roots).expect("valid");
        Session::new(config, name).expect("valid")
    }

    /// Lets both talk, in pieces of `piece` bytes, until neither has anything to say: what each has heard.
    fn talk(
        session: &mut Session,
        server: &mut ServerConnection,
        piece: usize,
    ) -> Result<(Vec<u8>, Vec<u8>, Received), TlsError> {
        let (mut heard, mut server_heard) = (Vec::new(), Vec::new());
        let mut received = Received { closed: false, ready: false };
        loop {
            let (mut up, mut down) = (Vec::new(), Vec::new());
            session.outgoing(&mut up);
            for mut bytes in up.chunks(piece) {
                while !bytes.is_empty() {
                    server.read_tls(&mut bytes).expect("room");
                    // A server that refuses says so in an alert, which is what is tested.
                    let _ = server.process_new_packets();
                    while let Ok(chunk) = server.reader().fill_buf().map(<[u8]>::to_vec) {
                        if chunk.is_empty() {
                            break;
                        }
                        server.reader().consume(chunk.len());
                        server_heard.extend(chunk);
                    }
                }
            }
            while server.wants_write() {
                server.write_tls(&mut down).expect("memory");
            }
            for bytes in down.chunks(piece) {
                received = session.receive(bytes, &mut heard)?;
            }
            if up.is_empty() && down.is_empty() {
                return Ok((heard, server_heard, received));
            }
        }
    }

    fn trusting(authority: &Authority) -> Settings {
        Settings { ca_pem: Some(authority.pem.clone()), ..Settings::default() }
    }

    const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
    const ONE_AT_A_TIME: [&[&SupportedProtocolVersion]; 2] =
        [&[&rustls::version::TLS13], &[&rustls::version::TLS12]];

    #[test]
    fn bytes_go_both_ways_however_they_are_cut() {
        let authority = authority("ca");
        let pair = authority.sign("a.example", VALID);
        for versions in ONE_AT_A_TIME {
            for piece in [1, 7, 1000, 1 << 20] {
                let mut session = session(&trusting(&authority), &[], "a.example");
                let mut server = server(&pair, None, versions);
                assert_eq!(session.send(b"before the handshake"), 20);
                let (heard, server_heard, received) =
                    talk(&mut session, &mut server, piece).expect("fine");
                assert_eq!((&*heard, &*server_heard), (&b""[..], &b"before the handshake"[..]));
                assert_eq!(received, Received { closed: false, ready: true });
                assert_eq!(server.alpn_protocol(), Some(&b"http/1.1"[..]));
                let long: Vec<u8> = (0..60_000u32).map(|n| n as u8).collect();
                assert_eq!(session.send(&long), long.len());
                server.writer().write_all(&long).expect("room");
                server.send_close_notify();
                let (heard, server_heard, received) =
                    talk(&mut session, &mut server, piece).expect("fine");
                assert!(heard == long && server_heard == long);
                assert!(received.closed);
                session.close();
                talk(&mut session, &mut server, piece).expect("fine");
                assert!(server.process_new_packets().expect("fine").peer_has_closed());
            }
        }
    }

    #[test]
    fn no_more_is_taken_than_the_buffer_holds() {
        let authority = authority("ca");
        let mut server = server(&authority.sign("a.example", VALID), None, BOTH);
        let mut session = session(&trusting(&authority), &[], "a.example");
        let long = vec![1; 1 << 20];
        for _ in 0..2 {
            let taken = session.send(&long);
            assert!((1..=BUFFER_BYTES).contains(&taken), "{taken}");
            assert_eq!(session.send(&long), 0);
            let (_, heard, _) = talk(&mut session, &mut server, 4096).expect("fine");
            assert_eq!(heard.len(), taken);
        }
    }

    #[test]
    fn sessions_are_resumed() {
        let authority = authority("ca");
        let server_config = server_config(&authority.sign("a.example", VALID), None, BOTH);
        let config = client_config(&trusting(&authority), &[]).expect("valid");
        let kinds = [(), ()].map(|()| {
            let mut server = ServerConnection::new(Arc::clone(&server_config)).expect("valid");
            let mut session = Session::new(Arc::clone(&config), "a.example").expect("valid");
            talk(&mut session, &mut server, 4096).expect("fine");
            session.tls.handshake_kind()
        });
        assert_eq!(kinds, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
    }

    #[test]
    fn a_peer_that_cannot_be_trusted_is_refused_in_words() {
        let (ours, other) = (authority("ours"), authority("other"));
        let good = ours.sign("a.example", VALID);
        let old = ours.sign("a.example", (2000, 2001));
        let early = ours.sign("a.example", (3000, 3001));
        for (what, trusted, pair, name, wanted) in [
            ("wrong CA", &other, &good, "a.example", "unknown authority"),
            ("wrong name", &ours, &good, "b.example", "not for b.example"),
            ("address", &ours, &good, "127.0.0.1", "not for 127.0.0.1"),
            ("expired", &ours, &old, "a.example", "has expired, "),
            ("early", &ours, &early, "a.example", "not valid for another"),
        ] {
            for versions in ONE_AT_A_TIME {
                let mut server = server(pair, None, versions);
                let mut client = session(&trusting(trusted), &[], name);
                let error = talk(&mut client, &mut server, 4096).expect_err(what);
                assert!(error.to_string().contains(wanted), "{what}: {error}");
                let mut alert = Vec::new();
                client.outgoing(&mut alert);
                assert!(!alert.is_empty(), "the peer is told");
                let settings = Settings { insecure_skip_verify: true, ..Settings::default() };
                let mut server = self::server(pair, None, versions);
                let mut client = session(&settings, &[], name);
                assert!(talk(&mut client, &mut server, 4096).expect(what).2.ready);
            }
        }
        let mut server = server(&good, None, BOTH);
        let error = talk(&mut session(&Settings::default(), &[], "a.example"), &mut server, 4096);
        assert_eq!(error.expect_err("no roots"), TlsError::UnknownAuthority);
        let mut server = self::server(&good, None, BOTH);
        let roots = [b"junk".to_vec(), ours.der.to_vec()];
        let mut client = session(&Settings::default(), &roots, "a.example");
        assert!(talk(&mut client, &mut server, 4096).is_ok());
    }

    #[test]
    fn a_certificate_that_is_its_own_authority_is_trusted_by_name_and_date() {
        let ca = || IsCa::Ca(BasicConstraints::Unconstrained);
        for (is_ca, years, name, fine) in [
            (ca(), VALID, "a.example", true),
            (IsCa::NoCa, VALID, "a.example", true),
            (IsCa::ExplicitNoCa, VALID, "a.example", true),
            (ca(), VALID, "b.example", false),
            (ca(), (2000, 2001), "a.example", false),
            (IsCa::NoCa, VALID, "b.example", false),
            (IsCa::NoCa, (2000, 2001), "a.example", false),
        ] {
            let pair = self_signed(is_ca, years);
            let settings = Settings { ca_pem: Some(pair.pem.clone()), ..Settings::default() };
            let mut client = session(&settings, &[], name);
            let result = talk(&mut client, &mut server(&pair, None, BOTH), 4096);
            assert_eq!(result.is_ok(), fine, "{is_ca:?} {years:?} {name} {result:?}");
        }
        let (trusted, presented) = (self_signed(ca(), VALID), self_signed(ca(), VALID));
        let settings = Settings { ca_pem: Some(trusted.pem), ..Settings::default() };
        let mut client = session(&settings, &[], "a.example");
        assert!(talk(&mut client, &mut server(&presented, None, BOTH), 4096).is_err());
    }

    #[test]
    fn a_client_certificate_is_shown_and_its_absence_is_explained() {
        let (ours, other) = (authority("ours"), authority("other"));
        let pair = ours.sign("a.example", VALID);
        let with = |client: &Pair| Settings {
            cert_pem: Some(client.pem.clone()),
            key_pem: Some(client.key.serialize_pem().into_bytes()),
            ..trusting(&ours)
        };
        let (good, foreign) = (ours.sign("client", VALID), other.sign("client", VALID));
        for versions in ONE_AT_A_TIME {
            let run = |settings: &Settings| {
                let mut client = session(settings, &[], "a.example");
                talk(&mut client, &mut server(&pair, Some(&ours), versions), 4096)
            };
            assert!(run(&with(&good)).is_ok());
            assert_eq!(run(&trusting(&ours)), Err(TlsError::CertificateRequired));
            let refused = run(&with(&foreign));
            assert!(matches!(refused, Err(TlsError::CertificateRefused(_))), "{refused:?}");
        }
    }

    #[test]
    fn versions_that_do_not_meet_are_said_so() {
        let authority = authority("ca");
        let pair = authority.sign("a.example", VALID);
        let settings = Settings { min_version: Some(Version::Tls13), ..trusting(&authority) };
        let mut client = session(&settings, &[], "a.example");
        let result = talk(&mut client, &mut server(&pair, None, ONE_AT_A_TIME[1]), 4096);
        assert!(matches!(result, Err(TlsError::Incompatible(_))), "{result:?}");
        let settings = Settings { max_version: Some(Version::Tls12), ..trusting(&authority) };
        let mut client = session(&settings, &[], "a.example");
        let result = talk(&mut client, &mut server(&pair, None, ONE_AT_A_TIME[0]), 4096);
        assert!(matches!(result, Err(TlsError::Incompatible(_))), "{result:?}");
    }

    #[test]
    fn a_server_without_tls_is_recognised() {
        let mut client = session(&Settings::default(), &[], "a.example");
        let error = client.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n", &mut Vec::new());
        assert_eq!(error, Err(TlsError::NotTls));
    }

    #[test]
    fn names_that_cannot_be_proved_are_refused() {
        let config = client_config(&Settings::default(), &[]).expect("valid");
        for name in ["", "a b", "ü", "[::1]"] {
            let result = Session::new(Arc::clone(&config), name).map(|_| ());
            assert_eq!(result, Err(TlsError::ServerName(name.to_owned())));
        }
        for name in ["a", "a_b.svc", "127.0.0.1", "::1", "fe80::1%eth0", "a.example."] {
            assert!(Session::new(Arc::clone(&config), name).is_ok(), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn random_bytes_never_panic(mut bytes: Vec<u8>) {
            let mut client = session(&Settings::default(), &[], "a.example");
            let _ = client.receive(&bytes, &mut Vec::new());
            bytes.splice(0..0, [0x16, 3, 3, 0, 20]);
            let mut client = session(&Settings::default(), &[], "a.example");
            let _ = client.receive(&bytes, &mut Vec::new());
        }
    }
}
