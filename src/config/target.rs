//! From discovered groups to targets.

use std::collections::BTreeSet;

use crate::base::{format_duration, parse_duration};
use crate::config::types::ScrapeConfig;
use crate::config::url::{escape_path, escape_query};
use crate::model::{HistogramRules, Labels, LabelsBuilder, Scheme, Target, TargetGroup};
use crate::relabel;

/// What became of every target of a job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BuiltTargets {
    /// In the order of the groups; no two are the same.
    pub targets: Vec<Target>,
    /// Labels before relabeling of those that relabeling dropped.
    pub dropped: Vec<Labels>,
    /// One sentence for each target that cannot be scraped, naming it.
    pub errors: Vec<String>,
}

const ADDRESS: &str = "__address__";
const INTERVAL: &str = "__scrape_interval__";
const PARAM: &str = "__param_";
const PATH: &str = "__metrics_path__";
const SCHEME: &str = "__scheme__";
const TIMEOUT: &str = "__scrape_timeout__";
const UNIX_SOCKET: &str = "__unix_socket__";
const CLASSIC: &str = "__always_scrape_classic_histograms__";
const CONVERT: &str = "__convert_classic_histograms_to_nhcb__";
const NATIVE: &str = "__scrape_native_histograms__";

/// Relabels the job's discovered targets and works out what to scrape.
// spec: SCR-20, SCR-6, SCR-22, R8-R10
pub fn build_targets(job: &ScrapeConfig, groups: &[TargetGroup]) -> BuiltTargets {
    let mut built = BuiltTargets::default();
    let mut seen = BTreeSet::new();
    for group in groups {
        for (index, own) in group.targets.iter().enumerate() {
            let discovered = discovered(job, own, &group.labels);
            let mut labels = LabelsBuilder::new(&discovered);
            if !relabel::apply(&job.relabel_configs, &mut labels) || labels.is_empty() {
                built.dropped.push(discovered);
                continue;
            }
            match target(job, labels, discovered) {
                Ok(target) => {
                    let identity =
                        (target.labels.clone(), target.url(), target.unix_socket.clone());
                    if seen.insert(identity) {
                        built.targets.push(target);
                    }
                }
                Err(why) => {
                    let source = &group.source;
                    built.errors.push(format!("instance {index} in group {source}: {why}"));
                }
            }
        }
    }
    built
}

/// What relabeling begins with: the target's own labels, then its group's, then the job's.
fn discovered(job: &ScrapeConfig, own: &Labels, shared: &Labels) -> Labels {
    let mut labels = LabelsBuilder::new(own);
    let mut default = |name: &str, value: &str| {
        if labels.get(name).is_empty() {
            labels.set(name, value);
        }
    };
    shared.iter().for_each(|(name, value)| default(name, value));
    default("job", &job.job_name);
    default(INTERVAL, &format_duration(job.scrape_interval));
    default(TIMEOUT, &format_duration(job.scrape_timeout));
    default(PATH, &job.metrics_path);
    default(SCHEME, scheme_name(job.scheme));
    let HistogramRules { native, classic, convert } = job.histograms;
    for (name, value) in [(CLASSIC, classic), (CONVERT, convert), (NATIVE, native)] {
        default(name, if value { "true" } else { "false" });
    }
    for (name, values) in &job.params {
        if let Some(first) = values.first() {
            default(&format!("{PARAM}{name}"), first);
        }
    }
    labels.labels()
}

fn scheme_name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    }
}

