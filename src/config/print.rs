//! The configuration in force, as YAML.

use core::fmt::Display;
use core::time::Duration;
use std::path::PathBuf;

use crate::base::{format_duration, limits};
use crate::config::otlp::strategy;
use crate::config::print_sd::print_sd;
use crate::config::remote::PATIENCE;
use crate::config::size::format_size;
use crate::config::types::{
    AzureAd, AzureCloud, AzureWay, CloudAuth, Config, Global, Grant, HttpClientConfig, HttpHeader,
    Limits, OAuth2, ProxyConfig, QueueConfig, RemoteWriteConfig, ScrapeConfig, Secret, SigV4Config,
    StartAt, TlsConfig,
};
use crate::config::url::redacted;
use crate::model::{HistogramRules, Labels, NameRules, OtlpRules, Scheme, TargetGroup};
use crate::relabel::{Action, Rule};

const HIDDEN: &str = "<secret>";

impl Config {
    /// The configuration with its defaults filled in; secrets read `<secret>`. Everything but those reads back as an
    /// equal configuration, provided that no external label holds a `$`.
    // spec: CFG-9
    pub fn to_yaml(&self) -> String {
        let mut printer = Printer::default();
        printer.key("global").nested(|p| print_global(&self.global, p));
        if !self.out_of_order_time_window.is_zero() {
            printer.key("storage").nested(|p| {
                p.key("tsdb").nested(|p| {
                    p.duration("out_of_order_time_window", self.out_of_order_time_window);
                });
            });
        }
        if !self.scrape_config_files.is_empty() {
            let files = self.scrape_config_files.iter();
            printer.texts("scrape_config_files", files.map(|file| file.to_string_lossy()));
        }
        let own: Vec<&ScrapeConfig> =
            self.scrape_configs.iter().filter(|job| !job.included).collect();
        printer.list("scrape_configs", &own, |job, p| print_scrape(job, &self.global, p));
        printer.list("remote_write", &self.remote_write, |entry, p| {
            p.text("url", &redacted(&entry.url));
            p.text("name", &entry.name);
            print_remote_rest(entry, p);
        });
        if self.otlp != OtlpRules::default() {
            printer.key("otlp").nested(|p| print_otlp(&self.otlp, p));
        }
        printer.out
    }
}

fn print_otlp(rules: &OtlpRules, p: &mut Printer) {
    if let Some(strategy) = strategy(rules) {
        p.text("translation_strategy", strategy);
    }
    for (key, names) in [
        ("promote_resource_attributes", &rules.promote),
        ("ignore_resource_attributes", &rules.ignore),
    ] {
        if !names.is_empty() {
            p.texts(key, names.iter());
        }
    }
    for (key, flag) in [
        ("promote_all_resource_attributes", rules.promote_all),
        ("keep_identifying_resource_attributes", rules.keep_identifying),
        ("convert_histograms_to_nhcb", rules.custom_buckets),
        ("promote_scope_metadata", rules.promote_scope),
        ("label_name_underscore_sanitization", rules.sanitize_underscores),
        ("label_name_preserve_multiple_underscores", rules.preserve_underscores),
    ] {
        p.plain(key, flag);
    }
}

impl Config {
    /// One job as it stands in [`Config::to_yaml`]; `None` if there is none of that name.
    pub fn job_yaml(&self, name: &str) -> Option<String> {
        let job = self.scrape_configs.iter().find(|job| job.job_name == name)?;
        let mut printer = Printer::default();
        print_scrape(job, &self.global, &mut printer);
        Some(printer.out)
    }
}

/// An entry without a name it was not given: what its derived name is made of.
pub(super) fn print_remote_write(entry: &RemoteWriteConfig) -> String {
    let mut printer = Printer::default();
    printer.text("url", &redacted(&entry.url));
    if entry.named {
        printer.text("name", &entry.name);
    }
    print_remote_rest(entry, &mut printer);
    printer.out
}

