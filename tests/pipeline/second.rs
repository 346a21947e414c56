//! Remote write 2.0: real receivers of it, one that does not know it, and ours, which checks every message.

use std::collections::BTreeMap;

use crate::agent::{Agent, config};
use crate::exporter::{Numbered, Ready};
use crate::receiver::Receiver;
use crate::scratch::Scratch;
use crate::strict::{Message, Strict};
use crate::wait;
use crate::web;

/// Added to an entry of `remote_write` made by [`config`].
const SECOND: &str = "protobuf_message: io.prometheus.write.v2.Request";

fn second(ports: &[u16], url: String) -> String {
    let yaml = config(ports, std::slice::from_ref(&url));
    let with = yaml.replacen(&url, &format!("{url}\n    {SECOND}"), 1);
    assert_ne!(yaml, with);
    with
}

#[test]
fn a_real_prometheus_takes_2_0_over_an_outage_and_a_kill() {
    let scratch = Scratch::new();
    let mut receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::start();
    let mut agent = Agent::new(&scratch, &second(&[exporter.port()], receiver.url()));
    agent.start();
    exporter.more(5);
    receiver.stop();
    exporter.more(5);
    agent.kill();
    agent.start();
    receiver.start();
    exporter.more(3);
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
    assert!(!agent.log().contains("does not know it"), "{}", agent.log());
}

#[test]
fn victoria_metrics_does_not_know_2_0_and_gets_1_0() {
    let scratch = Scratch::new();
    let receiver = Receiver::victoria_metrics(&scratch);
    let exporter = Numbered::start();
    let mut agent = Agent::new(&scratch, &second(&[exporter.port()], receiver.url()));
    agent.start();
    exporter.more(5);
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
    assert!(agent.log().contains("does not know it"), "{}", agent.log());
}

/// Pages of text, the last of them for ever.
fn pages(pages: &[&str]) -> Ready {
    let answer = |page: &&str| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4";
        format!("{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len()).into_bytes()
    };
    Ready::start(pages.iter().map(answer).collect())
}

