//! From what a configuration says to what requests need: files read, secrets in place.

use std::path::Path;

use crate::auth;
use crate::config::{HttpClientConfig, HttpHeader, ProxyConfig, Secret, TlsConfig, TlsVersion};
use crate::http::Proxies;
use crate::tls;

/// Reads a file that the configuration names; given from outside, so that this is testable without files.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> Result<Vec<u8>, String>;

/// The usual [`ReadFile`].
pub fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("unable to read {}: {error}", path.display()))
}

/// The text itself, or that of its file without the blanks around it.
pub fn secret(secret: &Secret, read: ReadFile<'_>) -> Result<String, String> {
    match secret {
        Secret::Inline(text) => Ok(text.clone()),
        Secret::File(path) => {
            let bytes = read(path)?;
            let text =
                String::from_utf8(bytes).map_err(|_| format!("{}: not text", path.display()))?;
            Ok(text.trim().to_owned())
        }
    }
}

/// The `Authorization` header, if there is one that needs no token's server.
pub fn authorization(
    http: &HttpClientConfig,
    read: ReadFile<'_>,
) -> Result<Option<(String, String)>, String> {
    let value = match (&http.basic_auth, &http.authorization) {
        (Some(basic), _) => {
            let user = secret(&basic.username, read)?;
            auth::basic(&user, &secret(&basic.password, read)?)
        }
        (None, Some(given)) => auth::bearer(&given.kind, &secret(&given.credentials, read)?),
        (None, None) => return Ok(None),
    };
    Ok(Some(("Authorization".to_owned(), value)))
}

/// A header for each value: those written, then secrets, then files.
pub fn http_headers(
    headers: &[HttpHeader],
    read: ReadFile<'_>,
) -> Result<Vec<(String, String)>, String> {
    let mut made = Vec::new();
    for header in headers {
        for value in &header.values {
            made.push((header.name.clone(), value.clone()));
        }
        for value in &header.secrets {
            made.push((header.name.clone(), secret(value, read)?));
        }
    }
    Ok(made)
}

/// Headers for a proxy that is asked for a tunnel, one for each value.
pub fn connect_headers(
    config: &ProxyConfig,
    read: ReadFile<'_>,
) -> Result<Vec<(String, String)>, String> {
    let mut made = Vec::new();
    for (name, values) in &config.connect_headers {
        for value in values {
            made.push((name.clone(), secret(value, read)?));
        }
    }
    Ok(made)
}

/// Which requests go through which proxy; `variable` gives the environment's.
pub fn proxies(
    config: &ProxyConfig,
    variable: &dyn Fn(&str) -> Option<String>,
    read: ReadFile<'_>,
) -> Result<Proxies, String> {
    let made = if config.from_environment {
        Proxies::from_environment(variable)
    } else {
        match &config.url {
            Secret::Inline(url) => Proxies::fixed(url, &config.no_proxy),
            Secret::File(_) => Ok(Proxies::default()),
        }
    };
    let made = made.map_err(|error| error.to_string())?;
    Ok(made.authorized(connect_headers(config, read)?, &auth::basic))
}

/// Settings of TLS with their files read.
pub fn tls_settings(config: &TlsConfig, read: ReadFile<'_>) -> Result<tls::Settings, String> {
    let pem = |secret: &Option<Secret>| match secret {
        None => Ok(None),
        Some(Secret::Inline(text)) => Ok(Some(text.clone().into_bytes())),
        Some(Secret::File(path)) => read(path).map(Some),
    };
    let version = |version: TlsVersion| match version {
        TlsVersion::Tls10 => tls::Version::Tls10,
        TlsVersion::Tls11 => tls::Version::Tls11,
        TlsVersion::Tls12 => tls::Version::Tls12,
        TlsVersion::Tls13 => tls::Version::Tls13,
    };
    Ok(tls::Settings {
        ca_pem: pem(&config.ca)?,
        cert_pem: pem(&config.cert)?,
        key_pem: pem(&config.key)?,
        insecure_skip_verify: config.insecure_skip_verify,
        min_version: config.min_version.map(version),
        max_version: config.max_version.map(version),
    })
}
