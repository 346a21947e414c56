//! Bytes that the disk gave back otherwise than they were written: the rest arrives, what is lost is named and counted.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use crate::agent::{Agent, INTERVAL, config};
use crate::exporter::{NUMBERED_SERIES, Numbered};
use crate::figures::Figures;
use crate::receiver::Receiver;
use crate::scratch::{Scratch, contents};

/// Where the records of a segment begin.
const RECORDS_AT: usize = 4096;
/// So many series that a byte of the log is almost certainly one of a page, not of the samples about it.
const BALLAST: usize = 1500;
/// Two series of three, so that a page with all of its report fits: `up` and four more.
const REPORT: u64 = 5;

/// An agent that has delivered some pages, was then stopped with a backlog, and its peers.
struct Stopped {
    scratch: Scratch,
    receiver: Receiver,
    exporter: Numbered,
    agent: Agent,
    /// The last page that had been delivered.
    delivered: u64,
    /// The last page in the log.
    last: u64,
}

impl Stopped {
    fn with_backlog(pages: u64) -> Stopped {
        let scratch = Scratch::new();
        let mut receiver = Receiver::prometheus(&scratch);
        let exporter = Numbered::with_ballast(BALLAST);
        let yaml = config(&[exporter.port()], &[receiver.url()]).replace(INTERVAL, "150ms");
        let mut agent = Agent::new(&scratch, &yaml);
        agent.flags(&["--cores=1", "--storage.agent.wal-segment-size=256KiB"]);
        agent.start();
        exporter.more(4);
        let delivered = exporter.hold();
        receiver.assert_complete(&exporter, delivered);
        receiver.stop();
        exporter.release();
        exporter.more(pages);
        let last = exporter.hold();
        assert!(agent.stop().success());
        Stopped { scratch, receiver, exporter, agent, delivered, last }
    }

    /// Files whose name ends so, in the order of their names.
    fn files(&self, end: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = contents(self.agent.data());
        files.retain(|(path, _)| path.to_string_lossy().ends_with(end));
        files
    }

    /// Segments of samples by their sequence, with the end of what is in them; without spares.
    fn segments(&self) -> Vec<(PathBuf, usize)> {
        let files = self.files(".seg").into_iter();
        let mut found: Vec<_> = files
            .filter(|(_, bytes)| bytes.starts_with(b"CLseg"))
            .map(|(path, bytes)| {
                let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
                let seq: [u8; 4] = bytes[40..44].try_into().expect("four bytes");
                (u32::from_le_bytes(seq), path, end)
            })
            .collect();
        found.sort();
        let rest = found.into_iter().map(|(_, path, end)| (path, end));
        rest.collect()
    }

    /// Goes on until all that is left has arrived; gives the numbers of the pages that have not, and the figures.
    fn go_on(&mut self) -> (Vec<u64>, Figures) {
        self.receiver.start();
        self.exporter.release();
        self.agent.start();
        self.exporter.more(4);
        let newest = self.exporter.hold();
        let missing = self.receiver.missing(&self.exporter, newest);
        let old = missing.iter().all(|number| *number <= self.last);
        assert!(old, "pages of after the start are missing: {missing:?}");
        let kept = missing.iter().all(|number| *number > self.delivered);
        assert!(kept, "the receiver lost pages: {missing:?}");
        let yaml = config(&[], &[self.receiver.url()]);
        fs::write(self.agent.config(), yaml).expect("a config file");
        assert_eq!(self.agent.reload().status, 200);
        (missing, Figures::at_rest(&self.agent))
    }
}

fn flip(path: &PathBuf, at: usize) {
    let file = File::options().read(true).write(true).open(path).expect("a segment file");
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, at as u64).expect("bytes there");
    file.write_all_at(&bytes.map(|byte| byte ^ 0x55), at as u64).expect("bytes written");
}

fn unreadable(figures: &Figures) -> u64 {
    figures.sum("corelane_endpoint_samples_lost_total", "reason=\"unreadable\"")
}

#[test]
fn flipped_bytes_cost_their_own_page_which_is_counted() {
    let mut stopped = Stopped::with_backlog(24);
    let (path, end) = stopped.segments().pop().expect("a segment");
    flip(&path, RECORDS_AT + (end - RECORDS_AT) * 3 / 4);
    let (missing, figures) = stopped.go_on();
    assert_eq!(missing.len(), 1, "{missing:?}");
    let page = (BALLAST + NUMBERED_SERIES) as u64;
    let lost = unreadable(&figures);
    assert!([page, page + REPORT].contains(&lost), "{lost} for a page of {page}");
    assert!(figures.sum("corelane_wal_damage_total", "") >= 1);
}