#[test]
fn every_message_of_2_0_is_what_the_specification_demands() {
    let scratch = Scratch::new();
    let receiver = Strict::start();
    let page = "# TYPE lives gauge\n# HELP lives Left.\nlives{n=\"1\"} NaN\nlives{n=\"2\"} -Inf\nzero 0\nlives{n=\"é\"} 1e300\n";
    let rest = "zero 0\n";
    let exporter = pages(&[page, page, rest]);
    let mut agent = Agent::new(&scratch, &second(&[exporter.port()], receiver.url()));
    agent.start();
    wait::until_true("series have ended", || {
        let stale = |bits: u64| bits == 0x7ff0_0000_0000_0002;
        let samples = receiver.entries().into_iter().filter(|entry| entry.name() == "lives");
        let ended = samples.filter(|entry| stale(entry.series.samples[0].value.to_bits()));
        ended.count() == 3
    });
    let mut newest: BTreeMap<Vec<(String, String)>, i64> = BTreeMap::new();
    let mut values = Vec::new();
    for entry in receiver.entries() {
        let sample = entry.series.samples[0];
        let before = newest.insert(entry.labels.clone(), sample.timestamp);
        assert!(before.is_none_or(|before| before < sample.timestamp), "{:?}", entry.labels);
        let said = (entry.metadata().r#type, &*entry.help, &*entry.unit);
        assert_eq!(said, if entry.name() == "lives" { (2, "Left.", "") } else { (0, "", "") });
        if entry.name() == "lives" && values.len() < 3 {
            values.push(sample.value.to_bits());
        }
    }
    let wanted = [f64::from_bits(0x7ff8_0000_0000_0001), f64::NEG_INFINITY, 1e300];
    assert_eq!(values, wanted.map(f64::to_bits));
}

// spec: remote-write 2.0, retries; RW-26
#[test]
fn what_is_retried_is_the_same_and_says_so() {
    let scratch = Scratch::new();
    let receiver = Strict::answering(|number, got| match number {
        0..3 => (503, String::new()),
        _ => (204, got.written()),
    });
    let exporter = Numbered::start();
    let mut agent = Agent::new(&scratch, &second(&[exporter.port()], receiver.url()));
    agent.start();
    let got = wait::until("it is taken", || {
        let got = receiver.got();
        (got.len() > 4).then_some(got)
    });
    let attempts: Vec<Option<&str>> =
        got[..4].iter().map(|got| got.header("Retry-Attempt")).collect();
    assert_eq!(attempts, [None, Some("1"), Some("2"), Some("3")]);
    let Message::Second(first) = &got[0].message else { panic!("{:?}", got[0]) };
    for later in &got[1..4] {
        let Message::Second(later) = &later.message else { panic!("{later:?}") };
        assert_eq!(first, later);
    }
}

/// Type and help of a series' newest entry.
fn said(receiver: &Strict, name: &str) -> Option<(i32, String)> {
    let entries = receiver.entries();
    let newest = entries.iter().rfind(|entry| entry.name() == name)?;
    Some((newest.metadata().r#type, newest.help.clone()))
}

#[test]
fn metadata_follows_the_page_and_survives_a_kill_with_the_target_gone() {
    let scratch = Scratch::new();
    let receiver = Strict::start();
    let first = "# TYPE a counter\n# HELP a One.\na 1\n# TYPE b gauge\nb 2\n";
    let second_page = first.replace("One.", "Another.");
    let exporter = pages(&[first, first, &second_page]);
    let mut agent = Agent::new(&scratch, &second(&[exporter.port()], receiver.url()));
    agent.start();
    wait::until_true("the first page is there", || {
        said(&receiver, "a") == Some((1, "One.".to_owned()))
    });
    wait::until_true("the news is there", || {
        said(&receiver, "a") == Some((1, "Another.".to_owned()))
    });
    assert_eq!(said(&receiver, "b"), Some((2, String::new())));
    assert_eq!(said(&receiver, "up"), Some((0, String::new())));
    // What is sent of an earlier life says what it is.
    agent.kill();
    let late = Strict::start();
    let yaml = second(&[1], late.url()) + "    corelane: {start_at: oldest}\n";
    std::fs::write(agent.config(), yaml.replace("remote-0", "late")).expect("a file");
    agent.start();
    wait::until_true("the backlog is there", || said(&late, "a").is_some());
    assert_eq!(said(&late, "a"), Some((1, "Another.".to_owned())));
}

#[test]
fn metadata_goes_to_a_receiver_of_1_0_at_intervals() {
    let scratch = Scratch::new();
    let receiver = Strict::start();
    let exporter = pages(&["# TYPE a counter\n# HELP a One.\na 1\n# TYPE b gauge\nb 2\n"]);
    let yaml = config(&[exporter.port()], &[receiver.url()])
        + "    metadata_config: {send_interval: 300ms, max_samples_per_send: 1}\n";
    let mut agent = Agent::new(&scratch, &yaml);
    agent.start();
    let families = wait::until("both were told twice", || {
        let got = receiver.got();
        let messages = got.iter().filter_map(|got| match &got.message {
            Message::First(message) if !message.metadata.is_empty() => Some(message.clone()),
            _ => None,
        });
        let messages: Vec<_> = messages.collect();
        (messages.len() >= 4).then_some(messages)
    });
    for message in &families {
        assert!(message.timeseries.is_empty() && message.metadata.len() == 1);
    }
    let said = families[..2].iter().map(|message| {
        let it = &message.metadata[0];
        (it.metric_family_name.as_str(), it.r#type, it.help.as_str())
    });
    assert_eq!(said.collect::<Vec<_>>(), [("a", 1, "One."), ("b", 2, "")]);
}

/// An OpenMetrics page, for ever.
fn openmetrics(page: &str) -> Ready {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0";
    let length = page.len();
    Ready::start(vec![format!("{head}\r\nContent-Length: {length}\r\n\r\n{page}").into_bytes()])
}

#[test]
fn exemplars_arrive_at_a_real_prometheus_by_both_messages() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let page = "# TYPE a counter\na_total{x=\"y\"} 17 # {trace_id=\"KOO5S4vxi0o\"} 0.67\n\
                # TYPE h histogram\nh_bucket{le=\"1\"} 4 # {trace_id=\"oHg5SJYRHA0\"} 0.5\n\
                h_bucket{le=\"+Inf\"} 5\nh_sum 2\nh_count 5\n# EOF\n";
    for (job, message) in
        [("first", "prometheus.WriteRequest"), ("second", "io.prometheus.write.v2.Request")]
    {
        let exporter = openmetrics(page);
        let url = receiver.url();
        let yaml = config(&[exporter.port()], std::slice::from_ref(&url))
            .replace("job_name: test", &format!("job_name: {job}"))
            + &format!("    protobuf_message: {message}\n    send_exemplars: true\n");
        let mut agent = Agent::new(&scratch, &yaml);
        agent.start();
        let found = wait::until("both exemplars have arrived", || {
            let query = web::escape(&format!("{{job=\"{job}\"}}"));
            let path = format!("/api/v1/query_exemplars?query={query}&start=0&end=9999999999");
            let found = web::get_json(receiver.port(), &path)?;
            let series = found["data"].as_array()?.clone();
            let values = series.iter().flat_map(|series| {
                let exemplars = series["exemplars"].as_array().into_iter().flatten();
                exemplars.map(|it| (it["labels"]["trace_id"].to_string(), it["value"].to_string()))
            });
            let mut values: Vec<_> = values.collect();
            values.sort();
            (values.len() == 2).then_some(values)
        });
        let text = |text: &str| format!("\"{text}\"");
        let wanted = [("KOO5S4vxi0o", "0.67"), ("oHg5SJYRHA0", "0.5")];
        assert_eq!(found, wanted.map(|(id, value)| (text(id), text(value))));
    }
}