fn print_global(global: &Global, p: &mut Printer) {
    p.duration("scrape_interval", global.scrape_interval);
    p.duration("scrape_timeout", global.scrape_timeout);
    if let Some(protocols) = &global.scrape_protocols {
        p.texts("scrape_protocols", protocols.iter());
    }
    print_histograms(global.histograms, HistogramRules::default(), p);
    print_names(global.names, NameRules::default(), p);
    print_own_series(
        global.extra_scrape_metrics,
        &global.scrape_failure_log_file,
        &Global::default(),
        p,
    );
    p.duration("evaluation_interval", global.evaluation_interval);
    p.labels("external_labels", &global.external_labels);
    print_limits(&global.limits, p);
}

fn print_limits(limits: &Limits, p: &mut Printer) {
    if limits.body_size_limit > 0 {
        p.text("body_size_limit", &format_size(limits.body_size_limit));
    }
    for (name, value) in [
        ("sample_limit", limits.sample_limit),
        ("target_limit", limits.target_limit),
        ("label_limit", limits.label_limit),
        ("label_name_length_limit", limits.label_name_length_limit),
        ("label_value_length_limit", limits.label_value_length_limit),
        ("keep_dropped_targets", limits.keep_dropped_targets),
    ] {
        if value > 0 {
            p.plain(name, value);
        }
    }
}

fn print_scrape(job: &ScrapeConfig, global: &Global, p: &mut Printer) {
    p.text("job_name", &job.job_name);
    p.plain("honor_labels", job.honor_labels);
    p.plain("honor_timestamps", job.honor_timestamps);
    p.plain("track_timestamps_staleness", job.track_timestamps_staleness);
    if !job.params.is_empty() {
        p.key("params").nested(|p| {
            job.params.iter().for_each(|(name, values)| p.texts(name, values.iter()));
        });
    }
    p.duration("scrape_interval", job.scrape_interval);
    p.duration("scrape_timeout", job.scrape_timeout);
    p.texts("scrape_protocols", job.scrape_protocols.iter());
    if let Some(fallback) = &job.fallback_scrape_protocol {
        p.text("fallback_scrape_protocol", fallback);
    }
    p.text("metrics_path", &job.metrics_path);
    p.plain("scheme", if job.scheme == Scheme::Https { "https" } else { "http" });
    p.plain("enable_compression", job.enable_compression);
    print_histograms(job.histograms, global.histograms, p);
    print_names(job.names, global.names, p);
    print_own_series(job.extra_scrape_metrics, &job.scrape_failure_log_file, global, p);
    if job.native_histogram_bucket_limit > 0 {
        p.plain("native_histogram_bucket_limit", job.native_histogram_bucket_limit);
    }
    if job.native_histogram_min_bucket_factor > 0.0 {
        p.plain("native_histogram_min_bucket_factor", job.native_histogram_min_bucket_factor);
    }
    let limits = Limits {
        body_size_limit: job.body_size_limit,
        sample_limit: job.sample_limit,
        target_limit: job.target_limit,
        label_limit: job.label_limit,
        label_name_length_limit: job.label_name_length_limit,
        label_value_length_limit: job.label_value_length_limit,
        keep_dropped_targets: job.keep_dropped_targets,
    };
    print_limits(&limits, p);
    print_http(&job.http, p);
    p.list("relabel_configs", &job.relabel_configs, print_rule);
    p.list("metric_relabel_configs", &job.metric_relabel_configs, print_rule);
    p.list("file_sd_configs", &job.file_sd_configs, |entry, p| {
        p.texts("files", entry.files.iter().map(|file| file.to_string_lossy()));
        p.duration("refresh_interval", entry.refresh_interval);
    });
    print_sd(job, p);
    p.list("static_configs", &job.static_configs, print_group);
    // Only what is not as usual, so that what others read has nothing that they do not know.
    if job.target_series_limit > 0 || job.job_series_limit > 0 {
        p.key("corelane").nested(|p| {
            for (name, limit) in [
                ("target_series_limit", job.target_series_limit),
                ("job_series_limit", job.job_series_limit),
            ] {
                if limit > 0 {
                    p.plain(name, limit);
                }
            }
        });
    }
}

