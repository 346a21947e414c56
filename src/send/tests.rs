//! Whole endpoints without a network: what they send is answered by a receiver that a test writes.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;

use crate::auth::{SigV4, Signed, sha256};
use crate::base::{Ask, Conn, Dialer, Instant, Now, Owner, Timestamp};
use crate::http::Url;
use crate::mail::{EndpointPlan, Transport};
use crate::model::{Loss, RemoteMessage, SeriesRef, StatusAction, StatusPolicy, pack_label};
use crate::send::{Endpoint, Letters, Outlook, Scratch};
use crate::series::{Descriptions, Feed, Table};
use crate::wal::{CursorPage, Dictionary, DiskRequest, Identity, Log, Region, Samples, Seq};
use crate::wire::remote_v1::WriteRequest;

#[path = "tests_compliance.rs"]
mod compliance;
#[path = "tests_crew.rs"]
mod crew;
#[path = "tests_fresh.rs"]
mod fresh;
#[path = "tests_second.rs"]
mod second;

const SEGMENT: usize = 4 << 20;

/// With an answer after so long, the patience for trying samples alone is soon spent.
const SLOW: Duration = Duration::from_secs(25);

/// A sample as a receiver knows it: number of the series, timestamp.
type Key = (u32, i64);

fn feed(series: u32) -> Feed {
    let identity = Identity { store: [1; 16], shard: 0, start: 1, epoch: 0 };
    let mut dictionary = Dictionary::open(identity, SEGMENT, vec![], 1, &mut |_| None);
    dictionary.give_spare(0, Region::heap(SEGMENT));
    let mut table = Table::new(1);
    for number in 0..series {
        let mut labels = Vec::new();
        pack_label(&mut labels, b"__name__", b"sample");
        pack_label(&mut labels, b"n", number.to_string().as_bytes());
        let at = dictionary.define(SeriesRef(number), 0, &labels, Timestamp(0)).expect("room");
        table.recover(SeriesRef(number), 0, at, &labels, Seq(1));
    }
    let mut log = Log::open(identity, SEGMENT, vec![], Seq(0), 1, &mut |_, _| {});
    log.give_spare(0, Region::heap(SEGMENT));
    Feed { log, dictionary, table, descriptions: Descriptions::default() }
}

fn plan() -> EndpointPlan {
    EndpointPlan {
        name: "one".to_owned(),
        identity: "one".to_owned(),
        formerly: None,
        url: Url::parse("http://receiver/write").expect("a URL"),
        headers: Vec::new(),
        transport: Transport::default(),
        tls: 0,
        relabel: Vec::new(),
        connections_min: 1,
        connections_max: 1,
        samples_max: 10_000,
        block_max: 1_000_000,
        bytes_max: 4 << 20,
        batch_deadline: Duration::ZERO,
        timeout: Duration::from_secs(30),
        backoff_min: Duration::from_millis(30),
        backoff_max: Duration::from_secs(5),
        retry_429: true,
        out_of_order_ok: false,
        backfill_rate: None,
        status_policy: StatusPolicy::default(),
        sample_age_limit: Duration::ZERO,
        message: RemoteMessage::V1,
        send_native_histograms: true,
        send_exemplars: true,
        metadata_interval: None,
        metadata_max: 1,
        from_oldest: true,
        patience: Duration::from_secs(120),
    }
}

/// A receiver's answer: a status, and which of the samples it keeps.
struct Answer(u16, bool);

struct Bench {
    endpoint: Endpoint,
    feeds: Vec<Feed>,
    dialer: Dialer,
    scratch: Scratch,
    letters: Letters,
    now: Instant,
    /// Wall time in milliseconds when `now` is zero.
    wall: i64,
    /// How long the receiver takes to answer.
    takes: Duration,
    requests: u64,
    empty: u64,
    /// The header `Retry-Attempt` of the last request.
    attempt: String,
    /// The message of the last request, by its content type.
    message: RemoteMessage,
    /// A line for the head of every answer.
    after: &'static str,
    /// Families in the last request, told of by themselves.
    families: usize,
    /// Exemplars in it.
    exemplars: usize,
    /// Lines for the head of an answer to 2.0, made of the number of samples and whether they are kept.
    written: fn(usize, bool) -> String,
    /// The whole head of it.
    head: String,
    /// What was kept, in the order of its coming.
    kept: Vec<Key>,
    newest: BTreeMap<u32, i64>,
    known: BTreeSet<Key>,
    /// The last cursor page.
    stored: Option<(String, CursorPage)>,
}

