//! Pushes on their way into one shard's log, one after another, a bounded part of them in each turn.

use core::time::Duration;
use std::collections::{HashMap, VecDeque};

use crate::append::{Appender, Batch, Turned};
use crate::base::{Instant, Now, Timestamp, limits, stable_hash};
use crate::mail::PushMeters;
use crate::model::{
    Description, ExemplarRefusal, PackedLabels, Push, PushEntry, PushExemplar, PushOutcome,
    Refusal, SeriesRef,
};
use crate::receive::gather::family_of;
use crate::receive::known::Known;
use crate::receive::loose::Loose;
use crate::receive::walk::Walk;
use crate::series::Feed;
use crate::wal::{Exemplar, Full, Seq, pushed_lane};

/// Timestamps further ahead than this are refused (spec: HTTP-52), in milliseconds.
const AHEAD_MS: i64 = 10 * 60 * 1000;
/// A push waits so long for room in the dictionary.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pushes whose outcome is remembered, for when they come again because their answer was lost.
const REMEMBERED: usize = 512;
/// Families of 1.0 that are remembered.
const FAMILIES: usize = 1 << 16;

/// What the shard lends for one turn.
#[derive(Debug)]
pub struct Lent<'a> {
    pub now: Now,
    pub feed: &'a mut Feed,
    pub appender: &'a mut Appender,
    /// The disk has not refused: room for new series is on its way when there is none.
    pub may_wait: bool,
    /// The log takes samples.
    pub has_room: bool,
}

/// The pushes of one shard. Order is kept: a push is done before the next begins (P1).
#[derive(Debug)]
pub struct Intake {
    waiting: VecDeque<Waiting>,
    answers: Vec<(u64, PushOutcome)>,
    /// By home lane.
    batches: Vec<Batch>,
    known: Known,
    /// Digests of what is done, and what became of it.
    recent: VecDeque<(u64, PushOutcome)>,
    /// What families of 1.0 say of themselves, encoded, by name.
    families: HashMap<String, Vec<u8>>,
    loose: Loose,
    turned: Vec<Turned>,
    /// Counted, but for what the appender counts.
    pub meters: PushMeters,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    push: Box<Push>,
    walk: Walk,
    outcome: PushOutcome,
    begun: bool,
    /// Some of it was taken before: what is older than that may be what was.
    again: bool,
    /// Since when the dictionary has no room for the next of its series.
    stuck: Option<Instant>,
}

impl Default for Intake {
    fn default() -> Intake {
        Intake {
            waiting: VecDeque::new(),
            answers: Vec::new(),
            batches: (0..limits::CONNECTIONS).map(|_| Batch::default()).collect(),
            known: Known::default(),
            recent: VecDeque::new(),
            families: HashMap::new(),
            loose: Loose::default(),
            turned: Vec::new(),
            meters: PushMeters::default(),
        }
    }
}

impl Intake {
    /// What becomes of it is told under this number, in some later turn.
    pub fn take(&mut self, number: u64, push: Box<Push>) {
        self.meters.pushes += 1;
        self.waiting.push_back(Waiting {
            number,
            push,
            walk: Walk::default(),
            outcome: PushOutcome::default(),
            begun: false,
            again: false,
            stuck: None,
        });
    }

    /// When the next turn is due.
    pub fn wake(&self) -> Instant {
        match self.waiting.front() {
            None => Instant::NEVER,
            // Room comes with the disk's answer, which wakes us.
            Some(Waiting { stuck: Some(since), .. }) => *since + PATIENCE,
            Some(_) => Instant(0),
        }
    }

    /// Outcomes since the last call.
    pub fn answers(&mut self) -> impl Iterator<Item = (u64, PushOutcome)> {
        self.answers.drain(..)
    }

    /// Refs that must not be given to other series (R1): more is about to come of them.
    pub fn pinned(&self, now: Instant) -> impl Iterator<Item = SeriesRef> {
        self.known.recent(now)
    }

