//! Stencils: the body of a request, written compressed at once.
//!
//! From one scrape to the next only values and the timestamp change, and what stands between two values (the *key*:
//! labels and lengths) is nearly always a piece of the key before and a piece of another not far ahead. A stencil
//! says so for one series: "40 bytes of that series' key, then 200 of that one's". Writing a sample is then some ten
//! bytes for the value and a copy for each 64 bytes of the rest, if those two series are in the same request and
//! within reach; where one is not, its bytes are written out. So any samples in any order can be written, however
//! they are cut into requests, and a series that comes or goes costs its own stencil and no other.
//!
//! A stencil is believed, not checked, so it must go when the labels of a series it speaks of do: a ref's labels change
//! only by way of [`Stencils::forget`] or [`Stencils::clear`].

use core::ops::Range;

use crate::base::{limits, uvarint_len};
use crate::http::{SnappyEncoder, snappy};
use crate::model::SeriesRef;
use crate::send::body::Body;
use crate::send::learner::{Labels, Learner, Moment};
use crate::send::ops::{Ops, REACH};
use crate::send::spot::{EPOCHS, Spot, seen, spot};
use crate::send::stencil::{FIRST, Header, NOBODY, Piece, SECOND, Shelf, Stencil};
use crate::wire::remote_v1::put_sample;

/// The samples just written.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Of the last sample; its timestamp is still to be written, and its value but for the first `skip` bytes.
    pending: bool,
    skip: usize,
    value: u64,
    /// Value of the sample before.
    before: u64,
    /// Place of the last key.
    at: u32,
    time: i64,
    /// Tag and timestamp, in the seven low bytes.
    stamp: u64,
    /// Place of the first key before which `time` stands.
    since: u32,
}

const NEW: Run = Run {
    pending: false,
    skip: 0,
    value: 0,
    before: 0,
    at: 0,
    time: i64::MIN,
    stamp: 0,
    since: u32::MAX,
};

/// Value and timestamp with its tag.
const VALUE: usize = 8;
const STAMP: usize = 7;
/// What a sample that is not complete takes yet, the tags of an entry's elements, and then some.
const SPARE: usize = 64;
/// Timestamps of six bytes: from 1971 to 2109.
const TIMES: Range<i64> = 1 << 35..1 << 42;
/// Places begin here, so that place 0 is out of reach.
const START: u32 = 2 * REACH;
/// Places do not go beyond.
const TURN: u32 = 3 << 30;
/// A stencil that could be better is worked out anew, one in so many bytes.
const LEARN_EVERY: u32 = 16 << 10;

/// Of some samples: the bytes of their entries, and the timestamps that the others are between.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub bytes: usize,
    pub oldest: i64,
    pub newest: i64,
}

/// All stencils of one log under one treatment of labels.
#[derive(Debug)]
pub struct Stencils {
    spots: Vec<Spot>,
    shelf: Shelf,
    epoch: u16,
    /// Refs were given up in the epoch to come.
    forgotten: bool,
    /// Place in an endless message of which requests are pieces far apart.
    at: u32,
    /// How often places began anew.
    turns: u64,
    /// Where the piece begins that is being written.
    window: u32,
    /// Where a stencil was last worked out anew.
    learned_at: u32,
    run: Run,
    /// The series written last.
    last: u32,
    learner: Learner,
    /// Entries that are written without stencils, in a piece of their own; and the piece, compressed.
    plain: Vec<u8>,
    packed: Vec<u8>,
    encoder: SnappyEncoder,
}

impl Default for Stencils {
    fn default() -> Stencils {
        Stencils {
            spots: Vec::new(),
            shelf: Shelf::default(),
            epoch: 0,
            forgotten: false,
            at: START,
            turns: 0,
            window: START,
            learned_at: START,
            run: NEW,
            last: NOBODY,
            learner: Learner::default(),
            plain: Vec::new(),
            packed: Vec::new(),
            encoder: SnappyEncoder::default(),
        }
    }
}

