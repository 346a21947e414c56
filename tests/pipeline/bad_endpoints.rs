//! Endpoints that answer what no endpoint should: nothing counts as delivered that has no good answer.

use std::fs;
use std::io::Write as _;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::agent::{Agent, config};
use crate::doorman::{Doorman, Rule};
use crate::exporter::Numbered;
use crate::figures::Figures;
use crate::receiver::Receiver;
use crate::scratch::Scratch;
use crate::wait;

/// Answers every connection with the same bytes at once, and closes it.
struct Liar {
    port: u16,
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Liar {
    fn start(port: u16, answer: &'static [u8]) -> Liar {
        let listener =
            wait::until("the port is free", || TcpListener::bind(("127.0.0.1", port)).ok());
        let done = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&done);
        let thread = thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                // The other side may be gone already.
                drop(stream.write_all(answer));
                drop(stream.shutdown(Shutdown::Write));
            }
        });
        Liar { port, done, thread: Some(thread) }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[test]
fn answers_that_are_none_are_retried_named_and_cost_nothing() {
    let cases: [(&[u8], &[&str]); 4] = [
        (b"SSH-2.0-OpenSSH_9.2\r\n", &["HTTP"]),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf",
            &["closed the connection", "reset"],
        ),
        (b"HTTP/1.1 204 No", &["closed the connection", "reset"]),
        (b"", &["closed the connection", "reset", "pipe"]),
    ];
    let scratch = Scratch::new();
    let mut receiver = Receiver::prometheus(&scratch);
    receiver.stop();
    let exporter = Numbered::start();
    let mut agent = Agent::new(&scratch, &config(&[exporter.port()], &[receiver.url()]));
    agent.flags(&["--cores=1"]);
    for (answer, words) in cases {
        let liar = Liar::start(receiver.port(), answer);
        agent.start();
        exporter.more(4);
        let before = agent.log().len();
        let said = wait::until("the program says what is wrong", || {
            let log = agent.log();
            let mut lines = log.get(before.saturating_sub(4096)..)?.lines().rev();
            let line = lines.find(|line| line.contains("Failed to send samples"));
            line.map(str::to_owned)
        });
        assert!(
            words.iter().any(|word| said.contains(word)),
            "{:?}: {said}",
            String::from_utf8_lossy(answer)
        );
        let acknowledged =
            Figures::of(&agent).sum("corelane_endpoint_samples_acknowledged_total", "");
        assert_eq!(acknowledged, 0, "{:?}", String::from_utf8_lossy(answer));
        exporter.hold();
        assert!(agent.stop().success());
        exporter.release();
        drop(liar);
    }
    receiver.start();
    agent.start();
    exporter.more(2);
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
}

#[test]
fn bodies_that_are_too_large_for_a_while_cost_nothing() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    // A backlog first, so that requests are as large as they get.
    let doorman = Doorman::start(receiver.port(), Rule::Nobody);
    let exporter = Numbered::with_ballast(3000);
    let mut agent = Agent::new(&scratch, &config(&[exporter.port()], &[doorman.url()]));
    agent.flags(&["--cores=1"]);
    agent.start();
    exporter.more(8);
    doorman.rule(Rule::UpTo(20_000));
    let before = doorman.refused();
    wait::until_true("large requests are refused and small ones get through", || {
        doorman.refused() > before && doorman.admitted() >= 4
    });
    exporter.more(4);
    doorman.rule(Rule::Everyone);
    exporter.more(4);
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
    fs::write(agent.config(), config(&[], &[doorman.url()])).expect("a config file");
    assert_eq!(agent.reload().status, 200);
    let figures = Figures::at_rest(&agent);
    assert_eq!(figures.sum("corelane_endpoint_samples_lost_total", ""), 0);
    let (samples, series) = receiver.count("{job=\"test\"}");
    let entered = figures.sum("corelane_endpoint_samples_entered_total", "");
    // One staleness marker per series, which the receiver does not count.
    assert_eq!(entered, samples + series, "{samples} in {series} series");
}

#[test]
fn an_invitation_to_come_back_at_once_is_not_taken_at_its_word() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let doorman = Doorman::start(receiver.port(), Rule::Nobody);
    let exporter = Numbered::with_ballast(500);
    let mut agent = Agent::new(&scratch, &config(&[exporter.port()], &[doorman.url()]));
    agent.flags(&["--cores=1"]);
    agent.start();
    wait::until_true("the endpoint is asked", || doorman.refused() > 0);
    let started = Instant::now();
    wait::until_true("three seconds are over", || started.elapsed() >= Duration::from_secs(3));
    let asked = doorman.refused();
    assert!((3..=50).contains(&asked), "{asked} requests in three seconds");
    doorman.rule(Rule::Everyone);
    exporter.more(2);
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
}
