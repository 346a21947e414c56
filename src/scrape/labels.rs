//! From a series text that is new to a ref: parse, merge with the target's labels, relabel, check limits, intern.

use crate::base::{Timestamp, limits};
use crate::exposition::{ParseError, Parser};
use crate::mail::Job;
use crate::model::{Labels, LabelsBuilder, Validation, pack};
use crate::relabel;
use crate::scrape::caps::Room;
use crate::scrape::family::Family;
use crate::series::Feed;
use crate::wal::{Seq, home_of_lane};

/// What became of a new series.
#[derive(Debug, PartialEq, Eq)]
pub enum Resolved {
    Series(crate::model::SeriesRef, bool),
    Filtered,
    /// A cap on series leaves no room for it.
    Capped,
    DiskFull,
    TooLong,
}

/// Why the page must be dropped.
#[derive(Debug, PartialEq, Eq)]
pub enum Broken {
    /// It is no sample at all.
    Grammar(String),
    Text(String),
    /// A label limit, which has a counter of its own.
    LabelLimit(String),
    /// The text goes on after the newline.
    OpenQuote,
}

/// Buffers for one series at a time, shared by all scrapes of a core.
#[derive(Debug, Default)]
pub struct Resolver {
    labels: LabelsBuilder,
    /// Names of labels that the page gives the value `""`.
    empty: Vec<String>,
    conflicts: Vec<(String, String)>,
    packed: Vec<u8>,
}

impl Resolver {
    /// The full path of one line.
    #[expect(clippy::too_many_arguments, reason = "one call, of what the page around it holds")]
    pub fn resolve(
        &mut self,
        text: &[u8],
        parser: &Parser,
        job: &Job,
        target: &Labels,
        family: &mut Family,
        feed: &mut Feed,
        lane: u32,
        now: Timestamp,
        mut room: Option<&mut Room<'_>>,
    ) -> Result<Resolved, Broken> {
        self.empty.clear();
        let parsed = parser.labels_and_empty(text, &mut self.labels, &mut self.empty);
        parsed.map_err(|error| match error {
            ParseError::OpenQuote => Broken::OpenQuote,
            ParseError::Duplicate(_) => Broken::Text(error.to_string()),
            error => Broken::Grammar(error.to_string()),
        })?;
        let about = family.number(self.labels.get("__name__"), feed, now);
        if job.type_and_unit {
            family.put_on(&mut self.labels);
        }
        if job.honor_labels {
            self.honor(target);
        } else {
            self.override_with(target);
        }
        if !relabel::apply(&job.metric_relabel, &mut self.labels) {
            return Ok(Resolved::Filtered);
        }
        if self.labels.get("__name__").is_empty() {
            return Err(Broken::Text("missing metric name (__name__ label)".to_owned()));
        }
        check_names(&self.labels, job)?;
        check_limits(&self.labels, job)?;
        self.packed.clear();
        pack(self.labels.iter(), &mut self.packed);
        if self.packed.len() > limits::LABELS_BYTES {
            return Ok(Resolved::TooLong);
        }
        if let Some(room) = &room
            && !room.admits(feed.table.find(&feed.dictionary, &self.packed))
        {
            return Ok(Resolved::Capped);
        }
        let resolved = intern(feed, &self.packed, lane, about, now);
        if let (Some(room), Resolved::Series(series, _)) = (&mut room, &resolved) {
            room.take(*series);
        }
        Ok(resolved)
    }

    /// The page's labels win; one that is there but empty takes the target's label away.
    // spec: SCR-46
    fn honor(&mut self, target: &Labels) {
        for (name, value) in target.iter() {
            if self.labels.get(name).is_empty() && !self.empty.iter().any(|empty| empty == name) {
                self.labels.set(name, value);
            }
        }
    }

    /// The target's labels win; the page's move to `exported_…`, short names first.
    // spec: SCR-45
    fn override_with(&mut self, target: &Labels) {
        self.conflicts.clear();
        for (name, value) in target.iter() {
            let own = self.labels.get(name);
            if !own.is_empty() {
                self.conflicts.push((name.to_owned(), own.to_owned()));
            }
            if own != value {
                self.labels.set(name, value);
            }
        }
        self.conflicts.sort_by_key(|(name, _)| name.len());
        for (name, value) in self.conflicts.drain(..) {
            let mut exported = format!("exported_{name}");
            while !self.labels.get(&exported).is_empty() {
                exported.insert_str(0, "exported_");
            }
            self.labels.set(&exported, &value);
        }
    }
}