impl Bench {
    /// An endpoint that has everything of a log without samples, of so many series.
    fn new(series: u32) -> Bench {
        let feeds = vec![feed(series)];
        let mut endpoint = Endpoint::new(plan(), 0, &feeds, &[], 7);
        endpoint.release(u32::MAX);
        Bench {
            endpoint,
            feeds,
            dialer: Dialer::default(),
            scratch: Scratch::new(1),
            letters: Letters::default(),
            now: Instant(1),
            wall: 1_000_000,
            takes: Duration::ZERO,
            requests: 0,
            empty: 0,
            attempt: String::new(),
            message: RemoteMessage::V1,
            families: 0,
            after: "",
            exemplars: 0,
            written: |_, _| String::new(),
            head: String::new(),
            kept: Vec::new(),
            newest: BTreeMap::new(),
            known: BTreeSet::new(),
            stored: None,
        }
    }

    fn commit(&mut self, time: i64, series: core::ops::Range<u32>) {
        self.commit_on(0, time, series);
    }

    fn commit_on(&mut self, lane: u32, time: i64, series: core::ops::Range<u32>) {
        let refs: Vec<SeriesRef> = series.map(SeriesRef).collect();
        let values: Vec<f64> = refs.iter().map(|series| f64::from(series.0) + 0.5).collect();
        let time = Timestamp(time);
        let frame = Samples { lane, time, refs: &refs, values: &values, times: &[] };
        self.feeds[0].log.append(&frame, time).expect("room");
        self.endpoint.prompt_all();
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Endpoint, &mut Outlook<'_>) -> T) -> T {
        let mut wanted = Vec::new();
        let wall = self.wall + self.now.since(Instant(0)).as_millis() as i64;
        let mut outlook = Outlook {
            now: Now { instant: self.now, timestamp: Timestamp(wall) },
            feeds: &self.feeds,
            dialer: &mut self.dialer,
            external: &[],
            commits: &[],
            wanted: &mut wanted,
            scratch: &mut self.scratch,
            letters: &mut self.letters,
        };
        let done = act(&mut self.endpoint, &mut outlook);
        assert!(wanted.is_empty(), "everything is in memory");
        done
    }

    /// Until nothing is due for a while, or `requests` have been answered.
    fn run(&mut self, requests: u64, mut receiver: impl FnMut(&[Key], &Bench) -> Answer) {
        let until = self.requests + requests;
        let mut idle = 0;
        while self.requests < until {
            idle += 1;
            assert!(idle < 1_000_000, "busy with nothing: {:?}", self.endpoint);
            self.with(|endpoint, outlook| endpoint.tick(outlook));
            let mut busy = false;
            while let Some(ask) = self.dialer.next_ask() {
                busy = true;
                match ask {
                    Ask::Open { conn, .. } => {
                        let index = self.connection(conn);
                        self.with(|endpoint, outlook| endpoint.opened(index, outlook));
                    }
                    Ask::Write(conn) => self.serve(self.connection(conn), &mut receiver),
                    Ask::Close(_) | Ask::Pause(_) | Ask::Resume(_) => {}
                }
            }
            let mut stores = Vec::new();
            self.endpoint.store_cursors(self.now, true, &mut stores);
            for store in stores {
                if let DiskRequest::StoreCursor { log, file, sequence, page } = store {
                    let page = CursorPage::decode(&page[..]).expect("a page");
                    self.stored = Some((file.clone(), page));
                    self.endpoint.cursor_stored(log, &file, sequence);
                }
            }
            let wake = self.endpoint.wake(self.now);
            if !busy && wake == Instant::NEVER {
                return;
            }
            if wake != Instant::NEVER {
                self.now = self.now.max(wake);
            }
        }
    }