    /// Nothing is taken any more: whoever waits may try again elsewhere.
    pub fn turn_away(&mut self, appender: &mut Appender) {
        let left = self.loose.clear();
        appender.exemplars.refuse(ExemplarRefusal::SampleRefused, left);
        while let Some(mut waiting) = self.waiting.pop_front() {
            waiting.outcome.later = true;
            self.end(waiting);
        }
    }

    /// Takes in as much as a turn allows.
    pub fn work(&mut self, lent: &mut Lent<'_>) {
        if self.waiting.is_empty() {
            return;
        }
        let refused = lent.appender.refused;
        let mut room = limits::PUSH_TURN;
        while room > 0 {
            let Some(mut waiting) = self.waiting.pop_front() else { break };
            if !waiting.begun && !self.begins(&mut waiting, lent) {
                self.end(waiting);
                continue;
            }
            let done = self.entries(&mut waiting, &mut room, lent);
            self.commit(&mut waiting, lent);
            if !done {
                self.waiting.push_front(waiting);
                break;
            }
            self.remember(&waiting);
            self.end(waiting);
            room = room.saturating_sub(1);
        }
        for reason in Refusal::ALL {
            let more = lent.appender.refused.get(reason).saturating_sub(refused.get(reason));
            self.meters.refused.add(reason, more);
        }
    }

    fn end(&mut self, waiting: Waiting) {
        self.meters.deferred += u64::from(waiting.outcome.later);
        self.answers.push((waiting.number, waiting.outcome));
    }

    /// False: there is nothing to be done for it, and its outcome is known.
    fn begins(&mut self, waiting: &mut Waiting, lent: &mut Lent<'_>) -> bool {
        let digest = waiting.push.digest;
        let before = self.recent.iter().rev().find(|(known, _)| *known == digest && digest != 0);
        match before {
            Some((_, outcome)) if outcome.later => waiting.again = true,
            Some((_, outcome)) => {
                waiting.outcome = outcome.clone();
                self.meters.repeated += 1;
                return false;
            }
            None => {}
        }
        if !lent.has_room {
            waiting.outcome.later = true;
            return false;
        }
        waiting.begun = true;
        let push = &mut *waiting.push;
        self.meters.received += push.refused.total();
        lent.appender.refuse_all(&push.refused);
        lent.appender.exemplars.add(&push.exemplars_refused);
        for said in push.descriptions.drain(..push.families as usize) {
            let name = Description::decode(&said).map(|said| said.name.to_owned());
            let known = name.as_ref().is_some_and(|name| self.families.contains_key(name));
            if let Some(name) = name.filter(|_| known || self.families.len() < FAMILIES) {
                self.families.insert(name, said);
            }
        }
        true
    }

    fn remember(&mut self, waiting: &Waiting) {
        if waiting.push.digest == 0 {
            return;
        }
        if self.recent.len() >= REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((waiting.push.digest, waiting.outcome.clone()));
    }

    /// Puts entries into batches. True: that was the last.
    fn entries(&mut self, waiting: &mut Waiting, room: &mut usize, lent: &mut Lent<'_>) -> bool {
        let Waiting { push, walk, outcome, stuck, .. } = waiting;
        while *room > 0 {
            let Some((entry, labels)) = walk.entry(push) else { return true };
            if entry.samples == 0 && entry.histograms == 0 {
                self.keep_loose(push, walk, labels, &entry, outcome, lent);
                *room = room.saturating_sub(1);
                continue;
            }
            match self.intern(push, &entry, labels, lent) {
                Ok(series) => {
                    *stuck = None;
                    self.known.touch(series, lent.now.instant);
                    self.samples(&mut At { push, walk, entry, series, outcome }, room, lent);
                }
                Err(Full) => {
                    let since = *stuck.get_or_insert(lent.now.instant);
                    if lent.may_wait && lent.now.instant.since(since) < PATIENCE {
                        *room = 0;
                        return false;
                    }
                    let (samples, exemplars) = walk.pass(push, &entry);
                    outcome.later = true;
                    self.meters.received += samples;
                    lent.appender.refuse(Refusal::DiskFull, samples);
                    lent.appender.exemplars.refuse(ExemplarRefusal::SampleRefused, exemplars);
                    *room = room.saturating_sub(1);
                }
            }
        }
        walk.entry(push).is_none()
    }

