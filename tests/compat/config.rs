//! Configurations accepted, refused and printed as recorded.

use std::path::{Path, PathBuf};
use std::time::Duration;

use corelane::config::{Config, RemoteWriteConfig, Secret, StartAt, Warning, include, parse};
use corelane::model::{Escaping, StatusAction, Validation};

fn corpus(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat/corpus/config").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

fn read(text: &str) -> Result<(Config, Vec<Warning>), String> {
    let env = |name: &str| (name == "REGION").then(|| "eu".to_owned());
    parse(text, Path::new("/etc/corelane/t.yml"), &env).map_err(|error| error.to_string())
}

fn config(text: &str) -> Config {
    read(text).unwrap_or_else(|error| panic!("{error}\n{text}")).0
}

/// Without file name: `line: field: message`.
fn refusal(text: &str) -> String {
    let error = read(text).map(|_| ()).expect_err(text);
    error.strip_prefix("/etc/corelane/t.yml:").expect("the file comes first").to_owned()
}

#[test]
fn the_rules_of_opentelemetry_read_back_as_they_are_printed() {
    let text = "otlp: {translation_strategy: NoTranslation, promote_all_resource_attributes: true, \
                ignore_resource_attributes: [a, b.c], keep_identifying_resource_attributes: true, \
                convert_histograms_to_nhcb: true, promote_scope_metadata: true, \
                label_name_underscore_sanitization: false, label_name_preserve_multiple_underscores: false}";
    let config = config(text);
    assert!(!config.otlp.escape && !config.otlp.suffixes && config.otlp.promote_all);
    assert_eq!(config.otlp.ignore, ["a", "b.c"]);
    assert_eq!(read(&config.to_yaml()).expect("valid").0, config);
}

fn job(fields: &str) -> String {
    format!("scrape_configs:\n- job_name: j\n  {fields}\n")
}

fn remote(fields: &str) -> String {
    format!("remote_write:\n- url: http://h/\n  {fields}\n")
}

fn accepted(wrap: fn(&str) -> String, rows: &[&str]) {
    rows.iter().for_each(|fields| drop(config(&wrap(fields))));
}

fn top(text: &str) -> String {
    text.to_owned()
}

#[test]
fn golden_configurations_read_and_print_as_recorded() {
    for name in ["empty", "minimal", "full", "operator"] {
        let printed = config(&corpus(&format!("{name}.yml"))).to_yaml();
        assert_eq!(printed, corpus(&format!("{name}.effective.yml")), "{name}");
        // What is printed can be read and prints the same; only a `$` in an external label must be doubled again.
        let again = printed.replace("price: \"$5\"", "price: \"$$5\"");
        assert_eq!(config(&again).to_yaml(), printed, "{name}");
    }
}

// spec: CFG-1 … CFG-6, CFG §2.2 … §2.7
#[test]
fn the_configuration_in_the_manifests_can_be_used() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/kubernetes/config.yaml");
    let text = std::fs::read_to_string(path).expect("it is there");
    let (_, text) = text.split_once("prometheus.yml: |\n").expect("the one file");
    let lines = text.lines().map(|line| line.strip_prefix("    ").unwrap_or(line));
    let config = config(&lines.collect::<Vec<_>>().join("\n"));
    assert_eq!((config.scrape_configs.len(), config.remote_write.len()), (2, 1));
}

#[test]
fn what_is_wrong_unknown_or_not_supported_is_refused_with_its_place() {
    let file = corpus("refused.txt");
    let mut lines = file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut rows = 0;
    while let Some(row) = lines.next() {
        let (kind, fields) = row.split_at(8);
        let fields = fields.replace("\\n", "\n");
        let text = match kind.trim_end() {
            "top" => fields,
            "job" => job(&fields),
            "remote" => remote(&fields),
            other => panic!("{other:?} in {row:?}"),
        };
        let wanted = lines.next().expect("a second line").trim_start();
        assert_eq!(refusal(&text), wanted, "{row}");
        rows += 1;
    }
    assert!(rows > 100);
    assert_eq!(refusal("- a\n"), "1: document: a list is not a mapping");
    assert!(refusal("a: [\n").contains("not YAML"));
}

