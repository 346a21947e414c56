//! A real Prometheus agent and ours scrape targets that do the same to both, scrape by scrape, and write to one
//! receiver: the same series, the same bits, markers in the same places.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::agent::Agent;
use crate::books::{Books, Samples};
use crate::peers;
use crate::program::Program;
use crate::scratch::{Scratch, free_port};
use crate::wait;

const STALE: u64 = 0x7ff0_0000_0000_0002;
const INTERVAL: &str = "400ms";

/// What a target does when it is scraped.
#[derive(Clone, Debug)]
enum Act {
    /// A page in the text format; `@n@` is the time of the first scrape and n milliseconds.
    Page(String),
    /// An answer as it is.
    Raw(Vec<u8>),
    /// The same, and the end of the connection.
    Last(Vec<u8>),
    /// Takes the request and answers nothing until the scrape has timed out.
    Hang,
}

/// Plays its acts to whoever scrapes it, and then the last one again and again.
#[derive(Debug)]
struct Stage {
    port: u16,
}

impl Stage {
    fn new(acts: Vec<Act>) -> Stage {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        let (acts, played) = (Arc::new(acts), Arc::new(AtomicUsize::new(0)));
        let shared = Arc::clone(&played);
        let first = Arc::new(OnceLock::new());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (acts, played) = (Arc::clone(&acts), Arc::clone(&shared));
                let first = Arc::clone(&first);
                thread::spawn(move || drop(play(stream, &acts, &played, &first)));
            }
        });
        Stage { port }
    }
}

fn dated(page: &str, first: i64) -> String {
    let parts = page.split('@').enumerate();
    let dated = parts.map(|(number, part)| match part.parse::<i64>() {
        Ok(offset) if number % 2 == 1 => (first + offset).to_string(),
        _ => part.to_owned(),
    });
    dated.collect()
}

fn play(
    mut stream: TcpStream,
    acts: &[Act],
    played: &AtomicUsize,
    first: &OnceLock<i64>,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        let number = played.fetch_add(1, Ordering::SeqCst);
        match acts.get(number).or(acts.last()).expect("an act") {
            Act::Page(page) => {
                let page = dated(page, *first.get_or_init(milliseconds));
                stream.write_all(&answer("200 OK", "text/plain", &page))?;
            }
            Act::Raw(answer) => stream.write_all(answer)?,
            Act::Last(answer) => {
                stream.write_all(answer)?;
                stream.shutdown(std::net::Shutdown::Both)?;
                return Ok(());
            }
            Act::Hang => thread::sleep(Duration::from_secs(2)),
        }
    }
}

fn answer(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    if !content_type.is_empty() {
        head.push_str(&format!("Content-Type: {content_type}\r\n"));
    }
    format!("{head}\r\n{body}").into_bytes()
}

/// A job, what is written for it, and what its target does.
struct Play {
    job: &'static str,
    settings: &'static str,
    acts: Vec<Act>,
}

fn play_of(job: &'static str, settings: &'static str, pages: &[&str]) -> Play {
    let acts = pages.iter().map(|page| match page.strip_prefix('!') {
        None => Act::Page(page.to_string()),
        Some("hang") => Act::Hang,
        Some("500") => Act::Raw(answer("500 Internal Server Error", "text/plain", "a 1\n")),
        Some("cut") => {
            let whole = answer("200 OK", "text/plain", "a 1\nb 2\nc 3\n");
            Act::Last(whole[..whole.len() - 4].to_vec())
        }
        Some("html") => Act::Raw(answer("200 OK", "text/html", "a 1\n")),
        Some("typeless") => Act::Raw(answer("200 OK", "", "a 1\n")),
        Some(other) => {
            Act::Raw(answer("200 OK", "application/openmetrics-text; version=1.0.0", other))
        }
    });
    Play { job, settings, acts: acts.collect() }
}

fn config(agent: &str, books: &Books, plays: &[Play], stages: &[Stage]) -> String {
    let mut yaml = format!(
        "global:\n  scrape_interval: {INTERVAL}\n  scrape_timeout: 300ms\n  external_labels: \
         {{agent: {agent}}}\nremote_write:\n  - url: {}\n    queue_config: {{batch_send_deadline: \
         50ms}}\nscrape_configs:\n",
        books.url()
    );
    for (play, stage) in plays.iter().zip(stages) {
        yaml.push_str(&format!(
            "  - job_name: {}\n    static_configs: [{{targets: ['127.0.0.1:{}'], labels: \
             {{instance: i}}}}]\n",
            play.job, stage.port
        ));
        for line in play.settings.lines() {
            yaml.push_str(&format!("    {}\n", line.trim_start()));
        }
    }
    yaml
}

/// Per series what it got: the number of the scrape, or of the time if it is that of no scrape, and the value.
type Story = BTreeMap<String, Vec<String>>;

