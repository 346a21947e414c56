//! The pure steps between log and socket, and the hashes and checksums on the way. Time is per sample, or per KiB where
//! the name says so.

mod harness;

use corelane::base::{crc32c, seeded_hash, stable_hash};
use corelane::model::{merge_packed, pack};
use corelane::send::{Body, Stencils};
use corelane::wire::remote_v1::put_sample;

use crate::harness::{Bench, Done, Page, feed, intern, series_texts, values};

fn main() {
    let bench = Bench::new("encode");
    let samples = bench.size(100, 5000);
    let page = Page::new(0, samples, 0.0);
    let mut feed = feed();
    let refs = intern(&mut feed, &page);
    let labels: Vec<&[u8]> = refs.iter().filter_map(|found| feed.labels(*found)).collect();
    let values = values(&page);
    let texts = series_texts(&page);
    let mut raw = Vec::new();
    let mut external = Vec::new();
    pack([("cluster", "edge-17"), ("replica", "a")].into_iter(), &mut external);
    let done = |bytes: &[u8], hash| Done { count: samples as u64, bytes: bytes.len() as u64, hash };

    bench.case("seeded-hash", || {
        let hash = |sum: u64, text: &Vec<u8>| sum.rotate_left(5) ^ seeded_hash(9, text);
        done(&[], texts.iter().fold(0, hash))
    });
    bench.case("labels-of-ref", || {
        let len = |sum: u64, labels: &[u8]| sum.rotate_left(5) ^ labels.len() as u64;
        done(&[], refs.iter().filter_map(|found| feed.labels(*found)).fold(0, len))
    });
    bench.case("put-sample", || {
        raw.clear();
        for (labels, value) in labels.iter().zip(&values) {
            put_sample(&mut raw, labels, *value, 1_767_225_600_000);
        }
        done(&raw, raw.iter().rev().take(8).map(|byte| u64::from(*byte)).sum())
    });
    let mut merged = Vec::new();
    bench.case("merge-external", || {
        let mut bytes = 0;
        for labels in &labels {
            merged.clear();
            merge_packed(labels, &external, &mut merged);
            bytes += merged.len();
        }
        done(&merged, bytes as u64)
    });
    raw.clear();
    for (labels, value) in labels.iter().zip(&values) {
        put_sample(&mut raw, labels, *value, 1_767_225_600_000);
    }
    // What requests were compressed with before there were stencils, to compare with.
    let mut encoder = snap::raw::Encoder::new();
    let mut packed = vec![0; snap::raw::max_compress_len(raw.len())];
    bench.case("snappy", || {
        let len = encoder.compress(&raw, &mut packed).expect("room for the worst case");
        done(&packed[..len], len as u64)
    });
    let (mut stencils, mut body, mut out) = (Stencils::default(), Body::default(), Vec::new());
    let mut write = |stencils: &mut Stencils| {
        body.clear();
        out.clear();
        stencils.open(&body);
        for (series, value) in refs.iter().zip(&values) {
            stencils.put(&mut body, *series, *value, 1_767_225_600_000, &mut |series, out| {
                out.extend_from_slice(feed.labels(series).unwrap_or_default());
                true
            });
        }
        stencils.close(&mut body);
        body.write_to(&mut out);
        done(&out, stable_hash(&out))
    };
    bench.case("stencils", || write(&mut stencils));
    bench.case("stencils-learned", || write(&mut Stencils::default()));
    checksums(&bench, &raw);
}

fn checksums(bench: &Bench, raw: &[u8]) {
    for kib in [1, 64] {
        let bytes = &raw[..raw.len().min(kib << 10)];
        bench.case(&format!("crc32c-{kib}k-per-kib"), || {
            let times = 1024 / kib;
            let sum = (0..times as u32).fold(7, |seed, _| crc32c(seed, bytes));
            Done {
                count: (times * bytes.len()) as u64 >> 10,
                bytes: (times * bytes.len()) as u64,
                hash: sum.into(),
            }
        });
    }
}