impl Stencils {
    /// Labels are sent in another way from now on.
    pub fn clear(&mut self) {
        let turns = self.turns + 1;
        *self = Stencils { turns, ..Stencils::default() };
    }

    /// The ref will be given to another series.
    pub fn forget(&mut self, series: SeriesRef) {
        if let Some(spot) = self.spots.get_mut(series.0 as usize) {
            self.shelf.release(spot.stencil);
            *spot = Spot::begun(self.epoch + 1);
            self.forgotten = true;
        }
    }

    /// Bytes of memory in use.
    pub fn held(&self) -> usize {
        self.shelf.held() + self.spots.capacity() * size_of::<Spot>()
    }

    /// Samples are about to be added to this body. Nothing that was written to another since can be referred to.
    pub fn open(&mut self, body: &Body) {
        if core::mem::take(&mut self.forgotten) {
            self.epoch += 1;
            if self.epoch == EPOCHS {
                self.clear();
            }
        }
        if body.left_at == Some((self.turns, self.at)) {
            return;
        }
        if self.at > TURN {
            self.begin_anew();
        }
        self.at += REACH + 1;
        self.window = self.at;
        self.learned_at = self.at;
        self.run = NEW;
        self.last = NOBODY;
    }

    /// Bytes, at most, that the body is compressed with an entry of `more` bytes.
    #[inline]
    pub fn block_len(&self, body: &Body, more: usize) -> usize {
        let plain = self.plain.len() + more + SPARE;
        body.ops.block_len(body.raw_len) + plain + plain / 6
    }

    /// Completes what has been added.
    pub fn close(&mut self, body: &mut Body) {
        self.flush(body);
        body.ops.close();
        body.left_at = Some((self.turns, self.at));
    }

    /// Bytes that a sample will take, if that is known without its labels.
    #[inline]
    pub fn entry_len(&self, series: SeriesRef, time: i64) -> Option<usize> {
        if !TIMES.contains(&time) {
            return None;
        }
        Some(self.kept(series)?.0.key_len() + VALUE + STAMP)
    }

    /// What the samples will take, if that is known without their labels.
    #[inline]
    pub fn look_at(&self, refs: &[SeriesRef], times: &[i64]) -> Option<Look> {
        let mut look = Look { bytes: 0, oldest: i64::MAX, newest: i64::MIN };
        for (series, time) in refs.iter().zip(times) {
            look.bytes += self.entry_len(*series, *time)?;
            look.oldest = look.oldest.min(*time);
            look.newest = look.newest.max(*time);
        }
        Some(look)
    }

    /// Adds a sample. False, and nothing is added, if `labels` does not know the series.
    #[inline]
    pub fn put(
        &mut self,
        body: &mut Body,
        series: SeriesRef,
        value: f64,
        time: i64,
        labels: Labels<'_>,
    ) -> bool {
        if TIMES.contains(&time)
            && let Some((stencil, epoch)) = self.kept(series)
        {
            let header = stencil.header();
            let (distances, zeros) = self.sight(series, &header, epoch);
            let seen = [FIRST, SECOND].into_iter().all(|of| distances[of] > 0 || !header.has(of));
            if seen && header.plain() && self.at <= TURN && self.plain.is_empty() {
                let extra = zeros.min(zero_bytes(value));
                let skip = self.emit(stencil, &header, distances, extra, body);
                self.follow(body, series, header.key_len, value, time, skip);
                return true;
            }
        }
        self.put_slowly(body, series, value, time, labels)
    }

