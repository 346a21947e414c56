//! Native histograms as they come in either message: the fields are the same.

use crate::base::{limits, unzigzag};
use crate::model::{Counts, HistogramError, NativeHistogram, Observations, SCHEMA_MAX, Side, Span};
use crate::wire::entry::Histogram;
use crate::wire::fields::{Fields, WireError};

/// `Histogram.reset_hint` of a gauge.
const GAUGE: u64 = 3;

/// More than the log has room for, whatever the encoder.
const BYTES_MAX: usize = 2 * limits::HISTOGRAM_BYTES;

/// One side of zero as it is written.
#[derive(Debug, Default)]
struct Half {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

impl Half {
    fn span(&mut self, body: &[u8]) -> Result<(), WireError> {
        let mut span = Span { offset: 0, length: 0 };
        let mut fields = Fields::new(body);
        while let Some(field) = fields.field()? {
            match field.number {
                1 => span.offset = field.signed()?,
                2 => span.length = field.varint()? as u32,
                _ => {}
            }
        }
        self.spans.push(span);
        Ok(())
    }

    fn floats(self) -> Side<f64> {
        Side { spans: self.spans, counts: self.counts }
    }

    /// Counts from the differences between them.
    fn whole(self) -> Result<Side<u64>, HistogramError> {
        let mut counts = Vec::with_capacity(self.deltas.len());
        let mut count = 0i64;
        for delta in &self.deltas {
            count = count.checked_add(*delta).ok_or(HistogramError::NegativeCount)?;
            counts.push(u64::try_from(count).map_err(|_| HistogramError::NegativeCount)?);
        }
        Ok(Side { spans: self.spans, counts })
    }
}

/// Reads one. What it says may be nonsense: then that is its content.
pub(super) fn read(body: &[u8]) -> Result<Histogram, WireError> {
    if body.len() > BYTES_MAX {
        let content = Err(HistogramError::BucketLimit);
        return Ok(Histogram { content, time: 0, start: 0 });
    }
    let (mut count, mut count_float) = (0, None);
    let (mut zero, mut zero_float) = (0, None);
    let (mut sum, mut schema, mut zero_threshold) = (0.0, 0, 0.0);
    let (mut negative, mut positive) = (Half::default(), Half::default());
    let (mut gauge, mut time, mut start, mut custom) = (false, 0, 0, Vec::new());
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => (count, count_float) = (field.varint()?, None),
            2 => count_float = Some(field.double()?),
            3 => sum = field.double()?,
            4 => schema = field.signed()?,
            5 => zero_threshold = field.double()?,
            6 => (zero, zero_float) = (field.varint()?, None),
            7 => zero_float = Some(field.double()?),
            8 => negative.span(field.bytes()?)?,
            9 => field.varints(|delta| negative.deltas.push(unzigzag(delta)))?,
            10 => field.fixed64s(|bits| negative.counts.push(f64::from_bits(bits)))?,
            11 => positive.span(field.bytes()?)?,
            12 => field.varints(|delta| positive.deltas.push(unzigzag(delta)))?,
            13 => field.fixed64s(|bits| positive.counts.push(f64::from_bits(bits)))?,
            14 => gauge = field.varint()? == GAUGE,
            15 => time = field.varint()? as i64,
            16 => field.fixed64s(|bits| custom.push(f64::from_bits(bits)))?,
            17 => start = field.varint()? as i64,
            _ => {}
        }
    }
    // spec: RW, the count's field says which kind all of them are
    let observations = match count_float {
        Some(count) => {
            let zero = zero_float.unwrap_or(zero as f64);
            let (positive, negative) = (positive.floats(), negative.floats());
            Ok(Observations::Float(Counts { count, zero, positive, negative }))
        }
        None => positive.whole().and_then(|positive| {
            let negative = negative.whole()?;
            Ok(Observations::Whole(Counts { count, zero, positive, negative }))
        }),
    };
    let content = observations.and_then(|observations| {
        let mut histogram =
            NativeHistogram { schema, sum, zero_threshold, gauge, observations, custom };
        histogram.compact()?;
        // spec: conformance 3.5: a schema over 8 is reduced to 8
        histogram.limit(SCHEMA_MAX, 0)?;
        histogram.validate()?;
        Ok(histogram)
    });
    Ok(Histogram { content, time, start })
}
