//! From a configuration to what shards are told: secrets read, headers made, TLS settings numbered.

use core::num::NonZeroU64;
use core::time::Duration;

use crate::auth::{self, SigV4};
use crate::base::{limits, stable_hash};
use crate::client::{
    Credential, ReadFile, Source, authorization, http_headers, proxies, tls_settings,
};
use crate::config::{
    CloudAuth, Config, HttpClientConfig, RemoteWriteConfig, ScrapeConfig, StartAt, TlsConfig,
};
use crate::coordinator::credentials::Held;
use crate::exposition::{Protocol, accept_header};
use crate::flags::Flags;
use crate::http::Url;
use crate::mail::{Assignment, EndpointPlan, Job, TlsPlan, Transport};
use crate::model::{Validation, pack};
use crate::tls;
use crate::wire::headers as wire;

/// What cannot be helped by going on: the configuration is refused.
pub type ApplyError = String;

/// A retry without any pause would be a storm, whatever is configured.
const BACKOFF_LEAST: Duration = Duration::from_millis(1);
/// Where what is new goes first, the longest wait between two attempts.
const FRESH_BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Product and version, as requests carry them.
pub const USER_AGENT: &str = concat!("Corelane/", env!("CARGO_PKG_VERSION"));

/// What a configuration comes to.
#[derive(Debug, Default)]
pub struct Made {
    pub assignment: Assignment,
    /// Secrets that could not be read: their jobs fail, their endpoints wait.
    pub complaints: Vec<String>,
    /// Whom to ask for credentials.
    pub sources: Vec<Source>,
}

/// Makes the assignment of one generation, with the credentials that are held.
pub fn assignment(
    config: &Config,
    generation: u64,
    shards: u16,
    read: ReadFile<'_>,
    system_roots: &[Vec<u8>],
    held: &Held,
) -> Result<Made, ApplyError> {
    let mut all = Made::default();
    let mut made = Assignment {
        generation,
        out_of_order_window: config.out_of_order_time_window,
        ..Assignment::default()
    };
    pack(config.global.external_labels.iter(), &mut made.external_labels);
    for scrape in &config.scrape_configs {
        let named = |error: String| format!("job {:?}: {error}", scrape.job_name);
        let tls = tls_key(&mut made.tls, &scrape.http.tls, read, system_roots).map_err(named)?;
        let mut made_job = job(scrape, tls);
        made_job.transport =
            transport(&scrape.http, None, read, held, &mut all.sources).map_err(named)?;
        let withheld = made_job.transport.withheld.iter();
        all.complaints.extend(withheld.cloned().map(named));
        made.jobs.push(made_job);
    }
    for remote in &config.remote_write {
        let named = |error: String| format!("remote_write {:?}: {error}", remote.name);
        let tls = tls_key(&mut made.tls, &remote.http.tls, read, system_roots).map_err(named)?;
        let mut plan = endpoint(remote, tls, shards)?;
        let cloud = remote.cloud.as_ref();
        let own = transport(&remote.http, cloud, read, held, &mut all.sources).map_err(named)?;
        // What the URL says counts only where nothing else does.
        let authorized = own.signer.is_some() || own.private.iter().any(|(name, _)| name == AUTH);
        let of_url = core::mem::take(&mut plan.transport.private);
        plan.transport = Transport { spread: remote.round_robin_dns, ..own };
        if !authorized {
            plan.transport.private.extend(of_url);
        }
        all.complaints.extend(plan.transport.withheld.iter().cloned().map(named));
        tell_apart(&mut plan, &made.endpoints)?;
        made.endpoints.push(plan);
    }
    if made.tls.iter().any(|plan| plan.settings.ca_pem.is_none()) {
        made.system_roots = system_roots.to_vec();
    }
    all.assignment = made;
    Ok(all)
}

const AUTH: &str = "Authorization";