    /// Its number among the endpoint's connections.
    fn connection(&self, conn: Conn) -> u32 {
        match self.dialer.owner(conn) {
            Some(Owner::Outward(_, index)) => index,
            other => panic!("{conn:?} is of {other:?}"),
        }
    }

    fn serve(&mut self, index: u32, receiver: &mut impl FnMut(&[Key], &Bench) -> Answer) {
        let bytes = self.endpoint.outgoing(index).to_vec();
        self.endpoint.wrote(index, bytes.len());
        let body = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&bytes[..body]).into_owned();
        let attempt = head.lines().find_map(|line| line.strip_prefix("Retry-Attempt: "));
        self.attempt = attempt.unwrap_or_default().to_owned();
        self.head.clone_from(&head);
        let raw = snap::raw::Decoder::new().decompress_vec(&bytes[body..]).expect("Snappy");
        let (message, samples, [families, exemplars]) = second::decode(&head, &raw);
        (self.message, self.families, self.exemplars) = (message, families, exemplars);
        self.requests += 1;
        self.empty += u64::from(samples.is_empty());
        let Answer(status, keeps) = receiver(&samples, self);
        if keeps {
            for &(series, time) in &samples {
                let newest = self.newest.entry(series).or_insert(i64::MIN);
                let any_order = self.endpoint.plan.out_of_order_ok;
                assert!(*newest <= time || any_order, "S1: {series} at {time} after {newest}");
                *newest = time.max(*newest);
                self.known.insert((series, time));
                self.kept.push((series, time));
            }
        }
        self.now = self.now + self.takes;
        let written = match message {
            RemoteMessage::V1 => String::new(),
            RemoteMessage::V2 => (self.written)(samples.len(), keeps),
        };
        let written = written + self.after;
        let answer = match status {
            0 => return,
            204 => format!("HTTP/1.1 204 No Content\r\n{written}\r\n"),
            307 => "HTTP/1.1 307 There\r\nLocation: http://other/x\r\nContent-Length: 0\r\n\r\n"
                .to_owned(),
            status => format!("HTTP/1.1 {status} No\r\n{written}Content-Length: 2\r\n\r\nno"),
        };
        self.with(|endpoint, outlook| endpoint.read(index, answer.as_bytes(), outlook));
    }

    /// The process dies and another goes on from the stored cursor.
    fn resume(&mut self) {
        let mut stores = Vec::new();
        self.endpoint.store_cursors(self.now, true, &mut stores);
        let mut found = Vec::new();
        for store in stores {
            if let DiskRequest::StoreCursor { file, page, .. } = store {
                found.push((file, CursorPage::decode(&page[..]).expect("a page")));
            }
        }
        if found.is_empty() {
            found = self.stored.clone().into_iter().collect();
        }
        let plan = self.endpoint.plan.clone();
        self.endpoint = Endpoint::new(plan, 0, &self.feeds, &[found], 7);
        self.endpoint.release(u32::MAX);
        self.dialer = Dialer::default();
    }

    fn rejected(&self) -> u64 {
        self.endpoint.meters.lost.get(Loss::Rejected)
    }

    fn given_up(&self) -> u64 {
        self.rejected() + self.presumed()
    }

    fn presumed(&self) -> u64 {
        self.endpoint.meters.lost.get(Loss::Presumed)
    }

    fn balances(&mut self) {
        let report = self.endpoint.report(&self.feeds, &mut self.scratch.decoded);
        let settled = report.acknowledged + report.lost.total() + report.resumed;
        assert_eq!(report.entered, settled + report.pending, "L2");
    }

    /// The receiver takes one sample: from then on the endpoint is known to take some.
    fn acquaint(&mut self) {
        self.commit(1, 0..1);
        self.run(1, takes_all);
        assert_eq!(self.endpoint.meters.acknowledged, 1);
    }
}

