//! An endpoint that is away, alone and together with kills and stops.

use std::time::{Duration, Instant};

use crate::agent::{Agent, config};
use crate::doorman::{Doorman, Rule};
use crate::exporter::Numbered;
use crate::figures::Figures;
use crate::receiver::Receiver;
use crate::scratch::Scratch;
use crate::wait;

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

/// The backlog goes slowly, so what is new is there long before it; a kill in the middle of that loses nothing of either.
#[test]
fn what_is_new_goes_ahead_of_a_backlog_where_any_order_will_do() {
    let scratch = Scratch::new();
    let mut receiver = Receiver::victoria_metrics(&scratch);
    let exporter = Numbered::start();
    let in_order = config(&[], &[receiver.url()]);
    let config = config(&[exporter.port()], &[receiver.url()]);
    let slow = "      max_samples_per_send: 10\n    corelane: {out_of_order_ok: true, \
                backfill_samples_per_second: 20}\n";
    let mut agent = Agent::new(&scratch, &format!("{config}{slow}"));
    agent.flags(&["--cores=1"]);
    agent.start();
    exporter.more(4);
    receiver.stop();
    exporter.more(OUTAGE_PAGES);
    receiver.start();
    exporter.more(4);
    let newest = exporter.pages();
    assert!(receiver.lacks(&exporter, newest).len() > 4, "the backlog came first");
    agent.kill();
    agent.start();
    exporter.more(4);
    let last = exporter.hold();
    assert!(!receiver.lacks(&exporter, last).is_empty(), "the backlog came first after the kill");
    // The rest of it in order, as fast as it goes.
    std::fs::write(agent.config(), in_order).expect("it is ours");
    assert_eq!(agent.reload().status, 200);
    wait::until_true("the backlog is there", || receiver.lacks(&exporter, last).is_empty());
    Figures::at_rest(&agent).assert_laws();
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

/// The backlog is taken and nobody says so. Prometheus refuses a whole request for one sample that is older than what it
/// has, so that what is sent again must not take along what is new. A `patient` agent tries each of them alone, another
/// looks for where what was taken ends.
fn what_is_sent_again_takes_nothing_along(killed: bool, patient: bool) {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let doorman = Doorman::start(receiver.port(), Rule::Everyone);
    let exporter = Numbered::with_ballast(200);
    let config = config(&[exporter.port()], &[doorman.url()]);
    let impatient = "    corelane: {patience: 0s}\n";
    let mut agent =
        Agent::new(&scratch, &format!("{config}{}", if patient { "" } else { impatient }));
    agent.flags(&["--cores=1"]);
    agent.start();
    exporter.more(4);
    doorman.rule(Rule::Nobody);
    exporter.more(OUTAGE_PAGES / 2);
    // Its first request after a start holds all that is there.
    agent.kill();
    agent.start();
    exporter.more(2);
    doorman.rule(Rule::Silently);
    let before = doorman.admitted();
    wait::until_true("the backlog is taken", || doorman.admitted() > before);
    exporter.hold();
    if killed {
        agent.kill();
        doorman.rule(Rule::Nobody);
        exporter.release();
        agent.start();
    } else {
        doorman.rule(Rule::Nobody);
        exporter.release();
    }
    // New samples wait behind those that are there.
    exporter.more(8);
    let asked = doorman.admitted();
    doorman.rule(Rule::Everyone);
    exporter.more(2);
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
    let asked = doorman.admitted() - asked;
    let figures = Figures::of(&agent);
    let lost = |reason: &str| {
        let reason = format!("reason=\"{reason}\"");
        figures.sum("corelane_endpoint_samples_lost_total", &reason)
    };
    assert!(lost("rejected") > 0, "nothing that was sent again was refused");
    if patient {
        assert_eq!(lost("rejected_untried"), 0);
    } else {
        assert!(lost("rejected_untried") > 0);
        assert!(asked < 400, "{asked} requests to tell what was there from what was not");
    }
    let path = agent.data().join("shard-000/rejected.jsonl");
    wait::until_true("the refused samples are written down", || {
        std::fs::read_to_string(&path).is_ok_and(|letters| letters.contains("\"status\":400"))
    });
}

#[test]
fn what_a_receiver_took_in_silence_takes_nothing_along_when_it_is_sent_again() {
    what_is_sent_again_takes_nothing_along(false, false);
}

#[test]
fn what_a_receiver_took_from_a_killed_agent_takes_nothing_along_when_it_is_sent_again() {
    what_is_sent_again_takes_nothing_along(true, true);
}