/// Who we are to whom, and through whom we go there. A source of credentials is added to `sources`.
fn transport(
    http: &HttpClientConfig,
    cloud: Option<&CloudAuth>,
    read: ReadFile<'_>,
    held: &Held,
    sources: &mut Vec<Source>,
) -> Result<Transport, ApplyError> {
    let variable = |name: &str| std::env::var(name).ok();
    let mut made = Transport {
        proxies: proxies(&http.proxy, &variable, read)?,
        follow_redirects: http.follow_redirects,
        ..Transport::default()
    };
    let credentials = authorization(http, read).and_then(|own| {
        made.private.extend(own);
        made.private.extend(http_headers(&http.http_headers, read)?);
        let oauth2 = http.oauth2.as_ref().map(|oauth2| Source::of_oauth2(oauth2, read));
        let cloud = cloud.map(|cloud| Source::of_cloud(cloud, read));
        let Some(source) = oauth2.or(cloud).transpose()? else {
            return Ok(None);
        };
        if let Some(credential) = source.at_once() {
            return Ok(Some(credential));
        }
        let key = source.key();
        if !sources.iter().any(|other| other.key() == key) {
            sources.push(source);
        }
        let none = || Err("no credentials have been had yet".to_owned());
        held.get(&key).cloned().unwrap_or_else(none).map(Some)
    });
    match credentials {
        Ok(None) => {}
        Ok(Some(Credential::Header(value))) => made.private.push((AUTH.to_owned(), value)),
        Ok(Some(Credential::Aws(key))) => {
            made.signer = Some(SigV4 {
                access_key: key.access_key,
                secret_key: key.secret_key,
                session_token: key.session_token,
                region: key.region,
                service: "aps".to_owned(),
            });
        }
        Err(why) => made.withheld = Some(why),
    }
    Ok(made)
}

/// What `--enable-feature` asks of scrapes.
pub fn set_features(flags: &Flags, made: &mut Assignment) {
    for job in &mut made.jobs {
        job.inject_zeros = flags.feature("created-timestamp-zero-ingestion");
        job.keep_starts = flags.feature("st-storage");
        job.type_and_unit = flags.feature("type-and-unit-labels");
        job.extra_report |= flags.feature("extra-scrape-metrics");
        job.at_once = flags.scrape_at_once;
    }
}

fn job(config: &ScrapeConfig, tls: u32) -> Job {
    let protocols: Vec<Protocol> =
        config.scrape_protocols.iter().filter_map(|name| Protocol::from_name(name)).collect();
    let encoding = if config.enable_compression { "gzip" } else { "identity" };
    // spec: SCR-11, SCR-13
    let headers = [
        ("User-Agent", USER_AGENT.to_owned()),
        ("Accept", accept_header(&protocols, config.names.escaping)),
        ("Accept-Encoding", encoding.to_owned()),
    ];
    Job {
        name: config.job_name.clone(),
        honor_labels: config.honor_labels,
        honor_timestamps: config.honor_timestamps,
        track_timestamps_staleness: config.track_timestamps_staleness,
        body_size_limit: config.body_size_limit,
        sample_limit: config.sample_limit,
        label_limit: config.label_limit,
        label_name_length_limit: config.label_name_length_limit,
        label_value_length_limit: config.label_value_length_limit,
        bucket_limit: config.native_histogram_bucket_limit,
        min_bucket_factor: config.native_histogram_min_bucket_factor,
        target_series_limit: config.target_series_limit,
        job_series_limit: (config.job_series_limit > 0).then_some(config.job_series_limit),
        legacy_names: config.names.validation == Validation::Legacy,
        extra_report: config.extra_scrape_metrics,
        tells_failures: config.scrape_failure_log_file.is_some(),
        forced_error: None,
        metric_relabel: config.metric_relabel_configs.clone(),
        headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        fallback_protocol: config.fallback_scrape_protocol.clone(),
        transport: Transport::default(),
        inject_zeros: false,
        keep_starts: false,
        type_and_unit: false,
        at_once: false,
        tls,
    }
}

