//! From a request's bytes to a [`Push`] for each shard.

use core::fmt::Display;

use crate::base::limits;
use crate::model::{
    Description, ExemplarRefusal, HistogramError, MetricType, Push, PushEntry, PushExemplar,
    PushHistogram, PushOutcome, PushSample, Refusal, RemoteMessage, pack_histogram,
};
use crate::receive::PushError;
use crate::receive::labels::{LabelsError, canonical, canonical_series, home_of, shard_of};
use crate::wire::{Exemplar, Histogram, Series, read_v1, read_v2};

/// Bytes that the families of one request may say of themselves: every shard is told.
const FAMILIES_BYTES: usize = 4 << 20;

/// Labels of all series of a request, packed.
const LABELS_BYTES: usize = 2 * limits::PUSH_DECODED_BYTES;

/// What a request holds, by shard, and what became of the rest of it. `digest` is the same for the same request only.
pub fn gather(
    message: RemoteMessage,
    body: &[u8],
    shards: u16,
    digest: u64,
) -> Result<(Vec<(u16, Push)>, PushOutcome), PushError> {
    let mut gathering = Gathering::new(message, shards);
    match message {
        RemoteMessage::V1 => read_v1::read(body, |item| match item {
            read_v1::Item::Series(series) => gathering.series(series),
            read_v1::Item::Family(said) => gathering.family(&said),
        })?,
        RemoteMessage::V2 => read_v2::read(body, |series| gathering.series(series))?,
    }
    Ok(gathering.finish(digest))
}

/// What goes to one shard.
#[derive(Debug, Default)]
struct Part {
    push: Push,
    /// Series that have exemplars only: they go first, so that they find their sample in the same request.
    loose: Push,
}

impl Part {
    fn whole(self) -> Push {
        let Part { mut push, mut loose } = self;
        if loose.entries.is_empty() {
            return push;
        }
        loose.append(&push);
        loose.descriptions = core::mem::take(&mut push.descriptions);
        loose.families = push.families;
        loose.refused.add_all(&push.refused);
        loose.exemplars_refused.add(&push.exemplars_refused);
        loose
    }
}

/// A request on its way.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    message: RemoteMessage,
    parts: Vec<Part>,
    outcome: PushOutcome,
    /// Series, samples and exemplars so far.
    items: usize,
    family_bytes: usize,
    label_bytes: usize,
    packed: Vec<u8>,
    said: Vec<u8>,
}

impl Gathering {
    pub(super) fn new(message: RemoteMessage, shards: u16) -> Gathering {
        let parts = (0..shards.max(1)).map(|_| Part::default()).collect();
        Gathering { message, parts, ..Gathering::default() }
    }

    /// A push for each shard that has something to do, and what became of the rest.
    pub(super) fn finish(self, digest: u64) -> (Vec<(u16, Push)>, PushOutcome) {
        let parts = self.parts.into_iter().zip(0u16..).map(|(part, shard)| {
            let push = Push { digest, ..part.whole() };
            (shard, push)
        });
        (parts.filter(|(_, push)| !push.is_empty()).collect(), self.outcome)
    }

    pub(super) fn series(&mut self, series: &Series<'_>) -> Result<(), PushError> {
        let items = series.len().saturating_add(series.exemplars.len()).saturating_add(1);
        self.items = self.items.saturating_add(items);
        if self.items > limits::PUSH_ITEMS {
            return Err(PushError::TooLarge("samples"));
        }
        if let Some(fault) = series.fault {
            self.refuse_series(series, Refusal::InvalidLabels, &fault);
            return Ok(());
        }
        if series.is_empty() && series.exemplars.is_empty() {
            // spec: conformance 3.5: an error in 2.0 only
            if self.message == RemoteMessage::V2 {
                let why = "TimeSeries must contain at least one sample or histogram";
                self.refuse_series(series, Refusal::InvalidLabels, &why);
            }
            return Ok(());
        }
        self.packed.clear();
        match canonical_series(&series.labels, &mut Vec::new(), &mut self.packed) {
            Ok(()) => {}
            Err(error @ LabelsError::TooLong) => {
                self.refuse_series(series, Refusal::LabelsTooLong, &error);
                return Ok(());
            }
            Err(error) => {
                self.refuse_series(series, Refusal::InvalidLabels, &error);
                return Ok(());
            }
        }
        // A long text that many series name by its number is short on the wire.
        self.label_bytes = self.label_bytes.saturating_add(self.packed.len());
        if self.label_bytes > LABELS_BYTES {
            return Err(PushError::TooLarge("labels"));
        }
        self.keep(series);
        Ok(())
    }

