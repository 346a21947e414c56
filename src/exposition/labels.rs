//! The grammar of label sets: `name{label="value"}`, with the name also inside the braces if quoted.

use std::borrow::Cow;

use crate::exposition::error::{ParseError, shown};
use crate::exposition::number::{canonical, parse_float};
use crate::exposition::scan::{Cursor, Quoted};
use crate::model::{LabelsBuilder, MetricType};

/// Who writes a label set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Blanks anywhere, commas optional, raw newlines in quotes.
    Text,
    /// No blanks, a comma between labels and one after the last.
    OpenMetrics,
    /// OpenMetrics without a metric name.
    Exemplar,
}

impl Dialect {
    fn name(self) -> Quoted {
        match self {
            Dialect::Text | Dialect::OpenMetrics => Quoted::Name,
            Dialect::Exemplar => Quoted::NameOnOneLine,
        }
    }

    fn value(self) -> Quoted {
        match self {
            Dialect::Text => Quoted::Value,
            Dialect::OpenMetrics => Quoted::ValueOnOneLine,
            Dialect::Exemplar => Quoted::ValueOfExemplar,
        }
    }
}

/// Name and value of one label, as written between the quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
}

const METRIC_NAME: &str = "__name__";

/// Reads a label set part by part.
#[derive(Debug)]
pub(super) struct Labelled<'a> {
    cursor: Cursor<'a>,
    dialect: Dialect,
    named: bool,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    Braces,
    End,
}

impl<'a> Labelled<'a> {
    /// A series text, or a line that begins with one.
    pub(super) fn series(text: &'a [u8], dialect: Dialect) -> Labelled<'a> {
        Labelled { cursor: Cursor::new(text), dialect, named: false, place: Place::Start }
    }

    /// What follows the ` # ` of an exemplar.
    pub(super) fn exemplar(text: &'a [u8]) -> Labelled<'a> {
        let (dialect, place) = (Dialect::Exemplar, Place::Start);
        Labelled { cursor: Cursor::new(text), dialect, named: true, place }
    }

    /// What stands behind the label set, once all parts are read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.cursor.rest()
    }

    /// The metric name comes as the label `__name__`.
    pub(super) fn next_part(&mut self) -> Result<Option<Part<'a>>, ParseError> {
        if self.place == Place::Start {
            let name = self.start();
            if !name.is_empty() {
                return Ok(Some(Part { name: METRIC_NAME.as_bytes(), value: name }));
            }
        }
        match self.place {
            Place::Braces => self.in_braces(),
            Place::Start | Place::End if self.named => Ok(None),
            Place::Start | Place::End => Err(ParseError::NameMissing),
        }
    }

    /// Reads up to and over the opening brace; gives the classic name before it.
    fn start(&mut self) -> &'a [u8] {
        let name = if self.named { &[] } else { self.cursor.metric_name() };
        self.named |= !name.is_empty();
        let before = self.cursor;
        self.skip_blanks();
        if self.cursor.skip(b'{') {
            self.place = Place::Braces;
        } else {
            self.cursor = before;
            self.place = Place::End;
        }
        name
    }

    fn in_braces(&mut self) -> Result<Option<Part<'a>>, ParseError> {
        self.skip_blanks();
        if self.cursor.skip(b'}') {
            self.place = Place::End;
            return self.next_part();
        }
        let quoted = self.cursor.peek() == Some(b'"');
        let name = if quoted {
            self.cursor.quoted(self.dialect.name())?
        } else {
            self.cursor.label_name()
        };
        if name.is_empty() && !quoted {
            return Err(ParseError::LabelName);
        }
        self.skip_blanks();
        if self.cursor.skip(b'=') {
            return self.value_of(name).map(Some);
        }
        let ends = matches!(self.cursor.peek(), Some(b',' | b'}'));
        if !quoted || !ends || self.dialect == Dialect::Exemplar {
            return Err(ParseError::Equal);
        }
        if self.named {
            return Err(ParseError::NameTwice);
        }
        self.named = true;
        self.cursor.skip(b',');
        Ok(Some(Part { name: METRIC_NAME.as_bytes(), value: name }))
    }

    fn value_of(&mut self, name: &'a [u8]) -> Result<Part<'a>, ParseError> {
        self.skip_blanks();
        let value = self.cursor.quoted(self.dialect.value())?;
        self.skip_blanks();
        let divided = self.cursor.skip(b',') || self.cursor.peek() == Some(b'}');
        // spec: conformance 2.1, a missing comma passes in the text format
        if !divided && self.dialect != Dialect::Text {
            return Err(ParseError::Comma);
        }
        Ok(Part { name, value })
    }

    fn skip_blanks(&mut self) {
        if self.dialect == Dialect::Text {
            self.cursor.skip_blanks();
        }
    }
}

