//! Lines of OpenMetrics 1.0 text, as far as Prometheus holds to it: one blank between tokens and nothing else.

use memchr::{memchr, memchr2, memrchr};

use crate::exposition::entry::{Entry, Exemplar, Series};
use crate::exposition::error::{ParseError, shown};
use crate::exposition::labels::{Dialect, Labelled, refuse, unescape};
use crate::exposition::number::{float_error, parse_float, seconds_to_ms};
use crate::exposition::scan::{Cursor, Quoted, is_name_start};
use crate::model::MetricType;

/// A TYPE line changes `last_type`.
#[inline]
pub(super) fn entry<'a>(
    line: &'a [u8],
    last_type: &mut MetricType,
) -> Result<Entry<'a>, ParseError> {
    match line.first() {
        Some(b'#') => metadata(line, last_type),
        Some(&first) if first == b'{' || is_name_start(first) => series(line),
        _ => Err(ParseError::Start(shown(line))),
    }
}

/// Without a `#` there is no exemplar, so that the last brace ends the labels; see the text format.
#[inline]
fn series(line: &[u8]) -> Result<Entry<'_>, ParseError> {
    let end = if memchr(b'#', line).is_none() {
        match memrchr(b'}', line) {
            Some(last) => Some(last + 1),
            None => memchr(b' ', line),
        }
    } else {
        series_end(line)
    };
    let Some((text, rest)) = end.and_then(|end| line.split_at_checked(end)) else {
        return refuse(ParseError::ValueMissing, line, Dialect::OpenMetrics);
    };
    let Some((token, rest)) = field(rest) else {
        return refuse(ParseError::ValueMissing, line, Dialect::OpenMetrics);
    };
    let Some(value) = parse_float(token) else {
        return refuse(float_error(token), line, Dialect::OpenMetrics);
    };
    if rest.is_empty() {
        return Ok(Entry::Series(Series {
            text,
            value,
            timestamp_ms: None,
            histogram: None,
            exemplar: None,
            start_ms: None,
        }));
    }
    match tail(rest) {
        Ok((timestamp_ms, exemplar)) => {
            let (histogram, start_ms) = (None, None);
            Ok(Entry::Series(Series { text, value, timestamp_ms, histogram, exemplar, start_ms }))
        }
        Err(error) => refuse(error, line, Dialect::OpenMetrics),
    }
}

type Tail<'a> = (Option<i64>, Option<Exemplar<'a>>);

/// What follows the value: a timestamp, an exemplar, or both.
fn tail(rest: &[u8]) -> Result<Tail<'_>, ParseError> {
    if is_exemplar(rest) {
        return Ok((None, exemplar(rest)?));
    }
    let (token, rest) = field(rest).ok_or_else(|| ParseError::Timestamp(String::new()))?;
    let seconds = parse_float(token).ok_or_else(|| float_error(token))?;
    let ms = seconds_to_ms(seconds).ok_or_else(|| ParseError::Timestamp(shown(token)))?;
    if rest.is_empty() {
        return Ok((Some(ms), None));
    }
    if !is_exemplar(rest) {
        return Err(ParseError::AfterTimestamp);
    }
    Ok((Some(ms), exemplar(rest)?))
}

/// The end of the labels where a `#`, and so maybe a second label set, follows or is inside: reads over quoted strings.
fn series_end(line: &[u8]) -> Option<usize> {
    let brace = memchr2(b' ', b'{', line)?;
    if line.get(brace) == Some(&b' ') {
        return Some(brace);
    }
    let mut at = brace;
    loop {
        at += memchr2(b'"', b'}', line.get(at..)?)?;
        if line.get(at) == Some(&b'}') {
            return Some(at + 1);
        }
        at += 1;
        loop {
            at += memchr2(b'"', b'\\', line.get(at..)?)?;
            let escape = line.get(at) == Some(&b'\\');
            at += 1 + usize::from(escape);
            if !escape {
                break;
            }
        }
    }
}

/// One blank and what follows it up to the next blank, which must not be nothing.
#[inline]
fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let body = bytes.strip_prefix(b" ")?;
    let until = body.iter().position(|&byte| byte == b' ').unwrap_or(body.len());
    if until == 0 { None } else { Some(body.split_at(until)) }
}

fn is_exemplar(rest: &[u8]) -> bool {
    rest.starts_with(b" # {")
}