fn key(series: &crate::wire::remote_v1::TimeSeries) -> Key {
    let number = &series.labels.iter().find(|label| label.name == "n").expect("n").value;
    (number.parse().expect("a number"), series.samples[0].timestamp)
}

fn takes_all(_: &[Key], _: &Bench) -> Answer {
    Answer(204, true)
}

/// As Prometheus does: one sample that is older than what is there, and nothing of the request is taken.
fn in_order(samples: &[Key], bench: &Bench) -> Answer {
    let newest = |series: &u32| bench.newest.get(series).copied().unwrap_or(i64::MIN);
    let equal = |key: &Key| bench.known.contains(key) && newest(&key.0) == key.1;
    let good = samples.iter().all(|key| key.1 > newest(&key.0) || equal(key));
    Answer(if good { 204 } else { 400 }, good)
}

/// As [`in_order`], and refuses what is there already even if it is the newest.
fn strict(samples: &[Key], bench: &Bench) -> Answer {
    let newest = |series: &u32| bench.newest.get(series).copied().unwrap_or(i64::MIN);
    let good = samples.iter().all(|key| key.1 > newest(&key.0));
    Answer(if good { 204 } else { 400 }, good)
}

fn poisoned(poison: impl Fn(&Key) -> bool) -> impl FnMut(&[Key], &Bench) -> Answer {
    move |samples, _| {
        let good = !samples.iter().any(&poison);
        Answer(if good { 204 } else { 400 }, good)
    }
}

#[test]
fn one_refused_sample_in_ten_thousand_costs_itself_and_few_requests() {
    for at in [0, 1, 4_999, 5_000, 7_777, 9_999] {
        let mut bench = Bench::new(5_000);
        bench.commit(10, 0..5_000);
        bench.run(1, takes_all);
        bench.commit(20, 0..5_000);
        bench.commit(30, 0..5_000);
        let before = bench.requests;
        let poison = (at % 5_000, if at < 5_000 { 20 } else { 30 });
        bench.run(1_000, poisoned(move |key| *key == poison));
        bench.balances();
        assert_eq!(bench.rejected(), 1, "at {at}");
        assert_eq!(bench.kept.len(), 14_999, "at {at}");
        assert!(bench.requests - before < 25, "at {at}: {} requests", bench.requests - before);
    }
}

#[test]
fn what_a_receiver_has_already_takes_nothing_new_along() {
    let known = [1u32, 2, 3, 7, 100, 4_999, 5_000, 9_999, 10_000];
    let known = known.map(|known| (known, SLOW)).into_iter().chain([(9_999, Duration::ZERO)]);
    for (known, takes) in known {
        let mut bench = Bench::new(10_000);
        bench.acquaint();
        bench.takes = takes;
        bench.commit(20, 0..10_000);
        bench.resume();
        // Taken in by a request whose answer was lost with the process.
        bench.known.extend((0..known).map(|series| (series, 20)));
        bench.newest.extend((0..known).map(|series| (series, 20)));
        let before = bench.requests;
        bench.run(20_000, strict);
        bench.balances();
        assert_eq!(bench.given_up(), u64::from(known), "{known}");
        assert_eq!(bench.kept.len() as u32, 10_001 - known, "{known}");
        let least = f64::from(known).log2() as u64;
        let used = bench.requests - before;
        if takes == SLOW {
            // Another test may let a page go missing meanwhile, and some of the search is done once more.
            assert!(used < 60 + 3 * least, "{known}: {used} requests");
        } else {
            assert_eq!(bench.presumed(), 0);
        }
    }
}

