//! Records into the log, and out of it again. Time is per sample.

mod harness;

use corelane::base::{Timestamp, stable_hash};
use corelane::model::SeriesRef;
use corelane::wal::{Decoded, Samples, Step, decode_samples};

use crate::harness::{Bench, Done, Page, feed, refill, values};

fn main() {
    let bench = Bench::new("log");
    let stages = ["append", "read", "decode"];
    for (name, samples) in [("frame-50", 50), ("frame-5000", bench.size(600, 5000))] {
        let frames = bench.size(2, 200_000 / samples);
        let mut page = Page::new(0, samples, 0.0);
        page.turn(1);
        let values = values(&page);
        let refs: Vec<SeriesRef> = (0..samples as u32).map(SeriesRef).collect();
        let (mut feed, mut decoded) = (feed(), Decoded::default());
        let mut time = Timestamp(1_767_225_600_000);
        bench.staged(name, &stages, |watch| {
            let mut done = Done::default();
            for _ in 0..frames {
                refill(&mut feed);
                time.0 += 10_000;
                let samples = Samples { lane: 1, time, refs: &refs, values: &values, times: &[] };
                let place =
                    watch.time(0, || feed.log.append(&samples, time)).expect("there is room");
                let step = watch.time(1, || feed.log.read(place));
                let Step::Record { payload, base_time, .. } = step else {
                    panic!("{step:?}");
                };
                watch.time(2, || decode_samples(payload, base_time, &mut decoded)).expect("whole");
                done.count += decoded.refs.len() as u64;
                done.bytes += payload.len() as u64;
                let last = decoded.values.last().map_or(0, |value| value.to_bits());
                done.hash = done.hash.rotate_left(5) ^ last ^ stable_hash(payload);
            }
            done
        });
    }
}
