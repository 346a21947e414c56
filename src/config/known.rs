//! What Prometheus knows and this program does not do yet, by section, so that it is refused by its name.

/// Values that ask for nothing, so that they are accepted. Null, an empty list and an empty mapping always are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Harmless {
    /// Nothing else.
    Empty,
    /// Either value: it has no effect here.
    Flag,
}

/// A field's name, and what may be written there.
pub(super) type Known = (&'static str, Harmless);

// spec: CFG-2
pub(super) const TOP: &[Known] = &[("tracing", Harmless::Empty)];

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
