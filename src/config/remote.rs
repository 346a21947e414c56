//! `remote_write`.

use core::time::Duration;
use std::collections::BTreeSet;

use md5::{Digest, Md5};

use crate::base::limits;
use crate::config::cloud::read_cloud;
use crate::config::error::ConfigError;
use crate::config::http_client::{
    HEADERS_RESERVED, check_header_name, check_header_value, read_http_client,
};
use crate::config::known;
use crate::config::parse::Context;
use crate::config::print::print_remote_write;
use crate::config::reader::{Field, Section};
use crate::config::rules::read_rules;
use crate::config::size::format_size;
use crate::config::types::{MetadataConfig, QueueConfig, RemoteWriteConfig, StartAt};
use crate::config::url::{check_url, redacted};
use crate::model::{RemoteMessage, StatusAction, StatusPolicy, Validation};

const EXCLUSIVE: &str = "at most one of basic_auth, authorization, oauth2, sigv4, azuread or \
                         google_iam must be configured";
/// Usual time for trying refused samples one by one.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn read_remote_writes(
    items: &[Field<'_>],
    validation: Validation,
    context: &mut Context<'_>,
) -> Result<Vec<RemoteWriteConfig>, ConfigError> {
    let mut entries = Vec::new();
    let (mut names, mut prints) = (BTreeSet::new(), BTreeSet::new());
    for item in items {
        if item.node.is_null() {
            return Err(item.error("empty or null remote write config section"));
        }
        let mut entry = read_remote_write(item, validation, context)?;
        let print = print_remote_write(&entry);
        if !prints.insert(print.clone()) {
            return Err(item.error(format!(
                "duplicate remote write configs are not allowed, found duplicate for URL: {}",
                redacted(&entry.url)
            )));
        }
        if !entry.named {
            entry.name = derived_name(&print);
        }
        if !names.insert(entry.name.clone()) {
            let message =
                format!("found multiple remote write configs with job name {:?}", entry.name);
            return Err(item.error(message));
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// Six hexadecimal digits, the same for the same entry on every run.
fn derived_name(print: &str) -> String {
    let digest: [u8; 16] = Md5::digest(print.as_bytes()).into();
    let [a, b, c, ..] = digest;
    format!("{a:02x}{b:02x}{c:02x}")
}

// spec: CFG §2.6
fn read_remote_write(
    item: &Field<'_>,
    names: Validation,
    context: &mut Context<'_>,
) -> Result<RemoteWriteConfig, ConfigError> {
    let mut section = item.section()?;
    let url = read_url(&mut section, context)?;
    let name = section.text("name", "")?;
    let timeout_field = section.take("remote_timeout");
    let remote_timeout =
        timeout_field.as_ref().map_or(Ok(Duration::from_secs(30)), Field::duration)?;
    if remote_timeout.is_zero() {
        return Err(section.error_at(timeout_field.as_ref(), "must be more than 0"));
    }
    let headers = match section.take("headers") {
        Some(field) => read_headers(&field)?,
        None => Vec::new(),
    };
    let write_relabel_configs = read_rules(
        &mut section,
        "write_relabel_configs",
        "empty or null relabeling rule in remote write config",
        names,
    )?;
    let message = read_message(&mut section)?;
    let send_native_histograms = section.flag("send_native_histograms", false)?;
    let queue = match section.section("queue_config")? {
        Some(queue) => read_queue(queue)?,
        None => QueueConfig::default(),
    };
    let send_exemplars = section.flag("send_exemplars", false)?;
    let metadata = match section.section("metadata_config")? {
        Some(metadata) => read_metadata(metadata)?,
        None => MetadataConfig::default(),
    };
    let http = read_http_client(&mut section, EXCLUSIVE, context)?;
    let another =
        http.basic_auth.is_some() || http.authorization.is_some() || http.oauth2.is_some();
    let cloud = read_cloud(&mut section, another, EXCLUSIVE, context)?;
    let round_robin_dns = section.flag("round_robin_dns", false)?;
    let ours = section.section("corelane")?.map_or(Ok(Ours::default()), read_ours)?;
    section.finish(&[known::REMOTE_WRITE, known::HTTP_CLIENT])?;
    Ok(RemoteWriteConfig {
        url,
        named: !name.is_empty(),
        name,
        remote_timeout,
        headers,
        write_relabel_configs,
        message,
        send_native_histograms,
        send_exemplars,
        metadata,
        queue,
        http,
        cloud,
        round_robin_dns,
        status_policy: ours.status_policy,
        start_at: ours.start_at,
        patience: ours.patience,
        max_bytes_per_send: ours.max_bytes_per_send,
        max_compressed_bytes_per_send: ours.max_compressed_bytes_per_send,
        out_of_order_ok: ours.out_of_order_ok,
        backfill_samples_per_second: ours.backfill_samples_per_second,
    })
}

/// What Prometheus has no word for.
struct Ours {
    status_policy: StatusPolicy,
    start_at: StartAt,
    patience: Duration,
    max_bytes_per_send: u64,
    max_compressed_bytes_per_send: u64,
    out_of_order_ok: bool,
    backfill_samples_per_second: u64,
}

impl Default for Ours {
    fn default() -> Ours {
        Ours {
            status_policy: StatusPolicy::default(),
            start_at: StartAt::Now,
            patience: PATIENCE,
            max_bytes_per_send: limits::REQUEST_BYTES as u64,
            max_compressed_bytes_per_send: limits::REQUEST_BLOCK_BYTES as u64,
            out_of_order_ok: false,
            backfill_samples_per_second: 0,
        }
    }
}

/// Bytes of a request, which may not be so few that some samples do not fit, nor without bounds.
fn read_request_bytes(
    section: &mut Section<'_>,
    name: &str,
    default: u64,
) -> Result<u64, ConfigError> {
    let Some(field) = section.take(name) else {
        return Ok(default);
    };
    let bounds = limits::REQUEST_BYTES_MIN as u64..=limits::REQUEST_BYTES_MAX as u64;
    let bytes = field.size()?;
    if bounds.contains(&bytes) {
        return Ok(bytes);
    }
    let [min, max] = [bounds.start(), bounds.end()].map(|bytes| format_size(*bytes));
    Err(field.error(format!("must be from {min} to {max}")))
}

/// What Prometheus has no word for, under a name that it will not take.
fn read_ours(mut section: Section<'_>) -> Result<Ours, ConfigError> {
    let mut policy = StatusPolicy::default();
    if let Some(field) = section.take_written("status_policy") {
        for (name, field) in field.pairs()? {
            let status = name.parse().ok().filter(|status| (300..600).contains(status));
            let Some(status) = status else {
                return Err(field.error(format!("{name:?} is not a status from 300 to 599")));
            };
            let action = field.text()?;
            let Some(action) = StatusAction::from_name(&action) else {
                let message = format!("{action:?} is none of drop, hold, isolate and retry");
                return Err(field.error(message));
            };
            policy.0.push((status, action));
        }
    }
    policy.0.sort();
    let start_at = match section.take_written("start_at") {
        None => StartAt::Now,
        Some(field) => match field.text()?.as_str() {
            "now" => StartAt::Now,
            "oldest" => StartAt::Oldest,
            other => return Err(field.error(format!("{other:?} is neither now nor oldest"))),
        },
    };
    let usual = Ours::default();
    let patience = section.duration("patience", usual.patience)?;
    let mut bytes = |name, default| read_request_bytes(&mut section, name, default);
    let max_bytes_per_send = bytes("max_bytes_per_send", usual.max_bytes_per_send)?;
    let max_compressed_bytes_per_send =
        bytes("max_compressed_bytes_per_send", usual.max_compressed_bytes_per_send)?;
    let out_of_order_ok = section.flag("out_of_order_ok", false)?;
    let rate = section.take_written("backfill_samples_per_second");
    if let Some(field) = rate.as_ref().filter(|_| !out_of_order_ok) {
        return Err(field.error("has no meaning without out_of_order_ok: true"));
    }
    let backfill_samples_per_second = rate.as_ref().map_or(Ok(0), Field::number)?;
    section.finish(&[])?;
    Ok(Ours {
        out_of_order_ok,
        backfill_samples_per_second,
        status_policy: policy,
        start_at,
        patience,
        max_bytes_per_send,
        max_compressed_bytes_per_send,
    })
}

fn read_message(section: &mut Section<'_>) -> Result<RemoteMessage, ConfigError> {
    let Some(field) = section.take_written("protobuf_message") else {
        return Ok(RemoteMessage::V1);
    };
    let name = field.text()?;
    RemoteMessage::from_name(&name).ok_or_else(|| {
        let known = RemoteMessage::ALL.map(RemoteMessage::name).join(", ");
        field.error(format!("unknown remote write protobuf message {name}, supported: {known}"))
    })
}

fn read_url(section: &mut Section<'_>, context: &mut Context<'_>) -> Result<String, ConfigError> {
    let field = section.take_written("url");
    let url = field.as_ref().map_or(Ok(String::new()), Field::text)?;
    let Some(field) = field.filter(|_| !url.is_empty()) else {
        return Err(section.place.error("url for remote_write is empty"));
    };
    check_url(&url).map_err(|why| field.error(format!("{why}: {:?}", redacted(&url))))?;
    let scheme = url.split("://").next().unwrap_or("");
    if !["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
        context.warn(&field, format!("nothing can be sent over {scheme:?}, only http and https"));
    }
    Ok(url)
}

fn read_headers(field: &Field<'_>) -> Result<Vec<(String, String)>, ConfigError> {
    let mut headers = Vec::new();
    for (name, field) in field.pairs()? {
        let lower = name.to_ascii_lowercase();
        if lower == "authorization" {
            return Err(field.error(
                "authorization header must be changed via the basic_auth, authorization, oauth2, \
                 sigv4, azuread or google_iam parameter",
            ));
        }
        if HEADERS_RESERVED.contains(&lower.as_str()) {
            let message = format!("{name} is a reserved header. It must not be changed");
            return Err(field.error(message));
        }
        check_header_name(name, &field)?;
        let value = field.text()?;
        check_header_value(&value, &field)?;
        headers.push((name.to_owned(), value));
    }
    headers.sort();
    Ok(headers)
}

impl Default for QueueConfig {
    fn default() -> QueueConfig {
        QueueConfig {
            capacity: 10_000,
            max_shards: 50,
            min_shards: 1,
            max_samples_per_send: None,
            batch_send_deadline: None,
            min_backoff: Duration::from_millis(30),
            max_backoff: Duration::from_secs(5),
            retry_on_http_429: None,
            sample_age_limit: Duration::ZERO,
        }
    }
}

fn read_queue(mut section: Section<'_>) -> Result<QueueConfig, ConfigError> {
    let default = QueueConfig::default();
    let mut positive = |name: &str, bound: u64| {
        let Some(field) = section.take(name) else {
            return Ok(None);
        };
        match field.number()? {
            0 => Err(field.error("must be positive")),
            number if number > bound => Err(field.error(format!("must be at most {bound}"))),
            number => Ok(Some(number)),
        }
    };
    let capacity = positive("capacity", u64::MAX)?.unwrap_or(default.capacity);
    let max_shards = positive("max_shards", u64::from(u32::MAX))?;
    let min_shards = positive("min_shards", u64::from(u32::MAX))?;
    let max_samples_per_send = positive("max_samples_per_send", u64::MAX)?;
    let max_shards = max_shards.map_or(default.max_shards, |number| number as u32);
    let min_shards = min_shards.map_or(default.min_shards, |number| number as u32);
    if min_shards > max_shards {
        return Err(section.place.error("min_shards must not be above max_shards"));
    }
    let deadline = section.take_written("batch_send_deadline");
    let min_backoff = section.duration("min_backoff", default.min_backoff)?;
    let max_backoff = section.duration("max_backoff", default.max_backoff)?;
    if max_backoff < min_backoff {
        return Err(section.place.error("max_backoff must not be below min_backoff"));
    }
    let retry_on_429 = section.take_written("retry_on_http_429");
    let sample_age_limit = section.duration("sample_age_limit", Duration::ZERO)?;
    section.finish(&[])?;
    Ok(QueueConfig {
        capacity,
        max_shards,
        min_shards,
        max_samples_per_send,
        batch_send_deadline: deadline.as_ref().map(Field::duration).transpose()?,
        min_backoff,
        max_backoff,
        retry_on_http_429: retry_on_429.as_ref().map(Field::flag).transpose()?,
        sample_age_limit,
    })
}

impl Default for MetadataConfig {
    fn default() -> MetadataConfig {
        MetadataConfig {
            send: true,
            send_interval: Duration::from_secs(60),
            max_samples_per_send: 2000,
        }
    }
}

// spec: CFG §2.6
fn read_metadata(mut section: Section<'_>) -> Result<MetadataConfig, ConfigError> {
    let default = MetadataConfig::default();
    let send = section.flag("send", default.send)?;
    let interval = section.take("send_interval");
    let send_interval = interval.as_ref().map_or(Ok(default.send_interval), Field::duration)?;
    if send_interval.is_zero() {
        return Err(section.error_at(interval.as_ref(), "must be more than 0"));
    }
    let samples = section.take("max_samples_per_send");
    let max_samples_per_send =
        samples.as_ref().map_or(Ok(default.max_samples_per_send), Field::number)?;
    if max_samples_per_send == 0 {
        return Err(section.error_at(samples.as_ref(), "must be positive"));
    }
    section.finish(&[])?;
    Ok(MetadataConfig { send, send_interval, max_samples_per_send })
}
