//! Remote write 1.0: the messages of `prometheus.WriteRequest`, and the encoder of the hot path.

use crate::base::{put_uvarint, uvarint_len};
use crate::model::Description;

/// Tag of `WriteRequest.timeseries`.
const TIMESERIES: u8 = 0x0a;
/// Tag of `TimeSeries.samples`.
const SAMPLES: u8 = 0x12;
/// Tag of `Sample.value`.
const VALUE: u8 = 0x09;
/// Tag of `Sample.timestamp`.
const TIMESTAMP: u8 = 0x10;
/// Tag of `WriteRequest.metadata`, and those of `MetricMetadata`.
const METADATA: u8 = 0x1a;
/// Tag of `TimeSeries.exemplars`, and those of `Exemplar`.
const EXEMPLARS: u8 = 0x1a;
const EXEMPLAR_VALUE: u8 = 0x11;
const EXEMPLAR_TIMESTAMP: u8 = 0x18;
const TYPE: u8 = 0x08;
const FAMILY: u8 = 0x12;
const HELP: u8 = 0x22;
const UNIT: u8 = 0x2a;

/// Appends one entry of `WriteRequest.timeseries`: the labels as they are (see [`crate::model::pack`]) and one sample.
///
/// A value is written even if it is zero, where others leave it out: so an entry's length does not depend on it. A
/// timestamp that is zero is left out, as proto3 encoders do.
// spec: RW-19
#[inline]
pub fn put_sample(out: &mut Vec<u8>, packed_labels: &[u8], value: f64, timestamp_ms: i64) {
    let sample = 9usize.saturating_add(timestamp_len(timestamp_ms));
    let entry = packed_labels.len().saturating_add(sample).saturating_add(2);
    out.reserve(entry.saturating_add(11));
    out.push(TIMESERIES);
    put_uvarint(out, entry as u64);
    out.extend_from_slice(packed_labels);
    out.push(SAMPLES);
    out.push(sample as u8);
    out.push(VALUE);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
    if timestamp_ms != 0 {
        out.push(TIMESTAMP);
        put_uvarint(out, timestamp_ms as u64);
    }
}

/// Appends one entry of `WriteRequest.metadata`.
// spec: RW §5.6
pub fn put_metadata(out: &mut Vec<u8>, said: &Description<'_>) {
    let texts = [(FAMILY, said.name), (HELP, said.help), (UNIT, said.unit)];
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    let code = said.metric_type.code();
    let typed: usize = if code == 0 { 0 } else { 2 };
    let len = texts.clone().fold(typed, |len, (_, text)| {
        let text_len = uvarint_len(text.len() as u64).saturating_add(text.len());
        len.saturating_add(text_len).saturating_add(1)
    });
    out.push(METADATA);
    put_uvarint(out, len as u64);
    if code != 0 {
        out.extend_from_slice(&[TYPE, code]);
    }
    for (tag, text) in texts {
        out.push(tag);
        put_uvarint(out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
    }
}

/// Bytes that [`put_sample`] appends.
#[inline]
pub fn sample_len(packed_labels_len: usize, timestamp_ms: i64) -> usize {
    let sample = 9usize.saturating_add(timestamp_len(timestamp_ms));
    let entry = packed_labels_len.saturating_add(sample).saturating_add(2);
    entry.saturating_add(uvarint_len(entry as u64)).saturating_add(1)
}

/// Appends one exemplar, as a field of an entry.
pub fn put_exemplar(out: &mut Vec<u8>, packed_labels: &[u8], value: f64, timestamp_ms: i64) {
    let len = packed_labels.len().saturating_add(9).saturating_add(timestamp_len(timestamp_ms));
    out.push(EXEMPLARS);
    put_uvarint(out, len as u64);
    out.extend_from_slice(packed_labels);
    out.push(EXEMPLAR_VALUE);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
    if timestamp_ms != 0 {
        out.push(EXEMPLAR_TIMESTAMP);
        put_uvarint(out, timestamp_ms as u64);
    }
}

/// As [`put_sample`], with exemplars as [`put_exemplar`] writes them.
pub fn put_sample_with(
    out: &mut Vec<u8>,
    packed_labels: &[u8],
    value: f64,
    timestamp_ms: i64,
    exemplars: &[u8],
) {
    let sample = 9usize.saturating_add(timestamp_len(timestamp_ms));
    let entry = packed_labels.len().saturating_add(sample).saturating_add(2);
    out.push(TIMESERIES);
    put_uvarint(out, entry.saturating_add(exemplars.len()) as u64);
    out.extend_from_slice(packed_labels);
    out.push(SAMPLES);
    out.push(sample as u8);
    out.push(VALUE);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
    if timestamp_ms != 0 {
        out.push(TIMESTAMP);
        put_uvarint(out, timestamp_ms as u64);
    }
    out.extend_from_slice(exemplars);
}

#[inline]
fn timestamp_len(timestamp_ms: i64) -> usize {
    if timestamp_ms == 0 { 0 } else { uvarint_len(timestamp_ms as u64).saturating_add(1) }
}

/// A whole request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    pub metadata: Vec<MetricMetadata>,
}

