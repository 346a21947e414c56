//! Entries of discovery, as YAML.

use crate::config::discovery::{ConsulSd, DnsSd, KubernetesSd, SdConfig};
use crate::config::print::{Printer, print_http};
use crate::config::types::{ScrapeConfig, Secret};

/// A list for each mechanism that has entries.
pub(super) fn print_sd(job: &ScrapeConfig, p: &mut Printer) {
    let entries = |name: &str, p: &mut Printer, kind: fn(&SdConfig) -> bool| {
        let found: Vec<&SdConfig> = job.sd_configs.iter().filter(|sd| kind(sd)).collect();
        p.list(name, &found, |sd, p| print_one(sd, p));
    };
    entries("consul_sd_configs", p, |sd| matches!(sd, SdConfig::Consul(_)));
    entries("dns_sd_configs", p, |sd| matches!(sd, SdConfig::Dns(_)));
    entries("http_sd_configs", p, |sd| matches!(sd, SdConfig::Http(_)));
    entries("kubernetes_sd_configs", p, |sd| matches!(sd, SdConfig::Kubernetes(_)));
}

fn print_one(sd: &SdConfig, p: &mut Printer) {
    match sd {
        SdConfig::Consul(sd) => print_consul(sd, p),
        SdConfig::Dns(sd) => print_dns(sd, p),
        SdConfig::Http(sd) => {
            p.text("url", &sd.url);
            p.duration("refresh_interval", sd.refresh_interval);
            print_http(&sd.http, p);
        }
        SdConfig::Kubernetes(sd) => print_kubernetes(sd, p),
    }
}

fn print_dns(sd: &DnsSd, p: &mut Printer) {
    p.texts("names", sd.names.iter());
    p.duration("refresh_interval", sd.refresh_interval);
    p.text("type", sd.kind.name());
    if sd.port > 0 {
        p.plain("port", sd.port);
    }
}

fn print_consul(sd: &ConsulSd, p: &mut Printer) {
    for (name, value) in [
        ("server", &sd.server),
        ("path_prefix", &sd.path_prefix),
        ("datacenter", &sd.datacenter),
        ("namespace", &sd.namespace),
        ("partition", &sd.partition),
        ("scheme", &sd.scheme),
        ("filter", &sd.filter),
    ] {
        if !value.is_empty() {
            p.text(name, value);
        }
    }
    p.text("tag_separator", &sd.tag_separator);
    if sd.token != Secret::Inline(String::new()) {
        p.secret("token", &sd.token, false);
    }
    if !sd.services.is_empty() {
        p.texts("services", sd.services.iter());
    }
    if !sd.tags.is_empty() {
        p.texts("tags", sd.tags.iter());
    }
    if !sd.node_meta.is_empty() {
        p.key("node_meta").nested(|p| {
            sd.node_meta.iter().for_each(|(name, value)| p.text(name, value));
        });
    }
    p.plain("allow_stale", sd.allow_stale);
    p.duration("refresh_interval", sd.refresh_interval);
    print_http(&sd.http, p);
}

fn print_kubernetes(sd: &KubernetesSd, p: &mut Printer) {
    p.text("role", sd.role.name());
    if !sd.api_server.is_empty() {
        p.text("api_server", &sd.api_server);
    }
    if let Some(file) = &sd.kubeconfig_file {
        p.text("kubeconfig_file", &file.to_string_lossy());
    }
    if sd.own_namespace || !sd.namespaces.is_empty() {
        p.key("namespaces").nested(|p| {
            p.plain("own_namespace", sd.own_namespace);
            p.texts("names", sd.namespaces.iter());
        });
    }
    if sd.attach_node || sd.attach_namespace {
        p.key("attach_metadata").nested(|p| {
            p.plain("node", sd.attach_node);
            p.plain("namespace", sd.attach_namespace);
        });
    }
    p.list("selectors", &sd.selectors, |selector, p| {
        p.text("role", selector.role.name());
        if !selector.label.is_empty() {
            p.text("label", &selector.label);
        }
        if !selector.field.is_empty() {
            p.text("field", &selector.field);
        }
    });
    print_http(&sd.http, p);
}
