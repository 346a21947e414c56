//! Exports to a receiver inside the test.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use prost::Message as _;

use crate::flags::Export;
use crate::inspect::error::InspectError;
use crate::inspect::export::{Exported, export};
use crate::inspect::tests::fixture::*;
use crate::wire::remote_v1::WriteRequest;

/// Answers by the list; 204 after it. Ends when a request is called `/end`.
struct Receiver {
    port: u16,
    thread: JoinHandle<Vec<(u16, WriteRequest)>>,
}

impl Receiver {
    fn start(answers: &'static [&'static str]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let thread = thread::spawn(move || {
            let mut taken = Vec::new();
            let mut answers = answers.iter();
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.expect("a caller"));
                while let Some((head, body)) = request(&mut reader) {
                    if head.starts_with("GET /end") {
                        return taken;
                    }
                    for field in [
                        "POST /write HTTP/1.1\r\n",
                        "Content-Encoding: snappy\r\n",
                        "X-Prometheus-Remote-Write-Version: 0.1.0\r\n",
                    ] {
                        assert!(head.contains(field), "{field:?} is not in {head}");
                    }
                    let raw = snap::raw::Decoder::new().decompress_vec(&body).expect("Snappy");
                    let request = WriteRequest::decode(&raw[..]).expect("a request");
                    let answer = answers.next().unwrap_or(&"204 Taken");
                    let status = answer[..3].parse().expect("a status");
                    taken.push((status, request));
                    let text = format!("HTTP/1.1 {answer}\r\nContent-Length: 4\r\n\r\nword");
                    let text =
                        text.replace("204 Taken\r\nContent-Length: 4\r\n\r\nword", "204\r\n\r\n");
                    reader.get_mut().write_all(text.as_bytes()).expect("a listener");
                }
            }
            taken
        });
        Receiver { port, thread }
    }

    /// All requests with the answers they got.
    fn end(self) -> Vec<(u16, WriteRequest)> {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port)).expect("there");
        stream.write_all(b"GET /end HTTP/1.1\r\n\r\n").expect("there");
        self.thread.join().expect("no panic")
    }
}

/// A head and a body as long as it says; `None` when the caller is gone.
fn request(reader: &mut impl std::io::BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.map_or(0, |text| text.parse().expect("a number"))];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// What was taken in, by series: values as bits, and times.
fn taken(requests: &[(u16, WriteRequest)]) -> BTreeMap<String, Vec<(u64, i64)>> {
    let mut found: BTreeMap<String, Vec<(u64, i64)>> = BTreeMap::new();
    for (_, request) in requests.iter().filter(|(status, _)| *status < 300) {
        for series in &request.timeseries {
            let labels =
                series.labels.iter().map(|label| format!("{}={}", label.name, label.value));
            let labels = labels.collect::<Vec<_>>().join(",");
            let samples = series.samples.iter().map(|s| (s.value.to_bits(), s.timestamp));
            found.entry(labels).or_default().extend(samples);
        }
    }
    found
}

/// What the frames hold that `wanted` names.
fn written(shards: u16, wanted: impl Fn(u32) -> bool) -> BTreeMap<String, Vec<(u64, i64)>> {
    let mut found = BTreeMap::new();
    for shard in 0..shards {
        for series in 0..SERIES {
            let name = format!("metric_{}", series / 2 * 10 + series % 2);
            let frames = (0..FRAMES).filter(|frame| wanted(*frame));
            let samples = frames.map(|frame| (value(frame, series).to_bits(), time(frame)));
            found.insert(format!("__name__={name},job=a\\b,shard={shard}"), samples.collect());
        }
    }
    found
}

fn asked(directory: &Directory, port: u16) -> Export {
    Export {
        dir: directory.0.clone(),
        to: format!("http://127.0.0.1:{port}/write"),
        endpoint: None,
        config_file: None,
        from: None,
        until: None,
        skip: 0,
        headers: Vec::new(),
        ca_file: None,
        retry_for: core::time::Duration::from_secs(60),
    }
}

fn run(asked: &Export) -> (Result<Exported, InspectError>, String) {
    let mut notes = Vec::new();
    let exported = export(asked, &mut notes);
    (exported, String::from_utf8(notes).expect("text"))
}

