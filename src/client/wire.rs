//! Requests without credentials: TLS, proxies, redirects.

#![expect(
    clippy::disallowed_types,
    reason = "requests of several tasks share a pool of connections"
)]

use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Method, Proxy};

use crate::base::limits;
use crate::client::material::{connect_headers, proxies, read_file, tls_settings};
use crate::client::{Ask, ClientError, native_roots};
use crate::config::{ProxyConfig, TlsConfig};
use crate::http::Url;
use crate::tls;

/// What Prometheus's client allows for.
// spec: CFG §2.7
const IDLE: Duration = Duration::from_secs(300);
const CONNECT: Duration = Duration::from_secs(10);

/// A pool of connections, made anew when certificates change on disk.
#[derive(Debug)]
pub struct Wire {
    user_agent: String,
    tls: TlsConfig,
    proxy: ProxyConfig,
    follow_redirects: bool,
    current: Mutex<Option<(tls::Settings, reqwest::Client)>>,
}

impl Wire {
    /// Fails if the settings cannot be used now; certificates may still come to be unusable later.
    pub fn new(
        user_agent: &str,
        tls: &TlsConfig,
        proxy: &ProxyConfig,
        follow_redirects: bool,
    ) -> Result<Wire, ClientError> {
        let wire = Wire {
            user_agent: user_agent.to_owned(),
            tls: tls.clone(),
            proxy: proxy.clone(),
            follow_redirects,
            current: Mutex::new(None),
        };
        wire.pool()?;
        Ok(wire)
    }

    /// Sends the request; the answer's head is here, its body not.
    pub async fn send(&self, ask: &Ask) -> Result<reqwest::Response, ClientError> {
        let bad = |what: &str| ClientError::Settings(format!("{what} cannot be sent"));
        let method = Method::from_bytes(ask.method.as_bytes()).map_err(|_| bad("the method"))?;
        let url = reqwest::Url::parse(&ask.url)
            .map_err(|error| ClientError::Settings(format!("URL: {error}")))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &ask.headers {
            add_header(&mut headers, name, value)?;
        }
        let request = self.pool()?.request(method, url).headers(headers).body(ask.body.clone());
        request.send().await.map_err(ClientError::of)
    }

    fn pool(&self) -> Result<reqwest::Client, ClientError> {
        let settings = tls_settings(&self.tls, &read_file).map_err(ClientError::Settings)?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some((before, client)) if *before == settings => Ok(client.clone()),
            _ => {
                let client = self.connect(&settings)?;
                *current = Some((settings, client.clone()));
                Ok(client)
            }
        }
    }

    fn connect(&self, settings: &tls::Settings) -> Result<reqwest::Client, ClientError> {
        let roots = if settings.ca_pem.is_some() { Vec::new() } else { native_roots() };
        let config = tls::client_config_named(settings, &roots, &self.tls.server_name)
            .map_err(|error| ClientError::Settings(format!("tls_config: {error}")))?;
        let redirects = match self.follow_redirects {
            true => Policy::limited(limits::REDIRECTS as usize),
            false => Policy::none(),
        };
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured((*config).clone())
            .http1_only()
            .user_agent(&self.user_agent)
            .referer(false)
            .redirect(redirects)
            .pool_idle_timeout(IDLE)
            .connect_timeout(CONNECT)
            .no_proxy();
        let variable = |name: &str| std::env::var(name).ok();
        let proxies = proxies(&self.proxy, &variable, &read_file).map_err(ClientError::Settings)?;
        let builder = if proxies.is_empty() {
            builder
        } else {
            let mut headers = HeaderMap::new();
            for (name, value) in
                connect_headers(&self.proxy, &read_file).map_err(ClientError::Settings)?
            {
                add_header(&mut headers, &name, &value)?;
            }
            let choose = move |url: &reqwest::Url| {
                let url = Url::parse(url.as_str()).ok()?;
                proxies.choose(&url).map(|proxy| proxy.url.revealed())
            };
            builder.proxy(Proxy::custom(choose).headers(headers))
        };
        builder.build().map_err(ClientError::of)
    }
}

fn add_header(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), ClientError> {
    let bad = || ClientError::Settings(format!("header {name:?} cannot be sent"));
    let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
    let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
    value.set_sensitive(true);
    headers.append(key, value);
    Ok(())
}
