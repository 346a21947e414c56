//! What Prometheus knows and this program does not do yet, by section, so that it is refused by its name.

/// Values that ask for nothing, so that they are accepted. Null, an empty list and an empty mapping always are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Harmless {
    /// Nothing else.
    Empty,
    False,
    /// Either value: it has no effect here.
    Flag,
    /// The empty text, or this one.
    Text(&'static str),
}

/// A field's name, and what may be written there.
pub(super) type Known = (&'static str, Harmless);

// spec: CFG-2
pub(super) const TOP: &[Known] =
    &[("scrape_config_files", Harmless::Empty), ("tracing", Harmless::Empty)];

/// What `global` and a scrape configuration have in common.
// spec: CFG §2.2, §2.3
pub(super) const NAMES: &[Known] = &[
    ("extra_scrape_metrics", Harmless::False),
    ("metric_name_escaping_scheme", Harmless::Text("allow-utf-8")),
    ("metric_name_validation_scheme", Harmless::Text("utf8")),
    ("scrape_failure_log_file", Harmless::Text("")),
];

// spec: SD-1
pub(super) const DISCOVERY: &[Known] = &[
    ("aws_sd_configs", Harmless::Empty),
    ("azure_sd_configs", Harmless::Empty),
    ("digitalocean_sd_configs", Harmless::Empty),
    ("docker_sd_configs", Harmless::Empty),
    ("dockerswarm_sd_configs", Harmless::Empty),
    ("ec2_sd_configs", Harmless::Empty),
    ("eureka_sd_configs", Harmless::Empty),
    ("gce_sd_configs", Harmless::Empty),
    ("hetzner_sd_configs", Harmless::Empty),
    ("ionos_sd_configs", Harmless::Empty),
    ("kuma_sd_configs", Harmless::Empty),
    ("lightsail_sd_configs", Harmless::Empty),
    ("linode_sd_configs", Harmless::Empty),
    ("marathon_sd_configs", Harmless::Empty),
    ("nerve_sd_configs", Harmless::Empty),
    ("nomad_sd_configs", Harmless::Empty),
    ("oci_sd_configs", Harmless::Empty),
    ("openstack_sd_configs", Harmless::Empty),
    ("outscale_sd_configs", Harmless::Empty),
    ("ovhcloud_sd_configs", Harmless::Empty),
    ("puppetdb_sd_configs", Harmless::Empty),
    ("scaleway_sd_configs", Harmless::Empty),
    ("serverset_sd_configs", Harmless::Empty),
    ("stackit_sd_configs", Harmless::Empty),
    ("triton_sd_configs", Harmless::Empty),
    ("uyuni_sd_configs", Harmless::Empty),
    ("vultr_sd_configs", Harmless::Empty),
];

// spec: CFG §2.6
pub(super) const REMOTE_WRITE: &[Known] = &[
    // It only adds debug lines about 2.0 requests.
    ("failed_request_logging", Harmless::Flag),
];

// spec: CFG §2.7
pub(super) const HTTP_CLIENT: &[Known] = &[
    // Everything speaks HTTP/1.1; HTTP/2 is never required.
    ("enable_http2", Harmless::Flag),
];