// spec: CFG-3, CFG-7
#[test]
fn sections_of_a_server_pass_only_if_they_ask_for_nothing() {
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
fn external_labels_expand_variables_and_missing_ones_are_warned_of() {
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
        seconds("scrape_interval: 20s, scrape_timeout: 15s", "scrape_interval: 12s"),
        (12, 12)
    );
    assert_eq!(seconds("", "scrape_timeout: 30s"), (60, 30));
    assert_eq!(seconds("", "scrape_interval: 0s"), (60, 10));
    let config =
        config(&format!("global: {{sample_limit: 5, label_limit: 6}}\n{}", job("sample_limit: 7")));
    assert_eq!(
        (config.scrape_configs[0].sample_limit, config.scrape_configs[0].label_limit),
        (7, 6)
    );
}

// spec: CFG §2.3, CFG-6
#[test]
fn harmless_scrape_fields_pass_and_paths_are_absolute() {
    accepted(
        job,
        &[
            "static_configs: [{targets: ['http://x/']}]\n  relabel_configs: [{target_label: __address__, replacement: x}]",
            "file_sd_configs: [{files: [a/b*c.YML, '*.json']}]",
            "kubernetes_sd_configs: []",
            "scrape_native_histograms: false\n  native_histogram_min_bucket_factor: 1.1",
            "metric_name_validation_scheme: utf8\n  metric_name_escaping_scheme: allow-utf-8",
        ],
    );
    let config = config(&job("file_sd_configs: [{files: [a.yml, /b.yml]}]"));
    let files = &config.scrape_configs[0].file_sd_configs[0].files;
    assert_eq!(*files, [PathBuf::from("/etc/corelane/a.yml"), PathBuf::from("/b.yml")]);
}

// spec: CFG §2.2, §2.3
#[test]
fn names_are_validated_and_escaped_as_the_job_says_and_else_as_all_do() {
    use Escaping::{AllowUtf8, Dots, Underscores, Values};
    use Validation::{Legacy, Utf8};
    let (validation, escaping) = ("metric_name_validation_scheme", "metric_name_escaping_scheme");
    for (global, own, wanted) in [
        ("".to_owned(), "".to_owned(), (Utf8, AllowUtf8)),
        (format!("{validation}: legacy"), "".to_owned(), (Legacy, Underscores)),
        (format!("{validation}: what"), "".to_owned(), (Utf8, AllowUtf8)),
        ("".to_owned(), format!("{validation}: legacy"), (Legacy, Underscores)),
        (format!("{escaping}: dots"), "".to_owned(), (Utf8, Dots)),
        (format!("{escaping}: dots"), format!("{validation}: utf8"), (Utf8, AllowUtf8)),
        (format!("{escaping}: dots"), format!("{escaping}: values"), (Utf8, Values)),
        (format!("{validation}: legacy"), format!("{validation}: utf8"), (Utf8, AllowUtf8)),
    ] {
        let read = config(&format!("global: {{{global}}}\n{}", job(&own)));
        let names = read.scrape_configs[0].names;
        assert_eq!((names.validation, names.escaping), wanted, "{global} {own}");
        assert_eq!(config(&read.to_yaml()).scrape_configs[0].names, names, "{global} {own}");
    }
}

// spec: CFG §2.4, CFG-5, CFG-9
#[test]
fn jobs_of_other_files_are_added_and_not_shown() {
    let mut read = config("scrape_config_files: ['jobs/*.yml', a]\nglobal: {sample_limit: 3}");
    let files: Vec<PathBuf> =
        ["/etc/corelane/jobs/*.yml", "/etc/corelane/a"].map(PathBuf::from).into();
    assert_eq!(read.scrape_config_files, files);
    let text = "scrape_configs: [{job_name: b, file_sd_configs: [{files: [t.yml]}]}]";
    let other = Path::new("/etc/corelane/jobs/b.yml");
    include(&mut read, text, other).expect("valid");
    let job = &read.scrape_configs[0];
    assert_eq!((job.job_name.as_str(), job.sample_limit, job.included), ("b", 3, true));
    assert_eq!(job.file_sd_configs[0].files, [PathBuf::from("/etc/corelane/jobs/t.yml")]);
    assert!(!read.to_yaml().contains("job_name"));
    for (text, wanted) in [
        (text, "1: scrape_configs[0]: found multiple scrape configs with job name \"b\""),
        ("global: {}", "1: global: unknown field"),
        ("scrape_configs: [null]", "1: scrape_configs[0]: empty or null scrape config section"),
    ] {
        let error = include(&mut read, text, other).expect_err("refused").to_string();
        assert_eq!(error, format!("/etc/corelane/jobs/b.yml:{wanted}"));
    }
    assert_eq!(read.scrape_configs.len(), 1);
}

