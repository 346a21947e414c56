//! Native histograms in remote write 1.0.

use crate::base::{put_uvarint, uvarint_len};

/// Tag of `WriteRequest.timeseries`.
const TIMESERIES: u8 = 0x0a;
/// Tag of `TimeSeries.histograms`.
const HISTOGRAMS: u8 = 0x22;
/// Tag of `Histogram.timestamp`.
const TIMESTAMP: u8 = 0x78;

/// Appends one entry of `WriteRequest.timeseries`: the labels as they are (see [`crate::model::pack`]) and one
/// histogram (see [`crate::model::pack_histogram`]), with exemplars as `remote_v1::put_exemplar` writes them.
// spec: RW-19
pub fn put_histogram(
    out: &mut Vec<u8>,
    packed_labels: &[u8],
    packed_histogram: &[u8],
    timestamp_ms: i64,
    exemplars: &[u8],
) {
    let inner = inner_len(packed_histogram.len(), timestamp_ms);
    out.push(TIMESERIES);
    let entry = entry_len(packed_labels.len(), inner);
    put_uvarint(out, entry.saturating_add(exemplars.len()) as u64);
    out.extend_from_slice(packed_labels);
    out.push(HISTOGRAMS);
    put_uvarint(out, inner as u64);
    out.extend_from_slice(packed_histogram);
    if timestamp_ms != 0 {
        out.push(TIMESTAMP);
        put_uvarint(out, timestamp_ms as u64);
    }
    out.extend_from_slice(exemplars);
}

/// Bytes that [`put_histogram`] appends.
pub fn histogram_len(
    packed_labels_len: usize,
    packed_histogram_len: usize,
    timestamp_ms: i64,
) -> usize {
    let entry = entry_len(packed_labels_len, inner_len(packed_histogram_len, timestamp_ms));
    entry.saturating_add(uvarint_len(entry as u64)).saturating_add(1)
}

fn inner_len(packed_histogram_len: usize, timestamp_ms: i64) -> usize {
    let timestamp = match timestamp_ms {
        0 => 0,
        ms => uvarint_len(ms as u64).saturating_add(1),
    };
    packed_histogram_len.saturating_add(timestamp)
}

fn entry_len(packed_labels_len: usize, inner: usize) -> usize {
    let before = uvarint_len(inner as u64).saturating_add(1);
    packed_labels_len.saturating_add(before).saturating_add(inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::model::{
        Counts, NativeHistogram, Observations, Side, Span, is_packed_custom, pack, pack_histogram,
    };
    use crate::wire::remote_v1::{
        BucketSpan, Count, Histogram, Label, ResetHint, TimeSeries, WriteRequest, ZeroCount,
    };

    fn spans(spans: &[Span]) -> Vec<BucketSpan> {
        spans.iter().map(|span| BucketSpan { offset: span.offset, length: span.length }).collect()
    }

    fn deltas(counts: &[u64]) -> Vec<i64> {
        let before = [0].iter().chain(counts);
        counts.iter().zip(before).map(|(count, before)| *count as i64 - *before as i64).collect()
    }

    fn message(histogram: &NativeHistogram, timestamp: i64) -> Histogram {
        let mut message = Histogram {
            sum: histogram.sum,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            reset_hint: if histogram.gauge { ResetHint::Gauge as i32 } else { 0 },
            timestamp,
            custom_values: histogram.custom.clone(),
            ..Histogram::default()
        };
        match &histogram.observations {
            Observations::Whole(counts) => {
                message.count = Some(Count::Int(counts.count));
                message.zero_count = Some(ZeroCount::Int(counts.zero));
                message.negative_spans = spans(&counts.negative.spans);
                message.negative_deltas = deltas(&counts.negative.counts);
                message.positive_spans = spans(&counts.positive.spans);
                message.positive_deltas = deltas(&counts.positive.counts);
            }
            Observations::Float(counts) => {
                message.count = Some(Count::Float(counts.count));
                message.zero_count = Some(ZeroCount::Float(counts.zero));
                message.negative_spans = spans(&counts.negative.spans);
                message.negative_counts = counts.negative.counts.clone();
                message.positive_spans = spans(&counts.positive.spans);
                message.positive_counts = counts.positive.counts.clone();
            }
        }
        message
    }

    fn side<C: core::fmt::Debug + Clone>(
        count: impl Strategy<Value = C>,
    ) -> impl Strategy<Value = Side<C>> {
        let span =
            (any::<i32>(), any::<u32>()).prop_map(|(offset, length)| Span { offset, length });
        let parts = (prop::collection::vec(span, 0..4), prop::collection::vec(count, 0..9));
        parts.prop_map(|(spans, counts)| Side { spans, counts })
    }

    fn observations() -> impl Strategy<Value = Observations> {
        let whole = 0..=i64::MAX as u64;
        prop_oneof![
            (any::<u64>(), any::<u64>(), side(whole.clone()), side(whole)).prop_map(
                |(count, zero, positive, negative)| {
                    Observations::Whole(Counts { count, zero, positive, negative })
                }
            ),
            (any::<f64>(), any::<f64>(), side(any::<f64>()), side(any::<f64>())).prop_map(
                |(count, zero, positive, negative)| {
                    Observations::Float(Counts { count, zero, positive, negative })
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn an_entry_is_what_prost_writes(
            sum: f64,
            schema: i32,
            zero_threshold in 0.0..1.0,
            gauge: bool,
            custom in prop::collection::vec(any::<f64>(), 0..5),
            observations in observations(),
            // After the custom bounds a timestamp is out of the usual order.
            timestamp: i64,
        ) {
            prop_assume!(sum.to_bits() != (-0.0f64).to_bits());
            let mut histogram =
                NativeHistogram { schema, sum, zero_threshold, gauge, observations, custom };
            let labels = [("__name__", "h"), ("job", "j")];
            let (mut packed_labels, mut packed, mut out) = (Vec::new(), Vec::new(), Vec::new());
            pack(labels.into_iter(), &mut packed_labels);
            pack_histogram(&histogram, &mut packed);
            put_histogram(&mut out, &packed_labels, &packed, timestamp, &[]);
            prop_assert_eq!(out.len(), histogram_len(packed_labels.len(), packed.len(), timestamp));
            let decoded = WriteRequest::decode(&*out).expect("valid");
            let got = decoded.timeseries[0].histograms[0].clone();
            let wanted = message(&histogram, timestamp);
            // NaN is not equal to itself.
            prop_assert_eq!(got.encode_to_vec(), wanted.encode_to_vec());
            prop_assert_eq!(is_packed_custom(&packed), schema == -53);
            if histogram.custom.is_empty() {
                let labels = labels.map(|(name, value)| Label {
                    name: name.to_owned(),
                    value: value.to_owned(),
                });
                let entry = TimeSeries {
                    labels: labels.to_vec(),
                    histograms: vec![wanted.clone()],
                    ..TimeSeries::default()
                };
                let request = WriteRequest { timeseries: vec![entry], metadata: Vec::new() };
                prop_assert_eq!(&out, &request.encode_to_vec());
            }
            for schema in [-53, -54, 53, 0] {
                histogram.schema = schema;
                packed.clear();
                pack_histogram(&histogram, &mut packed);
                prop_assert_eq!(is_packed_custom(&packed), schema == -53);
            }
        }
    }
}