/// From the blank before `#` to the end of the line.
fn exemplar(rest: &[u8]) -> Result<Option<Exemplar<'_>>, ParseError> {
    let body = rest.get(3..).unwrap_or_default();
    let mut labelled = Labelled::exemplar(body);
    let mut chars = 0usize;
    while let Some(part) = labelled.next_part()? {
        let value = std::str::from_utf8(part.value);
        let value = value.map_err(|_| ParseError::Utf8(shown(part.value)))?;
        let name_chars = String::from_utf8_lossy(part.name).chars().count();
        chars = chars.saturating_add(name_chars).saturating_add(value.chars().count());
    }
    let rest = labelled.rest();
    let text = body.get(..body.len().saturating_sub(rest.len())).unwrap_or_default();
    let (token, rest) = field(rest).ok_or(ParseError::ExemplarValue)?;
    let value = parse_float(token).ok_or_else(|| float_error(token))?;
    let timestamp_ms = if rest.is_empty() {
        None
    } else {
        let (token, rest) = field(rest).ok_or(ParseError::AfterExemplar)?;
        if !rest.is_empty() {
            return Err(ParseError::AfterExemplar);
        }
        let seconds = parse_float(token).ok_or_else(|| float_error(token))?;
        let wrong = || ParseError::ExemplarTimestamp(shown(token));
        Some(seconds_to_ms(seconds).ok_or_else(wrong)?)
    };
    Ok(Some(Exemplar { text, from_message: false, chars, value, timestamp_ms }))
}

fn metadata<'a>(line: &'a [u8], last_type: &mut MetricType) -> Result<Entry<'a>, ParseError> {
    let start = || ParseError::Start(shown(line));
    let body = line.strip_prefix(b"# ").ok_or_else(start)?;
    if let Some(rest) = body.strip_prefix(b"EOF") {
        return if rest.is_empty() { Ok(Entry::Eof) } else { Err(ParseError::AfterEof) };
    }
    if let Some(rest) = body.strip_prefix(b"HELP ") {
        let (name, text) = described(rest, "HELP")?;
        let help = std::str::from_utf8(text).map_err(|_| ParseError::HelpUtf8)?;
        return Ok(Entry::Help { name, help: unescape(help, true) });
    }
    if let Some(rest) = body.strip_prefix(b"TYPE ") {
        let (name, text) = described(rest, "TYPE")?;
        *last_type = metric_type(text)?;
        return Ok(Entry::Type { name, metric_type: *last_type });
    }
    let rest = body.strip_prefix(b"UNIT ").ok_or_else(start)?;
    let (name, unit) = described(rest, "UNIT")?;
    // spec: SCR-39
    let fits = name.strip_suffix(unit).is_some_and(|family| family.ends_with(b"_"));
    if unit.is_empty() || fits {
        Ok(Entry::Unit { name, unit })
    } else {
        Err(ParseError::Unit { unit: shown(unit), name: shown(name) })
    }
}

/// A name, one blank, and the rest of the line.
fn described<'a>(rest: &'a [u8], word: &'static str) -> Result<(&'a [u8], &'a [u8]), ParseError> {
    let mut cursor = Cursor::new(rest);
    let quoted = cursor.peek() == Some(b'"');
    let name = if quoted {
        cursor.quoted(Quoted::Name).map_err(|error| match error {
            ParseError::OpenQuote => error,
            _ => ParseError::MetadataName(word),
        })?
    } else {
        cursor.metric_name()
    };
    if name.is_empty() && !quoted {
        return Err(ParseError::MetadataName(word));
    }
    let text = cursor.rest().strip_prefix(b" ").ok_or(ParseError::MetadataText(word))?;
    Ok((name, text))
}

