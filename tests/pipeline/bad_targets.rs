//! Targets that misbehave cost themselves only.

use crate::agent::{Agent, config};
use crate::exporter::{self, Bad, Numbered};
use crate::receiver::Receiver;
use crate::scratch::{Scratch, free_port};
use crate::wait;

#[test]
fn bad_targets_are_down_with_a_reason_and_good_ones_go_on() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let good = Numbered::start();
    let absent = free_port();
    let kinds = [
        Bad::Cut,
        Bad::Endless,
        Bad::EndlessLine,
        Bad::Garbage,
        Bad::HalfGzip,
        Bad::HeaderBomb,
        Bad::Mute,
        Bad::RedirectLoop,
    ];
    let mut bad: Vec<u16> = kinds.into_iter().map(exporter::bad).collect();
    bad.push(absent);
    let ports = [&[good.port()], &bad[..]].concat();
    let mut agent = Agent::new(&scratch, &config(&ports, &[receiver.url()]));
    agent.start();
    for (kind, port) in kinds.iter().map(Some).chain([None]).zip(&bad) {
        let error = agent.failure(*port);
        let expected = match kind {
            Some(Bad::Endless | Bad::Mute) => &["deadline exceeded", "timeout", "timed out"][..],
            Some(Bad::Garbage) => &["expected", "parse", "invalid", "unexpected"],
            Some(Bad::Cut) => &["closed the connection"],
            Some(Bad::EndlessLine) => &["longer than"],
            Some(Bad::HeaderBomb) => &["head"],
            Some(Bad::HalfGzip) => &["EOF", "gzip", "truncated"],
            Some(Bad::RedirectLoop) => &["redirect"],
            None => &["refused"],
        };
        assert!(expected.iter().any(|part| error.contains(part)), "{kind:?}: {error:?}");
        let up = format!("up{{instance=\"127.0.0.1:{port}\"}}");
        wait::until_true("the receiver knows that the target is down", || {
            receiver.values(&up).last() == Some(&0.0)
        });
    }
    good.more(12);
    let last = good.hold();
    receiver.assert_complete(&good, last);
    for name in ["endless", "cut"] {
        let found = receiver.samples(name);
        assert!(found.is_empty(), "a page without an end was accepted in part");
    }
}
