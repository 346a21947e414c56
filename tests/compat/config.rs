//! Configurations accepted, refused and printed as Prometheus does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use corelane::config::{Config, Secret, Warning, parse};

fn read(text: &str) -> Result<(Config, Vec<Warning>), String> {
    let env = |name: &str| (name == "REGION").then(|| "eu".to_owned());
    parse(text, Path::new("/etc/corelane/t.yml"), &env).map_err(|error| error.to_string())
}

fn config(text: &str) -> Config {
    read(text)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .0
}

/// Without file name: `line: field: message`.
fn refusal(text: &str) -> String {
    let error = read(text).map(|_| ()).expect_err(text);
    error
        .strip_prefix("/etc/corelane/t.yml:")
        .expect("the file comes first")
        .to_owned()
}

fn job(fields: &str) -> String {
    format!("scrape_configs:\n- job_name: j\n  {fields}\n")
}

fn remote(fields: &str) -> String {
    format!("remote_write:\n- url: http://h/\n  {fields}\n")
}

fn refused(wrap: fn(&str) -> String, rows: &[(&str, &str)]) {
    for (fields, wanted) in rows {
        assert_eq!(refusal(&wrap(fields)), *wanted, "{fields}");
    }
}

fn accepted(wrap: fn(&str) -> String, rows: &[&str]) {
    rows.iter().for_each(|fields| drop(config(&wrap(fields))));
}

fn top(text: &str) -> String {
    text.to_owned()
}

#[test]
fn golden_configurations_read_and_print_as_recorded() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat/corpus/config");
    for name in ["empty", "minimal", "full", "operator"] {
        let file = |end: &str| {
            let path = directory.join(format!("{name}{end}"));
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
        };
        let printed = config(&file(".yml")).to_yaml();
        assert_eq!(printed, file(".effective.yml"), "{name}");
        // What is printed can be read and prints the same; only a `$` in an external label must be doubled again.
        let again = printed.replace("price: \"$5\"", "price: \"$$5\"");
        assert_eq!(config(&again).to_yaml(), printed, "{name}");
    }
}

// spec: CFG-1, CFG-2
#[test]
fn what_is_unknown_or_twice_is_refused_with_its_place() {
    let unknown = |place: &str| format!("{place}: unknown field");
    for (text, wanted) in [
        ("glob: {}\n", unknown("1: glob")),
        (
            "global:\n  scrape_intervall: 1m\n",
            unknown("2: global.scrape_intervall"),
        ),
        ("runtime: {x: 1}\n", unknown("1: runtime.x")),
        ("storage: {agent: {}}\n", unknown("1: storage.agent")),
        ("storage: {tsdb: {x: 1}}\n", unknown("1: storage.tsdb.x")),
        (
            "storage: {exemplars: {x: 1}}\n",
            unknown("1: storage.exemplars.x"),
        ),
        (
            "scrape_configs:\n- job_name: j\n\n  scrap_interval: 1m\n",
            unknown("4: scrape_configs[0].scrap_interval"),
        ),
        (
            "remote_write: [{url: 'http://h', queue_config: {x: 1}}]\n",
            unknown("1: remote_write[0].queue_config.x"),
        ),
    ] {
        assert_eq!(refusal(text), wanted);
    }
    refused(
        job,
        &[
            (
                "job_name: k",
                "3: scrape_configs[0].job_name: already set in line 2",
            ),
            (
                "basic_auth: {user: x}",
                "3: scrape_configs[0].basic_auth.user: unknown field",
            ),
            (
                "authorization: {x: y}",
                "3: scrape_configs[0].authorization.x: unknown field",
            ),
            (
                "tls_config: {x: y}",
                "3: scrape_configs[0].tls_config.x: unknown field",
            ),
            (
                "static_configs: [{target: x}]",
                "3: scrape_configs[0].static_configs[0].target: unknown field",
            ),
            (
                "file_sd_configs: [{files: [a.yml], x: y}]",
                "3: scrape_configs[0].file_sd_configs[0].x: unknown field",
            ),
            (
                "relabel_configs: [{rgex: x}]",
                "3: scrape_configs[0].relabel_configs[0].rgex: unknown field",
            ),
        ],
    );
    assert_eq!(refusal("- a\n"), "1: document: a list is not a mapping");
    assert!(
        refusal("a: [\n").contains("document: not YAML")
            || refusal("a: [\n").contains("a: not YAML")
    );
}