/// What differs from what would be inherited.
fn print_histograms(rules: HistogramRules, inherited: HistogramRules, p: &mut Printer) {
    for (name, value, inherited) in [
        ("scrape_native_histograms", rules.native, inherited.native),
        ("always_scrape_classic_histograms", rules.classic, inherited.classic),
        ("convert_classic_histograms_to_nhcb", rules.convert, inherited.convert),
    ] {
        if value != inherited {
            p.plain(name, value);
        }
    }
}

/// Both if one of them is not as inherited.
fn print_names(names: NameRules, inherited: NameRules, p: &mut Printer) {
    if names != inherited {
        p.text("metric_name_validation_scheme", names.validation.name());
        p.text("metric_name_escaping_scheme", names.escaping.name());
    }
}

/// What is told of scrapes, where it differs from what would be inherited.
fn print_own_series(extra: bool, log: &Option<PathBuf>, inherited: &Global, p: &mut Printer) {
    if extra != inherited.extra_scrape_metrics {
        p.plain("extra_scrape_metrics", extra);
    }
    if let Some(file) = log
        && *log != inherited.scrape_failure_log_file
    {
        p.text("scrape_failure_log_file", &file.to_string_lossy());
    }
}

fn print_group(group: &TargetGroup, p: &mut Printer) {
    p.texts("targets", group.targets.iter().map(|target| target.get("__address__")));
    p.labels("labels", &group.labels);
}

fn print_rule(rule: &Rule, p: &mut Printer) {
    let source = rule.source();
    if !source.source_labels.is_empty() {
        p.texts("source_labels", source.source_labels.iter());
    }
    p.text("separator", &source.separator);
    p.text("regex", &source.regex);
    if source.action == Action::HashMod {
        p.plain("modulus", source.modulus);
    }
    if !source.target_label.is_empty() {
        p.text("target_label", &source.target_label);
    }
    p.text("replacement", &source.replacement);
    p.plain("action", source.action.name());
}

fn print_remote_rest(entry: &RemoteWriteConfig, p: &mut Printer) {
    p.duration("remote_timeout", entry.remote_timeout);
    if !entry.headers.is_empty() {
        p.key("headers").nested(|p| {
            entry.headers.iter().for_each(|(name, value)| p.text(name, value));
        });
    }
    p.list("write_relabel_configs", &entry.write_relabel_configs, print_rule);
    p.text("protobuf_message", entry.message.name());
    if entry.send_exemplars {
        p.plain("send_exemplars", true);
    }
    if entry.send_native_histograms {
        p.plain("send_native_histograms", true);
    }
    print_http(&entry.http, p);
    if let Some(cloud) = &entry.cloud {
        print_cloud(cloud, p);
    }
    if entry.round_robin_dns {
        p.plain("round_robin_dns", true);
    }
    p.key("queue_config").nested(|p| print_queue(&entry.queue, p));
    p.key("metadata_config").nested(|p| {
        p.plain("send", entry.metadata.send);
        p.duration("send_interval", entry.metadata.send_interval);
        p.plain("max_samples_per_send", entry.metadata.max_samples_per_send);
    });
    print_ours(entry, p);
}

