//! The histograms of a protobuf page: classic buckets, native ones, or both in one message.

use crate::exposition::error::ParseError;
use crate::exposition::message::{Message, Value, doubles, timestamp, varints};
use crate::model::{Classic, Counts, HistogramError, NativeHistogram, Observations, Side, Span};

/// A `Histogram` message as it is. Buffers are reused.
#[derive(Clone, Debug, Default)]
pub(super) struct HistogramMessage {
    count: u64,
    count_float: f64,
    pub(super) sum: f64,
    schema: i32,
    zero_threshold: f64,
    zero_count: u64,
    zero_count_float: f64,
    positive: Half,
    negative: Half,
    /// Upper bounds and cumulative counts.
    pub(super) buckets: Vec<(f64, f64)>,
    /// Messages of their exemplars, and which is whose.
    pub(super) exemplars: Vec<u8>,
    owners: Vec<(u32, u32, u32)>,
    /// When counting began; 0: not said.
    pub(super) start_ms: i64,
}

/// One side of zero.
#[derive(Clone, Debug, Default)]
struct Half {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

impl HistogramMessage {
    pub(super) fn read(&mut self, body: &[u8]) -> Result<(), ParseError> {
        self.clear();
        let mut message = Message::new(body);
        while let Some((number, value, _)) = message.field()? {
            match number {
                1 => self.count = value.varint()?,
                2 => self.sum = value.double()?,
                3 => {
                    let (bound, count, exemplar) = bucket(value.bytes()?)?;
                    if !exemplar.is_empty() {
                        let start = self.exemplars.len() as u32;
                        self.exemplars.extend_from_slice(exemplar);
                        let end = self.exemplars.len() as u32;
                        self.owners.push((self.buckets.len() as u32, start, end));
                    }
                    self.buckets.push((bound, count));
                }
                4 => self.count_float = value.double()?,
                5 => self.schema = sint32(value.varint()?),
                6 => self.zero_threshold = value.double()?,
                7 => self.zero_count = value.varint()?,
                8 => self.zero_count_float = value.double()?,
                9..=11 => self.negative.field(number - 9, value)?,
                12..=14 => self.positive.field(number - 12, value)?,
                15 => self.start_ms = timestamp(value.bytes()?)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        (self.count, self.count_float, self.sum) = (0, 0.0, 0.0);
        (self.schema, self.zero_threshold) = (0, 0.0);
        (self.zero_count, self.zero_count_float) = (0, 0.0);
        self.positive.clear();
        self.negative.clear();
        self.buckets.clear();
        self.exemplars.clear();
        self.owners.clear();
        self.start_ms = 0;
    }

    /// Where in `exemplars` that of a bucket is; empty: it has none.
    pub(super) fn exemplar(&self, bucket: usize) -> (u32, u32) {
        let found = self.owners.iter().find(|(owner, _, _)| *owner as usize == bucket);
        found.map_or((0, 0), |(_, start, end)| (*start, *end))
    }

    /// The count of the classic series.
    pub(super) fn count(&self) -> f64 {
        or_integer(self.count_float, self.count)
    }

    /// A native histogram without observations has a span of no buckets to say that it is one.
    // spec: SCR-40
    pub(super) fn is_native(&self) -> bool {
        !self.positive.spans.is_empty()
            || !self.negative.spans.is_empty()
            || self.zero_threshold > 0.0
            || self.zero_count > 0
    }

    /// The native side, compact.
    pub(super) fn native(&self, gauge: bool) -> Result<NativeHistogram, HistogramError> {
        let observations = if self.count_float > 0.0 || self.zero_count_float > 0.0 {
            Observations::Float(Counts {
                count: self.count_float,
                zero: self.zero_count_float,
                positive: self.positive.floats(),
                negative: self.negative.floats(),
            })
        } else {
            Observations::Whole(Counts {
                count: self.count,
                zero: self.zero_count,
                positive: self.positive.whole()?,
                negative: self.negative.whole()?,
            })
        };
        let mut histogram = NativeHistogram {
            schema: self.schema,
            sum: self.sum,
            zero_threshold: self.zero_threshold,
            gauge,
            observations,
            custom: Vec::new(),
        };
        histogram.compact()?;
        Ok(histogram)
    }

    /// The classic side as a native histogram with custom buckets.
    pub(super) fn converted(
        &self,
        classic: &mut Classic,
        gauge: bool,
    ) -> Result<NativeHistogram, HistogramError> {
        classic.clear();
        classic.count(self.count());
        classic.sum(self.sum);
        for (bound, count) in &self.buckets {
            classic.bucket(*bound, *count);
        }
        let mut histogram = classic.convert()?;
        histogram.gauge = gauge;
        Ok(histogram)
    }
}

impl Half {
    fn clear(&mut self) {
        self.spans.clear();
        self.deltas.clear();
        self.counts.clear();
    }

    fn field(&mut self, which: u32, value: Value<'_>) -> Result<(), ParseError> {
        match which {
            0 => {
                let mut span = Span { offset: 0, length: 0 };
                let mut message = Message::new(value.bytes()?);
                while let Some((number, value, _)) = message.field()? {
                    match number {
                        1 => span.offset = sint32(value.varint()?),
                        2 => span.length = value.varint()? as u32,
                        _ => {}
                    }
                }
                self.spans.push(span);
                Ok(())
            }
            1 => varints(value, |delta| self.deltas.push(crate::base::unzigzag(delta))),
            _ => doubles(value, |count| self.counts.push(count)),
        }
    }

    fn floats(&self) -> Side<f64> {
        Side { spans: self.spans.clone(), counts: self.counts.clone() }
    }

    /// Counts from the differences between them.
    fn whole(&self) -> Result<Side<u64>, HistogramError> {
        let mut counts = Vec::with_capacity(self.deltas.len());
        let mut count = 0i64;
        for delta in &self.deltas {
            count = count.checked_add(*delta).ok_or(HistogramError::NegativeCount)?;
            counts.push(u64::try_from(count).map_err(|_| HistogramError::NegativeCount)?);
        }
        Ok(Side { spans: self.spans.clone(), counts })
    }
}

/// Upper bound, cumulative count, and the message of its exemplar.
fn bucket(body: &[u8]) -> Result<(f64, f64, &[u8]), ParseError> {
    let (mut count, mut count_float, mut bound) = (0, 0.0, 0.0);
    let mut exemplar: &[u8] = &[];
    let mut message = Message::new(body);
    while let Some((number, value, _)) = message.field()? {
        match number {
            1 => count = value.varint()?,
            2 => bound = value.double()?,
            3 => exemplar = value.bytes()?,
            4 => count_float = value.double()?,
            _ => {}
        }
    }
    Ok((bound, or_integer(count_float, count), exemplar))
}

fn or_integer(float: f64, integer: u64) -> f64 {
    if float == 0.0 { integer as f64 } else { float }
}

fn sint32(value: u64) -> i32 {
    crate::base::unzigzag(value & 0xffff_ffff) as i32
}
