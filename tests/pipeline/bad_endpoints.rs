//! Endpoints that answer what no endpoint should: nothing counts as delivered that has no good answer.

use std::io::Write as _;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::agent::{Agent, config};
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
