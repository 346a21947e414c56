//! The pages of the public sender suite (2.0), rebuilt: each is a target, and what arrives of it is looked at. What every
//! message must be is asserted by the receiver of `strict.rs`.

use std::time::SystemTime;

use crate::agent::{Agent, INTERVAL};
use crate::exporter::Ready;
use crate::scratch::Scratch;
use crate::strict::{Entry, Strict};
use crate::wait;

type Holds = dyn Fn(&[Entry]) -> bool;

/// A case of the suite: its name, its page, and what must hold of the entries that arrive from it.
struct Case {
    name: &'static str,
    page: String,
    holds: Box<Holds>,
}

fn case(
    name: &'static str,
    page: impl Into<String>,
    holds: impl Fn(&[Entry]) -> bool + 'static,
) -> Case {
    Case { name, page: page.into(), holds: Box::new(holds) }
}

fn value(entries: &[Entry], name: &str) -> Option<f64> {
    let found = entries.iter().find(|entry| entry.name() == name)?;
    Some(found.series.samples.first()?.value)
}

fn has(name: &'static str, wanted: f64) -> impl Fn(&[Entry]) -> bool {
    move |entries| value(entries, name).is_some_and(|got| got.to_bits() == wanted.to_bits())
}

/// The page is malformed: only what the scrape says of itself arrives.
fn down(entries: &[Entry]) -> bool {
    value(entries, "up") == Some(0.0)
        && entries
            .iter()
            .all(|entry| entry.name().contains("up") || entry.name().starts_with("scrape_"))
}

fn of_type(name: &'static str, metric_type: i32, help: &'static str) -> impl Fn(&[Entry]) -> bool {
    move |entries| {
        entries.iter().any(|entry| {
            entry.name() == name && entry.metadata().r#type == metric_type && entry.help == help
        })
    }
}

fn floats() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, text, wanted) in [
        ("float", "123.45", 123.45),
        ("integer", "42", 42.0),
        ("zero", "0", 0.0),
        ("negative", "-15.5", -15.5),
        ("positive infinity", "+Inf", f64::INFINITY),
        ("negative infinity", "-Inf", f64::NEG_INFINITY),
        ("not a number", "NaN", f64::from_bits(0x7ff8_0000_0000_0001)),
        ("large", "1.797e308", 1.797e308),
        ("small", "2.2e-308", 2.2e-308),
        ("scientific", "1.23e-4", 1.23e-4),
    ] {
        cases.push(case(name, format!("# TYPE m gauge\nm {text}\n"), has("m", wanted)));
    }
    cases
}

fn labels() -> Vec<Case> {
    let get = |label: &'static str, wanted: &'static str| {
        move |entries: &[Entry]| entries.iter().any(|entry| entry.get(label) == wanted)
    };
    vec![
        case("order of labels", "m{z=\"1\",a=\"2\",m=\"3\"} 1\n", get("z", "1")),
        case("unicode", "m{l=\"日本語 🚀\"} 1\n", get("l", "日本語 🚀")),
        case("escapes", "m{l=\"a\\\"b\\\\c\\nd\"} 1\n", get("l", "a\"b\\c\nd")),
        case("an empty label", "m{l=\"\",k=\"v\"} 1\n", get("k", "v")),
        case("colons", "a:b:c 1\n", has("a:b:c", 1.0)),
        case(
            "huge value",
            format!("m{{l=\"{}\"}} 1\n", "x".repeat(10_000)),
            |entries: &[Entry]| entries.iter().any(|entry| entry.get("l").len() == 10_000),
        ),
        case("long name", format!("{} 1\n", "n".repeat(2000)), |entries: &[Entry]| {
            entries.iter().any(|entry| entry.name().len() == 2000)
        }),
        case(
            "many labels",
            format!("m{{{}}} 1\n", (0..50).map(|n| format!("l{n}=\"{n}\",")).collect::<String>()),
            |entries: &[Entry]| entries.iter().any(|entry| entry.labels.len() >= 52),
        ),
        case("job and instance", "m 1\n", |entries: &[Entry]| {
            entries.iter().all(|it| !it.get("job").is_empty() && !it.get("instance").is_empty())
        }),
        case("no reserved labels", "m 1\n", |entries: &[Entry]| {
            let reserved =
                |(name, _): &(String, String)| name.starts_with("__") && name != "__name__";
            !entries.iter().any(|entry| entry.labels.iter().any(reserved))
        }),
    ]
}

