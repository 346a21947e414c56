//! What becomes of a shard's requests to its disk: each helper works on one after the other, late or with an error at
//! times, and leaves undone what it has not done when the process dies.

use std::fmt;

use corelane::base::Instant;
use corelane::wal::{DiskAnswer, DiskRequest};

use crate::clock::{ms, us};
use crate::process::Inbox;
use crate::world::{Happening, World};

impl World {
    pub fn ask_disk(&mut self, shard: u16, request: DiskRequest) {
        let faults = &self.options.disk;
        let mut delay = us(self.random.below(faults.delay_us + 1));
        if self.faults && self.random.chance(faults.late, 1000) {
            delay += ms(self.random.below(3000));
        }
        let asked = self.clock.instant;
        let host = &mut self.hosts[shard as usize];
        host.disk_free = host.disk_free.max(asked) + delay;
        let at = host.disk_free;
        self.agenda.at(at, Happening::Disk { life: self.life, shard, request, asked });
    }

    pub fn disk(&mut self, life: u32, shard: u16, request: DiskRequest, asked: Instant) {
        if life != self.life || self.hosts.is_empty() {
            return;
        }
        self.trace.step(
            self.clock.instant,
            "diskwork",
            [shard.into(), 0, 0],
            format_args!("{shard}: {}", RequestName(&request)),
        );
        if let Some(refusal) = self.disk_refuses(&request) {
            if matches!(refusal, DiskAnswer::CursorFailed { .. }) {
                self.cursors_failed.insert((life, shard));
            }
            self.tell(shard, Inbox::Disk(refusal));
            return;
        }
        match &request {
            DiskRequest::StoreCursor { log, file, .. } => {
                self.cursor_stores.insert((life, shard, *log, file.clone()), asked);
            }
            DiskRequest::Retire { .. } => self.books.retired += 1,
            DiskRequest::RemoveLog { log } => {
                let dir = self.hosts[shard as usize].logs[*log as usize];
                for remote in &mut self.remotes {
                    remote.acquainted.remove(&dir);
                }
            }
            _ => {}
        }
        if let Some(answer) = self.disk.carry_out(request, &self.hosts[shard as usize].logs) {
            self.tell(shard, Inbox::Disk(answer));
        }
    }

    /// An error instead of the answer.
    fn disk_refuses(&mut self, request: &DiskRequest) -> Option<DiskAnswer> {
        let faults = &self.options.disk;
        let (cursor, load) =
            if self.faults { (faults.cursor_error, faults.load_error) } else { (0, 0) };
        let message = "the sim says no".to_owned();
        match request {
            DiskRequest::StoreCursor { log, file, sequence, .. }
                if self.random.chance(cursor, 1000) || self.disk.takes_no_write() =>
            {
                let (log, file, sequence) = (*log, file.clone(), *sequence);
                Some(DiskAnswer::CursorFailed { log, file, sequence, message })
            }
            DiskRequest::Load { log, seq, .. } if self.random.chance(load, 1000) => {
                Some(DiskAnswer::LoadFailed { log: *log, seq: *seq, message })
            }
            _ => None,
        }
    }
}

pub fn answer_name(answer: &DiskAnswer) -> &'static str {
    match answer {
        DiskAnswer::CursorFailed { .. } => "cursor failed",
        DiskAnswer::CursorStored { .. } => "cursor stored",
        DiskAnswer::Kept { .. } => "kept",
        DiskAnswer::KeepFailed { .. } => "keep failed",
        DiskAnswer::Loaded { .. } => "loaded",
        DiskAnswer::LoadFailed { .. } => "load failed",
        DiskAnswer::PrepareFailed { .. } => "prepare failed",
        DiskAnswer::Prepared { .. } => "prepared",
        DiskAnswer::Quarantined { .. } => "quarantined",
        DiskAnswer::Removed { .. } => "removed",
        DiskAnswer::SyncFailed { .. } => "sync failed",
        DiskAnswer::Synced => "synced",
    }
}

/// Written only where the trace is printed.
struct RequestName<'a>(&'a DiskRequest);

impl fmt::Display for RequestName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DiskRequest::DeleteCursor { log, file } => write!(f, "delete cursor {log} {file}"),
            DiskRequest::Keep { kind, segment } => write!(f, "keep {kind:?} {:?}", segment.seq),
            DiskRequest::Load { log, seq, slot } => write!(f, "load {log} {seq:?} {slot}"),
            DiskRequest::Prepare { kind } => write!(f, "prepare {kind:?}"),
            DiskRequest::Quarantine { lines } => write!(f, "quarantine {}", lines.len()),
            DiskRequest::Release(_) => write!(f, "release"),
            DiskRequest::RemoveLog { log } => write!(f, "remove log {log}"),
            DiskRequest::Retire { log, kind, slot, .. } => {
                write!(f, "retire {log} {kind:?} {slot}")
            }
            DiskRequest::Sync => write!(f, "sync"),
            DiskRequest::StoreCursor { log, file, sequence, .. } => {
                write!(f, "store cursor {log} {file} {sequence}")
            }
        }
    }
}
