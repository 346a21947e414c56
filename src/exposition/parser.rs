//! A page of lines, from the first to the end; and labels of all formats.

use crate::exposition::entry::{Entry, Format, Series};
use crate::exposition::error::ParseError;
use crate::exposition::families;
use crate::exposition::labels::{Dialect, Labelled, fill};
use crate::exposition::number::parse_float;
use crate::exposition::{openmetrics, text};
use crate::model::{LabelsBuilder, MetricType};

/// What must be remembered between the lines of one page. A new page takes a new parser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parser {
    format: Format,
    /// Of the last TYPE line.
    metric_type: MetricType,
    /// `# EOF` was read.
    ended: bool,
}

impl Parser {
    pub fn new(format: Format) -> Parser {
        Parser { format, metric_type: MetricType::Unknown, ended: false }
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// One line without its newline. The empty rest behind the last newline of a page is not a line. A protobuf page
    /// has none.
    #[inline]
    pub fn line<'a>(&mut self, line: &'a [u8]) -> Result<Entry<'a>, ParseError> {
        match self.format {
            Format::Text => text::entry(line, &mut self.metric_type),
            Format::Protobuf => Err(ParseError::Protobuf("it has no lines")),
            Format::OpenMetrics if self.ended => Err(ParseError::AfterEof),
            Format::OpenMetrics => {
                self.ended = line == b"# EOF";
                openmetrics::entry(line, &mut self.metric_type)
            }
        }
    }

    /// The sample of a line that begins with a series text met before, if after it there is one blank and a value and no
    /// more: what [`Parser::line`] would make of it. `None` for any other.
    #[inline]
    pub fn known<'a>(&self, text: &'a [u8], rest: &[u8]) -> Option<Series<'a>> {
        let value = parse_float(rest.strip_prefix(b" ")?)?;
        let (histogram, exemplar) = (None, None);
        let sample =
            Series { text, value, timestamp_ms: None, histogram, exemplar, start_ms: None };
        (!self.ended).then_some(sample)
    }

    /// After the last line, whether or not that ended in a newline. OpenMetrics demands `# EOF`.
    pub fn finish(&mut self) -> Result<(), ParseError> {
        match self.format {
            Format::OpenMetrics if !self.ended => Err(ParseError::NoEof),
            Format::Text | Format::OpenMetrics | Format::Protobuf => Ok(()),
        }
    }

    /// Checks [`crate::exposition::Series::text`] and replaces what `out` holds by its labels, the name as `__name__`.
    ///
    /// Escapes are decoded, labels with an empty value are left out, and `le` or `quantile` is normalised if the last
    /// TYPE line said histogram or summary, so this must be called before the next line is read.
    pub fn labels(&self, series: &[u8], out: &mut LabelsBuilder) -> Result<(), ParseError> {
        self.labels_and_empty(series, out, &mut Vec::new())
    }

    /// The same, and replaces what `empty` holds by the names written with an empty value: with `honor_labels` such a
    /// name removes the target's label.
    // spec: SCR-46
    pub fn labels_and_empty(
        &self,
        series: &[u8],
        out: &mut LabelsBuilder,
        empty: &mut Vec<String>,
    ) -> Result<(), ParseError> {
        let dialect = match self.format {
            Format::Text => Dialect::Text,
            Format::OpenMetrics => Dialect::OpenMetrics,
            Format::Protobuf => return families::labels_of(series, out, empty),
        };
        fill(Labelled::series(series, dialect), self.metric_type, out, empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(format: Format, lines: &[&str]) -> Result<(), ParseError> {
        let mut parser = Parser::new(format);
        for line in lines {
            parser.line(line.as_bytes())?;
        }
        parser.finish()
    }

    #[test]
    fn openmetrics_ends_with_eof_and_text_ends_anywhere() {
        assert_eq!(page(Format::Text, &[]), Ok(()));
        assert_eq!(page(Format::Text, &["a 1", "# EOF", "b 2"]), Ok(()));
        assert_eq!(page(Format::OpenMetrics, &["# EOF"]), Ok(()));
        assert_eq!(page(Format::OpenMetrics, &["a 1"]), Err(ParseError::NoEof));
        assert_eq!(page(Format::OpenMetrics, &[]), Err(ParseError::NoEof));
        assert_eq!(page(Format::OpenMetrics, &["# EOF", ""]), Err(ParseError::AfterEof));
        assert_eq!(page(Format::OpenMetrics, &["# EOF", "a 1"]), Err(ParseError::AfterEof));
    }

    #[test]
    fn what_is_known_of_a_line_is_what_the_line_says() {
        let texts = ["a", "a_b:c", "a{}", r#"a{b="c"}"#, r#"{"a b"}"#, r##"a{b="} 1 # {}"}"##];
        let rests = [
            " 1",
            " -2.5e3",
            " NaN",
            " +Inf",
            "  1",
            " 1 ",
            " 1 2",
            "1",
            "",
            " ",
            " x",
            " }",
            " 1}",
            r#" {b="c"} 1"#,
            r#"{b="c"} 1"#,
            " 1 # {} 1",
            "\t1",
            " 1\r",
            " 1\t",
        ];
        for format in [Format::Text, Format::OpenMetrics] {
            let mut found = 0;
            for (text, rest) in texts.iter().flat_map(|text| rests.map(|rest| (text, rest))) {
                let line = format!("{text}{rest}");
                if let Some(series) = Parser::new(format).known(text.as_bytes(), rest.as_bytes()) {
                    let said = Parser::new(format).line(line.as_bytes());
                    let Ok(Entry::Series(said)) = said else { panic!("{line:?} is {said:?}") };
                    assert_eq!(
                        (said.text, said.value.to_bits()),
                        (series.text, series.value.to_bits())
                    );
                    assert_eq!((said.timestamp_ms, said.exemplar), (None, None));
                    found += 1;
                }
            }
            assert_eq!(found, texts.len() * 4, "{format:?}");
        }
        let mut parser = Parser::new(Format::OpenMetrics);
        assert_eq!(parser.line(b"# EOF"), Ok(Entry::Eof));
        assert_eq!(parser.known(b"a", b" 1"), None);
    }

    #[test]
    fn the_last_type_line_rules_whatever_family_it_names() {
        let mut parser = Parser::new(Format::Text);
        let mut out = LabelsBuilder::default();
        let mut le_of = |parser: &Parser| {
            parser.labels(br#"a_bucket{le="1"}"#, &mut out).expect("well formed");
            out.get("le").to_owned()
        };
        assert_eq!(le_of(&parser), "1");
        parser.line(b"# TYPE other histogram").expect("well formed");
        assert_eq!(le_of(&parser), "1.0");
        parser.line(b"# TYPE other gauge").expect("well formed");
        assert_eq!(le_of(&parser), "1");
    }

    #[test]
    fn names_with_an_empty_value_are_told_apart() {
        let parser = Parser::new(Format::Text);
        let (mut out, mut empty) = (LabelsBuilder::default(), vec!["old".to_owned()]);
        parser.labels_and_empty(br#"a{b="",c="d"}"#, &mut out, &mut empty).expect("well formed");
        assert_eq!(empty, ["b"]);
        assert_eq!(out.iter().collect::<Vec<_>>(), [("__name__", "a"), ("c", "d")]);
    }
}
