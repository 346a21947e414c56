//! `proxy_url` and the fields beside it.

use crate::config::error::ConfigError;
use crate::config::http_client::{check_header_name, check_header_value};
use crate::config::reader::{Field, Section};
use crate::config::types::{ProxyConfig, Secret};
use crate::config::url::{check_url, redacted};

/// Schemes of proxies that can be spoken to.
const SCHEMES: [&str; 2] = ["http", "https"];

/// Takes the fields from `section`, where they stand among others.
// spec: CFG §2.7
pub(super) fn read_proxy(section: &mut Section<'_>) -> Result<ProxyConfig, ConfigError> {
    let url_field = section.take_written("proxy_url");
    let url = url_field.as_ref().map_or(Ok(String::new()), Field::text)?;
    let no_proxy_field = section.take_written("no_proxy");
    let no_proxy = no_proxy_field.as_ref().map_or(Ok(String::new()), Field::text)?;
    let environment_field = section.take_written("proxy_from_environment");
    let from_environment = environment_field.as_ref().map_or(Ok(false), Field::flag)?;
    let headers_field = section.take_written("proxy_connect_header");
    let connect_headers = match &headers_field {
        Some(field) => read_connect_headers(field)?,
        None => Vec::new(),
    };
    if let (Some(field), true) = (&headers_field, !connect_headers.is_empty())
        && !from_environment
        && url.is_empty()
    {
        return Err(field.error(
            "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also \
             be configured",
        ));
    }
    if let (Some(field), true) = (&environment_field, from_environment) {
        if !url.is_empty() {
            let message =
                "if proxy_from_environment is configured, proxy_url must not be configured";
            return Err(field.error(message));
        }
        if !no_proxy.is_empty() {
            let message =
                "if proxy_from_environment is configured, no_proxy must not be configured";
            return Err(field.error(message));
        }
    }
    if let Some(field) = no_proxy_field.filter(|_| !no_proxy.is_empty() && url.is_empty()) {
        let message = "if no_proxy is configured, proxy_url must also be configured";
        return Err(field.error(message));
    }
    if let Some(field) = url_field.filter(|_| !url.is_empty()) {
        check_url(&url).map_err(|why| field.error(format!("{why}: {:?}", redacted(&url))))?;
        let scheme = url.split("://").next().unwrap_or("").to_ascii_lowercase();
        if !SCHEMES.contains(&scheme.as_str()) {
            let message =
                format!("proxies over {scheme:?} are not supported yet, only http and https");
            return Err(field.error(message));
        }
    }
    Ok(ProxyConfig { url: Secret::Inline(url), no_proxy, from_environment, connect_headers })
}

fn read_connect_headers(field: &Field<'_>) -> Result<Vec<(String, Vec<Secret>)>, ConfigError> {
    let mut headers = Vec::new();
    for (name, field) in field.pairs()? {
        check_header_name(name, &field)?;
        let values = field.texts()?;
        for value in &values {
            check_header_value(value, &field)?;
        }
        headers.push((name.to_owned(), values.into_iter().map(Secret::Inline).collect()));
    }
    headers.sort_by(|(a, _): &(String, Vec<Secret>), (b, _)| a.cmp(b));
    Ok(headers)
}
