//! Connections that come and go.

use super::*;
use crate::wal::Decoded;

/// Lanes with a series each.
const LANES: u32 = 16;
/// More requests than there will be.
const MANY: u64 = 1 << 20;

/// Up to eight connections to a receiver that is far away.
fn far() -> Bench {
    let mut bench = Bench::new(LANES);
    let plan = EndpointPlan { connections_max: 8, samples_max: 100, ..plan() };
    set_plan(&mut bench, plan);
    bench.takes = Duration::from_millis(100);
    bench
}

fn set_plan(bench: &mut Bench, plan: EndpointPlan) {
    bench.endpoint.set_plan(plan, false, &mut bench.dialer);
}

/// A scrape of every target.
fn scrape(bench: &mut Bench, time: i64) {
    for lane in 0..LANES {
        bench.commit_on(lane, time, lane..lane + 1);
    }
}

fn connections(bench: &Bench) -> u64 {
    bench.endpoint.report(&bench.feeds, &mut Decoded::default()).connections
}

impl Bench {
    /// Each sample came once.
    fn has_each_once(&mut self, samples: u64) {
        assert_eq!((self.kept.len() as u64, self.known.len() as u64), (samples, samples));
        self.balances();
    }
}

#[test]
fn connections_come_with_a_backlog_and_go_with_it_and_nothing_is_sent_twice_or_out_of_order() {
    let mut bench = far();
    for time in 0..1000 {
        scrape(&mut bench, time);
    }
    bench.run(MANY, takes_all);
    bench.has_each_once(16_000);
    assert_eq!(connections(&bench), 8);
    for second in 0..20 {
        bench.now = bench.now + Duration::from_secs(1);
        scrape(&mut bench, 1000 + second);
        bench.run(MANY, takes_all);
    }
    assert_eq!(connections(&bench), 1);
    scrape(&mut bench, 2000);
    bench.run(MANY, takes_all);
    bench.has_each_once(16_000 + 21 * 16);
}

#[test]
fn other_bounds_take_effect_where_lanes_are_at_rest_and_the_places_of_all_lanes_stay() {
    let mut bench = far();
    for (round, (min, max)) in
        [(1, 1), (16, 16), (3, 5), (2, 2), (7, 16), (1, 1)].iter().enumerate()
    {
        let time = 100 * round as i64;
        (0..20).for_each(|more| scrape(&mut bench, time + more));
        // Some of it is under way in the old order.
        bench.run(2, takes_all);
        let (connections_min, connections_max) = (*min, *max);
        let samples_max = 7;
        set_plan(
            &mut bench,
            EndpointPlan { connections_min, connections_max, samples_max, ..plan() },
        );
        bench.run(3, takes_all);
        // The process dies in the middle of it now and then.
        if round % 2 == 0 {
            bench.endpoint.end(&mut bench.dialer);
            bench.resume();
            set_plan(&mut bench, EndpointPlan { connections_min, connections_max, ..plan() });
        }
        bench.run(MANY, takes_all);
        let (min, max) = (*min as u64, *max as u64);
        assert!((min..=max).contains(&connections(&bench)), "{min} to {max}");
    }
    bench.has_each_once(6 * 20 * 16);
}

#[test]
fn a_request_stays_within_its_bytes_compressed_and_not() {
    for message in [RemoteMessage::V1, RemoteMessage::V2] {
        let mut bench = Bench::new(4000);
        bench.written =
            |samples, _| format!("X-Prometheus-Remote-Write-Samples-Written: {samples}\r\n");
        for (bytes_max, block_max) in [(20_000, 1 << 20), (1 << 20, 5_000)] {
            set_plan(&mut bench, EndpointPlan { message, bytes_max, block_max, ..plan() });
            let before = bench.requests;
            bench.commit(bench.requests as i64, 0..4000);
            bench.run(MANY, |samples, bench| {
                let length =
                    bench.head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
                let length: usize = length.expect("a length").parse().expect("a number");
                assert!(length <= block_max, "{length} bytes of {} samples", samples.len());
                Answer(200, true)
            });
            let requests = bench.requests - before;
            assert!((2..60).contains(&requests), "{requests} requests of {message:?}");
        }
        bench.has_each_once(8000);
    }
}
