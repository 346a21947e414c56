//! `scrape_configs`.

use core::time::Duration;
use std::collections::BTreeSet;

use crate::config::discovery::read_sd;
use crate::config::error::ConfigError;
use crate::config::file_sd::{read_file_sd, read_group};
use crate::config::global::{
    default_protocols, read_histograms, read_limits, read_protocol, read_protocols,
};
use crate::config::http_client::read_http_client;
use crate::config::known;
use crate::config::names::read_names;
use crate::config::parse::Context;
use crate::config::reader::{Field, Section};
use crate::config::rules::read_rules;
use crate::config::types::{Global, Limits, ScrapeConfig};
use crate::model::{HistogramRules, Scheme, TargetGroup};

const EXCLUSIVE: &str = "at most one of basic_auth, oauth2 & authorization must be configured";

pub(super) fn read_scrapes(
    items: &[Field<'_>],
    global: &Global,
    before: &[ScrapeConfig],
    context: &mut Context<'_>,
) -> Result<Vec<ScrapeConfig>, ConfigError> {
    let mut jobs = Vec::new();
    let mut names: BTreeSet<String> = before.iter().map(|job| job.job_name.clone()).collect();
    for item in items {
        if item.node.is_null() {
            return Err(item.error("empty or null scrape config section"));
        }
        let job = read_scrape(item, global, context)?;
        if !names.insert(job.job_name.clone()) {
            let message = format!("found multiple scrape configs with job name {:?}", job.job_name);
            return Err(item.error(message));
        }
        jobs.push(job);
    }
    Ok(jobs)
}

// spec: CFG §2.3
fn read_scrape(
    item: &Field<'_>,
    global: &Global,
    context: &mut Context<'_>,
) -> Result<ScrapeConfig, ConfigError> {
    let mut section = item.section()?;
    let name_field = section.take("job_name");
    let job_name = name_field.as_ref().map_or(Ok(String::new()), Field::text)?;
    if job_name.is_empty() {
        return Err(section.error_at(name_field.as_ref(), "job_name is empty"));
    }
    let (scrape_interval, scrape_timeout) = read_times(&mut section, &job_name, global)?;
    let histograms = read_histograms(&mut section, global.histograms)?;
    let scrape_protocols = read_asked(&mut section, &job_name, global, histograms)?;
    let fallback = section.take_written("fallback_scrape_protocol");
    let fallback = fallback.filter(|field| field.text().is_ok_and(|text| !text.is_empty()));
    let limits = inherited(read_limits(&mut section)?, &global.limits);
    let names = read_names(&mut section, Some(global.names), context)?;
    let relabel_configs = read_rules(
        &mut section,
        "relabel_configs",
        "empty or null target relabeling rule in scrape config",
        names.validation,
    )?;
    let (target_series_limit, job_series_limit) = read_ours(&mut section)?;
    let failure_log = context.path(&mut section, "scrape_failure_log_file")?;
    let job = ScrapeConfig {
        scrape_interval,
        scrape_timeout,
        metrics_path: section.text("metrics_path", "/metrics")?,
        scheme: read_scheme(&mut section)?,
        params: read_params(&mut section)?,
        honor_labels: section.flag("honor_labels", false)?,
        honor_timestamps: section.flag("honor_timestamps", true)?,
        track_timestamps_staleness: section.flag("track_timestamps_staleness", false)?,
        enable_compression: section.flag("enable_compression", true)?,
        scrape_protocols,
        fallback_scrape_protocol: fallback.as_ref().map(read_protocol).transpose()?,
        body_size_limit: limits.body_size_limit,
        sample_limit: limits.sample_limit,
        target_limit: limits.target_limit,
        label_limit: limits.label_limit,
        label_name_length_limit: limits.label_name_length_limit,
        label_value_length_limit: limits.label_value_length_limit,
        keep_dropped_targets: limits.keep_dropped_targets,
        histograms,
        names,
        extra_scrape_metrics: section.flag("extra_scrape_metrics", global.extra_scrape_metrics)?,
        scrape_failure_log_file: failure_log.or_else(|| global.scrape_failure_log_file.clone()),
        native_histogram_bucket_limit: section.number("native_histogram_bucket_limit", 0)?,
        native_histogram_min_bucket_factor: section
            .decimal("native_histogram_min_bucket_factor", 0.0)?,
        static_configs: read_static(&mut section, !relabel_configs.is_empty())?,
        relabel_configs,
        metric_relabel_configs: read_rules(
            &mut section,
            "metric_relabel_configs",
            "empty or null metric relabeling rule in scrape config",
            names.validation,
        )?,
        file_sd_configs: read_sections(&mut section, "file_sd_configs", |item, _| {
            read_file_sd(item, context)
        })?,
        sd_configs: read_sd(&mut section, context)?,
        http: read_http_client(&mut section, EXCLUSIVE, context)?,
        target_series_limit,
        job_series_limit,
        job_name,
        included: false,
    };
    section.finish(&[known::DISCOVERY, known::HTTP_CLIENT])?;
    Ok(job)
}

/// The protocols to ask for.
fn read_asked(
    section: &mut Section<'_>,
    job_name: &str,
    global: &Global,
    histograms: HistogramRules,
) -> Result<Vec<String>, ConfigError> {
    match (section.take_written("scrape_protocols"), &global.scrape_protocols) {
        (Some(field), _) => {
            read_protocols(&field, &format!("scrape config with job name {job_name:?}"))
        }
        (None, Some(inherited)) => Ok(inherited.clone()),
        (None, None) => Ok(default_protocols(histograms)),
    }
}

/// What Prometheus does not know: caps on series, of a target and of the job.
fn read_ours(section: &mut Section<'_>) -> Result<(u64, u64), ConfigError> {
    let Some(mut ours) = section.section("corelane")? else {
        return Ok((0, 0));
    };
    let target = ours.number("target_series_limit", 0)?;
    let job = ours.number("job_series_limit", 0)?;
    ours.finish(&[])?;
    Ok((target, job))
}

/// Interval and timeout.
fn read_times(
    section: &mut Section<'_>,
    job_name: &str,
    global: &Global,
) -> Result<(Duration, Duration), ConfigError> {
    let interval = section.duration("scrape_interval", Duration::ZERO)?;
    let interval = if interval.is_zero() { global.scrape_interval } else { interval };
    let timeout_field = section.take("scrape_timeout");
    let timeout = timeout_field.as_ref().map_or(Ok(Duration::ZERO), Field::duration)?;
    if timeout > interval {
        let message = format!(
            "scrape timeout greater than scrape interval for scrape config with job name \
             {job_name:?}"
        );
        return Err(section.error_at(timeout_field.as_ref(), &message));
    }
    let timeout = if timeout.is_zero() { global.scrape_timeout.min(interval) } else { timeout };
    Ok((interval, timeout))
}

/// A job's own bound, or where it has none the global one.
fn inherited(own: Limits, global: &Limits) -> Limits {
    let or = |own: u64, global: u64| if own == 0 { global } else { own };
    Limits {
        body_size_limit: or(own.body_size_limit, global.body_size_limit),
        sample_limit: or(own.sample_limit, global.sample_limit),
        target_limit: or(own.target_limit, global.target_limit),
        label_limit: or(own.label_limit, global.label_limit),
        label_name_length_limit: or(own.label_name_length_limit, global.label_name_length_limit),
        label_value_length_limit: or(own.label_value_length_limit, global.label_value_length_limit),
        keep_dropped_targets: or(own.keep_dropped_targets, global.keep_dropped_targets),
    }
}

fn read_scheme(section: &mut Section<'_>) -> Result<Scheme, ConfigError> {
    let Some(field) = section.take_written("scheme") else {
        return Ok(Scheme::Http);
    };
    match field.text()?.as_str() {
        "" | "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        other => Err(field.error(format!("unknown scheme {other:?}, supported: http, https"))),
    }
}

fn read_params(section: &mut Section<'_>) -> Result<Vec<(String, Vec<String>)>, ConfigError> {
    let Some(field) = section.take("params") else {
        return Ok(Vec::new());
    };
    let mut params = Vec::new();
    for (name, field) in field.pairs()? {
        params.push((name.to_owned(), field.texts()?));
    }
    params.sort();
    Ok(params)
}

/// A list of sections, none of them null.
// spec: CFG-6
fn read_sections<T>(
    section: &mut Section<'_>,
    name: &str,
    read: impl Fn(&Field<'_>, usize) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    let items = section.items(name)?;
    let each = items.iter().enumerate();
    each.map(|(index, item)| {
        if item.node.is_null() {
            return Err(item.error(format!("empty or null section in {name}")));
        }
        read(item, index)
    })
    .collect()
}

/// Addresses are checked here only where no relabeling can still change them.
fn read_static(
    section: &mut Section<'_>,
    relabeled: bool,
) -> Result<Vec<TargetGroup>, ConfigError> {
    read_sections(section, "static_configs", |item, index| {
        let group = read_group(item, index.to_string())?;
        let mut addresses = group.targets.iter().map(|target| target.get("__address__"));
        match addresses.find(|address| address.contains('/')) {
            Some(address) if !relabeled => {
                Err(item.error(format!("{address:?} is not a valid hostname")))
            }
            _ => Ok(group),
        }
    })
}
