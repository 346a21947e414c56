//! A protobuf page on its way in: bytes → pieces → metrics → samples, as lines are samples in the text formats.

use crate::base::limits;
use crate::exposition::{Families, ParseError};
use crate::model::{HistogramError, NativeHistogram, Refusal, SeriesRef, schema_of_factor};
use crate::scrape::page::{Around, Page, PageError};

impl Page {
    /// Handles the pieces that are whole; keeps the rest.
    pub(super) fn pieces(
        &mut self,
        bytes: &[u8],
        around: &mut Around<'_>,
    ) -> Result<(), PageError> {
        let mut families = core::mem::take(&mut self.families);
        let mut rest = core::mem::take(&mut self.partial);
        let outcome = if rest.is_empty() {
            let used = self.whole_pieces(&mut families, bytes, around);
            rest.extend_from_slice(bytes.get(used.clone().unwrap_or(0)..).unwrap_or_default());
            used
        } else {
            rest.extend_from_slice(bytes);
            let used = self.whole_pieces(&mut families, &rest, around);
            rest.drain(..used.clone().unwrap_or(0));
            used
        };
        self.families = families;
        if core::mem::take(&mut self.must_wait) {
            self.held = rest;
        } else {
            self.partial = rest;
        }
        outcome?;
        if self.partial.len() > limits::LINE_BYTES {
            let family = self.families.family();
            let most = limits::LINE_BYTES;
            let text = format!("metric family {family:?}: a metric of more than {most} bytes");
            return Err(PageError::Text(text));
        }
        Ok(())
    }

    /// Gives the bytes that are done with. Stops before a metric that has to wait for room in the dictionary.
    fn whole_pieces(
        &mut self,
        families: &mut Families,
        bytes: &[u8],
        around: &mut Around<'_>,
    ) -> Result<usize, PageError> {
        let mut used = 0;
        let broken = |families: &Families, error: ParseError| {
            PageError::Text(format!("metric family {:?}: {error}", families.family()))
        };
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            let piece = families.piece(rest).map_err(|error| broken(families, error))?;
            let Some(piece) = piece else { break };
            if let Some(metric) = piece.metric() {
                if let Some(said) = families.description() {
                    self.family.of_messages(&said);
                }
                families
                    .metric(metric, around.histograms)
                    .map_err(|error| broken(families, error))?;
                self.samples(families, around)?;
                if self.must_wait {
                    break;
                }
            }
            families.pass(&piece);
            used += piece.used;
        }
        Ok(used)
    }

    /// The samples of the metric read last, from the first that is not done with.
    fn samples(
        &mut self,
        families: &mut Families,
        around: &mut Around<'_>,
    ) -> Result<(), PageError> {
        while let Some(series) = families.sample(self.done) {
            if let Err(error) = self.sample(&series, around) {
                return Err(match error {
                    PageError::Text(text) => {
                        let family = families.family();
                        PageError::Text(format!("metric family {family:?}: {text}"))
                    }
                    other => other,
                });
            }
            if self.must_wait {
                return Ok(());
            }
            self.done += 1;
        }
        self.done = 0;
        Ok(())
    }

    /// Takes in a native histogram, at a resolution that the job's limits allow.
    // spec: SCR-54, SCR-55
    pub(super) fn histogram(
        &mut self,
        series: SeriesRef,
        histogram: &NativeHistogram,
        timestamp: Option<i64>,
        new: bool,
        around: &mut Around<'_>,
    ) -> Result<(), PageError> {
        let (schema, buckets) =
            (schema_of_factor(around.job.min_bucket_factor), around.job.bucket_limit);
        let mut limited = None;
        if histogram.exceeds(schema, buckets) {
            let reduced = limited.insert(histogram.clone());
            match reduced.limit(schema, buckets) {
                Ok(()) => {}
                Err(HistogramError::BucketLimit) => {
                    self.over_buckets = true;
                    self.miss(series, Refusal::RolledBack, new, around);
                    return Ok(());
                }
                Err(error) => return Err(self.refuse(&error)),
            }
        }
        let histogram = limited.as_ref().unwrap_or(histogram);
        if let Err(error) = histogram.validate() {
            return Err(self.refuse(&error));
        }
        if !self.batch.push_histogram(series, histogram, timestamp) {
            self.refused.add(Refusal::HistogramTooLarge, 1);
        }
        Ok(())
    }

    fn refuse(&mut self, error: &HistogramError) -> PageError {
        self.refused.add(Refusal::RolledBack, 1);
        PageError::Text(error.to_string())
    }
}
