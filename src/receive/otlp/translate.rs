//! From an `ExportMetricsServiceRequest` to series.
// spec: HTTP-60 to HTTP-62, conformance 3.6

use std::collections::BTreeMap;

use crate::model::{
    Description, HistogramError, MetricType, OtlpRules, Push, PushOutcome, Refusal, RemoteMessage,
    stale_marker,
};
use crate::receive::PushError;
use crate::receive::gather::Gathering;
use crate::receive::otlp::attributes::{Attributes, read_attribute};
use crate::receive::otlp::names::{Kind, label_name, metric_name};
use crate::receive::otlp::points::{Point, PointExemplar, PointKind};
use crate::wire::{Exemplar, Fields, Histogram, Sample, Series, WireError};

/// Between two samples of `target_info`, in milliseconds: half of how far a query looks back.
const INFO_EVERY: i64 = 150_000;
/// Samples of `target_info` for one resource.
const INFO_MOST: usize = 100;
const CUMULATIVE: u64 = 2;

/// Labels by name.
type Labels = BTreeMap<String, String>;

/// What a request holds, by shard, and what became of the rest of it.
pub fn gather_otlp(
    body: &[u8],
    rules: &OtlpRules,
    shards: u16,
    digest: u64,
) -> Result<(Vec<(u16, Push)>, PushOutcome), PushError> {
    let gathering = Gathering::new(RemoteMessage::V2, shards);
    let mut translation = Translation { gathering, rules };
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field()? {
        if field.number == 1 {
            translation.resource(field.bytes()?)?;
        }
    }
    Ok(translation.gathering.finish(digest))
}

struct Translation<'r> {
    gathering: Gathering,
    rules: &'r OtlpRules,
}

/// What all metrics of a resource have in common.
#[derive(Debug, Default)]
struct Resource {
    job: String,
    instance: String,
    /// Of every series, where its own attributes do not say otherwise.
    promoted: Labels,
    /// Earliest and latest time of its points.
    times: Option<(i64, i64)>,
}

/// A metric but for its points.
struct Metric<'a> {
    resource: &'a mut Resource,
    /// Of its scope.
    scope: &'a Labels,
    written: &'a str,
    name: String,
    about: Description<'a>,
}

