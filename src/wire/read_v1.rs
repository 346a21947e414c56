//! Remote write 1.0 as it comes: `prometheus.WriteRequest`, read in place.

use crate::base::limits;
use crate::model::{Description, MetricType};
use crate::wire::entry::{Exemplar, Sample, Series};
use crate::wire::fields::{Fields, WireError};
use crate::wire::read_histogram;

/// One field of a request.
#[derive(Debug)]
pub enum Item<'s, 'a> {
    Series(&'s Series<'a>),
    /// What a family says of itself.
    Family(Description<'a>),
}

/// Reads a request and hands over one thing after another; stops where `take` says so. An error says that the bytes are
/// no request; what came before it may have been handed over.
pub fn read<'a, E: From<WireError>>(
    body: &'a [u8],
    mut take: impl FnMut(Item<'_, 'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut series = Series::default();
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => {
                read_series(field.bytes()?, &mut series)?;
                take(Item::Series(&series))?;
            }
            3 => take(Item::Family(read_family(field.bytes()?)?))?,
            _ => {}
        }
    }
    Ok(())
}

fn read_series<'a>(body: &'a [u8], series: &mut Series<'a>) -> Result<(), WireError> {
    series.clear();
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => series.labels.push(read_label(field.bytes()?)?),
            2 => series.samples.push(read_sample(field.bytes()?)?),
            3 => series.exemplars.push(read_exemplar(field.bytes()?)?),
            4 => series.histograms.push(read_histogram::read(field.bytes()?)?),
            _ => {}
        }
        series.check()?;
    }
    Ok(())
}

fn read_label(body: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => name = field.bytes()?,
            2 => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// Both messages have it; the field with the start is of 2.0 only.
pub(super) fn read_sample(body: &[u8]) -> Result<Sample, WireError> {
    let mut sample = Sample { value: 0.0, time: 0, start: 0 };
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => sample.value = field.double()?,
            2 => sample.time = field.varint()? as i64,
            3 => sample.start = field.varint()? as i64,
            _ => {}
        }
    }
    Ok(sample)
}

fn read_exemplar(body: &[u8]) -> Result<Exemplar<'_>, WireError> {
    let mut exemplar = Exemplar { labels: Vec::new(), value: 0.0, time: 0 };
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field()? {
        match field.number {
            1 if exemplar.labels.len() >= limits::EXEMPLAR_CHARS => {
                return Err(WireError::TooMany("labels of an exemplar"));
            }
            1 => exemplar.labels.push(read_label(field.bytes()?)?),
            2 => exemplar.value = field.double()?,
            3 => exemplar.time = field.varint()? as i64,
            _ => {}
        }
    }
    Ok(exemplar)
}

/// Texts that are not UTF-8 say nothing.
fn read_family(body: &[u8]) -> Result<Description<'_>, WireError> {
    let mut said = Description::default();
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field()? {
        let text = || field.bytes().map(|text| core::str::from_utf8(text).unwrap_or(""));
        match field.number {
            1 => said.metric_type = metric_type(field.varint()?),
            2 => said.name = text()?,
            4 => said.help = text()?,
            5 => said.unit = text()?,
            _ => {}
        }
    }
    Ok(said)
}

