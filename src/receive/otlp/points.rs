//! Data points as they come: numbers, histograms, summaries. Times are in milliseconds.

use crate::base::limits;
use crate::model::{
    Counts, HistogramError, NativeHistogram, Observations, SCHEMA_MAX, Side, Span, stale_marker,
};
use crate::receive::otlp::attributes::{Attributes, hex, read_attribute};
use crate::wire::{Field, Fields, WireError};

const NANOS_IN_MS: u64 = 1_000_000;
/// `zero_threshold` where none is given.
// spec: HTTP-62
const ZERO_THRESHOLD: f64 = 1e-128;
/// Bit of `flags`: there is no value.
const NO_VALUE: u64 = 1;
/// Buckets of one point, and quantiles, and exemplars.
const BUCKETS: usize = 1 << 14;

/// One point of any kind; what its kind does not have is empty.
#[derive(Debug, Default)]
pub(super) struct Point {
    pub(super) attributes: Attributes,
    pub(super) start: i64,
    pub(super) time: i64,
    pub(super) no_value: bool,
    pub(super) value: f64,
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    /// Of each bucket alone.
    pub(super) counts: Vec<u64>,
    pub(super) bounds: Vec<f64>,
    pub(super) quantiles: Vec<(f64, f64)>,
    pub(super) exemplars: Vec<PointExemplar>,
    scale: i32,
    zero_count: u64,
    zero_threshold: f64,
    positive: Buckets,
    negative: Buckets,
}

#[derive(Debug, Default)]
pub(super) struct PointExemplar {
    pub(super) labels: Attributes,
    pub(super) value: f64,
    pub(super) time: i64,
}

#[derive(Debug, Default)]
struct Buckets {
    offset: i32,
    counts: Vec<u64>,
}

/// Which message a point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PointKind {
    Number,
    Histogram,
    Exponential,
    Summary,
}

fn millis(field: &Field<'_>) -> Result<i64, WireError> {
    Ok((field.fixed64()? / NANOS_IN_MS) as i64)
}

impl Point {
    pub(super) fn read(kind: PointKind, body: &[u8]) -> Result<Point, WireError> {
        let mut point = Point { zero_threshold: ZERO_THRESHOLD, ..Point::default() };
        let mut fields = Fields::new(body);
        while let Some(field) = fields.field()? {
            match (field.number, kind) {
                (2, _) => point.start = millis(&field)?,
                (3, _) => point.time = millis(&field)?,
                (7, PointKind::Number | PointKind::Summary)
                | (9, PointKind::Histogram)
                | (1, PointKind::Exponential) => {
                    read_attribute(field.bytes()?, &mut point.attributes)?;
                }
                (8, PointKind::Number | PointKind::Summary)
                | (10, PointKind::Histogram | PointKind::Exponential) => {
                    point.no_value = field.varint()? & NO_VALUE != 0;
                }
                (5, PointKind::Number)
                | (8, PointKind::Histogram)
                | (11, PointKind::Exponential) => {
                    if point.exemplars.len() >= BUCKETS {
                        return Err(WireError::TooMany("exemplars"));
                    }
                    point.exemplars.push(PointExemplar::read(field.bytes()?)?);
                }
                (_, PointKind::Number) => point.number_field(&field)?,
                (4, _) => point.count = field.fixed64()?,
                (5, _) => point.sum = Some(field.double()?),
                (_, PointKind::Histogram) => point.histogram_field(&field)?,
                (_, PointKind::Exponential) => point.exponential_field(&field)?,
                (_, PointKind::Summary) => point.summary_field(&field)?,
            }
        }
        Ok(point)
    }

    fn number_field(&mut self, field: &Field<'_>) -> Result<(), WireError> {
        match field.number {
            4 => self.value = field.double()?,
            6 => self.value = field.fixed64()? as i64 as f64,
            _ => {}
        }
        Ok(())
    }

    fn histogram_field(&mut self, field: &Field<'_>) -> Result<(), WireError> {
        match field.number {
            6 => bounded(&mut self.counts, |push| field.fixed64s(push)),
            7 => {
                bounded(&mut self.bounds, |push| field.fixed64s(|bits| push(f64::from_bits(bits))))
            }
            _ => Ok(()),
        }
    }

    fn exponential_field(&mut self, field: &Field<'_>) -> Result<(), WireError> {
        match field.number {
            6 => self.scale = field.signed()?,
            7 => self.zero_count = field.fixed64()?,
            8 => self.positive = Buckets::read(field.bytes()?)?,
            9 => self.negative = Buckets::read(field.bytes()?)?,
            14 => {
                let threshold = field.double()?;
                self.zero_threshold = if threshold == 0.0 { ZERO_THRESHOLD } else { threshold };
            }
            _ => {}
        }
        Ok(())
    }

