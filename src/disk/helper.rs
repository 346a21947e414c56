//! The thread beside a shard that waits for the disk, so that the core never does.
#![expect(
    clippy::disallowed_methods,
    reason = "a helper thread has its own clock for its sync interval"
)]

use std::io;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, unbounded};

use crate::disk::files::Files;
use crate::disk::space::Backend;
use crate::disk::worker::{Budget, Worker};
use crate::wal::{DiskAnswer, DiskRequest};

#[derive(Clone, Debug)]
pub struct HelperOptions {
    /// Shown by tools that list threads; at most 15 bytes count.
    pub name: String,
    /// The shard's own directory, then those it has adopted: `log` of a request is an index.
    pub dirs: Vec<PathBuf>,
    pub backend: Backend,
    pub segment_bytes: usize,
    /// `None`: never synced; survives the process, not the power.
    pub sync_interval: Option<Duration>,
    pub budget: Budget,
    /// From the survey of the own directory.
    pub files: Files,
}

/// The shard's end of a helper thread.
#[derive(Debug)]
pub struct Helper {
    sender: Sender<Ask>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
enum Ask {
    Budget(Budget),
    Request(DiskRequest),
}

impl Helper {
    /// Starts the thread; `answers` is called on it.
    pub fn spawn(
        options: HelperOptions,
        mut answers: impl FnMut(DiskAnswer) + Send + 'static,
    ) -> io::Result<Helper> {
        // Unbounded, and bounded by what a shard asks: a spare or two, a load and a cursor per
        // endpoint at a time.
        let (sender, receiver) = unbounded();
        let interval = options.sync_interval;
        let name = options.name.clone();
        let run = move || {
            let mut worker = Worker::new(options);
            let mut due = interval.map(|interval| Instant::now() + interval);
            loop {
                let asked = match due {
                    Some(due) => receiver.recv_deadline(due),
                    None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                };
                match asked {
                    Ok(Ask::Budget(budget)) => worker.set_budget(budget),
                    Ok(Ask::Request(request)) => worker.handle(request, &mut answers),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                // Also under a steady stream of requests.
                if let (Some(at), Some(interval)) = (due, interval)
                    && Instant::now() >= at
                {
                    worker.sync(&mut answers);
                    due = Some(Instant::now() + interval);
                }
            }
            if interval.is_some() {
                worker.sync(&mut answers);
            }
        };
        let builder = thread::Builder::new().name(name);
        let thread = builder.spawn(run)?;
        Ok(Helper { sender, thread })
    }

    /// Never waits. After the thread has ended nothing happens.
    pub fn request(&self, request: DiskRequest) {
        // The thread ends only when this side is gone, or the process is.
        self.sender.send(Ask::Request(request)).unwrap_or_default();
    }

    /// What the shard may use from now on.
    pub fn set_budget(&self, budget: Budget) {
        self.sender.send(Ask::Budget(budget)).unwrap_or_default();
    }

    /// Does all that was asked, syncs, and ends the thread.
    pub fn stop(self) {
        drop(self.sender);
        // A panic there has been printed by its own thread already.
        self.thread.join().unwrap_or_default();
    }
}
