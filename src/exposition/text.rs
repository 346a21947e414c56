//! Lines of the Prometheus text format.

use memchr::{memchr2, memrchr};

use crate::exposition::entry::{Entry, Series};
use crate::exposition::error::{ParseError, shown};
use crate::exposition::labels::{Dialect, refuse, unescape};
use crate::exposition::number::{float_error, parse_float, parse_ms};
use crate::exposition::scan::{Cursor, Quoted, is_blank, is_name_byte, is_name_start, trim_start};
use crate::model::MetricType;

/// Leading blanks are trimmed: Prometheus makes them part of the name. A TYPE line changes `last_type`.
// spec: SCR-32
#[inline]
pub(super) fn entry<'a>(
    line: &'a [u8],
    last_type: &mut MetricType,
) -> Result<Entry<'a>, ParseError> {
    let line = trim_start(line);
    match line.first() {
        None => Ok(Entry::Blank),
        Some(b'#') => comment(line, last_type),
        Some(&first) if first == b'{' || is_name_start(first) => series(line),
        Some(_) => Err(ParseError::Start(shown(line))),
    }
}

/// A brace can stand neither in a value nor in a timestamp, so the last one ends the labels. Where that brace is inside
/// a quoted string, the line is wrong or does not end here, and `Parser::labels` will say so.
#[inline]
fn series(line: &[u8]) -> Result<Entry<'_>, ParseError> {
    let (text, rest) = match memrchr(b'}', line) {
        Some(last) => line.split_at(last + 1),
        None => bare_name(line),
    };
    let (token, rest) = split_at_blank(trim_start(rest));
    let Some(value) = parse_float(token) else {
        let missing = token.is_empty();
        let error = if missing { ParseError::ValueMissing } else { float_error(token) };
        return refuse(error, line, Dialect::Text);
    };
    let rest = trim_start(rest);
    let timestamp_ms = if rest.is_empty() {
        None
    } else {
        let (digits, rest) = split_at_blank(rest);
        let Some(ms) = parse_ms(digits) else {
            return refuse(ParseError::Timestamp(shown(digits)), line, Dialect::Text);
        };
        if !trim_start(rest).is_empty() {
            return refuse(ParseError::AfterTimestamp, line, Dialect::Text);
        }
        Some(ms)
    };
    let (histogram, exemplar, start_ms) = (None, None, None);
    Ok(Entry::Series(Series { text, value, timestamp_ms, histogram, exemplar, start_ms }))
}

/// Nothing need stand between a name and a value that cannot belong to it: `a+1` and `a.5` are samples of `a`.
#[inline]
fn bare_name(line: &[u8]) -> (&[u8], &[u8]) {
    let until = memchr2(b' ', b'\t', line).unwrap_or(line.len());
    let (name, rest) = line.split_at(until);
    // Without an early exit, so that it is done many bytes at once.
    if name.iter().fold(true, |all, &byte| all & is_name_byte(byte)) {
        return (name, rest);
    }
    let mut cursor = Cursor::new(line);
    let name = cursor.metric_name();
    (name, cursor.rest())
}

#[inline]
fn split_at_blank(bytes: &[u8]) -> (&[u8], &[u8]) {
    let until = bytes.iter().position(|&byte| is_blank(byte)).unwrap_or(bytes.len());
    bytes.split_at(until)
}

/// HELP and TYPE need blanks on both sides of the word; any other line that begins with `#` says nothing.
fn comment<'a>(line: &'a [u8], last_type: &mut MetricType) -> Result<Entry<'a>, ParseError> {
    let body = line.get(1..).unwrap_or_default();
    let word = trim_start(body);
    if word.len() == body.len() {
        return Ok(Entry::Comment);
    }
    let (word, rest) = word.split_at_checked(4).unwrap_or_default();
    if !rest.first().is_some_and(|&byte| is_blank(byte)) {
        return Ok(Entry::Comment);
    }
    let mut cursor = Cursor::new(trim_start(rest));
    match word {
        b"HELP" => {
            let name = family(&mut cursor, "HELP")?;
            let help = std::str::from_utf8(argument(&cursor)).map_err(|_| ParseError::HelpUtf8)?;
            Ok(Entry::Help { name, help: unescape(help, false) })
        }
        b"TYPE" => {
            let name = family(&mut cursor, "TYPE")?;
            let metric_type = match argument(&cursor) {
                b"counter" => MetricType::Counter,
                b"gauge" => MetricType::Gauge,
                b"histogram" => MetricType::Histogram,
                b"summary" => MetricType::Summary,
                b"untyped" => MetricType::Unknown,
                other => return Err(ParseError::TypeUnknown(shown(other))),
            };
            *last_type = metric_type;
            Ok(Entry::Type { name, metric_type })
        }
        _ => Ok(Entry::Comment),
    }
}

fn family<'a>(cursor: &mut Cursor<'a>, word: &'static str) -> Result<&'a [u8], ParseError> {
    if cursor.peek() == Some(b'"') {
        return cursor.quoted(Quoted::Name).map_err(|error| match error {
            ParseError::OpenQuote => error,
            _ => ParseError::MetadataName(word),
        });
    }
    let name = cursor.metric_name();
    if name.is_empty() { Err(ParseError::MetadataName(word)) } else { Ok(name) }
}