fn metric_type(text: &[u8]) -> Result<MetricType, ParseError> {
    Ok(match text {
        b"counter" => MetricType::Counter,
        b"gauge" => MetricType::Gauge,
        b"histogram" => MetricType::Histogram,
        b"gaugehistogram" => MetricType::GaugeHistogram,
        b"summary" => MetricType::Summary,
        b"info" => MetricType::Info,
        b"stateset" => MetricType::StateSet,
        b"unknown" => MetricType::Unknown,
        other => return Err(ParseError::TypeUnknown(shown(other))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{Format, Parser};
    use crate::model::LabelsBuilder;

    fn read(line: &[u8]) -> Result<Entry<'_>, ParseError> {
        entry(line, &mut MetricType::Unknown)
    }

    /// Both steps.
    fn whole(line: &str) -> Result<Entry<'_>, ParseError> {
        let entry = read(line.as_bytes())?;
        if let Entry::Series(series) = &entry {
            Parser::new(Format::OpenMetrics).labels(series.text, &mut LabelsBuilder::default())?;
        }
        Ok(entry)
    }

    fn series_of(line: &str) -> Series<'_> {
        match read(line.as_bytes()) {
            Ok(Entry::Series(series)) => series,
            other => panic!("{line:?} is {other:?}"),
        }
    }

    #[test]
    fn a_series_line_is_text_value_time_and_exemplar() {
        for (line, text, value, timestamp_ms) in [
            ("a 1", "a", 1.0, None),
            ("a 1 1.5", "a", 1.0, Some(1500)),
            ("a 1 -2", "a", 1.0, Some(-2000)),
            (r#"a{b="c"} 1"#, r#"a{b="c"}"#, 1.0, None),
            (r#"a{b="} # {"} 1"#, r#"a{b="} # {"}"#, 1.0, None),
            (r#"a{b="\"} 9 # "} 1 2"#, r#"a{b="\"} 9 # "}"#, 1.0, Some(2000)),
            (r#"{"a#b"} 3"#, r#"{"a#b"}"#, 3.0, None),
        ] {
            let series = series_of(line);
            assert_eq!(series.text, text.as_bytes(), "{line}");
            assert_eq!((series.value, series.timestamp_ms), (value, timestamp_ms), "{line}");
            assert_eq!(series.exemplar, None, "{line}");
        }
    }

    #[test]
    fn exemplars_follow_value_or_timestamp() {
        for (line, text, value, timestamp_ms) in [
            (r#"a_total 1 # {t="x"} 0.5"#, r#"{t="x"}"#, 0.5, None),
            (r#"a{b="c"} 1 2 # {t="x",} 0.5 1.25"#, r#"{t="x",}"#, 0.5, Some(1250)),
            ("a 1 # {} 1", "{}", 1.0, None),
            (r#"a 1 # {"t.x"="} 2"} 7"#, r#"{"t.x"="} 2"}"#, 7.0, None),
        ] {
            let exemplar = series_of(line).exemplar.expect(line);
            assert_eq!(exemplar.text, text.as_bytes(), "{line}");
            assert_eq!((exemplar.value, exemplar.timestamp_ms), (value, timestamp_ms), "{line}");
        }
        let long = format!("a 1 # {{t=\"{}\"}} 1", "ä".repeat(127));
        assert!(!series_of(&long).exemplar.expect("it is read").is_too_long());
        let long = format!("a 1 # {{t=\"{}\"}} 1", "ä".repeat(128));
        assert!(series_of(&long).exemplar.expect("it is read").is_too_long());
    }

    #[test]
    fn wrong_lines_are_refused() {
        let bad = [
            "",
            " a 1",
            "9",
            "a\t1",
            "a 1\t2",
            "a 1 2 ",
            "a 1 1 1",
            "a 1 1z",
            "a  1",
            "a 1  2",
            "a 1 ",
            "a ",
            "a",
            "a{b=\"c\"}1",
            "a 1\r",
            "a 1_2",
            "a 1 NaN",
            "a 1 Inf",
            "a 1 -Inf",
            "a 1 #",
            "a 1 # ",
            "a 1 #{} 1",
            "a 1# {} 1",
            "a 1 # {aa=bb} 1",
            "a 1 # {aa=\"bb\"}",
            "a 1 # {aa=\"bb\"} ",
            "a 1 # {bb} 1",
            "a 1 # {\"bb\"} 1",
            "a 1 # {aa=\"bb\",,c=\"d\"} 1",
            "a 1 # {} 1_2",
            "a 1 # {} true",
            "a 1 # {aa=\"bb\",cc=} 1",
            "a 1 # {} 1 NaN",
            "a 1 # {} 1 Inf",
            "a 1 # {} 1 ",
            "a 1 # {} 1 2 3",
            "a 1 # {} 1 2 ",
            "a 1 # {a=\"\n\"} 1",
            "a 1 # {a=\"",
            "a 1 # {\"a",
            "a 1 # {a=\"\0\"} 1",
            "a{b=\"",
            "#",
            "#\tTYPE a counter",
            "#  TYPE c counter",
            "# TYPE c  counter",
            "# TYPE c counter ",
            "# TYPE m",
            "# UNIT m",
            "# HELP m",
            "# TYPE ",
            "# TYPE a untyped",
            "# comment",
            "# UNIT metric suffix",
            "# UNIT metricsuffix suffix",
            "# UNIT suffix suffix",
            "# EOFa 1",
            "# EOF ",
            "# HELP \"a\0\" b",
        ];
        for line in bad {
            let got = whole(line);
            assert!(got.as_ref().is_err_and(|e| *e != ParseError::OpenQuote), "{line:?} {got:?}");
        }
    }

    #[test]
    fn only_a_quoted_name_asks_for_the_next_line() {
        for line in ["{\"a", "a{\"b", "{\"a } 1", "# HELP \"a", "{\"a # "] {
            assert_eq!(whole(line), Err(ParseError::OpenQuote), "{line:?}");
        }
        assert_eq!(read(b"a 1 # {a=\"\xff\"} 1"), Err(ParseError::Utf8("\u{fffd}".to_owned())));
        assert_eq!(read(b"# HELP a \xff"), Err(ParseError::HelpUtf8));
    }

    #[test]
    fn metadata_lines_are_read() {
        let line = r"# HELP a escape \ \n \\ \x chars";
        let help = "escape \\ \n \\ \\x chars".into();
        assert_eq!(read(line.as_bytes()), Ok(Entry::Help { name: b"a", help }));
        assert_eq!(read(b"# HELP a "), Ok(Entry::Help { name: b"a", help: "".into() }));
        let unit = Entry::Unit { name: b"a_s", unit: b"s" };
        assert_eq!(read(b"# UNIT a_s s"), Ok(unit));
        assert_eq!(read(b"# UNIT a "), Ok(Entry::Unit { name: b"a", unit: b"" }));
        let info = Entry::Type { name: b"a.b", metric_type: MetricType::Info };
        assert_eq!(read(b"# TYPE \"a.b\" info"), Ok(info));
        assert_eq!(read(b"# EOF"), Ok(Entry::Eof));
    }
}