/// A number that is not known says nothing.
pub(super) fn metric_type(code: u64) -> MetricType {
    u8::try_from(code).map_or(MetricType::Unknown, MetricType::from_code)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::model::HistogramError;
    use crate::wire::remote_v1 as v1;

    fn pair(name: &str, value: &str) -> v1::Label {
        v1::Label { name: name.to_owned(), value: value.to_owned() }
    }

    /// What is handed over, in words.
    fn told(body: &[u8]) -> Result<Vec<String>, WireError> {
        let mut told = Vec::new();
        read(body, |item| {
            told.push(match item {
                Item::Series(series) => format!("{series:?}"),
                Item::Family(said) => format!("{said:?}"),
            });
            Ok::<(), WireError>(())
        })?;
        Ok(told)
    }

    fn histogram() -> v1::Histogram {
        v1::Histogram {
            count: Some(v1::Count::Int(6)),
            sum: 1.5,
            schema: 1,
            zero_threshold: 0.001,
            zero_count: Some(v1::ZeroCount::Int(1)),
            positive_spans: vec![v1::BucketSpan { offset: 0, length: 2 }],
            positive_deltas: vec![2, 1],
            timestamp: 7,
            ..v1::Histogram::default()
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let sample = |value, timestamp| v1::Sample { value, timestamp };
        let exemplar =
            v1::Exemplar { labels: vec![pair("trace_id", "x")], value: 0.5, timestamp: 3 };
        let series = v1::TimeSeries {
            labels: vec![pair("__name__", "a"), pair("b", "c")],
            samples: vec![sample(1.5, 1), sample(-0.0, -2)],
            exemplars: vec![exemplar],
            histograms: vec![histogram()],
        };
        let family = v1::MetricMetadata {
            r#type: 1,
            metric_family_name: "a".to_owned(),
            help: "Help.".to_owned(),
            unit: "s".to_owned(),
        };
        let second = v1::TimeSeries { labels: vec![pair("x", "y")], ..Default::default() };
        let request = v1::WriteRequest { timeseries: vec![series, second], metadata: vec![family] };
        let mut seen = 0;
        let read = read(&request.encode_to_vec(), |item| {
            seen += 1;
            match item {
                Item::Series(series) if seen == 1 => {
                    assert_eq!(series.labels, [(&b"__name__"[..], &b"a"[..]), (b"b", b"c")]);
                    assert_eq!(series.samples.len(), 2);
                    assert_eq!(series.samples[0], Sample { value: 1.5, time: 1, start: 0 });
                    assert_eq!(series.samples[1].time, -2);
                    assert_eq!(series.exemplars[0].labels, [(&b"trace_id"[..], &b"x"[..])]);
                    let histogram = series.histograms[0].content.as_ref().expect("valid");
                    assert_eq!((histogram.buckets(), histogram.schema), (2, 1));
                    assert_eq!(series.histograms[0].time, 7);
                }
                Item::Series(series) => assert_eq!((series.labels.len(), series.len()), (1, 0)),
                Item::Family(said) => {
                    assert_eq!((said.name, said.help, said.unit), ("a", "Help.", "s"));
                    assert_eq!(said.metric_type, MetricType::Counter);
                }
            }
            Ok::<(), WireError>(())
        });
        assert_eq!((read, seen), (Ok(()), 3));
    }

    #[test]
    fn a_histogram_that_contradicts_itself_says_so_and_a_fine_one_is_reduced() {
        let read = |histogram: &v1::Histogram| {
            read_histogram::read(&histogram.encode_to_vec()).expect("a message").content
        };
        let wrong = v1::Histogram { count: Some(v1::Count::Int(7)), ..histogram() };
        assert_eq!(read(&wrong), Err(HistogramError::CountMismatch(6, 7)));
        let wrong = v1::Histogram { positive_deltas: vec![2, -3], ..histogram() };
        assert_eq!(read(&wrong), Err(HistogramError::NegativeCount));
        let wrong = v1::Histogram { positive_deltas: vec![2], ..histogram() };
        assert_eq!(read(&wrong), Err(HistogramError::SpanMismatch(2, 1)));
        let fine = v1::Histogram { schema: 10, ..histogram() };
        assert_eq!(read(&fine).map(|histogram| histogram.schema), Ok(8));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let _ = told(&bytes);
            let mut framed = vec![0x0a, bytes.len().min(127) as u8];
            framed.extend(bytes.iter().take(127));
            let _ = told(&framed);
            let mut framed = vec![0x22, bytes.len().min(100) as u8];
            framed.extend(bytes.iter().take(100));
            framed.splice(0..0, [0x0a, framed.len() as u8]);
            let _ = told(&framed);
        }
    }
}
