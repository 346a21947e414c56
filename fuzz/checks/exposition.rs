//! Any bytes as a page, in both formats: no panic, and what is accepted keeps its promises.

use corelane::exposition::{Entry, Format, ParseError, Parser};
use corelane::model::LabelsBuilder;

pub fn check(body: &[u8]) {
    for format in [Format::Text, Format::OpenMetrics] {
        read_page(format, body);
    }
}

/// Splits a page into lines as a scrape does, joining those that a quoted string spans.
fn read_page(format: Format, body: &[u8]) {
    let (mut parser, mut labels) = (Parser::new(format), LabelsBuilder::default());
    let (mut start, mut end) = (0, 0);
    while start < body.len() {
        end += body[end..].iter().position(|&byte| byte == b'\n').unwrap_or(body.len() - end);
        match read_line(&mut parser, &body[start..end], &mut labels) {
            Err(ParseError::OpenQuote) if end + 1 < body.len() => end += 1,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return;
            }
            Ok(()) => {
                end = (end + 1).min(body.len());
                start = end;
            }
        }
    }
    let _ = parser.finish();
}

fn read_line(
    parser: &mut Parser,
    line: &[u8],
    labels: &mut LabelsBuilder,
) -> Result<(), ParseError> {
    if let Entry::Series(series) = parser.line(line)? {
        parser.labels(series.text, labels)?;
        assert!(!labels.get("__name__").is_empty());
        assert!(labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
        if let Some(exemplar) = series.exemplar {
            let _ = exemplar.labels(labels);
        }
    }
    Ok(())
}
