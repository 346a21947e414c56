//! Remote write 2.0: the messages of `io.prometheus.write.v2.Request`, and the encoder of one entry.
//!
//! Texts stand once in a request, in `symbols`; entries name them by number. The one with number 0 is empty.

use crate::base::{put_uvarint, uvarint_len};
use crate::wire::remote_v1::{BucketSpan, Count, ZeroCount};

pub use crate::wire::remote_v1::{MetricType, ResetHint};

/// Tag of `Request.symbols`.
const SYMBOLS: u8 = 0x22;
/// Tag of `Request.timeseries`.
const TIMESERIES: u8 = 0x2a;
/// Tags of `TimeSeries`.
const LABELS_REFS: u8 = 0x0a;
const SAMPLES: u8 = 0x12;
const HISTOGRAMS: u8 = 0x1a;
const EXEMPLARS: u8 = 0x22;
const METADATA: u8 = 0x2a;
/// Tags of `Sample`.
const VALUE: u8 = 0x09;
const TIMESTAMP: u8 = 0x10;
const START: u8 = 0x18;
/// Tags of `Histogram`; the latter is one of two bytes.
const HISTOGRAM_TIMESTAMP: u8 = 0x78;
const HISTOGRAM_START: [u8; 2] = [0x88, 0x01];
/// Tags of `Exemplar`.
const EXEMPLAR_VALUE: u8 = 0x11;
const EXEMPLAR_TIMESTAMP: u8 = 0x18;
/// Tags of `Metadata`.
const TYPE: u8 = 0x08;
const HELP: u8 = 0x18;
const UNIT: u8 = 0x20;

/// Appends one text to the symbols.
// spec: remote-write 2.0, symbols: UTF-8 texts, each once, the empty one first
#[inline]
pub fn put_symbol(out: &mut Vec<u8>, text: &[u8]) {
    out.push(SYMBOLS);
    put_uvarint(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// The one value of an entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content<'a> {
    Float(f64),
    /// Packed, see [`crate::model::pack_histogram`].
    Histogram(&'a [u8]),
}

/// What an entry says of its family; texts by their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetadataRefs {
    pub metric_type: u8,
    pub help: u32,
    pub unit: u32,
}

/// One entry of `Request.timeseries` but for its labels. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub content: Content<'a>,
    pub time: i64,
    /// When counting began; 0: not known.
    pub start: i64,
    /// Fields as [`put_exemplar`] writes them.
    pub exemplars: &'a [u8],
    pub metadata: MetadataRefs,
}

/// Appends one entry. `refs` gives the number of each label's name and value in turn, sorted by name. `scratch` is for
/// its use.
///
/// A value is written even if it is zero, and -0.0 keeps its sign.
// spec: remote-write 2.0, TimeSeries: complete, sorted labels; samples or histograms, never both
pub fn put_entry(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    refs: impl Iterator<Item = u32> + Clone,
    entry: &Entry<'_>,
) {
    scratch.clear();
    scratch.push(LABELS_REFS);
    put_refs(scratch, refs);
    match entry.content {
        Content::Float(value) => put_sample(scratch, value, entry.time, entry.start),
        Content::Histogram(packed) => put_histogram(scratch, packed, entry.time, entry.start),
    }
    scratch.extend_from_slice(entry.exemplars);
    put_metadata(scratch, entry.metadata);
    out.push(TIMESERIES);
    put_uvarint(out, scratch.len() as u64);
    out.extend_from_slice(scratch);
}

/// The length of numbers, and the numbers: a packed field without its tag.
#[inline]
fn put_refs(out: &mut Vec<u8>, refs: impl Iterator<Item = u32> + Clone) {
    let len = refs.clone().fold(0, |len: usize, one| len.saturating_add(varint_len(one)));
    put_uvarint(out, len as u64);
    refs.for_each(|one| put_uvarint(out, u64::from(one)));
}

#[inline]
fn varint_len(number: u32) -> usize {
    uvarint_len(u64::from(number))
}

#[inline]
fn put_sample(out: &mut Vec<u8>, value: f64, time: i64, start: i64) {
    let len = 9usize.saturating_add(stamp_len(1, time)).saturating_add(stamp_len(1, start));
    out.push(SAMPLES);
    out.push(len as u8);
    out.push(VALUE);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
    put_stamp(out, &[TIMESTAMP], time);
    put_stamp(out, &[START], start);
}

fn put_histogram(out: &mut Vec<u8>, packed: &[u8], time: i64, start: i64) {
    let stamps = stamp_len(1, time).saturating_add(stamp_len(2, start));
    out.push(HISTOGRAMS);
    put_uvarint(out, packed.len().saturating_add(stamps) as u64);
    out.extend_from_slice(packed);
    put_stamp(out, &[HISTOGRAM_TIMESTAMP], time);
    put_stamp(out, &HISTOGRAM_START, start);
}

