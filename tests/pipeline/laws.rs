//! The counts that the program shows add up, and to what the receiver has.

use std::fs;

use crate::agent::{Agent, config};
use crate::exporter::{self, Bad, Numbered};
use crate::figures::Figures;
use crate::receiver::Receiver;
use crate::scratch::Scratch;

/// What the agent acknowledges of a job is what the receiver has of it, with one staleness marker per series, which
/// the receiver does not count.
fn assert_all_acknowledged(figures: &Figures, receiver: &Receiver) {
    let (samples, series) = receiver.count("{job=\"test\"}");
    let acknowledged = figures.sum("corelane_endpoint_samples_acknowledged_total", "");
    assert_eq!(acknowledged, samples + series, "{samples} in {series} series");
}

#[test]
fn every_sample_is_counted_once_from_page_to_verdict() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let exporters = [Numbered::with_ballast(500), Numbered::start()];
    let ports = [exporters[0].port(), exporters[1].port()];
    let urls = [receiver.url()];
    let mut agent = Agent::new(&scratch, &config(&ports, &urls));
    agent.start();
    exporters[0].more(8);
    // The target goes while no page is on its way.
    let last = exporters.each_ref().map(Numbered::hold);
    fs::write(agent.config(), config(&[], &urls)).unwrap();
    assert_eq!(agent.reload().status, 200);
    let figures = Figures::at_rest(&agent);
    assert_eq!(figures.sum("corelane_endpoint_samples_lost_total", ""), 0);
    assert_eq!(figures.sum("corelane_samples_refused_total", ""), 0);
    assert_all_acknowledged(&figures, &receiver);
    for (exporter, last) in exporters.iter().zip(last) {
        receiver.assert_complete(exporter, last);
    }
}

/// What was appended since the directory was made, the endpoint has: to the sample, whatever happened to the process.
pub fn assert_books_of_all_starts(figures: &Figures) {
    let ledger = |name: &str| figures.sum(&format!("corelane_ledger_{name}_samples_total"), "");
    let appended = ledger("appended");
    assert!(appended > figures.sum("corelane_wal_appended_samples_total", ""), "of earlier starts");
    assert_eq!((ledger("vanished"), ledger("surplus")), (0, 0));
    assert_eq!((ledger("entered"), ledger("acknowledged") + ledger("lost")), (appended, appended));
}

#[test]
fn the_laws_hold_with_bad_targets_a_restart_and_a_backlog() {
    let scratch = Scratch::new();
    let mut receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::with_ballast(500);
    let ports = [exporter.port(), exporter::bad(Bad::Garbage), exporter::bad(Bad::Cut)];
    let urls = [receiver.url()];
    let mut agent = Agent::new(&scratch, &config(&ports, &urls));
    agent.start();
    exporter.more(4);
    receiver.stop();
    exporter.more(4);
    exporter.hold();
    Figures::of(&agent);
    agent.kill();
    exporter.release();
    agent.start();
    exporter.more(4);
    receiver.start();
    exporter.more(2);
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
    fs::write(agent.config(), config(&[], &urls)).unwrap();
    assert_eq!(agent.reload().status, 200);
    let figures = Figures::at_rest(&agent);
    let lost = |reason: &str| {
        let label = format!("reason=\"{reason}\"");
        figures.sum("corelane_endpoint_samples_lost_total", &label)
    };
    for reason in ["shed", "unreadable", "too_old", "dropped_series"] {
        assert_eq!(lost(reason), 0, "{reason}");
    }
    assert!(agent.log().contains("cost=nothing"), "a kill costs nothing and that is said");
    assert_books_of_all_starts(&figures);
}