    fn intern(
        &mut self,
        push: &Push,
        entry: &PushEntry,
        labels: &[u8],
        lent: &mut Lent<'_>,
    ) -> Result<SeriesRef, Full> {
        let now = lent.now.timestamp;
        // The numbers of those that say something go on after those of families.
        let own = (entry.about as usize).checked_sub(1).and_then(|at| push.descriptions.get(at));
        let said = match own {
            Some(said) => Some(said),
            None if self.families.is_empty() => None,
            None => self.family(PackedLabels(labels).get("__name__")),
        };
        let about = said.map_or(0, |said| lent.feed.describe(said, now));
        // The first sample may land in the segment after the present one.
        let segment = Seq(lent.feed.log.end().seq().0.saturating_add(1));
        lent.feed.intern(labels, entry.home, about, segment, now).map(|(series, _)| series)
    }

    /// What is known of the family that a series of this name is of.
    fn family(&self, name: &str) -> Option<&Vec<u8>> {
        let whole = self.families.get(name);
        whole.or_else(|| {
            let stem =
                ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end))?;
            let said = self.families.get(stem)?;
            let metric_type = Description::decode(said)?.metric_type;
            (family_of(name, metric_type) == stem).then_some(said)
        })
    }

    /// Puts samples of one entry into the batch of its home.
    fn samples(&mut self, at: &mut At<'_>, room: &mut usize, lent: &mut Lent<'_>) {
        let home = usize::from(lent.feed.table.home(at.series)) % limits::CONNECTIONS;
        let Intake { batches, known, loose, meters, .. } = self;
        let Some(batch) = batches.get_mut(home) else { return };
        let latest = lent.now.timestamp.0.saturating_add(AHEAD_MS);
        let mut has_owner = false;
        while *room > 0
            && let Some(sample) = at.walk.sample(at.push, &at.entry)
        {
            *room = room.saturating_sub(1);
            meters.received += 1;
            if sample.time > latest {
                at.refuse_ahead(sample.time, lent);
                continue;
            }
            if batch.is_empty() {
                batch.begin(pushed_lane(home as u8), Timestamp(sample.time));
            }
            batch.push_at(at.series, sample.value, sample.time);
            known.offer(at.series, sample.time, sample.value.to_bits());
            if !core::mem::replace(&mut has_owner, true) {
                at.put_exemplars(batch, false, loose);
            }
            if sample.start != 0 && sample.start < sample.time {
                batch.push_start(at.series, false, sample.start);
            }
        }
        while *room > 0
            && let Some((histogram, body)) = at.walk.histogram(at.push, &at.entry)
        {
            *room = room.saturating_sub(1);
            meters.received += 1;
            if histogram.time > latest {
                at.refuse_ahead(histogram.time, lent);
                continue;
            }
            if batch.is_empty() {
                batch.begin(pushed_lane(home as u8), Timestamp(histogram.time));
            }
            // None is larger: see `gather`.
            if !batch.push_packed(at.series, body, histogram.time) {
                lent.appender.refuse(Refusal::HistogramTooLarge, 1);
                continue;
            }
            known.offer(at.series, histogram.time, stable_hash(body));
            if !core::mem::replace(&mut has_owner, true) {
                at.put_exemplars(batch, true, loose);
            }
            if histogram.start != 0 && histogram.start < histogram.time {
                batch.push_start(at.series, true, histogram.start);
            }
        }
        let left = at.walk.leave(at.push, &at.entry);
        lent.appender.exemplars.refuse(ExemplarRefusal::SampleRefused, left);
    }

    /// Exemplars whose sample came earlier, in another request: they go with the next one of the series.
    fn keep_loose(
        &mut self,
        push: &Push,
        walk: &mut Walk,
        labels: &[u8],
        entry: &PushEntry,
        outcome: &mut PushOutcome,
        lent: &mut Lent<'_>,
    ) {
        let exemplars = walk.exemplars(push, entry);
        let owned = exemplars.map(|(exemplar, labels)| (exemplar, labels.to_vec()));
        let given_up = self.loose.keep(labels, owned);
        walk.leave(push, entry);
        outcome.exemplars += u64::from(entry.exemplars);
        lent.appender.exemplars.refuse(ExemplarRefusal::SampleRefused, given_up);
    }

    /// Puts what is gathered into the log, and looks at what was not admitted.
    fn commit(&mut self, waiting: &mut Waiting, lent: &mut Lent<'_>) {
        let Intake { batches, known, turned, .. } = self;
        let Waiting { outcome, again, .. } = waiting;
        for batch in batches.iter_mut().filter(|batch| !batch.is_empty()) {
            let before = (lent.appender.appended, lent.appender.histograms);
            let exemplars = lent.appender.exemplars.appended;
            turned.clear();
            let written = lent.appender.commit_noting(lent.feed, batch, lent.now, turned);
            outcome.later |= written.is_err();
            let histograms = lent.appender.histograms.saturating_sub(before.1);
            outcome.histograms += histograms;
            outcome.samples +=
                lent.appender.appended.saturating_sub(before.0).saturating_sub(histograms);
            outcome.exemplars += lent.appender.exemplars.appended.saturating_sub(exemplars);
            for turned in turned.drain(..) {
                let Turned { series, time, mark, histogram, reason } = turned;
                let same = reason == Refusal::DuplicateTimestamp
                    && (histogram || known.may_be(series, time, mark));
                if same || *again {
                    // It is in the log, from an attempt whose answer was lost.
                    let there =
                        if histogram { &mut outcome.histograms } else { &mut outcome.samples };
                    *there += 1;
                    continue;
                }
                outcome.refused += 1;
                let what = match reason {
                    Refusal::DuplicateTimestamp => "duplicate sample for timestamp",
                    _ => "out of order sample",
                };
                outcome.say(|| {
                    let labels = shown(lent.feed.labels(series).unwrap_or_default());
                    format!("{what} for {labels} at {time}")
                });
            }
        }
    }
}

