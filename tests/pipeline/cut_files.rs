//! Files that somebody cuts short while they are mapped: no exit, and nothing wrong is sent.

use std::fs::File;

use crate::agent::{Agent, INTERVAL, config};
use crate::exporter::{NUMBERED_SERIES, Numbered};
use crate::figures::Figures;
use crate::receiver::Receiver;
use crate::scratch::{Scratch, contents};
use crate::wait;

/// Some of the records stay.
const LEFT: u64 = 16 << 10;
const BALLAST: usize = 4000;

struct Cut {
    receiver: Receiver,
    exporter: Numbered,
    agent: Agent,
    scratch: Scratch,
}

impl Cut {
    fn new() -> Cut {
        let scratch = Scratch::new();
        let receiver = Receiver::prometheus(&scratch);
        let exporter = Numbered::with_ballast(BALLAST);
        let yaml = config(&[exporter.port()], &[receiver.url()]).replace(INTERVAL, "150ms");
        let mut agent = Agent::new(&scratch, &yaml);
        agent.flags(&[
            "--cores=1",
            "--storage.agent.wal-segment-size=256KiB",
            "--wal.backend=mmap",
        ]);
        agent.start();
        exporter.more(4);
        Cut { receiver, exporter, agent, scratch }
    }

    /// Cuts all files with such an ending.
    fn cut(&self, end: &str) {
        for (path, _) in contents(self.agent.data()) {
            if path.to_string_lossy().ends_with(end) {
                let file = File::options().write(true).open(path).expect("a segment file");
                file.set_len(LEFT).expect("cut");
            }
        }
    }

    /// The process is there, and what comes now arrives; what has arrived is right.
    fn goes_on(&mut self) {
        self.exporter.more(8);
        let last = self.exporter.hold();
        let missing = self.receiver.missing(&self.exporter, last);
        assert_eq!(self.agent.ended(), None, "{}", self.agent.log());
        let instance = format!("instance=\"127.0.0.1:{}\"", self.exporter.port());
        for series in 0..NUMBERED_SERIES {
            let selector = format!("scrape_number{{{instance},series=\"{series}\"}}");
            let values = self.receiver.values(&selector);
            let strange = values.iter().any(|value| value.fract() != 0.0 || *value > last as f64);
            assert!(!strange, "{selector} holds another's samples: {values:?}");
        }
        let figures = Figures::of(&self.agent);
        // At least: what had been read of a file before it was cut can no longer be told from what had not.
        let unreadable =
            figures.sum("corelane_endpoint_samples_lost_total", "reason=\"unreadable\"");
        let least = missing.len() as u64 * (BALLAST + NUMBERED_SERIES) as u64;
        assert!(unreadable >= least, "{missing:?} are missing, {unreadable} samples counted");
        wait::until_true("the log is in files again", || {
            Figures::of(&self.agent).sum("corelane_wal_degraded", "") == 0
        });
    }
}

#[test]
fn samples_cut_off_under_us_are_counted_and_forwarding_goes_on() {
    let mut cut = Cut::new();
    cut.receiver.stop();
    cut.exporter.more(12);
    cut.cut(".seg");
    cut.exporter.more(4);
    cut.receiver.start();
    cut.goes_on();
    let log = cut.agent.log();
    assert!(log.contains("was cut short under us"), "{log}");
    drop(cut.scratch);
}

/// Whether or not they are read again: what is sent of known series does not need them.
#[test]
fn definitions_cut_off_under_us_end_nothing_and_no_sample_gets_another_name() {
    let mut cut = Cut::new();
    cut.cut(".def");
    cut.exporter.more(4);
    cut.goes_on();
}
