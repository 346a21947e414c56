//! Others push to us: what got a good answer is in the log, and goes on from there like everything else.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message as _;

use corelane::wire::{remote_v1 as v1, remote_v2 as v2};

use crate::agent::{Agent, config};
use crate::exporter::Numbered;
use crate::figures::Figures;
use crate::receiver::Receiver;
use crate::scratch::Scratch;
use crate::sender::{Kind, Sender};
use crate::strict::{Message, Strict};
use crate::wait;
use crate::web::{self, Answer};

const WRITE: &str = "/api/v1/write";
const SECOND: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// An agent that takes pushes and scrapes nothing.
fn taker(scratch: &Scratch, urls: &[String]) -> Agent {
    let mut agent = Agent::new(scratch, &config(&[], urls));
    agent.flags(&["--web.enable-remote-write-receiver", "--cores=2", "--no-pin"]);
    agent
}

fn url(agent: &Agent) -> String {
    format!("http://127.0.0.1:{}{WRITE}", agent.port())
}

/// A real sender scrapes and pushes to us, we are killed again and again, and every page arrives once, in order.
fn survives_kills(kind: Kind) {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::start();
    let mut agent = taker(&scratch, &[receiver.url()]);
    agent.start();
    let sender = Sender::start(&scratch, kind, &[exporter.port()], &url(&agent));
    for kill in 0..4 {
        exporter.more(4);
        // Another moment each time.
        thread::sleep(Duration::from_millis(37 * kill));
        agent.kill();
        exporter.more(2);
        agent.start();
    }
    exporter.more(4);
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
    let figures = Figures::of(&agent);
    figures.assert_laws();
    assert!(figures.sum("corelane_samples_received_total", "") > 0);
    if kind != Kind::VmAgent {
        let lost = "prometheus_remote_storage_samples_failed_total{";
        let metrics = sender.metrics();
        let failed: Vec<&str> = metrics
            .lines()
            .filter(|line| line.starts_with(lost) && !line.ends_with(" 0"))
            .collect();
        assert!(failed.is_empty(), "{failed:?}\n{}", sender.log());
    }
}

#[test]
fn what_a_prometheus_agent_pushes_arrives_once_and_in_order_over_kills() {
    survives_kills(Kind::Prometheus);
}

#[test]
fn what_it_pushes_by_the_second_message_does_too() {
    survives_kills(Kind::PrometheusSecond);
}

#[test]
fn what_vmagent_pushes_does_too() {
    survives_kills(Kind::VmAgent);
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_millis() as i64
}

fn series(labels: &[(&str, &str)], samples: &[(f64, i64)]) -> v1::TimeSeries {
    let label = |(name, value): &(&str, &str)| v1::Label {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    };
    let sample = |&(value, timestamp): &(f64, i64)| v1::Sample { value, timestamp };
    v1::TimeSeries {
        labels: labels.iter().map(label).collect(),
        samples: samples.iter().map(sample).collect(),
        ..v1::TimeSeries::default()
    }
}

fn push(agent: &Agent, headers: &[(&str, &str)], message: &[u8]) -> (Answer, String) {
    let body = snap::raw::Encoder::new().compress_vec(message).expect("short");
    web::send(agent.port(), "POST", WRITE, headers, &body).expect("answered")
}

fn push_series(agent: &Agent, timeseries: Vec<v1::TimeSeries>) -> Answer {
    push_with(agent, timeseries, Vec::new())
}

fn push_with(
    agent: &Agent,
    timeseries: Vec<v1::TimeSeries>,
    metadata: Vec<v1::MetricMetadata>,
) -> Answer {
    let request = v1::WriteRequest { timeseries, metadata };
    push(agent, &[("Content-Encoding", "snappy")], &request.encode_to_vec()).0
}

