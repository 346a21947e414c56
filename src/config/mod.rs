//! The configuration file: what is written, what it means, what is scraped because of it.
//!
//! Strict: every field is either obeyed, or known to have no effect here, or refused by name with its file, line and
//! path. Nothing is skipped. Pure: text in, values out; no file is opened and no variable read except through an
//! argument.
//!
//! May use: base, model, relabel.

mod cloud;
mod discovery;
mod error;
mod expand;
mod file_sd;
mod global;
mod http_client;
mod kubeconfig;
mod known;
mod names;
mod oauth2;
mod otlp;
mod parse;
mod print;
mod print_sd;
mod proxy;
mod reader;
mod remote;
mod rules;
mod scrape;
mod size;
mod survey;
mod target;
mod types;
mod url;
mod web;
mod yaml;

pub use discovery::{
    ConsulSd, DnsKind, DnsSd, HttpSd, KubernetesRole, KubernetesSd, KubernetesSelector, SdConfig,
};
pub use error::{ConfigError, Warning};
pub use file_sd::parse_file_sd;
pub use kubeconfig::{Kubeconfig, parse_kubeconfig};
pub use parse::{include, parse};
pub use survey::{Fate, Surveyed, survey};
pub use target::{BuiltTargets, build_targets};
pub use types::{
    Authorization, AzureAd, AzureCloud, AzureWay, BasicAuth, CloudAuth, Config, FileSdConfig,
    Global, Grant, HttpClientConfig, HttpHeader, Limits, OAuth2, ProxyConfig, QueueConfig,
    RemoteWriteConfig, ScrapeConfig, Secret, SigV4Config, Signature, StartAt, TlsConfig,
    TlsVersion,
};
pub use web::{ClientAuth, WebConfig, WebTls, parse_web};