    /// The packed labels are those of the series.
    fn keep(&mut self, series: &Series<'_>) {
        let shard = shard_of(&self.packed, self.parts.len() as u16);
        let about = self.describe(series, usize::from(shard));
        let Some(part) = self.parts.get_mut(usize::from(shard)) else { return };
        let push = if series.is_empty() { &mut part.loose } else { &mut part.push };
        push.labels.extend_from_slice(&self.packed);
        let mut entry = PushEntry {
            labels: self.packed.len() as u32,
            samples: series.samples.len() as u32,
            about,
            home: home_of(&self.packed),
            ..PushEntry::default()
        };
        push.samples.extend(series.samples.iter().map(|sample| PushSample {
            value: sample.value,
            time: sample.time,
            start: sample.start,
        }));
        for histogram in &series.histograms {
            match put_histogram(push, histogram) {
                Ok(()) => entry.histograms = entry.histograms.saturating_add(1),
                Err((reason, error)) => {
                    push.refused.add(reason, 1);
                    self.outcome.refused = self.outcome.refused.saturating_add(1);
                    let time = histogram.time;
                    self.outcome.say(|| format!("{error} for {} at {time}", shown(&series.labels)));
                }
            }
        }
        for exemplar in &series.exemplars {
            match put_exemplar(push, exemplar) {
                Ok(()) => entry.exemplars = entry.exemplars.saturating_add(1),
                Err(reason) => push.exemplars_refused.refuse(reason, 1),
            }
        }
        push.entries.push(entry);
    }

    /// The number of what the series says of its family among the descriptions of its part; 0: nothing.
    fn describe(&mut self, series: &Series<'_>, shard: usize) -> u32 {
        let Some(mut about) = series.about else { return 0 };
        let nothing = about.help.is_empty() && about.unit.is_empty();
        if nothing && about.metric_type == MetricType::Unknown {
            return 0;
        }
        let Some(part) = self.parts.get_mut(shard) else { return 0 };
        let name = series.labels.iter().find(|(name, _)| *name == b"__name__");
        let name = name.map_or("", |(_, value)| core::str::from_utf8(value).unwrap_or(""));
        about.name = family_of(name, about.metric_type);
        self.said.clear();
        about.encode(&mut self.said);
        // Series of a family stand together.
        let descriptions = &mut part.push.descriptions;
        if descriptions.last() != Some(&self.said) {
            descriptions.push(self.said.clone());
        }
        descriptions.len() as u32
    }

    fn family(&mut self, said: &Description<'_>) -> Result<(), PushError> {
        if said.name.is_empty() {
            return Ok(());
        }
        self.said.clear();
        said.encode(&mut self.said);
        self.items = self.items.saturating_add(1);
        self.family_bytes = self.family_bytes.saturating_add(self.said.len());
        if self.family_bytes > FAMILIES_BYTES || self.items > limits::PUSH_ITEMS {
            return Err(PushError::TooLarge("families"));
        }
        for part in &mut self.parts {
            part.push.descriptions.push(self.said.clone());
            part.push.families = part.push.families.saturating_add(1);
        }
        Ok(())
    }

    /// None of the series can be used. In 1.0 those with labels that are no labels are passed over.
    // spec: HTTP-52, HTTP-53
    fn refuse_series(&mut self, series: &Series<'_>, reason: Refusal, why: &dyn Display) {
        let samples = series.len() as u64;
        if let Some(part) = self.parts.first_mut() {
            let exemplars = series.exemplars.len() as u64;
            part.push.exemplars_refused.refuse(ExemplarRefusal::SampleRefused, exemplars);
        }
        let passes = self.message == RemoteMessage::V1 && reason == Refusal::InvalidLabels;
        let told = if passes { 0 } else { samples.max(1) };
        self.refuse(reason, samples, told, || {
            format!("{why} for series {}", shown(&series.labels))
        });
    }

    /// Counts samples that are refused, and how many the sender is told of.
    pub(super) fn refuse(
        &mut self,
        reason: Refusal,
        samples: u64,
        told: u64,
        words: impl FnOnce() -> String,
    ) {
        if let Some(part) = self.parts.first_mut() {
            part.push.refused.add(reason, samples);
        }
        self.outcome.refused = self.outcome.refused.saturating_add(told);
        if told > 0 {
            self.outcome.say(words);
        }
    }
}

