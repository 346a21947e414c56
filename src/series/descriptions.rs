//! What families say of themselves (type, help, unit), and which series are of which family: two bytes a series. The
//! texts are in the dictionary, once each.

use std::collections::HashMap;

use crate::base::{Timestamp, seeded_hash};
use crate::model::SeriesRef;
use crate::wal::{At, Dictionary, Full};

/// Descriptions of one log. They have numbers from 1 on; 0 is none.
#[derive(Debug, Default)]
pub struct Descriptions {
    /// By ref; shorter than the table of series where the rest has none.
    of: Vec<u16>,
    /// By number, less one.
    known: Vec<Option<Known>>,
    /// By hash of the content.
    index: HashMap<u64, u16>,
    /// Numbers that no series has; they may be given to another content.
    idle: usize,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    at: At,
    hash: u64,
    series: u32,
    /// False: some series has the number, and what it meant is lost.
    readable: bool,
}

/// Seed of the hash of a content: nobody gains by making two that collide but a wrong text in its own description.
const SEED: u64 = 0x6465_7363;

impl Descriptions {
    /// The number of this content, which the dictionary learns if it is new. 0 if there are too many.
    pub fn number(
        &mut self,
        dictionary: &mut Dictionary,
        content: &[u8],
        now: Timestamp,
    ) -> Result<u16, Full> {
        let hash = seeded_hash(SEED, content);
        if let Some(&number) = self.index.get(&hash) {
            return Ok(number);
        }
        let vacant = match self.idle {
            0 => None,
            _ => self.known.iter().position(|known| known.is_none_or(|known| known.series == 0)),
        };
        let at = vacant.unwrap_or(self.known.len());
        let Ok(number) = u16::try_from(at + 1) else { return Ok(0) };
        let place = dictionary.describe(number, content, now)?;
        if at == self.known.len() {
            self.known.push(None);
            self.idle += 1;
        }
        let known = Known { at: place, hash, series: 0, readable: true };
        if let Some(before) = self.known[at].replace(known) {
            self.index.remove(&before.hash);
            dictionary.mark_dead(before.at);
        }
        self.index.insert(hash, number);
        Ok(number)
    }

    /// The description that the series has.
    #[inline]
    pub fn of(&self, series: SeriesRef) -> u16 {
        self.of.get(series.0 as usize).copied().unwrap_or(0)
    }

    /// The series has another one from now on. Its definition in the dictionary must say so.
    pub fn set(&mut self, series: SeriesRef, number: u16) {
        let slot = series.0 as usize;
        if slot >= self.of.len() {
            if number == 0 {
                return;
            }
            self.of.resize(slot + 1, 0);
        }
        let before = core::mem::replace(&mut self.of[slot], number);
        if let Some(known) = self.known_mut(before) {
            known.series -= 1;
            self.idle += usize::from(known.series == 0);
        }
        if let Some(known) = self.known_mut(number) {
            known.series += 1;
            self.idle -= usize::from(known.series == 1);
        }
    }

    fn known_mut(&mut self, number: u16) -> Option<&mut Known> {
        self.known.get_mut(usize::from(number).checked_sub(1)?)?.as_mut()
    }

