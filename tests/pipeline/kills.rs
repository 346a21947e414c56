//! SIGKILL at any moment loses nothing that was accepted.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::agent::{Agent, config};
use crate::exporter::Numbered;
use crate::receiver::Receiver;
use crate::scratch::Scratch;
use crate::wait;

/// Kills between two scrapes: the page before is accepted, the next not begun, so not one number may be missing.
fn survives_kills(flags: &[&str]) {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::start();
    let mut agent = Agent::new(&scratch, &config(&[exporter.port()], &[receiver.url()]));
    agent.flags(flags);
    for _ in 0..4 {
        agent.start();
        exporter.more(5);
        exporter.hold();
        agent.kill();
        exporter.release();
    }
    agent.start();
    exporter.more(5);
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
}

#[test]
fn kills_between_scrapes_lose_nothing_on_epoll() {
    survives_kills(&["--runtime=epoll"]);
}

#[test]
fn kills_between_scrapes_lose_nothing_on_io_uring_where_it_is_permitted() {
    if uring_permitted() {
        survives_kills(&["--runtime=uring"]);
    }
}

/// Where io_uring is denied, `--runtime=uring` must end with an error that names it; the error is the answer here.
fn uring_permitted() -> bool {
    let disabled = fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    if disabled.is_ok_and(|disabled| disabled.trim() == "2") {
        return false;
    }
    let scratch = Scratch::new();
    let exporter = Numbered::start();
    let mut agent = Agent::new(&scratch, &config(&[exporter.port()], &[]));
    agent.flags(&["--runtime=uring"]);
    agent.launch();
    let ended = wait::until("the agent scrapes or ends", || match agent.ended() {
        Some(status) => Some(Some(status)),
        None => (exporter.pages() > 0).then_some(None),
    });
    let Some(status) = ended else { return true };
    let log = agent.log();
    assert!(!status.success() && log.contains("io_uring"), "ended with {status}:\n{log}");
    false
}

#[test]
fn kills_at_any_moment_lose_at_most_the_page_that_was_in_the_air() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::start();
    let mut agent = Agent::new(&scratch, &config(&[exporter.port()], &[receiver.url()]));
    let mut in_the_air = Vec::new();
    for kill in 0..8 {
        agent.start();
        exporter.more(3);
        // Another moment of the scrape interval each time.
        thread::sleep(Duration::from_millis(31 * kill));
        agent.kill();
        // The page before it was committed, or its scrape would not have begun.
        in_the_air.push(exporter.pages());
    }
    agent.start();
    exporter.more(3);
    let last = exporter.hold();
    receiver.assert_complete_but(&exporter, last, &in_the_air);
}

#[test]
fn kills_during_the_start_lose_nothing() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::start();
    let mut agent = Agent::new(&scratch, &config(&[exporter.port()], &[receiver.url()]));
    agent.start();
    exporter.more(5);
    exporter.hold();
    agent.kill();
    for _ in 0..3 {
        agent.launch();
        agent.kill();
    }
    exporter.release();
    agent.start();
    exporter.more(5);
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
}