    /// Where labels are needed, or a stencil has to be changed.
    #[cold]
    fn put_slowly(
        &mut self,
        body: &mut Body,
        series: SeriesRef,
        value: f64,
        time: i64,
        labels: Labels<'_>,
    ) -> bool {
        if self.at > TURN {
            self.begin_anew();
        }
        let kept = self.kept(series).map(|(stencil, epoch)| (stencil.header(), epoch));
        if !TIMES.contains(&time) || kept.is_none() && self.full() {
            return self.put_plain(body, series, value, time, labels);
        }
        if !self.plain.is_empty() {
            self.flush(body);
        }
        let deep = self.at - self.window > REACH;
        let may_learn = deep && self.at - self.learned_at > LEARN_EVERY;
        let missing =
            |it: &Stencils, (header, epoch): &(Header, u16)| it.missing(series, header, *epoch);
        let kept = kept.filter(|kept| !may_learn || !(kept.0.shallow() || missing(self, kept)));
        let mut learner = core::mem::take(&mut self.learner);
        let known = match &kept {
            None => self.learn(&mut learner, series, deep, labels),
            Some(kept) if kept.0.spelled() || missing(self, kept) => {
                learner.spell(series, labels).is_some()
            }
            Some(_) => true,
        };
        let done = known.then(|| {
            let (stencil, epoch) = match self.kept(series) {
                Some(found) if kept.is_some() => found,
                _ => (Stencil(&learner.stencil), self.epoch),
            };
            let header = stencil.header();
            let (distances, zeros) = self.sight(series, &header, epoch);
            let skip = if header.spelled() || self.missing(series, &header, epoch) {
                self.spell(stencil, &header, distances, learner.key(), body);
                0
            } else {
                self.emit(stencil, &header, distances, zeros.min(zero_bytes(value)), body)
            };
            (header.key_len, skip)
        });
        self.learner = learner;
        if kept.is_none() {
            self.learned_at = self.at;
        }
        match done {
            Some((key_len, skip)) => {
                self.follow(body, series, key_len, value, time, skip);
                true
            }
            None => self.put_plain(body, series, value, time, labels),
        }
    }

    /// The stencil of a series, and the epoch in which it was learned.
    #[inline]
    fn kept(&self, series: SeriesRef) -> Option<(Stencil<'_>, u16)> {
        let spot = self.spots.get(series.0 as usize)?;
        Some((self.shelf.get(spot.stencil)?, spot.epoch))
    }

    /// No more stencils are kept.
    fn full(&self) -> bool {
        self.held() > limits::STENCIL_BYTES
    }

    /// How far back the keys are that the stencil speaks of, 0 if out of reach; and the low bytes that are zero in the
    /// value that stands where its last copy comes from.
    #[inline]
    fn sight(&self, series: SeriesRef, header: &Header, epoch: u16) -> ([u32; 2], u8) {
        let place = (self.at, header.key_len);
        let seen =
            [FIRST, SECOND].map(|of| seen(&self.spots, header.series(of, series.0), epoch, place));
        let zeros = header.ends_with().map_or(0, |of| seen[of].1);
        (seen.map(|seen| seen.0), zeros)
    }

    /// A series that it speaks of is out of reach.
    fn missing(&self, series: SeriesRef, header: &Header, epoch: u16) -> bool {
        let (distances, _) = self.sight(series, header, epoch);
        [FIRST, SECOND].into_iter().any(|of| distances[of] == 0 && header.has(of))
    }

    /// Writes what the sample before has still to come, and the key; of the value after it, up to `extra` bytes. Gives
    /// how many.
    #[inline]
    fn emit(
        &self,
        stencil: Stencil<'_>,
        header: &Header,
        distances: [u32; 2],
        extra: u8,
        body: &mut Body,
    ) -> u8 {
        let ops = &mut body.ops;
        ops.reserve(4, header.head + stencil.elements_len() + VALUE + STAMP);
        let distance = distances[header.head_of()];
        let ahead = self.lead_in(if header.head > 0 { distance } else { 0 }, ops);
        if header.head > 0 {
            ops.copy(distance, ahead + header.head);
        }
        stencil.write_to(header, distances, ops);
        if extra > 0 { ops.extend(extra) } else { 0 }
    }