/// One entry while its samples are taken.
struct At<'a> {
    push: &'a Push,
    walk: &'a mut Walk,
    entry: PushEntry,
    series: SeriesRef,
    outcome: &'a mut PushOutcome,
}

impl At<'_> {
    fn refuse_ahead(&mut self, time: i64, lent: &mut Lent<'_>) {
        lent.appender.refuse(Refusal::OutOfBounds, 1);
        self.outcome.refused += 1;
        let labels = self.walk.labels(self.push, &self.entry);
        self.outcome.say(|| format!("out of bounds sample for {} at {time}", shown(labels)));
    }

    /// Those that came with the series, and before them those that waited for it, go with the sample pushed last.
    fn put_exemplars(&mut self, batch: &mut Batch, histogram: bool, loose: &mut Loose) {
        let series = self.series;
        let mut put = |exemplar: PushExemplar, labels: &[u8]| {
            let PushExemplar { value, time, .. } = exemplar;
            batch.push_exemplar(series, histogram, &Exemplar { labels, value, time }, true);
        };
        for (exemplar, labels) in loose.take(self.walk.labels(self.push, &self.entry)) {
            put(exemplar, &labels);
        }
        let own = self.walk.exemplars(self.push, &self.entry);
        own.for_each(|(exemplar, labels)| put(exemplar, labels));
    }
}