#[test]
fn a_resend_of_many_scrapes_takes_nothing_new_along() {
    // 100 scrapes of 100 series, half of them there already.
    for (strictly, takes) in [(false, SLOW), (true, SLOW), (true, Duration::ZERO)] {
        let mut bench = Bench::new(100);
        bench.commit(1, 0..100);
        bench.run(1, takes_all);
        (2..102).for_each(|time| bench.commit(time, 0..100));
        for time in 2..52 {
            bench.known.extend((0..100).map(|series| (series, time)));
        }
        bench.newest.extend((0..100).map(|series| (series, 51)));
        bench.resume();
        bench.takes = takes;
        let before = bench.requests;
        bench.run(10_000, if strictly { strict } else { in_order });
        bench.balances();
        let refused = if strictly { 5_000 } else { 4_900 };
        assert_eq!(bench.given_up(), refused);
        assert_eq!(bench.kept.len() as u64, 100 + 10_000 - refused);
        let used = bench.requests - before;
        if takes == SLOW {
            assert!(used < 260, "{used} requests for 50 scrapes");
        } else {
            assert_eq!(bench.presumed(), 0);
        }
    }
}

#[test]
fn a_target_that_is_refused_costs_the_others_nothing() {
    let mut bench = Bench::new(1_000);
    bench.commit(1, 0..1_000);
    bench.run(1, takes_all);
    (2..12).for_each(|time| bench.commit(time, 0..1_000));
    bench.takes = SLOW;
    let before = bench.requests;
    bench.run(2_000, poisoned(|(series, _)| (300..400).contains(series)));
    bench.balances();
    assert_eq!(bench.given_up(), 1_000);
    assert_eq!(bench.kept.len(), 1_000 + 9_000);
    let used = bench.requests - before;
    assert!(used < 600, "{used} requests for ten runs of a hundred");
}

#[test]
fn refused_samples_here_and_there_are_told_apart() {
    let mut bench = Bench::new(1_000);
    bench.commit(1, 0..1_000);
    bench.run(1, takes_all);
    bench.commit(2, 0..1_000);
    // Runs of nine with a good one between: the worst there is for who cannot try each of them.
    bench.run(10_000, poisoned(|(series, time)| *time > 1 && series % 10 != 3));
    bench.balances();
    assert_eq!((bench.rejected(), bench.presumed()), (900, 0));
    assert_eq!(bench.kept.len(), 1_000 + 100);
}

#[test]
fn an_endpoint_that_refuses_everything_is_held_and_nothing_of_it_is_dropped_at_first() {
    let mut bench = Bench::new(5_000);
    bench.acquaint();
    (2..6).for_each(|time| bench.commit(time, 0..5_000));
    bench.run(4, |_, _| Answer(400, false));
    assert!(bench.endpoint.meters.held);
    assert_eq!(bench.rejected(), 0);
    let began = bench.now;
    bench.run(60, |_, _| Answer(400, false));
    let hour = bench.now.since(began);
    assert!(hour > Duration::from_secs(2_500), "asked 60 times in {hour:?}");
    assert!(bench.rejected() <= 31, "{} given up in {hour:?}", bench.rejected());
    let given_up = bench.rejected();
    bench.run(100, takes_all);
    bench.balances();
    assert_eq!(bench.rejected(), given_up);
    assert_eq!(bench.kept.len() as u64, 1 + 20_000 - given_up);
    assert!(!bench.endpoint.meters.held);
}

#[test]
fn an_endpoint_that_refuses_samples_of_all_kinds_is_believed_at_its_own_pace() {
    let mut bench = Bench::new(2_000);
    bench.commit(1, 0..2_000);
    bench.run(1, takes_all);
    (2..52).for_each(|time| bench.commit(time, 0..2_000));
    bench.takes = SLOW;
    let before = bench.requests;
    bench.run(1_000, |samples, _| Answer(if samples.is_empty() { 204 } else { 400 }, false));
    bench.balances();
    assert_eq!(bench.given_up(), 100_000);
    assert!(bench.empty > 5, "{} times it showed that it takes requests", bench.empty);
    let used = bench.requests - before;
    assert!(used < 300, "{used} requests for 50 scrapes");
}