    /// As `emit`, where not all that it speaks of is within reach.
    fn spell(
        &self,
        stencil: Stencil<'_>,
        header: &Header,
        distances: [u32; 2],
        key: &[u8],
        body: &mut Body,
    ) {
        let ops = &mut body.ops;
        ops.reserve(stencil.elements_len() + 4, header.key_len + VALUE + STAMP);
        let mut done = header.head;
        if header.head > 0 {
            let distance = distances[header.head_of()];
            let ahead = self.lead_in(distance, ops);
            if distance > 0 {
                ops.copy(distance, ahead + header.head);
            } else {
                ops.literal(&key[..header.head]);
            }
        } else {
            self.lead_in(0, ops);
        }
        for piece in stencil.pieces() {
            done += match piece {
                Piece::Literal(bytes) => {
                    ops.literal(bytes);
                    bytes.len()
                }
                Piece::Copy(of, distance, len) => {
                    if distances[of] > 0 {
                        ops.copy(distances[of].wrapping_add_signed(distance), len);
                    } else {
                        ops.literal(&key[done..done + len]);
                    }
                    len
                }
            };
        }
        ops.literal(&key[done..]);
    }

    /// Writes of the last sample what a copy from `distance` before the next key cannot begin with; gives the bytes
    /// that it can.
    #[inline]
    fn lead_in(&self, distance: u32, ops: &mut Ops) -> usize {
        let run = &self.run;
        if !run.pending {
            return 0;
        }
        let there = self.at - distance;
        if distance == 0 || there < run.since {
            put_value(run, ops);
            ops.word(run.stamp, STAMP);
            return 0;
        }
        // The same time stands there before the key, and perhaps the same value.
        if there == run.at && run.value == run.before {
            return VALUE - run.skip + STAMP;
        }
        put_value(run, ops);
        STAMP
    }

    /// Works out a stencil and keeps it. False if there can be none.
    fn learn(
        &mut self,
        learner: &mut Learner,
        series: SeriesRef,
        deep: bool,
        labels: Labels<'_>,
    ) -> bool {
        let before = self.kept(SeriesRef(self.last));
        let before = before.map(|(it, _)| it.header().series(SECOND, self.last));
        let Stencils { spots, epoch, at, last, .. } = &*self;
        let moment = Moment {
            series,
            last: *last,
            guess: before.filter(|it| *it != NOBODY).map_or(NOBODY, |second| second + 1),
            deep,
            distance: &|series, key_len| seen(spots, series, *epoch, (*at, key_len)).0,
        };
        let known = learner.learn(&moment, labels);
        if known {
            self.keep(series, &learner.stencil);
        }
        known
    }

    /// Keeps it, in place of the one before; not if memory is used up.
    fn keep(&mut self, series: SeriesRef, stencil: &[u8]) {
        let kept = self.shelf.keep(stencil);
        let spot = spot(&mut self.spots, series);
        let before = core::mem::replace(&mut spot.stencil, kept.unwrap_or_default());
        spot.epoch = self.epoch;
        self.shelf.release(before);
    }

    /// Adds a sample without a stencil.
    fn put_plain(
        &mut self,
        body: &mut Body,
        series: SeriesRef,
        value: f64,
        time: i64,
        labels: Labels<'_>,
    ) -> bool {
        let mut packed = core::mem::take(&mut self.packed);
        packed.clear();
        let known = labels(series, &mut packed);
        if known {
            self.put_entry(body, |out| put_sample(out, &packed, value, time));
        }
        self.packed = packed;
        known
    }

    /// Adds an entry of any kind, as `write` appends it. Such entries are compressed in the usual way.
    pub fn put_entry(&mut self, body: &mut Body, write: impl FnOnce(&mut Vec<u8>)) {
        if self.run.pending {
            self.flush(body);
        }
        self.run = NEW;
        self.last = NOBODY;
        let before = self.plain.len();
        write(&mut self.plain);
        self.at += (self.plain.len() - before) as u32;
        body.raw_len += self.plain.len() - before;
    }