/// What is wrong with a line whose second half makes no sense: `error`, unless its labels do not end where they seem
/// to.
#[cold]
pub(super) fn refuse<T>(error: ParseError, line: &[u8], dialect: Dialect) -> Result<T, ParseError> {
    let mut labelled = Labelled::series(line, dialect);
    while labelled.next_part()?.is_some() {}
    Err(error)
}

/// Replaces what `out` holds by the labels of a whole text. Names written with an empty value go to `empty` and not to
/// `out`.
pub(super) fn fill(
    mut labelled: Labelled<'_>,
    metric_type: MetricType,
    out: &mut LabelsBuilder,
    empty: &mut Vec<String>,
) -> Result<(), ParseError> {
    let mut gathering = Gathering::new(out, empty);
    while let Some(part) = labelled.next_part()? {
        let (name, value) = (utf8(part.name)?, utf8(part.value)?);
        let (name, value) = match labelled.dialect {
            Dialect::Text | Dialect::OpenMetrics => (unescape(name, true), unescape(value, true)),
            Dialect::Exemplar => (Cow::Borrowed(name), Cow::Borrowed(value)),
        };
        let value = normalise(metric_type, &name, value);
        gathering.add(&name, &value)?;
    }
    if !labelled.rest().is_empty() {
        return Err(ParseError::ValueMissing);
    }
    match labelled.dialect {
        Dialect::Exemplar => gathering.finish_nameless(),
        Dialect::Text | Dialect::OpenMetrics => gathering.finish(),
    }
}

/// Labels in the order written, on their way to a set.
#[derive(Debug)]
pub(super) struct Gathering<'a> {
    out: &'a mut LabelsBuilder,
    empty: &'a mut Vec<String>,
    doubled: Vec<String>,
}

impl<'a> Gathering<'a> {
    /// Replaces what `out` and `empty` hold.
    pub(super) fn new(out: &'a mut LabelsBuilder, empty: &'a mut Vec<String>) -> Gathering<'a> {
        out.clear();
        empty.clear();
        Gathering { out, empty, doubled: Vec::new() }
    }

    pub(super) fn add(&mut self, name: &str, value: &str) -> Result<(), ParseError> {
        if name.is_empty() {
            return Err(ParseError::Utf8(String::new()));
        }
        if value.is_empty() {
            self.empty.push(name.to_owned());
        } else if self.out.get(name).is_empty() {
            self.out.set(name, value);
        } else {
            self.doubled.push(name.to_owned());
        }
        Ok(())
    }

    pub(super) fn add_bytes(&mut self, name: &[u8], value: &[u8]) -> Result<(), ParseError> {
        self.add(utf8(name)?, utf8(value)?)
    }

    /// The set of a series is complete.
    pub(super) fn finish(self) -> Result<(), ParseError> {
        let out = self.finish_parts()?;
        if out.get(METRIC_NAME).is_empty() { Err(ParseError::NameMissing) } else { Ok(()) }
    }

    /// The set of an exemplar is complete.
    pub(super) fn finish_nameless(self) -> Result<(), ParseError> {
        self.finish_parts().map(drop)
    }

    /// An empty value takes every value of that name away, so such a name cannot be there twice.
    // spec: SCR-37, SCR-35
    fn finish_parts(mut self) -> Result<&'a mut LabelsBuilder, ParseError> {
        for name in self.empty.iter() {
            self.out.delete(name);
        }
        self.doubled.retain(|name| !self.empty.contains(name));
        match self.doubled.pop() {
            Some(name) => Err(ParseError::Duplicate(name)),
            None => Ok(self.out),
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, ParseError> {
    std::str::from_utf8(bytes).map_err(|_| ParseError::Utf8(shown(bytes)))
}

/// Decodes `\\`, `\n` and, if `quotes`, `\"`; any other pair stays as it is.
// spec: SCR-34
pub(super) fn unescape(text: &str, quotes: bool) -> Cow<'_, str> {
    let Some((head, mut rest)) = split_at_backslash(text) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len());
    out.push_str(head);
    loop {
        let mut chars = rest.chars();
        let decoded = match chars.next() {
            Some('\\') => Some('\\'),
            Some('n') => Some('\n'),
            Some('"') if quotes => Some('"'),
            _ => None,
        };
        out.push(decoded.unwrap_or('\\'));
        if decoded.is_some() {
            rest = chars.as_str();
        }
        match split_at_backslash(rest) {
            Some((head, tail)) => {
                out.push_str(head);
                rest = tail;
            }
            None => {
                out.push_str(rest);
                return Cow::Owned(out);
            }
        }
    }
}