impl Translation<'_> {
    fn resource(&mut self, body: &[u8]) -> Result<(), PushError> {
        let mut attributes = Attributes::new();
        let mut fields = Fields::new(body);
        while let Some(field) = fields.field()? {
            if field.number == 1 {
                read_attributes(field.bytes()?, 1, &mut attributes)?;
            }
        }
        let mut resource = self.resource_of(&attributes);
        let mut fields = Fields::new(body);
        while let Some(field) = fields.field()? {
            if field.number == 2 {
                self.scope(field.bytes()?, &mut resource)?;
            }
        }
        self.target_info(&attributes, &resource)
    }

    fn resource_of(&self, attributes: &Attributes) -> Resource {
        let get = |key: &str| attributes.get(key).map_or("", String::as_str);
        let job = match (get("service.namespace"), get("service.name")) {
            (_, "") => String::new(),
            ("", name) => name.to_owned(),
            (namespace, name) => format!("{namespace}/{name}"),
        };
        let is_promoted = |key: &String| {
            if self.rules.promote_all {
                !self.rules.ignore.contains(key)
            } else {
                self.rules.promote.contains(key)
            }
        };
        let promoted = attributes.iter().filter(|(key, _)| is_promoted(key));
        Resource {
            job,
            instance: get("service.instance.id").to_owned(),
            promoted: self.labels_of(promoted),
            times: None,
        }
    }

    /// Attributes that make the same label are joined, in the order of their keys.
    fn labels_of<'a>(&self, attributes: impl Iterator<Item = (&'a String, &'a String)>) -> Labels {
        let mut labels = Labels::new();
        for (key, value) in attributes.filter(|(key, _)| *key != "__name__") {
            let name = label_name(key, self.rules);
            if name.is_empty() {
                continue;
            }
            let joined = labels.entry(name).or_default();
            if !joined.is_empty() {
                joined.push(';');
            }
            joined.push_str(value);
        }
        labels
    }

    fn scope(&mut self, body: &[u8], resource: &mut Resource) -> Result<(), PushError> {
        let mut labels = Labels::new();
        let (mut name, mut version, mut schema) = ("", "", "");
        let mut attributes = Attributes::new();
        let mut fields = Fields::new(body);
        while let Some(field) = fields.field()? {
            match field.number {
                1 => {
                    let scope = field.bytes()?;
                    read_attributes(scope, 3, &mut attributes)?;
                    let mut fields = Fields::new(scope);
                    while let Some(field) = fields.field()? {
                        match field.number {
                            1 => name = text(field.bytes()?),
                            2 => version = text(field.bytes()?),
                            _ => {}
                        }
                    }
                }
                3 => schema = text(field.bytes()?),
                _ => {}
            }
        }
        if self.rules.promote_scope && !name.is_empty() {
            for (key, value) in self.labels_of(attributes.iter()) {
                labels.insert(format!("otel_scope_{key}"), value);
            }
            for (key, value) in [("name", name), ("version", version), ("schema_url", schema)] {
                labels.insert(format!("otel_scope_{key}"), value.to_owned());
            }
        }
        let mut fields = Fields::new(body);
        while let Some(field) = fields.field()? {
            if field.number == 2 {
                self.metric(field.bytes()?, resource, &labels)?;
            }
        }
        Ok(())
    }

    fn metric(
        &mut self,
        body: &[u8],
        resource: &mut Resource,
        scope: &Labels,
    ) -> Result<(), PushError> {
        let (mut written, mut help, mut unit) = ("", "", "");
        let mut data = None;
        let mut fields = Fields::new(body);
        while let Some(field) = fields.field()? {
            match field.number {
                1 => written = text(field.bytes()?),
                2 => help = text(field.bytes()?),
                3 => unit = text(field.bytes()?),
                5 | 7 | 9 | 10 | 11 => data = Some((field.number, field.bytes()?)),
                _ => {}
            }
        }
        let Some((number, data)) = data else { return Ok(()) };
        let (mut temporality, mut monotonic, mut points) = (CUMULATIVE, false, 0u64);
        if matches!(number, 7 | 9 | 10) {
            temporality = 0;
        }
        let mut fields = Fields::new(data);
        while let Some(field) = fields.field()? {
            match field.number {
                1 => points = points.saturating_add(1),
                2 if number != 5 => temporality = field.varint()?,
                3 if number == 7 => monotonic = field.varint()? != 0,
                _ => {}
            }
        }
        if temporality != CUMULATIVE && points > 0 {
            let why = format!("invalid temporality and type combination for metric {written:?}");
            self.gathering.refuse(Refusal::Temporality, points, points, || why);
            return Ok(());
        }
        let (kind, point_kind, metric_type) = match number {
            5 => (Kind::Gauge, PointKind::Number, MetricType::Gauge),
            7 if monotonic => (Kind::MonotonicSum, PointKind::Number, MetricType::Counter),
            7 => (Kind::Other, PointKind::Number, MetricType::Gauge),
            9 => (Kind::Other, PointKind::Histogram, MetricType::Histogram),
            10 => (Kind::Other, PointKind::Exponential, MetricType::Histogram),
            _ => (Kind::Other, PointKind::Summary, MetricType::Summary),
        };
        let name = metric_name(written, unit, kind, self.rules);
        let about = Description { name: "", metric_type, unit, help };
        let mut metric = Metric { resource, scope, written, name, about };
        let mut fields = Fields::new(data);
        while let Some(field) = fields.field()? {
            if field.number == 1 {
                let point = Point::read(point_kind, field.bytes()?)?;
                self.point(point_kind, &point, &mut metric)?;
            }
        }
        Ok(())
    }

    fn point(
        &mut self,
        kind: PointKind,
        point: &Point,
        metric: &mut Metric<'_>,
    ) -> Result<(), PushError> {
        let time = point.time;
        let times = metric.resource.times.get_or_insert((time, time));
        *times = (times.0.min(time), times.1.max(time));
        let mut labels = self.labels_of(point.attributes.iter());
        let more = metric.resource.promoted.iter().chain(metric.scope);
        for (name, value) in more {
            labels.entry(name.clone()).or_insert_with(|| value.clone());
        }
        labels.extend(identity(metric.resource));
        match kind {
            PointKind::Number => self.float(&labels, "", &[], point.value, point, metric),
            PointKind::Summary => {
                self.float(&labels, "_sum", &[], point.sum.unwrap_or(0.0), point, metric)?;
                self.float(&labels, "_count", &[], point.count as f64, point, metric)?;
                for (quantile, value) in &point.quantiles {
                    let own = [("quantile", quantile.to_string())];
                    self.float(&labels, "", &own, *value, point, metric)?;
                }
                Ok(())
            }
            PointKind::Histogram if !self.rules.custom_buckets => {
                self.classic(&labels, point, metric)
            }
            PointKind::Histogram => self.native(&labels, point.custom(), point, metric),
            PointKind::Exponential => self.native(&labels, point.native(), point, metric),
        }
    }

    fn classic(
        &mut self,
        labels: &Labels,
        point: &Point,
        metric: &Metric<'_>,
    ) -> Result<(), PushError> {
        if let Some(sum) = point.sum {
            self.float(labels, "_sum", &[], sum, point, metric)?;
        }
        self.float(labels, "_count", &[], point.count as f64, point, metric)?;
        let (mut cumulative, mut below) = (0u64, f64::NEG_INFINITY);
        let counts = point.counts.iter().copied().chain(core::iter::repeat(0));
        for (bound, count) in point.bounds.iter().zip(counts) {
            cumulative = cumulative.saturating_add(count);
            if *bound == f64::INFINITY {
                break;
            }
            let own = [("le", bound.to_string())];
            self.bucket(labels, &own, cumulative, (below, *bound), point, metric)?;
            below = *bound;
        }
        let own = [("le", "+Inf".to_owned())];
        self.bucket(labels, &own, point.count, (below, f64::INFINITY), point, metric)
    }

    /// With the exemplars that lie in it.
    fn bucket(
        &mut self,
        labels: &Labels,
        own: &[(&str, String)],
        count: u64,
        (below, bound): (f64, f64),
        point: &Point,
        metric: &Metric<'_>,
    ) -> Result<(), PushError> {
        let inside = |it: &&PointExemplar| it.value > below && it.value <= bound;
        let exemplars = point.exemplars.iter().filter(inside);
        let content = Content::Float(count as f64);
        self.emit(labels, "_bucket", own, content, point, metric, exemplars)
    }

    fn float(
        &mut self,
        labels: &Labels,
        suffix: &str,
        own: &[(&str, String)],
        value: f64,
        point: &Point,
        metric: &Metric<'_>,
    ) -> Result<(), PushError> {
        // Those of a histogram are its buckets'.
        let exemplars = point.exemplars.iter().filter(|_| suffix.is_empty());
        self.emit(labels, suffix, own, Content::Float(value), point, metric, exemplars)
    }

    fn native(
        &mut self,
        labels: &Labels,
        content: Result<crate::model::NativeHistogram, HistogramError>,
        point: &Point,
        metric: &Metric<'_>,
    ) -> Result<(), PushError> {
        let content = Content::Histogram(content);
        self.emit(labels, "", &[], content, point, metric, point.exemplars.iter())
    }

    #[expect(clippy::too_many_arguments, reason = "one sample is what all of them make together")]
    fn emit<'e>(
        &mut self,
        labels: &Labels,
        suffix: &str,
        own: &[(&str, String)],
        content: Content,
        point: &Point,
        metric: &Metric<'_>,
        exemplars: impl Iterator<Item = &'e PointExemplar>,
    ) -> Result<(), PushError> {
        let name = format!("{}{suffix}", metric.name);
        let own = own.iter().map(|(name, value)| (*name, value.as_str()));
        let fixed: Vec<(&str, &str)> =
            [("__name__", name.as_str())].into_iter().chain(own).collect();
        let others = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let others = others.filter(|(name, _)| fixed.iter().all(|(taken, _)| taken != name));
        let all = fixed.iter().copied().chain(others);
        let (time, start) = (point.time, point.start);
        let mut series = Series {
            labels: all.map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect(),
            about: Some(metric.about),
            ..Series::default()
        };
        match content {
            Content::Float(value) => {
                let value = if point.no_value { stale_marker() } else { value };
                series.samples.push(Sample { value, time, start });
            }
            Content::Histogram(content) => {
                series.histograms.push(Histogram { content, time, start });
            }
        }
        series.exemplars.extend(exemplars.map(|exemplar| {
            Exemplar {
                labels: exemplar
                    .labels
                    .iter()
                    .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
                    .collect(),
                value: exemplar.value,
                time: exemplar.time,
            }
        }));
        if metric.written.is_empty() {
            series.labels.retain(|(name, _)| *name != b"__name__");
        }
        self.gathering.series(&series)
    }

    /// What the resource says of itself, as a metric.
    // spec: HTTP-62, resource
    fn target_info(
        &mut self,
        attributes: &Attributes,
        resource: &Resource,
    ) -> Result<(), PushError> {
        let Some((first, last)) = resource.times else { return Ok(()) };
        let identifying = ["service.namespace", "service.name", "service.instance.id"];
        let keeps =
            |key: &String| self.rules.keep_identifying || !identifying.contains(&key.as_str());
        let mut others = attributes.keys().filter(|key| !identifying.contains(&key.as_str()));
        if others.next().is_none() || (resource.job.is_empty() && resource.instance.is_empty()) {
            return Ok(());
        }
        let mut labels = self.labels_of(attributes.iter().filter(|(key, _)| keeps(key)));
        labels.extend(identity(resource));
        let pairs = labels.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let mut series = Series {
            labels: [(&b"__name__"[..], &b"target_info"[..])].into_iter().chain(pairs).collect(),
            ..Series::default()
        };
        let mut time = first;
        while time < last && series.samples.len() < INFO_MOST {
            series.samples.push(Sample { value: 1.0, time, start: 0 });
            time = time.saturating_add(INFO_EVERY);
        }
        series.samples.push(Sample { value: 1.0, time: last, start: 0 });
        self.gathering.series(&series)
    }
}

