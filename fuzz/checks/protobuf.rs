//! Any bytes as a protobuf page: no panic, the same samples however the page is cut, and labels that keep the promises.

use corelane::exposition::{Families, Format, ParseError, Parser};
use corelane::model::{HistogramRules, LabelsBuilder, pack_histogram, schema_of_factor};

pub fn check(body: &[u8]) {
    for rules in 0..8u8 {
        let rules = HistogramRules {
            native: rules & 1 != 0,
            classic: rules & 2 != 0,
            convert: rules & 4 != 0,
        };
        let whole = read_page(body, body.len().max(1), rules);
        let part = usize::from(body.first().copied().unwrap_or(1)).max(1);
        let parts = read_page(body, part, rules);
        assert_eq!(whole.is_ok(), parts.is_ok());
        assert!(whole.is_err() || whole == parts);
    }
}

/// Samples by their series texts, the value in bits.
type Samples = Vec<(Vec<u8>, u64, Option<i64>)>;

fn read_page(body: &[u8], part: usize, rules: HistogramRules) -> Result<Samples, ParseError> {
    let (mut families, mut samples, mut rest) = (Families::default(), Vec::new(), Vec::new());
    families.reset();
    let (parser, mut labels) = (Parser::new(Format::Protobuf), LabelsBuilder::default());
    for part in body.chunks(part) {
        rest.extend_from_slice(part);
        let mut used = 0;
        while let Some(piece) = families.piece(&rest[used..])? {
            if let Some(metric) = piece.metric() {
                for number in 0..families.metric(metric, rules)? {
                    let series = families.sample(number).expect("within the metric");
                    parser.labels(series.text, &mut labels)?;
                    assert!(!labels.get("__name__").is_empty());
                    assert!(
                        labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty())
                    );
                    if let Some(histogram) = series.histogram {
                        let mut reduced = histogram.clone();
                        if reduced.limit(schema_of_factor(1.5), 5).is_ok() {
                            assert!(reduced.buckets() <= 5);
                        }
                        let _ = reduced.validate();
                        pack_histogram(&reduced, &mut Vec::new());
                    }
                    samples.push((
                        series.text.to_vec(),
                        series.value.to_bits(),
                        series.timestamp_ms,
                    ));
                }
            }
            families.pass(&piece);
            used += piece.used;
        }
        rest.drain(..used);
    }
    families.finish(&rest).map(|()| samples)
}
