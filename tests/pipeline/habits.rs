//! Habits of years of `prometheus.yml`: what is asked for, what is said of what fails, what is capped, what is included.
#![expect(
    clippy::disallowed_types,
    reason = "a test looks at what a thread of its own has received"
)]

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::agent::Agent;
use crate::books::Books;
use crate::exporter::Ready;
use crate::figures::Figures;
use crate::front::{Front, Reply};
use crate::scratch::Scratch;
use crate::wait;

const STALE: u64 = 0x7ff0_0000_0000_0002;
const TEXT: &str = "Content-Type: text/plain; version=0.0.4\r\n";

/// A configuration of these jobs, each with the port of its target and further lines.
fn config(books: &Books, jobs: &[(&str, u16, &str)]) -> String {
    let mut yaml = format!(
        "global: {{scrape_interval: 250ms, scrape_timeout: 250ms, external_labels: {{agent: a}}}}\n\
         remote_write: [{{url: \"{}\"}}]\nscrape_configs:\n",
        books.url()
    );
    for (job, port, more) in jobs {
        yaml.push_str(&entry(job, *port, more));
    }
    yaml
}

fn entry(job: &str, port: u16, more: &str) -> String {
    format!(
        "- job_name: {job}\n  static_configs: [{{targets: [\"127.0.0.1:{port}\"]}}]\n{}",
        more.lines().map(|line| format!("  {line}\n")).collect::<String>()
    )
}

/// Names of the series of a job, those about its scrapes left out, and whether each has ended.
fn names(books: &Books, job: &str) -> BTreeSet<(String, bool)> {
    let mut names = BTreeSet::new();
    for (labels, samples) in books.of("a") {
        let name = labels["__name__"].clone();
        if labels["job"] == job && name != "up" && !name.starts_with("scrape_") {
            names.insert((name, samples.last().is_some_and(|(_, value)| *value == STALE)));
        }
    }
    names
}

