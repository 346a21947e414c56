//! Refs and values to log records. Time is per sample.

mod harness;

use corelane::append::{Appender, Batch};
use corelane::base::{Instant, Now, Timestamp};

use crate::harness::{Bench, Done, Page, feed, intern, refill, values};

fn main() {
    let bench = Bench::new("append");
    for (name, samples) in
        [("commit-50", 50), ("commit-500", 500), ("commit-5000", bench.size(600, 5000))]
    {
        let commits = bench.size(2, 200_000 / samples);
        let mut page = Page::new(0, samples, 0.0);
        page.turn(1);
        let (mut feed, mut appender, mut batch) = (feed(), Appender::default(), Batch::default());
        let (refs, values) = (intern(&mut feed, &page), values(&page));
        let mut ms = 1_767_225_600_000;
        bench.staged(name, &[], |watch| {
            let before = feed.log.counters().bytes;
            for _ in 0..commits {
                ms += 10_000;
                let now = Now { instant: Instant(0), timestamp: Timestamp(ms) };
                refill(&mut feed);
                watch
                    .time(0, || {
                        batch.begin(0, now.timestamp);
                        for (series, value) in refs.iter().zip(&values) {
                            batch.push(*series, *value);
                        }
                        appender.commit(&mut feed, &mut batch, now)
                    })
                    .expect("there is room");
            }
            let bytes = feed.log.counters().bytes - before;
            Done { count: (commits * samples) as u64, bytes, hash: feed.log.total() ^ bytes }
        });
    }
}
