//! What the world tells a shard.

use crate::base::Conn;
use crate::mail::Order;
use crate::wal::DiskAnswer;

/// Something happened. The shard handles one at a time and never waits.
#[derive(Debug)]
pub enum Event<'a> {
    /// Time has passed, or a batch of events has been handed over: work that is due gets done. The driver sends one
    /// after every batch, and one when [`super::Shard::deadline`] has come.
    Tick,
    Order(Order),
    /// The connection asked for is open (TLS included).
    Opened(Conn),
    /// Bytes came: plaintext, in order.
    Read(Conn, &'a [u8]),
    /// The network took so many bytes of [`super::Shard::outgoing`].
    Wrote(Conn, usize),
    /// The connection is gone, or could not be had. `orderly`: the peer said it was done sending.
    Closed {
        conn: Conn,
        orderly: bool,
        cause: &'a str,
    },
    Disk(DiskAnswer),
}
