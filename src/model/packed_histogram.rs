//! A native histogram as remote write puts it into a message: the fields of `Histogram` but for the timestamp.
//!
//! The log holds this form, so that sending is copying. Field numbers are the same in 1.0 and 2.0.

use crate::base::{Reader, put_uvarint, unzigzag, zigzag};
use crate::model::histogram::{CUSTOM_BUCKETS, Counts, NativeHistogram, Observations, Side};

const VARINT: u8 = 0;
const DOUBLE: u8 = 1;
const BYTES: u8 = 2;
const SCHEMA: u8 = 4;
const GAUGE: u64 = 3;

/// Appends the fields in the order of their numbers, zeros left out but for the counts, as proto3 encoders do.
pub fn pack_histogram(histogram: &NativeHistogram, out: &mut Vec<u8>) {
    match &histogram.observations {
        Observations::Whole(counts) => {
            varint(out, 1, counts.count);
            sum_and_schema(histogram, out);
            varint(out, 6, counts.zero);
            sides(counts, out, |out, number, side| {
                let mut before = 0;
                repeated(out, number, &side.counts, |out, count| {
                    let count = *count as i64;
                    put_uvarint(out, zigzag(count - before));
                    before = count;
                });
            });
        }
        Observations::Float(counts) => {
            double(out, 2, counts.count);
            sum_and_schema(histogram, out);
            double(out, 7, counts.zero);
            sides(counts, out, |out, number, side| doubles(out, number + 1, &side.counts));
        }
    }
    if histogram.gauge {
        varint(out, 14, GAUGE);
    }
    doubles(out, 16, &histogram.custom);
}

fn sum_and_schema(histogram: &NativeHistogram, out: &mut Vec<u8>) {
    if histogram.sum.to_bits() != 0 {
        double(out, 3, histogram.sum);
    }
    if histogram.schema != 0 {
        varint(out, SCHEMA, zigzag(i64::from(histogram.schema)));
    }
    if histogram.zero_threshold.to_bits() != 0 {
        double(out, 5, histogram.zero_threshold);
    }
}

/// `put` is told the number of the field with the integers; that of the floats comes after it.
fn sides<C>(
    counts: &Counts<C>,
    out: &mut Vec<u8>,
    mut put: impl FnMut(&mut Vec<u8>, u8, &Side<C>),
) {
    for (number, side) in [(8, &counts.negative), (11, &counts.positive)] {
        for span in &side.spans {
            let mut body = Vec::new();
            if span.offset != 0 {
                varint(&mut body, 1, zigzag(i64::from(span.offset)));
            }
            if span.length != 0 {
                varint(&mut body, 2, u64::from(span.length));
            }
            tag(out, number, BYTES);
            put_uvarint(out, body.len() as u64);
            out.extend_from_slice(&body);
        }
        put(out, number + 1, side);
    }
}

fn tag(out: &mut Vec<u8>, number: u8, wire_type: u8) {
    put_uvarint(out, u64::from(number) << 3 | u64::from(wire_type));
}

fn varint(out: &mut Vec<u8>, number: u8, value: u64) {
    tag(out, number, VARINT);
    put_uvarint(out, value);
}

fn double(out: &mut Vec<u8>, number: u8, value: f64) {
    tag(out, number, DOUBLE);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

fn doubles(out: &mut Vec<u8>, number: u8, values: &[f64]) {
    repeated(out, number, values, |out, value| {
        out.extend_from_slice(&value.to_bits().to_le_bytes());
    });
}

/// A packed field, if there is anything to pack.
fn repeated<T>(out: &mut Vec<u8>, number: u8, values: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    if values.is_empty() {
        return;
    }
    let mut body = Vec::new();
    for value in values {
        put(&mut body, value);
    }
    tag(out, number, BYTES);
    put_uvarint(out, body.len() as u64);
    out.extend_from_slice(&body);
}

/// What a packed histogram says first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HistogramSummary {
    pub count: f64,
    pub sum: f64,
    pub schema: i32,
}

impl HistogramSummary {
    /// Reads no further than the schema; what is not there is zero.
    pub fn of(packed: &[u8]) -> HistogramSummary {
        let mut summary = HistogramSummary::default();
        let mut reader = Reader::new(packed);
        while let Some(key) = reader.uvarint().filter(|key| key >> 3 <= u64::from(SCHEMA)) {
            let (varint, double) = match key & 7 {
                0 => (reader.uvarint(), None),
                1 => (None, reader.u64().map(f64::from_bits)),
                _ => break,
            };
            match (key >> 3, varint, double) {
                (1, Some(count), _) => summary.count = count as f64,
                (2, _, Some(count)) => summary.count = count,
                (3, _, Some(sum)) => summary.sum = sum,
                (4, Some(schema), _) => summary.schema = unzigzag(schema) as i32,
                _ => break,
            }
        }
        summary
    }
}

/// True for one with custom buckets, which remote write 1.0 has no place for.
pub fn is_packed_custom(packed: &[u8]) -> bool {
    HistogramSummary::of(packed).schema == CUSTOM_BUCKETS
}