    /// What the number means; `None` if it is not known.
    pub fn content<'a>(&self, dictionary: &'a Dictionary, number: u16) -> Option<&'a [u8]> {
        let known =
            self.known.get(usize::from(number).checked_sub(1)?)?.filter(|it| it.readable)?;
        Some(dictionary.description(known.at)).filter(|content| !content.is_empty())
    }

    /// The numbers after this one that series have, in order.
    pub fn used_after(&self, number: u16) -> impl Iterator<Item = u16> {
        let used = |known: &Option<Known>| known.is_some_and(|known| known.series > 0);
        let from = usize::from(number).min(self.known.len());
        let rest = self.known[from..].iter().zip(from + 1..);
        rest.filter(move |(known, _)| used(known)).map(|(_, number)| number as u16)
    }

    /// A definition read back from the dictionary.
    pub fn recover_series(&mut self, series: SeriesRef, number: u16) {
        let slot = series.0 as usize;
        if slot < self.of.len() || number != 0 {
            self.of.resize(self.of.len().max(slot + 1), 0);
            self.of[slot] = number;
        }
    }

    /// A description read back from the dictionary. Gives the place of the one before with this number.
    pub fn recover(&mut self, number: u16, at: At, content: &[u8]) -> Option<At> {
        let slot = usize::from(number).checked_sub(1)?;
        self.known.resize(self.known.len().max(slot + 1), None);
        let hash = seeded_hash(SEED, content);
        let before = self.known[slot].replace(Known { at, hash, series: 0, readable: true });
        if let Some(before) = before {
            self.index.remove(&before.hash);
        }
        self.index.insert(hash, number);
        before.map(|before| before.at)
    }

    /// The dictionary has been read.
    pub fn recovered(&mut self) {
        for number in self.of.iter().filter_map(|number| usize::from(*number).checked_sub(1)) {
            if number >= self.known.len() {
                self.known.resize(number + 1, None);
            }
            // A number whose meaning is lost must not come to mean something else while a series has it.
            let lost = Known { at: At(0), hash: 0, series: 0, readable: false };
            self.known[number].get_or_insert(lost).series += 1;
        }
        let unused = |known: &&Option<Known>| known.is_none_or(|known| known.series == 0);
        self.idle = self.known.iter().filter(unused).count();
    }

    /// The dictionary is cleaned: a description that stands there. True if it has to be moved.
    pub fn lives(&mut self, number: u16, at: At) -> bool {
        let Some(slot) = usize::from(number).checked_sub(1) else { return false };
        let Some(Some(known)) = self.known.get(slot).copied() else { return false };
        if known.at != at || !known.readable {
            return false;
        }
        if known.series == 0 {
            self.index.remove(&known.hash);
            self.known[slot] = None;
            return false;
        }
        true
    }

    /// It stands there from now on.
    pub fn moved(&mut self, number: u16, at: At) {
        if let Some(known) = self.known_mut(number) {
            known.at = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits;
    use crate::wal::{Identity, Region};

    fn dictionary() -> Dictionary {
        let identity = Identity { store: [1; 16], shard: 0, start: 1, epoch: 1 };
        let segment = limits::SEGMENT_BYTES_MIN;
        let mut dictionary = Dictionary::open(identity, segment, vec![], 1, &mut |_| None);
        dictionary.give_spare(0, Region::heap(segment));
        dictionary
    }

    #[test]
    fn numbers_that_no_series_has_are_used_again() {
        let (mut it, mut dictionary) = (Descriptions::default(), dictionary());
        let mut number = |it: &mut Descriptions, content: &str| {
            it.number(&mut dictionary, content.as_bytes(), Timestamp(0)).expect("room")
        };
        assert_eq!(number(&mut it, "a"), 1);
        it.set(SeriesRef(3), 1);
        assert_eq!(number(&mut it, "b"), 2);
        it.set(SeriesRef(4), 2);
        assert_eq!((number(&mut it, "a"), number(&mut it, "b")), (1, 2));
        it.set(SeriesRef(3), 2);
        assert_eq!(number(&mut it, "c"), 1);
        assert_eq!(it.used_after(0).collect::<Vec<_>>(), [2]);
        it.set(SeriesRef(3), 1);
        assert_eq!(it.used_after(0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(it.content(&dictionary, 1), Some(&b"c"[..]));
        assert_eq!(it.content(&dictionary, 2), Some(&b"b"[..]));
        assert_eq!((it.content(&dictionary, 0), it.content(&dictionary, 3)), (None, None));
        assert_eq!((it.of(SeriesRef(4)), it.of(SeriesRef(400))), (2, 0));
    }

    #[test]
    fn a_number_whose_meaning_is_lost_means_nothing_until_no_series_has_it() {
        let (mut it, mut dictionary) = (Descriptions::default(), dictionary());
        it.recover_series(SeriesRef(0), 2);
        it.recovered();
        assert_eq!(it.content(&dictionary, 2), None);
        let number = it.number(&mut dictionary, b"a", Timestamp(0)).expect("room");
        assert_eq!(number, 1);
        it.set(SeriesRef(1), 1);
        it.set(SeriesRef(0), 0);
        assert_eq!(it.number(&mut dictionary, b"b", Timestamp(0)).expect("room"), 2);
        assert_eq!(it.content(&dictionary, 2), Some(&b"b"[..]));
    }
}
