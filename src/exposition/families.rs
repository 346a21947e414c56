//! Protobuf pages: `io.prometheus.client.MetricFamily` messages one after another, each behind its length.
//!
//! A page is read in pieces, so that no more than one `Metric` need be held: the length before a family, one field of
//! a family, one of them a metric. A family's name and type must stand before its metrics, as every encoder writes
//! them; Prometheus, which has the whole page at hand, takes them from anywhere.
//!
//! One metric may be many samples. Each has a *series text*, as lines of the text formats have: bytes that are equal
//! if and only if name and labels are written equally. See [`Families::sample`].

use crate::base::put_uvarint;
use crate::exposition::entry::{Exemplar, Series};
use crate::exposition::error::{ParseError, shown};
use crate::exposition::histogram::HistogramMessage;
use crate::exposition::labels::Gathering;
use crate::exposition::message::{Message, Taken, Value, take, timestamp, varint};
use crate::exposition::number::canonical;
use crate::model::{
    Classic, Description, HistogramRules, LabelsBuilder, MetricType, NativeHistogram, pack,
};

/// How a sample's name and labels come from its family and metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Form {
    Plain,
    Count,
    Sum,
    /// `_bucket` with `le`.
    Bucket,
    /// With `quantile`.
    Quantile,
}

/// Bytes of a series text before the name: the form, and the bits of the bound.
const FORM_BYTES: usize = 9;

#[derive(Clone, Copy, Debug)]
struct Point {
    form: Form,
    /// Upper bound or quantile.
    bound: f64,
    value: f64,
    /// Place of its exemplar's message in `exemplars`; empty: none.
    exemplar: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What<'a> {
    /// The length of the family that follows.
    Length(u64),
    Field,
    Metric(&'a [u8]),
}

/// What the bytes of a page begin with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece<'a> {
    /// Bytes that it takes.
    pub used: usize,
    what: What<'a>,
}

impl<'a> Piece<'a> {
    /// For [`Families::metric`].
    pub fn metric(&self) -> Option<&'a [u8]> {
        match self.what {
            What::Metric(bytes) => Some(bytes),
            What::Length(_) | What::Field => None,
        }
    }
}

// spec: conformance 2.3
const COUNTER: u64 = 0;
const GAUGE: u64 = 1;
const SUMMARY: u64 = 2;
const UNTYPED: u64 = 3;
const HISTOGRAM: u64 = 4;
const GAUGE_HISTOGRAM: u64 = 5;

/// What must be remembered between the pieces of one page, and the metric read last. Buffers are reused.
#[derive(Clone, Debug, Default)]
pub struct Families {
    /// Bytes of the present family still to come.
    left: u64,
    /// Number of its type; one that is not written is a counter.
    kind: u64,
    help_is_text: bool,
    help: String,
    unit: String,
    /// A metric of it has been read.
    begun: bool,
    /// Room for form and bound, the length of the family's name, the name; then the labels of the present metric.
    text: Vec<u8>,
    /// Where the labels begin.
    head: usize,
    timestamp_ms: i64,
    points: Vec<Point>,
    exemplars: Vec<u8>,
    /// When counting began, in milliseconds; 0: not said.
    start_ms: i64,
    message: HistogramMessage,
    /// The value of the one point that is a native histogram.
    native: Option<NativeHistogram>,
    converter: Classic,
}

impl Families {
    /// A new page begins.
    pub fn reset(&mut self) {
        self.left = 0;
        self.begin(0);
    }

    fn begin(&mut self, bytes: u64) {
        self.left = bytes;
        self.kind = COUNTER;
        self.help_is_text = true;
        self.help.clear();
        self.unit.clear();
        self.begun = false;
        self.name(&[]);
        self.points.clear();
    }

