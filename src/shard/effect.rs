//! What a shard asks of the world. Effects are carried out in order.

use crate::base::{Conn, Route};
use crate::mail::Notice;
use crate::wal::DiskRequest;

#[derive(Debug)]
pub enum Effect {
    /// Connect; [`super::Event::Opened`] or [`super::Event::Closed`] follows.
    Open {
        conn: Conn,
        route: Route,
    },
    /// Bytes wait in [`super::Shard::outgoing`]; [`super::Event::Wrote`] says how many were taken, until none wait.
    Write(Conn),
    /// No event of this connection may follow; its name is free.
    Close(Conn),
    /// Stop reading, so that a page which is slow to handle does not pile up.
    Pause(Conn),
    Resume(Conn),
    Disk(DiskRequest),
    Notice(Notice),
    /// Everything is stored that can be: the driver may end.
    Stopped,
}
