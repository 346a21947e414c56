//! A backlog to requests: a whole shard whose endpoint answers at last. Time is per sample acknowledged.

mod harness;

use crate::harness::{Bench, STAGES, Setting, World};

fn main() {
    let bench = Bench::new("drain");
    let (targets, samples) = bench.size((2, 100), (20, 5000));
    for (name, targets, samples, external_labels) in [
        ("large", targets, samples, false),
        ("large-external", targets, samples, true),
        ("small", targets * 25, 50, false),
    ] {
        if !bench.wants(name) {
            continue;
        }
        let mut world =
            World::new(Setting { targets, samples, churn: 0.0, endpoint: true, external_labels });
        let mut unmeasured = bench.unmeasured(&STAGES);
        world.interval(&mut unmeasured);
        bench.staged(name, &STAGES, |watch| {
            world.holding = true;
            world.interval(&mut unmeasured);
            let done = world.drain(watch);
            world.check(&mut unmeasured);
            done
        });
    }
}
