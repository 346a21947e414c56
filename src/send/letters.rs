//! Dead letters: samples that were refused for good, as lines of JSON for whoever wants to know what is lost. Bounded:
//! what comes too fast is only counted.

use crate::base::{Instant, Timestamp, limits};
use crate::model::PackedLabels;
use crate::send::walk::Sent;
use crate::wal::DiskRequest;

/// Lines that wait, in bytes.
const WAITING_BYTES: usize = 32 << 10;
/// Samples written at once after a quiet time, and a second from then on.
const BURST: u64 = 200;
const PER_SECOND: u64 = 20;

/// Who refused, and in which words.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    pub endpoint: &'a str,
    pub status: u16,
    /// Text from the endpoint; made one line here.
    pub words: &'a str,
}

/// What one shard has to write.
#[derive(Debug, Default)]
pub struct Letters {
    lines: Vec<u8>,
    samples: u64,
    /// Samples on their way to the disk.
    asked: u64,
    tokens: u64,
    refilled: Option<Instant>,
    /// Samples written, and those that were not: too many at once, or the disk would not take them.
    pub written: u64,
    pub left_out: u64,
}

impl Letters {
    /// True if something may be noted now.
    pub fn open(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.has_room()
    }

    fn has_room(&self) -> bool {
        self.tokens > 0 && self.lines.len() < WAITING_BYTES
    }

    /// A sample is refused for good. False if there is no room for another.
    pub fn note(&mut self, refusal: &Refusal<'_>, wall: Timestamp, sent: &Sent<'_>) -> bool {
        line(&mut self.lines, refusal, wall, sent);
        self.samples += 1;
        self.tokens = self.tokens.saturating_sub(1);
        self.has_room()
    }

    /// So many more are refused, and only counted.
    pub fn leave_out(&mut self, samples: u64) {
        self.left_out += samples;
    }

    fn refill(&mut self, now: Instant) {
        let Some(before) = self.refilled else {
            (self.refilled, self.tokens) = (Some(now), BURST);
            return;
        };
        let seconds = now.since(before).as_secs();
        if seconds > 0 {
            self.refilled = Some(now);
            self.tokens = self.tokens.saturating_add(seconds.saturating_mul(PER_SECOND)).min(BURST);
        }
    }

    /// One request at a time.
    pub fn store(&mut self) -> Option<DiskRequest> {
        if self.asked > 0 || self.lines.is_empty() {
            return None;
        }
        self.asked = core::mem::take(&mut self.samples);
        Some(DiskRequest::Quarantine { lines: core::mem::take(&mut self.lines) })
    }

    pub fn stored(&mut self, written: bool) {
        let samples = core::mem::take(&mut self.asked);
        *(if written { &mut self.written } else { &mut self.left_out }) += samples;
    }

    pub fn quiet(&self) -> bool {
        self.asked == 0 && self.lines.is_empty()
    }
}

fn line(out: &mut Vec<u8>, refusal: &Refusal<'_>, wall: Timestamp, sent: &Sent<'_>) {
    let Refusal { endpoint, status, words } = refusal;
    out.extend_from_slice(format!("{{\"time_ms\":{},\"endpoint\":", wall.0).as_bytes());
    string(out, endpoint, limits::LABELS_BYTES);
    out.extend_from_slice(format!(",\"status\":{status},\"words\":").as_bytes());
    string(out, words, limits::REMOTE_ERROR_BYTES);
    out.extend_from_slice(b",\"labels\":{");
    for (at, (name, value)) in PackedLabels(sent.labels).iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(out, name, limits::LABELS_BYTES);
        out.push(b':');
        string(out, value, limits::LABELS_BYTES);
    }
    let value = match sent.value {
        // The bits tell apart what text does not: staleness markers are NaN.
        Some(value) => format!("\"value\":\"{value}\",\"bits\":\"{:016x}\"", value.to_bits()),
        None => "\"histogram\":true".to_owned(),
    };
    out.extend_from_slice(format!("}},{value},\"timestamp_ms\":{}}}\n", sent.time).as_bytes());
}

/// A JSON string of at most so many bytes of text, without control characters.
fn string(out: &mut Vec<u8>, text: &str, bytes_max: usize) {
    let end = text.floor_char_boundary(bytes_max);
    out.push(b'"');
    for c in text[..end].chars() {
        match c {
            '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
            c if c.is_control() => out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SeriesRef, pack_label, stale_marker};
    use crate::wal::Mark;

    fn labels() -> Vec<u8> {
        let mut labels = Vec::new();
        pack_label(&mut labels, b"__name__", b"up");
        pack_label(&mut labels, b"path", "C:\\ \"ä\"\n".as_bytes());
        labels
    }

    fn sent(labels: &[u8]) -> Sent<'_> {
        let (mark, series) = (Mark::default(), SeriesRef(0));
        Sent { mark, series, labels, value: Some(stale_marker()), time: 1_700 }
    }

    const REFUSAL: Refusal<'_> =
        Refusal { endpoint: "one", status: 400, words: "out of order\nsample" };

    #[test]
    fn a_line_says_who_refused_what_and_why_to_the_last_bit() {
        let mut letters = Letters::default();
        assert!(letters.open(Instant(0)));
        letters.note(&REFUSAL, Timestamp(5), &sent(&labels()));
        let Some(DiskRequest::Quarantine { lines }) = letters.store() else { panic!("nothing") };
        let wanted = concat!(
            r#"{"time_ms":5,"endpoint":"one","status":400,"words":"out of order\u000asample","#,
            r#""labels":{"__name__":"up","path":"C:\\ \"ä\"\u000a"},"#,
            r#""value":"NaN","bits":"7ff0000000000002","timestamp_ms":1700}"#,
        );
        assert_eq!(String::from_utf8(lines).expect("text"), format!("{wanted}\n"));
    }

    #[test]
    fn what_comes_too_fast_is_counted_and_never_piles_up() {
        let (mut letters, labels) = (Letters::default(), labels());
        let mut asked = 0;
        for second in 0..100 {
            for _ in 0..1_000 {
                let room = letters.open(Instant(second * 1_000_000_000));
                if room {
                    letters.note(&REFUSAL, Timestamp(0), &sent(&labels));
                }
                letters.leave_out(u64::from(!room));
                assert!(letters.lines.len() < WAITING_BYTES + 1_000);
            }
            if let Some(DiskRequest::Quarantine { lines }) = letters.store() {
                asked += lines.iter().filter(|byte| **byte == b'\n').count() as u64;
                letters.stored(second % 10 > 0);
            }
        }
        assert!(letters.quiet());
        assert_eq!(letters.written + letters.left_out, 100_000);
        assert!(letters.written < asked && asked <= BURST + 100 * PER_SECOND, "{asked}");
        assert!(letters.written > 1_000, "{}", letters.written);
    }
}