// spec: CFG §2.2, §2.3
#[test]
fn what_is_told_of_scrapes_is_inherited() {
    let global = "global: {extra_scrape_metrics: true, scrape_failure_log_file: f}";
    let read = config(&format!("{global}\n{}", job("")));
    let first = &read.scrape_configs[0];
    assert!(first.extra_scrape_metrics);
    assert_eq!(first.scrape_failure_log_file, Some(PathBuf::from("/etc/corelane/f")));
    let own = job("extra_scrape_metrics: false\n  scrape_failure_log_file: /g");
    let read = config(&format!("{global}\n{own}"));
    let first = &read.scrape_configs[0];
    assert!(!first.extra_scrape_metrics);
    assert_eq!(first.scrape_failure_log_file, Some(PathBuf::from("/g")));
    assert_eq!(config(&read.to_yaml()), read);
}

#[test]
fn our_own_fields_of_a_job_are_obeyed_and_shown() {
    assert!(!config(&job("")).to_yaml().contains("corelane"));
    let read = config(&job("corelane: {target_series_limit: 5, job_series_limit: 70}"));
    let first = &read.scrape_configs[0];
    assert_eq!((first.target_series_limit, first.job_series_limit), (5, 70));
    assert_eq!(config(&read.to_yaml()), read);
    let wanted = "3: scrape_configs[0].corelane.series: unknown field";
    assert_eq!(refusal(&job("corelane: {series: 5}")), wanted);
}

// spec: SCR-10
#[test]
fn protobuf_is_asked_for_first_where_native_histograms_are_wanted() {
    let first = |global: &str, own: &str| {
        let config = config(&format!("global: {{{global}}}\n{}", job(own)));
        config.scrape_configs[0].scrape_protocols[0].clone()
    };
    assert_eq!(first("", ""), "OpenMetricsText1.0.0");
    assert_eq!(first("", "scrape_native_histograms: true"), "PrometheusProto");
    assert_eq!(first("scrape_native_histograms: true", ""), "PrometheusProto");
    let off = "scrape_native_histograms: false";
    assert_eq!(first("scrape_native_histograms: true", off), "OpenMetricsText1.0.0");
    let text = "scrape_protocols: [PrometheusText0.0.4]";
    assert_eq!(first(text, "scrape_native_histograms: true"), "PrometheusText0.0.4");
}

// spec: CFG §2.6
#[test]
fn an_unknown_url_scheme_is_a_warning() {
    let (config, warnings) = read("remote_write: [{url: 'ftp://h'}]").expect("valid");
    assert_eq!((config.remote_write.len(), warnings.len()), (1, 1));
}

#[test]
fn queue_fields_that_are_not_written_are_told_apart() {
    let entry = |fields: &str| config(&remote(fields)).remote_write.remove(0);
    let queue = entry("queue_config: {batch_send_deadline: 5s, max_samples_per_send: 2000}").queue;
    assert_eq!(queue.batch_send_deadline, Some(Duration::from_secs(5)));
    assert_eq!((queue.max_samples_per_send, queue.retry_on_http_429), (Some(2000), None));
    let queue = entry("queue_config: {retry_on_http_429: false}").queue;
    assert_eq!((queue.batch_send_deadline, queue.retry_on_http_429), (None, Some(false)));
    assert_eq!((queue.capacity, queue.max_shards, queue.min_shards), (10_000, 50, 1));
}