    /// What the present family says of itself, as far as it stands before its metrics; `None` once one of them was read.
    pub fn description(&self) -> Option<Description<'_>> {
        let (name, _) = written_name(&self.text).filter(|_| !self.begun)?;
        let name = std::str::from_utf8(name).ok()?;
        let metric_type = match self.kind {
            COUNTER => MetricType::Counter,
            GAUGE => MetricType::Gauge,
            SUMMARY => MetricType::Summary,
            HISTOGRAM => MetricType::Histogram,
            GAUGE_HISTOGRAM => MetricType::GaugeHistogram,
            _ => MetricType::Unknown,
        };
        Some(Description { name, metric_type, unit: &self.unit, help: &self.help })
    }

    /// Name of the present family, for messages; cut short if it is long.
    pub fn family(&self) -> String {
        shown(written_name(&self.text).map_or(&[], |(name, _)| name))
    }

    /// What `bytes` begin with; `None` if more of them are needed. Call [`Families::pass`] before the next piece.
    pub fn piece<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Piece<'a>>, ParseError> {
        if self.left == 0 {
            return match varint(bytes)? {
                None => Ok(None),
                Some((length, _)) if length > u64::from(u32::MAX) => {
                    Err(ParseError::Protobuf("a family of more than 4 GiB"))
                }
                Some((length, used)) => Ok(Some(Piece { used, what: What::Length(length) })),
            };
        }
        let own = usize::try_from(self.left).ok().and_then(|left| bytes.get(..left));
        match take(own.unwrap_or(bytes))? {
            Taken::Short { needs } if needs > self.left => {
                Err(ParseError::Protobuf("a field that goes beyond its message"))
            }
            Taken::Short { .. } => Ok(None),
            Taken::Field { number: 4, value, used } => {
                Ok(Some(Piece { used, what: What::Metric(value.bytes()?) }))
            }
            Taken::Field { number, value, used } => {
                self.field(number, value)?;
                Ok(Some(Piece { used, what: What::Field }))
            }
        }
    }

    /// The piece has been dealt with.
    pub fn pass(&mut self, piece: &Piece<'_>) {
        match piece.what {
            What::Length(length) => self.begin(length),
            What::Field | What::Metric(_) => {
                self.left = self.left.saturating_sub(piece.used as u64);
            }
        }
    }

    /// After the last byte of the page, with the bytes that made no piece.
    pub fn finish(&self, rest: &[u8]) -> Result<(), ParseError> {
        if self.left == 0 && rest.is_empty() {
            Ok(())
        } else {
            Err(ParseError::Protobuf("the page ends within a family"))
        }
    }

    fn field(&mut self, number: u32, value: Value<'_>) -> Result<(), ParseError> {
        const LATE: ParseError = ParseError::Protobuf("a family's name or type after its metrics");
        match number {
            1 => {
                let name = value.bytes()?;
                let known = written_name(&self.text).is_some_and(|(known, _)| known == name);
                if self.begun && !known {
                    return Err(LATE);
                }
                self.name(name);
            }
            2 => {
                let help = std::str::from_utf8(value.bytes()?);
                self.help_is_text = help.is_ok();
                self.help.clear();
                self.help.push_str(help.unwrap_or_default());
            }
            3 => {
                let kind = value.varint()?;
                if self.begun && kind != self.kind {
                    return Err(LATE);
                }
                self.kind = kind;
            }
            5 => {
                let unit = std::str::from_utf8(value.bytes()?);
                self.unit.clear();
                self.unit.push_str(unit.unwrap_or_default());
            }
            _ => {}
        }
        Ok(())
    }

    fn name(&mut self, name: &[u8]) {
        self.text.clear();
        self.text.resize(FORM_BYTES, 0);
        put_uvarint(&mut self.text, name.len() as u64);
        self.text.extend_from_slice(name);
        self.head = self.text.len();
    }

    /// Reads one metric and gives the number of its samples.
    pub fn metric(&mut self, bytes: &[u8], rules: HistogramRules) -> Result<usize, ParseError> {
        if !self.begun {
            self.check_family()?;
            self.begun = true;
        }
        self.text.truncate(self.head);
        self.timestamp_ms = 0;
        self.start_ms = 0;
        self.points.clear();
        self.exemplars.clear();
        self.native = None;
        let wanted = match self.kind {
            COUNTER => 3,
            GAUGE => 2,
            SUMMARY => 4,
            UNTYPED => 5,
            _ => 7,
        };
        let mut body: &[u8] = &[];
        let mut message = Message::new(bytes);
        while let Some((number, value, whole)) = message.field()? {
            match number {
                1 => {
                    value.bytes()?;
                    self.text.extend_from_slice(whole);
                }
                6 => self.timestamp_ms = value.varint()? as i64,
                2..=5 | 7 => {
                    let found = value.bytes()?;
                    if number == wanted {
                        body = found;
                    }
                }
                _ => {}
            }
        }
        match self.kind {
            SUMMARY => self.summary(body)?,
            HISTOGRAM | GAUGE_HISTOGRAM => self.histogram(body, rules)?,
            _ => self.plain(body)?,
        }
        Ok(self.points.len())
    }

    fn check_family(&self) -> Result<(), ParseError> {
        let name = written_name(&self.text).map_or(&[][..], |(name, _)| name);
        if name.is_empty() {
            return Err(ParseError::NameMissing);
        }
        if std::str::from_utf8(name).is_err() {
            return Err(ParseError::Utf8(shown(name)));
        }
        if !self.help_is_text {
            return Err(ParseError::HelpUtf8);
        }
        if self.kind > GAUGE_HISTOGRAM {
            return Err(ParseError::TypeUnknown(self.kind.to_string()));
        }
        Ok(())
    }

    fn summary(&mut self, body: &[u8]) -> Result<(), ParseError> {
        let (mut count, mut sum) = (0, 0.0);
        self.push(Form::Count, 0.0, 0.0);
        self.push(Form::Sum, 0.0, 0.0);
        let mut message = Message::new(body);
        while let Some((number, value, _)) = message.field()? {
            match number {
                1 => count = value.varint()?,
                2 => sum = value.double()?,
                3 => {
                    let (mut bound, mut quantile) = (0.0, 0.0);
                    let mut inner = Message::new(value.bytes()?);
                    while let Some((number, value, _)) = inner.field()? {
                        match number {
                            1 => bound = value.double()?,
                            2 => quantile = value.double()?,
                            _ => {}
                        }
                    }
                    self.push(Form::Quantile, bound, quantile);
                }
                4 => self.start_ms = timestamp(value.bytes()?)?,
                _ => {}
            }
        }
        for (point, value) in self.points.iter_mut().zip([count as f64, sum]) {
            point.value = value;
        }
        Ok(())
    }

    // spec: SCR-74
    fn histogram(&mut self, body: &[u8], rules: HistogramRules) -> Result<(), ParseError> {
        self.message.read(body)?;
        self.start_ms = self.message.start_ms;
        let gauge = self.kind == GAUGE_HISTOGRAM;
        if rules.native && self.message.is_native() {
            self.native = Some(self.message.native(gauge).map_err(ParseError::Histogram)?);
            self.push(Form::Plain, 0.0, 0.0);
            if rules.classic && !self.message.buckets.is_empty() {
                self.classic();
            }
            return Ok(());
        }
        if rules.classic || !rules.convert {
            self.classic();
        }
        if rules.convert {
            let converted = self.message.converted(&mut self.converter, gauge);
            self.native = Some(converted.map_err(ParseError::Histogram)?);
            self.push(Form::Plain, 0.0, 0.0);
        }
        Ok(())
    }

    /// The classic series. A bucket of +Inf ends them; where there is none it is made of the count.
    fn classic(&mut self) {
        let count = self.message.count();
        self.push(Form::Count, 0.0, count);
        self.push(Form::Sum, 0.0, self.message.sum);
        self.exemplars.clone_from(&self.message.exemplars);
        for (at, &(bound, value)) in self.message.buckets.iter().enumerate() {
            let exemplar = self.message.exemplar(at);
            self.points.push(Point { form: Form::Bucket, bound, value, exemplar });
            if bound == f64::INFINITY {
                return;
            }
        }
        self.push(Form::Bucket, f64::INFINITY, count);
    }

    fn push(&mut self, form: Form, bound: f64, value: f64) {
        self.points.push(Point { form, bound, value, exemplar: (0, 0) });
    }

    /// A counter, gauge or untyped metric. Only a counter may have an exemplar, and a beginning.
    #[inline]
    fn plain(&mut self, body: &[u8]) -> Result<(), ParseError> {
        let mut message = Message::new(body);
        let (mut value, mut exemplar) = (0.0, (0, 0));
        while let Some((number, field, _)) = message.field()? {
            match number {
                1 => value = field.double()?,
                2 if self.kind == COUNTER => exemplar = self.keep_exemplar(field.bytes()?),
                3 if self.kind == COUNTER => self.start_ms = timestamp(field.bytes()?)?,
                _ => {}
            }
        }
        self.points.push(Point { form: Form::Plain, bound: 0.0, value, exemplar });
        Ok(())
    }

    fn keep_exemplar(&mut self, message: &[u8]) -> (u32, u32) {
        let start = self.exemplars.len() as u32;
        self.exemplars.extend_from_slice(message);
        (start, self.exemplars.len() as u32)
    }

    /// A sample of the metric read last, by number; the series text is valid until the next one is asked for.
    ///
    /// ```text
    /// 0   u8      form
    /// 1   f64     bound of a bucket or quantile, else 0
    /// 9   uvarint length of the family's name, then the name
    ///             the label fields of the metric, as they are
    /// ```
    #[inline]
    pub fn sample(&mut self, number: usize) -> Option<Series<'_>> {
        let point = self.points.get(number)?;
        let (form, bound) = self.text.get_mut(..FORM_BYTES)?.split_first_mut()?;
        *form = point.form as u8;
        bound.copy_from_slice(&point.bound.to_bits().to_le_bytes());
        let timestamp_ms = (self.timestamp_ms != 0).then_some(self.timestamp_ms);
        // Nothing else of a histogram family goes by the plain name.
        let histogram = self.native.as_ref().filter(|_| point.form == Form::Plain);
        let value = point.value;
        let (start, end) = point.exemplar;
        let exemplar = self.exemplars.get(start as usize..end as usize);
        let exemplar = exemplar.filter(|message| !message.is_empty()).and_then(exemplar_of);
        let start_ms = (self.start_ms != 0).then_some(self.start_ms);
        Some(Series { text: &self.text, value, timestamp_ms, histogram, exemplar, start_ms })
    }
}