// spec: CFG-3, CFG-7
#[test]
fn sections_of_a_server_pass_only_if_they_ask_for_nothing() {
    refused(
        top,
        &[
            (
                "alerting: {alertmanagers: [{}]}",
                "1: alerting: field alerting is not allowed in agent mode",
            ),
            (
                "alerting: {alert_relabel_configs: [{}]}",
                "1: alerting: field alerting is not allowed in agent mode",
            ),
            (
                "rule_files: [a.yml]",
                "1: rule_files: field rule_files is not allowed in agent mode",
            ),
            (
                "remote_read: [{url: x}]",
                "1: remote_read: field remote_read is not allowed in agent mode",
            ),
            ("tracing: {endpoint: x}", "1: tracing: not supported yet"),
            (
                "scrape_config_files: [a.yml]",
                "1: scrape_config_files: not supported yet",
            ),
            (
                "otlp: {promote_all_resource_attributes: true}",
                "1: otlp.promote_all_resource_attributes: not supported yet",
            ),
        ],
    );
    accepted(
        top,
        &[
            "global:\nruntime:\nscrape_configs:\nremote_write:\nalerting:\nrule_files:\ntracing:\notlp:\n",
            "alerting: {alertmanagers: [], alert_relabel_configs: []}",
            "otlp: {translation_strategy: UnderscoreEscapingWithSuffixes}",
            "storage: {tsdb: {out_of_order_time_window: 5m, retention: {time: 1d, percentage: 5}}}",
        ],
    );
    let window = config("storage: {tsdb: {out_of_order_time_window: 5m}}").out_of_order_time_window;
    assert_eq!(window, Duration::from_secs(300));
}

// spec: CFG-4, CFG-8, CFG §2.2
#[test]
fn global_fields_are_checked_and_inherited() {
    refused(
        top,
        &[
            (
                "global: {scrape_interval: 1}",
                "1: global.scrape_interval: not a valid duration string: \"1\"",
            ),
            (
                "global: {scrape_interval: 5s, scrape_timeout: 6s}",
                "1: global.scrape_timeout: global scrape timeout greater than scrape interval",
            ),
            (
                "global: {scrape_protocols: []}",
                "1: global.scrape_protocols: scrape_protocols cannot be empty for global config",
            ),
            (
                "global: {scrape_protocols: [PrometheusText1.0.0, prometheustext1.0.0]}",
                "1: global.scrape_protocols[1]: unknown scrape protocol \"prometheustext1.0.0\", supported: [OpenMetricsText0.0.1, OpenMetricsText1.0.0, PrometheusProto, PrometheusText0.0.4, PrometheusText1.0.0]",
            ),
            (
                "global: {scrape_protocols: [PrometheusText1.0.0, PrometheusText1.0.0]}",
                "1: global.scrape_protocols[1]: duplicated protocol in scrape_protocols: PrometheusText1.0.0",
            ),
            (
                "global: {scrape_protocols: [PrometheusProto]}",
                "1: global.scrape_protocols[0]: PrometheusProto: not supported yet",
            ),
            (
                "global: {external_labels: {'': x}}",
                "1: global.external_labels.: \"\" is not a valid label name",
            ),
            (
                "global: {external_labels: {a: [b]}}",
                "1: global.external_labels.a: a list is not a string",
            ),
            (
                "global: {body_size_limit: 10}",
                "1: global.body_size_limit: \"10\" is not a size such as 10MB or 512KiB",
            ),
            (
                "global: {sample_limit: -1}",
                "1: global.sample_limit: \"-1\" is not a whole number, 0 or more",
            ),
            (
                "global: {sample_limit: '5'}",
                "1: global.sample_limit: \"5\" is not a whole number, 0 or more",
            ),
            (
                "global: {scrape_native_histograms: true}",
                "1: global.scrape_native_histograms: not supported yet",
            ),
            (
                "global: {metric_name_validation_scheme: legacy}",
                "1: global.metric_name_validation_scheme: not supported yet",
            ),
            (
                "global: {metric_name_escaping_scheme: dots}",
                "1: global.metric_name_escaping_scheme: not supported yet",
            ),
            (
                "global: {scrape_failure_log_file: x}",
                "1: global.scrape_failure_log_file: not supported yet",
            ),
            (
                "global: {evaluation_interval: x}",
                "1: global.evaluation_interval: not a valid duration string: \"x\"",
            ),
        ],
    );
    let (config, warnings) =
        read("global: {external_labels: {a b: '${REGION}x$$y${UNDEF}', c: yes, d: 1.50}}")
            .expect("valid");
    let labels: Vec<(&str, &str)> = config.global.external_labels.iter().collect();
    assert_eq!(labels, [("a b", "eux$y"), ("c", "yes"), ("d", "1.50")]);
    let warnings: Vec<String> = warnings.iter().map(Warning::to_string).collect();
    let wanted =
        "/etc/corelane/t.yml:1: global.external_labels.a b: Empty environment variable \"UNDEF\"";
    assert_eq!(warnings, [wanted]);
}

