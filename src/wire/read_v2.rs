//! Remote write 2.0 as it comes: `io.prometheus.write.v2.Request`, read in place.

use crate::base::limits;
use crate::model::Description;
use crate::wire::entry::{Exemplar, Fault, Series};
use crate::wire::fields::{Fields, WireError};
use crate::wire::read_histogram;
use crate::wire::read_v1::{metric_type, read_sample};

/// Why a request cannot be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    Bytes(WireError),
    /// More than [`limits::PUSH_SYMBOLS`].
    TooManySymbols,
}

impl From<WireError> for RequestError {
    fn from(error: WireError) -> RequestError {
        RequestError::Bytes(error)
    }
}

/// Reads a request and hands over one series after another; stops where `take` says so. What is wrong with one series
/// is its `fault`; an error says that the bytes are no request, and what came before it may have been handed over.
pub fn read<'a, E: From<RequestError>>(
    body: &'a [u8],
    mut take: impl FnMut(&Series<'a>) -> Result<(), E>,
) -> Result<(), E> {
    // Nothing says that symbols come first.
    let symbols = read_symbols(body)?;
    let (mut series, mut refs) = (Series::default(), Vec::new());
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field().map_err(RequestError::Bytes)? {
        if field.number == 5 {
            let body = field.bytes().map_err(RequestError::Bytes)?;
            read_series(body, &symbols, &mut refs, &mut series).map_err(RequestError::Bytes)?;
            take(&series)?;
        }
    }
    Ok(())
}

fn read_symbols(body: &[u8]) -> Result<Vec<&[u8]>, RequestError> {
    let mut symbols = Vec::new();
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field()? {
        if field.number == 4 {
            if symbols.len() >= limits::PUSH_SYMBOLS {
                return Err(RequestError::TooManySymbols);
            }
            symbols.push(field.bytes()?);
        }
    }
    Ok(symbols)
}

fn read_series<'a>(
    body: &'a [u8],
    symbols: &[&'a [u8]],
    refs: &mut Vec<u64>,
    series: &mut Series<'a>,
) -> Result<(), WireError> {
    series.clear();
    refs.clear();
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => field.varints(|number| {
                if refs.len() <= 2 * limits::PUSH_LABELS {
                    refs.push(number);
                }
            })?,
            2 => series.samples.push(read_sample(field.bytes()?)?),
            3 => series.histograms.push(read_histogram::read(field.bytes()?)?),
            4 => {
                let (exemplar, fault) = read_exemplar(field.bytes()?, symbols)?;
                // An exemplar that cannot be understood is no reason against its sample.
                series.exemplars.extend(fault.is_none().then_some(exemplar));
            }
            5 => match read_about(field.bytes()?, symbols)? {
                Ok(about) => series.about = Some(about),
                Err(fault) => series.fault = Some(fault),
            },
            _ => {}
        }
        if refs.len() > 2 * limits::PUSH_LABELS {
            return Err(WireError::TooMany("labels"));
        }
        series.check()?;
    }
    if let Err(fault) = resolve(refs, symbols, &mut series.labels) {
        series.fault = Some(fault);
    }
    Ok(())
}

/// Names and values from their numbers.
fn resolve<'a>(
    refs: &[u64],
    symbols: &[&'a [u8]],
    labels: &mut Vec<(&'a [u8], &'a [u8])>,
) -> Result<(), Fault> {
    let (pairs, rest) = refs.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Fault::OddReferences(refs.len()));
    }
    for [name, value] in pairs {
        labels.push((symbol(symbols, *name)?, symbol(symbols, *value)?));
    }
    Ok(())
}

fn symbol<'a>(symbols: &[&'a [u8]], number: u64) -> Result<&'a [u8], Fault> {
    let found = usize::try_from(number).ok().and_then(|at| symbols.get(at));
    found.copied().ok_or(Fault::Symbol(u32::try_from(number).unwrap_or(u32::MAX)))
}