/// Appends one exemplar as a field of an entry.
// spec: remote-write 2.0, Exemplar: references, value, and a timestamp always
pub fn put_exemplar(
    out: &mut Vec<u8>,
    refs: impl Iterator<Item = u32> + Clone,
    value: f64,
    time: i64,
) {
    let refs_len = refs.clone().fold(0, |len: usize, one| len.saturating_add(varint_len(one)));
    let refs_len = refs_len.saturating_add(uvarint_len(refs_len as u64)).saturating_add(1);
    let len = refs_len.saturating_add(9).saturating_add(stamp_len(1, time));
    out.push(EXEMPLARS);
    put_uvarint(out, len as u64);
    out.push(LABELS_REFS);
    put_refs(out, refs);
    out.push(EXEMPLAR_VALUE);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
    put_stamp(out, &[EXEMPLAR_TIMESTAMP], time);
}

fn put_metadata(out: &mut Vec<u8>, metadata: MetadataRefs) {
    if metadata == MetadataRefs::default() {
        return;
    }
    let fields =
        [(TYPE, u32::from(metadata.metric_type)), (HELP, metadata.help), (UNIT, metadata.unit)];
    let fields = fields.into_iter().filter(|(_, number)| *number != 0);
    let len = fields.clone().fold(0, |len: usize, (_, number)| {
        len.saturating_add(varint_len(number)).saturating_add(1)
    });
    out.push(METADATA);
    put_uvarint(out, len as u64);
    for (tag, number) in fields {
        out.push(tag);
        put_uvarint(out, u64::from(number));
    }
}

/// A timestamp that is zero is left out, as proto3 encoders do.
#[inline]
fn put_stamp(out: &mut Vec<u8>, tag: &[u8], time: i64) {
    if time != 0 {
        out.extend_from_slice(tag);
        put_uvarint(out, time as u64);
    }
}

#[inline]
fn stamp_len(tag: usize, time: i64) -> usize {
    if time == 0 { 0 } else { uvarint_len(time as u64).saturating_add(tag) }
}

/// A whole request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Request {
    #[prost(string, repeated, tag = "4")]
    pub symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub timeseries: Vec<TimeSeries>,
}

/// One entry: labels sorted by name, and what they carry.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TimeSeries {
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub histograms: Vec<Histogram>,
    #[prost(message, repeated, tag = "4")]
    pub exemplars: Vec<Exemplar>,
    #[prost(message, optional, tag = "5")]
    pub metadata: Option<Metadata>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Sample {
    #[prost(double, tag = "1")]
    pub value: f64,
    /// Milliseconds.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
    /// Milliseconds; 0 is unset.
    #[prost(int64, tag = "3")]
    pub start_timestamp: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Exemplar {
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    #[prost(double, tag = "2")]
    pub value: f64,
    /// Milliseconds.
    #[prost(int64, tag = "3")]
    pub timestamp: i64,
}

/// Type, help and unit of the family that a series is of.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Metadata {
    #[prost(enumeration = "MetricType", tag = "1")]
    pub r#type: i32,
    #[prost(uint32, tag = "3")]
    pub help_ref: u32,
    #[prost(uint32, tag = "4")]
    pub unit_ref: u32,
}