fn put_histogram(push: &mut Push, histogram: &Histogram) -> Result<(), (Refusal, HistogramError)> {
    let content = histogram.content.as_ref().map_err(|error| match error {
        HistogramError::BucketLimit => (Refusal::HistogramTooLarge, error.clone()),
        error => (Refusal::InvalidHistogram, error.clone()),
    })?;
    let before = push.bodies.len();
    pack_histogram(content, &mut push.bodies);
    let length = push.bodies.len().saturating_sub(before);
    if length > limits::HISTOGRAM_BYTES {
        push.bodies.truncate(before);
        return Err((Refusal::HistogramTooLarge, HistogramError::BucketLimit));
    }
    let Histogram { time, start, .. } = *histogram;
    push.histograms.push(PushHistogram { length: length as u32, time, start });
    Ok(())
}

// spec: DB-15
fn put_exemplar(push: &mut Push, exemplar: &Exemplar<'_>) -> Result<(), ExemplarRefusal> {
    let chars = |text: &[u8]| core::str::from_utf8(text).map_or(0, |text| text.chars().count());
    let texts = exemplar.labels.iter().flat_map(|(name, value)| [*name, *value]);
    if texts.map(chars).sum::<usize>() > limits::EXEMPLAR_CHARS {
        return Err(ExemplarRefusal::TooLong);
    }
    let before = push.exemplar_labels.len();
    canonical(&exemplar.labels, &mut Vec::new(), &mut push.exemplar_labels)
        .map_err(|_| ExemplarRefusal::Malformed)?;
    let labels = push.exemplar_labels.len().saturating_sub(before) as u32;
    let Exemplar { value, time, .. } = *exemplar;
    push.exemplars.push(PushExemplar { labels, value, time });
    Ok(())
}