// spec: RW-25; remote-write 1.0 and 2.0, required headers: Content-Encoding and User-Agent
fn endpoint(config: &RemoteWriteConfig, tls: u32, shards: u16) -> Result<EndpointPlan, ApplyError> {
    let url = Url::parse(&config.url)
        .map_err(|error| format!("remote_write {:?}: url: {error}", config.name))?;
    let mut headers = vec![
        ("Content-Encoding".to_owned(), wire::CONTENT_ENCODING.to_owned()),
        ("User-Agent".to_owned(), USER_AGENT.to_owned()),
    ];
    headers.extend(config.headers.iter().cloned());
    let of_url = url.userinfo.iter();
    let of_url = of_url.map(|(user, password)| (AUTH.to_owned(), auth::basic(user, password)));
    let transport = Transport { private: of_url.collect(), ..Transport::default() };
    let queue = &config.queue;
    // At least one on each core, so there may be more than `max_shards` where there are more cores.
    let connections = |all: u32| (all as usize).clamp(1, limits::CONNECTIONS);
    let connections_max = connections(queue.max_shards / u32::from(shards));
    let connections_min = connections(queue.min_shards.div_ceil(u32::from(shards)));
    // What is new should not be late after an outage.
    let backoff_max = match config.out_of_order_ok {
        true => queue.max_backoff.min(FRESH_BACKOFF_MAX),
        false => queue.max_backoff,
    };
    let samples = queue.max_samples_per_send.unwrap_or(limits::REQUEST_SAMPLES as u64).max(1);
    Ok(EndpointPlan {
        name: config.name.clone(),
        identity: if config.named { config.name.clone() } else { config.url.clone() },
        formerly: config.named.then(|| config.url.clone()),
        url,
        headers,
        transport,
        tls,
        relabel: config.write_relabel_configs.clone(),
        connections_min: connections_min.min(connections_max),
        connections_max,
        samples_max: samples.min(1 << 24) as usize,
        bytes_max: config.max_bytes_per_send as usize,
        block_max: config.max_compressed_bytes_per_send as usize,
        batch_deadline: queue.batch_send_deadline.unwrap_or_default(),
        timeout: config.remote_timeout,
        backoff_min: queue.min_backoff.max(BACKOFF_LEAST),
        backoff_max: backoff_max.max(BACKOFF_LEAST),
        out_of_order_ok: config.out_of_order_ok,
        backfill_rate: NonZeroU64::new(config.backfill_samples_per_second.div_ceil(shards.into())),
        retry_429: queue.retry_on_http_429.unwrap_or(true),
        status_policy: config.status_policy.clone(),
        sample_age_limit: queue.sample_age_limit,
        message: config.message,
        send_native_histograms: config.send_native_histograms,
        send_exemplars: config.send_exemplars,
        metadata_interval: config.metadata.send.then_some(config.metadata.send_interval),
        metadata_max: config.metadata.max_samples_per_send.min(1 << 20) as usize,
        from_oldest: config.start_at == StartAt::Oldest,
        patience: config.patience,
    })
}

/// Entries may share a URL if something else tells them apart. Their cursors go by the URL and their order then, so that
/// changing one of them resets none.
fn tell_apart(plan: &mut EndpointPlan, others: &[EndpointPlan]) -> Result<(), ApplyError> {
    if others.iter().any(|other| other.name == plan.name) {
        return Err(format!(
            "duplicate remote write configs are not allowed, found duplicate for URL: {}",
            plan.url
        ));
    }
    let first = plan.identity.clone();
    let mut number = 1;
    while others.iter().any(|other| other.identity == plan.identity) {
        number += 1;
        plan.identity = format!("{first}#{number}");
    }
    Ok(())
}

/// Settings keep their key whatever comes and goes beside them.
fn settings_hash(settings: &tls::Settings, server_name: &str) -> u32 {
    let mut bytes = Vec::new();
    for part in [&settings.ca_pem, &settings.cert_pem, &settings.key_pem] {
        let part = part.as_deref().unwrap_or_default();
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    let rest = (settings.insecure_skip_verify, settings.min_version, settings.max_version);
    bytes.extend_from_slice(format!("{rest:?}{server_name}").as_bytes());
    stable_hash(&bytes) as u32
}

/// The key of these settings among `plans`; equal settings have one key. Tries them, so that what is wrong is said
/// where the configuration can still be refused.
fn tls_key(
    plans: &mut Vec<TlsPlan>,
    config: &TlsConfig,
    read: ReadFile<'_>,
    system_roots: &[Vec<u8>],
) -> Result<u32, String> {
    let settings = tls_settings(config, read)?;
    let same =
        |plan: &&TlsPlan| plan.settings == settings && plan.server_name == config.server_name;
    if let Some(plan) = plans.iter().find(same) {
        return Ok(plan.key);
    }
    tls::client_config(&settings, system_roots).map_err(|error| format!("tls_config: {error}"))?;
    let mut key = settings_hash(&settings, &config.server_name);
    while plans.iter().any(|plan| plan.key == key) {
        key = key.wrapping_add(1);
    }
    plans.push(TlsPlan { key, settings, server_name: config.server_name.clone() });
    Ok(key)
}
