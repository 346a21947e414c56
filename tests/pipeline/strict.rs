//! A receiver of ours that keeps every request it gets, and panics in its thread at nothing: what is wrong with a request
//! is found by the test that reads it.
#![expect(
    clippy::disallowed_types,
    reason = "a test looks at what a thread of its own has received"
)]

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use prost::Message as _;

use corelane::wire::remote_v1::WriteRequest;
use corelane::wire::remote_v2::{Exemplar, Metadata, Request, TimeSeries};

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Got {
    /// Lines of the head but for the first.
    pub head: Vec<String>,
    pub message: Message,
}

#[derive(Debug, Clone)]
pub enum Message {
    First(WriteRequest),
    Second(Request),
}

/// The answer to request number n, counted from 0: a status, and lines of the head.
type Answer = dyn Fn(usize, &Got) -> (u16, String) + Send + Sync;

pub struct Strict {
    port: u16,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Strict {
    /// A receiver of both messages that counts what it takes.
    pub fn start() -> Strict {
        Strict::answering(|_, got| (204, got.written()))
    }

    pub fn answering(
        answer: impl Fn(usize, &Got) -> (u16, String) + Send + Sync + 'static,
    ) -> Strict {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        let got = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer): (_, Arc<Answer>) = (Arc::clone(&got), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                // The end of a connection is the end of its thread, whatever the cause.
                thread::spawn(move || drop(converse(stream, &kept, &*answer)));
            }
        });
        Strict { port, got }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/write", self.port)
    }

    /// All requests so far.
    pub fn got(&self) -> Vec<Got> {
        self.got.lock().expect("no thread panics").clone()
    }

    /// All entries of 2.0 so far, each with its labels, in the order of their coming; every request is checked.
    pub fn entries(&self) -> Vec<Entry> {
        self.got().iter().flat_map(Got::entries).collect()
    }
}

/// An entry of 2.0 with its texts.
#[derive(Debug, Clone)]
pub struct Entry {
    pub labels: Vec<(String, String)>,
    pub series: TimeSeries,
    pub help: String,
    pub unit: String,
    pub exemplars: Vec<(Vec<(String, String)>, Exemplar)>,
}

impl Entry {
    pub fn name(&self) -> &str {
        self.get("__name__")
    }

    pub fn metadata(&self) -> Metadata {
        self.series.metadata.unwrap_or_default()
    }

    pub fn get(&self, name: &str) -> &str {
        self.labels.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

fn converse(mut stream: TcpStream, kept: &Mutex<Vec<Got>>, answer: &Answer) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut head, mut length) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.parse().map_err(|_| io::ErrorKind::InvalidData)?;
            }
            head.push(line);
        }
        head.remove(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let Ok(raw) = snap::raw::Decoder::new().decompress_vec(&body) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let second = head.iter().any(|line| line.contains("proto=io.prometheus.write.v2.Request"));
        let message = if second {
            Request::decode(&raw[..]).map(Message::Second)
        } else {
            WriteRequest::decode(&raw[..]).map(Message::First)
        };
        let message = message.map_err(|_| io::ErrorKind::InvalidData)?;
        let got = Got { head, message };
        let number = {
            let mut kept = kept.lock().expect("no thread panics");
            kept.push(got.clone());
            kept.len() - 1
        };
        let (status, lines) = answer(number, &got);
        let answer = format!("HTTP/1.1 {status} Answer\r\n{lines}Content-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes())?;
    }
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Lines that say that all of it was written.
    pub fn written(&self) -> String {
        let Message::Second(request) = &self.message else { return String::new() };
        let sum = |of: fn(&TimeSeries) -> usize| request.timeseries.iter().map(of).sum::<usize>();
        let name = "X-Prometheus-Remote-Write";
        format!(
            "{name}-Samples-Written: {}\r\n{name}-Histograms-Written: {}\r\n{name}-Exemplars-Written: {}\r\n",
            sum(|series| series.samples.len()),
            sum(|series| series.histograms.len()),
            sum(|series| series.exemplars.len()),
        )
    }

    /// Its entries, if it is 2.0; everything that the specification demands of them is asserted.
    // spec: remote-write 2.0: symbols, references, labels, entries, headers
    pub fn entries(&self) -> Vec<Entry> {
        let Message::Second(request) = &self.message else { return Vec::new() };
        assert_eq!(
            self.header("Content-Type"),
            Some("application/x-protobuf;proto=io.prometheus.write.v2.Request")
        );
        assert_eq!(self.header("X-Prometheus-Remote-Write-Version"), Some("2.0.0"));
        assert_eq!(self.header("Content-Encoding"), Some("snappy"));
        assert!(self.header("User-Agent").is_some_and(|name| name.starts_with("Corelane/")));
        let symbols = &request.symbols;
        assert_eq!(symbols.first().map(String::as_str), Some(""), "symbols[0] is empty");
        let distinct: BTreeSet<&String> = symbols.iter().collect();
        assert_eq!(distinct.len(), symbols.len(), "each symbol is there once");
        let labels = |refs: &[u32]| -> Vec<(String, String)> {
            let (pairs, rest) = refs.as_chunks::<2>();
            assert!(rest.is_empty(), "an even number of references");
            let text = |number: u32| symbols[number as usize].clone();
            pairs.iter().map(|[name, value]| (text(*name), text(*value))).collect()
        };
        let entry = |series: &TimeSeries| {
            let own = labels(&series.labels_refs);
            assert!(own.is_sorted_by(|a, b| a.0 < b.0), "sorted, each name once: {own:?}");
            assert!(own.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
            assert!(own.iter().any(|(name, _)| name == "__name__"), "{own:?}");
            assert_eq!(series.samples.len() + series.histograms.len(), 1, "{own:?}");
            let exemplar = |it: &Exemplar| {
                assert_ne!(it.timestamp, 0, "an exemplar has a timestamp");
                (labels(&it.labels_refs), it.clone())
            };
            let metadata = series.metadata.unwrap_or_default();
            Entry {
                exemplars: series.exemplars.iter().map(exemplar).collect(),
                help: symbols[metadata.help_ref as usize].clone(),
                unit: symbols[metadata.unit_ref as usize].clone(),
                labels: own,
                series: series.clone(),
            }
        };
        request.timeseries.iter().map(entry).collect()
    }
}