#[test]
fn everything_arrives_once_in_order_and_to_the_last_bit() {
    let directory = Directory::new("export");
    let before = directory.files();
    let receiver = Receiver::start(&["503 Later", "429 Later", "200 OK"]);
    let (exported, notes) = run(&asked(&directory, receiver.port));
    let requests = receiver.end();
    assert_eq!(requests.len(), 3);
    assert_eq!(taken(&requests), written(SHARDS, |_| true));
    let samples = u64::from(SHARDS) * u64::from(FRAMES * SERIES);
    let wanted = Exported { sent: samples, lost: 0, filtered: 0 };
    assert_eq!(exported.expect("sent"), wanted, "{notes}");
    assert!(notes.contains("trying again: 503 word"), "{notes}");
    assert_eq!(directory.files(), before);
}

#[test]
fn an_endpoint_gets_what_it_has_not_acknowledged() {
    let directory = Directory::new("export-endpoint");
    let receiver = Receiver::start(&[]);
    let mut asked = asked(&directory, receiver.port);
    asked.endpoint = Some(ENDPOINT.to_owned());
    run(&asked).0.expect("sent");
    asked.endpoint = Some("another".to_owned());
    let error = run(&asked).0.expect_err("no cursor");
    assert!(error.to_string().contains("no endpoint \"another\" has a cursor"), "{error}");
    let requests = receiver.end();
    // The cursor says so: frame 5 and later, but for lane 8, which is further.
    assert_eq!(taken(&requests), written(SHARDS, |frame| frame >= 5 && frame != 8));
}

#[test]
fn a_configuration_adds_external_labels_and_filters() {
    let directory = Directory::new("export-config");
    let receiver = Receiver::start(&[]);
    let config = directory.0.join("agent.yml");
    let yaml = format!(
        "global:\n  external_labels: {{site: north}}\nremote_write:\n  - name: {ENDPOINT}\n    \
         url: http://localhost:1/\n    write_relabel_configs:\n      - source_labels: [__name__]\n        \
         regex: metric_1\n        action: keep\n"
    );
    fs::write(&config, yaml).expect("written");
    let asked = Export {
        config_file: Some(config),
        endpoint: Some(ENDPOINT.to_owned()),
        from: Some(time(6)),
        until: Some(time(7)),
        ..asked(&directory, receiver.port)
    };
    let (exported, notes) = run(&asked);
    let requests = receiver.end();
    let series = |shard| format!("__name__=metric_1,job=a\\b,shard={shard},site=north");
    let samples: Vec<_> = [6, 7].map(|frame| (value(frame, 1).to_bits(), time(frame))).to_vec();
    let wanted = [0, 1].map(|shard| (series(shard), samples.clone()));
    assert_eq!(taken(&requests), BTreeMap::from(wanted));
    let wanted = Exported { sent: 4, lost: 0, filtered: 20 };
    assert_eq!(exported.expect("sent"), wanted, "{notes}");
}

#[test]
fn what_is_too_large_is_sent_in_parts_and_a_refusal_ends_it_with_the_way_to_go_on() {
    let directory = Directory::of("export-refused", 1);
    let receiver = Receiver::start(&["413 Large", "200 OK", "400 Bad"]);
    let mut asked = asked(&directory, receiver.port);
    let half = u64::from(FRAMES * SERIES / 2);
    let (exported, _) = run(&asked);
    let error = exported.expect_err("refused");
    assert!(
        matches!(error, InspectError::Stopped { sent, skip, .. } if (sent, skip) == (half, half)),
        "{error}"
    );
    assert!(error.to_string().starts_with("refused: 400 word; "), "{error}");
    asked.skip = half;
    assert_eq!(run(&asked).0.expect("sent").sent, half);
    let requests = receiver.end();
    assert_eq!(
        requests.iter().map(|(status, _)| *status).collect::<Vec<_>>(),
        [413, 200, 400, 204]
    );
    assert_eq!(taken(&requests), written(1, |_| true));
}

#[test]
fn nobody_there_ends_it_when_the_time_is_up() {
    let directory = Directory::of("export-nobody", 1);
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let mut asked = asked(&directory, free.port());
    asked.retry_for = core::time::Duration::from_millis(40);
    let error = run(&asked).0.expect_err("nobody is there");
    assert!(error.to_string().starts_with("gave up after "), "{error}");
    for (to, part) in [("ftp://a/", "neither http nor https"), ("a", "no scheme")] {
        asked.to = to.to_owned();
        let error = run(&asked).0.expect_err(to);
        assert!(error.to_string().contains(part), "{error}");
    }
}