// spec: HTTP-50 to HTTP-53, HTTP-56
#[test]
fn answers_say_what_was_taken_and_good_samples_are_taken_beside_bad_ones() {
    let scratch = Scratch::new();
    // Nobody listens there.
    let mut agent = taker(&scratch, &["http://127.0.0.1:1/".to_owned()]);
    agent.start();
    let (time, up, down) = (now(), [("__name__", "up")], [("__name__", "down"), ("a", "b")]);
    let all = |time: i64| vec![series(&up, &[(1.0, time)]), series(&down, &[(2.0, time)])];
    assert_eq!(push_series(&agent, all(time)).status, 204);
    // The answer was lost on its way: the same comes again.
    assert_eq!(push_series(&agent, all(time)).status, 204);
    // Equal samples in another request; then other ones of the same time.
    assert_eq!(push_series(&agent, vec![series(&up, &[(1.0, time)])]).status, 204);
    let refused = push_series(&agent, vec![series(&up, &[(7.0, time)])]);
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("duplicate sample for timestamp"), "{}", refused.body);
    let late = vec![series(&up, &[(1.0, time - 5)]), series(&down, &[(3.0, time + 1)])];
    let refused = push_series(&agent, late);
    assert_eq!((refused.status, refused.body.contains("out of order")), (400, true));
    let ahead = vec![series(&up, &[(1.0, time + 3_600_000)])];
    assert_eq!(push_series(&agent, ahead).status, 400);
    // Passed over, as by Prometheus.
    assert_eq!(push_series(&agent, vec![series(&[("a", "b")], &[(1.0, time)])]).status, 204);
    assert_eq!(push_series(&agent, Vec::new()).status, 204);
    let figures = Figures::of(&agent);
    figures.assert_laws();
    assert_eq!(figures.sum("corelane_wal_appended_samples_total", ""), 3);
    assert_eq!(figures.sum("corelane_samples_refused_total", "out_of_order"), 1);
    assert_eq!(figures.sum("corelane_samples_refused_total", "duplicate_timestamp"), 2);
    assert_eq!(figures.sum("corelane_samples_refused_total", "invalid_labels"), 1);
    // Once for each shard that has some of it.
    assert!(figures.sum("corelane_pushes_repeated_total", "") > 0);
    let name = "prometheus_api_remote_write_invalid_labels_samples_total";
    assert_eq!(figures.sum(name, ""), 1);
    for (headers, body, status) in [
        (&[("Content-Type", "application/json")][..], &b"\x00"[..], 415),
        (&[("Content-Encoding", "zstd")], b"\x00", 415),
        (&[], b"\xff\xff\xff\xff\x0f", 400),
        (&[], b"\x02\x04\x0a\x05", 400),
        (&[("Content-Encoding", "snappy")], b"\x00", 204),
    ] {
        let (answer, _) = web::send(agent.port(), "POST", WRITE, headers, body).expect("answered");
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.body);
    }
    assert_eq!(web::get(agent.port(), WRITE).expect("answered").status, 405);
    assert_eq!(agent.stop().code(), Some(0));
}

// spec: HTTP-53, conformance 3.5
#[test]
fn the_second_message_is_answered_with_counts() {
    let scratch = Scratch::new();
    let mut agent = taker(&scratch, &[]);
    agent.start();
    let one = |labels_refs: Vec<u32>, timestamp: i64| v2::TimeSeries {
        labels_refs,
        samples: vec![v2::Sample { value: 1.0, timestamp, start_timestamp: 0 }],
        ..v2::TimeSeries::default()
    };
    let exemplar = v2::Exemplar { labels_refs: vec![3, 4], value: 1.0, timestamp: now() };
    let good = v2::TimeSeries { exemplars: vec![exemplar], ..one(vec![1, 2], now()) };
    let histogram = v2::Histogram { timestamp: now(), ..v2::Histogram::default() };
    let native = v2::TimeSeries {
        labels_refs: vec![1, 4],
        histograms: vec![histogram],
        ..v2::TimeSeries::default()
    };
    let symbols = ["", "__name__", "a", "trace_id", "b"].map(str::to_owned).to_vec();
    let timeseries = vec![good, native, one(vec![1], now()), one(vec![1, 99], now())];
    let request = v2::Request { symbols, timeseries };
    let headers = [("Content-Type", SECOND)];
    let (answer, head) = push(&agent, &headers, &request.encode_to_vec());
    assert_eq!(answer.status, 400, "{}", answer.body);
    for written in ["samples-written: 1", "histograms-written: 1", "exemplars-written: 1"] {
        assert!(head.contains(&format!("x-prometheus-remote-write-{written}\r\n")), "{head}");
    }
    assert!(answer.body.contains("labelRefs 99"), "{}", answer.body);
    let mut only_first = Agent::new(&scratch, &config(&[], &[]));
    let flag = "--web.remote-write-receiver.accepted-protobuf-messages=prometheus.WriteRequest";
    only_first.flags(&["--web.enable-remote-write-receiver", flag]);
    only_first.start();
    let (answer, _) = push(&only_first, &headers, &request.encode_to_vec());
    assert_eq!(answer.status, 415);
}