fn target(
    job: &ScrapeConfig,
    mut labels: LabelsBuilder,
    discovered: Labels,
) -> Result<Target, String> {
    let address = labels.get(ADDRESS).to_owned();
    let unix_socket = labels.get(UNIX_SOCKET).to_owned();
    if address.is_empty() {
        return Err("no address".to_owned());
    }
    // A space or a control character would end the request line early.
    if address.contains('/') || address.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("{address:?} is not a valid hostname"));
    }
    let scheme = match labels.get(SCHEME) {
        "http" | "" => Scheme::Http,
        "https" => Scheme::Https,
        other => return Err(format!("invalid scheme: {other:?}")),
    };
    let histograms = HistogramRules {
        native: switch(labels.get(NATIVE), job.histograms.native),
        classic: switch(labels.get(CLASSIC), job.histograms.classic),
        convert: switch(labels.get(CONVERT), job.histograms.convert),
    };
    let duration = |name: &str, what: &str| {
        let duration = parse_duration(labels.get(name))
            .map_err(|error| format!("error parsing scrape {what}: {error}"))?;
        if duration.is_zero() {
            return Err(format!("scrape {what} cannot be 0"));
        }
        Ok(duration)
    };
    let interval = duration(INTERVAL, "interval")?;
    let timeout = duration(TIMEOUT, "timeout")?;
    if timeout > interval {
        return Err(format!(
            "scrape timeout cannot be greater than scrape interval ({:?} > {:?})",
            labels.get(TIMEOUT),
            labels.get(INTERVAL)
        ));
    }
    let path = path(job, &labels);
    if labels.get("instance").is_empty() {
        labels.set("instance", &address);
    }
    labels.retain(|name, _| !name.starts_with("__"));
    let labels = labels.labels();
    Ok(Target {
        labels,
        discovered,
        scheme,
        address,
        unix_socket,
        path,
        interval,
        timeout,
        histograms,
    })
}

/// What a label says that holds a truth value as Go writes them; anything else says nothing.
fn switch(text: &str, default: bool) -> bool {
    match text {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => true,
        "0" | "f" | "F" | "false" | "False" | "FALSE" => false,
        _ => default,
    }
}