// spec: CFG §2.2, §2.3
#[test]
fn times_and_limits_are_inherited_as_prometheus_does() {
    let seconds = |global: &str, fields: &str| {
        let config = config(&format!("global: {{{global}}}\n{}", job(fields)));
        let job = &config.scrape_configs[0];
        (job.scrape_interval.as_secs(), job.scrape_timeout.as_secs())
    };
    assert_eq!(seconds("", ""), (60, 10));
    assert_eq!(seconds("scrape_interval: 5s", ""), (5, 5));
    assert_eq!(
        seconds(
            "scrape_interval: 20s, scrape_timeout: 15s",
            "scrape_interval: 12s"
        ),
        (12, 12)
    );
    assert_eq!(seconds("", "scrape_timeout: 30s"), (60, 30));
    assert_eq!(seconds("", "scrape_interval: 0s"), (60, 10));
    let config = config(&format!(
        "global: {{sample_limit: 5, label_limit: 6}}\n{}",
        job("sample_limit: 7")
    ));
    assert_eq!(
        (
            config.scrape_configs[0].sample_limit,
            config.scrape_configs[0].label_limit
        ),
        (7, 6)
    );
}

// spec: CFG §2.3, CFG-6
#[test]
fn scrape_fields_are_checked() {
    refused(
        top,
        &[
            (
                "scrape_configs: [null]",
                "1: scrape_configs[0]: empty or null scrape config section",
            ),
            (
                "scrape_configs: [{}]",
                "1: scrape_configs[0]: job_name is empty",
            ),
            (
                "scrape_configs: [{job_name: ''}]",
                "1: scrape_configs[0].job_name: job_name is empty",
            ),
            (
                "scrape_configs:\n- {job_name: x}\n- {job_name: x}",
                "3: scrape_configs[1]: found multiple scrape configs with job name \"x\"",
            ),
        ],
    );
    refused(
        job,
        &[
            (
                "scrape_timeout: 2m",
                "3: scrape_configs[0].scrape_timeout: scrape timeout greater than scrape interval for scrape config with job name \"j\"",
            ),
            (
                "scheme: ftp",
                "3: scrape_configs[0].scheme: unknown scheme \"ftp\", supported: http, https",
            ),
            (
                "scrape_protocols: []",
                "3: scrape_configs[0].scrape_protocols: scrape_protocols cannot be empty for scrape config with job name \"j\"",
            ),
            (
                "fallback_scrape_protocol: PrometheusProto",
                "3: scrape_configs[0].fallback_scrape_protocol: PrometheusProto: not supported yet",
            ),
            (
                "honor_labels: 1",
                "3: scrape_configs[0].honor_labels: \"1\" is not true or false",
            ),
            (
                "honor_labels: 'true'",
                "3: scrape_configs[0].honor_labels: \"true\" is not true or false",
            ),
            (
                "params: [a]",
                "3: scrape_configs[0].params: a list is not a mapping",
            ),
            (
                "static_configs: [null]",
                "3: scrape_configs[0].static_configs[0]: empty or null section in static_configs",
            ),
            (
                "static_configs: [{targets: ['http://x/']}]",
                "3: scrape_configs[0].static_configs[0]: \"http://x/\" is not a valid hostname",
            ),
            (
                "file_sd_configs: [null]",
                "3: scrape_configs[0].file_sd_configs[0]: empty or null section in file_sd_configs",
            ),
            (
                "file_sd_configs: [{}]",
                "3: scrape_configs[0].file_sd_configs[0]: file service discovery config must contain at least one path name",
            ),
            (
                "file_sd_configs: [{files: [a/*/b.yml]}]",
                "3: scrape_configs[0].file_sd_configs[0]: path name \"a/*/b.yml\" is not valid for file discovery",
            ),
            (
                "file_sd_configs: [{files: [a.txt]}]",
                "3: scrape_configs[0].file_sd_configs[0]: path name \"a.txt\" is not valid for file discovery",
            ),
            (
                "kubernetes_sd_configs: [{role: pod}]",
                "3: scrape_configs[0].kubernetes_sd_configs: not supported yet",
            ),
            (
                "http_sd_configs: [{url: x}]",
                "3: scrape_configs[0].http_sd_configs: not supported yet",
            ),
            (
                "extra_scrape_metrics: true",
                "3: scrape_configs[0].extra_scrape_metrics: not supported yet",
            ),
            (
                "native_histogram_bucket_limit: 5",
                "3: scrape_configs[0].native_histogram_bucket_limit: not supported yet",
            ),
            (
                "native_histogram_min_bucket_factor: 1.1",
                "3: scrape_configs[0].native_histogram_min_bucket_factor: not supported yet",
            ),
        ],
    );
    accepted(
        job,
        &[
            "static_configs: [{targets: ['http://x/']}]\n  relabel_configs: [{target_label: __address__, replacement: x}]",
            "file_sd_configs: [{files: [a/b*c.YML, '*.json']}]",
            "kubernetes_sd_configs: []",
            "scrape_native_histograms: false\n  native_histogram_min_bucket_factor: 0",
            "metric_name_validation_scheme: utf8\n  metric_name_escaping_scheme: allow-utf-8",
        ],
    );
    let config = config(&job("file_sd_configs: [{files: [a.yml, /b.yml]}]"));
    let files = &config.scrape_configs[0].file_sd_configs[0].files;
    assert_eq!(
        *files,
        [
            PathBuf::from("/etc/corelane/a.yml"),
            PathBuf::from("/b.yml")
        ]
    );
}

