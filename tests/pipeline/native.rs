//! A protobuf page with native histograms arrives as it does by way of a Prometheus agent.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::agent::Agent;
use crate::exporter::Ready;
use crate::figures::Figures;
use crate::peers;
use crate::program::Program;
use crate::receiver::Receiver;
use crate::scratch::{Scratch, free_port};
use crate::wait;
use crate::web;

/// Classic, native and mixed histograms, names in UTF-8, edge values.
const PAGE: &[u8] = include_bytes!("../compat/corpus/exposition/golang-client-utf8.pb");

/// Jobs and what is set for each.
const JOBS: [(&str, &str); 4] = [
    ("native", ""),
    ("both", "always_scrape_classic_histograms: true"),
    ("coarse", "native_histogram_min_bucket_factor: 1.5"),
    ("few", "native_histogram_bucket_limit: 12"),
];

fn answer(page: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.google.protobuf; \
         proto=io.prometheus.client.MetricFamily; encoding=delimited\r\nContent-Length: {}\r\n\r\n",
        page.len()
    );
    [head.as_bytes(), page].concat()
}

fn config(agent: &str, port: u16, url: &str, more: &str) -> String {
    let mut yaml = format!(
        "global:\n  scrape_interval: 500ms\n  external_labels: {{agent: {agent}}}\n{more}\
         remote_write:\n  - url: {url}\n    send_native_histograms: true\nscrape_configs:\n"
    );
    for (job, setting) in JOBS {
        yaml.push_str(&format!(
            "  - job_name: {job}\n    static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n    \
             {setting}\n"
        ));
    }
    yaml
}

/// The newest value of each series of a job, a float or a histogram, by its labels.
fn newest(receiver: &Receiver, agent: &str, job: &str) -> BTreeMap<String, String> {
    let query = web::escape(&format!("{{agent=\"{agent}\",job=\"{job}\"}}"));
    let path = format!("/api/v1/query?query={query}");
    let found = web::get_json(receiver.port(), &path).unwrap_or_default();
    let result = found["data"]["result"].as_array().into_iter().flatten();
    let mut series = BTreeMap::new();
    for found in result {
        let mut labels = found["metric"].clone();
        labels.as_object_mut().map(|labels| labels.remove("agent"));
        let value =
            if found["histogram"] == Value::Null { &found["value"] } else { &found["histogram"] };
        // Prometheus loses the sign of -0 on its way.
        let value = value[1].to_string().replace("\"-0\"", "\"0\"");
        series.insert(labels.to_string(), value);
    }
    series
}

#[test]
fn native_histograms_arrive_as_from_prometheus() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let exporter = Ready::start(vec![answer(PAGE)]);
    let theirs =
        scratch.write("theirs.yml", &config("theirs", exporter.port(), &receiver.url(), ""));
    let mut command = Command::new(peers::prometheus());
    command
        .args(["--agent", "--enable-feature=native-histograms"])
        .arg(format!("--config.file={}", theirs.display()))
        .arg(format!("--storage.agent.path={}", scratch.path("theirs").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{}", free_port()));
    let _prometheus = Program::start(&mut command, &scratch.path("theirs.log"));
    let switch = "  scrape_native_histograms: true\n";
    let mut agent = Agent::new(&scratch, &config("ours", exporter.port(), &receiver.url(), switch));
    agent.start();
    for (job, _) in JOBS {
        let (ours, theirs) = wait::until("both have sent the job's page", || {
            let both = ["ours", "theirs"].map(|name| newest(&receiver, name, job));
            let [ours, theirs] = both;
            (ours.len() > 200 && ours.len() == theirs.len()).then_some((ours, theirs))
        });
        let mut histograms = 0;
        for (labels, value) in &theirs {
            let own = ours.get(labels).unwrap_or_else(|| panic!("{job}: {labels} is missing"));
            // The former takes its own time, the latter is not 0 in the first scrape.
            let own_business = ["scrape_duration_seconds", "scrape_series_added"];
            if !own_business.iter().any(|name| labels.contains(name)) {
                assert_eq!(own, value, "{job}: {labels}");
            }
            histograms += usize::from(value.contains("buckets"));
        }
        assert!(histograms >= 5, "{job}: {histograms} histograms");
    }
    let figures = web::get(agent.port(), "/metrics").expect("a page").body;
    let sent = figures
        .lines()
        .find(|line| line.starts_with("prometheus_remote_storage_histograms_total"))
        .and_then(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    assert!(sent.is_some_and(|sent| sent > 0.0), "{sent:?}");
}

/// The newest value of whatever a selector finds: how many floats, and how many histograms.
fn found(receiver: &Receiver, selector: &str) -> (usize, usize) {
    let path = format!("/api/v1/query?query={}", web::escape(selector));
    let found = web::get_json(receiver.port(), &path).unwrap_or_default();
    let result = found["data"]["result"].as_array().cloned().unwrap_or_default();
    let histograms = result.iter().filter(|found| found["histogram"] != Value::Null).count();
    (result.len() - histograms, histograms)
}

fn job(name: &str, port: u16, url: &str) -> String {
    format!(
        "global:\n  scrape_interval: 250ms\n  scrape_native_histograms: true\n\
         remote_write:\n  - url: {url}\n    send_native_histograms: true\nscrape_configs:\n  \
         - job_name: {name}\n    static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
    )
}

#[test]
fn a_native_histogram_that_vanishes_ends_at_the_receiver() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    // One gauge, and no histogram any more.
    let rest = b"\x15\x0a\x04rest\x18\x01\x22\x0b\x12\x09\x09\x00\x00\x00\x00\x00\x00\x00\x00";
    let mut answers = vec![answer(PAGE); 12];
    answers.push(answer(&rest[..]));
    let exporter = Ready::start(answers);
    let mut agent = Agent::new(&scratch, &job("ends", exporter.port(), &receiver.url()));
    agent.start();
    let native = "{job=\"ends\",__name__=~\"svc_.*\"}";
    wait::until_true("the histograms have arrived", || found(&receiver, native).1 >= 5);
    wait::until_true("the next page has arrived", || found(&receiver, "rest").0 == 1);
    // Without the markers they would be there for five minutes more.
    wait::until_true("nothing is left of the first page", || found(&receiver, native) == (0, 0));
    assert_eq!(found(&receiver, "up{job=\"ends\"}"), (1, 0));
}

#[test]
fn the_native_histograms_of_a_living_prometheus_arrive() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let mut agent = Agent::new(&scratch, &job("live", receiver.port(), &receiver.url()));
    agent.start();
    wait::until_true("histograms and floats have arrived", || {
        let (floats, histograms) = found(&receiver, "{job=\"live\"}");
        floats > 200 && histograms > 0
    });
    assert_eq!(found(&receiver, "up{job=\"live\"} == 1"), (1, 0));
}