    /// Writes what is still to come: of the last sample, or the entries without stencils.
    fn flush(&mut self, body: &mut Body) {
        if core::mem::take(&mut self.run.pending) {
            body.ops.reserve(1, VALUE + STAMP);
            put_value(&self.run, &mut body.ops);
            body.ops.word(self.run.stamp, STAMP);
        } else if !self.plain.is_empty() {
            snappy(&mut self.encoder, &self.plain, &mut self.packed);
            // Copies go back a distance, so a piece is the same wherever it stands; only its length is not wanted.
            let elements = &self.packed[uvarint_len(self.plain.len() as u64)..];
            body.ops.reserve(1, elements.len());
            body.ops.elements(elements.len(), elements);
            self.plain.clear();
        }
    }

    /// A sample has been written, all but the value from its byte `skip` on and the timestamp.
    #[inline]
    fn follow(
        &mut self,
        body: &mut Body,
        series: SeriesRef,
        key_len: usize,
        value: f64,
        time: i64,
        skip: u8,
    ) {
        let spot = spot(&mut self.spots, series);
        spot.at = self.at;
        spot.set_zeros(zero_bytes(value));
        let run = &mut self.run;
        if time != run.time {
            (run.time, run.stamp, run.since) = (time, stamp(time), u32::MAX);
        } else if run.since == u32::MAX {
            run.since = self.at;
        }
        (run.before, run.value) = (run.value, value.to_bits());
        (run.pending, run.skip, run.at) = (true, usize::from(skip), self.at);
        self.last = series.0;
        self.at += (key_len + VALUE + STAMP) as u32;
        body.raw_len += key_len + VALUE + STAMP;
    }

    fn begin_anew(&mut self) {
        self.spots.iter_mut().for_each(|spot| spot.at = 0);
        (self.at, self.window, self.learned_at) = (START, START, START);
        self.turns += 1;
        self.last = NOBODY;
        (self.run.at, self.run.since) = (0, u32::MAX);
    }
}

/// Tag and timestamp of six bytes as a word, lowest byte first.
fn stamp(time: i64) -> u64 {
    let time = time as u64;
    let group = |index: u32| (time >> (7 * index) & 0x7f) << (8 * index);
    let groups: u64 = (0..6).map(group).sum();
    (groups | 0x80_8080_8080) << 8 | 0x10
}

/// Low bytes that are zero.
#[inline]
fn zero_bytes(value: f64) -> u8 {
    (value.to_bits().trailing_zeros() / 8) as u8
}