#[test]
fn a_sample_tried_alone_whose_answer_was_lost_says_nothing_about_its_neighbours() {
    for lost in 0..40 {
        let mut bench = Bench::new(1_000);
        bench.commit(1, 0..1_000);
        bench.run(1, takes_all);
        bench.commit(20, 0..1_000);
        bench.known.extend((0..500).map(|series| (series, 20)));
        bench.newest.extend((0..500).map(|series| (series, 20)));
        let mut left = i64::from(lost);
        bench.run(1_000, |samples, bench| {
            let Answer(status, keeps) = strict(samples, bench);
            let loses = left == 0;
            left -= 1;
            // Taken, and no word about it.
            if loses { Answer(0, keeps) } else { Answer(status, keeps) }
        });
        bench.balances();
        let missing = (0..1_000).filter(|&series| !bench.known.contains(&(series, 20))).count();
        assert_eq!(missing, 0, "the answer to request {lost} was lost");
    }
}

#[test]
fn a_configured_verdict_is_obeyed() {
    for (action, pending, rejected) in
        [(StatusAction::Drop, 0, 100), (StatusAction::Hold, 100, 0), (StatusAction::Retry, 100, 0)]
    {
        let mut bench = Bench::new(100);
        bench.acquaint();
        let policy = StatusPolicy(vec![(404, action), (409, action)]);
        let plan = EndpointPlan { status_policy: policy, ..plan() };
        bench.endpoint.set_plan(plan, false, &mut bench.dialer);
        bench.commit(2, 0..100);
        let began = bench.now;
        let status = if action == StatusAction::Retry { 404 } else { 409 };
        bench.run(3, |_, _| Answer(status, false));
        bench.balances();
        let report = bench.endpoint.report(&bench.feeds, &mut bench.scratch.decoded);
        assert_eq!((report.pending, bench.rejected()), (pending, rejected), "{action:?}");
        let held = bench.now.since(began) > Duration::from_secs(15);
        assert_eq!(
            (report.held, held),
            (action == StatusAction::Hold, action == StatusAction::Hold)
        );
    }
}

#[test]
fn too_large_for_so_little_means_something_else() {
    let mut bench = Bench::new(100);
    bench.acquaint();
    bench.commit(2, 0..10);
    let too_large = |samples: &[Key], _: &Bench| {
        let bad = samples.contains(&(3, 2));
        Answer(if bad { 413 } else { 204 }, !bad)
    };
    bench.run(100, too_large);
    bench.balances();
    assert_eq!((bench.rejected(), bench.kept.len()), (1, 1 + 9));
}

#[test]
fn a_request_that_loses_what_grew_too_old_goes_on_counting_its_attempts() {
    let mut bench = Bench::new(3);
    bench.acquaint();
    let limit = Duration::from_millis(100);
    let plan = EndpointPlan { sample_age_limit: limit, ..plan() };
    bench.endpoint.set_plan(plan, false, &mut bench.dialer);
    bench.wall = 1_000;
    bench.commit(960, 0..1);
    bench.commit(1_000, 1..2);
    let mut sizes = Vec::new();
    bench.run(6, |samples, bench| {
        sizes.push((samples.len(), bench.attempt.clone()));
        Answer(503, false)
    });
    bench.balances();
    let attempts: Vec<_> = sizes.iter().map(|(_, attempt)| attempt.as_str()).collect();
    assert_eq!(attempts[..3], ["", "1", "2"], "{sizes:?}");
    assert!(sizes[0].0 == 2 && sizes.iter().any(|(samples, _)| *samples == 1), "{sizes:?}");
    assert_eq!(bench.endpoint.meters.lost.get(Loss::TooOld), 2);
}

#[test]
fn a_stranger_that_refuses_is_taken_at_its_word() {
    let mut bench = Bench::new(100);
    bench.commit(1, 0..100);
    bench.run(1, |_, _| Answer(400, false));
    bench.balances();
    assert_eq!(bench.rejected(), 100);
}