// spec: CFG §2.5, R7
#[test]
fn rules_are_checked_in_all_three_places() {
    let rule = "scrape_configs[0].relabel_configs[0]";
    for (fields, wanted) in [
        (
            "null",
            format!("{rule}: empty or null target relabeling rule in scrape config"),
        ),
        (
            "{action: rename}",
            format!("{rule}.action: unknown relabel action \"rename\""),
        ),
        (
            "{action: }",
            format!("{rule}.action: relabel action cannot be empty"),
        ),
        (
            "{regex: '('}",
            format!(
                "{rule}: relabel configuration for replace action requires 'target_label' value"
            ),
        ),
        (
            "{action: keep, regex: '('}",
            format!("{rule}.regex: error parsing regexp: missing closing ): `(`"),
        ),
        (
            "{action: hashmod, target_label: x}",
            format!("{rule}: relabel configuration for hashmod requires non-zero modulus"),
        ),
        (
            "{action: hashmod, target_label: x, modulus: -1}",
            format!("{rule}.modulus: \"-1\" is not a whole number, 0 or more"),
        ),
        (
            "{action: uppercase, target_label: x, replacement: y}",
            format!("{rule}.replacement: 'replacement' can not be set for uppercase action"),
        ),
        (
            "{action: labelmap, replacement: ''}",
            format!("{rule}.replacement: \"\" is invalid 'replacement' for labelmap action"),
        ),
        (
            "{action: labeldrop, source_labels: [a]}",
            format!("{rule}.action: labeldrop action requires only 'regex', and no other fields"),
        ),
        (
            "{action: keepequal, target_label: a, regex: b}",
            format!(
                "{rule}.action: keepequal action requires only 'source_labels' and 'target_label', and no other fields"
            ),
        ),
        (
            "{source_labels: ['']}",
            format!("{rule}.source_labels: \"\" is not a valid label name"),
        ),
    ] {
        let text = job(&format!("relabel_configs: [{fields}]"));
        assert_eq!(refusal(&text), format!("3: {wanted}"), "{fields}");
    }
    refused(
        job,
        &[(
            "metric_relabel_configs: [null]",
            "3: scrape_configs[0].metric_relabel_configs[0]: empty or null metric relabeling rule in scrape config",
        )],
    );
    refused(
        remote,
        &[(
            "write_relabel_configs: [null]",
            "3: remote_write[0].write_relabel_configs[0]: empty or null relabeling rule in remote write config",
        )],
    );
}

