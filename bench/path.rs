//! The whole path of a sample on one core: page bytes, log record, request, acknowledgement. Everything outside the
//! shard is simulated and not measured, system calls among it. Time is per sample.

mod harness;

use crate::harness::{Bench, STAGES, Setting, World};

fn main() {
    let bench = Bench::new("path");
    for (name, targets, samples, churn, external_labels) in [
        ("100x5000", bench.size(2, 100), bench.size(1000, 5000), 0.0, false),
        ("100x5000-external", bench.size(2, 100), bench.size(1000, 5000), 0.0, true),
        ("5000x50", bench.size(20, 5000), 50, 0.0, false),
        (
            "100x5000-churn",
            bench.size(2, 100),
            bench.size(1000, 5000),
            bench.size(0.05, 0.0083),
            false,
        ),
    ] {
        if !bench.wants(name) {
            continue;
        }
        let mut world =
            World::new(Setting { targets, samples, churn, endpoint: true, external_labels });
        world.interval(&mut bench.unmeasured(&STAGES));
        bench.staged(name, &STAGES, |watch| world.interval(watch));
        world.check(&mut bench.unmeasured(&STAGES));
    }
}