// spec: RFC 9110 §15.4.8
#[test]
fn a_redirect_is_followed_with_the_body_and_without_what_was_meant_for_another() {
    let mut bench = Bench::new(3);
    let private = vec![("Authorization".to_owned(), "Bearer x".to_owned())];
    let transport = Transport { private, follow_redirects: true, ..Transport::default() };
    let follows = EndpointPlan { transport, ..plan() };
    bench.endpoint.set_plan(follows, false, &mut bench.dialer);
    let mut asked = Vec::new();
    // Led away, taken there twice over the same connection; refused there, so asked at home again.
    let statuses = [307, 204, 204, 503, 204];
    for time in 1..=3 {
        bench.commit(time, 0..3);
        let requests = [2, 1, 2][time as usize - 1];
        bench.run(requests, |samples, bench| {
            assert_eq!(samples.len(), 3);
            let home = bench.head.contains("Host: receiver\r\n");
            assert_eq!(bench.head.contains("Authorization: Bearer x\r\n"), home, "{}", bench.head);
            let target = if home { "POST /write " } else { "POST /x " };
            assert!(bench.head.starts_with(target), "{}", bench.head);
            let status = statuses[asked.len()];
            asked.push(home);
            Answer(status, status == 204)
        });
    }
    assert_eq!(asked, [true, false, false, false, true]);
    bench.balances();
}

#[test]
fn redirects_without_end_hold_the_endpoint_and_keep_everything() {
    let mut bench = Bench::new(3);
    let transport = Transport { follow_redirects: true, ..Transport::default() };
    bench.endpoint.set_plan(EndpointPlan { transport, ..plan() }, false, &mut bench.dialer);
    bench.commit(1, 0..3);
    bench.run(12, |_, _| Answer(307, false));
    bench.balances();
    let report = bench.endpoint.report(&bench.feeds, &mut bench.scratch.decoded);
    assert_eq!((report.held, report.pending), (true, 3));
    assert!(report.last_error.contains("stopped after 10 redirects"), "{}", report.last_error);
}

#[test]
fn nothing_is_sent_without_a_credential_and_at_once_with_one() {
    let mut bench = Bench::new(3);
    let withheld = |why: Option<&str>| EndpointPlan {
        backoff_max: Duration::from_secs(3600),
        backoff_min: Duration::from_secs(3600),
        transport: Transport { withheld: why.map(str::to_owned), ..Transport::default() },
        ..plan()
    };
    bench.endpoint.set_plan(withheld(Some("no token")), false, &mut bench.dialer);
    bench.commit(1, 0..3);
    bench.with(|endpoint, outlook| endpoint.tick(outlook));
    assert_eq!(bench.dialer.next_ask(), None);
    let report = bench.endpoint.report(&bench.feeds, &mut bench.scratch.decoded);
    assert_eq!((report.last_error.as_str(), report.pending), ("no token", 3));
    let began = bench.now;
    bench.endpoint.set_plan(withheld(None), false, &mut bench.dialer);
    bench.run(1, takes_all);
    bench.balances();
    assert!(bench.now.since(began) < Duration::from_secs(1), "it waited for the old backoff");
}

#[test]
fn a_signature_covers_the_body_as_it_goes_out() {
    let mut bench = Bench::new(3);
    let signer = SigV4 {
        access_key: "A".to_owned(),
        secret_key: "s".to_owned(),
        session_token: String::new(),
        region: "r".to_owned(),
        service: "aps".to_owned(),
    };
    let transport = Transport { signer: Some(signer.clone()), ..Transport::default() };
    bench.endpoint.set_plan(EndpointPlan { transport, ..plan() }, false, &mut bench.dialer);
    bench.commit(1, 0..3);
    bench.with(|endpoint, outlook| endpoint.tick(outlook));
    while bench.dialer.next_ask().is_some() {}
    let request = bench.endpoint.outgoing(0).to_vec();
    let at = request.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let signed = Signed {
        method: "POST",
        target: "/write",
        host: "receiver",
        content_type: "application/x-protobuf",
        body: sha256([&request[at..]]),
        time: Timestamp(bench.wall),
    };
    let head = String::from_utf8_lossy(&request[..at]);
    for (name, value) in signer.headers(&signed) {
        assert!(head.contains(&format!("{name}: {value}\r\n")), "{name}: {value}: {head}");
    }
}
