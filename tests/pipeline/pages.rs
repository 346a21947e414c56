//! Pages that are unusual and good arrive; pages that are built to hurt cost themselves only.

use std::time::{Duration, Instant};

use crate::agent::{Agent, INTERVAL, config};
use crate::exporter::{Framing, Numbered, Ready, gzip_answer};
use crate::receiver::Receiver;
use crate::scratch::Scratch;
use crate::wait;
use crate::web;

const SERIES: u64 = 6000;
/// Scrapes in a row that must be good.
const PAGES: usize = 8;
/// What a scraper may read from a socket at once.
const READ_BYTES: usize = 64 << 10;

/// What page `number` says of a series.
fn value(series: u64, number: u64) -> u64 {
    (series * 7919 + number * 104_729) % 10_007
}

/// A page of some 600 KB.
fn big_page(number: u64) -> String {
    let filler = "a_long_label_value_that_is_the_same_on_every_line_so_it_compresses_well";
    let line = |series| format!("big{{n=\"{series}\",l=\"{filler}\"}} {}\n", value(series, number));
    (0..SERIES).map(line).collect()
}

/// A page that arrives in one read and decodes to much more than one turn's work leaves nothing behind that the next
/// answer on the connection would trip over.
fn big_gzip_pages_are_up(framing: Framing) {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    // Compressed before, so that the exporter answers at once.
    let pages: Vec<String> = (1..=PAGES as u64).map(big_page).collect();
    let answers: Vec<Vec<u8>> =
        pages.iter().map(|page| gzip_answer(page.as_bytes(), framing)).collect();
    for (page, answer) in pages.iter().zip(&answers) {
        assert!(page.len() > 550_000, "{} bytes", page.len());
        assert!((25_000..READ_BYTES).contains(&answer.len()), "{} bytes", answer.len());
    }
    let exporter = Ready::start(answers);
    let yaml = config(&[exporter.port()], &[receiver.url()]).replace(INTERVAL, "300ms");
    let mut agent = Agent::new(&scratch, &yaml);
    agent.start();
    let instance = format!("instance=\"127.0.0.1:{}\"", exporter.port());
    let report = |name: &str| receiver.values(&format!("{name}{{{instance}}}"));
    let ups = wait::until("enough scrapes have arrived", || {
        let ups = report("up");
        (ups.len() >= PAGES).then_some(ups)
    });
    let error = || agent.target(exporter.port()).map(|target| target["lastError"].to_string());
    assert!(ups.iter().all(|up| *up == 1.0), "{ups:?}: {:?}", error());
    let scraped = report("scrape_samples_scraped");
    assert!(scraped.iter().all(|count| *count == SERIES as f64), "{scraped:?}");
    assert_eq!(exporter.connections(), 1, "a connection was given up");
    let selector = format!("big{{{instance}}}");
    wait::until_true("every series of every page has arrived", || {
        let (samples, series) = receiver.count(&selector);
        series == SERIES && samples >= SERIES * PAGES as u64
    });
    for series in receiver.samples(&selector) {
        let number: u64 = series.labels["n"].parse().expect("a number");
        let wanted: Vec<f64> = (1..=PAGES as u64).map(|page| value(number, page) as f64).collect();
        assert!(series.values.starts_with(&wanted), "{number}: {:?}", series.values);
    }
}

#[test]
fn a_big_gzip_page_that_comes_in_one_read_is_up_in_every_scrape_of_a_connection() {
    big_gzip_pages_are_up(Framing::Length);
}

#[test]
fn a_big_gzip_page_in_chunks_is_up_in_every_scrape_of_a_connection() {
    big_gzip_pages_are_up(Framing::Chunked);
}

#[test]
fn a_million_lines_in_quotes_fail_their_page_soon_and_harm_nobody() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let good = Numbered::start();
    let page = [b"a{b=\"".as_slice(), &[b'\n'; 1_000_000], b"\"} 1\n"].concat();
    let bad = Ready::start(vec![gzip_answer(&page, Framing::Length)]);
    let mut agent = Agent::new(&scratch, &config(&[good.port(), bad.port()], &[receiver.url()]));
    agent.flags(&["--cores=1"]);
    agent.start();
    let started = Instant::now();
    let error = agent.failure(bad.port());
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "known only after {took:?}");
    for part in ["line ", "quoted string", "more than"] {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
    // The bad page comes again and again meanwhile.
    good.more(12);
    let last = good.hold();
    receiver.assert_complete(&good, last);
    let up = |port: u16| receiver.values(&format!("up{{instance=\"127.0.0.1:{port}\"}}"));
    wait::until_true("some failures have arrived", || up(bad.port()).len() >= 8);
    assert!(up(bad.port()).iter().all(|up| *up == 0.0), "{:?}", up(bad.port()));
    assert!(receiver.samples("a").is_empty(), "a part of the page was accepted");
    let healthy = web::get(agent.port(), "/-/healthy").expect("the agent answers");
    assert_eq!(healthy.status, 200);
    assert!(agent.ended().is_none(), "it is not the program that was started");
}