/// An `Exemplar` message; `None` if it is none.
fn exemplar_of(text: &[u8]) -> Option<Exemplar<'_>> {
    let (mut value, mut time, mut chars) = (0.0, None, 0usize);
    let mut message = Message::new(text);
    while let Some((number, field, _)) = message.field().ok()? {
        match number {
            1 => {
                let mut pair = Message::new(field.bytes().ok()?);
                while let Some((_, text, _)) = pair.field().ok()? {
                    let text = String::from_utf8_lossy(text.bytes().ok()?);
                    chars = chars.saturating_add(text.chars().count());
                }
            }
            2 => value = field.double().ok()?,
            3 => time = Some(timestamp(field.bytes().ok()?).ok()?),
            _ => {}
        }
    }
    Some(Exemplar { text, from_message: true, chars, value, timestamp_ms: time })
}

/// Labels of an `Exemplar` message.
pub(super) fn exemplar_labels(text: &[u8], out: &mut LabelsBuilder) -> Result<(), ParseError> {
    let mut empty = Vec::new();
    let mut gathering = Gathering::new(out, &mut empty);
    let mut message = Message::new(text);
    while let Some((number, value, _)) = message.field()? {
        if number == 1 {
            let (name, label) = label_pair(value.bytes()?)?;
            gathering.add_bytes(name, label)?;
        }
    }
    gathering.finish_nameless()
}