/// Path and query. A `__param_x` label takes the place of the first value of `x`.
// spec: R9
fn path(job: &ScrapeConfig, labels: &LabelsBuilder) -> String {
    let mut out = String::new();
    escape_path(labels.get(PATH), &mut out);
    let mut params = job.params.clone();
    for (name, value) in labels.iter() {
        let Some(name) = name.strip_prefix(PARAM) else {
            continue;
        };
        match params.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => match values.first_mut() {
                Some(first) => value.clone_into(first),
                None => values.push(value.to_owned()),
            },
            None => params.push((name.to_owned(), vec![value.to_owned()])),
        }
    }
    params.sort_by(|left, right| left.0.cmp(&right.0));
    let mut separator = '?';
    for (name, values) in &params {
        for value in values {
            out.push(separator);
            separator = '&';
            escape_query(name, &mut out);
            out.push('=');
            escape_query(value, &mut out);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    fn job(text: &str) -> ScrapeConfig {
        let text = format!("scrape_configs:\n- job_name: j\n{text}");
        let (config, _) = parse(&text, Path::new("t.yml"), &|_| None).expect("valid");
        config.scrape_configs.into_iter().next().expect("one job")
    }

    fn build(text: &str) -> BuiltTargets {
        let job = job(text);
        build_targets(&job, &job.static_configs)
    }

    #[test]
    fn a_target_gets_its_labels_from_itself_its_group_and_its_job() {
        let built =
            build("  static_configs: [{targets: [a, 'b:1'], labels: {job: g, x: y, __z: q}}]");
        assert_eq!(built.errors, Vec::<String>::new());
        let [a, b] = built.targets.as_slice() else { panic!("{built:?}") };
        let wanted: Labels = [("instance", "a"), ("job", "g"), ("x", "y")].into_iter().collect();
        assert_eq!(a.labels, wanted);
        assert_eq!(b.labels.get("instance"), "b:1");
        assert_eq!(a.url(), "http://a/metrics");
        assert_eq!((a.interval.as_secs(), a.timeout.as_secs()), (60, 10));
        let discovered: Vec<(&str, &str)> = a.discovered.iter().collect();
        let wanted = [
            ("__address__", "a"),
            ("__always_scrape_classic_histograms__", "false"),
            ("__convert_classic_histograms_to_nhcb__", "false"),
            ("__metrics_path__", "/metrics"),
            ("__scheme__", "http"),
            ("__scrape_interval__", "1m"),
            ("__scrape_native_histograms__", "false"),
            ("__scrape_timeout__", "10s"),
            ("__z", "q"),
            ("job", "g"),
            ("x", "y"),
        ];
        assert_eq!(discovered, wanted);
    }

    #[test]
    fn urls_are_made_of_labels_and_parameters() {
        let with = |more: &str| {
            let text = format!("  static_configs: [{{targets: [h], labels: {{{more}}}}}]\n");
            let params = "  params: {b: [1, two words], a: ['&='], c: []}\n  scheme: https\n";
            let built = build(&format!("{text}{params}"));
            built.targets.first().expect("one").url()
        };
        assert_eq!(with(""), "https://h/metrics?a=%26%3D&b=1&b=two+words");
        assert_eq!(
            with("__param_b: x, __param_d: é"),
            "https://h/metrics?a=%26%3D&b=x&b=two+words&d=%C3%A9"
        );
        assert_eq!(
            with("__param_c: x, __scheme__: http"),
            "http://h/metrics?a=%26%3D&b=1&b=two+words&c=x"
        );
        assert_eq!(with("__metrics_path__: m?x y"), "https://h/m%3Fx%20y?a=%26%3D&b=1&b=two+words");
    }

    #[test]
    fn relabeling_drops_renames_and_times_targets() {
        let text = "  relabel_configs:
  - {source_labels: [__address__], regex: 'drop.*', action: drop}
  - {source_labels: [__meta_port], regex: '(.+)', target_label: __address__, replacement: 'h:$1'}
  - {source_labels: [__meta_interval], regex: '(.+)', target_label: __scrape_interval__}
  - {regex: '__meta_(keep)', action: labelmap}
  static_configs:
  - targets: [drop1, a]
  - {targets: [a], labels: {__meta_port: '9', __meta_keep: yes}}
  - {targets: [b], labels: {__meta_interval: 15s}}
";
        let built = build(text);
        assert_eq!(built.errors, Vec::<String>::new());
        assert_eq!(built.dropped.len(), 1);
        assert_eq!(built.dropped[0].get("__address__"), "drop1");
        let urls: Vec<String> = built.targets.iter().map(Target::url).collect();
        assert_eq!(urls, ["http://a/metrics", "http://h:9/metrics", "http://b/metrics"]);
        assert_eq!(built.targets[1].labels.get("keep"), "yes");
        assert_eq!(built.targets[1].labels.get("instance"), "h:9");
        assert_eq!(built.targets[2].interval.as_secs(), 15);
    }

    #[test]
    fn labels_decide_about_histograms_where_they_hold_a_truth_value() {
        let text = "  scrape_native_histograms: true
  always_scrape_classic_histograms: true
  static_configs:
  - targets: [a]
  - {targets: [b], labels: {__scrape_native_histograms__: F, __convert_classic_histograms_to_nhcb__: T}}
  - {targets: [c], labels: {__always_scrape_classic_histograms__: what}}
";
        let built = build(text);
        let rules: Vec<HistogramRules> =
            built.targets.iter().map(|target| target.histograms).collect();
        let job = HistogramRules { native: true, classic: true, convert: false };
        let own = HistogramRules { native: false, classic: true, convert: true };
        assert_eq!(rules, [job, own, job]);
    }

    #[test]
    fn the_same_labels_and_url_are_one_target() {
        let built =
            build("  static_configs: [{targets: [a, a]}, {targets: [a], labels: {__x: '1'}}]");
        assert_eq!(built.targets.len(), 1);
        let text = "  static_configs: [{targets: [a, b], labels: {instance: i}}]";
        assert_eq!(build(text).targets.len(), 2);
    }

    #[test]
    fn a_target_that_cannot_be_scraped_is_an_error() {
        for (labels, wanted) in [
            ("__address__: ''", "no address"),
            ("__address__: a/b", "\"a/b\" is not a valid hostname"),
            ("__scheme__: ftp", "invalid scheme: \"ftp\""),
            (
                "__scrape_interval__: x",
                "error parsing scrape interval: not a valid duration string: \"x\"",
            ),
            ("__scrape_interval__: '0'", "scrape interval cannot be 0"),
            ("__scrape_timeout__: 0s", "scrape timeout cannot be 0"),
            (
                "__scrape_timeout__: 2m",
                "scrape timeout cannot be greater than scrape interval (\"2m\" > \"1m\")",
            ),
        ] {
            let (name, value) = labels.split_once(": ").expect("a pair");
            let job = job("");
            let value = value.trim_matches('\'');
            let own: Labels = [("__address__", "a"), (name, value)].into_iter().collect();
            let group =
                TargetGroup { source: "s".to_owned(), targets: vec![own], labels: Labels::new() };
            let built = build_targets(&job, &[group]);
            assert_eq!(built.targets, Vec::new());
            assert_eq!(built.errors, [format!("instance 0 in group s: {wanted}")]);
        }
    }
}