/// Whatever single byte follows the name divides it from the text; a text of blanks alone counts as none.
fn argument<'a>(cursor: &Cursor<'a>) -> &'a [u8] {
    if trim_start(cursor.rest()).is_empty() {
        return &[];
    }
    cursor.rest().get(1..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{Format, Parser};
    use crate::model::LabelsBuilder;

    fn parsed(line: &str) -> Result<(String, f64, Option<i64>), ParseError> {
        match read(line.as_bytes())? {
            Entry::Series(series) => {
                let text = String::from_utf8_lossy(series.text).into_owned();
                Ok((text, series.value, series.timestamp_ms))
            }
            other => panic!("{line:?} is {other:?}"),
        }
    }

    fn read(line: &[u8]) -> Result<Entry<'_>, ParseError> {
        entry(line, &mut MetricType::Unknown)
    }

    /// Both steps.
    fn whole(line: &str) -> Result<Entry<'_>, ParseError> {
        let entry = read(line.as_bytes())?;
        if let Entry::Series(series) = &entry {
            Parser::new(Format::Text).labels(series.text, &mut LabelsBuilder::default())?;
        }
        Ok(entry)
    }

    #[test]
    fn a_series_line_is_text_value_and_maybe_a_timestamp() {
        for (line, text, value, timestamp_ms) in [
            ("a 1", "a", 1.0, None),
            ("a\t\t1.5 \t 7 \t", "a", 1.5, Some(7)),
            (r#"a{b="c"} 1"#, r#"a{b="c"}"#, 1.0, None),
            (r#"a{b="c"}1 2"#, r#"a{b="c"}"#, 1.0, Some(2)),
            ("x { q = \"1\" } 8", "x { q = \"1\" }", 8.0, None),
            ("  a 1", "a", 1.0, None),
            ("a+1", "a", 1.0, None),
            ("a+1 5", "a", 1.0, Some(5)),
            ("a.5", "a", 0.5, None),
            (r#"a{b="} 2"} 1"#, r#"a{b="} 2"}"#, 1.0, None),
            (r#"{"a.b"} -Inf"#, r#"{"a.b"}"#, f64::NEG_INFINITY, None),
        ] {
            assert_eq!(parsed(line), Ok((text.to_owned(), value, timestamp_ms)), "{line}");
        }
    }

    #[test]
    fn wrong_series_lines_are_refused() {
        let bad = [
            "a",
            "a ",
            r#"a{b="c"}"#,
            r#"a{b="c"} "#,
            "a true",
            "foo 1_2",
            "foo 0x1p-3",
            "foo 0 1_2",
            "a 1 -1",
            "a 1 +1",
            "a 1 1.5",
            "a 1 2 3",
            "a 1 99999999999999999999",
            "a{b=\"c\" 1",
            "a{ 3",
            "a.b 1",
            "é 1",
            "1a 1",
            "a 1\r",
            "a\0 1",
            "a 1\0",
            "a 0 1\0",
            "\0",
            "a 1 # {} 1",
            "a 1}",
            "-1",
            "\u{feff}a 1",
            "{A}0 x",
        ];
        for line in bad {
            let got = whole(line);
            assert!(got.as_ref().is_err_and(|e| *e != ParseError::OpenQuote), "{line:?} {got:?}");
        }
    }

    #[test]
    fn a_quote_left_open_asks_for_the_next_line() {
        for line in [
            "a{b=\"",
            "x{p=\"one",
            "a{b=\"c\",d=\"} x",
            "{\"a",
            "# HELP \"a",
            "# TYPE \"a",
            "a{b=\"} 1",
        ] {
            assert_eq!(whole(line), Err(ParseError::OpenQuote), "{line}");
        }
        for line in ["a{b=\"\\", "# HELP \"a\0"] {
            assert_ne!(whole(line), Err(ParseError::OpenQuote), "{line}");
        }
    }

    #[test]
    fn comments_and_blank_lines_say_nothing() {
        for line in [
            "",
            " \t",
            "#",
            "#x",
            "# ",
            "# Hxyz",
            "#HELP a b",
            "# HELP",
            "# UNIT a b",
            "# EOF",
            "#\0",
        ] {
            let got = read(line.as_bytes());
            assert!(matches!(got, Ok(Entry::Blank | Entry::Comment)), "{line:?} {got:?}");
        }
    }

    #[test]
    fn help_keeps_its_blanks_and_type_has_none() {
        for (line, wanted) in [
            ("# HELP nohelp1", ""),
            ("# HELP nohelp2 ", ""),
            ("# HELP a   \t", ""),
            ("#\t HELP \t a   b ", "  b "),
            ("# HELP a x\\\\y\\n\\\"\\z", "x\\y\n\\\"\\z"),
            ("# HELP a \0", "\0"),
            ("# HELP \"a b\" c", "c"),
        ] {
            match read(line.as_bytes()) {
                Ok(Entry::Help { help, .. }) => assert_eq!(help, wanted, "{line:?}"),
                other => panic!("{line:?} is {other:?}"),
            }
        }
        for (line, wanted) in [
            ("# TYPE a counter", MetricType::Counter),
            ("# \tTYPE\t a\tsummary", MetricType::Summary),
            ("# TYPE \"a.b\" untyped", MetricType::Unknown),
        ] {
            match read(line.as_bytes()) {
                Ok(Entry::Type { metric_type, .. }) => assert_eq!(metric_type, wanted, "{line:?}"),
                other => panic!("{line:?} is {other:?}"),
            }
        }
        for line in
            ["# TYPE #", "# HELP #", "# TYPE ", "# TYPE a", "# TYPE a  counter", "# TYPE a gauge "]
        {
            assert!(read(line.as_bytes()).is_err(), "{line}");
        }
        assert_eq!(read(b"# HELP a \xff"), Err(ParseError::HelpUtf8));
    }
}
