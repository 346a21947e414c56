//! How to connect and who to be: the fields that scraping and remote write share.

use crate::config::error::ConfigError;
use crate::config::oauth2::read_oauth2;
use crate::config::parse::Context;
use crate::config::proxy::read_proxy;
use crate::config::reader::{Field, Section};
use crate::config::types::{
    Authorization, BasicAuth, HttpClientConfig, HttpHeader, Secret, TlsConfig, TlsVersion,
};

// spec: remote-write 1.0 and 2.0, custom headers: never reserved ones
/// Headers that change the connection or are set here.
pub(super) const HEADERS_RESERVED: [&str; 16] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "user-agent",
    "www-authenticate",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-prometheus-remote-read-version",
    "x-prometheus-remote-write-version",
];
/// Those that other fields set.
const HEADERS_OF_FIELDS: [&str; 2] = ["authorization", "x-prometheus-scrape-timeout-seconds"];

/// Takes the fields from `section`, where they stand among others. `exclusive`: said where there is more than one
/// way to authenticate.
// spec: CFG §2.7
pub(super) fn read_http_client(
    section: &mut Section<'_>,
    exclusive: &str,
    context: &Context<'_>,
) -> Result<HttpClientConfig, ConfigError> {
    let basic_field = section.take_written("basic_auth");
    let basic_auth = match &basic_field {
        Some(field) => Some(read_basic_auth(field, context)?),
        None => None,
    };
    let authorization_field = section.take_written("authorization");
    let mut authorization = match &authorization_field {
        Some(field) => Some(read_authorization(field, context)?),
        None => None,
    };
    let bearer = read_secret(section, "bearer_token", "bearer_token_file", context)?;
    if let Some((credentials, field)) = bearer {
        if authorization.is_some() {
            let message = "authorization is not compatible with bearer_token & bearer_token_file";
            return Err(field.error(message));
        }
        if basic_auth.is_some() {
            return Err(field.error(
                "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be \
                 configured",
            ));
        }
        authorization = Some(Authorization { kind: "Bearer".to_owned(), credentials });
    }
    let oauth2_field = section.take_written("oauth2");
    let oauth2 = match &oauth2_field {
        Some(field) => Some(Box::new(read_oauth2(field, context)?)),
        None => None,
    };
    let ways = [&basic_field, &authorization_field, &oauth2_field];
    if let Some(second) = ways.into_iter().flatten().nth(1) {
        return Err(second.error(exclusive));
    }
    if let (Some(field), true) = (&oauth2_field, authorization.is_some()) {
        return Err(field.error(
            "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
        ));
    }
    let tls = match section.section("tls_config")? {
        Some(tls) => read_tls(tls, context)?,
        None => TlsConfig::default(),
    };
    let proxy = read_proxy(section)?;
    let http_headers = match section.take_written("http_headers") {
        Some(field) => read_headers(&field, context)?,
        None => Vec::new(),
    };
    let follow_redirects = section.flag("follow_redirects", true)?;
    Ok(HttpClientConfig {
        basic_auth,
        authorization,
        oauth2,
        tls,
        proxy,
        http_headers,
        follow_redirects,
    })
}

// spec: CFG §2.7
fn read_headers(field: &Field<'_>, context: &Context<'_>) -> Result<Vec<HttpHeader>, ConfigError> {
    let mut headers = Vec::new();
    for (name, field) in field.pairs()? {
        let lower = name.to_ascii_lowercase();
        if HEADERS_RESERVED.iter().chain(&HEADERS_OF_FIELDS).any(|reserved| *reserved == lower) {
            return Err(field.error(format!("setting header {name:?} is not allowed")));
        }
        check_header_name(name, &field)?;
        let mut section = field.section()?;
        let values = section.texts("values")?;
        for value in &values {
            check_header_value(value, &field)?;
        }
        let secrets = section.texts("secrets")?.into_iter().map(Secret::Inline);
        let files = section.texts("files")?;
        let files = files.into_iter().map(|file| Secret::File(context.resolve(&file)));
        let secrets = secrets.chain(files).collect();
        section.finish(&[])?;
        headers.push(HttpHeader { name: name.to_owned(), values, secrets });
    }
    headers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(headers)
}

pub(super) fn check_header_name(name: &str, field: &Field<'_>) -> Result<(), ConfigError> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(field.error(format!("{name:?} is not a header name")));
    }
    Ok(())
}

pub(super) fn check_header_value(value: &str, field: &Field<'_>) -> Result<(), ConfigError> {
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(field.error("a header's value has no control characters"));
    }
    Ok(())
}