/// Name and value of a `LabelPair` message.
fn label_pair(body: &[u8]) -> Result<(&[u8], &[u8]), ParseError> {
    let (mut name, mut label): (&[u8], &[u8]) = (&[], &[]);
    let mut pair = Message::new(body);
    while let Some((number, value, _)) = pair.field()? {
        match number {
            1 => name = value.bytes()?,
            2 => label = value.bytes()?,
            _ => {}
        }
    }
    Ok((name, label))
}

/// Name of the family, and what follows it.
fn written_name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = text.get(FORM_BYTES..)?;
    let (length, used) = varint(rest).ok()??;
    rest.get(used..)?.split_at_checked(usize::try_from(length).ok()?)
}

/// Appends a series text as [`Families::sample`] gives it for a name and labels that are no part of anything else.
pub fn plain_text<'a>(
    name: &str,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&[0; FORM_BYTES]);
    put_uvarint(out, name.len() as u64);
    out.extend_from_slice(name.as_bytes());
    pack(labels, out);
}

/// Labels of a series text of [`Families::sample`]; see `Parser::labels_and_empty`.
pub(super) fn labels_of(
    text: &[u8],
    out: &mut LabelsBuilder,
    empty: &mut Vec<String>,
) -> Result<(), ParseError> {
    let (form, bound) = text.split_first().ok_or(ParseError::NameMissing)?;
    let bound = bound.first_chunk().map_or(0.0, |bits| f64::from_le_bytes(*bits));
    let (name, fields) = written_name(text).ok_or(ParseError::NameMissing)?;
    let mut gathering = Gathering::new(out, empty);
    let mut full = name.to_vec();
    let forms = [(Form::Count, "_count"), (Form::Sum, "_sum"), (Form::Bucket, "_bucket")];
    if let Some((_, suffix)) = forms.iter().find(|(suffixed, _)| *suffixed as u8 == *form) {
        full.extend_from_slice(suffix.as_bytes());
    }
    gathering.add_bytes(b"__name__", &full)?;
    let mut message = Message::new(fields);
    while let Some((_, value, _)) = message.field()? {
        let (name, label) = label_pair(value.bytes()?)?;
        gathering.add_bytes(name, label)?;
    }
    // spec: SCR-36
    let magic = [(Form::Bucket, "le"), (Form::Quantile, "quantile")];
    if let Some((_, name)) = magic.iter().find(|(bounded, _)| *bounded as u8 == *form) {
        gathering.add_bytes(name.as_bytes(), canonical(bound).as_bytes())?;
    }
    gathering.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes.
    fn bytes(number: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        put_uvarint(&mut out, body.len() as u64);
        out.extend_from_slice(body);
        out
    }

    fn varint(number: u8, value: u64) -> Vec<u8> {
        let mut out = vec![number << 3];
        put_uvarint(&mut out, value);
        out
    }

    fn double(number: u8, value: f64) -> Vec<u8> {
        let mut out = vec![number << 3 | 1];
        out.extend_from_slice(&value.to_le_bytes());
        out
    }

    fn label(name: &str, value: &str) -> Vec<u8> {
        bytes(1, &[bytes(1, name.as_bytes()), bytes(2, value.as_bytes())].concat())
    }

    fn family(name: &str, kind: u64, metrics: &[Vec<u8>]) -> Vec<u8> {
        let metrics = metrics.iter().map(|metric| bytes(4, metric));
        let head = [bytes(1, name.as_bytes()), varint(3, kind)];
        head.into_iter().chain(metrics).collect::<Vec<_>>().concat()
    }

    fn delimited(family: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_uvarint(&mut out, family.len() as u64);
        out.extend_from_slice(family);
        out
    }

    fn read(body: &[u8]) -> Result<Vec<String>, ParseError> {
        let (mut families, mut samples, mut used) = (Families::default(), Vec::new(), 0);
        families.reset();
        let mut labels = LabelsBuilder::default();
        while let Some(piece) = families.piece(&body[used..])? {
            if let Some(metric) = piece.metric() {
                for number in 0..families.metric(metric, HistogramRules::default())? {
                    let series = families.sample(number).expect("within the metric");
                    labels_of(series.text, &mut labels, &mut Vec::new())?;
                    let mut line = String::new();
                    for (name, value) in labels.iter() {
                        line.push_str(&format!("{name}={value} "));
                    }
                    line.push_str(&series.value.to_string());
                    if let Some(ms) = series.timestamp_ms {
                        line.push_str(&format!(" @{ms}"));
                    }
                    samples.push(line);
                }
            }
            families.pass(&piece);
            used += piece.used;
        }
        families.finish(&body[used..])?;
        Ok(samples)
    }

    fn read_one(name: &str, kind: u64, metric: &[u8]) -> Result<Vec<String>, ParseError> {
        read(&delimited(&family(name, kind, &[metric.to_vec()])))
    }

    #[test]
    fn plain_types_are_one_sample() {
        let metric = |field, value| [label("b", "c"), bytes(field, &double(1, value))].concat();
        for (kind, field) in [(COUNTER, 3), (GAUGE, 2), (UNTYPED, 5)] {
            let got = read_one("a", kind, &metric(field, 2.5));
            assert_eq!(got, Ok(vec!["__name__=a b=c 2.5".to_owned()]), "{kind}");
        }
        let timed = [metric(2, 1.0), varint(6, 1000)].concat();
        assert_eq!(read_one("a", GAUGE, &timed), Ok(vec!["__name__=a b=c 1 @1000".to_owned()]));
        // What is not there is zero, and so is what belongs to another type.
        assert_eq!(
            read_one("a", COUNTER, &metric(2, 2.5)),
            Ok(vec!["__name__=a b=c 0".to_owned()])
        );
        assert_eq!(read_one("a", COUNTER, &[]), Ok(vec!["__name__=a 0".to_owned()]));
        assert_eq!(read(&delimited(&[])), Ok(vec![]), "a family without metrics needs no name");
    }

    #[test]
    fn summaries_and_histograms_are_count_sum_and_the_rest() {
        let quantile = |q, v| bytes(3, &[double(1, q), double(2, v)].concat());
        let body = [varint(1, 3), double(2, 4.5), quantile(0.5, 1.0), quantile(1.0, f64::NAN)];
        let got = read_one("s", SUMMARY, &bytes(4, &body.concat()));
        let wanted = ["s_count 3", "s_sum 4.5", "s quantile=0.5 1", "s quantile=1.0 NaN"];
        assert_eq!(got, Ok(wanted.map(|line| format!("__name__={line}")).to_vec()));
        let bucket = |le, count| bytes(3, &[varint(1, count), double(2, le)].concat());
        let (one, ten) = (bucket(1.0, 1), bucket(1e10, 2));
        let open = [varint(1, 7), double(2, -1.0), one.clone(), ten.clone()].concat();
        // A +Inf bucket ends the buckets; its own count stands.
        let closed = [open.clone(), bucket(f64::INFINITY, 6), bucket(2e10, 9)].concat();
        for kind in [HISTOGRAM, GAUGE_HISTOGRAM] {
            for (body, last) in [(&open, 7), (&closed, 6)] {
                let got = read_one("h", kind, &bytes(7, body));
                let wanted = [
                    "h_count 7".to_owned(),
                    "h_sum -1".to_owned(),
                    "h_bucket le=1.0 1".to_owned(),
                    "h_bucket le=1e+10 2".to_owned(),
                    format!("h_bucket le=+Inf {last}"),
                ];
                assert_eq!(got, Ok(wanted.map(|line| format!("__name__={line}")).to_vec()));
            }
        }
        let float = bytes(3, &[varint(1, 9), double(2, 1.0), double(4, 0.5)].concat());
        let got =
            read_one("h", HISTOGRAM, &bytes(7, &[varint(1, 9), double(4, 1.5), float].concat()));
        let wanted = ["h_count 1.5", "h_sum 0", "h_bucket le=1.0 0.5", "h_bucket le=+Inf 1.5"];
        assert_eq!(got, Ok(wanted.map(|line| format!("__name__={line}")).to_vec()));
    }

    #[test]
    fn equal_texts_mean_equal_labels() {
        let mut families = Families::default();
        families.reset();
        let mut texts = Vec::new();
        let both = [label("b", "c"), label("d", "e")].concat();
        let quantile = bytes(3, &double(1, 1.0));
        let page = [
            family("a", GAUGE, &[both.clone(), label("bc", ""), label("b", "c")]),
            family("ab", GAUGE, &[label("", "c"), both.clone()]),
            family("a", SUMMARY, &[[both, bytes(4, &quantile)].concat()]),
        ];
        for family in page.map(|family| delimited(&family)) {
            let mut used = 0;
            while let Some(piece) = families.piece(&family[used..]).expect("whole") {
                let samples = piece
                    .metric()
                    .map_or(Ok(0), |metric| families.metric(metric, HistogramRules::default()));
                for number in 0..samples.expect("good") {
                    texts.push(families.sample(number).expect("there").text.to_vec());
                }
                families.pass(&piece);
                used += piece.used;
            }
        }
        let count = texts.len();
        texts.sort();
        texts.dedup();
        assert_eq!((count, texts.len()), (8, 8));
    }

    #[test]
    fn a_made_text_is_that_of_a_page() {
        let both = [label("b", "c"), label("d", "e")].concat();
        let page = delimited(&family("a", GAUGE, &[both]));
        let mut families = Families::default();
        families.reset();
        let mut used = 0;
        while let Some(piece) = families.piece(&page[used..]).expect("whole") {
            if let Some(metric) = piece.metric() {
                families.metric(metric, HistogramRules::default()).expect("good");
            }
            families.pass(&piece);
            used += piece.used;
        }
        let mut made = Vec::new();
        plain_text("a", [("b", "c"), ("d", "e")].into_iter(), &mut made);
        assert_eq!(families.sample(0).expect("one").text, made);
    }

    #[test]
    fn histograms_are_native_classic_converted_or_more_than_one_of_these() {
        let bucket = |le, count| bytes(3, &[varint(1, count), double(2, le)].concat());
        let classic = [varint(1, 3), double(2, 4.5), bucket(1.0, 2)].concat();
        let span = bytes(12, &[varint(1, 2), varint(2, 1)].concat());
        let native = [varint(1, 3), double(2, 4.5), span, bytes(13, &[6])].concat();
        let both = [native.clone(), bucket(1.0, 2)].concat();
        let all = ["h_count", "h_sum", "h_bucket", "h_bucket"];
        let made = ["h_count", "h_sum", "h_bucket", "h_bucket", "h"];
        let kept = ["h", "h_count", "h_sum", "h_bucket", "h_bucket"];
        let alone = ["h_count", "h_sum", "h_bucket"];
        for (body, native, classic, convert, wanted) in [
            (&classic, true, true, false, &all[..]),
            (&classic, true, false, true, &["h"]),
            (&classic, false, true, true, &made),
            (&native, true, true, true, &["h"]),
            (&native, false, false, false, &alone),
            (&both, true, false, true, &["h"]),
            (&both, true, true, true, &kept),
            (&both, false, false, true, &["h"]),
            (&both, false, false, false, &all),
        ] {
            let rules = HistogramRules { native, classic, convert };
            let page = delimited(&family("h", HISTOGRAM, &[bytes(7, body)]));
            let (mut families, mut used, mut names) = (Families::default(), 0, Vec::new());
            families.reset();
            let mut labels = LabelsBuilder::default();
            while let Some(piece) = families.piece(&page[used..]).expect("whole") {
                let samples = piece.metric().map_or(Ok(0), |metric| families.metric(metric, rules));
                for number in 0..samples.expect("good") {
                    let series = families.sample(number).expect("there");
                    labels_of(series.text, &mut labels, &mut Vec::new()).expect("good");
                    let name = labels.get("__name__").to_owned();
                    assert_eq!(series.histogram.is_some(), name == "h", "{rules:?}");
                    names.push(name);
                }
                families.pass(&piece);
                used += piece.used;
            }
            assert_eq!(names, wanted, "{rules:?}");
        }
    }

    #[test]
    fn what_breaks_a_rule_is_refused() {
        let page = |fields: &[Vec<u8>]| read(&delimited(&fields.concat()));
        let metric = bytes(4, &[]);
        let name = bytes(1, b"a");
        for (fields, error) in [
            (vec![metric.clone()], ParseError::NameMissing),
            (vec![bytes(1, b"\xff"), metric.clone()], ParseError::Utf8("\u{fffd}".to_owned())),
            (vec![name.clone(), bytes(2, b"\xff"), metric.clone()], ParseError::HelpUtf8),
            (
                vec![name.clone(), varint(3, 6), metric.clone()],
                ParseError::TypeUnknown("6".to_owned()),
            ),
            (
                vec![name.clone(), bytes(4, &[label("x", "1"), label("x", "2")].concat())],
                ParseError::Duplicate("x".to_owned()),
            ),
            (
                vec![name.clone(), bytes(4, &label("__name__", "b"))],
                ParseError::Duplicate("__name__".to_owned()),
            ),
            (vec![name.clone(), bytes(4, &label("", "b"))], ParseError::Utf8(String::new())),
        ] {
            assert_eq!(page(&fields), Err(error));
        }
        assert_eq!(page(&[name.clone(), metric.clone(), name.clone()]).map(|got| got.len()), Ok(1));
        for late in [bytes(1, b"b"), varint(3, 1)] {
            let got = page(&[name.clone(), metric.clone(), late, metric.clone()]);
            assert!(matches!(got, Err(ParseError::Protobuf(_))), "{got:?}");
        }
        let whole = delimited(&family("a", GAUGE, &[label("b", "c")]));
        for end in 1..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
        let mut shortened = whole.clone();
        shortened[0] -= 1;
        assert!(read(&shortened).is_err(), "a metric that goes beyond its family");
    }
}
