//! Works stencils out: whom to compare a series with, and what comes of it.

use crate::base::seeded_hash;
use crate::model::SeriesRef;
use crate::send::learn::{Key, Part, Source, weave};
use crate::send::stencil::{KEY_BYTES, Learned, NOBODY, write};

/// Appends the labels under which a series is sent; false if they are not known.
pub type Labels<'a> = &'a mut dyn FnMut(SeriesRef, &mut Vec<u8>) -> bool;

/// Bytes of a label that is worth looking for, or of a stencil's own that are worth another attempt.
const LABEL_MIN: usize = 10;
const OWNERS: usize = 4096;

/// Buffers, and what was met lately.
#[derive(Debug, Default)]
pub struct Learner {
    own: Key,
    /// The series whose key `own` is, if its labels were looked for.
    own_is: Option<SeriesRef>,
    first: Key,
    second: Key,
    same_first: Vec<usize>,
    same_second: Vec<usize>,
    parts: Vec<Part>,
    /// The last one.
    pub stencil: Vec<u8>,
    /// By hash of a label: the series that had it when it was learned.
    owners: Vec<u32>,
}

/// A series that is about to be written, and what is around it.
pub struct Moment<'a> {
    pub series: SeriesRef,
    /// The series written before it.
    pub last: u32,
    /// A series that it might have something in common with.
    pub guess: u32,
    /// There is as much before it as copies can reach.
    pub deep: bool,
    /// How far back the key of a series is from a key of so many bytes; 0 if out of reach.
    pub distance: &'a dyn Fn(u32, usize) -> u32,
}

impl Learner {
    /// The key of a series; `None` if its labels are not known.
    pub fn spell(&mut self, series: SeriesRef, labels: Labels<'_>) -> Option<&[u8]> {
        self.own_is = None;
        self.own.spell(|out| labels(series, out)).then_some(&*self.own.bytes)
    }

    /// The key of the series that was spelled or learned last.
    pub fn key(&self) -> &[u8] {
        &self.own.bytes
    }

    /// False if there can be no stencil.
    pub fn learn(&mut self, moment: &Moment<'_>, labels: Labels<'_>) -> bool {
        let Moment { series, last, guess, .. } = *moment;
        // What was learned last is mostly what was written last.
        let has_last = self.own_is.take() == Some(SeriesRef(last));
        if has_last {
            core::mem::swap(&mut self.own, &mut self.first);
        }
        if !self.own.set(|out| labels(series, out)) || self.own.bytes.len() > KEY_BYTES {
            return false;
        }
        self.own_is = Some(series);
        let key_len = self.own.bytes.len();
        let distance = |series| (moment.distance)(series, key_len);
        // The series before has most in common; what it has not, a label of its own pod say, another may have.
        let has_first =
            distance(last) > 0 && (has_last || self.first.set(|out| labels(SeriesRef(last), out)));
        if !has_first {
            self.first.clear();
        }
        self.own.align(&self.first, &mut self.same_first);
        self.owners.resize(OWNERS, NOBODY);
        let label = self.own.longest_beside(&self.first, &self.same_first);
        let label = label.filter(|label| label.len() >= LABEL_MIN);
        let guesses = label.map(|label| [guess, self.owners[place(label)]]);
        let other = guesses.into_iter().flatten().find(|&other| {
            let second = &mut self.second;
            other != last
                && distance(other) > 0
                && second.set(|out| labels(SeriesRef(other), out))
                && label.is_some_and(|label| second.has(label))
        });
        let first = has_first.then_some((&self.first, &*self.same_first));
        let second = other.map(|_| {
            self.own.align(&self.second, &mut self.same_second);
            (&self.second, &*self.same_second)
        });
        weave(&self.own, first, second, &mut self.parts);
        let used = |source| self.parts.iter().any(|part| part.source == source);
        let own = self.parts.iter().filter(|part| part.source == Source::Own);
        let own: usize = own.map(|part| part.len).sum();
        let sources = [
            if used(Source::First) { last } else { NOBODY },
            other.filter(|_| used(Source::Second)).unwrap_or(NOBODY),
        ];
        let learned = Learned {
            shallow: !moment.deep && own >= LABEL_MIN,
            own: series.0,
            series: sources,
            ends: [first, second].map(|other| other.map_or(0, |(key, _)| key.bytes.len())),
        };
        write(&self.parts, &self.own.bytes, &learned, &mut self.stencil);
        for label in self.own.labels() {
            self.owners[place(label)] = series.0;
        }
        true
    }
}

fn place(label: &[u8]) -> usize {
    seeded_hash(0, label) as usize % OWNERS
}
