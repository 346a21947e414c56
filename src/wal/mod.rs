//! What must survive: the samples log of one shard, its dictionary of series, and the pages of its
//! cursors.
//!
//! State of one core, without I/O: bytes come as regions that somebody else prepared. All numbers
//! are little-endian.
//!
//! ```text
//! segment   one file of fixed size; samples and dictionary alike
//!     0  8  magic "CLseg" CR LF 1A; 0 = a spare, nothing here
//!     8  2  format version, 1
//!    10  1  kind: 1 samples, 2 dictionary
//!    12  4  salt, another one at every use of the file
//!    16 16  store id
//!    32  2  shard
//!    36  4  start number of the process
//!    40  4  sequence of the segment, never repeated in a directory
//!    44  4  size in bytes, a multiple of 4096
//!    48  8  base time, milliseconds since the epoch
//!    56  8  samples in this log before this segment (dictionary: records since the process started)
//!    64  8  end of the segment before it: sequence << 32 | offset, 0 if unknown
//!    72  4  epoch: changes of the number of shards
//!    76  4  one more than the highest series ref in this log before this segment (dictionary: 0)
//!   508  4  CRC32C of bytes 0-507
//!  2048 512  bytes 0-511 again, in case they rot (zeros in segments of early releases)
//!  4096     records
//!
//! record    at a multiple of 8, never across a segment's end
//!     0  4  CRC32C, begun with the salt, of bytes 4-15 and the payload
//!     4  4  kind in the low 8 bits, payload bytes in the high 24
//!     8  4  samples in this segment before this record (dictionary: records)
//!    12  4  samples in this record (dictionary: 1)
//!    16     payload, then zeros up to a multiple of 8
//!           a first word of 0 where a record should be: nothing here
//!
//! kind 1    samples, see `samples.rs` and `values.rs`
//! kind 2    histograms, see `histograms.rs`
//! kind 3    the payload of a record of kind 1 once more, without samples: others are relative to it, see `anchors.rs`
//! kind 17   forgotten: u32 series refs
//! kind 32   definition of a series of lane 0: u32 series ref, packed labels; 33 to 47: of lanes 1 to 15
//! kind 48   the same of a series with a description: u32 series ref, u16 number, packed labels; 49 to 63
//! kind 64   description: u16 number, from 1 on; u8 type, and name of the family, unit and help, the first two each behind
//!           its length as a varint
//! other     skipped, its samples counted as unreadable
//!
//! cursor    one page, two slots of 512 bytes at 0 and 2048, the higher valid sequence wins
//!     0  8  magic "CLcur" 02 CR LF
//!     8  8  sequence of the page
//!    16 16  endpoint
//!    32  8  low place: everything before it has a verdict
//!    40  8  samples in the log before the endpoint's first, signed
//!    48  8  samples acknowledged, over all starts
//!    56 120 samples lost, by code of the reason
//!   176  8  number of lanes stored, at most 16
//!   184 128 how far each lane is: place
//!   312 64  u32 each: how many samples of the frame there have a verdict
//!   376  8  name of the adopted log whose accounts are contained, 0 for none
//!   384  4  number of stretches beyond the lanes that have their verdicts, at most 4
//!   388 112 each: place where it begins, place where it ends and u32 samples of that frame, u64 samples in all
//!   508  4  CRC32C of bytes 0-507
//!
//! ledger    one page, two slots as a cursor's: what was offered to the log, over all starts
//!     0  8  magic "CLled" 01 CR LF
//!     8  8  sequence of the page
//!    16  8  samples offered
//!    24  8  samples appended
//!    32  8  samples that were appended and that the log no longer had after a power loss
//!    40  8  samples in the log when the page was made
//!    48 192 samples refused, by code of the reason
//!   240  8  name of the adopted log whose accounts are contained, 0 for none
//!   508  4  CRC32C of bytes 0-507
//! ```
//!
//! A record is published by one aligned 8-byte store of its first word, after its payload, the rest
//! of its header and a zeroed word for the record after it. Killed before that store the record
//! does not exist, after it it is whole.
//!
//! - W1: a record is read only if its checksum holds; content of an earlier use of the file has
//!   another salt.
//! - W2: records are in append order; each says how many samples are before it, so every hole has a
//!   number.
//! - W4: a segment is retired only when its owner says that every cursor is past it; the newest
//!   never is.
//! - W5: a series' definition is in the dictionary before the first record that uses it.
//! - W6: recovery yields all that was published if only the process died; after damage, all that
//!   still verifies.
//! - W7: a full disk refuses before it damages: only bytes written before are stored to. A segment
//!   that gets no file, or whose file is in doubt, is in memory only until a fresh file holds the
//!   same bytes under the same sequence.
//! - W9: new segments are called later than any that a cursor mentions, so that no new record lies
//!   below a cursor.
//!
//! May use: base, model. Unsafe: `map.rs` and `guard.rs` only.

mod anchors;
mod cursor;
mod damage;
mod dictionary;
mod exemplars;
mod guard;
mod header;
mod histograms;
mod ledger;
mod log;
mod map;
mod memory;
mod place;
mod record;
mod relative;
mod request;
mod samples;
mod segment;
mod slot;
mod starts;
#[cfg(test)]
mod tests;
mod values;

pub use anchors::Basis;
pub use cursor::{AHEAD_MAX, Advance, CursorPage, CursorTotals, newest};
pub use damage::Damage;
pub use dictionary::{At, Dictionary, DictionaryEntry};
pub use exemplars::{Exemplar, put_exemplar};
pub use guard::pages_lost;
pub use header::{Header, SegmentKind};
pub use histograms::Histograms;
pub use ledger::{LEDGER_FILE, LedgerPage, newest_ledger};
pub use log::{Log, LogCounters, SegmentInfo, Step};
pub use map::{Ahead, Fuse, Region};
pub use place::{Identity, Mark, Place, Seq};
pub use request::{DiskAnswer, DiskRequest};
pub use samples::{
    Beside, Decoded, Samples, decode_samples, exemplars_in, home_of_lane, is_histograms,
    is_pushed_lane, lane_of, pushed_lane,
};
pub use segment::{Finding, FoundSegment, Full, RecordKind, Retired, Unkept};
pub use slot::{CURSOR_BYTES, CURSOR_SLOTS};
pub use starts::put_starts;
