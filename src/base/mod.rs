//! Machine words: time, codecs, checksums, hashing, chance, meters, limits. Knows nothing of metrics.
//!
//! No type here reads a clock, draws true randomness or touches the system: time and seeds are arguments.
//!
//! May use: nothing.

mod checksum;
mod codec;
mod conn;
mod hash;
pub mod limits;
mod meter;
mod random;
mod time;
mod timers;

pub use checksum::crc32c;
pub use codec::{Reader, put_uvarint, put_zigzag, unzigzag, uvarint_len, zigzag};
pub use conn::{Ask, Conn, Dialer, Owner, Route, Tunnel};
pub use hash::{seeded_hash, stable_hash};
pub use meter::Histogram;
pub use random::Random;
pub use time::{DurationError, Instant, Now, Timestamp, format_duration, parse_duration};
pub use timers::Timers;