/// One entry: labels sorted by name, and what they carry.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub exemplars: Vec<Exemplar>,
    #[prost(message, repeated, tag = "4")]
    pub histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Label {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Sample {
    #[prost(double, tag = "1")]
    pub value: f64,
    /// Milliseconds.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    #[prost(double, tag = "2")]
    pub value: f64,
    /// Milliseconds.
    #[prost(int64, tag = "3")]
    pub timestamp: i64,
}

/// Type, help and unit of a metric family.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MetricMetadata {
    #[prost(enumeration = "MetricType", tag = "1")]
    pub r#type: i32,
    #[prost(string, tag = "2")]
    pub metric_family_name: String,
    #[prost(string, tag = "4")]
    pub help: String,
    #[prost(string, tag = "5")]
    pub unit: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum MetricType {
    Unknown = 0,
    Counter = 1,
    Gauge = 2,
    Histogram = 3,
    GaugeHistogram = 4,
    Summary = 5,
    Info = 6,
    StateSet = 7,
}

/// A native histogram: integer ones use counts and deltas, float ones the `float` and `counts` fields.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Histogram {
    #[prost(oneof = "Count", tags = "1, 2")]
    pub count: Option<Count>,
    #[prost(double, tag = "3")]
    pub sum: f64,
    #[prost(sint32, tag = "4")]
    pub schema: i32,
    #[prost(double, tag = "5")]
    pub zero_threshold: f64,
    #[prost(oneof = "ZeroCount", tags = "6, 7")]
    pub zero_count: Option<ZeroCount>,
    #[prost(message, repeated, tag = "8")]
    pub negative_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "9")]
    pub negative_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "10")]
    pub negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    pub positive_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "12")]
    pub positive_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "13")]
    pub positive_counts: Vec<f64>,
    #[prost(enumeration = "ResetHint", tag = "14")]
    pub reset_hint: i32,
    /// Milliseconds.
    #[prost(int64, tag = "15")]
    pub timestamp: i64,
    /// Bounds of custom buckets, which 1.0 senders must not send.
    #[prost(double, repeated, tag = "16")]
    pub custom_values: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub enum Count {
    #[prost(uint64, tag = "1")]
    Int(u64),
    #[prost(double, tag = "2")]
    Float(f64),
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub enum ZeroCount {
    #[prost(uint64, tag = "6")]
    Int(u64),
    #[prost(double, tag = "7")]
    Float(f64),
}

/// A run of `length` buckets, `offset` after the one before.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct BucketSpan {
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    #[prost(uint32, tag = "2")]
    pub length: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ResetHint {
    Unknown = 0,
    Yes = 1,
    No = 2,
    Gauge = 3,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::model::pack;

    fn packed(labels: &[(String, String)]) -> Vec<u8> {
        let mut out = Vec::new();
        pack(labels.iter().map(|(name, value)| (&**name, &**value)), &mut out);
        out
    }

    fn message(labels: &[(String, String)], value: f64, timestamp: i64) -> WriteRequest {
        let label =
            |(name, value): &(String, String)| Label { name: name.clone(), value: value.clone() };
        let entry = TimeSeries {
            labels: labels.iter().map(label).collect(),
            samples: vec![Sample { value, timestamp }],
            ..TimeSeries::default()
        };
        WriteRequest { timeseries: vec![entry], metadata: Vec::new() }
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_zero_value_is_written_and_minus_zero_is_kept() {
        for (value, timestamp, wanted) in [
            (0.0, 0, &[0x0a, 11, 0x12, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0][..]),
            (0.0, 1, &[0x0a, 13, 0x12, 11, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 1]),
            (1.0, 0, &[0x0a, 11, 0x12, 9, 9, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]),
            (-0.0, 0, &[0x0a, 11, 0x12, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0x80]),
        ] {
            let mut out = Vec::new();
            put_sample(&mut out, &[], value, timestamp);
            assert_eq!(out, wanted, "{value} {timestamp}");
            let back = WriteRequest::decode(&*out).expect("valid");
            let sample = back.timeseries[0].samples[0];
            assert_eq!((sample.value.to_bits(), sample.timestamp), (value.to_bits(), timestamp));
        }
    }

    #[test]
    fn every_length_of_labels_and_every_timestamp_is_written_as_prost_does() {
        let value = f64::from_bits(0x7ff0_0000_0000_0002);
        for len in (1..300).chain(16_300..16_400) {
            for timestamp in [0, 1, 127, 128, 1_790_000_000_000, i64::MAX, i64::MIN, -1] {
                let labels = [pair("n", &"x".repeat(len))];
                let (packed, mut out) = (packed(&labels), Vec::new());
                put_sample(&mut out, &packed, value, timestamp);
                assert!(out == message(&labels, value, timestamp).encode_to_vec(), "{len}");
                assert_eq!(out.len(), sample_len(packed.len(), timestamp));
            }
        }
    }

    #[test]
    fn the_cold_messages_have_the_field_numbers_of_the_specification() {
        let span = BucketSpan { offset: -1, length: 2 };
        let histogram = Histogram {
            count: Some(Count::Int(1)),
            sum: 1.0,
            schema: -53,
            zero_threshold: 1.0,
            zero_count: Some(ZeroCount::Float(1.0)),
            negative_spans: vec![span],
            negative_deltas: vec![-1],
            negative_counts: vec![1.0],
            positive_spans: vec![span],
            positive_deltas: vec![-1],
            positive_counts: vec![1.0],
            reset_hint: ResetHint::Gauge as i32,
            timestamp: 1,
            custom_values: vec![1.0],
        };
        let double = [0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
        let mut wanted = vec![0x08, 1];
        for (before, value) in [(&[0x19][..], true), (&[0x20, 105, 0x29], true), (&[0x39], true)] {
            wanted.extend(before);
            wanted.extend(value.then_some(double).into_iter().flatten());
        }
        wanted.extend([0x42, 4, 0x08, 1, 0x10, 2, 0x4a, 1, 1, 0x52, 8]);
        wanted.extend(double);
        wanted.extend([0x5a, 4, 0x08, 1, 0x10, 2, 0x62, 1, 1, 0x6a, 8]);
        wanted.extend(double);
        wanted.extend([0x70, 3, 0x78, 1, 0x82, 0x01, 8]);
        wanted.extend(double);
        assert_eq!(histogram.encode_to_vec(), wanted);
        let metadata = MetricMetadata {
            r#type: MetricType::StateSet as i32,
            metric_family_name: "f".to_owned(),
            help: "h".to_owned(),
            unit: "u".to_owned(),
        };
        let request = WriteRequest { timeseries: Vec::new(), metadata: vec![metadata] };
        let wanted = [0x1a, 11, 0x08, 7, 0x12, 1, b'f', 0x22, 1, b'h', 0x2a, 1, b'u'];
        assert_eq!(request.encode_to_vec(), wanted);
        let metric_type = crate::model::MetricType::StateSet;
        let said = Description { name: "f", metric_type, unit: "u", help: "h" };
        let mut out = Vec::new();
        put_metadata(&mut out, &said);
        assert_eq!(out, wanted);
        out.clear();
        let metric_type = crate::model::MetricType::Unknown;
        put_metadata(&mut out, &Description { name: "f", metric_type, unit: "", help: "" });
        assert_eq!(out, [0x1a, 3, 0x12, 1, b'f']);
    }

    #[test]
    fn a_sample_with_exemplars_is_what_prost_writes() {
        for (count, timestamp, at) in [(0, 1, 1), (1, 1_790_000_000_000, 0), (3, 0, -5)] {
            let (labels, own) = ([pair("__name__", "a"), pair("b", "c")], [pair("trace_id", "x")]);
            let (mut fields, mut out) = (Vec::new(), Vec::new());
            for number in 0..count {
                put_exemplar(&mut fields, &packed(&own), 0.5 + f64::from(number), at);
            }
            put_sample_with(&mut out, &packed(&labels), 1.5, timestamp, &fields);
            let mut wanted = message(&labels, 1.5, timestamp);
            let label = |(name, value): &(String, String)| Label {
                name: name.clone(),
                value: value.clone(),
            };
            wanted.timeseries[0].exemplars = (0..count)
                .map(|number| Exemplar {
                    labels: own.iter().map(label).collect(),
                    value: 0.5 + f64::from(number),
                    timestamp: at,
                })
                .collect();
            assert_eq!(out, wanted.encode_to_vec());
        }
    }

    proptest! {
        #[test]
        fn the_hot_encoder_writes_what_prost_writes(
            labels in prop::collection::vec(("\\PC{1,12}", "\\PC{1,80}"), 0..12),
            bits: u64,
            timestamp: i64,
        ) {
            let value = f64::from_bits(bits);
            prop_assume!(value != 0.0);
            let (packed, mut out) = (packed(&labels), b"before".to_vec());
            put_sample(&mut out, &packed, value, timestamp);
            prop_assert_eq!(&out[6..], &message(&labels, value, timestamp).encode_to_vec()[..]);
            prop_assert_eq!(out.len() - 6, sample_len(packed.len(), timestamp));
        }

        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let _ = WriteRequest::decode(&*bytes);
        }
    }
}