fn kinds() -> Vec<Case> {
    let histogram = "# HELP h Sizes.\n# TYPE h histogram\nh_bucket{le=\"0.1\"} 10\n\
                     h_bucket{le=\"+Inf\"} 100\nh_sum 250.5\nh_count 100\n";
    vec![
        case("counter", "# HELP c Total.\n# TYPE c counter\nc 1\n", of_type("c", 1, "Total.")),
        case("gauge", "# HELP g Level.\n# TYPE g gauge\ng 1\n", of_type("g", 2, "Level.")),
        case("histogram", histogram, of_type("h_bucket", 3, "Sizes.")),
        case("count", histogram, has("h_count", 100.0)),
        case("sum", histogram, has("h_sum", 250.5)),
        case(
            "summary",
            "# HELP s Spread.\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_count 3\n",
            of_type("s_count", 5, "Spread."),
        ),
        case("an odd backslash", "# HELP m a\\qb\n# TYPE m gauge\nm 1\n", has("m", 1.0)),
        case(
            "help twice",
            "# HELP m One.\n# HELP m Two.\n# TYPE m gauge\nm 1\n",
            of_type("m", 2, "Two."),
        ),
        case("empty help", "# HELP m\n# TYPE m gauge\nm 1\n", of_type("m", 2, "")),
        case("a unit that is a comment", "# UNIT m seconds\n# TYPE m gauge\nm 1\n", has("m", 1.0)),
        case("one help for a family", histogram, |entries: &[Entry]| {
            let family = entries.iter().filter(|entry| entry.name().starts_with("h_"));
            let mut said = family.map(|entry| (entry.metadata().r#type, &entry.help));
            let first = said.next();
            first.is_some() && said.all(|other| Some(other) == first)
        }),
        case("its own up", "# TYPE up gauge\nup 1\n# TYPE m counter\nm 2\n", has("m", 2.0)),
    ]
}

fn edges() -> Vec<Case> {
    let series =
        |count: usize| (0..count).map(|n| format!("m{{n=\"{n}\"}} {n}\n")).collect::<String>();
    vec![
        case("an empty page", "", |entries: &[Entry]| value(entries, "up") == Some(1.0)),
        case("a stale marker in words", "m StaleNaN\n", down),
        case("a name that is none", "0m 1\n", down),
        case("a time of zero", "m 42 0\n", |entries: &[Entry]| {
            value(entries, "up") == Some(1.0)
                && entries.iter().all(|it| it.name() != "m" || it.series.samples[0].timestamp == 0)
        }),
        case("a recent time", "m 1\n", |entries: &[Entry]| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let now = now.expect("after 1970").as_millis() as i64;
            let near = |entry: &Entry| (now - entry.series.samples[0].timestamp).abs() < 300_000;
            entries.iter().all(near)
        }),
        case(
            "no start that is later than its sample",
            "# TYPE m counter\nm 1\n",
            |entries: &[Entry]| {
                let sample = |entry: &Entry| entry.series.samples[0];
                entries.iter().all(|entry| sample(entry).start_timestamp <= sample(entry).timestamp)
            },
        ),
        case("200 series", series(200), |entries: &[Entry]| {
            (0..200).all(|n| entries.iter().any(|entry| entry.get("n") == n.to_string()))
        }),
        case(
            "a family with exemplars",
            "# TYPE c counter\nc 1 # {trace_id=\"a\",span_id=\"b\"} 0.5 1.5\n# EOF\n",
            |entries: &[Entry]| {
                entries.iter().any(|entry| {
                    let Some(exemplar) = entry.exemplars.first() else { return false };
                    let (labels, message) = exemplar;
                    labels.len() == 2 && message.value == 0.5 && message.timestamp == 1500
                })
            },
        ),
    ]
}

// spec: conformance 1.2, remote-write 2.0
#[test]
fn the_pages_of_the_public_suite_arrive_as_it_wants_them() {
    let scratch = Scratch::new();
    let receiver = Strict::start();
    let mut cases = floats();
    cases.extend(labels());
    cases.extend(kinds());
    cases.extend(edges());
    let mut yaml = format!(
        "global:\n  scrape_interval: {INTERVAL}\nremote_write:\n  - url: {}\n    \
         protobuf_message: io.prometheus.write.v2.Request\n    send_exemplars: true\n    \
         metadata_config: {{send: true}}\nscrape_configs:\n",
        receiver.url()
    );
    let mut exporters = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        // As the suite does.
        let kind = match case.page.contains("# {") {
            true => "application/openmetrics-text; version=1.0.0",
            false => "text/plain; version=0.0.4",
        };
        let (page, length) = (&case.page, case.page.len());
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}");
        let exporter = Ready::start(vec![format!("{head}\r\n\r\n{page}").into_bytes()]);
        yaml.push_str(&format!(
            "  - job_name: case-{number}\n    scrape_protocols: [OpenMetricsText1.0.0, PrometheusText0.0.4]\n    \
             static_configs: [{{targets: ['127.0.0.1:{}']}}]\n",
            exporter.port()
        ));
        exporters.push(exporter);
    }
    let mut agent = Agent::new(&scratch, &yaml);
    agent.start();
    let of = |entries: &[Entry], number: usize| -> Vec<Entry> {
        let job = format!("case-{number}");
        entries.iter().filter(|entry| entry.get("job") == job).cloned().collect()
    };
    let entries = wait::until("every case has been scraped", || {
        let entries = receiver.entries();
        let scraped =
            |number| of(&entries, number).iter().any(|entry| entry.name() == "scrape_series_added");
        (0..cases.len()).all(scraped).then_some(entries)
    });
    let status = agent.stop();
    assert!(status.success(), "{status}");
    for (number, case) in cases.iter().enumerate() {
        let own = of(&entries, number);
        assert!((case.holds)(&own), "{}: {own:#?}", case.name);
    }
}