/// Only what is not as usual, so that what others read has nothing that they do not know.
fn print_ours(entry: &RemoteWriteConfig, p: &mut Printer) {
    let (policy, oldest) = (&entry.status_policy.0, entry.start_at == StartAt::Oldest);
    let patience = entry.patience;
    let bytes = [
        ("max_bytes_per_send", entry.max_bytes_per_send, limits::REQUEST_BYTES),
        (
            "max_compressed_bytes_per_send",
            entry.max_compressed_bytes_per_send,
            limits::REQUEST_BLOCK_BYTES,
        ),
    ];
    let sizes: Vec<_> = bytes.iter().filter(|(_, bytes, usual)| *bytes != *usual as u64).collect();
    if policy.is_empty()
        && !oldest
        && patience == PATIENCE
        && sizes.is_empty()
        && !entry.out_of_order_ok
    {
        return;
    }
    p.key("corelane").nested(|p| {
        if !policy.is_empty() {
            p.key("status_policy").nested(|p| {
                policy
                    .iter()
                    .for_each(|(status, action)| p.plain(&status.to_string(), action.name()));
            });
        }
        if oldest {
            p.plain("start_at", "oldest");
        }
        if patience != PATIENCE {
            p.duration("patience", patience);
        }
        if entry.out_of_order_ok {
            p.plain("out_of_order_ok", true);
        }
        if entry.backfill_samples_per_second > 0 {
            p.plain("backfill_samples_per_second", entry.backfill_samples_per_second);
        }
        sizes.iter().for_each(|(name, bytes, _)| p.text(name, &format_size(*bytes)));
    });
}

/// What is not written has no fixed value here, so it is not printed.
fn print_queue(queue: &QueueConfig, p: &mut Printer) {
    p.plain("capacity", queue.capacity);
    p.plain("max_shards", queue.max_shards);
    p.plain("min_shards", queue.min_shards);
    if let Some(samples) = queue.max_samples_per_send {
        p.plain("max_samples_per_send", samples);
    }
    if let Some(deadline) = queue.batch_send_deadline {
        p.duration("batch_send_deadline", deadline);
    }
    p.duration("min_backoff", queue.min_backoff);
    p.duration("max_backoff", queue.max_backoff);
    if let Some(retry) = queue.retry_on_http_429 {
        p.plain("retry_on_http_429", retry);
    }
    p.duration("sample_age_limit", queue.sample_age_limit);
}

pub(super) fn print_http(http: &HttpClientConfig, p: &mut Printer) {
    let nothing = Secret::Inline(String::new());
    match &http.basic_auth {
        None => {}
        Some(basic) if basic.username == nothing && basic.password == nothing => {
            p.plain("basic_auth", "{}");
        }
        Some(basic) => p.key("basic_auth").nested(|p| {
            p.secret("username", &basic.username, true);
            p.secret("password", &basic.password, false);
        }),
    }
    if let Some(authorization) = &http.authorization {
        p.key("authorization").nested(|p| {
            p.text("type", &authorization.kind);
            p.secret("credentials", &authorization.credentials, false);
        });
    }
    if let Some(oauth2) = &http.oauth2 {
        p.key("oauth2").nested(|p| print_oauth2(oauth2, p));
    }
    if http.tls != TlsConfig::default() {
        p.key("tls_config").nested(|p| print_tls(&http.tls, p));
    }
    print_proxy(&http.proxy, p);
    if !http.http_headers.is_empty() {
        p.key("http_headers").nested(|p| {
            http.http_headers.iter().for_each(|header| print_header(header, p));
        });
    }
    p.plain("follow_redirects", http.follow_redirects);
}

fn print_cloud(cloud: &CloudAuth, p: &mut Printer) {
    match cloud {
        CloudAuth::SigV4(aws) if *aws == SigV4Config::default() => p.plain("sigv4", "{}"),
        CloudAuth::SigV4(aws) => p.key("sigv4").nested(|p| {
            for (name, value) in [
                ("region", &aws.region),
                ("access_key", &aws.access_key),
                ("profile", &aws.profile),
                ("role_arn", &aws.role_arn),
                ("external_id", &aws.external_id),
            ] {
                if !value.is_empty() {
                    p.text(name, value);
                }
            }
            p.secret("secret_key", &aws.secret_key, false);
            if aws.use_fips_sts_endpoint {
                p.plain("use_fips_sts_endpoint", true);
            }
        }),
        CloudAuth::GoogleIam(None) => p.plain("google_iam", "{}"),
        CloudAuth::GoogleIam(Some(file)) => p.key("google_iam").nested(|p| {
            p.text("credentials_file", &file.to_string_lossy());
        }),
        CloudAuth::AzureAd(azure) => p.key("azuread").nested(|p| print_azure(azure, p)),
    }
}