fn read_basic_auth(field: &Field<'_>, context: &Context<'_>) -> Result<BasicAuth, ConfigError> {
    let mut section = field.section()?;
    let mut secret = |name: &str, file: &str| {
        let found = read_secret(&mut section, name, file, context)?;
        Ok(found.map_or_else(|| Secret::Inline(String::new()), |(secret, _)| secret))
    };
    let username = secret("username", "username_file")?;
    let password = secret("password", "password_file")?;
    section.finish(&[])?;
    Ok(BasicAuth { username, password })
}

fn read_authorization(
    field: &Field<'_>,
    context: &Context<'_>,
) -> Result<Authorization, ConfigError> {
    let mut section = field.section()?;
    let kind_field = section.take("type");
    let kind = kind_field.as_ref().map_or(Ok(String::new()), Field::text)?;
    let kind = kind.trim().to_owned();
    if kind.eq_ignore_ascii_case("basic") {
        let message = "authorization type cannot be set to \"basic\", use \"basic_auth\" instead";
        return Err(section.error_at(kind_field.as_ref(), message));
    }
    let found = read_secret(&mut section, "credentials", "credentials_file", context)?;
    section.finish(&[])?;
    Ok(Authorization {
        kind: if kind.is_empty() { "Bearer".to_owned() } else { kind },
        credentials: found.map_or_else(|| Secret::Inline(String::new()), |(secret, _)| secret),
    })
}

/// A value that stands in the field `name`, or in the file that the field `name_file` names. An empty text is
/// as good as none.
pub(super) fn read_secret<'a>(
    section: &mut Section<'a>,
    name: &str,
    name_file: &str,
    context: &Context<'_>,
) -> Result<Option<(Secret, Field<'a>)>, ConfigError> {
    let inline = section.take(name).map(|field| (field.text(), field));
    let file = section.take(name_file).map(|field| (field.text(), field));
    let inline = inline.map(|(text, field)| Ok((text?, field))).transpose()?;
    let file = file.map(|(text, field)| Ok((text?, field))).transpose()?;
    let inline = inline.filter(|(text, _)| !text.is_empty());
    let file = file.filter(|(text, _)| !text.is_empty());
    match (inline, file) {
        (Some(_), Some((_, field))) => {
            let message = format!("at most one of {name} & {name_file} must be configured");
            Err(field.error(message))
        }
        (Some((text, field)), None) => Ok(Some((Secret::Inline(text), field))),
        (None, Some((text, field))) => Ok(Some((Secret::File(context.resolve(&text)), field))),
        (None, None) => Ok(None),
    }
}

pub(super) fn read_tls(
    mut section: Section<'_>,
    context: &Context<'_>,
) -> Result<TlsConfig, ConfigError> {
    let mut secret = |name: &str, file: &str| {
        Ok(read_secret(&mut section, name, file, context)?.map(|(secret, _)| secret))
    };
    let ca = secret("ca", "ca_file")?;
    let cert = secret("cert", "cert_file")?;
    let key = secret("key", "key_file")?;
    if cert.is_some() && key.is_none() {
        return Err(section.place.error(
            "exactly one of key or key_file must be configured when a client certificate is \
             configured",
        ));
    }
    if key.is_some() && cert.is_none() {
        return Err(section.place.error(
            "exactly one of cert or cert_file must be configured when a client key is configured",
        ));
    }
    let server_name = section.text("server_name", "")?;
    let insecure_skip_verify = section.flag("insecure_skip_verify", false)?;
    let min_version = read_version(section.take_written("min_version").as_ref())?;
    let max_field = section.take_written("max_version");
    let max_version = read_version(max_field.as_ref())?;
    if max_version.is_some_and(|max| max < TlsVersion::Tls12) {
        let message = "not supported yet: only TLS12 and TLS13 are spoken";
        return Err(section.error_at(max_field.as_ref(), message));
    }
    if max_version.is_some() && max_version < min_version {
        return Err(section.error_at(max_field.as_ref(), "max_version is below min_version"));
    }
    section.finish(&[])?;
    Ok(TlsConfig { ca, cert, key, server_name, insecure_skip_verify, min_version, max_version })
}

pub(super) fn read_version(field: Option<&Field<'_>>) -> Result<Option<TlsVersion>, ConfigError> {
    let Some(field) = field else { return Ok(None) };
    let name = field.text()?;
    let all = [TlsVersion::Tls10, TlsVersion::Tls11, TlsVersion::Tls12, TlsVersion::Tls13];
    match all.into_iter().find(|version| version.name() == name) {
        Some(version) => Ok(Some(version)),
        None => Err(field.error(format!("unknown TLS version: {name}"))),
    }
}