/// Labels that already are as they shall be, as those of report series.
pub fn intern(feed: &mut Feed, packed: &[u8], lane: u32, about: u16, now: Timestamp) -> Resolved {
    // The first sample may land in the segment after the present one.
    let segment = Seq(feed.log.end().seq().0.saturating_add(1));
    match feed.intern(packed, home_of_lane(lane), about, segment, now) {
        Ok((series, new)) => Resolved::Series(series, new),
        Err(_) => Resolved::DiskFull,
    }
}

// spec: SCR-38
fn check_names(labels: &LabelsBuilder, job: &Job) -> Result<(), Broken> {
    let names = if job.legacy_names { Validation::Legacy } else { Validation::Utf8 };
    let good = labels.iter().all(|(name, value)| match name {
        "__name__" => names.is_metric_name(value),
        _ => names.is_label_name(name),
    });
    if good {
        return Ok(());
    }
    let shown: Vec<String> = labels
        .iter()
        .map(|(name, value)| match Validation::Legacy.is_label_name(name) {
            true => format!("{name}={value:?}"),
            false => format!("{name:?}={value:?}"),
        })
        .collect();
    let text = format!("invalid metric name or label names: {{{}}}", shown.join(", "));
    Err(Broken::Text(text))
}

// spec: SCR-52, SCR-53
fn check_limits(labels: &LabelsBuilder, job: &Job) -> Result<(), Broken> {
    let over = |length: usize, limit: u64| limit > 0 && length as u64 > limit;
    let metric = || labels.get("__name__");
    if over(labels.len(), job.label_limit) {
        return Err(Broken::LabelLimit(format!(
            "label_limit exceeded (metric: {}, number of labels: {}, limit: {})",
            metric(),
            labels.len(),
            job.label_limit
        )));
    }
    if job.label_name_length_limit == 0 && job.label_value_length_limit == 0 {
        return Ok(());
    }
    for (name, value) in labels.iter() {
        if over(name.len(), job.label_name_length_limit) {
            return Err(Broken::LabelLimit(format!(
                "label_name_length_limit exceeded (metric: {}, label name: {name}, length: {}, limit: {})",
                metric(),
                name.len(),
                job.label_name_length_limit
            )));
        }
        if over(value.len(), job.label_value_length_limit) {
            return Err(Broken::LabelLimit(format!(
                "label_value_length_limit exceeded (metric: {}, label name: {name}, value: {value:?}, \
                 length: {}, limit: {})",
                metric(),
                value.len(),
                job.label_value_length_limit
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(honor: bool, page: &[(&str, &str)], target: &[(&str, &str)]) -> Vec<String> {
        let mut resolver = Resolver::default();
        for (name, value) in page {
            resolver.labels.set(name, value);
            if value.is_empty() {
                resolver.empty.push((*name).to_owned());
            }
        }
        let target: Labels = target.iter().copied().collect();
        if honor {
            resolver.honor(&target);
        } else {
            resolver.override_with(&target);
        }
        resolver.labels.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn target_labels_win_and_the_page_s_are_exported() {
        let page = [("job", "s"), ("exported_job", "t")];
        let labels = merged(false, &page, &[("job", "j"), ("instance", "i")]);
        assert_eq!(labels, ["exported_exported_job=s", "exported_job=t", "instance=i", "job=j"]);
        let labels = merged(false, &page, &[("job", "j"), ("exported_job", "x")]);
        assert_eq!(
            labels,
            [
                "exported_exported_exported_job=t",
                "exported_exported_job=s",
                "exported_job=x",
                "job=j"
            ]
        );
    }

    #[test]
    fn honored_labels_win_even_when_written_empty() {
        let target = [("job", "j"), ("instance", "i")];
        assert_eq!(merged(true, &[("job", "s"), ("instance", "")], &target), ["job=s"]);
        assert_eq!(merged(true, &[("my_instance", "")], &target), ["instance=i", "job=j"]);
    }

    #[test]
    fn label_limits_name_the_metric_and_the_limit() {
        let mut labels = LabelsBuilder::default();
        labels.set("__name__", "a");
        labels.set("name_of_23_characters_x", "v");
        let limited = |limit, name, value| Job {
            label_limit: limit,
            label_name_length_limit: name,
            label_value_length_limit: value,
            ..Job::default()
        };
        assert_eq!(check_limits(&labels, &limited(2, 23, 1)), Ok(()));
        for (job, words) in [
            (limited(1, 0, 0), "label_limit exceeded (metric: a, number of labels: 2, limit: 1)"),
            (limited(0, 20, 0), "length: 23, limit: 20"),
        ] {
            match check_limits(&labels, &job) {
                Err(Broken::LabelLimit(text)) => assert!(text.contains(words), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
