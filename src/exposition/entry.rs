//! What one line or metric of a page says.

use std::borrow::Cow;

use crate::base::limits;
use crate::exposition::error::ParseError;
use crate::exposition::families;
use crate::exposition::labels::{Labelled, fill};
use crate::model::{LabelsBuilder, MetricType, NativeHistogram};

/// The language of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text, any version.
    Text,
    /// OpenMetrics text, any version.
    OpenMetrics,
    /// Delimited `io.prometheus.client.MetricFamily` messages.
    Protobuf,
}

/// One line, borrowed from it.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry<'a> {
    Series(Series<'a>),
    /// Names of families are as written between the quotes, escapes included, which is how Prometheus keeps them.
    Type {
        name: &'a [u8],
        metric_type: MetricType,
    },
    Help {
        name: &'a [u8],
        help: Cow<'a, str>,
    },
    Unit {
        name: &'a [u8],
        unit: &'a [u8],
    },
    Comment,
    Blank,
    /// `# EOF`: no line may follow.
    Eof,
}

/// A sample as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Series<'a> {
    /// Name and labels exactly as written, without blanks around them; of a protobuf page see `Families::sample`.
    /// Checked only by `Parser::labels`.
    pub text: &'a [u8],
    /// In text any NaN is [`crate::model::NAN`]; a protobuf page says which NaN it means.
    pub value: f64,
    /// Milliseconds since the epoch, where the page gives a time.
    pub timestamp_ms: Option<i64>,
    /// The value instead of `value`, where it is a native histogram. It is compact.
    pub histogram: Option<&'a NativeHistogram>,
    pub exemplar: Option<Exemplar<'a>>,
    /// When counting began, in milliseconds since the epoch, where a protobuf page says so.
    pub start_ms: Option<i64>,
}

/// An exemplar that obeys the grammar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar<'a> {
    /// From `{` to `}`; of a protobuf page its labels as the message has them.
    pub text: &'a [u8],
    pub(super) from_message: bool,
    /// Characters of its names and values together.
    pub chars: usize,
    pub value: f64,
    /// `None`: the time of its sample.
    pub timestamp_ms: Option<i64>,
}

impl Exemplar<'_> {
    /// Its labels are too long to keep; its sample is kept.
    // spec: conformance 2.2
    pub fn is_too_long(&self) -> bool {
        self.chars > limits::EXEMPLAR_CHARS
    }

    /// Replaces what `out` holds by the labels. Escapes stay as written, as Prometheus keeps them. Fails on a name
    /// written twice and on names that are not UTF-8.
    pub fn labels(&self, out: &mut LabelsBuilder) -> Result<(), ParseError> {
        if self.from_message {
            return families::exemplar_labels(self.text, out);
        }
        fill(Labelled::exemplar(self.text), MetricType::Unknown, out, &mut Vec::new())
    }
}