fn print_azure(azure: &AzureAd, p: &mut Printer) {
    let cloud = match azure.cloud {
        AzureCloud::China => "AzureChina",
        AzureCloud::Government => "AzureGovernment",
        AzureCloud::Public => "AzurePublic",
    };
    p.text("cloud", cloud);
    match &azure.way {
        AzureWay::ManagedIdentity { client_id } if client_id.is_empty() => {
            p.plain("managed_identity", "{}");
        }
        AzureWay::ManagedIdentity { client_id } => {
            p.key("managed_identity").nested(|p| p.text("client_id", client_id));
        }
        AzureWay::OAuth { client_id, client_secret, tenant_id } => p.key("oauth").nested(|p| {
            p.text("client_id", client_id);
            p.secret("client_secret", client_secret, false);
            p.text("tenant_id", tenant_id);
        }),
        AzureWay::WorkloadIdentity { client_id, tenant_id, token_file } => {
            p.key("workload_identity").nested(|p| {
                p.text("client_id", client_id);
                p.text("tenant_id", tenant_id);
                p.text("token_file_path", &token_file.to_string_lossy());
            });
        }
    }
    if !azure.scope.is_empty() {
        p.text("scope", &azure.scope);
    }
}

fn print_header(header: &HttpHeader, p: &mut Printer) {
    p.key(&header.name).nested(|p| {
        let mut hidden = Vec::new();
        let mut files = Vec::new();
        for secret in &header.secrets {
            match secret {
                Secret::Inline(_) => hidden.push(HIDDEN),
                Secret::File(path) => files.push(path.to_string_lossy()),
            }
        }
        p.texts("values", header.values.iter());
        if !hidden.is_empty() {
            p.texts("secrets", hidden.iter());
        }
        if !files.is_empty() {
            p.texts("files", files.iter());
        }
    });
}

fn print_oauth2(oauth2: &OAuth2, p: &mut Printer) {
    p.text("client_id", &oauth2.client_id);
    p.secret("client_secret", &oauth2.client_secret, false);
    if let Some(key) = &oauth2.certificate_key {
        p.secret("client_certificate_key", key, false);
    }
    for (name, value) in [
        ("client_certificate_key_id", &oauth2.certificate_key_id),
        ("iss", &oauth2.iss),
        ("audience", &oauth2.audience),
    ] {
        if !value.is_empty() {
            p.text(name, value);
        }
    }
    p.text("grant_type", oauth2.grant.name());
    if oauth2.grant == Grant::JwtBearer {
        p.text("signature_algorithm", oauth2.signature.name());
    }
    if !oauth2.claims.is_empty() {
        // JSON is YAML.
        p.key("claims").nested(|p| {
            oauth2.claims.iter().for_each(|(name, value)| p.plain(name, value));
        });
    }
    if !oauth2.scopes.is_empty() {
        p.texts("scopes", oauth2.scopes.iter());
    }
    p.text("token_url", &redacted(&oauth2.token_url));
    if !oauth2.endpoint_params.is_empty() {
        p.key("endpoint_params").nested(|p| {
            oauth2.endpoint_params.iter().for_each(|(name, value)| p.text(name, value));
        });
    }
    if oauth2.tls != TlsConfig::default() {
        p.key("tls_config").nested(|p| print_tls(&oauth2.tls, p));
    }
    print_proxy(&oauth2.proxy, p);
}

