//! A disk that is too small for the outage: the oldest samples go, and each is counted.

use std::fs;

use crate::agent::{Agent, INTERVAL, config};
use crate::exporter::Numbered;
use crate::figures::Figures;
use crate::receiver::Receiver;
use crate::scratch::Scratch;
use crate::wait;

const BUDGET: u64 = 4 << 20;

#[test]
fn a_full_disk_budget_sheds_the_oldest_and_counts_each() {
    let scratch = Scratch::new();
    let mut receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::with_ballast(4000);
    let urls = [receiver.url()];
    let fast = |ports: &[u16]| config(ports, &urls).replace(INTERVAL, "100ms");
    let mut agent = Agent::new(&scratch, &fast(&[exporter.port()]));
    agent.flags(&["--storage.agent.max-bytes=4MiB", "--cores=1"]);
    agent.start();
    exporter.more(4);
    receiver.stop();
    let mut largest = 0;
    wait::until_true("samples are shed", || {
        let figures = Figures::of(&agent);
        largest = largest.max(figures.sum("corelane_wal_disk_bytes", ""));
        // Shed is counted when an endpoint would have sent it; the program says at once that it gives up.
        agent.log().matches("giving up the oldest samples").count() >= 3
    });
    let fed = exporter.pages();
    assert!(largest <= BUDGET, "{largest} bytes of {BUDGET}");
    receiver.start();
    exporter.more(10);
    let last = exporter.hold();
    fs::write(agent.config(), fast(&[])).unwrap();
    assert_eq!(agent.reload().status, 200);
    let figures = Figures::at_rest(&agent);

    let missing = receiver.missing(&exporter, last);
    let (Some(first), Some(end)) = (missing.first(), missing.last()) else {
        panic!("nothing was shed");
    };
    let whole: Vec<u64> = (*first..=*end).collect();
    assert_eq!(missing, whole, "a hole in what was shed");
    assert!(*first > 3, "what was acknowledged before the outage was shed: {missing:?}");
    assert!(*end < fed, "the newest were shed: {missing:?}");

    let of = |name: &str, label: &str| figures.sum(name, label);
    assert_eq!(of("corelane_samples_refused_total", ""), 0, "samples were refused");
    let shed = of("corelane_endpoint_samples_lost_total", "reason=\"shed\"");
    assert_eq!(of("corelane_endpoint_samples_lost_total", ""), shed);
    let (samples, series) = receiver.count("{job=\"test\"}");
    let appended = of("corelane_wal_appended_samples_total", "");
    // One staleness marker per series, which the receiver does not count.
    assert_eq!(appended, samples + series + shed, "{samples} in {series} series, {shed} shed");
}

/// So many that some pages fill a segment, and that the definitions of one page fit into one.
const WIDE_SERIES: usize = 8000;

#[test]
fn while_the_endpoint_is_dead_the_oldest_are_shed_and_nothing_is_refused() {
    let scratch = Scratch::new();
    let mut receiver = Receiver::prometheus(&scratch);
    receiver.stop();
    let exporter = Numbered::with_ballast(WIDE_SERIES);
    let urls = [receiver.url()];
    let yaml = |ports: &[u16]| config(ports, &urls).replace(INTERVAL, "150ms");
    let mut agent = Agent::new(&scratch, &yaml(&[exporter.port()]));
    agent.flags(&["--storage.agent.max-bytes=8MiB", "--cores=1"]);
    agent.start();
    let shed =
        |figures: &Figures| figures.sum("corelane_endpoint_samples_lost_total", "reason=\"shed\"");
    let full =
        |figures: &Figures| figures.sum("corelane_samples_refused_total", "reason=\"disk_full\"");
    // Counted while nothing can be sent, and more of it as the outage goes on.
    let mut counts = vec![0];
    wait::until_true("the count of what is shed rises", || {
        let figures = Figures::of(&agent);
        figures.assert_laws();
        assert_eq!(full(&figures), 0, "samples were refused after {} pages", exporter.pages());
        let now = shed(&figures);
        if counts.last() != Some(&now) {
            counts.push(now);
        }
        counts.len() > 2
    });
    assert!(counts.is_sorted(), "{counts:?}");
    let fed = exporter.pages();
    receiver.start();
    exporter.more(4);
    let last = exporter.hold();
    let missing = receiver.missing(&exporter, last);
    fs::write(agent.config(), yaml(&[])).unwrap();
    assert_eq!(agent.reload().status, 200);
    let figures = Figures::at_rest(&agent);
    let whole: Vec<u64> = (1..=missing.len() as u64).collect();
    assert!(!missing.is_empty() && missing == whole, "not the oldest were shed: {missing:?}");
    assert!((missing.len() as u64) < fed, "the newest were shed: {missing:?} of {last}");
    assert_eq!(full(&figures), 0, "samples were refused");
    let (samples, series) = receiver.count("{job=\"test\"}");
    let lost = shed(&figures);
    assert_eq!(figures.sum("corelane_endpoint_samples_lost_total", ""), lost);
    // One staleness marker per series, which the receiver does not count.
    assert_eq!(
        figures.sum("corelane_endpoint_samples_entered_total", ""),
        samples + series + lost,
        "{samples} in {series} series, {lost} shed"
    );
}