#[test]
fn what_families_say_and_exemplars_without_a_sample_go_on_with_their_series() {
    let scratch = Scratch::new();
    let strict = Strict::start();
    let endpoint = format!(
        "remote_write: [{{url: '{}', send_exemplars: true, protobuf_message: io.prometheus.write.v2.Request}}]\n",
        strict.url()
    );
    let mut agent = Agent::new(&scratch, &endpoint);
    agent.flags(&["--web.enable-remote-write-receiver", "--cores=2", "--no-pin"]);
    agent.start();
    let family = v1::MetricMetadata {
        r#type: v1::MetricType::Histogram as i32,
        metric_family_name: "seconds".to_owned(),
        help: "How long.".to_owned(),
        unit: "s".to_owned(),
    };
    assert_eq!(push_with(&agent, Vec::new(), vec![family]).status, 204);
    let exemplar = v1::Exemplar {
        labels: vec![v1::Label { name: "trace_id".to_owned(), value: "x".to_owned() }],
        value: 0.5,
        timestamp: now(),
    };
    let labels = [("__name__", "seconds_bucket"), ("le", "1")];
    let alone = v1::TimeSeries { exemplars: vec![exemplar], ..series(&labels, &[]) };
    assert_eq!(push_series(&agent, vec![alone]).status, 204);
    assert_eq!(push_series(&agent, vec![series(&labels, &[(3.0, now())])]).status, 204);
    let entry = wait::until("the sample arrives", || strict.entries().pop());
    assert_eq!(
        (entry.name(), entry.help.as_str(), entry.unit.as_str()),
        ("seconds_bucket", "How long.", "s")
    );
    assert_eq!(entry.metadata().r#type, v1::MetricType::Histogram as i32);
    assert_eq!(entry.exemplars.len(), 1);
    assert_eq!(entry.exemplars[0].0, [("trace_id".to_owned(), "x".to_owned())]);
    assert!(strict.got().iter().all(|got| matches!(got.message, Message::Second(_))));
}

/// A gauge `g` of unit `s` with this value, of a service with this name.
fn gauge(service: &str, value: f64, nanos: u64) -> Vec<u8> {
    let field = |number: u8, body: &[u8]| {
        [&[number << 3 | 2, u8::try_from(body.len()).expect("short")][..], body].concat()
    };
    let fixed = |number: u8, bits: u64| [&[number << 3 | 1][..], &bits.to_le_bytes()].concat();
    let point = field(1, &[fixed(3, nanos), fixed(4, value.to_bits())].concat());
    let metric = [field(1, b"g"), field(3, b"s"), field(5, &point)].concat();
    let named = |key: &str, value: &str| {
        let value = field(2, &field(1, value.as_bytes()));
        field(1, &[field(1, key.as_bytes()), value].concat())
    };
    let resource = field(1, &[named("service.name", service), named("host.name", "h")].concat());
    field(1, &[resource, field(2, &field(2, &metric))].concat())
}

// spec: HTTP-60, HTTP-62
#[test]
fn metrics_of_opentelemetry_are_taken_translated_and_sent_on() {
    const OTLP: &str = "/api/v1/otlp/v1/metrics";
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let otlp = "otlp: {promote_resource_attributes: [host.name]}\n";
    let mut agent = Agent::new(&scratch, &format!("{otlp}{}", config(&[], &[receiver.url()])));
    agent.flags(&["--web.enable-otlp-receiver", "--cores=2", "--no-pin"]);
    agent.start();
    let nanos = now() as u64 * 1_000_000;
    let protobuf = ("Content-Type", "application/x-protobuf");
    let post = |headers: &[(&str, &str)], body: &[u8]| {
        web::send(agent.port(), "POST", OTLP, headers, body).expect("answered").0
    };
    let first = post(&[protobuf], &gauge("one", 1.5, nanos));
    assert_eq!((first.status, first.body.as_str()), (200, ""));
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zip, &gauge("one", 2.5, nanos + 1_000_000_000)).expect("memory");
    let zipped = zip.finish().expect("memory");
    assert_eq!(post(&[protobuf, ("Content-Encoding", "gzip")], &zipped).status, 200);
    // Older than what there is: refused, and said in a good answer.
    let late = post(&[protobuf], &gauge("one", 9.5, nanos - 1_000_000_000));
    assert_eq!((late.status, late.body.contains("out of order")), (200, true));
    assert_eq!(post(&[("Content-Type", "application/json")], b"{}").status, 415);
    assert_eq!(post(&[protobuf], b"\x0a\x05").status, 400);
    wait::until_true("the samples arrive", || {
        receiver.values("g_seconds{job=\"one\",host_name=\"h\"}") == [1.5, 2.5]
    });
    assert!(!receiver.values("target_info{job=\"one\",host_name=\"h\"}").is_empty());
    Figures::of(&agent).assert_laws();
}