#[test]
fn our_own_fields_of_an_endpoint_are_obeyed_and_shown() {
    let usual = config(&remote(""));
    assert!(!usual.to_yaml().contains("corelane"));
    let ours = "{status_policy: {409: retry, 404: drop}, start_at: oldest, patience: 5s, \
                max_bytes_per_send: 1MiB, max_compressed_bytes_per_send: 100KiB, \
                out_of_order_ok: true, backfill_samples_per_second: 5000}";
    let text = remote(&format!("corelane: {ours}"));
    let read = config(&text);
    let entry = &read.remote_write[0];
    assert_eq!(entry.start_at, StartAt::Oldest);
    let actions = [(404, StatusAction::Drop), (409, StatusAction::Retry)];
    assert_eq!(entry.status_policy.0, actions);
    assert_eq!(entry.patience, Duration::from_secs(5));
    let bytes =
        |entry: &RemoteWriteConfig| (entry.max_bytes_per_send, entry.max_compressed_bytes_per_send);
    assert_eq!(bytes(entry), (1 << 20, 100 << 10));
    let order =
        |entry: &RemoteWriteConfig| (entry.out_of_order_ok, entry.backfill_samples_per_second);
    assert_eq!(order(entry), (true, 5000));
    let again = config(&read.to_yaml());
    assert_eq!(order(&again.remote_write[0]), (true, 5000));
    assert_eq!(again.remote_write[0].status_policy.0, actions);
    assert_eq!(again.remote_write[0].patience, Duration::from_secs(5));
    assert_eq!(bytes(&again.remote_write[0]), (1 << 20, 100 << 10));
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
fn bearer_tokens_become_authorization_and_secrets_do_not_show() {
    accepted(
        remote,
        &["enable_http2: true", "oauth2:\n  proxy_url: ''", "tls_config: {min_version: TLS10}"],
    );
    accepted(remote, &["round_robin_dns: true", "google_iam: {credentials_file: a.json}"]);
    let http = config(&job("bearer_token: hidden\n  tls_config: {ca_file: ca.pem}"))
        .scrape_configs
        .remove(0)
        .http;
    let authorization = http.authorization.clone().expect("folded in");
    assert_eq!(authorization.kind, "Bearer");
    assert_eq!(authorization.credentials, Secret::Inline("hidden".to_owned()));
    assert_eq!(http.tls.ca, Some(Secret::File(PathBuf::from("/etc/corelane/ca.pem"))));
    assert!(!format!("{http:?}").contains("hidden"));
}

// spec: CFG §2.6, §2.7, CFG-9
#[test]
fn what_transport_fields_say_is_printed_again_without_secrets() {
    let id = "00000000-0000-0000-0000-000000000000";
    for fields in [
        "http_headers: {X-A: {values: [one], secrets: [HIDDEN], files: [/f]}}",
        "proxy_url: http://u:HIDDEN@p:3128\n  no_proxy: a,b\n  proxy_connect_header: {X-B: [HIDDEN]}",
        "proxy_from_environment: true",
        "oauth2: {client_id: a, client_secret: HIDDEN, token_url: 'http://t/', \
         scopes: [a, b], endpoint_params: {c: d}, tls_config: {server_name: x}}",
        "oauth2: {client_id: a, client_certificate_key: HIDDEN, token_url: 'http://t/', \
         grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', signature_algorithm: RS512, \
         claims: {n: 7, t: \"7\", f: true, s: a\"b}, audience: x, iss: y}",
        "sigv4: {}",
        "sigv4: {region: r, access_key: a, secret_key: HIDDEN, role_arn: x, external_id: y}",
        "google_iam: {}",
        &format!("azuread: {{oauth: {{client_id: {id}, client_secret: HIDDEN, tenant_id: t}}}}"),
        "azuread: {cloud: AzureChina, managed_identity: {}}",
        &format!("azuread: {{workload_identity: {{client_id: {id}, tenant_id: t}}}}"),
        "round_robin_dns: true",
    ] {
        let first = config(&remote(fields));
        let printed = first.to_yaml();
        assert!(!printed.contains("HIDDEN"), "{fields}: {printed}");
        assert!(!format!("{first:?}").contains("HIDDEN"), "{fields}: {first:?}");
        let again = config(&printed);
        assert_eq!(again.to_yaml(), printed, "{fields}");
        let plain = config(&remote("")).to_yaml();
        assert_ne!(printed, plain, "{fields}");
    }
}
