//! Refs by the hash of their labels.

/// 256 tables, each of the size that it needs: growing one is a small step, and little room is left over.
#[derive(Debug)]
pub(super) struct Index {
    parts: Vec<Part>,
    len: usize,
}

/// Open addressing with linear probing.
#[derive(Debug, Default)]
struct Part {
    /// 0 where there is nothing, else some bits of the hash.
    tags: Vec<u8>,
    refs: Vec<u32>,
    used: usize,
}

const PARTS: u32 = 256;
/// Bits of the hash that say where in a part.
const PLACE_BITS: u32 = u32::BITS - PARTS.ilog2();
/// Slots of the smallest part that has any.
const SLOTS_MIN: usize = 8;

impl Index {
    pub(super) fn new() -> Index {
        Index { parts: (0..PARTS).map(|_| Part::default()).collect(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The ref with this hash that is the right one.
    pub(super) fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let part = &self.parts[part_of(hash)];
        let found =
            part.probe(hash).find(|slot| part.tags[*slot] == tag(hash) && is(part.refs[*slot]));
        found.map(|slot| part.refs[slot])
    }

    /// `hashes`: of every ref that is here.
    pub(super) fn insert(&mut self, hash: u32, series: u32, hashes: &[u32]) {
        self.len += 1;
        let part = &mut self.parts[part_of(hash)];
        part.used += 1;
        if part.used * 8 > part.tags.len() * 7 {
            part.grow(hashes);
        }
        part.put(hash, series);
    }

    pub(super) fn remove(&mut self, hash: u32, series: u32, hashes: &[u32]) {
        let part = &mut self.parts[part_of(hash)];
        let Some(mut hole) = part.probe(hash).find(|slot| part.refs[*slot] == series) else {
            return;
        };
        self.len -= 1;
        part.used -= 1;
        // What was pushed past the hole moves up, so that no probe ends too early.
        let slots = part.tags.len();
        let mut next = (hole + 1) % slots;
        while part.tags[next] != 0 {
            let home = home(hashes[part.refs[next] as usize], slots);
            if (next + slots - home) % slots >= (next + slots - hole) % slots {
                (part.tags[hole], part.refs[hole]) = (part.tags[next], part.refs[next]);
                hole = next;
            }
            next = (next + 1) % slots;
        }
        part.tags[hole] = 0;
    }
}

impl Part {
    /// Slots from a hash's own on, up to the first where there is nothing.
    fn probe(&self, hash: u32) -> impl Iterator<Item = usize> {
        let (slots, from) = (self.tags.len(), home(hash, self.tags.len()));
        let all = (from..slots).chain(0..from);
        all.take_while(|slot| self.tags[*slot] != 0)
    }

    fn put(&mut self, hash: u32, series: u32) {
        let from = home(hash, self.tags.len());
        let ahead = self.tags[from..].iter().position(|tag| *tag == 0);
        let slot = ahead.map(|ahead| from + ahead);
        let slot = slot.or_else(|| self.tags.iter().position(|tag| *tag == 0));
        let slot = slot.expect("a part has room for one more");
        (self.tags[slot], self.refs[slot]) = (tag(hash), series);
    }

    /// Makes a quarter more room than what is used needs.
    fn grow(&mut self, hashes: &[u32]) {
        let slots = (self.used + self.used.div_ceil(4)).max(SLOTS_MIN);
        let tags = core::mem::replace(&mut self.tags, vec![0; slots]);
        let refs = core::mem::replace(&mut self.refs, vec![0; slots]);
        let filled = tags.iter().zip(&refs).filter(|(tag, _)| **tag != 0);
        for (_, &series) in filled {
            self.put(hashes[series as usize], series);
        }
    }
}

fn part_of(hash: u32) -> usize {
    (hash >> PLACE_BITS) as usize
}

/// The slot of a hash, if nobody else has it.
fn home(hash: u32, slots: usize) -> usize {
    let place = u64::from(hash & ((1 << PLACE_BITS) - 1));
    ((place * slots as u64) >> PLACE_BITS) as usize
}

fn tag(hash: u32) -> u8 {
    1 + (hash % 255) as u8
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::Random;

    #[test]
    fn what_was_put_in_is_found_until_it_is_taken_out() {
        // Few hashes, so that parts are crowded and many refs have the same.
        for mask in [u32::MAX, 0x0300_00ff, 0xff] {
            let mut random = Random::new(u64::from(mask));
            let mut index = Index::new();
            let mut hashes = Vec::new();
            let mut known = BTreeMap::new();
            for step in 0..4000u32 {
                let series = hashes.len() as u32;
                hashes.push(random.next_u64() as u32 & mask);
                index.insert(hashes[series as usize], series, &hashes);
                known.insert(series, hashes[series as usize]);
                if step % 3 == 2 {
                    let gone =
                        *known.keys().nth(random.next_u64() as usize % known.len()).expect("one");
                    let hash = known.remove(&gone).expect("known");
                    index.remove(hash, gone, &hashes);
                    index.remove(hash, gone, &hashes);
                    assert_eq!(index.find(hash, |found| found == gone), None);
                }
            }
            assert_eq!(index.len(), known.len());
            for (series, hash) in &known {
                assert_eq!(index.find(*hash, |found| found == *series), Some(*series));
            }
            let slots: usize = index.parts.iter().map(|part| part.tags.len()).sum();
            let full = PARTS as usize * SLOTS_MIN;
            assert!(slots <= hashes.len() * 3 / 2 + full, "{slots}");
        }
    }
}
