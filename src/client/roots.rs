//! Whom the system trusts.

/// DER certificates of the system.
pub fn native_roots() -> Vec<Vec<u8>> {
    let found = rustls_native_certs::load_native_certs();
    found.certs.into_iter().map(|cert| cert.to_vec()).collect()
}
