//! What a pusher is told.

use crate::base::put_uvarint;
use crate::model::{PushOutcome, RemoteMessage};
use crate::wire::headers::{EXEMPLARS_WRITTEN, HISTOGRAMS_WRITTEN, SAMPLES_WRITTEN};

/// An answer that needs no more but to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub text: String,
}

/// Seconds after which one who is to come again may do so.
const LATER: &str = "5";

/// From what became of all parts of a request. What is to be sent again is sent whole (spec: conformance 3.4, partial
/// write), so that comes before what was refused for good.
pub fn answer(message: RemoteMessage, outcome: &PushOutcome) -> Answer {
    let mut headers = Vec::new();
    if message == RemoteMessage::V2 {
        headers.extend([
            (SAMPLES_WRITTEN, outcome.samples.to_string()),
            (HISTOGRAMS_WRITTEN, outcome.histograms.to_string()),
            (EXEMPLARS_WRITTEN, outcome.exemplars.to_string()),
        ]);
    }
    if outcome.later {
        headers.push(("Retry-After", LATER.to_owned()));
        let text = "the log has no room for all of it now\n".to_owned();
        return Answer { status: 503, headers, text };
    }
    if outcome.refused == 0 {
        return Answer { status: 204, headers, text: String::new() };
    }
    let mut text = outcome.words.join("\n");
    let more = outcome.refused.saturating_sub(outcome.words.len() as u64);
    if more > 0 {
        text.push_str(&format!("\nand {more} more"));
    }
    text.push('\n');
    Answer { status: 400, headers, text }
}

/// The body of a good answer to a request of OpenTelemetry: an `ExportMetricsServiceResponse`, which says what was refused
/// if something was. What was refused must not be sent again.
pub fn answer_otlp(outcome: &PushOutcome) -> Vec<u8> {
    let mut out = Vec::new();
    if outcome.refused == 0 {
        return out;
    }
    let words = outcome.words.join("; ");
    let mut partial = vec![0x08];
    put_uvarint(&mut partial, outcome.refused);
    partial.push(0x12);
    put_uvarint(&mut partial, words.len() as u64);
    partial.extend_from_slice(words.as_bytes());
    out.push(0x0a);
    put_uvarint(&mut out, partial.len() as u64);
    out.append(&mut partial);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_part_decides_and_counts_are_told() {
        let mut outcome = PushOutcome { samples: 3, exemplars: 1, ..PushOutcome::default() };
        let told = answer(RemoteMessage::V1, &outcome);
        assert_eq!((told.status, told.headers.len()), (204, 0));
        assert!(answer_otlp(&outcome).is_empty());
        let refused = PushOutcome { refused: 2, words: vec!["no".to_owned()], ..outcome.clone() };
        assert_eq!(answer_otlp(&refused), [0x0a, 6, 0x08, 2, 0x12, 2, b'n', b'o']);
        outcome.add(PushOutcome {
            histograms: 2,
            refused: 3,
            words: vec!["out of order".to_owned()],
            ..PushOutcome::default()
        });
        let told = answer(RemoteMessage::V2, &outcome);
        assert_eq!((told.status, &*told.text), (400, "out of order\nand 2 more\n"));
        let counts: Vec<&str> = told.headers.iter().map(|(_, count)| &**count).collect();
        assert_eq!(counts, ["3", "2", "1"]);
        outcome.add(PushOutcome { later: true, ..PushOutcome::default() });
        let told = answer(RemoteMessage::V2, &outcome);
        assert_eq!(told.status, 503);
        assert!(told.headers.contains(&("Retry-After", "5".to_owned())));
    }
}
