//! `http_sd_configs`, `dns_sd_configs`, `consul_sd_configs`, `kubernetes_sd_configs`.

use core::time::Duration;
use std::path::PathBuf;

use crate::config::error::ConfigError;
use crate::config::http_client::read_http_client;
use crate::config::known;
use crate::config::parse::Context;
use crate::config::reader::{Field, Section};
use crate::config::types::{BasicAuth, HttpClientConfig, Secret};
use crate::config::url::check_url;

/// One entry of a mechanism that asks somebody over the network.
// spec: SD-1
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SdConfig {
    Consul(Box<ConsulSd>),
    Dns(DnsSd),
    Http(Box<HttpSd>),
    Kubernetes(Box<KubernetesSd>),
}

// spec: SD-12
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSd {
    pub url: String,
    pub refresh_interval: Duration,
    pub http: HttpClientConfig,
}

// spec: SD-13
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSd {
    pub names: Vec<String>,
    pub kind: DnsKind,
    /// Of addresses that have none of their own; 0 for SRV.
    pub port: u16,
    pub refresh_interval: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsKind {
    A,
    Aaaa,
    Mx,
    Ns,
    #[default]
    Srv,
}

impl DnsKind {
    pub fn name(self) -> &'static str {
        match self {
            DnsKind::A => "A",
            DnsKind::Aaaa => "AAAA",
            DnsKind::Mx => "MX",
            DnsKind::Ns => "NS",
            DnsKind::Srv => "SRV",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsulSd {
    /// `host:port`
    pub server: String,
    pub path_prefix: String,
    pub token: Secret,
    pub datacenter: String,
    pub namespace: String,
    pub partition: String,
    pub scheme: String,
    pub tag_separator: String,
    /// Empty: all.
    pub services: Vec<String>,
    pub tags: Vec<String>,
    /// Sorted by name.
    pub node_meta: Vec<(String, String)>,
    pub filter: String,
    pub allow_stale: bool,
    pub refresh_interval: Duration,
    pub http: HttpClientConfig,
}

// spec: SD-14
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesSd {
    pub role: KubernetesRole,
    /// Empty: from the kubeconfig, or from inside the cluster.
    pub api_server: String,
    pub kubeconfig_file: Option<PathBuf>,
    pub own_namespace: bool,
    /// Empty: all.
    pub namespaces: Vec<String>,
    pub selectors: Vec<KubernetesSelector>,
    pub attach_node: bool,
    pub attach_namespace: bool,
    pub http: HttpClientConfig,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesSelector {
    pub role: KubernetesRole,
    pub label: String,
    pub field: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KubernetesRole {
    Endpoints,
    EndpointSlice,
    Ingress,
    Node,
    Pod,
    Service,
}

const ROLES: [(&str, KubernetesRole); 6] = [
    ("endpoints", KubernetesRole::Endpoints),
    ("endpointslice", KubernetesRole::EndpointSlice),
    ("ingress", KubernetesRole::Ingress),
    ("node", KubernetesRole::Node),
    ("pod", KubernetesRole::Pod),
    ("service", KubernetesRole::Service),
];

impl KubernetesRole {
    pub fn name(self) -> &'static str {
        ROLES.iter().find(|(_, role)| *role == self).map_or("", |(name, _)| name)
    }
}

const EXCLUSIVE: &str = "at most one of basic_auth, oauth2 & authorization must be configured";

/// Takes every entry of every mechanism from `section`.
pub(super) fn read_sd(
    section: &mut Section<'_>,
    context: &Context<'_>,
) -> Result<Vec<SdConfig>, ConfigError> {
    type Read = fn(&Field<'_>, &Context<'_>) -> Result<SdConfig, ConfigError>;
    let mechanisms: [(&str, Read); 4] = [
        ("consul_sd_configs", read_consul),
        ("dns_sd_configs", read_dns),
        ("http_sd_configs", read_http),
        ("kubernetes_sd_configs", read_kubernetes),
    ];
    let mut found = Vec::new();
    for (name, read) in mechanisms {
        for item in section.items(name)? {
            if item.node.is_null() {
                return Err(item.error(format!("empty or null section in {name}")));
            }
            found.push(read(&item, context)?);
        }
    }
    Ok(found)
}

fn read_refresh(section: &mut Section<'_>, default: u64) -> Result<Duration, ConfigError> {
    let default = Duration::from_secs(default);
    let written = section.duration("refresh_interval", default)?;
    Ok(if written.is_zero() { default } else { written })
}

fn read_http(field: &Field<'_>, context: &Context<'_>) -> Result<SdConfig, ConfigError> {
    let mut section = field.section()?;
    let url_field = section.take_written("url");
    let url = url_field.as_ref().map_or(Ok(String::new()), Field::text)?;
    if url.is_empty() {
        return Err(section.error_at(url_field.as_ref(), "URL is missing"));
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(section.error_at(url_field.as_ref(), "URL scheme must be 'http' or 'https'"));
    }
    if let (Some(field), Err(why)) = (&url_field, check_url(&url)) {
        return Err(field.error(why));
    }
    let refresh_interval = read_refresh(&mut section, 60)?;
    let http = read_http_client(&mut section, EXCLUSIVE, context)?;
    section.finish(&[known::HTTP_CLIENT])?;
    Ok(SdConfig::Http(Box::new(HttpSd { url, refresh_interval, http })))
}

fn read_dns(field: &Field<'_>, _: &Context<'_>) -> Result<SdConfig, ConfigError> {
    let mut section = field.section()?;
    let names = section.texts("names")?;
    if names.is_empty() {
        return Err(field.error("DNS-SD config must contain at least one SRV record name"));
    }
    let kind_field = section.take_written("type");
    let kind = match &kind_field {
        None => DnsKind::Srv,
        Some(field) => match field.text()?.to_ascii_uppercase().as_str() {
            "A" => DnsKind::A,
            "AAAA" => DnsKind::Aaaa,
            "MX" => DnsKind::Mx,
            "NS" => DnsKind::Ns,
            "SRV" => DnsKind::Srv,
            other => return Err(field.error(format!("invalid DNS-SD records type {other}"))),
        },
    };
    let port = section.number("port", 0)?;
    let port = u16::try_from(port).map_err(|_| field.error("port is not a port"))?;
    if port == 0 && kind != DnsKind::Srv {
        return Err(
            field.error("a port is required in DNS-SD configs for all record types except SRV")
        );
    }
    let refresh_interval = read_refresh(&mut section, 30)?;
    section.finish(&[])?;
    Ok(SdConfig::Dns(DnsSd { names, kind, port, refresh_interval }))
}

fn read_consul(field: &Field<'_>, context: &Context<'_>) -> Result<SdConfig, ConfigError> {
    let mut section = field.section()?;
    let server = section.text("server", "localhost:8500")?;
    if server.trim().is_empty() {
        return Err(field.error("consul SD configuration requires a server address"));
    }
    let mut node_meta = Vec::new();
    if let Some(field) = section.take("node_meta") {
        for (name, field) in field.pairs()? {
            node_meta.push((name.to_owned(), field.text()?));
        }
        node_meta.sort();
    }
    let (username, password) = (section.text("username", "")?, section.text("password", "")?);
    let scheme = section.text("scheme", "http")?;
    if scheme != "http" && scheme != "https" {
        return Err(field.error("scheme must be http or https"));
    }
    let token = Secret::Inline(section.text("token", "")?);
    let mut sd = ConsulSd {
        server,
        path_prefix: section.text("path_prefix", "")?,
        token,
        datacenter: section.text("datacenter", "")?,
        namespace: section.text("namespace", "")?,
        partition: section.text("partition", "")?,
        scheme,
        tag_separator: section.text("tag_separator", ",")?,
        services: section.texts("services")?,
        tags: section.texts("tags")?,
        node_meta,
        filter: section.text("filter", "")?,
        allow_stale: section.flag("allow_stale", true)?,
        refresh_interval: read_refresh(&mut section, 30)?,
        http: read_http_client(&mut section, EXCLUSIVE, context)?,
    };
    section.finish(&[known::HTTP_CLIENT])?;
    if !username.is_empty() || !password.is_empty() {
        if sd.http.basic_auth.is_some() {
            let message = "at most one of consul SD configuration username and password and basic auth can be configured";
            return Err(field.error(message));
        }
        let (username, password) = (Secret::Inline(username), Secret::Inline(password));
        sd.http.basic_auth = Some(BasicAuth { username, password });
    }
    let authorized = sd.http.authorization.is_some() || sd.http.oauth2.is_some();
    if authorized && sd.token != Secret::Inline(String::new()) {
        let message = "at most one of consul SD token, authorization, or oauth2 can be configured";
        return Err(field.error(message));
    }
    Ok(SdConfig::Consul(Box::new(sd)))
}

fn read_role(field: Option<&Field<'_>>, place: &Field<'_>) -> Result<KubernetesRole, ConfigError> {
    let Some(field) = field else {
        let all = "one of: pod, service, endpoints, endpointslice, node or ingress";
        return Err(place.error(format!("role missing ({all})")));
    };
    let text = field.text()?;
    match ROLES.iter().find(|(name, _)| *name == text) {
        Some((_, role)) => Ok(*role),
        None => Err(field.error(format!("unknown Kubernetes SD role {text:?}"))),
    }
}

fn read_kubernetes(field: &Field<'_>, context: &Context<'_>) -> Result<SdConfig, ConfigError> {
    let mut section = field.section()?;
    let role = read_role(section.take_written("role").as_ref(), field)?;
    let api_server = section.text("api_server", "")?.trim_end_matches('/').to_owned();
    let kubeconfig = section.text("kubeconfig_file", "")?;
    let kubeconfig_file = (!kubeconfig.is_empty()).then(|| context.resolve(&kubeconfig));
    if kubeconfig_file.is_some() && !api_server.is_empty() {
        let message = "invalid 'kubernetes_sd_configs' definition: 'api_server' and 'kubeconfig_file' exclude each other";
        return Err(field.error(message));
    }
    let (mut own_namespace, mut namespaces) = (false, Vec::new());
    if let Some(mut section) = section.section("namespaces")? {
        own_namespace = section.flag("own_namespace", false)?;
        namespaces = section.texts("names")?;
        section.finish(&[])?;
    }
    let (mut attach_node, mut attach_namespace) = (false, false);
    if let Some(mut section) = section.section("attach_metadata")? {
        attach_node = section.flag("node", false)?;
        attach_namespace = section.flag("namespace", false)?;
        for (name, field) in ["deployment", "job", "cronjob"].map(|name| (name, section.take(name)))
        {
            if let Some(field) = field
                && field.flag()?
            {
                return Err(field.error(format!("{name}: not supported yet")));
            }
        }
        section.finish(&[])?;
    }
    let mut selectors: Vec<KubernetesSelector> = Vec::new();
    for item in section.items("selectors")? {
        let selector = read_selector(&item, role, attach_node)?;
        if selectors.iter().any(|other| other.role == selector.role) {
            return Err(item.error("duplicated selector role"));
        }
        selectors.push(selector);
    }
    let http = read_http_client(&mut section, EXCLUSIVE, context)?;
    section.finish(&[known::HTTP_CLIENT])?;
    Ok(SdConfig::Kubernetes(Box::new(KubernetesSd {
        role,
        api_server,
        kubeconfig_file,
        own_namespace,
        namespaces,
        selectors,
        attach_node,
        attach_namespace,
        http,
    })))
}

/// Which roles' objects a role looks at.
fn read_selector(
    item: &Field<'_>,
    role: KubernetesRole,
    attach_node: bool,
) -> Result<KubernetesSelector, ConfigError> {
    use KubernetesRole::{EndpointSlice, Endpoints, Node, Pod, Service};
    let mut section = item.section()?;
    let own = read_role(section.take_written("role").as_ref(), item)?;
    let (label, field) = (section.text("label", "")?, section.text("field", "")?);
    section.finish(&[])?;
    let allowed = own == role
        || match role {
            Endpoints => matches!(own, Pod | Service) || (own == Node && attach_node),
            EndpointSlice => matches!(own, Pod | Service) || (own == Node && attach_node),
            Pod => own == Node && attach_node,
            _ => false,
        };
    if !allowed {
        let message = format!("{} role does not support {} selectors", role.name(), own.name());
        return Err(item.error(message));
    }
    Ok(KubernetesSelector { role: own, label, field })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    fn read(text: &str) -> Result<Vec<SdConfig>, String> {
        let text = format!("scrape_configs: [{{job_name: a, {text}}}]");
        let (config, _) =
            parse(&text, Path::new("/c/p.yml"), &|_| None).map_err(|error| error.to_string())?;
        let again = parse(&config.to_yaml(), Path::new("/c/p.yml"), &|_| None);
        assert_eq!(again.map(|(config, _)| config).as_ref(), Ok(&config), "{}", config.to_yaml());
        Ok(config.scrape_configs[0].sd_configs.clone())
    }

    #[test]
    fn every_mechanism_is_read_and_printed_as_it_was() {
        for text in [
            "http_sd_configs: [{url: 'https://x/y', refresh_interval: 5s, authorization: {credentials_file: t}}]",
            "dns_sd_configs: [{names: [a.b]}, {names: [c], type: a, port: 80}]",
            "consul_sd_configs: [{services: [x], tags: [y], node_meta: {r: '1'}, allow_stale: false, datacenter: d}]",
            "kubernetes_sd_configs: [{role: pod, namespaces: {own_namespace: true, names: [x]}, \
             attach_metadata: {node: true}, selectors: [{role: pod, label: a=b}, {role: node, field: c=d}]}]",
            "kubernetes_sd_configs: [{role: node, api_server: 'https://k:6443/'}]",
        ] {
            assert!(!read(text).expect(text).is_empty());
        }
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for (text, wanted) in [
            ("http_sd_configs: [{}]", "URL is missing"),
            ("http_sd_configs: [{url: 'ftp://a'}]", "URL scheme must be"),
            ("http_sd_configs: [{url: 'http://a', x: 1}]", "unknown field"),
            ("dns_sd_configs: [{names: []}]", "at least one"),
            ("dns_sd_configs: [{names: [a], type: A}]", "a port is required"),
            ("dns_sd_configs: [{names: [a], type: TXT}]", "invalid DNS-SD records type TXT"),
            ("consul_sd_configs: [{server: ''}]", "requires a server address"),
            ("consul_sd_configs: [~]", "empty or null section in consul_sd_configs"),
            ("kubernetes_sd_configs: [{}]", "role missing"),
            ("kubernetes_sd_configs: [{role: x}]", "unknown Kubernetes SD role"),
            (
                "kubernetes_sd_configs: [{role: pod, selectors: [{role: node}]}]",
                "pod role does not support node selectors",
            ),
            (
                "kubernetes_sd_configs: [{role: pod, kubeconfig_file: a, api_server: 'http://b'}]",
                "exclude",
            ),
            ("ec2_sd_configs: [{}]", "ec2_sd_configs: not supported yet"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