    fn summary_field(&mut self, field: &Field<'_>) -> Result<(), WireError> {
        if field.number != 6 {
            return Ok(());
        }
        let (mut quantile, mut value) = (0.0, 0.0);
        let mut fields = Fields::new(field.bytes()?);
        while let Some(field) = fields.field()? {
            match field.number {
                1 => quantile = field.double()?,
                2 => value = field.double()?,
                _ => {}
            }
        }
        if self.quantiles.len() >= BUCKETS {
            return Err(WireError::TooMany("quantiles"));
        }
        self.quantiles.push((quantile, value));
        Ok(())
    }

    /// The native histogram of an exponential point.
    // spec: HTTP-62, exponential histogram
    pub(super) fn native(&self) -> Result<NativeHistogram, HistogramError> {
        let observations = if self.no_value {
            Observations::Whole(Counts::default())
        } else {
            Observations::Whole(Counts {
                count: self.count,
                zero: self.zero_count,
                positive: self.positive.side(),
                negative: self.negative.side(),
            })
        };
        self.finished(NativeHistogram {
            schema: self.scale,
            sum: self.sum.unwrap_or(0.0),
            zero_threshold: self.zero_threshold,
            gauge: false,
            observations,
            custom: Vec::new(),
        })
    }

    /// The native histogram with custom buckets of an ordinary one.
    pub(super) fn custom(&self) -> Result<NativeHistogram, HistogramError> {
        let observations = if self.no_value {
            Observations::Whole(Counts::default())
        } else {
            let spans = vec![Span { offset: 0, length: self.counts.len() as u32 }];
            let positive = Side { spans, counts: self.counts.clone() };
            Observations::Whole(Counts { count: self.count, positive, ..Counts::default() })
        };
        self.finished(NativeHistogram {
            schema: crate::model::CUSTOM_BUCKETS,
            sum: self.sum.unwrap_or(0.0),
            zero_threshold: 0.0,
            gauge: false,
            observations,
            custom: self.bounds.clone(),
        })
    }

    fn finished(&self, mut histogram: NativeHistogram) -> Result<NativeHistogram, HistogramError> {
        if self.no_value {
            histogram.sum = stale_marker();
        }
        histogram.compact()?;
        histogram.limit(SCHEMA_MAX, 0)?;
        histogram.validate()?;
        Ok(histogram)
    }
}

impl Buckets {
    fn read(body: &[u8]) -> Result<Buckets, WireError> {
        let mut buckets = Buckets::default();
        let mut fields = Fields::new(body);
        while let Some(field) = fields.field()? {
            match field.number {
                1 => buckets.offset = field.signed()?,
                2 => bounded(&mut buckets.counts, |push| field.varints(push))?,
                _ => {}
            }
        }
        Ok(buckets)
    }

    /// Prometheus names a bucket by its upper bound, OpenTelemetry by its lower one.
    fn side(&self) -> Side<u64> {
        if self.counts.is_empty() {
            return Side::default();
        }
        let offset = self.offset.saturating_add(1);
        let spans = vec![Span { offset, length: self.counts.len() as u32 }];
        Side { spans, counts: self.counts.clone() }
    }
}

impl PointExemplar {
    // spec: HTTP-62, exemplar: other attributes only while there is room
    fn read(body: &[u8]) -> Result<PointExemplar, WireError> {
        let mut exemplar = PointExemplar::default();
        let mut others = Attributes::new();
        let mut fields = Fields::new(body);
        while let Some(field) = fields.field()? {
            match field.number {
                2 => exemplar.time = millis(&field)?,
                3 => exemplar.value = field.double()?,
                4 if !field.bytes()?.is_empty() => {
                    exemplar.labels.insert("span_id".to_owned(), hex(field.bytes()?));
                }
                5 if !field.bytes()?.is_empty() => {
                    exemplar.labels.insert("trace_id".to_owned(), hex(field.bytes()?));
                }
                6 => exemplar.value = field.fixed64()? as i64 as f64,
                7 => read_attribute(field.bytes()?, &mut others)?,
                _ => {}
            }
        }
        let chars = |labels: &Attributes| -> usize {
            labels.iter().map(|(key, value)| key.chars().count() + value.chars().count()).sum()
        };
        if chars(&exemplar.labels) + chars(&others) <= limits::EXEMPLAR_CHARS {
            others.append(&mut exemplar.labels);
            exemplar.labels = others;
        }
        Ok(exemplar)
    }
}

/// Reads a repeated field that may be packed, up to [`BUCKETS`] of it.
fn bounded<T>(
    into: &mut Vec<T>,
    read: impl FnOnce(&mut dyn FnMut(T)) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let mut excess = false;
    read(&mut |value| {
        if into.len() < BUCKETS {
            into.push(value);
        } else {
            excess = true;
        }
    })?;
    if excess { Err(WireError::TooMany("buckets")) } else { Ok(()) }
}
