//! The texts of one request of remote write 2.0: each once, and known by its number.

use hashbrown::HashTable;

use crate::base::seeded_hash;
use crate::model::packed_label;
use crate::wire::remote_v2::put_symbol;

/// A label of the series asked for last.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// Where its bytes end, packed.
    end: u32,
    name: u32,
    value: u32,
}

/// Numbers of texts. Series that follow one another have most labels in common, so those are compared with the series
/// before, which spares the look-up.
#[derive(Debug, Default)]
pub struct Symbols {
    /// Fields of the request, in order.
    encoded: Vec<u8>,
    /// Where each text ends in `encoded`, and its length.
    texts: Vec<(u32, u32)>,
    index: HashTable<u32>,
    last: Vec<Known>,
    last_packed: Vec<u8>,
    next: Vec<Known>,
    seed: u64,
}

impl Symbols {
    pub fn clear(&mut self) {
        self.encoded.clear();
        self.texts.clear();
        self.index.clear();
        self.last.clear();
        self.last_packed.clear();
    }

    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// How many there are, to go back to.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Forgets the newest ones, so that `len` are left.
    pub fn truncate(&mut self, len: usize) {
        while self.texts.len() > len {
            let number = (self.texts.len() - 1) as u32;
            let hash = seeded_hash(self.seed, self.text(number));
            if let Ok(entry) = self.index.find_entry(hash, |&found| found == number) {
                entry.remove();
            }
            self.texts.pop();
        }
        let end = self.texts.last().map_or(0, |(end, _)| *end as usize);
        self.encoded.truncate(end);
        self.last.clear();
        self.last_packed.clear();
    }

    fn text(&self, number: u32) -> &[u8] {
        let Some(&(end, len)) = self.texts.get(number as usize) else { return &[] };
        self.encoded.get((end - len) as usize..end as usize).unwrap_or_default()
    }

    /// The number of a text.
    // spec: remote-write 2.0, symbols: the first is the empty one
    pub fn number(&mut self, text: &[u8]) -> u32 {
        if self.texts.is_empty() {
            put_symbol(&mut self.encoded, b"");
            self.texts.push((self.encoded.len() as u32, 0));
        }
        if text.is_empty() {
            return 0;
        }
        let hash = seeded_hash(self.seed, text);
        if let Some(&found) = self.index.find(hash, |&found| self.text(found) == text) {
            return found;
        }
        let number = self.texts.len() as u32;
        put_symbol(&mut self.encoded, text);
        self.texts.push((self.encoded.len() as u32, text.len() as u32));
        let (encoded, texts, seed) = (&self.encoded, &self.texts, self.seed);
        self.index.insert_unique(hash, number, |&other| {
            let (end, len) = texts[other as usize];
            seeded_hash(seed, &encoded[(end - len) as usize..end as usize])
        });
        number
    }

    /// Numbers of the names and values of packed labels, in their order.
    pub fn labels(&mut self, packed: &[u8]) -> impl Iterator<Item = u32> + Clone {
        let mut next = core::mem::take(&mut self.next);
        next.clear();
        let (mut at, mut old, mut old_start) = (0, 0, 0);
        while at < packed.len() {
            let known = self.last.get(old).copied();
            if let Some(known) = known {
                let same = &self.last_packed[old_start..known.end as usize];
                if packed[at..].starts_with(same) {
                    at += same.len();
                    next.push(Known { end: at as u32, ..known });
                    (old, old_start) = (old + 1, known.end as usize);
                    continue;
                }
            }
            let Some((name, value, len)) = packed_label(&packed[at..]) else { break };
            at += len;
            let mut name_number = None;
            while let Some(known) = self.last.get(old).copied() {
                let before = self.text(known.name);
                if before > name {
                    break;
                }
                name_number = (before == name).then_some(known.name);
                (old, old_start) = (old + 1, known.end as usize);
                if name_number.is_some() {
                    break;
                }
            }
            let name = name_number.unwrap_or_else(|| self.number(name));
            let value = self.number(value);
            next.push(Known { end: at as u32, name, value });
        }
        self.next = core::mem::replace(&mut self.last, next);
        self.last_packed.clear();
        self.last_packed.extend_from_slice(packed);
        self.last.iter().flat_map(|known| [known.name, known.value])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::model::pack;
    use crate::wire::remote_v2::Request;

    fn packed(labels: &[(String, String)]) -> Vec<u8> {
        let mut out = Vec::new();
        pack(labels.iter().map(|(name, value)| (&**name, &**value)), &mut out);
        out
    }

    #[test]
    fn the_first_is_empty_and_each_text_is_there_once() {
        let mut symbols = Symbols::default();
        assert_eq!(symbols.number(b""), 0);
        assert_eq!(symbols.number(b"a"), 1);
        assert_eq!(symbols.number(b"b"), 2);
        assert_eq!(symbols.number(b"a"), 1);
        symbols.truncate(2);
        assert_eq!(symbols.number(b"c"), 2);
        assert_eq!(symbols.number(b"b"), 3);
        let request = Request::decode(symbols.encoded()).expect("valid");
        assert_eq!(request.symbols, ["", "a", "c", "b"]);
        symbols.clear();
        assert_eq!(symbols.number(b"b"), 1);
    }

    proptest! {
        #[test]
        fn labels_of_any_series_in_any_order_are_found_again(
            sets in prop::collection::vec(
                (prop::collection::btree_map("[ab]{1,2}", "[abc]{1,2}", 0..6), any::<bool>()),
                1..20,
            ),
        ) {
            let mut symbols = Symbols::default();
            let mut kept = Vec::new();
            for (labels, keeps) in sets {
                let labels: Vec<(String, String)> = labels.into_iter().collect();
                let before = symbols.len();
                let numbers: Vec<u32> = symbols.labels(&packed(&labels)).collect();
                match keeps {
                    true => kept.push((labels, numbers)),
                    false => symbols.truncate(before),
                }
            }
            let texts = Request::decode(symbols.encoded()).expect("valid").symbols;
            for (labels, numbers) in kept {
                let found: Vec<&str> = numbers.iter().map(|number| &*texts[*number as usize]).collect();
                let wanted: Vec<&str> =
                    labels.iter().flat_map(|(name, value)| [&**name, &**value]).collect();
                prop_assert_eq!(found, wanted);
            }
            let mut once = texts.clone();
            once.sort();
            once.dedup();
            prop_assert_eq!(once.len(), texts.len());
        }
    }
}