/// Two jobs, of which one converts its classic histograms, and two endpoints, of which one wants no histograms.
fn accounted(port: Option<u16>, url: &str, floats: &str) -> String {
    let mut yaml = format!(
        "global:\n  scrape_interval: 250ms\n  scrape_native_histograms: true\nremote_write:\n  \
         - {{name: all, url: {url}, send_native_histograms: true, queue_config: {{max_backoff: 500ms}}}}\n  \
         - {{name: floats, url: {floats}, queue_config: {{max_backoff: 500ms}}}}\nscrape_configs:\n"
    );
    for (job, setting) in [("kept", "false"), ("made", "true")] {
        let targets = port.map_or(String::new(), |port| format!("'127.0.0.1:{port}'"));
        yaml.push_str(&format!(
            "  - job_name: {job}\n    static_configs: [{{targets: [{targets}]}}]\n    \
             convert_classic_histograms_to_nhcb: {setting}\n"
        ));
    }
    yaml
}

#[test]
fn native_histograms_outlive_kills_and_outages_and_each_is_accounted_for() {
    let scratch = Scratch::new();
    let mut receiver = Receiver::prometheus(&scratch);
    let receiver_url = receiver.url();
    receiver.stop();
    // Of its own: it gets the markers of series whose histograms the first may still have to get.
    let floats = Receiver::victoria_metrics(&scratch);
    let config = |port| accounted(port, &receiver_url, &floats.url());
    let exporter = Ready::start(vec![answer(PAGE)]);
    let mut agent = Agent::new(&scratch, &config(Some(exporter.port())));
    let appended = "prometheus_agent_samples_appended_total";
    for _ in 0..2 {
        agent.start();
        wait::until_true("histograms are in the log", || {
            Figures::of(&agent).sum(appended, "type=\"histogram\"") >= 50
        });
        agent.kill();
    }
    agent.start();
    receiver.start();
    wait::until_true("histograms arrive", || {
        found(&receiver, "{job=\"kept\",__name__=~\"svc_.*\"}").1 >= 5
    });
    fs::write(agent.config(), config(None)).unwrap();
    assert_eq!(agent.reload().status, 200);
    let figures = Figures::at_rest(&agent);
    let lost = |name: &str, url: &str, reason: &str| {
        let label = format!("remote_name=\"{name}\",url=\"{url}\",reason=\"{reason}\"");
        figures.sum("prometheus_remote_storage_histograms_dropped_total", &label)
    };
    let custom = lost("all", &receiver_url, "nhcb_in_rw1_not_supported");
    assert!(custom > 0);
    assert_eq!(lost("all", &receiver_url, "histograms_off"), 0);
    // Of all lives: this one was not behind when the earlier ones ended.
    let off = "reason=\"histograms_off\",remote_name=\"floats\"";
    assert!(figures.sum("corelane_ledger_lost_samples_total", off) > custom);
    // One of each in every scrape, and a marker is no sample.
    let count = |selector: &str| {
        let query = format!("count_over_time({selector}[1h])");
        let path = format!("/api/v1/query?query={}", web::escape(&query));
        let found = web::get_json(receiver.port(), &path).unwrap_or_default();
        let value = found["data"]["result"][0]["value"][1].as_str().map(str::to_owned);
        value.unwrap_or_else(|| panic!("{query} finds nothing"))
    };
    let scrapes = count("up{job=\"kept\"}");
    for histogram in ["svc_native_empty", "svc_native_signed"] {
        assert_eq!(count(&format!("{histogram}{{job=\"kept\"}}")), scrapes, "{histogram}");
    }
}
