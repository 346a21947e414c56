//! How to connect and who to be: the fields that scraping and remote write share.

use crate::config::error::ConfigError;
use crate::config::parse::Context;
use crate::config::reader::{Field, Section};
use crate::config::types::{
    Authorization, BasicAuth, HttpClientConfig, Secret, TlsConfig, TlsVersion,
};

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
    if basic_auth.is_some()
        && let Some(field) = &authorization_field
    {
        return Err(field.error(exclusive));
    }
    let tls = match section.section("tls_config")? {
        Some(tls) => read_tls(tls, context)?,
        None => TlsConfig::default(),
    };
    let follow_redirects = section.flag("follow_redirects", true)?;
    Ok(HttpClientConfig { basic_auth, authorization, tls, follow_redirects })
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
fn read_secret<'a>(
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

fn read_tls(mut section: Section<'_>, context: &Context<'_>) -> Result<TlsConfig, ConfigError> {
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

fn read_version(field: Option<&Field<'_>>) -> Result<Option<TlsVersion>, ConfigError> {
    let Some(field) = field else { return Ok(None) };
    let name = field.text()?;
    let all = [TlsVersion::Tls10, TlsVersion::Tls11, TlsVersion::Tls12, TlsVersion::Tls13];
    match all.into_iter().find(|version| version.name() == name) {
        Some(version) => Ok(Some(version)),
        None => Err(field.error(format!("unknown TLS version: {name}"))),
    }
}
