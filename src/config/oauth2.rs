//! `oauth2`: who asks which server for a token.

use crate::config::error::ConfigError;
use crate::config::http_client::{read_secret, read_tls};
use crate::config::parse::Context;
use crate::config::proxy::read_proxy;
use crate::config::reader::Field;
use crate::config::types::{Grant, OAuth2, Secret, Signature, TlsConfig};
use crate::config::url::{check_url, redacted};

impl Grant {
    /// As requests and the configuration write it.
    pub fn name(self) -> &'static str {
        match self {
            Grant::ClientCredentials => "client_credentials",
            Grant::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }
}

impl Signature {
    /// As tokens and the configuration write it.
    pub fn name(self) -> &'static str {
        match self {
            Signature::Rs256 => "RS256",
            Signature::Rs384 => "RS384",
            Signature::Rs512 => "RS512",
        }
    }
}

// spec: CFG §2.7
pub(super) fn read_oauth2(field: &Field<'_>, context: &Context<'_>) -> Result<OAuth2, ConfigError> {
    let mut section = field.section()?;
    let client_id = section.text("client_id", "")?;
    let secret = read_secret(&mut section, "client_secret", "client_secret_file", context)?;
    let (key, key_file) = ("client_certificate_key", "client_certificate_key_file");
    let certificate_key = read_secret(&mut section, key, key_file, context)?;
    let grant = match section.take_written("grant_type") {
        Some(field) => read_grant(&field)?,
        None => Grant::default(),
    };
    let signature = match section.take_written("signature_algorithm") {
        Some(field) => read_signature(&field)?,
        None => Signature::default(),
    };
    let token_url_field = section.take_written("token_url");
    let token_url = token_url_field.as_ref().map_or(Ok(String::new()), Field::text)?;
    let claims = match section.take_written("claims") {
        Some(field) => read_claims(&field)?,
        None => Vec::new(),
    };
    let mut endpoint_params = Vec::new();
    if let Some(field) = section.take_written("endpoint_params") {
        for (name, field) in field.pairs()? {
            endpoint_params.push((name.to_owned(), field.text()?));
        }
    }
    endpoint_params.sort();
    let oauth2 = OAuth2 {
        client_id,
        client_secret: secret.map_or_else(Secret::default, |(secret, _)| secret),
        certificate_key: certificate_key.map(|(key, _)| key),
        certificate_key_id: section.text("client_certificate_key_id", "")?,
        grant,
        signature,
        iss: section.text("iss", "")?,
        audience: section.text("audience", "")?,
        claims,
        scopes: section.texts("scopes")?,
        token_url,
        endpoint_params,
        tls: match section.section("tls_config")? {
            Some(tls) => read_tls(tls, context)?,
            None => TlsConfig::default(),
        },
        proxy: read_proxy(&mut section)?,
    };
    section.finish(&[])?;
    if oauth2.client_id.is_empty() {
        return Err(field.error("oauth2 client_id must be configured"));
    }
    let Some(token_url_field) = token_url_field.filter(|_| !oauth2.token_url.is_empty()) else {
        return Err(field.error("oauth2 token_url must be configured"));
    };
    check_url(&oauth2.token_url).map_err(|why| {
        token_url_field.error(format!("{why}: {:?}", redacted(&oauth2.token_url)))
    })?;
    if oauth2.grant == Grant::JwtBearer && oauth2.certificate_key.is_none() {
        return Err(field.error(
            "either oauth2 client_certificate_key or client_certificate_key_file must be \
             configured when the grant type is jwt-bearer",
        ));
    }
    Ok(oauth2)
}

fn read_grant(field: &Field<'_>) -> Result<Grant, ConfigError> {
    let name = field.text()?;
    match [Grant::ClientCredentials, Grant::JwtBearer].into_iter().find(|g| g.name() == name) {
        Some(grant) => Ok(grant),
        None if name.is_empty() => Ok(Grant::default()),
        None => Err(field.error(format!(
            "{name:?} is neither client_credentials nor {}",
            Grant::JwtBearer.name()
        ))),
    }
}

fn read_signature(field: &Field<'_>) -> Result<Signature, ConfigError> {
    let name = field.text()?;
    let all = [Signature::Rs256, Signature::Rs384, Signature::Rs512];
    match all.into_iter().find(|signature| signature.name() == name) {
        Some(signature) => Ok(signature),
        None if name.is_empty() => Ok(Signature::default()),
        None => Err(field.error(format!("{name:?} is none of RS256, RS384 and RS512"))),
    }
}

/// Texts, numbers and flags; what holds others would need a writer of its own.
fn read_claims(field: &Field<'_>) -> Result<Vec<(String, String)>, ConfigError> {
    let mut claims = Vec::new();
    for (name, field) in field.pairs()? {
        claims.push((name.to_owned(), field.json()?));
    }
    claims.sort();
    Ok(claims)
}