fn read_exemplar<'a>(
    body: &'a [u8],
    symbols: &[&'a [u8]],
) -> Result<(Exemplar<'a>, Option<Fault>), WireError> {
    let mut exemplar = Exemplar { labels: Vec::new(), value: 0.0, time: 0 };
    let mut refs = Vec::new();
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => field.varints(|number| {
                if refs.len() <= 2 * limits::EXEMPLAR_CHARS {
                    refs.push(number);
                }
            })?,
            2 => exemplar.value = field.double()?,
            3 => exemplar.time = field.varint()? as i64,
            _ => {}
        }
        if refs.len() > 2 * limits::EXEMPLAR_CHARS {
            return Err(WireError::TooMany("labels of an exemplar"));
        }
    }
    let fault = resolve(&refs, symbols, &mut exemplar.labels).err();
    Ok((exemplar, fault))
}

fn read_about<'a>(
    body: &'a [u8],
    symbols: &[&'a [u8]],
) -> Result<Result<Description<'a>, Fault>, WireError> {
    let (mut code, mut help, mut unit) = (0, 0, 0);
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => code = field.varint()?,
            3 => help = field.varint()?,
            4 => unit = field.varint()?,
            _ => {}
        }
    }
    // Number 0 is the empty text, even where there are no symbols at all.
    let text = |number: u64| match number {
        0 => Ok(""),
        number => symbol(symbols, number).map(|text| core::str::from_utf8(text).unwrap_or("")),
    };
    Ok(text(help).and_then(|help| {
        let unit = text(unit)?;
        Ok(Description { name: "", metric_type: metric_type(code), unit, help })
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::model::MetricType;
    use crate::wire::entry::Sample;
    use crate::wire::remote_v2 as v2;

    fn request(timeseries: Vec<v2::TimeSeries>) -> Vec<u8> {
        let symbols = ["", "__name__", "a", "b", "c", "Help.", "s"].map(str::to_owned).to_vec();
        v2::Request { symbols, timeseries }.encode_to_vec()
    }

    fn series(labels_refs: Vec<u32>) -> v2::TimeSeries {
        let samples = vec![v2::Sample { value: 1.5, timestamp: 9, start_timestamp: 4 }];
        v2::TimeSeries { labels_refs, samples, ..v2::TimeSeries::default() }
    }

    #[test]
    fn a_request_is_read_with_its_texts() {
        let metadata = v2::Metadata { r#type: 1, help_ref: 5, unit_ref: 6 };
        let exemplar = v2::Exemplar { labels_refs: vec![3, 4], value: 0.5, timestamp: 3 };
        let whole = v2::TimeSeries {
            metadata: Some(metadata),
            exemplars: vec![exemplar],
            ..series(vec![1, 2, 3, 4])
        };
        let mut seen = 0;
        let outcome = read(&request(vec![whole]), |series| {
            seen += 1;
            assert_eq!(series.labels, [(&b"__name__"[..], &b"a"[..]), (b"b", b"c")]);
            assert_eq!(series.samples, [Sample { value: 1.5, time: 9, start: 4 }]);
            assert_eq!(series.exemplars[0].labels, [(&b"b"[..], &b"c"[..])]);
            let about = series.about.expect("there");
            assert_eq!((about.help, about.unit), ("Help.", "s"));
            assert_eq!((about.metric_type, series.fault), (MetricType::Counter, None));
            Ok::<(), RequestError>(())
        });
        assert_eq!((outcome, seen), (Ok(()), 1));
    }

    // spec: conformance 3.5
    #[test]
    fn what_is_wrong_with_one_series_is_its_own() {
        let metadata = v2::Metadata { r#type: 1, help_ref: 50, unit_ref: 6 };
        let about = v2::TimeSeries { metadata: Some(metadata), ..series(vec![1, 2]) };
        let bytes = request(vec![series(vec![1]), series(vec![1, 2]), series(vec![1, 77]), about]);
        let mut faults = Vec::new();
        let outcome = read(&bytes, |series| {
            faults.push(series.fault);
            Ok::<(), RequestError>(())
        });
        assert_eq!(outcome, Ok(()));
        let wanted =
            [Some(Fault::OddReferences(1)), None, Some(Fault::Symbol(77)), Some(Fault::Symbol(50))];
        assert_eq!(faults, wanted);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>, refs: Vec<u32>) {
            let _ = read(&bytes, |_| Ok::<(), RequestError>(()));
            let _ = read(&request(vec![series(refs)]), |_| Ok::<(), RequestError>(()));
            let mut framed = vec![0x2a, bytes.len().min(127) as u8];
            framed.extend(bytes.iter().take(127));
            let _ = read(&framed, |_| Ok::<(), RequestError>(()));
        }
    }
}