/// The definitions of the first page are more than a segment of the dictionary holds, and come faster than a spare can
/// be prepared: the page has to wait for it.
#[test]
fn a_first_page_of_more_definitions_than_a_segment_holds_refuses_nothing() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::with_ballast(20_000);
    let yaml = config(&[exporter.port()], &[receiver.url()]).replace(INTERVAL, "1s");
    let mut agent = Agent::new(&scratch, &yaml);
    agent.flags(&["--storage.agent.wal-segment-size=256KiB", "--cores=1"]);
    agent.start();
    exporter.more(2);
    let last = exporter.hold();
    let figures = Figures::of(&agent);
    assert_eq!(figures.sum("corelane_samples_refused_total", ""), 0, "samples were refused");
    receiver.assert_complete(&exporter, last);
}

#[test]
fn with_refuse_new_no_target_is_asked_while_there_is_no_room_and_nothing_is_given_up() {
    let scratch = Scratch::new();
    let mut receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::with_ballast(4000);
    let urls = [receiver.url()];
    let yaml = config(&[exporter.port()], &urls).replace(INTERVAL, "100ms");
    let mut agent = Agent::new(&scratch, &yaml);
    agent.flags(&["--storage.agent.max-bytes=4MiB", "--cores=1", "--wal.full=refuse-new"]);
    agent.start();
    exporter.more(4);
    receiver.stop();
    let withheld = |agent: &Agent| Figures::of(agent).sum("corelane_scrapes_withheld_total", "");
    wait::until_true("scrapes are withheld", || withheld(&agent) > 20);
    let figures = Figures::of(&agent);
    assert!(figures.sum("corelane_wal_disk_bytes", "") <= BUDGET);
    assert_eq!(figures.sum("corelane_wal_memory_bytes", ""), 0, "what is kept is in files");
    receiver.start();
    exporter.more(8);
    let asked = exporter.pages() - 1;
    assert!(receiver.missing(&exporter, asked).iter().all(|page| *page > asked - 4));
    let up = receiver.values("up{job=\"test\"}");
    assert!(
        up.iter().all(|value| *value == 1.0),
        "a target that was not asked is not down: {up:?}"
    );
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
    let figures = Figures::of(&agent);
    assert_eq!(figures.sum("corelane_samples_refused_total", ""), 0);
    assert_eq!(figures.sum("corelane_endpoint_samples_lost_total", ""), 0);
}

#[test]
fn what_is_older_than_the_retention_allows_expires_and_is_counted() {
    let scratch = Scratch::new();
    let mut receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::with_ballast(WIDE_SERIES);
    let urls = [receiver.url()];
    let yaml = |ports: &[u16]| config(ports, &urls).replace(INTERVAL, "150ms");
    let mut agent = Agent::new(&scratch, &yaml(&[exporter.port()]));
    agent.flags(&[
        "--cores=1",
        "--storage.agent.wal-segment-size=256KiB",
        "--storage.agent.retention.max-time=4s",
    ]);
    agent.start();
    exporter.more(4);
    receiver.stop();
    let expired = |figures: &Figures| {
        figures.sum("corelane_endpoint_samples_lost_total", "reason=\"expired\"")
    };
    wait::until_true("samples expire", || expired(&Figures::of(&agent)) > 0);
    receiver.start();
    exporter.more(4);
    let last = exporter.hold();
    let missing = receiver.missing(&exporter, last);
    fs::write(agent.config(), yaml(&[])).unwrap();
    assert_eq!(agent.reload().status, 200);
    let figures = Figures::at_rest(&agent);
    // What was on the wire when it became too old arrives all the same.
    assert!(!missing.is_empty(), "nothing expired");
    assert!(missing.iter().all(|page| (1..last - 4).contains(page)), "{missing:?} of {last}");
    let lost = expired(&figures);
    assert_eq!(figures.sum("corelane_endpoint_samples_lost_total", ""), lost);
    let (samples, series) = receiver.count("{job=\"test\"}");
    // One staleness marker per series, which the receiver does not count.
    assert_eq!(
        figures.sum("corelane_endpoint_samples_entered_total", ""),
        samples + series + lost,
        "{samples} in {series} series, {lost} expired"
    );
}