fn print_proxy(proxy: &ProxyConfig, p: &mut Printer) {
    if let Secret::Inline(url) = &proxy.url
        && !url.is_empty()
    {
        p.text("proxy_url", &redacted(url));
    }
    if !proxy.no_proxy.is_empty() {
        p.text("no_proxy", &proxy.no_proxy);
    }
    if proxy.from_environment {
        p.plain("proxy_from_environment", true);
    }
    if !proxy.connect_headers.is_empty() {
        p.key("proxy_connect_header").nested(|p| {
            for (name, values) in &proxy.connect_headers {
                p.texts(name, values.iter().map(|_| HIDDEN));
            }
        });
    }
}

fn print_tls(tls: &TlsConfig, p: &mut Printer) {
    for (name, secret) in [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key)] {
        if let Some(secret) = secret {
            p.secret(name, secret, name != "key");
        }
    }
    if !tls.server_name.is_empty() {
        p.text("server_name", &tls.server_name);
    }
    p.plain("insecure_skip_verify", tls.insecure_skip_verify);
    for (name, version) in [("min_version", tls.min_version), ("max_version", tls.max_version)] {
        if let Some(version) = version {
            p.plain(name, version.name());
        }
    }
}

/// Lines of block-style YAML.
#[derive(Default)]
pub(super) struct Printer {
    out: String,
    depth: usize,
    /// The next line begins a list's item.
    item: bool,
}

impl Printer {
    pub(super) fn begin(&mut self) {
        let dashed = core::mem::take(&mut self.item);
        let depth = self.depth - usize::from(dashed);
        self.out.push_str(&"  ".repeat(depth));
        if dashed {
            self.out.push_str("- ");
        }
    }

    pub(super) fn key(&mut self, name: &str) -> &mut Printer {
        self.begin();
        self.out.push_str(&format!("{}:\n", scalar(name)));
        self
    }

    pub(super) fn nested(&mut self, print: impl FnOnce(&mut Printer)) {
        self.depth += 1;
        print(self);
        self.depth -= 1;
    }

    pub(super) fn plain(&mut self, name: &str, value: impl Display) {
        self.begin();
        self.out.push_str(&format!("{}: {value}\n", scalar(name)));
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.plain(name, scalar(value));
    }

    pub(super) fn duration(&mut self, name: &str, value: Duration) {
        self.plain(name, format_duration(value));
    }

    /// Text that needs no hiding is shown where `open`.
    pub(super) fn secret(&mut self, name: &str, secret: &Secret, open: bool) {
        match secret {
            Secret::Inline(text) if text.is_empty() => {}
            Secret::Inline(text) if open => self.text(name, text),
            Secret::Inline(_) => self.plain(name, HIDDEN),
            Secret::File(path) => self.text(&format!("{name}_file"), &path.to_string_lossy()),
        }
    }

    pub(super) fn texts(
        &mut self,
        name: &str,
        values: impl ExactSizeIterator<Item = impl AsRef<str>>,
    ) {
        if values.len() == 0 {
            return self.plain(name, "[]");
        }
        self.key(name);
        for value in values {
            self.out.push_str(&format!(
                "{}- {}\n",
                "  ".repeat(self.depth),
                scalar(value.as_ref())
            ));
        }
    }

    pub(super) fn labels(&mut self, name: &str, labels: &Labels) {
        if !labels.is_empty() {
            self.key(name).nested(|p| labels.iter().for_each(|(name, value)| p.text(name, value)));
        }
    }

    pub(super) fn list<T>(&mut self, name: &str, items: &[T], print: impl Fn(&T, &mut Printer)) {
        if items.is_empty() {
            return;
        }
        self.key(name).nested(|p| {
            for item in items {
                p.item = true;
                print(item, p);
            }
        });
    }
}

/// Plain where nothing can be misread, else in double quotes.
fn scalar(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_/.-".contains(c);
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || "_/".contains(c));
    let special = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    if text == HIDDEN
        || (word && text.chars().all(safe) && !special.contains(&text.to_lowercase().as_str()))
    {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || c == '\u{feff}' || ('\u{2028}'..='\u{2029}').contains(&c) => {
                out.push_str(&format!("\\U{:08x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