// spec: CFG §2.6
#[test]
fn remote_write_fields_are_checked() {
    refused(
        top,
        &[
            (
                "remote_write: [null]",
                "1: remote_write[0]: empty or null remote write config section",
            ),
            (
                "remote_write: [{}]",
                "1: remote_write[0]: url for remote_write is empty",
            ),
            (
                "remote_write: [{url: h:80}]",
                "1: remote_write[0].url: not an absolute URL such as https://host/path: \"h:80\"",
            ),
            (
                "remote_write: [{url: 'http://a', name: q}, {url: 'http://b', name: q}]",
                "1: remote_write[1]: found multiple remote write configs with job name \"q\"",
            ),
            (
                "remote_write: [{url: 'http://a'}, {url: 'http://a', remote_timeout: 30s}]",
                "1: remote_write[1]: duplicate remote write configs are not allowed, found duplicate for URL: http://a",
            ),
        ],
    );
    let authorization = "3: remote_write[0].headers.authorization: authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, azuread or google_iam parameter";
    refused(
        remote,
        &[
            (
                "remote_timeout: 0s",
                "3: remote_write[0].remote_timeout: must be more than 0",
            ),
            (
                "headers: {Content-Type: x}",
                "3: remote_write[0].headers.Content-Type: Content-Type is a reserved header. It must not be changed",
            ),
            ("headers: {authorization: x}", authorization),
            (
                "headers: {'a b': x}",
                "3: remote_write[0].headers.a b: \"a b\" is not a header name",
            ),
            (
                "headers: {a: \"x\\ny\"}",
                "3: remote_write[0].headers.a: a header's value has no control characters",
            ),
            (
                "queue_config: {max_shards: 0}",
                "3: remote_write[0].queue_config.max_shards: must be positive",
            ),
            (
                "queue_config: {max_shards: 2, min_shards: 3}",
                "3: remote_write[0].queue_config: min_shards must not be above max_shards",
            ),
            (
                "queue_config: {min_backoff: 10s}",
                "3: remote_write[0].queue_config: max_backoff must not be below min_backoff",
            ),
            (
                "metadata_config: {send: true}",
                "3: remote_write[0].metadata_config.send: sending metadata is not supported yet: write `send: false`",
            ),
            (
                "metadata_config: {send_interval: 1m}",
                "3: remote_write[0].metadata_config: sending metadata is not supported yet: write `send: false`",
            ),
            (
                "protobuf_message: io.prometheus.write.v2.Request",
                "3: remote_write[0].protobuf_message: not supported yet",
            ),
            (
                "send_exemplars: true",
                "3: remote_write[0].send_exemplars: not supported yet",
            ),
            (
                "send_native_histograms: true",
                "3: remote_write[0].send_native_histograms: not supported yet",
            ),
            (
                "round_robin_dns: true",
                "3: remote_write[0].round_robin_dns: not supported yet",
            ),
            (
                "sigv4: {region: x}",
                "3: remote_write[0].sigv4: not supported yet",
            ),
            (
                "basic_auth: {username: x}\n  authorization: {credentials: y}",
                "4: remote_write[0].authorization: at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam must be configured",
            ),
        ],
    );
    let (config, warnings) = read("remote_write: [{url: 'ftp://h'}]").expect("valid");
    assert_eq!((config.remote_write.len(), warnings.len()), (1, 1));
}

#[test]
fn queue_fields_that_are_not_written_are_told_apart() {
    let entry = |fields: &str| config(&remote(fields)).remote_write.remove(0);
    let queue = entry("queue_config: {batch_send_deadline: 5s, max_samples_per_send: 2000}").queue;
    assert_eq!(queue.batch_send_deadline, Some(Duration::from_secs(5)));
    assert_eq!(
        (queue.max_samples_per_send, queue.retry_on_http_429),
        (Some(2000), None)
    );
    let queue = entry("queue_config: {retry_on_http_429: false}").queue;
    assert_eq!(
        (queue.batch_send_deadline, queue.retry_on_http_429),
        (None, Some(false))
    );
    assert_eq!(
        (queue.capacity, queue.max_shards, queue.min_shards),
        (10_000, 50, 1)
    );
}