/// The first `scrapes` scrapes of a job. `None` while not all of them are here.
fn story(
    found: &BTreeMap<BTreeMap<String, String>, Samples>,
    job: &str,
    scrapes: usize,
) -> Option<Story> {
    let of_job = |labels: &BTreeMap<String, String>| labels.get("job").is_some_and(|of| of == job);
    let is_up = |labels: &BTreeMap<String, String>| labels["__name__"] == "up";
    let (_, ups) = found.iter().find(|(labels, _)| of_job(labels) && is_up(labels))?;
    // The one after the last that counts has come too, so nothing of the last is on its way.
    ups.get(scrapes)?;
    let end = ups[scrapes].0;
    let number = |time: i64| ups[..scrapes].iter().position(|(at, _)| *at == time);
    let mut story = Story::new();
    for (labels, samples) in found.iter().filter(|(labels, _)| of_job(labels)) {
        // The one is never the same; the other says how long the agent was willing to wait.
        if labels["__name__"] == "scrape_duration_seconds" {
            continue;
        }
        let own: Vec<i64> =
            samples.iter().map(|(time, _)| *time).filter(|time| number(*time).is_none()).collect();
        let told = samples.iter().filter(|(time, _)| *time < end).map(|(time, bits)| {
            let value = match *bits {
                // What Prometheus leaves out as a zero loses its sign.
                bits if f64::from_bits(bits) == 0.0 => "0.0".to_owned(),
                STALE => "stale".to_owned(),
                bits if f64::from_bits(bits).is_nan() => format!("{bits:x}"),
                bits => format!("{:?}", f64::from_bits(bits)),
            };
            match number(*time) {
                Some(number) => format!("{number}: {value}"),
                None => {
                    let place = own.iter().position(|own| own == time).unwrap_or_default();
                    format!("@{place}: {value}")
                }
            }
        });
        let told: Vec<String> = told.collect();
        if !told.is_empty() {
            story.insert(format!("{labels:?}"), told);
        }
    }
    Some(story)
}

/// Runs both agents on the plays and gives both stories of each job.
fn stories(plays: &[Play]) -> Vec<(&'static str, Story, Story)> {
    let scratch = Scratch::new();
    let books = Books::open();
    let stage = |_: &str| -> Vec<Stage> {
        plays.iter().map(|play| Stage::new(play.acts.clone())).collect()
    };
    let (theirs, ours) = (stage("theirs"), stage("ours"));
    let file = scratch.write("theirs.yml", &config("theirs", &books, plays, &theirs));
    let mut command = Command::new(peers::prometheus());
    command
        .args(["--agent", "--enable-feature=extra-scrape-metrics"])
        .arg("--scrape.discovery-reload-interval=100ms")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.agent.path={}", scratch.path("theirs").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{}", free_port()));
    let _prometheus = Program::start(&mut command, &scratch.path("theirs.log"));
    let text = config("ours", &books, plays, &ours);
    let text = text.replace("global:\n", "global:\n  extra_scrape_metrics: true\n");
    let mut agent = Agent::new(&scratch, &text);
    agent.start();
    plays
        .iter()
        .map(|play| {
            let scrapes = play.acts.len();
            let both = ["theirs", "ours"].map(|name| {
                wait::until(&format!("{name}: {} is played", play.job), || {
                    story(&books.of(name), play.job, scrapes)
                })
            });
            let [theirs, ours] = both;
            (play.job, theirs, ours)
        })
        .collect()
}

/// Where the stories differ, line by line.
fn differences(theirs: &Story, ours: &Story) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        if theirs.get(name) != ours.get(name) {
            found.push(format!(
                "{name}\n  Prometheus {:?}\n  Corelane   {:?}",
                theirs.get(name),
                ours.get(name)
            ));
        }
    }
    found
}

fn milliseconds() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    elapsed.as_millis() as i64
}

/// Pages that change, and scrapes that fail.
fn changes_and_failures() -> Vec<Play> {
    vec![
        play_of(
            "changes",
            "",
            &[
                "a 1\nb 2\nc 3\n",
                "b 2\na 1\n",
                "c 1\na 1\n",
                "",
                "a NaN\n",
                "a -0\na 3\nb 2\nb 2\n",
            ],
        ),
        play_of(
            "broken",
            "",
            &[
                "a 1\nb 2\nc 3\n",
                "a 1\nd 1\n? 1\nb 2\n",
                "b 2\n",
                "a 1\nb 2\n",
                "? 1\n",
                "? 1\n",
                "a 1\n",
                "a 1\nx{} 1\nb\n",
                "a 1\nx{} 1\nb\n",
                "!500",
                "a 1\nx{} 1\n",
                "a 1\nx{y='1'} 1\n",
                "a 1\nx{y=\"1\" 1\n",
                "a 1\n",
            ],
        ),
        play_of(
            "fetch",
            "",
            &[
                "a 1\nb 2\n",
                "!500",
                "!500",
                "a 1\n",
                "!hang",
                "b 2\n",
                "!cut",
                "a 1\n",
                "!html",
                "!typeless",
                "a 1\n",
            ],
        ),
    ]
}

