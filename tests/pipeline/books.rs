//! A strict receiver inside the test: remote write 1.0, each request checked, each sample kept with its bits.
#![expect(
    clippy::disallowed_types,
    reason = "a test looks at what a thread of its own has received"
)]

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use corelane::wire::remote_v1::{TimeSeries, WriteRequest};
use prost::Message as _;

/// Times and bits of the samples of a series, in the order in which they came.
pub type Samples = Vec<(i64, u64)>;

#[derive(Debug)]
pub struct Books {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    series: BTreeMap<BTreeMap<String, String>, Samples>,
    complaints: Vec<String>,
    /// A kill has what was in flight sent again.
    kills: bool,
}

impl Books {
    pub fn open() -> Books {
        Books::open_where(State::default())
    }

    /// For an agent that is killed: what was there already may come again.
    pub fn open_for_kills() -> Books {
        Books::open_where(State { kills: true, ..State::default() })
    }

    fn open_where(state: State) -> Books {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // The end of a connection is the end of its thread, whatever the cause.
                thread::spawn(move || drop(converse(stream, &shared)));
            }
        });
        Books { port, state }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/write", self.port)
    }

    /// The series of one agent, by their other labels. Panics if anything that came was not as it must be.
    pub fn of(&self, agent: &str) -> BTreeMap<BTreeMap<String, String>, Samples> {
        let state = self.state.lock().expect("nobody panics with it");
        assert_eq!(state.complaints, Vec::<String>::new());
        let own = |labels: &&BTreeMap<String, String>| {
            labels.get("agent").is_some_and(|value| value == agent)
        };
        let found = state.series.keys().filter(own);
        found
            .map(|labels| {
                let mut rest = labels.clone();
                rest.remove("agent");
                (rest, state.series[labels].clone())
            })
            .collect()
    }
}

fn converse(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        state.lock().expect("nobody panics with it").take(&body);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    }
}

impl State {
    fn take(&mut self, body: &[u8]) {
        let decoded = snap::raw::Decoder::new()
            .decompress_vec(body)
            .map_err(|error| error.to_string())
            .and_then(|plain| {
                WriteRequest::decode(plain.as_slice()).map_err(|error| error.to_string())
            });
        match decoded {
            Ok(request) => {
                request.timeseries.into_iter().for_each(|series| self.take_series(series))
            }
            Err(error) => self.complaints.push(error),
        }
    }

    fn take_series(&mut self, series: TimeSeries) {
        let names: Vec<&str> = series.labels.iter().map(|label| label.name.as_str()).collect();
        if !names.windows(2).all(|pair| pair[0] < pair[1]) {
            self.complaints.push(format!("labels out of order or twice: {:?}", series.labels));
        }
        if series.labels.iter().any(|label| label.value.is_empty()) {
            self.complaints.push(format!("an empty label: {:?}", series.labels));
        }
        let labels: BTreeMap<String, String> =
            series.labels.into_iter().map(|label| (label.name, label.value)).collect();
        let kept = self.series.entry(labels.clone()).or_default();
        for point in series.samples {
            if self.kills && kept.contains(&(point.timestamp, point.value.to_bits())) {
                continue;
            }
            if kept.last().is_some_and(|(time, _)| *time >= point.timestamp) {
                let text = format!("{labels:?}: {} after {:?}", point.timestamp, kept.last());
                self.complaints.push(text);
            }
            kept.push((point.timestamp, point.value.to_bits()));
        }
    }
}
