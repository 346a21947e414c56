//! An endpoint that is away, alone and together with kills and stops.

use std::time::{Duration, Instant};

use crate::agent::{Agent, config};
use crate::exporter::Numbered;
use crate::receiver::Receiver;
use crate::scratch::Scratch;

/// Ten seconds at the usual interval.
const OUTAGE_PAGES: u64 = 40;

#[test]
fn an_outage_loses_nothing() {
    let scratch = Scratch::new();
    let mut receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::start();
    let mut agent = Agent::new(&scratch, &config(&[exporter.port()], &[receiver.url()]));
    agent.start();
    exporter.more(4);
    receiver.stop();
    exporter.more(OUTAGE_PAGES);
    receiver.start();
    exporter.more(4);
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
}

#[test]
fn kills_in_an_outage_lose_nothing() {
    let scratch = Scratch::new();
    let mut receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::start();
    let mut agent = Agent::new(&scratch, &config(&[exporter.port()], &[receiver.url()]));
    agent.start();
    exporter.more(4);
    receiver.stop();
    for _ in 0..2 {
        exporter.more(OUTAGE_PAGES / 2);
        exporter.hold();
        agent.kill();
        exporter.release();
        agent.start();
    }
    exporter.more(4);
    receiver.start();
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
}

#[test]
fn a_stop_in_an_outage_is_clean_and_the_next_run_delivers() {
    let scratch = Scratch::new();
    let mut receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::start();
    let mut agent = Agent::new(&scratch, &config(&[exporter.port()], &[receiver.url()]));
    agent.start();
    exporter.more(4);
    receiver.stop();
    exporter.more(12);
    exporter.hold();
    let asked = Instant::now();
    let status = agent.stop();
    assert!(asked.elapsed() < Duration::from_secs(2), "the stop took {:?}", asked.elapsed());
    assert_eq!(status.code(), Some(0));
    exporter.release();
    receiver.start();
    agent.start();
    exporter.more(4);
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
}

#[test]
fn a_receiver_that_comes_and_goes_gets_everything_in_order() {
    let scratch = Scratch::new();
    let mut receiver = Receiver::victoria_metrics(&scratch);
    let exporter = Numbered::start();
    let mut agent = Agent::new(&scratch, &config(&[exporter.port()], &[receiver.url()]));
    agent.start();
    for _ in 0..3 {
        exporter.more(4);
        receiver.stop();
        exporter.more(4);
        receiver.start();
    }
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
}