/// The family that a series of this type is of, as far as its name says so.
pub(super) fn family_of(name: &str, metric_type: MetricType) -> &str {
    let suffixes: &[&str] = match metric_type {
        MetricType::Histogram | MetricType::GaugeHistogram => &["_bucket", "_count", "_sum"],
        MetricType::Summary => &["_count", "_sum"],
        _ => &[],
    };
    suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

/// Labels as people write them, as far as they are text.
fn shown(labels: &[(&[u8], &[u8])]) -> String {
    let pairs = labels.iter().take(20).map(|(name, value)| {
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        format!("{name}={value:?}")
    });
    let text = format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "));
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::model::{OtlpRules, PackedLabels};
    use crate::receive::gather_otlp;
    use crate::wire::{remote_v1 as v1, remote_v2 as v2};

    fn series(labels: &[(&str, &str)], samples: &[(f64, i64)]) -> v1::TimeSeries {
        let label = |(name, value): &(&str, &str)| v1::Label {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        let sample = |&(value, timestamp): &(f64, i64)| v1::Sample { value, timestamp };
        v1::TimeSeries {
            labels: labels.iter().map(label).collect(),
            samples: samples.iter().map(sample).collect(),
            ..v1::TimeSeries::default()
        }
    }

    fn gathered(timeseries: Vec<v1::TimeSeries>, shards: u16) -> (Vec<(u16, Push)>, PushOutcome) {
        let request = v1::WriteRequest { timeseries, metadata: Vec::new() };
        gather(RemoteMessage::V1, &request.encode_to_vec(), shards, 7).expect("a request")
    }

    #[test]
    fn every_series_goes_to_one_shard_however_its_labels_are_ordered() {
        let mut all = Vec::new();
        for number in 0..100 {
            let text = number.to_string();
            let mut labels = vec![("__name__", "a"), ("job", "j"), ("n", &*text)];
            all.push(series(&labels, &[(1.0, 1)]));
            labels.reverse();
            all.push(series(&labels, &[(2.0, 2)]));
        }
        let (parts, outcome) = gathered(all, 4);
        assert_eq!((parts.len(), outcome), (4, PushOutcome::default()));
        let mut entries = 0;
        for (_, push) in &parts {
            assert_eq!(push.digest, 7);
            let mut at = 0;
            let mut sets: Vec<&[u8]> = Vec::new();
            for entry in &push.entries {
                let end = at + entry.labels as usize;
                sets.push(&push.labels[at..end]);
                assert_eq!(PackedLabels(&push.labels[at..end]).iter().count(), 3);
                at = end;
            }
            assert!(sets.chunks(2).all(|pair| pair[0] == pair[1]));
            entries += push.entries.len();
        }
        assert_eq!(entries, 200);
    }

    // spec: HTTP-52, HTTP-53, conformance 3.5
    #[test]
    fn bad_series_are_passed_over_in_the_first_message_and_named_in_the_second() {
        let (parts, outcome) = gathered(
            vec![
                series(&[("a", "b")], &[(1.0, 1), (2.0, 2)]),
                series(&[("__name__", "a"), ("a", "1"), ("a", "2")], &[(1.0, 1)]),
                series(&[("__name__", "a")], &[(1.0, 1)]),
                series(&[("__name__", "b")], &[]),
            ],
            1,
        );
        assert_eq!(outcome, PushOutcome::default());
        assert_eq!(parts[0].1.refused.get(Refusal::InvalidLabels), 3);
        assert_eq!(parts[0].1.entries.len(), 1);
        let request = v2::Request {
            symbols: ["", "__name__", "a"].map(str::to_owned).to_vec(),
            timeseries: [vec![1, 2], vec![2, 2], vec![1]]
                .into_iter()
                .map(|labels_refs| v2::TimeSeries {
                    labels_refs,
                    samples: vec![v2::Sample { value: 1.0, timestamp: 1, start_timestamp: 0 }],
                    ..v2::TimeSeries::default()
                })
                .chain([v2::TimeSeries { labels_refs: vec![1, 2], ..v2::TimeSeries::default() }])
                .collect(),
        };
        let body = request.encode_to_vec();
        let (parts, outcome) = gather(RemoteMessage::V2, &body, 1, 0).expect("a request");
        assert_eq!((parts[0].1.len(), outcome.refused, outcome.words.len()), (1, 3, 3));
        assert!(outcome.words[0].contains("the metric name is missing"), "{outcome:?}");
        assert!(outcome.words[2].contains("at least one sample"), "{outcome:?}");
    }

    #[test]
    fn exemplars_without_samples_go_first_and_bad_ones_are_counted() {
        let exemplar = |name: &str, value: &str| v1::Exemplar {
            labels: vec![v1::Label { name: name.to_owned(), value: value.to_owned() }],
            value: 1.0,
            timestamp: 5,
        };
        let long = "x".repeat(200);
        let alone = v1::TimeSeries {
            exemplars: vec![exemplar("t", "1"), exemplar("t", &long), exemplar("", "x")],
            ..series(&[("__name__", "a")], &[])
        };
        let (parts, outcome) = gathered(vec![series(&[("__name__", "b")], &[(1.0, 1)]), alone], 1);
        let push = &parts[0].1;
        assert_eq!(outcome.refused, 0);
        let shape = push.entries.iter().map(|entry| (entry.samples, entry.exemplars));
        assert_eq!(shape.collect::<Vec<_>>(), [(0, 1), (1, 0)]);
        assert_eq!(push.exemplars_refused.refused(ExemplarRefusal::TooLong), 1);
        assert_eq!(push.exemplars_refused.refused(ExemplarRefusal::Malformed), 1);
    }

    #[test]
    fn a_request_of_nothing_but_tags_is_bounded() {
        let nothing = [0x0a, 0].repeat(limits::PUSH_ITEMS + 1);
        let refused = gather(RemoteMessage::V1, &nothing, 1, 0).err();
        assert_eq!(refused, Some(PushError::TooLarge("samples")));
    }

    #[test]
    fn a_long_text_that_many_series_name_is_bounded() {
        let long = "x".repeat(limits::LABELS_BYTES - 100);
        let series = |_| v2::TimeSeries {
            labels_refs: vec![1, 2],
            samples: vec![v2::Sample { value: 1.0, timestamp: 1, start_timestamp: 0 }],
            ..v2::TimeSeries::default()
        };
        let request = v2::Request {
            symbols: vec![String::new(), "__name__".to_owned(), long],
            timeseries: (0..2000).map(series).collect(),
        };
        let refused = gather(RemoteMessage::V2, &request.encode_to_vec(), 1, 0).err();
        assert_eq!(refused, Some(PushError::TooLarge("labels")));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>, shards in 0u16..4) {
            let _ = gather(RemoteMessage::V1, &bytes, shards, 0);
            let _ = gather(RemoteMessage::V2, &bytes, shards, 0);
            let _ = gather_otlp(&bytes, &OtlpRules::default(), shards, 0);
        }
    }
}