/// A native histogram, as in 1.0 but for the last two fields, which 1.0 has not.
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
    /// Bounds of custom buckets.
    #[prost(double, repeated, tag = "16")]
    pub custom_values: Vec<f64>,
    /// Milliseconds; 0 is unset.
    #[prost(int64, tag = "17")]
    pub start_timestamp: i64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::model::{Counts, NativeHistogram, Observations, Side, Span, pack_histogram};

    fn entry(content: Content<'_>) -> Entry<'_> {
        let metadata = MetadataRefs::default();
        Entry { content, time: 0, start: 0, exemplars: &[], metadata }
    }

    fn written(refs: &[u32], entry: &Entry<'_>) -> Vec<u8> {
        let (mut out, mut scratch) = (Vec::new(), b"before".to_vec());
        put_entry(&mut out, &mut scratch, refs.iter().copied(), entry);
        out
    }

    #[test]
    fn a_request_has_the_field_numbers_of_the_specification() {
        let mut out = Vec::new();
        for text in ["", "__name__", "up", "help", "s"] {
            put_symbol(&mut out, text.as_bytes());
        }
        let mut exemplars = Vec::new();
        put_exemplar(&mut exemplars, [1, 2].into_iter(), 1.0, 5);
        let metadata = MetadataRefs { metric_type: 7, help: 3, unit: 4 };
        let content = Content::Float(1.0);
        let whole = Entry { content, time: 7, start: 6, exemplars: &exemplars, metadata };
        out.extend(written(&[1, 2], &whole));
        let double = [0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
        let mut wanted = vec![0x22, 0, 0x22, 8];
        wanted.extend(b"__name__");
        wanted.extend([0x22, 2, b'u', b'p', 0x22, 4, b'h', b'e', b'l', b'p', 0x22, 1, b's']);
        wanted.extend([0x2a, 44, 0x0a, 2, 1, 2, 0x12, 13, 0x09]);
        wanted.extend(double);
        wanted.extend([0x10, 7, 0x18, 6, 0x22, 15, 0x0a, 2, 1, 2, 0x11]);
        wanted.extend(double);
        wanted.extend([0x18, 5, 0x2a, 6, 0x08, 7, 0x18, 3, 0x20, 4]);
        assert_eq!(out, wanted);
        assert_eq!(Request::decode(&*out).expect("valid").encode_to_vec(), wanted);
    }

    #[test]
    fn values_of_zero_and_bits_of_markers_are_kept() {
        for bits in [0, 1 << 63, 0x7ff0_0000_0000_0002, 0x7ff8_0000_0000_0001] {
            let out = written(&[], &entry(Content::Float(f64::from_bits(bits))));
            let back = Request::decode(&*out).expect("valid");
            assert_eq!(back.timeseries[0].samples[0].value.to_bits(), bits);
        }
    }

    #[test]
    fn a_histogram_with_custom_buckets_keeps_its_bounds_and_gets_its_times() {
        let positive = Side { spans: vec![Span { offset: 0, length: 2 }], counts: vec![3, 4] };
        let counts = Counts { count: 7, zero: 0, positive, negative: Side::default() };
        let histogram = NativeHistogram {
            schema: -53,
            sum: 2.5,
            zero_threshold: 0.0,
            gauge: false,
            observations: Observations::Whole(counts),
            custom: vec![0.5, 1.0],
        };
        let mut packed = Vec::new();
        pack_histogram(&histogram, &mut packed);
        let content = Content::Histogram(&packed);
        let out = written(&[1, 2], &Entry { time: 300, start: 200, ..entry(content) });
        let back = Request::decode(&*out).expect("valid");
        let found = &back.timeseries[0].histograms[0];
        assert_eq!((found.schema, found.custom_values.as_slice()), (-53, &[0.5, 1.0][..]));
        assert_eq!((found.timestamp, found.start_timestamp, found.sum), (300, 200, 2.5));
        assert_eq!(
            (found.count, found.positive_deltas.as_slice()),
            (Some(Count::Int(7)), &[3, 1][..])
        );
        assert!(back.timeseries[0].samples.is_empty());
    }

    proptest! {
        #[test]
        fn an_entry_is_what_prost_writes(
            refs in prop::collection::vec(any::<u32>(), 1..40),
            bits: u64,
            time: i64,
            start: i64,
            numbers in (0u8..8, any::<u32>(), any::<u32>()),
            exemplars in prop::collection::vec(
                (prop::collection::vec(any::<u32>(), 1..6), 0.5f64..9.0, any::<i64>()),
                0..3,
            ),
        ) {
            let value = f64::from_bits(bits);
            prop_assume!(value != 0.0);
            let (metric_type, help, unit) = numbers;
            let metadata = MetadataRefs { metric_type, help, unit };
            let mut fields = Vec::new();
            for (refs, value, time) in &exemplars {
                put_exemplar(&mut fields, refs.iter().copied(), *value, *time);
            }
            let content = Content::Float(value);
            let out = written(&refs, &Entry { content, time, start, exemplars: &fields, metadata });
            let exemplar = |(refs, value, time): &(Vec<u32>, f64, i64)| Exemplar {
                labels_refs: refs.clone(),
                value: *value,
                timestamp: *time,
            };
            let metadata = Metadata { r#type: i32::from(metric_type), help_ref: help, unit_ref: unit };
            let series = TimeSeries {
                labels_refs: refs,
                samples: vec![Sample { value, timestamp: time, start_timestamp: start }],
                exemplars: exemplars.iter().map(exemplar).collect(),
                metadata: (metadata != Metadata::default()).then_some(metadata),
                ..TimeSeries::default()
            };
            let wanted = Request { symbols: Vec::new(), timeseries: vec![series] };
            prop_assert_eq!(out, wanted.encode_to_vec());
        }

        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Request::decode(&*bytes);
        }
    }
}
