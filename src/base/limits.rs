//! Every bound in the program that is not a flag or a configuration field, with the reason for it.

/// Bytes of a response read from a socket at once; also the bound of a turn's parsing work.
pub const READ_BYTES: usize = 64 << 10;
/// Decoded bytes of one page handled in one turn, so that a gzip page cannot stretch a turn.
pub const TURN_BYTES: usize = 256 << 10;
/// One line of an exposition page. Prometheus has no bound; a line this long is an attack or a bug.
pub const LINE_BYTES: usize = 1 << 20;
/// Lines that one entry may go on over inside quotes.
pub const ENTRY_LINES: u32 = 64;
/// Decoded bytes of a page where `body_size_limit` says nothing: an endless page ends here.
pub const PAGE_BYTES_MAX: u64 = 512 << 20;
/// Buffers of a page that are kept for the next one.
pub const PAGE_KEPT_BYTES: usize = 8 << 20;
/// A response head: status line and all headers.
pub const HEAD_BYTES: usize = 64 << 10;
/// Header fields in one head.
pub const HEAD_FIELDS: usize = 128;
/// Redirects followed for one scrape, as Go's client does.
pub const REDIRECTS: u32 = 10;
/// Bytes of a remote's error body kept for the log (RW-37).
pub const REMOTE_ERROR_BYTES: usize = 1024;
/// Samples in one log record; longer scrapes are split into several.
pub const FRAME_SAMPLES: usize = 64 << 10;
/// Payload of one log record.
pub const RECORD_BYTES: usize = 4 << 20;
/// Packed labels of one series (a dictionary record holds at least one series).
pub const LABELS_BYTES: usize = 64 << 10;
/// One packed native histogram: about twenty thousand buckets.
pub const HISTOGRAM_BYTES: usize = 64 << 10;
/// Exemplars of one log record.
pub const EXEMPLARS_BYTES: usize = 32 << 10;
/// Characters of an exemplar's names and values together, as OpenMetrics has it.
pub const EXEMPLAR_CHARS: usize = 128;
/// Connections of one endpoint on one shard (the cursor page has room for as many).
pub const CONNECTIONS: usize = 16;
/// Page size assumed for file layouts.
pub const PAGE_BYTES: usize = 4096;
/// Segment sizes, in bytes.
pub const SEGMENT_BYTES_MIN: usize = 256 << 10;
pub const SEGMENT_BYTES_DEFAULT: usize = 32 << 20;
/// Segments that are only in memory, because the disk gives no file, are of this size at most: small enough to be copied
/// in one turn when there is a file again.
pub const MEMORY_SEGMENT_BYTES: usize = 1 << 20;
/// So many of one core's segments may be only in memory: 16 MiB together, less where segments are smaller.
pub const MEMORY_SAMPLES_SEGMENTS: usize = 12;
pub const MEMORY_DICTIONARY_SEGMENTS: usize = 4;
/// Mail waiting for one core, or from it.
pub const MAIL: usize = 4096;
/// Bytes of a shard's dead letters on disk: the file and the one before it.
pub const REJECTED_BYTES: u64 = 1 << 20;
/// Samples in one remote-write request when the configuration does not say.
pub const REQUEST_SAMPLES: usize = 10_000;
/// Uncompressed bytes of one remote-write request when the configuration does not say; receivers refuse 32 MiB.
pub const REQUEST_BYTES: usize = 4 << 20;
/// The same compressed: the most that proxies and services take unless they are told otherwise is a megabyte.
pub const REQUEST_BLOCK_BYTES: usize = 1_000_000;
/// Most and fewest that may be configured of either: one sample must fit, and memory be bounded.
pub const REQUEST_BYTES_MIN: usize = 64 << 10;
pub const REQUEST_BYTES_MAX: usize = 64 << 20;
/// The body of a pushed request as it comes (spec: HTTP-51), and what it may be decoded to.
pub const PUSH_BODY_BYTES: usize = 32 << 20;
pub const PUSH_DECODED_BYTES: usize = 32 << 20;
/// Texts of one pushed request, and its samples with its series and exemplars: what is a few bytes each on the wire takes
/// ten times as many in memory.
pub const PUSH_SYMBOLS: usize = 1 << 20;
pub const PUSH_ITEMS: usize = 1 << 20;
/// Labels of one pushed series, and its native histograms or exemplars.
pub const PUSH_LABELS: usize = 1 << 13;
pub const PUSH_HISTOGRAMS: usize = 1 << 15;
/// Bytes of all pushed requests that are being worked on, as they came and decoded: beyond, pushers are told to wait.
pub const PUSHED_BYTES: usize = 192 << 20;
/// Pushed samples taken in by one core in one turn.
pub const PUSH_TURN: usize = 2048;
/// Stencils of one log: samples of series beyond are compressed in the usual way.
pub const STENCIL_BYTES: usize = 256 << 20;

const _: () = assert!(LABELS_BYTES < RECORD_BYTES);
const _: () = assert!(LABELS_BYTES * 2 + 2 * PAGE_BYTES < SEGMENT_BYTES_MIN);
const _: () = assert!(HISTOGRAM_BYTES * 2 + 2 * PAGE_BYTES < SEGMENT_BYTES_MIN);
const _: () = assert!(HISTOGRAM_BYTES * 2 + EXEMPLARS_BYTES + 2 * PAGE_BYTES < SEGMENT_BYTES_MIN);
const _: () = assert!(RECORD_BYTES < SEGMENT_BYTES_DEFAULT);
const _: () = assert!(LABELS_BYTES * 2 + 2 * PAGE_BYTES < MEMORY_SEGMENT_BYTES);
const _: () = assert!(MEMORY_SEGMENT_BYTES.is_multiple_of(PAGE_BYTES));