#[inline]
fn put_value(run: &Run, ops: &mut Ops) {
    if run.skip < VALUE {
        ops.word(run.value >> (8 * run.skip), VALUE - run.skip);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Labels as Set, pack};
    use crate::send::stencil::KEY_BYTES;

    const TIME: i64 = 1_790_000_000_000;

    fn packed(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        pack(pairs.iter().copied().collect::<Set>().iter(), &mut out);
        out
    }

    /// As a page of cAdvisor has it: pods under each family.
    fn family_major(families: usize, pods: usize) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for family in 0..families {
            for pod in 0..pods {
                let (id, name) = (pod * 7919 % 1000, format!("container_{family}_bytes"));
                all.push(packed(&[
                    ("__name__", &name),
                    ("id", &format!("/kubepods/burstable/pod{id:012}")),
                    ("image", &format!("registry.example.com/team/service-{}:v1", pod % 7)),
                    ("instance", "node-17:9100"),
                    ("job", "kubelet"),
                    ("pod", &format!("service-{}-{id:08x}", pod % 7)),
                ]));
            }
        }
        all
    }

    /// Stencils and an encoder of the ordinary sort, side by side.
    struct Pair {
        stencils: Stencils,
        labels: Vec<Option<Vec<u8>>>,
        asked: usize,
    }

    #[derive(Default)]
    struct Message {
        body: Body,
        raw: Vec<u8>,
    }

    impl Message {
        fn check(&self) {
            let mut out = Vec::new();
            self.body.write_to(&mut out);
            assert_eq!(out.len(), self.body.block_len());
            assert_eq!(self.body.raw_len(), self.raw.len());
            let found = snap::raw::Decoder::new().decompress_vec(&out).expect("a Snappy block");
            assert!(found == self.raw, "the message is another");
        }
    }

    impl Pair {
        fn new(labels: Vec<Vec<u8>>) -> Pair {
            let labels = labels.into_iter().map(Some).collect();
            Pair { stencils: Stencils::default(), labels, asked: 0 }
        }

        fn add(&mut self, message: &mut Message, samples: &[(u32, f64, i64)]) {
            self.stencils.open(&message.body);
            for &(series, value, time) in samples {
                let labels = self.labels[series as usize].clone();
                let before = message.raw.len();
                if let Some(labels) = &labels {
                    put_sample(&mut message.raw, labels, value, time);
                }
                let entry = self.stencils.entry_len(SeriesRef(series), time);
                assert!(entry.is_none_or(|len| len == message.raw.len() - before));
                let (all, asked) = (&self.labels, &mut self.asked);
                let put = self.stencils.put(
                    &mut message.body,
                    SeriesRef(series),
                    value,
                    time,
                    &mut |series, out| {
                        *asked += 1;
                        let labels = all.get(series.0 as usize).and_then(|found| found.as_ref());
                        out.extend_from_slice(labels.map_or(&[][..], |labels| labels));
                        labels.is_some()
                    },
                );
                assert_eq!(put, labels.is_some());
            }
            self.stencils.close(&mut message.body);
        }

        fn scrape(&mut self, series: &[u32], time: i64) -> Message {
            let mut message = Message::default();
            let value = |series: u32| f64::from(series * 31 % 17) * 1.25e3;
            let samples: Vec<_> = series.iter().map(|&s| (s, value(s), time)).collect();
            self.add(&mut message, &samples);
            message.check();
            message
        }
    }

    #[test]
    fn what_is_learned_at_first_is_written_without_labels_later() {
        let mut pair = Pair::new(family_major(20, 50));
        let series: Vec<u32> = (0..1000).collect();
        let first = pair.scrape(&series, TIME);
        pair.asked = 0;
        let second = pair.scrape(&series, TIME + 10_000);
        assert!(pair.asked <= 100, "{} labels were read", pair.asked);
        assert!(second.body.block_len() <= first.body.block_len());
        assert!(second.body.block_len() * 10 < second.raw.len(), "{}", second.body.block_len());
        assert!(pair.stencils.held() < 1000 * 64, "{}", pair.stencils.held());
    }

    #[test]
    fn series_come_and_go_in_any_order_and_cut() {
        let mut pair = Pair::new(family_major(10, 40));
        let all: Vec<u32> = (0..400).collect();
        pair.scrape(&all, TIME);
        for (round, step) in [1usize, 3, 7, 11, 399].into_iter().enumerate() {
            let some: Vec<u32> = (0..400).map(|i| (i * step % 400) as u32).collect();
            pair.scrape(&some, TIME + round as i64);
            for piece in some.chunks(57) {
                pair.scrape(piece, TIME + 100 + round as i64);
            }
            let holes: Vec<u32> = all.iter().copied().filter(|s| s % 13 != round as u32).collect();
            pair.scrape(&holes, TIME + 200);
        }
    }

    #[test]
    fn a_ref_that_is_given_to_another_series_is_not_taken_for_the_old_one() {
        let mut pair = Pair::new(family_major(4, 30));
        let all: Vec<u32> = (0..120).collect();
        pair.scrape(&all, TIME);
        for series in (0..120).step_by(5) {
            pair.stencils.forget(SeriesRef(series));
            pair.labels[series as usize] =
                Some(packed(&[("__name__", "other"), ("n", &series.to_string())]));
        }
        pair.scrape(&all, TIME + 1);
        pair.scrape(&all, TIME + 2);
        pair.labels.iter_mut().flatten().for_each(|labels| labels.extend(packed(&[("z", "y")])));
        pair.stencils.clear();
        pair.scrape(&all, TIME + 3);
    }

    #[test]
    fn places_begin_anew_before_they_run_out() {
        let mut pair = Pair::new(family_major(4, 30));
        let all: Vec<u32> = (0..120).collect();
        pair.scrape(&all, TIME);
        pair.stencils.at = TURN - 5000;
        pair.stencils.spots.iter_mut().for_each(|spot| spot.at = TURN - 5001);
        pair.stencils.spots.iter_mut().for_each(|spot| spot.at = 0);
        pair.scrape(&all, TIME);
        assert!(pair.stencils.at < 1 << 20);
        pair.stencils.epoch = EPOCHS - 2;
        for _ in 0..3 {
            pair.stencils.forget(SeriesRef(7));
            pair.scrape(&all, TIME);
        }
        assert!(pair.stencils.epoch < 2);
    }

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![
            Just(0.0),
            Just(-0.0),
            Just(f64::from_bits(0x7ff0_0000_0000_0002)),
            (0u32..5).prop_map(f64::from),
            any::<u64>().prop_map(f64::from_bits),
        ]
    }

    fn moment() -> impl Strategy<Value = i64> {
        prop_oneof![
            8 => (0i64..3).prop_map(|more| TIME + more),
            1 => prop_oneof![Just(0), Just(-1), Just(i64::MIN), Just(i64::MAX), Just(127), Just(1 << 35)],
        ]
    }

    #[derive(Clone, Debug)]
    enum Deed {
        Add(usize, Vec<u32>, Vec<f64>, Vec<i64>),
        Replace(u32),
        Lose(u32),
        Clear,
        Finish(usize),
    }

    const REFS: u32 = 300;

    fn deed() -> impl Strategy<Value = Deed> {
        let runs = prop::collection::vec((0..REFS, 1u32..60), 1..6).prop_map(|runs| {
            let one = |(from, len): (u32, u32)| (from..from + len).map(|series| series % REFS);
            runs.into_iter().flat_map(one).collect::<Vec<u32>>()
        });
        let (values, times) =
            (prop::collection::vec(number(), 1..9), prop::collection::vec(moment(), 1..4));
        prop_oneof![
            12 => (0usize..2, runs, values, times).prop_map(|(m, s, v, t)| Deed::Add(m, s, v, t)),
            3 => (0..REFS).prop_map(Deed::Replace),
            1 => (0..REFS).prop_map(Deed::Lose),
            1 => Just(Deed::Clear),
            3 => (0usize..2).prop_map(Deed::Finish),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn whatever_is_written_another_decoder_reads_as_the_plain_encoder_wrote_it(
            deeds in prop::collection::vec(deed(), 1..40),
            first_at in prop_oneof![Just(START), Just(TURN - 70_000)],
        ) {
            let mut pair = Pair::new(family_major(10, 30));
            pair.stencils.at = first_at;
            let mut messages = [Message::default(), Message::default()];
            for (number, deed) in deeds.into_iter().enumerate() {
                match deed {
                    Deed::Add(message, series, values, times) => {
                        let values = values.iter().cycle();
                        // Times in runs, as frames have them.
                        let times = times.iter().flat_map(|time| core::iter::repeat_n(time, 20));
                        let samples: Vec<_> = series.into_iter().zip(values).zip(times.cycle())
                            .map(|((series, value), time)| (series, *value, *time)).collect();
                        pair.add(&mut messages[message], &samples);
                        messages[message].check();
                    }
                    Deed::Replace(series) => {
                        pair.stencils.forget(SeriesRef(series));
                        let long = "x".repeat(if number == 7 { KEY_BYTES } else { number * 9 });
                        let labels = packed(&[("__name__", "new"), ("n", &long)]);
                        pair.labels[series as usize] = Some(labels);
                    }
                    Deed::Lose(series) => {
                        pair.stencils.forget(SeriesRef(series));
                        pair.labels[series as usize] = None;
                    }
                    Deed::Clear => pair.stencils.clear(),
                    Deed::Finish(message) => messages[message] = Message::default(),
                }
            }
        }
    }
}