/// As people write them.
fn shown(labels: &[u8]) -> String {
    let pairs = PackedLabels(labels).iter().map(|(name, value)| format!("{name}={value:?}"));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::model::RemoteMessage;
    use crate::receive::gather;
    use crate::series::{Descriptions, Table};
    use crate::wal::{Decoded, Dictionary, Identity, Log, Region, Step, decode_samples};
    use crate::wire::remote_v1 as v1;

    const SEGMENT: usize = limits::SEGMENT_BYTES_MIN;

    struct Shard {
        feed: Feed,
        appender: Appender,
        intake: Intake,
        now: Now,
        has_room: bool,
    }

    impl Shard {
        /// With room for so many segments of labels.
        fn new(dictionaries: u16) -> Shard {
            let identity = Identity { store: [1; 16], shard: 0, start: 1, epoch: 1 };
            let mut log = Log::open(identity, SEGMENT, vec![], Seq(0), 1, &mut |_, _| {});
            log.give_spare(0, Region::heap(SEGMENT));
            let dictionary = Dictionary::open(identity, SEGMENT, vec![], 1, &mut |_| None);
            let (table, descriptions) = (Table::new(1), Descriptions::default());
            let mut shard = Shard {
                feed: Feed { log, dictionary, table, descriptions },
                appender: Appender::default(),
                intake: Intake::default(),
                now: Now { instant: Instant(1), timestamp: Timestamp(1_790_000_000_000) },
                has_room: true,
            };
            (0..dictionaries).for_each(|slot| shard.give_labels(slot));
            shard
        }

        fn give_labels(&mut self, slot: u16) {
            self.feed.dictionary.give_spare(slot, Region::heap(SEGMENT));
        }

        fn take(&mut self, number: u64, timeseries: Vec<v1::TimeSeries>) {
            let body = v1::WriteRequest { timeseries, metadata: Vec::new() }.encode_to_vec();
            let digest = stable_hash(&body);
            let (parts, _) = gather(RemoteMessage::V1, &body, 1, digest).expect("a request");
            for (_, push) in parts {
                self.intake.take(number, Box::new(push));
            }
        }

        fn turn(&mut self) -> Vec<(u64, PushOutcome)> {
            self.intake.work(&mut Lent {
                now: self.now,
                feed: &mut self.feed,
                appender: &mut self.appender,
                may_wait: true,
                has_room: self.has_room,
            });
            let offered = self.appender.appended + self.appender.refused.total();
            assert_eq!(self.intake.meters.received, offered, "L1");
            self.intake.answers().collect()
        }

        /// Pushes and takes turns until the answer.
        fn push(&mut self, timeseries: Vec<v1::TimeSeries>) -> PushOutcome {
            self.take(1, timeseries);
            for _ in 0..1000 {
                if let Some((_, outcome)) = self.turn().pop() {
                    return outcome;
                }
            }
            panic!("no answer");
        }

        /// Series and time of all samples in the log, in its order.
        fn logged(&self) -> Vec<(String, i64)> {
            let (mut at, mut found) = (self.feed.log.start(), Vec::new());
            let mut decoded = Decoded::default();
            loop {
                let (next, payload, base_time) = match self.feed.log.read(at) {
                    Step::Record { next, payload, base_time, .. } => (next, payload, base_time),
                    Step::Moved { next, lost: 0 } => {
                        at = next;
                        continue;
                    }
                    Step::End => return found,
                    other => panic!("{other:?}"),
                };
                at = next;
                decode_samples(payload, base_time, &mut decoded).expect("just written");
                for (series, time) in decoded.refs.iter().zip(&decoded.times) {
                    let labels = PackedLabels(self.feed.labels(*series).expect("defined"));
                    found.push((labels.get("__name__").to_owned(), *time));
                }
            }
        }
    }

    fn series(name: &str, times: impl IntoIterator<Item = i64>) -> v1::TimeSeries {
        let label = v1::Label { name: "__name__".to_owned(), value: name.to_owned() };
        let sample = |timestamp| v1::Sample { value: timestamp as f64, timestamp };
        let samples = times.into_iter().map(sample).collect();
        v1::TimeSeries { labels: vec![label], samples, ..v1::TimeSeries::default() }
    }

    #[test]
    fn a_long_push_takes_several_turns_and_is_answered_after_the_last() {
        let mut shard = Shard::new(1);
        let long = limits::PUSH_TURN as i64 * 2 + 10;
        shard.take(7, vec![series("a", 1..=long), series("b", [5])]);
        shard.take(8, vec![series("a", [long + 1])]);
        assert!(shard.turn().is_empty() && shard.turn().is_empty());
        assert_eq!(shard.intake.wake(), Instant(0));
        let answers = shard.turn();
        assert_eq!(answers.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [7, 8]);
        assert_eq!((answers[0].1.samples, answers[0].1.refused), (long as u64 + 1, 0));
        let logged = shard.logged();
        let of_a: Vec<i64> = logged.iter().filter(|(name, _)| name == "a").map(|it| it.1).collect();
        assert!(of_a == (1..=long + 1).collect::<Vec<i64>>(), "{} of {long}", of_a.len());
        assert_eq!(shard.intake.wake(), Instant::NEVER);
        assert_eq!(shard.intake.pinned(shard.now.instant).count(), 2);
    }

    #[test]
    fn a_push_waits_for_room_for_its_labels_but_not_for_ever() {
        let mut shard = Shard::new(0);
        shard.take(1, vec![series("a", [1])]);
        assert!(shard.turn().is_empty());
        assert_eq!(shard.intake.wake(), shard.now.instant + PATIENCE);
        shard.give_labels(0);
        assert_eq!(shard.turn()[0].1.samples, 1);
        let mut shard = Shard::new(0);
        shard.take(1, vec![series("a", [1])]);
        assert!(shard.turn().is_empty());
        shard.now.instant = shard.now.instant + PATIENCE;
        let outcome = &shard.turn()[0].1;
        assert!(outcome.later && outcome.samples == 0);
        assert_eq!(shard.appender.refused.get(Refusal::DiskFull), 1);
    }

    #[test]
    fn without_room_nothing_is_taken_and_what_comes_again_is_known() {
        let mut shard = Shard::new(1);
        shard.has_room = false;
        let push = || vec![series("a", [1, 2])];
        assert!(shard.push(push()).later);
        assert_eq!(shard.intake.meters.received, 0);
        shard.has_room = true;
        assert_eq!(shard.push(push()).samples, 2);
        assert_eq!(shard.push(push()), PushOutcome { samples: 2, ..PushOutcome::default() });
        assert_eq!((shard.intake.meters.repeated, shard.logged().len()), (1, 2));
        shard.intake.take(9, Box::default());
        shard.intake.turn_away(&mut shard.appender);
        assert!(shard.turn()[0].1.later);
    }

    proptest! {
        #[test]
        fn whatever_is_pushed_is_logged_in_order_or_refused_and_said(
            pushes in prop::collection::vec(
                prop::collection::vec(("[abc]", prop::collection::vec(0i64..40, 0..5)), 0..6),
                0..8,
            ),
        ) {
            let mut shard = Shard::new(1);
            let (mut written, mut said) = (0, 0);
            for push in pushes {
                let samples: usize = push.iter().map(|(_, times)| times.len()).sum();
                let timeseries = push.iter().map(|(name, times)| series(name, times.clone()));
                if samples == 0 {
                    continue;
                }
                let outcome = shard.push(timeseries.collect());
                prop_assert_eq!(outcome.samples + outcome.refused, samples as u64);
                written += outcome.samples;
                said += outcome.refused;
            }
            let logged = shard.logged();
            prop_assert!(logged.len() as u64 <= written && said <= shard.appender.refused.total());
            for name in ["a", "b", "c"] {
                let times = logged.iter().filter(|(found, _)| found == name).map(|it| it.1);
                prop_assert!(times.is_sorted_by(|one, next| one < next));
            }
        }
    }
}