/// Pages beyond what is allowed.
fn limits() -> Vec<Play> {
    vec![
        play_of(
            "limit",
            "sample_limit: 2",
            &[
                "a 1\nb 2\n",
                "a 1\nb 2\nc 3\n",
                "c 1\na 1\nb 1\n",
                "a 1\n",
                "c 1\nd 1\nc 1\n",
                "c 1\nb 1\n",
                "d 1\n",
            ],
        ),
        play_of(
            "labels",
            "label_limit: 4",
            &["a 1\nb{x=\"1\"} 2\n", "a 1\nb{x=\"1\",y=\"2\"} 2\nc 1\n", "c 1\n", "a 1\n"],
        ),
        play_of(
            "names",
            "metric_name_validation_scheme: legacy\nmetric_name_escaping_scheme: underscores",
            &["a 1\nb 1\n", "a 1\n{\"my.metric\"} 1\n", "a{\"l.x\"=\"1\"} 1\n", "b 1\n"],
        ),
        play_of("body", "body_size_limit: 8B", &["a 1\n", "a 1\nb 1\n", "a 1\nb 1", "a 1\n"]),
    ]
}

/// Samples with timestamps of their own.
fn times() -> Vec<Play> {
    // Offsets from the first scrape in milliseconds; a scrape comes every 400.
    let stamped = |offset: i64| format!("a 1\nt 5 @{offset}@\n");
    let stamps: Vec<String> = [10, 410, 410, 100, 20 * 60_000, 1610].map(stamped).into();
    let stamps: Vec<&str> = stamps.iter().map(String::as_str).chain(["a 1\n", "a 1\n"]).collect();
    // Prometheus in agent mode takes a time that comes twice for one that is late; ours does not.
    let late: Vec<String> = [10, 410, 100, 1210, 20 * 60_000, 2010].map(stamped).into();
    let late: Vec<&str> = late.iter().map(String::as_str).chain(["a 1\n", "a 1\n"]).collect();
    vec![
        play_of("stamped", "", &stamps),
        play_of("tracked", "track_timestamps_staleness: true", &late),
        play_of("ignored", "honor_timestamps: false", &stamps),
    ]
}

/// Labels that meet the target's, or rules.
fn labels() -> Vec<Play> {
    vec![
        play_of(
            "relabeled",
            "metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}, {source_labels: [x], regex: bad, target_label: __name__, replacement: ''}]",
            &["a 1\nb 2\nc 3\n", "a 1\nc{x=\"bad\"} 1\n", "b 1\n", "a 1\n"],
        ),
        play_of(
            "honored",
            "honor_labels: true",
            &[
                "a{job=\"x\",instance=\"\"} 1\nb 1\n",
                "a{job=\"honored\",instance=\"\"} 1\nb{instance=\"\"} 1\n",
            ],
        ),
        play_of(
            "exported",
            "",
            &[
                "a{job=\"s\",exported_job=\"t\",instance=\"\"} 1\n",
                "a{job=\"s\",exported_instance=\"\"} 1\n",
            ],
        ),
    ]
}

/// What parsers trip over.
fn formats() -> Vec<Play> {
    vec![
        play_of(
            "openmetrics",
            "",
            &[
                "!a 1\n# EOF\n",
                "!a 1\n",
                "!a 1\n# EOF\n",
                "!a 1\nb 2\n# EOF\nc 3\n",
                "!c 3\n# EOF",
                "!# EOF\n",
            ],
        ),
        play_of(
            "edges",
            "",
            &[
                "a 1",
                "a{x=\"1\\t\"} 1\n\n  \n# odd\n",
                "a 1\r\n",
                "a 0x1p3\n",
                "a 1_0\n",
                "a +Inf\nb -inf\nc nan\n",
                "a 1 -5\n",
                "a{x=\"1\",x=\"2\"} 1\n",
                "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\n# TYPE s summary\ns{quantile=\"1\"} 1\n",
            ],
        ),
    ]
}

#[test]
fn what_a_target_does_to_both_looks_the_same_at_the_receiver() {
    let plays = [changes_and_failures(), limits(), times(), labels(), formats()];
    let plays: Vec<Play> = plays.into_iter().flatten().collect();
    let mut found = Vec::new();
    for (job, mut theirs, mut ours) in stories(&plays) {
        if job == "fetch" {
            // What has no type that we know is not read by ours, so its size is not known.
            for story in [&mut theirs, &mut ours] {
                story.retain(|labels, _| !labels.contains("scrape_body_size_bytes"));
            }
        }
        for difference in differences(&theirs, &ours) {
            found.push(format!("{job}: {difference}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
