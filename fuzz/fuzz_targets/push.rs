//! Any bytes as pushed requests of every kind: no panic, and what is taken of them keeps the promises.

#![no_main]

use corelane::model::{OtlpRules, PackedLabels, Push, PushOutcome, RemoteMessage};
use corelane::receive::{PushError, decode, decode_otlp, gather, gather_otlp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let shards = u16::from(body.first().copied().unwrap_or(1) % 4) + 1;
    let _ = decode(body);
    let _ = decode_otlp(Some("application/x-protobuf"), Some("gzip"), body, 1 << 20);
    for message in RemoteMessage::ALL {
        check(gather(message, body, shards, 1));
    }
    check(gather_otlp(body, &OtlpRules::default(), shards, 1));
});

/// Every label set is sorted, complete and on one shard only.
fn check(gathered: Result<(Vec<(u16, Push)>, PushOutcome), PushError>) {
    let Ok((parts, _)) = gathered else { return };
    for (_, push) in parts {
        let mut at = 0;
        for entry in &push.entries {
            let end = at + entry.labels as usize;
            let labels: Vec<(&str, &str)> = PackedLabels(&push.labels[at..end]).iter().collect();
            assert!(labels.is_sorted_by(|one, next| one.0 < next.0));
            assert!(labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
            assert!(labels.iter().any(|(name, _)| *name == "__name__"));
            at = end;
        }
        assert_eq!(at, push.labels.len());
        let samples: usize = push.entries.iter().map(|entry| entry.samples as usize).sum();
        assert_eq!(samples, push.samples.len());
    }
}
