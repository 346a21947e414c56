//! What is new beside a backlog.

use core::num::NonZeroU64;

use super::*;

/// More requests than there will be.
const MANY: u64 = 1 << 20;
const SERIES: u32 = 10;

/// An endpoint that takes ten samples at a time, in any order, behind by so many scrapes of ten.
fn behind(scrapes: i64) -> Bench {
    let mut bench = Bench::new(SERIES);
    bench.now = Instant(1 << 40);
    let plan = EndpointPlan { out_of_order_ok: true, samples_max: 10, ..plan() };
    bench.endpoint.set_plan(plan, false, &mut bench.dialer);
    for time in 0..scrapes {
        bench.commit(time, 0..SERIES);
    }
    bench
}

fn down(_: &[Key], _: &Bench) -> Answer {
    Answer(503, false)
}

/// How many samples came before the last of this time.
fn arrived(bench: &Bench, time: i64) -> usize {
    bench.kept.iter().rposition(|key| key.1 == time).expect("it is there")
}

/// Everything up to this time is there, and so many samples came twice.
fn is_whole(bench: &mut Bench, scrapes: i64, twice: usize) {
    assert_eq!(bench.known.len() as i64, scrapes * i64::from(SERIES));
    assert!(bench.kept.len() <= bench.known.len() + twice, "{} came", bench.kept.len());
    bench.balances();
    let report = bench.endpoint.report(&bench.feeds, &mut bench.scratch.decoded);
    assert_eq!((report.pending, report.ledger.missing, report.ledger.vanished), (0, 0, 0));
    let one = !report.ahead && report.connections == 1;
    assert!(one, "what is new goes in order again");
    let stored = bench.stored.as_ref().map(|(_, page)| page.ahead.clone());
    assert_eq!(stored, Some(vec![]), "nothing is ahead any more");
}

#[test]
fn what_is_new_goes_first_after_an_outage_and_each_sample_once() {
    let mut bench = behind(100);
    bench.run(20, down);
    bench.commit(100, 0..SERIES);
    bench.run(1, takes_all);
    bench.run(1, takes_all);
    assert!(arrived(&bench, 100) < 20, "it is among the first");
    bench.run(10, takes_all);
    let (_, page) = bench.stored.clone().expect("a page");
    let [ahead] = page.ahead[..] else { panic!("{:?}", page.ahead) };
    assert!(ahead.samples == 10 && ahead.from > page.low, "{page:?}");
    bench.commit(101, 0..SERIES);
    bench.run(2, takes_all);
    let before = bench.kept.len();
    assert!(arrived(&bench, 101) >= before - 20, "and so does what comes next");
    bench.run(MANY, takes_all);
    is_whole(&mut bench, 102, 0);
}

#[test]
fn the_process_may_die_anywhere_beside_a_backlog_and_what_the_page_says_is_not_sent_again() {
    for requests in 1..40 {
        let mut bench = behind(20);
        bench.run(3, down);
        bench.commit(20, 0..SERIES);
        bench.commit(21, 0..4);
        bench.run(requests, takes_all);
        bench.resume();
        bench.commit(21, 4..SERIES);
        bench.run(requests, takes_all);
        bench.resume();
        bench.run(MANY, takes_all);
        is_whole(&mut bench, 22, 0);
    }
}

#[test]
fn an_old_page_costs_a_resend_and_nothing_else() {
    let mut bench = behind(20);
    bench.run(3, down);
    let old = bench.stored.clone();
    bench.commit(20, 0..SERIES);
    bench.run(8, takes_all);
    let kept = bench.kept.len();
    assert!(old.as_ref() != bench.stored.as_ref() && kept > 0);
    bench.endpoint = {
        let found = vec![old.into_iter().collect()];
        Endpoint::new(bench.endpoint.plan.clone(), 0, &bench.feeds, &found, 7)
    };
    bench.dialer = Dialer::default();
    bench.endpoint.release(u32::MAX);
    bench.run(MANY, takes_all);
    is_whole(&mut bench, 21, kept);
}

#[test]
fn another_outage_leaves_a_stretch_behind_and_when_the_page_is_full_the_rest_goes_in_order() {
    let mut bench = behind(300);
    bench.run(3, down);
    let mut time = 300;
    for outage in 0..6 {
        bench.commit(time, 0..SERIES);
        bench.run(4, takes_all);
        (1..=3).for_each(|more| bench.commit(time + more, 0..SERIES));
        time += 4;
        bench.run(6, down);
        let (_, page) = bench.stored.clone().expect("a page");
        assert_eq!(page.ahead.len(), (outage + 1).min(crate::wal::AHEAD_MAX), "outage {outage}");
        // What is left behind by then is all that a page has room for.
        if outage == 3 {
            bench.resume();
        }
    }
    bench.run(MANY, takes_all);
    is_whole(&mut bench, time, 0);
}

#[test]
fn a_backlog_keeps_to_its_rate_and_what_is_new_does_not_wait_for_it() {
    let mut bench = behind(40);
    let plan = bench.endpoint.plan.clone();
    let plan = EndpointPlan { backfill_rate: NonZeroU64::new(10), ..plan };
    bench.endpoint.set_plan(plan, false, &mut bench.dialer);
    bench.run(2, down);
    let began = bench.now;
    for more in 0..10 {
        bench.commit(40 + more, 0..SERIES);
        bench.run(2, takes_all);
    }
    assert!(bench.now.since(began) < Duration::from_secs(15), "{:?}", bench.now.since(began));
    bench.run(MANY, takes_all);
    let took = bench.now.since(began);
    assert!((35..45).contains(&took.as_secs()), "ten a second of four hundred: {took:?}");
    is_whole(&mut bench, 50, 0);
}

#[test]
fn without_the_permission_what_is_ahead_stays_and_the_rest_goes_in_order() {
    let mut bench = behind(20);
    bench.run(3, down);
    bench.commit(20, 0..SERIES);
    bench.run(4, takes_all);
    assert!(bench.endpoint.report(&bench.feeds, &mut bench.scratch.decoded).ahead);
    let plan = EndpointPlan { out_of_order_ok: false, ..bench.endpoint.plan.clone() };
    bench.newest.clear();
    bench.endpoint.set_plan(plan, false, &mut bench.dialer);
    bench.commit(21, 0..SERIES);
    bench.run(MANY, takes_all);
    is_whole(&mut bench, 22, 10);
}