#[test]
fn flipped_bytes_of_an_older_segment_are_found_when_it_is_sent() {
    let mut stopped = Stopped::with_backlog(60);
    let segments = stopped.segments();
    assert!(segments.len() >= 3, "{segments:?}");
    let (path, end) = &segments[segments.len() - 2];
    flip(path, RECORDS_AT + (end - RECORDS_AT) / 2);
    let (missing, figures) = stopped.go_on();
    assert_eq!(missing.len(), 1, "{missing:?}");
    let page = (BALLAST + NUMBERED_SERIES) as u64;
    let lost = unreadable(&figures);
    assert!([page, page + REPORT].contains(&lost), "{lost} for a page of {page}");
}

#[test]
fn a_truncated_segment_loses_its_tail_only_and_is_named() {
    let mut stopped = Stopped::with_backlog(60);
    let segments = stopped.segments();
    assert!(segments.len() >= 3, "{segments:?}");
    let (path, end) = &segments[segments.len() - 2];
    let file = File::options().write(true).open(path).expect("a segment file");
    file.set_len((RECORDS_AT + (end - RECORDS_AT) / 2) as u64).unwrap();
    let (missing, figures) = stopped.go_on();
    assert!(!missing.is_empty());
    let whole: Vec<u64> = (missing[0]..=missing[missing.len() - 1]).collect();
    assert_eq!(missing, whole, "a hole in what was lost");
    let page = (BALLAST + NUMBERED_SERIES) as u64;
    let count = missing.len() as u64;
    let lost = unreadable(&figures);
    let range = count * page..=count * (page + REPORT) + REPORT;
    assert!(range.contains(&lost), "{lost} for {count} pages of {page}");
    let log = stopped.agent.log();
    assert!(log.contains(path.to_str().unwrap()), "{log}");
}

#[test]
fn segments_whose_files_are_gone_are_counted_to_the_sample() {
    let mut stopped = Stopped::with_backlog(90);
    let segments = stopped.segments();
    assert!(segments.len() >= 4, "{segments:?}");
    // The one that the cursor is in, and one in the middle.
    fs::remove_file(&segments[0].0).unwrap();
    fs::remove_file(&segments[2].0).unwrap();
    let (missing, figures) = stopped.go_on();
    assert!(!missing.is_empty());
    let page = (BALLAST + NUMBERED_SERIES) as u64;
    let count = missing.len() as u64;
    let lost = unreadable(&figures);
    let range = count * page..=count * (page + REPORT) + 2 * page;
    assert!(range.contains(&lost), "{lost} for {count} pages of {page}");
    let ledger = figures.sum("corelane_ledger_lost_samples_total", "reason=\"unreadable\"");
    assert_eq!(ledger, lost);
}

#[test]
fn a_cursor_of_zeros_sends_more_and_loses_nothing() {
    let mut stopped = Stopped::with_backlog(12);
    let cursors = stopped.files(".cur");
    assert!(!cursors.is_empty());
    for (path, bytes) in &cursors {
        fs::write(path, vec![0; bytes.len()]).unwrap();
    }
    let (missing, figures) = stopped.go_on();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(unreadable(&figures), 0);
    let log = stopped.agent.log();
    for (path, _) in &cursors {
        assert!(log.contains(path.to_str().unwrap()), "{log}");
    }
}

#[test]
fn a_damaged_dictionary_puts_no_sample_under_another_name() {
    let mut stopped = Stopped::with_backlog(12);
    let (path, _) = stopped.files(".def").remove(0);
    let bytes = fs::read(&path).unwrap();
    // The definition of one of the numbered series.
    let name = b"scrape_number";
    let at = bytes.windows(name.len()).position(|found| found == name);
    flip(&path, at.expect("the series is defined"));
    // A series that the log has not met, so that it gets a name of its own before the old ones are sent.
    let other = Numbered::with_ballast(50);
    let ports = [stopped.exporter.port(), other.port()];
    let yaml = config(&ports, &[stopped.receiver.url()]);
    fs::write(stopped.agent.config(), &yaml).unwrap();
    stopped.exporter.release();
    stopped.agent.start();
    other.more(4);
    stopped.exporter.more(4);
    // And once more: what the damage left free must stay so.
    assert!(stopped.agent.stop().success());
    stopped.agent.start();
    other.more(2);
    stopped.receiver.start();
    let last = stopped.exporter.hold();
    let newest = other.hold();
    stopped.receiver.assert_complete(&other, newest);
    let instance = format!("instance=\"127.0.0.1:{}\"", stopped.exporter.port());
    for series in 0..NUMBERED_SERIES {
        let selector = format!("scrape_number{{{instance},series=\"{series}\"}}");
        crate::wait::until_true("the last page has arrived", || {
            stopped.receiver.values(&selector).last() == Some(&(last as f64))
        });
        let values = stopped.receiver.values(&selector);
        let strange = values.iter().any(|value| value.fract() != 0.0 || *value > last as f64);
        assert!(!strange, "{selector} holds another's samples: {values:?}");
    }
    let log = stopped.agent.log();
    assert!(
        log.contains("Damage")
            || Figures::of(&stopped.agent).sum("corelane_wal_damage_total", "") > 0,
        "{log}"
    );
    drop(stopped.scratch);
}
