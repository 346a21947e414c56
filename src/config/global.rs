//! `global`: what jobs inherit.

use core::time::Duration;

use crate::config::error::ConfigError;
use crate::config::expand::expand;
use crate::config::names::read_names;
use crate::config::parse::Context;
use crate::config::reader::{Field, Section};
use crate::config::types::{Global, Limits};
use crate::model::{HistogramRules, Labels, NameRules, Validation};

const INTERVAL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);

const PROTOCOLS: [&str; 5] = [
    "OpenMetricsText0.0.1",
    "OpenMetricsText1.0.0",
    "PrometheusProto",
    "PrometheusText0.0.4",
    "PrometheusText1.0.0",
];
// spec: SCR-10
const PROTOCOLS_DEFAULT: [&str; 4] =
    ["OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0", "PrometheusText0.0.4"];
/// Only protobuf has native histograms.
const PROTOCOL_OF_NATIVE: &str = "PrometheusProto";

impl Default for Global {
    fn default() -> Global {
        Global {
            scrape_interval: INTERVAL,
            scrape_timeout: TIMEOUT,
            scrape_protocols: None,
            histograms: HistogramRules::default(),
            names: NameRules::default(),
            extra_scrape_metrics: false,
            scrape_failure_log_file: None,
            external_labels: Labels::new(),
            limits: Limits::default(),
            evaluation_interval: INTERVAL,
        }
    }
}

// spec: CFG §2.2, CFG-7
pub(super) fn read_global(
    field: Option<&Field<'_>>,
    context: &mut Context<'_>,
) -> Result<Global, ConfigError> {
    let Some(field) = field else {
        return Ok(Global::default());
    };
    let mut section = field.section()?;
    let interval = section.duration("scrape_interval", Duration::ZERO)?;
    let scrape_interval = if interval.is_zero() { INTERVAL } else { interval };
    let timeout_field = section.take("scrape_timeout");
    let timeout = timeout_field.as_ref().map_or(Ok(Duration::ZERO), Field::duration)?;
    if timeout > scrape_interval {
        let message = "global scrape timeout greater than scrape interval";
        return Err(section.error_at(timeout_field.as_ref(), message));
    }
    let scrape_timeout = if timeout.is_zero() { TIMEOUT.min(scrape_interval) } else { timeout };
    let protocols = section.take_written("scrape_protocols");
    let read = |field: Field<'_>| read_protocols(&field, "global config");
    let scrape_protocols = protocols.map(read).transpose()?;
    let histograms = read_histograms(&mut section, HistogramRules::default())?;
    let names = read_names(&mut section, None, context)?;
    let external_labels = match section.take("external_labels") {
        Some(field) => read_external_labels(&field, names.validation, context)?,
        None => Labels::new(),
    };
    let limits = read_limits(&mut section)?;
    let evaluation = section.duration("evaluation_interval", Duration::ZERO)?;
    section.duration("rule_query_offset", Duration::ZERO)?;
    section.text("query_log_file", "")?;
    let extra_scrape_metrics = section.flag("extra_scrape_metrics", false)?;
    let scrape_failure_log_file = context.path(&mut section, "scrape_failure_log_file")?;
    section.finish(&[])?;
    Ok(Global {
        scrape_interval,
        scrape_timeout,
        scrape_protocols,
        histograms,
        names,
        extra_scrape_metrics,
        scrape_failure_log_file,
        external_labels,
        limits,
        evaluation_interval: if evaluation.is_zero() { INTERVAL } else { evaluation },
    })
}

pub(super) fn read_limits(section: &mut Section<'_>) -> Result<Limits, ConfigError> {
    Ok(Limits {
        body_size_limit: section.size("body_size_limit", 0)?,
        sample_limit: section.number("sample_limit", 0)?,
        target_limit: section.number("target_limit", 0)?,
        label_limit: section.number("label_limit", 0)?,
        label_name_length_limit: section.number("label_name_length_limit", 0)?,
        label_value_length_limit: section.number("label_value_length_limit", 0)?,
        keep_dropped_targets: section.number("keep_dropped_targets", 0)?,
    })
}

// spec: SCR-74
pub(super) fn read_histograms(
    section: &mut Section<'_>,
    default: HistogramRules,
) -> Result<HistogramRules, ConfigError> {
    Ok(HistogramRules {
        native: section.flag("scrape_native_histograms", default.native)?,
        classic: section.flag("always_scrape_classic_histograms", default.classic)?,
        convert: section.flag("convert_classic_histograms_to_nhcb", default.convert)?,
    })
}

/// Protocols of a job that nothing is written about.
// spec: SCR-10
pub(super) fn default_protocols(histograms: HistogramRules) -> Vec<String> {
    let first = histograms.native.then_some(PROTOCOL_OF_NATIVE);
    first.into_iter().chain(PROTOCOLS_DEFAULT).map(str::to_owned).collect()
}

/// A list of protocol names for `whom`.
pub(super) fn read_protocols(field: &Field<'_>, whom: &str) -> Result<Vec<String>, ConfigError> {
    let mut names: Vec<String> = Vec::new();
    for item in field.items()? {
        let name = read_protocol(&item)?;
        if names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            return Err(item.error(format!("duplicated protocol in scrape_protocols: {name}")));
        }
        names.push(name);
    }
    if names.is_empty() {
        return Err(field.error(format!("scrape_protocols cannot be empty for {whom}")));
    }
    Ok(names)
}

pub(super) fn read_protocol(field: &Field<'_>) -> Result<String, ConfigError> {
    let name = field.text()?;
    if PROTOCOLS.contains(&name.as_str()) {
        return Ok(name);
    }
    let all = PROTOCOLS.join(", ");
    Err(field.error(format!("unknown scrape protocol {name:?}, supported: [{all}]")))
}

// spec: CFG-8
fn read_external_labels(
    field: &Field<'_>,
    names: Validation,
    context: &mut Context<'_>,
) -> Result<Labels, ConfigError> {
    let mut labels = Vec::new();
    for (name, field) in field.pairs()? {
        if !names.is_label_name(name) {
            return Err(field.error(format!("{name:?} is not a valid label name")));
        }
        let mut missing = Vec::new();
        let value = expand(&field.text()?, context.env, &mut missing);
        for variable in missing {
            context.warn(&field, format!("Empty environment variable {variable:?}"));
        }
        labels.push((name, value));
    }
    Ok(labels.into_iter().collect())
}
