//! The file that `--web.config.file` names: TLS, passwords and headers of the admin server.

use core::time::Duration;
use std::path::Path;

use crate::config::error::ConfigError;
use crate::config::http_client::{read_secret, read_version};
use crate::config::parse::Context;
use crate::config::reader::{Field, Section};
use crate::config::types::{Secret, TlsVersion};
use crate::config::yaml;

/// What the file says, paths absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebConfig {
    /// `None`: the server speaks without TLS.
    pub tls: Option<WebTls>,
    /// Response headers, of a fixed list of names.
    pub headers: Vec<(&'static str, String)>,
    /// Name and bcrypt hash. With one or more, every request must carry one of them.
    pub users: Vec<(String, String)>,
    /// One request per so long on average, and so many at once; `None`: any number.
    pub rate_limit: Option<(Duration, u32)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebTls {
    /// PEM, both.
    pub cert: Secret,
    pub key: Secret,
    /// PEM; present exactly if `client_auth` verifies.
    pub client_ca: Option<Secret>,
    pub client_auth: ClientAuth,
    /// Not empty: a client's certificate must be for one of these names or addresses.
    pub client_names: Vec<String>,
    pub min_version: TlsVersion,
    pub max_version: TlsVersion,
    /// Names as Go writes them; empty: all that are known.
    pub cipher_suites: Vec<String>,
    pub curves: Vec<String>,
}

/// What a client has to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    #[default]
    Nothing,
    /// A certificate if it has one, of anybody.
    Request,
    /// A certificate of anybody.
    RequireAny,
    /// If it shows a certificate, it must be of a known authority.
    VerifyIfGiven,
    RequireAndVerify,
}

const HEADERS: [&str; 5] = [
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
];

/// Reads the file's text. `path` names it in messages, and relative paths begin in its directory.
///
/// # Errors
/// The first thing that is wrong or unknown, with its place.
// spec: HTTP §6.6
pub fn parse_web(text: &str, path: &Path) -> Result<WebConfig, ConfigError> {
    let file = path.display().to_string();
    let context = Context::new(path.parent().unwrap_or(Path::new("")), &|_| None);
    let Some(node) = yaml::read(text, &file)? else {
        return Ok(WebConfig::default());
    };
    let root = Field { file: &file, line: node.line, path: String::new(), node: &node };
    let mut top = root.section()?;
    let tls = match top.take_written("tls_server_config") {
        Some(field) => read_tls(&field, &context)?,
        None => None,
    };
    let headers = match top.section("http_server_config")? {
        Some(section) => read_http(section)?,
        None => Vec::new(),
    };
    let users = match top.take("basic_auth_users") {
        Some(field) => read_users(&field)?,
        None => Vec::new(),
    };
    let rate_limit = match top.section("rate_limit")? {
        Some(section) => read_rate(section)?,
        None => None,
    };
    top.finish(&[])?;
    Ok(WebConfig { tls, headers, users, rate_limit })
}

/// `None` if the section asks for nothing, which is how a file says that it has no TLS.
fn read_tls(field: &Field<'_>, context: &Context<'_>) -> Result<Option<WebTls>, ConfigError> {
    let mut section = field.section()?;
    let mut secret = |name: &str, file: &str| {
        Ok(read_secret(&mut section, name, file, context)?.map(|(secret, _)| secret))
    };
    let cert = secret("cert", "cert_file")?;
    let key = secret("key", "key_file")?;
    let client_ca = secret("client_ca", "client_ca_file")?;
    let auth_field = section.take_written("client_auth_type");
    let client_auth = match &auth_field {
        Some(field) => read_client_auth(field)?,
        None => ClientAuth::Nothing,
    };
    let names_field = section.take_written("client_allowed_sans");
    let client_names = names_field.as_ref().map_or(Ok(Vec::new()), Field::texts)?;
    let min_version = read_version(section.take_written("min_version").as_ref())?;
    let max_field = section.take_written("max_version");
    let max_version = read_version(max_field.as_ref())?.unwrap_or(TlsVersion::Tls13);
    let cipher_suites = section.texts("cipher_suites")?;
    let curves = section.texts("curve_preferences")?;
    section.flag("prefer_server_cipher_suites", true)?;
    let place = section.place.clone();
    section.finish(&[])?;
    let (cert, key) = match (cert, key) {
        (Some(cert), Some(key)) => (cert, key),
        (None, None) if client_ca.is_none() && client_auth == ClientAuth::Nothing => {
            return Ok(None);
        }
        (None, _) => return Err(place.error("missing one of cert or cert_file")),
        (_, None) => return Err(place.error("missing one of key or key_file")),
    };
    let verifies = matches!(client_auth, ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify);
    if verifies && client_ca.is_none() {
        return Err(place.error("client_auth_type needs client_ca_file"));
    }
    if client_ca.is_some() && !verifies {
        return Err(place.error("client_ca_file needs a client_auth_type that verifies"));
    }
    if !client_names.is_empty() && client_auth != ClientAuth::RequireAndVerify {
        let message = "client_allowed_sans needs the client_auth_type RequireAndVerifyClientCert";
        return Err(place.error(message));
    }
    let min_version = min_version.unwrap_or(TlsVersion::Tls12);
    if max_version < TlsVersion::Tls12 || max_version < min_version {
        return Err(place.error("max_version leaves no version: TLS12 and TLS13 are spoken"));
    }
    Ok(Some(WebTls {
        cert,
        key,
        client_ca,
        client_auth,
        client_names,
        min_version,
        max_version,
        cipher_suites,
        curves,
    }))
}

