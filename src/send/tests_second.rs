//! Remote write 2.0: what is sent, what its answers mean, and when 1.0 is sent instead.

use super::*;
use crate::model::{Description, MetricType, NativeHistogram, Observations, pack_histogram};
use crate::wal::{Beside, Exemplar, Histograms, put_exemplar, put_starts};
use crate::wire::remote_v2::Request;

/// The message that the head names, and the samples in it. What the specification demands of every message is asserted.
// spec: remote-write 2.0: content type and version agree; symbols and references; sorted labels; one kind of value
pub(super) fn decode(head: &str, raw: &[u8]) -> (RemoteMessage, Vec<Key>, [usize; 2]) {
    let has = |line: &str| head.lines().any(|found| found == line);
    assert!(head.starts_with("POST /"), "{head}");
    if has("Content-Type: application/x-protobuf") {
        assert!(has("X-Prometheus-Remote-Write-Version: 0.1.0"), "{head}");
        let message = WriteRequest::decode(raw).expect("a message of 1.0");
        let samples = message.timeseries.iter().map(key).collect();
        let exemplars = message.timeseries.iter().flat_map(|series| {
            let number = series.samples.first().map_or(0.0, |sample| sample.value - 0.5);
            series.exemplars.iter().inspect(move |exemplar| {
                assert_eq!(exemplar.value, number + 0.25);
                assert_eq!(exemplar.labels[0].name, "trace_id");
            })
        });
        let counts = [message.metadata.len(), exemplars.count()];
        return (RemoteMessage::V1, samples, counts);
    }
    assert!(has("Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request"));
    assert!(has("X-Prometheus-Remote-Write-Version: 2.0.0"), "{head}");
    let message = Request::decode(raw).expect("a message of 2.0");
    let symbols = &message.symbols;
    assert!(message.timeseries.is_empty() || symbols[0].is_empty());
    for series in &message.timeseries {
        let metadata = series.metadata.unwrap_or_default();
        let help = &symbols[metadata.help_ref as usize];
        assert_eq!(help.is_empty(), metadata.r#type != 2, "{help}");
    }
    assert_eq!(symbols.iter().collect::<BTreeSet<_>>().len(), symbols.len(), "each symbol once");
    let keys = message.timeseries.iter().map(|series| {
        let (pairs, rest) = series.labels_refs.as_chunks::<2>();
        assert!(rest.is_empty(), "an even number of references");
        let labels: Vec<(&str, &str)> = pairs
            .iter()
            .map(|[name, value]| (&*symbols[*name as usize], &*symbols[*value as usize]))
            .collect();
        assert!(labels.windows(2).all(|pair| pair[0].0 < pair[1].0), "{labels:?}");
        assert!(labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
        assert_eq!(series.samples.len() + series.histograms.len(), 1);
        let number = labels.iter().find(|(name, _)| *name == "n").expect("n").1;
        let time = series.samples.first().map(|sample| sample.timestamp);
        let time = time.unwrap_or_else(|| series.histograms[0].timestamp);
        (number.parse().expect("a number"), time)
    });
    let exemplars = message.timeseries.iter().flat_map(|series| {
        let sample = series.samples.first().copied().unwrap_or_default();
        series.exemplars.iter().inspect(move |exemplar| {
            assert_eq!(exemplar.value, sample.value - 0.25);
            assert_eq!(exemplar.timestamp, sample.timestamp - 1);
            assert_eq!(sample.start_timestamp, (sample.value - 0.5) as i64 % 2 * 5);
            let texts =
                exemplar.labels_refs.iter().map(|number| symbols[*number as usize].as_str());
            assert_eq!(texts.collect::<Vec<_>>(), ["trace_id", "4bf92f"]);
        })
    });
    let exemplars = exemplars.count();
    (RemoteMessage::V2, keys.collect(), [0, exemplars])
}

fn counted(samples: usize, keeps: bool) -> String {
    format!("X-Prometheus-Remote-Write-Samples-Written: {}\r\n", if keeps { samples } else { 0 })
}

/// An endpoint that is to be sent 2.0, and whose answers have these lines.
fn second(series: u32, written: fn(usize, bool) -> String) -> Bench {
    let mut bench = Bench::new(series);
    let plan = EndpointPlan { message: RemoteMessage::V2, ..plan() };
    bench.with(|endpoint, outlook| endpoint.set_plan(plan, false, outlook.dialer));
    bench.written = written;
    bench
}

fn histogram(schema: i32) -> NativeHistogram {
    let observations = Observations::Whole(crate::model::Counts {
        count: 3,
        zero: 3,
        ..crate::model::Counts::default()
    });
    let custom = if schema == -53 { vec![1.0] } else { Vec::new() };
    NativeHistogram { schema, sum: 1.0, zero_threshold: 0.0, gauge: false, observations, custom }
}

impl Bench {
    /// The series are said to be of so many families in turn.
    fn describe(&mut self, series: u32, families: u32) {
        for number in 0..series {
            let family = number % families;
            let (name, help) = (format!("f{family}"), format!("Family {family}."));
            let mut content = Vec::new();
            let metric_type = MetricType::Gauge;
            let said = Description { name: &name, metric_type, unit: "", help: &help };
            said.encode(&mut content);
            let feed = &mut self.feeds[0];
            let about = feed.describe(&content, Timestamp(0));
            feed.descriptions.set(SeriesRef(number), about);
        }
    }

    /// As [`Bench::commit`], and each third series has an exemplar.
    fn commit_exemplars(&mut self, time: i64, series: u32) {
        let refs: Vec<SeriesRef> = (0..series).map(SeriesRef).collect();
        let values: Vec<f64> = refs.iter().map(|series| f64::from(series.0) + 0.5).collect();
        let (mut labels, mut exemplars) = (Vec::new(), Vec::new());
        pack_label(&mut labels, b"trace_id", b"4bf92f");
        for number in (0..series).step_by(3) {
            let exemplar =
                Exemplar { labels: &labels, value: f64::from(number) + 0.25, time: time - 1 };
            put_exemplar(&mut exemplars, if number == 0 { 0 } else { 3 }, time, &exemplar);
        }
        // And each second one says when it began.
        let mut starts = Vec::new();
        put_starts(&mut starts, time, (0..series).map(|number| i64::from(number % 2) * 5));
        let time = Timestamp(time);
        let frame = Samples { lane: 0, time, refs: &refs, values: &values, times: &[] };
        self.feeds[0]
            .log
            .append_with(&frame, Beside { exemplars: &exemplars, starts: &starts }, time)
            .expect("room");
        self.endpoint.prompt_all();
    }

    fn commit_histograms(&mut self, time: i64, schema: i32, series: core::ops::Range<u32>) {
        let refs: Vec<SeriesRef> = series.map(SeriesRef).collect();
        let (mut lengths, mut bodies) = (Vec::new(), Vec::new());
        for _ in &refs {
            let before = bodies.len();
            pack_histogram(&histogram(schema), &mut bodies);
            lengths.push((bodies.len() - before) as u32);
        }
        let time = Timestamp(time);
        let (lengths, bodies) = (&lengths[..], &bodies[..]);
        let frame = Histograms { lane: 0, time, refs: &refs, times: &[], lengths, bodies };
        self.feeds[0].log.append_histograms(&frame, Beside::default(), time).expect("room");
        self.endpoint.prompt_all();
    }
}

#[test]
fn a_receiver_of_2_0_gets_everything_in_order_and_in_pieces_that_fit() {
    let mut bench = second(5_000, counted);
    for time in 1..=5 {
        bench.commit(time * 10, 0..5_000);
    }
    bench.run(100, takes_all);
    bench.balances();
    assert_eq!((bench.message, bench.kept.len(), bench.requests), (RemoteMessage::V2, 25_000, 3));
    assert_eq!(bench.endpoint.meters.acknowledged, 25_000);
    let plan = EndpointPlan { message: RemoteMessage::V2, bytes_max: 4096, ..plan() };
    bench.with(|endpoint, outlook| endpoint.set_plan(plan, false, outlook.dialer));
    bench.commit(100, 0..1_000);
    bench.run(100, |samples, _| {
        assert!(samples.len() < 200, "{}", samples.len());
        Answer(204, true)
    });
    assert_eq!(bench.kept.len(), 26_000);
}

// spec: remote-write 2.0: 415 may be answered with another message; a 2xx without counts is as a 415
#[test]
fn an_endpoint_that_does_not_know_2_0_gets_1_0_from_then_on() {
    for status in [415, 200, 204] {
        let mut bench = second(10, |_, _| String::new());
        bench.commit(10, 0..10);
        bench.run(100, |_, bench| match bench.message {
            // A receiver of 1.0 finds nothing that it knows, and is content.
            RemoteMessage::V2 => Answer(status, false),
            RemoteMessage::V1 => Answer(204, true),
        });
        assert_eq!((bench.requests, bench.kept.len()), (2, 10), "{status}");
        bench.commit(20, 0..10);
        bench.run(1, takes_all);
        assert_eq!((bench.requests, bench.message), (3, RemoteMessage::V1), "{status}");
        bench.balances();
        assert_eq!(bench.endpoint.meters.lost.total(), 0);
        // Another URL may be another receiver.
        let url = Url::parse("http://receiver/write?tenant=2").expect("a URL");
        let plan = EndpointPlan { message: RemoteMessage::V2, url, ..plan() };
        bench.with(|endpoint, outlook| endpoint.set_plan(plan, false, outlook.dialer));
        bench.commit(30, 0..10);
        assert!(bench.endpoint.outgoing(0).is_empty());
        assert!(!bench.endpoint.has_fallen_back());
    }
}

// spec: remote-write 2.0: a 4xx other than 429 is not retried; counts are no way to find out the message
#[test]
fn an_error_from_a_receiver_of_2_0_is_no_reason_for_1_0() {
    for status in [400, 500] {
        let mut bench = second(4, counted);
        bench.commit(10, 0..4);
        bench.run(1, takes_all);
        bench.commit(20, 0..4);
        let mut left = 1;
        bench.run(100, |_, bench| {
            assert_eq!(bench.message, RemoteMessage::V2, "{status}");
            left -= i32::from(left > 0);
            if bench.requests < 4 { Answer(status, false) } else { Answer(204, true) }
        });
        assert_eq!(bench.kept.len(), 8, "{status}");
    }
}

// spec: remote-write 2.0, partial write: what is missing is lost, and none of it is sent again
#[test]
fn a_partial_write_counts_what_is_missing_and_sends_nothing_again() {
    for status in [400, 204] {
        let mut bench = second(10, counted);
        bench.acquaint();
        bench.commit(20, 0..10);
        bench.written = |samples, _| counted(samples - 3, true);
        bench.run(1, |_, _| Answer(status, true));
        bench.balances();
        let requests = bench.requests;
        bench.run(1, takes_all);
        assert_eq!(bench.requests, requests, "{status}");
        assert_eq!((bench.endpoint.meters.acknowledged, bench.rejected()), (8, 3), "{status}");
        assert_eq!(bench.letters.left_out, 3);
    }
}

#[test]
fn a_partial_write_that_may_be_retried_is_retried_whole() {
    let mut bench = second(10, counted);
    bench.commit(20, 0..10);
    bench.written = |samples, keeps| counted(samples - 3 * usize::from(!keeps), true);
    bench.run(
        2,
        |_, bench| if bench.requests == 1 { Answer(503, false) } else { Answer(204, true) },
    );
    assert_eq!((bench.attempt.as_str(), bench.kept.len(), bench.rejected()), ("1", 10, 0));
}

// spec: RW-35
#[test]
fn a_2xx_that_says_that_nothing_was_written_is_a_refusal() {
    let mut bench = second(10, counted);
    bench.commit(20, 0..10);
    bench.written = |_, _| counted(0, true);
    bench.run(1, |_, _| Answer(200, false));
    bench.balances();
    assert_eq!((bench.rejected(), bench.endpoint.meters.acknowledged), (10, 0));
}

#[test]
fn histograms_go_out_and_those_with_custom_buckets_only_in_2_0() {
    let both = |samples: usize, _| {
        format!("{}X-Prometheus-Remote-Write-Histograms-Written: {samples}\r\n", counted(0, true))
    };
    let mut bench = second(4, both);
    bench.commit_histograms(10, 3, 0..2);
    bench.commit_histograms(10, -53, 2..4);
    bench.run(1, takes_all);
    assert_eq!((bench.kept.len(), bench.endpoint.meters.lost.total()), (4, 0));
    assert_eq!(bench.endpoint.meters.histograms.attempted, 4);
    let mut bench = Bench::new(4);
    bench.commit_histograms(10, -53, 2..4);
    bench.commit(20, 0..1);
    bench.run(1, takes_all);
    assert_eq!(bench.endpoint.meters.lost.get(Loss::CustomBuckets), 2);
}

#[test]
fn one_refused_sample_is_found_in_2_0_as_in_1_0() {
    let mut bench = second(1_000, counted);
    bench.acquaint();
    bench.commit(20, 0..1_000);
    bench.run(1_000, poisoned(|key| *key == (321, 20)));
    bench.balances();
    assert_eq!((bench.rejected(), bench.kept.len()), (1, 1_000));
}

// spec: remote-write 2.0, metadata; RW §5.6
#[test]
fn in_2_0_every_series_says_what_it_is_and_no_request_is_only_about_that() {
    let mut bench = second(100, counted);
    let plan = EndpointPlan {
        message: RemoteMessage::V2,
        metadata_interval: Some(Duration::from_secs(60)),
        ..plan()
    };
    bench.with(|endpoint, outlook| endpoint.set_plan(plan, false, outlook.dialer));
    bench.describe(100, 10);
    bench.commit(10, 0..100);
    bench.run(10, takes_all);
    assert_eq!((bench.requests, bench.kept.len(), bench.empty), (1, 100, 0));
    assert_eq!(bench.endpoint.meters.metadata.attempted, 0);
}

// spec: RW §5.6: at intervals, so many families a request
#[test]
fn in_1_0_families_go_out_at_intervals_in_pieces() {
    let mut bench = Bench::new(100);
    let plan = EndpointPlan {
        metadata_interval: Some(Duration::from_secs(60)),
        metadata_max: 4,
        ..plan()
    };
    bench.with(|endpoint, outlook| endpoint.set_plan(plan, false, outlook.dialer));
    bench.describe(100, 10);
    bench.commit(10, 0..100);
    bench.run(1, takes_all);
    let before = bench.now;
    let mut sizes = Vec::new();
    // The second of three pieces is refused once and then for good.
    bench.run(5, |samples, bench| {
        assert!(samples.is_empty());
        sizes.push(bench.families);
        Answer([204, 503, 400, 204, 204][sizes.len() - 1], true)
    });
    assert_eq!(sizes, [4, 4, 4, 2, 4]);
    assert!(bench.now.since(before) >= Duration::from_secs(120));
    let metadata = bench.endpoint.meters.metadata;
    assert_eq!((metadata.attempted, metadata.retried, metadata.failed), (18, 4, 4));
    assert!(metadata.bytes_sent > 100);
    bench.balances();
    assert_eq!(bench.endpoint.meters.lost.total(), 0);
    bench.commit(20, 0..100);
    // The rest of the second round, and the samples.
    bench.run(3, takes_all);
    assert_eq!(bench.kept.len(), 200);
}

// spec: remote-write 2.0: exemplars ride along with the samples of their series; RW-19
#[test]
fn exemplars_go_with_their_samples_in_both_messages_if_they_are_asked_for() {
    for message in RemoteMessage::ALL {
        for (wanted, samples_max) in [(true, 10_000), (true, 7), (false, 10_000)] {
            let mut bench = second(30, |samples, _| {
                format!(
                    "{}X-Prometheus-Remote-Write-Exemplars-Written: 1\r\n",
                    counted(samples, true)
                )
            });
            let plan = EndpointPlan { message, samples_max, send_exemplars: wanted, ..plan() };
            bench.with(|endpoint, outlook| endpoint.set_plan(plan, false, outlook.dialer));
            bench.commit_exemplars(10, 30);
            let (mut met, mut lost) = (0, 0);
            bench.run(100, |_, bench| {
                met += bench.exemplars;
                // The receiver of 2.0 says of each request that it took one.
                if message == RemoteMessage::V2 {
                    lost += bench.exemplars.saturating_sub(1) as u64;
                }
                Answer(204, true)
            });
            assert_eq!((met, bench.kept.len()), (if wanted { 10 } else { 0 }, 30));
            let meters = bench.endpoint.meters.exemplars;
            assert_eq!(meters.attempted, met as u64);
            assert_eq!(meters.lost.get(Loss::Rejected), lost, "{message:?} {samples_max}");
        }
    }
}

#[test]
fn exemplars_of_samples_that_are_given_up_are_counted() {
    let mut bench = Bench::new(30);
    bench.commit_exemplars(10, 30);
    bench.run(1, |_, _| Answer(400, false));
    bench.commit_exemplars(20, 30);
    bench.endpoint.shed(0, Seq(u32::MAX));
    bench.run(1, takes_all);
    let lost = bench.endpoint.meters.exemplars.lost;
    assert_eq!((lost.get(Loss::Rejected), lost.get(Loss::Shed)), (10, 10));
    bench.balances();
}