fn set(names: &[(&str, bool)]) -> BTreeSet<(String, bool)> {
    names.iter().map(|(name, ended)| ((*name).to_owned(), *ended)).collect()
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Jobs by name: what the target answers, what its entry says beside, and what is said of it.
fn failing() -> [(&'static str, Vec<u8>, &'static str, &'static str); 10] {
    let om = "Content-Type: application/openmetrics-text; version=1.0.0\r\n";
    let html = "Content-Type: text/html\r\n";
    let long = "name_of_23_characters_x";
    [
        (
            "status",
            answer("500 Internal Server Error", TEXT, ""),
            "",
            "server returned HTTP status 500 Internal Server Error",
        ),
        (
            "typeless",
            answer("200 OK", "", "a 1\n"),
            "",
            "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target",
        ),
        (
            "html",
            answer("200 OK", html, "a 1\n"),
            "",
            "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol specified for target",
        ),
        ("eof", answer("200 OK", om, "a 1\n"), "", "data does not end with # EOF"),
        (
            "body",
            answer("200 OK", TEXT, "aaaaa 1\n"),
            "body_size_limit: 8B",
            "body size limit exceeded",
        ),
        (
            "samples",
            answer("200 OK", TEXT, "a 1\nb 1\n"),
            "sample_limit: 1",
            "sample limit exceeded",
        ),
        (
            "labels",
            answer("200 OK", TEXT, "a{x=\"1\",y=\"1\",z=\"1\"} 1\n"),
            "label_limit: 4",
            "label_limit exceeded (metric: a, number of labels: 6, limit: 4)",
        ),
        (
            "length",
            answer("200 OK", TEXT, &format!("a{{{long}=\"1\"}} 1\n")),
            "label_name_length_limit: 20",
            "length: 23, limit: 20",
        ),
        ("return", answer("200 OK", TEXT, "a 1\r\n"), "", "parsing \"1\\r\""),
        (
            "nameless",
            answer("200 OK", TEXT, "a 1\n"),
            "metric_relabel_configs: [{target_label: __name__, replacement: ''}]",
            "missing metric name (__name__ label)",
        ),
    ]
}

// spec: SCR-14, SCR-16, SCR §3.4, SCR-31, SCR-48, SCR-50, SCR-52, SCR-53
#[test]
fn what_fails_is_said_as_prometheus_says_it() {
    let (scratch, books) = (Scratch::new(), Books::open());
    let log = scratch.path("failures.json");
    let cases = failing();
    let targets: Vec<Ready> = cases.iter().map(|case| Ready::start(vec![case.1.clone()])).collect();
    let with_log: Vec<String> = cases
        .iter()
        .map(|case| format!("{}\nscrape_failure_log_file: {}", case.2, log.display()))
        .collect();
    let jobs: Vec<(&str, u16, &str)> = cases
        .iter()
        .zip(&targets)
        .zip(&with_log)
        .map(|((case, target), more)| (case.0, target.port(), more.as_str()))
        .collect();
    let mut agent = Agent::new(&scratch, &config(&books, &jobs));
    agent.start();
    for (case, target) in cases.iter().zip(&targets) {
        let error = agent.failure(target.port());
        assert!(error.contains(case.3), "{}: {error}", case.0);
    }
    wait::until_true("each job's failures are in their file", || {
        let lines = fs::read_to_string(&log).unwrap_or_default();
        let jobs: BTreeSet<String> = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter_map(|line| line["job_name"].as_str().map(str::to_owned))
            .collect();
        jobs.len() == cases.len()
    });
    assert!(
        cases.iter().all(|case| names(&books, case.0).is_empty()),
        "no sample of a page that failed"
    );
}

// spec: SCR-3, SCR-11, SCR-13, SCR-47
#[test]
fn a_target_is_asked_as_prometheus_asks_it_and_on_time() {
    let (scratch, books) = (Scratch::new(), Books::open());
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let target = Front::start(move |request| {
        seen.lock().expect("nobody panics with it").push(request.clone());
        Reply::Answer("200 OK", TEXT.to_owned(), "a 1\n".to_owned())
    });
    let more = "params: {x: [1, 2], y: ['a b']}\n\
        metric_relabel_configs: [{source_labels: [__name__], regex: up, action: drop}]";
    let mut agent = Agent::new(&scratch, &config(&books, &[("asked", target.port(), more)]));
    agent.start();
    wait::until_true("it is scraped", || heads.lock().expect("nobody panics with it").len() > 4);
    let first = heads.lock().expect("nobody panics with it")[0].clone();
    assert_eq!((first.method(), first.target()), ("GET", "/metrics?x=1&x=2&y=a+b"));
    let accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
        application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
        text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    assert_eq!(first.header("accept"), Some(accept));
    assert_eq!(first.header("accept-encoding"), Some("gzip"));
    assert_eq!(first.header("x-prometheus-scrape-timeout-seconds"), Some("0.25"));
    wait::until_true("what is about scrapes is not relabeled", || {
        books.of("a").keys().any(|labels| labels["__name__"] == "up")
    });
    wait::until_true("scrapes that are not late lie on the grid", || {
        let found = books.of("a");
        let Some((_, times)) = found.iter().find(|(labels, _)| labels["__name__"] == "a") else {
            return false;
        };
        times.windows(2).filter(|pair| pair[1].0 - pair[0].0 == 250).count() >= 3
    });
}

#[test]
fn caps_refuse_only_what_is_beyond_them_and_nothing_of_it_is_marked() {
    let (scratch, books) = (Scratch::new(), Books::open());
    let full = answer("200 OK", TEXT, "a 1\nb 1\nc 1\nd 1\n");
    let capped = Ready::start(vec![full.clone(), full.clone(), answer("200 OK", TEXT, "a 1\n")]);
    let whole = Ready::start(vec![full.clone()]);
    let jobs = [
        ("target", capped.port(), "corelane: {target_series_limit: 2}"),
        ("job", whole.port(), "corelane: {job_series_limit: 3}"),
    ];
    let mut agent = Agent::new(&scratch, &config(&books, &jobs));
    agent.start();
    wait::until_true("what is allowed is stored, and what vanishes of it ends", || {
        names(&books, "target") == set(&[("a", false), ("b", true)])
            && names(&books, "job") == set(&[("a", false), ("b", false), ("c", false)])
    });
    let figures = Figures::of(&agent);
    // Two of each page of the first job before the last, and one of each of the other.
    assert!(figures.sum("corelane_samples_refused_total", "reason=\"series_limit\"") >= 5);
}

#[test]
fn included_files_are_jobs_like_others_and_read_again() {
    let (scratch, books) = (Scratch::new(), Books::open());
    let [one, two] = [(); 2].map(|()| Ready::start(vec![answer("200 OK", TEXT, "a 1\n")]));
    let text = config(&books, &[("own", one.port(), "")]);
    let agent_yaml = format!("scrape_config_files: ['more-*.yml']\n{text}");
    scratch.write("more-1.yml", &format!("scrape_configs:\n{}", entry("included", two.port(), "")));
    let mut agent = Agent::new(&scratch, &agent_yaml);
    agent.start();
    wait::until_true("both are scraped", || {
        ["own", "included"].iter().all(|job| names(&books, job) == set(&[("a", false)]))
    });
    scratch.write("more-2.yml", &format!("scrape_configs:\n{}", entry("later", two.port(), "")));
    assert_eq!(agent.reload().status, 200);
    wait::until_true("the new file is read", || names(&books, "later") == set(&[("a", false)]));
    scratch.write("more-2.yml", &format!("scrape_configs:\n{}", entry("own", two.port(), "")));
    assert_ne!(agent.reload().status, 200, "a name stands twice");
}

#[test]
fn what_vanished_while_the_agent_was_down_ends_whether_it_was_stopped_or_killed() {
    let (scratch, books) = (Scratch::new(), Books::open_for_kills());
    let phase = Arc::new(AtomicU64::new(0));
    let shared = Arc::clone(&phase);
    let target = Front::start(move |_| {
        let pages = ["a 1\nb 1\nc 1\n", "a 1\nb 1\n", "a 1\n"];
        let page = pages[shared.load(Ordering::SeqCst) as usize];
        Reply::Answer("200 OK", TEXT.to_owned(), page.to_owned())
    });
    let mut agent = Agent::new(&scratch, &config(&books, &[("gap", target.port(), "")]));
    agent.flags(&["--cores=1"]);
    agent.start();
    wait::until_true("all are there", || names(&books, "gap").len() == 3);
    agent.stop();
    assert!(names(&books, "gap").iter().all(|(_, ended)| !ended), "a stop marks nothing");
    phase.store(1, Ordering::SeqCst);
    agent.start();
    let one_gone = set(&[("a", false), ("b", false), ("c", true)]);
    wait::until_true("one has ended", || names(&books, "gap") == one_gone);
    agent.kill();
    phase.store(2, Ordering::SeqCst);
    agent.start();
    let two_gone = set(&[("a", false), ("b", true), ("c", true)]);
    wait::until_true("another has", || names(&books, "gap") == two_gone);
    let found = books.of("a");
    for (labels, samples) in &found {
        let markers = samples.iter().filter(|(_, value)| *value == STALE).count();
        let gone = ["b", "c"].contains(&labels["__name__"].as_str());
        assert_eq!(markers, usize::from(gone), "{labels:?}");
    }
}

#[test]
fn a_new_target_is_scraped_at_once_when_asked() {
    let (scratch, books) = (Scratch::new(), Books::open());
    let targets: Vec<Ready> =
        (0..4).map(|_| Ready::start(vec![answer("200 OK", TEXT, "a 1\n")])).collect();
    let names_of = ["w", "x", "y", "z"];
    let jobs: Vec<(&str, u16, &str)> = names_of
        .iter()
        .zip(&targets)
        .map(|(job, target)| (*job, target.port(), "scrape_interval: 1h\nscrape_timeout: 10s"))
        .collect();
    let mut agent = Agent::new(&scratch, &config(&books, &jobs));
    agent.flags(&["--scrape.at-once"]);
    agent.start();
    // A phase within the next minutes is waited for, which few targets have.
    wait::until_true("most are scraped, whose phases are far away", || {
        names_of.iter().filter(|job| names(&books, job) == set(&[("a", false)])).count() >= 2
    });
}

/// Targets that share one exporter, each with a connection of its own.
const MANY: u64 = 2000;

#[test]
fn connections_to_thousands_of_targets_are_kept_and_cost_little_memory() {
    let (scratch, books) = (Scratch::new(), Books::open());
    let (opened, asked) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let port = many_connections(Arc::clone(&opened), Arc::clone(&asked));
    let groups: Vec<String> = (0..MANY)
        .map(|n| {
            format!(
                "{{targets: ['127.0.0.1:{port}'], labels: {{__metrics_path__: /{n}, n: '{n}'}}}}"
            )
        })
        .collect();
    let text = format!(
        "global: {{scrape_interval: 2s, external_labels: {{agent: a}}}}\n\
         scrape_configs: [{{job_name: many, static_configs: [{}]}}]\n",
        groups.join(", ")
    );
    let mut agent = Agent::new(&scratch, &text);
    agent.start();
    wait::until_true("all are scraped several times", || asked.load(Ordering::SeqCst) >= MANY * 4);
    assert_eq!(opened.load(Ordering::SeqCst), MANY, "one connection each, and kept");
    let bytes = Figures::of(&agent).sum("process_resident_memory_bytes", "");
    assert!(bytes / MANY < 64 << 10, "{bytes} bytes for {MANY} targets");
    drop(books);
}

/// Answers requests of any number of connections from one thread, and counts both.
fn many_connections(opened: Arc<AtomicU64>, asked: Arc<AtomicU64>) -> u16 {
    use std::io::{ErrorKind, Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("a listener has an address").port();
    listener.set_nonblocking(true).expect("a socket can be asked without waiting");
    let page = answer("200 OK", TEXT, "a 1\nb 2\n");
    std::thread::spawn(move || {
        let (mut streams, mut buffer) = (Vec::new(), vec![0; 4096]);
        loop {
            let mut idle = true;
            while let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(true).expect("as its listener");
                opened.fetch_add(1, Ordering::SeqCst);
                streams.push(stream);
                idle = false;
            }
            // Requests are small and come whole.
            streams.retain_mut(|stream| match stream.read(&mut buffer) {
                Ok(0) => false,
                Ok(_) => {
                    idle = false;
                    asked.fetch_add(1, Ordering::SeqCst);
                    stream.write_all(&page).is_ok()
                }
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            });
            if idle {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        }
    });
    port
}