/// What stands before and behind the first backslash.
fn split_at_backslash(text: &str) -> Option<(&str, &str)> {
    text.split_once('\\')
}

/// The last TYPE line decides, whatever family it names.
// spec: SCR-36
fn normalise<'a>(metric_type: MetricType, name: &str, value: Cow<'a, str>) -> Cow<'a, str> {
    let numeric = matches!(
        (metric_type, name),
        (MetricType::Histogram, "le") | (MetricType::Summary, "quantile")
    );
    if !numeric {
        return value;
    }
    parse_float(value.as_bytes()).map_or(value, |number| Cow::Owned(canonical(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, dialect: Dialect, metric_type: MetricType) -> Result<String, ParseError> {
        let mut out = LabelsBuilder::default();
        let labelled = Labelled::series(text.as_bytes(), dialect);
        fill(labelled, metric_type, &mut out, &mut Vec::new())?;
        Ok(out.iter().map(|(name, value)| format!("{name}={value};")).collect())
    }

    #[test]
    fn both_dialects_read_the_common_forms() {
        for dialect in [Dialect::Text, Dialect::OpenMetrics] {
            for (text, wanted) in [
                ("a", "__name__=a;"),
                ("a:b{}", "__name__=a:b;"),
                (r#"a{c="d",b="e"}"#, "__name__=a;b=e;c=d;"),
                (r#"a{b="c",}"#, "__name__=a;b=c;"),
                (r#"{"my.name"}"#, "__name__=my.name;"),
                (r#"{"x",}"#, "__name__=x;"),
                (r#"{"x","l.y"="z",b="c"}"#, "__name__=x;b=c;l.y=z;"),
                (r#"{a="1","z"}"#, "__name__=z;a=1;"),
                (r#"a{b="\"\\\n\t"}"#, "__name__=a;b=\"\\\n\\t;"),
                (r#"{"ä\"\n{"}"#, "__name__=ä\"\n{;"),
                (r#"a{b="",c="d"}"#, "__name__=a;c=d;"),
                (r#"a{b="} # {"}"#, "__name__=a;b=} # {;"),
                ("a{b=\"x\0y\"}", "__name__=a;b=x\0y;"),
                (r#"a{b="1",b=""}"#, "__name__=a;"),
            ] {
                let got = read(text, dialect, MetricType::Unknown);
                assert_eq!(got.as_deref(), Ok(wanted), "{text}");
            }
        }
    }

    #[test]
    fn the_text_format_is_generous_with_blanks_and_commas() {
        for (text, wanted) in [
            ("x \t{ q = \"1\" , a=\t\"b\" }", "__name__=x;a=b;q=1;"),
            (r#"a{b="c"d="e" "f"="g"}"#, "__name__=a;b=c;d=e;f=g;"),
            ("{ \"x\" }", "__name__=x;"),
            ("a{b=\"one\ntwo\"}", "__name__=a;b=one\ntwo;"),
        ] {
            let got = read(text, Dialect::Text, MetricType::Unknown);
            assert_eq!(got.as_deref(), Ok(wanted), "{text}");
            if !text.starts_with('{') {
                assert!(read(text, Dialect::OpenMetrics, MetricType::Unknown).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn malformed_sets_are_refused_by_both_dialects() {
        let rows = [
            ("", ParseError::NameMissing),
            ("{}", ParseError::NameMissing),
            ("{,}", ParseError::LabelName),
            (r#"{b="c"}"#, ParseError::NameMissing),
            (r#"{""}"#, ParseError::NameMissing),
            (r#"a{"b"}"#, ParseError::NameTwice),
            (r#"{"a","b"}"#, ParseError::NameTwice),
            ("{A}", ParseError::Equal),
            (r#"{"a" "b"="c"}"#, ParseError::Equal),
            (r#"a{b"c"}"#, ParseError::Equal),
            (r#"a{b:c="1"}"#, ParseError::Equal),
            (r#"a{1b="c"}"#, ParseError::LabelName),
            (r#"e{=""}"#, ParseError::LabelName),
            (r#"a{,b="c"}"#, ParseError::LabelName),
            (r#"a{b="c",,d="e"}"#, ParseError::LabelName),
            ("a{b='c'}", ParseError::LabelValue),
            ("a{b=c}", ParseError::LabelValue),
            ("a{b=}", ParseError::LabelValue),
            ("a{b=\0\"c\"}", ParseError::LabelValue),
            ("a{b\0=\"c\"}", ParseError::Equal),
            ("a\0{b=\"c\"}", ParseError::ValueMissing),
            ("a{", ParseError::LabelName),
            (r#"a{b="c"}{"#, ParseError::ValueMissing),
            (r#"a{b="1",b="1"}"#, ParseError::Duplicate("b".to_owned())),
            (r#"a{__name__="b"}"#, ParseError::Duplicate("__name__".to_owned())),
            (r#"{"a",""="x"}"#, ParseError::Utf8(String::new())),
            (r#"{"a"#, ParseError::OpenQuote),
        ];
        for dialect in [Dialect::Text, Dialect::OpenMetrics] {
            for (text, wanted) in &rows {
                let got = read(text, dialect, MetricType::Unknown);
                assert_eq!(got.as_ref(), Err(wanted), "{text:?} {dialect:?}");
            }
        }
        let mut out = LabelsBuilder::default();
        for text in [&b"a{b=\"\xff\"}"[..], b"{\"\xff\"}"] {
            let labelled = Labelled::series(text, Dialect::Text);
            let got = fill(labelled, MetricType::Unknown, &mut out, &mut Vec::new());
            assert!(matches!(got, Err(ParseError::Utf8(_))));
        }
    }

    #[test]
    fn bounds_are_normalised_under_the_type_they_belong_to() {
        let rows = [
            (r#"a{le="1"}"#, MetricType::Histogram, "__name__=a;le=1.0;"),
            (r#"a{le="1e6"}"#, MetricType::Histogram, "__name__=a;le=1e+06;"),
            (r#"a{le="inf"}"#, MetricType::Histogram, "__name__=a;le=+Inf;"),
            (r#"a{le="abc"}"#, MetricType::Histogram, "__name__=a;le=abc;"),
            (r#"a{le="1e999"}"#, MetricType::Histogram, "__name__=a;le=1e999;"),
            (r#"a{le="1"}"#, MetricType::GaugeHistogram, "__name__=a;le=1;"),
            (r#"a{le="1"}"#, MetricType::Unknown, "__name__=a;le=1;"),
            (r#"a{quantile="1"}"#, MetricType::Summary, "__name__=a;quantile=1.0;"),
            (r#"a{quantile="1"}"#, MetricType::Histogram, "__name__=a;quantile=1;"),
        ];
        for (text, metric_type, wanted) in rows {
            for dialect in [Dialect::Text, Dialect::OpenMetrics] {
                assert_eq!(read(text, dialect, metric_type).as_deref(), Ok(wanted));
            }
        }
    }

    #[test]
    fn unknown_escapes_stay() {
        for (text, quotes, wanted) in [
            (r"a\\n\n", true, "a\\n\n"),
            (r#"\"x\""#, true, r#""x""#),
            (r#"\"x\""#, false, r#"\"x\""#),
            (r"z\t\", true, r"z\t\"),
            (r"\ä\\\\", true, r"\ä\\"),
        ] {
            assert_eq!(unescape(text, quotes), wanted);
        }
    }
}
