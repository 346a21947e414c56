//! Why a page is refused.

use std::fmt;

use crate::model::HistogramError;

/// The rule that a line breaks. Any one of them refuses the whole page. Texts taken from the line are cut short and
/// escaped; the caller knows the line's number.
#[derive(Clone, Debug, PartialEq)]
pub enum ParseError {
    /// Something follows `# EOF`.
    AfterEof,
    /// Something other than the end or an exemplar follows the timestamp.
    AfterTimestamp,
    /// Something other than the end follows an exemplar.
    AfterExemplar,
    /// Labels that are neither divided by a comma nor ended by a brace.
    Comma,
    /// The same label name twice in one set.
    Duplicate(String),
    /// A label name without `=`.
    Equal,
    ExemplarTimestamp(String),
    ExemplarValue,
    HelpUtf8,
    /// A native histogram that contradicts itself, or a classic one that cannot be made into one.
    Histogram(HistogramError),
    LabelName,
    LabelValue,
    /// Only the name of the metadata word is kept: `HELP`, `TYPE` or `UNIT`.
    MetadataName(&'static str),
    MetadataText(&'static str),
    /// A label set without a metric name, or with an empty one.
    NameMissing,
    NameTwice,
    NoEof,
    /// A quoted string does not end on this line: join the next one, or give up where there is none.
    OpenQuote,
    /// What is wrong with the bytes of a protobuf page.
    Protobuf(&'static str),
    Start(String),
    Timestamp(String),
    TypeUnknown(String),
    Unit {
        unit: String,
        name: String,
    },
    /// A name or value that is not UTF-8, or an empty label name.
    Utf8(String),
    ValueMissing,
    ValueRange(String),
    ValueSyntax(String),
    /// Hexadecimal floats and digits grouped by `_`.
    ValueUnsupported(String),
}

/// Bytes of a line that an error repeats.
const SHOWN_BYTES: usize = 64;

/// The beginning of `bytes`, fit for a log line.
pub(super) fn shown(bytes: &[u8]) -> String {
    let head = bytes.get(..SHOWN_BYTES).unwrap_or(bytes);
    String::from_utf8_lossy(head).escape_debug().to_string()
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::AfterEof => f.write_str("unexpected data after # EOF"),
            ParseError::AfterTimestamp => f.write_str("expected next entry after timestamp"),
            ParseError::AfterExemplar => f.write_str("expected next entry after exemplar"),
            ParseError::Comma => f.write_str("expected comma or brace close"),
            ParseError::Duplicate(name) => {
                write!(f, "label name \"{name}\" is not unique: invalid sample")
            }
            ParseError::Equal => f.write_str("expected equal after label name"),
            ParseError::ExemplarTimestamp(text) => write!(f, "invalid exemplar timestamp {text}"),
            ParseError::ExemplarValue => f.write_str("expected value after exemplar labels"),
            ParseError::HelpUtf8 => f.write_str("help text is not a valid utf8 string"),
            ParseError::Histogram(error) => write!(f, "{error}"),
            ParseError::LabelName => f.write_str("expected label name"),
            ParseError::LabelValue => f.write_str("expected label value"),
            ParseError::MetadataName(word) => write!(f, "expected metric name after {word}"),
            ParseError::MetadataText(word) => write!(f, "expected text in {word}"),
            ParseError::NameMissing => f.write_str("metric name not set"),
            ParseError::NameTwice => f.write_str("metric name already set"),
            ParseError::NoEof => f.write_str("data does not end with # EOF"),
            ParseError::OpenQuote => f.write_str("expected the end of a quoted string"),
            ParseError::Protobuf(what) => write!(f, "malformed protobuf: {what}"),
            ParseError::Start(got) => write!(f, "expected a valid start token, got \"{got}\""),
            ParseError::Timestamp(text) => write!(f, "invalid timestamp \"{text}\""),
            ParseError::TypeUnknown(text) => write!(f, "invalid metric type \"{text}\""),
            ParseError::Unit { unit, name } => {
                write!(f, "unit \"{unit}\" not a suffix of metric \"{name}\"")
            }
            ParseError::Utf8(text) => {
                write!(f, "invalid metric name, label name or label value: \"{text}\"")
            }
            ParseError::ValueMissing => f.write_str("expected value after metric"),
            ParseError::ValueRange(text) => {
                write!(f, "strconv.ParseFloat: parsing \"{text}\": value out of range")
            }
            ParseError::ValueSyntax(text) => {
                write!(f, "strconv.ParseFloat: parsing \"{text}\": invalid syntax")
            }
            ParseError::ValueUnsupported(text) => {
                write!(f, "unsupported character in float \"{text}\"")
            }
        }
    }
}

impl std::error::Error for ParseError {}