enum Content {
    Float(f64),
    Histogram(Result<crate::model::NativeHistogram, HistogramError>),
}

/// The labels that say whose all this is.
fn identity(resource: &Resource) -> impl Iterator<Item = (String, String)> {
    let both = [("job", &resource.job), ("instance", &resource.instance)];
    let said = both.into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(name, value)| (name.to_owned(), value.clone()))
}

/// The attributes in one field of a message.
fn read_attributes(body: &[u8], number: u32, into: &mut Attributes) -> Result<(), WireError> {
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field()? {
        if field.number == number {
            read_attribute(field.bytes()?, into)?;
        }
    }
    Ok(())
}

/// What is not UTF-8 says nothing.
fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::put_uvarint;
    use crate::model::PackedLabels;

    /// A field that is a message or a text.
    fn field(number: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        put_uvarint(&mut out, body.len() as u64);
        out.extend_from_slice(body);
        out
    }

    fn fixed(number: u8, bits: u64) -> Vec<u8> {
        [&[number << 3 | 1][..], &bits.to_le_bytes()].concat()
    }

    fn attribute(number: u8, key: &str, value: &str) -> Vec<u8> {
        let value = field(2, &field(1, value.as_bytes()));
        field(number, &[field(1, key.as_bytes()), value].concat())
    }

    fn metric(name: &str, unit: &str, kind: u8, data: &[Vec<u8>]) -> Vec<u8> {
        let head = [field(1, name.as_bytes()), field(3, unit.as_bytes())].concat();
        field(2, &[head, field(kind, &data.concat())].concat())
    }

    fn request(resource: &[Vec<u8>], metrics: &[Vec<u8>]) -> Vec<u8> {
        let scope = field(1, &field(1, b"lib"));
        let scope = field(2, &[scope, metrics.concat()].concat());
        field(1, &[field(1, &resource.concat()), scope].concat())
    }

    const TIME: u64 = 1_790_000_000_000;

    /// Time, and whatever else.
    fn point(more: &[Vec<u8>]) -> Vec<u8> {
        field(1, &[fixed(3, TIME * 1_000_000 + 999), more.concat()].concat())
    }

    /// Everything as text: labels and value.
    fn told(body: &[u8], rules: &OtlpRules) -> (Vec<String>, PushOutcome) {
        let (parts, outcome) = gather_otlp(body, rules, 1, 0).expect("a request");
        let mut lines = Vec::new();
        for (_, push) in parts {
            let (mut at, mut sample) = (0, 0);
            for entry in &push.entries {
                let end = at + entry.labels as usize;
                let labels = PackedLabels(&push.labels[at..end]).iter();
                let labels: Vec<String> = labels.map(|(n, v)| format!("{n}={v}")).collect();
                for it in &push.samples[sample..sample + entry.samples as usize] {
                    assert_eq!(it.time, TIME as i64);
                    lines.push(format!("{} {}", labels.join(","), it.value));
                }
                if entry.histograms > 0 {
                    lines.push(format!("{} native", labels.join(",")));
                }
                sample += entry.samples as usize;
                at = end;
            }
        }
        (lines, outcome)
    }

    fn service() -> Vec<Vec<u8>> {
        vec![
            attribute(1, "service.name", "s"),
            attribute(1, "service.namespace", "n"),
            attribute(1, "service.instance.id", "i"),
            attribute(1, "host.name", "h"),
        ]
    }

    // spec: HTTP-62, conformance 3.6
    #[test]
    fn a_request_becomes_the_series_that_prometheus_makes_of_it() {
        let own = [attribute(7, "a.b", "1"), attribute(7, "a_b", "2"), fixed(6, 7)];
        let sum = [point(&own), vec![2 << 3, 2], vec![3 << 3, 1]];
        let gauge = [point(&[fixed(4, 0.5f64.to_bits())])];
        let packed = |number: u8, bits: &[u64]| {
            let bytes: Vec<u8> = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
            field(number, &bytes)
        };
        let bounds = [1.0f64, 2.5].map(f64::to_bits);
        let histogram = [
            point(&[
                fixed(4, 6),
                fixed(5, 9f64.to_bits()),
                packed(6, &[1, 2, 3]),
                packed(7, &bounds),
            ]),
            vec![2 << 3, 2],
        ];
        let quantile = field(6, &[fixed(1, 0.5f64.to_bits()), fixed(2, 4f64.to_bits())].concat());
        let summary = [point(&[fixed(4, 3), fixed(5, 8f64.to_bits()), quantile])];
        let metrics = [
            metric("requests", "", 7, &sum),
            metric("load", "1", 5, &gauge),
            metric("took", "s", 9, &histogram),
            metric("old", "", 11, &summary),
        ];
        let (lines, outcome) = told(&request(&service(), &metrics), &OtlpRules::default());
        let id = "instance=i,job=n/s";
        assert_eq!(outcome, PushOutcome::default());
        assert_eq!(
            lines,
            [
                format!("__name__=requests_total,a_b=1;2,{id} 7"),
                format!("__name__=load_ratio,{id} 0.5"),
                format!("__name__=took_seconds_sum,{id} 9"),
                format!("__name__=took_seconds_count,{id} 6"),
                format!("__name__=took_seconds_bucket,{id},le=1 1"),
                format!("__name__=took_seconds_bucket,{id},le=2.5 3"),
                format!("__name__=took_seconds_bucket,{id},le=+Inf 6"),
                format!("__name__=old_sum,{id} 8"),
                format!("__name__=old_count,{id} 3"),
                format!("__name__=old,{id},quantile=0.5 4"),
                format!("__name__=target_info,host_name=h,{id} 1"),
            ]
        );
        let rules = OtlpRules {
            promote: vec!["host.name".to_owned()],
            promote_scope: true,
            custom_buckets: true,
            ..OtlpRules::default()
        };
        let (lines, _) = told(&request(&service(), &metrics[2..3]), &rules);
        assert_eq!(
            lines[0],
            format!("__name__=took_seconds,host_name=h,{id},otel_scope_name=lib native")
        );
    }

    // spec: HTTP-61
    #[test]
    fn differences_are_refused_and_the_rest_is_taken() {
        let delta = [point(&[fixed(6, 7)]), point(&[fixed(6, 8)]), vec![2 << 3, 1]];
        let gauge = [point(&[fixed(4, 0.5f64.to_bits())])];
        let metrics = [metric("d", "", 7, &delta), metric("g", "", 5, &gauge)];
        let (lines, outcome) = told(&request(&[], &metrics), &OtlpRules::default());
        assert_eq!(lines, ["__name__=g 0.5"]);
        assert_eq!(outcome.refused, 2);
        assert!(outcome.words[0].contains("invalid temporality"), "{outcome:?}");
    }

    #[test]
    fn an_exponential_histogram_becomes_a_native_one_and_no_value_a_marker() {
        let buckets = field(8, &[vec![1 << 3, 0], field(2, &[2, 1])].concat());
        let more = [fixed(4, 4), fixed(7, 1), vec![6 << 3, 6], buckets];
        let data = [point(&more), vec![2 << 3, 2]];
        let marked = [point(&[vec![8 << 3, 1]])];
        let metrics = [metric("e", "", 10, &data), metric("g", "", 5, &marked)];
        let (lines, outcome) = told(&request(&[], &metrics), &OtlpRules::default());
        assert_eq!((lines.len(), outcome.refused), (2, 0), "{outcome:?}");
        assert_eq!(lines[0], "__name__=e native");
        assert_eq!(lines[1], "__name__=g NaN");
    }
}
