//! Page bytes to log records, by how much of a page was there the time before: a whole shard without endpoints. Time
//! is per sample appended, report series included.

mod harness;

use crate::harness::{Bench, STAGES, Setting, World};

fn main() {
    let bench = Bench::new("cache");
    let (targets, samples) = bench.size((2, 1000), (20, 5000));
    for (name, samples, churn) in [
        ("hit", samples, 0.0),
        ("hit-small", 50, 0.0),
        ("churn-5", samples, 0.05),
        ("miss", samples, 1.0),
    ] {
        if !bench.wants(name) {
            continue;
        }
        let mut world = World::new(Setting {
            targets: if samples == 50 { targets * 25 } else { targets },
            samples,
            churn,
            endpoint: false,
            external_labels: false,
        });
        world.interval(&mut bench.unmeasured(&STAGES));
        bench.staged(name, &STAGES, |watch| {
            let done = world.interval(watch);
            world.check(watch);
            done
        });
    }
}
