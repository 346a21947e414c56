//! A disk that is full, read-only or gone: forwarding goes on, and nothing wrong is sent.

use std::fs;

use crate::agent::{Agent, INTERVAL, config};
use crate::exporter::Numbered;
use crate::figures::Figures;
use crate::filesystem::Filesystem;
use crate::receiver::Receiver;
use crate::scratch::Scratch;
use crate::wait;

const BALLAST: usize = 6000;

/// A data directory on a small filesystem.
struct Small {
    disk: Filesystem,
    receiver: Receiver,
    exporter: Numbered,
    agent: Agent,
    scratch: Scratch,
}

impl Small {
    fn on(disk: fn(&Scratch, u64) -> Option<Filesystem>, flags: &[&str]) -> Option<Small> {
        let scratch = Scratch::new();
        let disk = disk(&scratch, 48)?;
        let receiver = Receiver::prometheus(&scratch);
        let exporter = Numbered::with_ballast(BALLAST);
        let yaml = config(&[exporter.port()], &[receiver.url()]).replace(INTERVAL, "150ms");
        let mut agent = Agent::new(&scratch, &yaml);
        agent.keep_data_in(&disk.path().join("data"));
        let usual = ["--cores=1", "--storage.agent.wal-segment-size=256KiB"];
        agent.flags(&[&usual, flags].concat());
        agent.start();
        exporter.more(4);
        Some(Small { disk, receiver, exporter, agent, scratch })
    }

    fn figures(&self) -> Figures {
        Figures::of(&self.agent)
    }

    fn wait_for_memory(&self) {
        wait::until_true("the log goes on in memory", || {
            self.figures().sum("corelane_wal_degraded", "") > 0
        });
    }

    fn wait_for_files(&self) {
        wait::until_true("the log is in files again", || {
            self.figures().sum("corelane_wal_degraded", "") == 0
        });
    }

    /// Everything so far has arrived, in order and once.
    fn complete(&self) {
        let last = self.exporter.hold();
        self.receiver.assert_complete(&self.exporter, last);
        self.exporter.release();
    }

    /// Nothing was refused or lost by this process.
    fn nothing_lost(&self) {
        let figures = self.figures();
        for name in ["corelane_samples_refused_total", "corelane_endpoint_samples_lost_total"] {
            assert_eq!(figures.sum(name, ""), 0, "{name}");
        }
    }

    /// Nobody takes samples, and the disk nothing more, until the log is in memory.
    fn fill(&mut self) {
        self.receiver.stop();
        self.disk.fill();
        self.wait_for_memory();
        self.exporter.more(2);
        self.receiver.start();
    }
}

fn while_full(disk: fn(&Scratch, u64) -> Option<Filesystem>) {
    let Some(mut small) = Small::on(disk, &[]) else { return };
    small.fill();
    small.complete();
    // It goes on, and once more with an outage: what is in memory goes to files when there is room.
    small.exporter.more(8);
    small.complete();
    small.receiver.stop();
    small.wait_for_memory();
    small.exporter.more(4);
    small.disk.free();
    small.wait_for_files();
    small.exporter.hold();
    // Files it is in indeed: the process may die now.
    small.agent.kill();
    small.agent.start();
    small.receiver.start();
    small.exporter.release();
    small.exporter.more(4);
    small.complete();
    small.nothing_lost();
    let log = small.agent.log();
    assert!(log.contains("goes on in memory"), "{log}");
    assert!(log.contains("in files again"), "{log}");
    drop(small.scratch);
}

#[test]
fn a_full_tmpfs_costs_nothing() {
    while_full(Filesystem::tmpfs);
}

#[test]
fn a_full_ext4_costs_nothing() {
    while_full(Filesystem::ext4);
}

#[test]
fn an_agent_killed_on_a_full_disk_starts_on_it_and_sends_no_wrong_value() {
    let Some(mut small) = Small::on(Filesystem::ext4, &[]) else { return };
    small.fill();
    small.complete();
    for _ in 0..3 {
        let last = small.exporter.hold();
        small.receiver.assert_complete(&small.exporter, last);
        small.agent.kill();
        small.exporter.release();
        small.agent.start();
        small.exporter.more(4);
    }
    small.complete();
    small.nothing_lost();
}

#[test]
fn a_filesystem_with_an_error_does_not_stop_forwarding() {
    let Some(mut small) = Small::on(Filesystem::ext4, &[]) else { return };
    if !small.disk.break_it() {
        return println!("skipped: no error can be brought about");
    }
    small.exporter.more(4);
    small.wait_for_memory();
    small.exporter.more(10);
    small.complete();
    // An outage as long as memory holds.
    small.receiver.stop();
    small.exporter.more(4);
    small.receiver.start();
    small.complete();
    small.nothing_lost();
    assert_eq!(small.agent.ended(), None);
}

#[test]
fn a_data_directory_that_is_removed_does_not_stop_forwarding() {
    let Some(small) = Small::on(Filesystem::tmpfs, &[]) else { return };
    small.complete();
    fs::remove_dir_all(small.disk.path().join("data/shard-000")).expect("removed");
    small.exporter.more(30);
    small.complete();
    wait::until_true("the loss of the files is noticed and repaired", || {
        let figures = small.figures();
        figures.sum("corelane_wal_sync_failures_total", "") > 0
            && figures.sum("corelane_wal_degraded", "") == 0
    });
    small.exporter.more(4);
    small.complete();
    small.nothing_lost();
}
