//! Classic histograms of a page of lines become native ones with custom buckets, where the configuration asks for it.
//!
//! Lines that follow one another belong to one histogram if their names are the family's of the last TYPE line with
//! `_bucket`, `_count` or `_sum`, and their labels are equal but for `le`. Each such line takes the way of a new line,
//! so such jobs cost more.

use crate::exposition::{Entry as Item, Parser, Series, plain_text};
use crate::model::{Classic, LabelsBuilder, MetricType, Refusal};
use crate::scrape::page::{Around, Page, PageError};

/// The histogram whose lines are being read. Buffers are reused.
#[derive(Debug, Default)]
pub(super) struct Converter {
    /// Named by the last TYPE line, if that said histogram; else empty.
    family: Vec<u8>,
    labels: LabelsBuilder,
    collecting: bool,
    /// Series text of the histogram being collected.
    text: Vec<u8>,
    /// The same of the present line.
    next: Vec<u8>,
    timestamp_ms: Option<i64>,
    classic: Classic,
}

/// What a line of a histogram says.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// Of the bucket with this upper bound.
    Bucket(f64),
    Count,
    Sum,
}

impl Converter {
    pub(super) fn reset(&mut self) {
        self.family.clear();
        self.collecting = false;
    }

    /// What the line says of a histogram; also makes its series text. `None` if it is no line of one.
    fn part(&mut self, parser: &Parser, series: &Series<'_>) -> Option<Part> {
        if self.family.is_empty() {
            return None;
        }
        // What is wrong with it is found out again where it matters.
        parser.labels(series.text, &mut self.labels).ok()?;
        let name = self.labels.get("__name__");
        let suffix = name.as_bytes().strip_prefix(self.family.as_slice())?;
        let part = match suffix {
            b"_bucket" => Part::Bucket(self.labels.get("le").parse().ok()?),
            b"_count" => Part::Count,
            b"_sum" => Part::Sum,
            _ => return None,
        };
        if matches!(part, Part::Bucket(bound) if bound.is_nan()) {
            return None;
        }
        let base = name.get(..self.family.len())?;
        let labels = self.labels.iter().filter(|(name, _)| !matches!(*name, "__name__" | "le"));
        self.next.clear();
        plain_text(base, labels, &mut self.next);
        Some(part)
    }

    fn add(&mut self, part: Part, series: &Series<'_>) {
        if !self.collecting {
            self.collecting = true;
            self.classic.clear();
            self.text.clone_from(&self.next);
        }
        self.timestamp_ms = series.timestamp_ms;
        match part {
            Part::Bucket(bound) => self.classic.bucket(bound, series.value),
            Part::Count => self.classic.count(series.value),
            Part::Sum => self.classic.sum(series.value),
        }
    }
}

impl Page {
    /// One line of a page whose histograms are converted.
    // spec: SCR-74
    pub(super) fn converted(
        &mut self,
        item: &Item<'_>,
        around: &mut Around<'_>,
    ) -> Result<(), PageError> {
        let mut converter = core::mem::take(&mut self.converter);
        let outcome = self.convert(&mut converter, item, around);
        self.converter = converter;
        outcome
    }

    fn convert(
        &mut self,
        converter: &mut Converter,
        item: &Item<'_>,
        around: &mut Around<'_>,
    ) -> Result<(), PageError> {
        let part = match item {
            Item::Series(series) => converter.part(&self.parser, series),
            // Nothing may wait behind the end: what is collected comes with it.
            Item::Blank | Item::Eof => return Ok(()),
            Item::Type { .. } | Item::Help { .. } | Item::Unit { .. } | Item::Comment => {
                self.joins = 0;
                None
            }
        };
        if converter.collecting && (part.is_none() || converter.next != converter.text) {
            self.finish_histogram(converter, around)?;
            if self.must_wait {
                return Ok(());
            }
        }
        match (item, part) {
            (Item::Series(series), Some(part)) => {
                converter.add(part, series);
                self.joins = 0;
                if around.histograms.classic { self.sample(series, around) } else { Ok(()) }
            }
            (Item::Series(series), None) => self.sample(series, around),
            (Item::Type { name, metric_type }, _) => {
                let histogram = *metric_type == MetricType::Histogram;
                converter.family.clear();
                converter.family.extend_from_slice(if histogram { name } else { &[] });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The histogram that is being collected has no more lines.
    fn finish_histogram(
        &mut self,
        converter: &mut Converter,
        around: &mut Around<'_>,
    ) -> Result<(), PageError> {
        let converted = converter.classic.convert();
        match converted.and_then(|histogram| histogram.validate().map(|()| histogram)) {
            Ok(histogram) => {
                let series = Series {
                    text: &converter.text,
                    value: 0.0,
                    timestamp_ms: converter.timestamp_ms,
                    histogram: Some(&histogram),
                    exemplar: None,
                    start_ms: None,
                };
                self.sample(&series, around)?;
            }
            Err(_) => {
                self.scraped += 1;
                self.refused.add(Refusal::NotConvertible, 1);
            }
        }
        converter.collecting = self.must_wait;
        Ok(())
    }

    /// The page has no more lines.
    pub(super) fn finish_conversion(&mut self, around: &mut Around<'_>) -> Result<(), PageError> {
        let mut converter = core::mem::take(&mut self.converter);
        let outcome = match converter.collecting {
            true => self.finish_histogram(&mut converter, around),
            false => Ok(()),
        };
        self.converter = converter;
        outcome
    }
}