#[test]
fn a_name_that_is_not_written_depends_on_everything_else() {
    let name = |fields: &str| config(&remote(fields)).remote_write.remove(0);
    let plain = name("");
    assert!(!plain.named && plain.name.len() == 6);
    assert_eq!(plain.name, name("remote_timeout: 30s").name);
    assert_ne!(plain.name, name("remote_timeout: 31s").name);
    assert!(name("name: x").named);
}

// spec: CFG §2.7
#[test]
fn http_client_fields_are_checked() {
    refused(
        job,
        &[
            (
                "basic_auth: {username: a, username_file: b}",
                "3: scrape_configs[0].basic_auth.username_file: at most one of username & username_file must be configured",
            ),
            (
                "basic_auth: {password: a, password_file: b}",
                "3: scrape_configs[0].basic_auth.password_file: at most one of password & password_file must be configured",
            ),
            (
                "basic_auth: {username: a}\n  authorization: {}",
                "4: scrape_configs[0].authorization: at most one of basic_auth, oauth2 & authorization must be configured",
            ),
            (
                "basic_auth: {username: a}\n  bearer_token: b",
                "4: scrape_configs[0].bearer_token: at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
            ),
            (
                "bearer_token: a\n  bearer_token_file: b",
                "4: scrape_configs[0].bearer_token_file: at most one of bearer_token & bearer_token_file must be configured",
            ),
            (
                "authorization: {credentials: a}\n  bearer_token: b",
                "4: scrape_configs[0].bearer_token: authorization is not compatible with bearer_token & bearer_token_file",
            ),
            (
                "authorization: {type: Basic}",
                "3: scrape_configs[0].authorization.type: authorization type cannot be set to \"basic\", use \"basic_auth\" instead",
            ),
            (
                "authorization: {credentials: a, credentials_file: b}",
                "3: scrape_configs[0].authorization.credentials_file: at most one of credentials & credentials_file must be configured",
            ),
            (
                "oauth2: {client_id: x}",
                "3: scrape_configs[0].oauth2: not supported yet",
            ),
            (
                "proxy_url: http://x",
                "3: scrape_configs[0].proxy_url: not supported yet",
            ),
            (
                "proxy_from_environment: true",
                "3: scrape_configs[0].proxy_from_environment: not supported yet",
            ),
            (
                "http_headers: {a: {values: [b]}}",
                "3: scrape_configs[0].http_headers: not supported yet",
            ),
            (
                "tls_config: {ca: x, ca_file: y}",
                "3: scrape_configs[0].tls_config.ca_file: at most one of ca & ca_file must be configured",
            ),
            (
                "tls_config: {cert_file: x}",
                "3: scrape_configs[0].tls_config: exactly one of key or key_file must be configured when a client certificate is configured",
            ),
            (
                "tls_config: {key_file: x}",
                "3: scrape_configs[0].tls_config: exactly one of cert or cert_file must be configured when a client key is configured",
            ),
            (
                "tls_config: {min_version: TLS14}",
                "3: scrape_configs[0].tls_config.min_version: unknown TLS version: TLS14",
            ),
            (
                "tls_config: {max_version: TLS11}",
                "3: scrape_configs[0].tls_config.max_version: not supported yet: only TLS12 and TLS13 are spoken",
            ),
        ],
    );
    accepted(
        remote,
        &[
            "enable_http2: true",
            "oauth2:\n  proxy_url: ''",
            "tls_config: {min_version: TLS10}",
        ],
    );
    let http = config(&job(
        "bearer_token: hidden\n  tls_config: {ca_file: ca.pem}",
    ))
    .scrape_configs
    .remove(0)
    .http;
    let authorization = http.authorization.clone().expect("folded in");
    assert_eq!(authorization.kind, "Bearer");
    assert_eq!(
        authorization.credentials,
        Secret::Inline("hidden".to_owned())
    );
    assert_eq!(
        http.tls.ca,
        Some(Secret::File(PathBuf::from("/etc/corelane/ca.pem")))
    );
    assert!(!format!("{http:?}").contains("hidden"));
}