fn read_client_auth(field: &Field<'_>) -> Result<ClientAuth, ConfigError> {
    Ok(match field.text()?.as_str() {
        "" | "NoClientCert" => ClientAuth::Nothing,
        "RequestClientCert" => ClientAuth::Request,
        "RequireAnyClientCert" | "RequireClientCert" => ClientAuth::RequireAny,
        "VerifyClientCertIfGiven" => ClientAuth::VerifyIfGiven,
        "RequireAndVerifyClientCert" => ClientAuth::RequireAndVerify,
        other => return Err(field.error(format!("invalid client_auth_type: {other:?}"))),
    })
}

fn read_http(mut section: Section<'_>) -> Result<Vec<(&'static str, String)>, ConfigError> {
    // HTTP/1.1 is spoken in any case; HTTP/2 is never required.
    section.flag("http2", true)?;
    let mut headers = Vec::new();
    if let Some(field) = section.take("headers") {
        for (name, field) in field.pairs()? {
            let Some(known) = HEADERS.iter().find(|known| known.eq_ignore_ascii_case(name)) else {
                return Err(field.error(format!("HTTP header {name:?} can not be configured")));
            };
            let value = field.text()?;
            if !value.bytes().all(|byte| byte == b'\t' || (0x20..0x7f).contains(&byte)) {
                return Err(field.error("not a value of a header"));
            }
            headers.push((*known, value));
        }
    }
    section.finish(&[])?;
    Ok(headers)
}

fn read_users(field: &Field<'_>) -> Result<Vec<(String, String)>, ConfigError> {
    let mut users = Vec::new();
    for (name, field) in field.pairs()? {
        let hash = field.text()?;
        if !is_bcrypt(&hash) {
            return Err(field.error("not a bcrypt hash"));
        }
        users.push((name.to_owned(), hash));
    }
    Ok(users)
}

/// `$2y$10$` and 53 characters.
fn is_bcrypt(hash: &str) -> bool {
    let mut parts = hash.split('$').skip(1);
    let version = parts.next().is_some_and(|part| ["2", "2a", "2b", "2x", "2y"].contains(&part));
    let cost = parts.next().and_then(|part| part.parse::<u32>().ok());
    let rest = parts.next().is_some_and(|part| part.len() == 53);
    version && rest && cost.is_some_and(|cost| (4..=31).contains(&cost))
}

fn read_rate(mut section: Section<'_>) -> Result<Option<(Duration, u32)>, ConfigError> {
    let interval = section.duration("interval", Duration::ZERO)?;
    let burst = section.number("burst", 0)?;
    section.finish(&[])?;
    let burst = u32::try_from(burst).unwrap_or(u32::MAX);
    Ok((!interval.is_zero()).then_some((interval, burst)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

    fn read(text: &str) -> Result<WebConfig, String> {
        parse_web(text, Path::new("/etc/c/web.yml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_is_read_and_its_paths_begin_where_it_is() {
        let text = format!(
            "tls_server_config:\n  cert_file: c.pem\n  key_file: /k.pem\n  client_ca_file: ca.pem\n  \
             client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [a]\n  \
             min_version: TLS13\n  curve_preferences: [X25519]\n\
             http_server_config: {{http2: false, headers: {{x-frame-options: deny}}}}\n\
             basic_auth_users: {{alice: {HASH}}}\nrate_limit: {{interval: 100ms, burst: 20}}\n"
        );
        let web = read(&text).expect("good");
        let tls = web.tls.expect("there");
        assert_eq!(tls.cert, Secret::File("/etc/c/c.pem".into()));
        assert_eq!(tls.key, Secret::File("/k.pem".into()));
        assert_eq!(tls.client_auth, ClientAuth::RequireAndVerify);
        assert_eq!((tls.min_version, tls.max_version), (TlsVersion::Tls13, TlsVersion::Tls13));
        assert_eq!(web.headers, [("X-Frame-Options", "deny".to_owned())]);
        assert_eq!(web.users, [("alice".to_owned(), HASH.to_owned())]);
        assert_eq!(web.rate_limit, Some((Duration::from_millis(100), 20)));
        assert_eq!(read(""), Ok(WebConfig::default()));
        assert_eq!(read("tls_server_config: {}"), Ok(WebConfig::default()));
    }

    #[test]
    fn what_would_leave_a_door_open_is_refused_with_its_place() {
        for (text, wanted) in [
            ("tls_server_config: {cert_file: a}", "missing one of key or key_file"),
            ("tls_server_config: {key_file: a}", "missing one of cert or cert_file"),
            ("tls_server_config: {client_auth_type: x}", "invalid client_auth_type: \"x\""),
            (
                "tls_server_config: {cert: a, key: b, client_auth_type: RequireAndVerifyClientCert}",
                "client_auth_type needs client_ca_file",
            ),
            (
                "tls_server_config: {cert: a, key: b, client_ca: c}",
                "client_ca_file needs a client_auth_type that verifies",
            ),
            ("tls_server_config: {cert: a, key: b, max_version: TLS11}", "leaves no version"),
            ("basic_auth_users: {a: secret}", "web.yml:1: basic_auth_users.a: not a bcrypt hash"),
            ("basic_auth: {a: b}", "unknown field"),
            ("http_server_config: {headers: {Server: x}}", "can not be configured"),
            ("http_server_config: {headers: {X-Frame-Options: \"a\\nb\"}}", "not a value"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
