//! How a series' key is made of parts of two others: worked out once per series, from the labels.
//!
//! ```text
//! entry of a request   0A len  labels…  12 10 09  value (8)  10 time (6)
//! key                  ^^^^^^^^^^^^^^^^^^^^^^^^
//! ```

use crate::base::{Reader, uvarint_len};

/// After the labels: tag and length of the sample, tag of its value.
const SAMPLE: [u8; 3] = [0x12, SAMPLE_BYTES, 0x09];
/// Value and a timestamp of six bytes, each with its tag.
const SAMPLE_BYTES: u8 = 9 + 7;
/// Bytes of the tag of an entry and its length.
const LENGTH_MAX: usize = 6;
/// A copy that cuts a literal in two must save more than it costs.
const COPY_MIN: usize = 6;

/// What stands before the value of a sample.
#[derive(Debug, Default)]
pub struct Key {
    pub bytes: Vec<u8>,
    labels: Vec<Label>,
}

/// Places of a label in the key's bytes.
#[derive(Clone, Copy, Debug)]
struct Label {
    start: usize,
    /// Tag and length of the name, name, tag of the value: up to `name_end`.
    name: usize,
    name_end: usize,
    value: usize,
    end: usize,
}

/// Where a part of a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    First,
    Second,
    /// Its own bytes.
    Own,
}

/// Bytes of a key that are those at `from` in its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub source: Source,
    pub from: usize,
    pub len: usize,
}

impl Key {
    /// Spells it out, of the labels that `labels` appends; false if it has none.
    pub fn spell(&mut self, labels: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        self.labels.clear();
        self.bytes.clear();
        // Room for the length, which is known when the labels are there.
        self.bytes.resize(LENGTH_MAX, 0);
        if !labels(&mut self.bytes) {
            return false;
        }
        let entry = self.bytes.len() - LENGTH_MAX + 2 + usize::from(SAMPLE_BYTES);
        let unused = LENGTH_MAX - 1 - uvarint_len(entry as u64);
        self.bytes[unused] = 0x0a;
        let mut rest = entry;
        for byte in &mut self.bytes[unused + 1..LENGTH_MAX] {
            *byte = rest as u8 | 0x80;
            rest >>= 7;
        }
        self.bytes[LENGTH_MAX - 1] &= 0x7f;
        self.bytes.drain(..unused);
        self.bytes.extend_from_slice(&SAMPLE);
        true
    }

    /// Makes it the key of nobody.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.labels.clear();
    }

    /// As [`Key::spell`], and finds the labels in it.
    pub fn set(&mut self, labels: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        if !self.spell(labels) {
            return false;
        }
        let end = self.bytes.len() - SAMPLE.len();
        // Behind the tag and the length.
        let mut at = 2 + self.bytes.iter().skip(1).take_while(|byte| **byte >= 0x80).count();
        while let Some(label) = label_at(&self.bytes[..end], at) {
            at = label.end;
            self.labels.push(label);
        }
        true
    }

    /// The label that takes the most bytes of those that `other` has not. `same`: see [`Key::align`].
    pub fn longest_beside(&self, other: &Key, same: &[usize]) -> Option<&[u8]> {
        let own = self.labels.iter().zip(same).filter_map(|(label, &same)| {
            let label = &self.bytes[label.start..label.end];
            (other.label(same) != Some(label)).then_some(label)
        });
        own.max_by_key(|label| label.len())
    }

    pub fn has(&self, label: &[u8]) -> bool {
        self.labels().any(|own| own == label)
    }

    /// Each label's bytes.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        self.labels.iter().map(|label| &self.bytes[label.start..label.end])
    }

    fn label(&self, at: usize) -> Option<&[u8]> {
        self.labels.get(at).map(|label| &self.bytes[label.start..label.end])
    }

    /// For each label the number of the one in `other` that goes by the same name; a large number if there is none.
    pub fn align(&self, other: &Key, same: &mut Vec<usize>) {
        same.clear();
        let mut next = 0;
        for label in &self.labels {
            let name = &self.bytes[label.name..label.name_end];
            let is = |at: &usize| {
                let found = &other.labels[*at];
                other.bytes[found.name..found.name_end] == *name
            };
            // Labels are sorted, so it is mostly the one after the last.
            let found = (next..other.labels.len()).find(is).or_else(|| (0..next).find(is));
            next = found.map_or(next, |at| at + 1);
            same.push(found.unwrap_or(usize::MAX));
        }
    }
}

fn label_at(bytes: &[u8], at: usize) -> Option<Label> {
    // Lengths below 128, which nearly all are, are read without a loop.
    if let Some([0x0a, len @ 0..0x80, 0x0a, name_len @ 0..0x80, rest @ ..]) = bytes.get(at..)
        && let (len, name_len) = (usize::from(*len), usize::from(*name_len))
        && let Some(&[0x12, value_len @ 0..0x80]) = rest.get(name_len..name_len + 2)
        && name_len + usize::from(value_len) + 4 == len
        && rest.len() + 2 >= len
    {
        let value = at + 6 + name_len;
        return Some(Label {
            start: at,
            name: at + 2,
            name_end: value - 1,
            value,
            end: at + 2 + len,
        });
    }
    let mut reader = Reader::new(bytes.get(at..)?);
    let here = |reader: &Reader<'_>| bytes.len() - reader.rest().len();
    reader.u8().filter(|tag| *tag == 0x0a)?;
    reader.uvarint()?;
    let name = here(&reader);
    reader.u8().filter(|tag| *tag == 0x0a)?;
    let name_len = reader.uvarint()? as usize;
    reader.bytes(name_len)?;
    reader.u8().filter(|tag| *tag == 0x12)?;
    let name_end = here(&reader);
    let value_len = reader.uvarint()? as usize;
    let value = here(&reader);
    reader.bytes(value_len)?;
    Some(Label { start: at, name, name_end, value, end: here(&reader) })
}

/// Another key, and the numbers of its labels for those of a key: see [`Key::align`].
pub type Other<'a> = Option<(&'a Key, &'a [usize])>;

/// The parts that `own` is made of, in order, with as few bytes of its own as can be found quickly: labels are
/// compared with those of the same name.
pub fn weave(own: &Key, first: Other<'_>, second: Other<'_>, parts: &mut Vec<Part>) {
    parts.clear();
    let mut weaver = Weaver { own: &own.bytes, done: 0, parts };
    let sources = [(Source::First, first), (Source::Second, second)];
    let from_start = sources.map(|(source, other)| other.map(|(key, _)| (source, &*key.bytes, 0)));
    weaver.take(0, &from_start, 1);
    for (at, label) in own.labels.iter().enumerate() {
        if weaver.done >= label.end {
            continue;
        }
        let same = sources.map(|(source, other)| {
            let (key, same) = other?;
            Some((source, &*key.bytes, key.labels.get(*same.get(at)?)?))
        });
        let places: [fn(&Label) -> usize; 3] =
            [|label| label.start, |label| label.name, |label| label.value];
        for place in places {
            let from =
                same.map(|same| same.map(|(source, bytes, label)| (source, bytes, place(label))));
            weaver.take(place(label), &from, COPY_MIN);
        }
    }
    let tail = own.bytes.len() - SAMPLE.len();
    let from_tail = sources.map(|(source, other)| {
        other.map(|(key, _)| (source, &*key.bytes, key.bytes.len() - SAMPLE.len()))
    });
    weaver.take(tail, &from_tail, COPY_MIN);
    weaver.own_until(own.bytes.len());
}

struct Weaver<'a> {
    own: &'a [u8],
    /// Bytes that parts have been found for.
    done: usize,
    parts: &'a mut Vec<Part>,
}

impl Weaver<'_> {
    /// Takes the longest of the matches at `at`, if it is of `least` bytes or more.
    fn take(&mut self, at: usize, sources: &[Option<(Source, &[u8], usize)>; 2], least: usize) {
        if at < self.done {
            return;
        }
        let mut best = Part { source: Source::Own, from: 0, len: 0 };
        let mut best_at = at;
        for (source, bytes, from) in sources.iter().flatten() {
            let ahead = common(&self.own[at..], &bytes[*from..]);
            let room = (at - self.done).min(*from);
            let back =
                (0..room).take_while(|i| self.own[at - 1 - i] == bytes[from - 1 - i]).count();
            if ahead + back > best.len {
                best = Part { source: *source, from: from - back, len: ahead + back };
                best_at = at - back;
            }
        }
        if best.len >= least {
            self.own_until(best_at);
            self.done += best.len;
            self.parts.push(best);
        }
    }

    fn own_until(&mut self, until: usize) {
        if until > self.done {
            let part = Part { source: Source::Own, from: self.done, len: until - self.done };
            self.parts.push(part);
            self.done = until;
        }
    }
}

/// Bytes that both begin with.
fn common(left: &[u8], right: &[u8]) -> usize {
    let (left_words, _) = left.as_chunks::<8>();
    let (right_words, _) = right.as_chunks::<8>();
    let words = left_words.iter().zip(right_words).take_while(|(a, b)| a == b).count() * 8;
    let rest = left[words..].iter().zip(&right[words..]);
    words + rest.take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Labels, pack};
    use crate::wire::remote_v1::put_sample;

    fn key(labels: &[(&str, &str)]) -> Key {
        let mut key = Key::default();
        assert!(key.set(|out| {
            pack(labels.iter().copied().collect::<Labels>().iter(), out);
            true
        }));
        key
    }

    fn woven(own: &Key, first: Option<&Key>, second: Option<&Key>, parts: &[Part]) -> Vec<u8> {
        let mut out = Vec::new();
        for part in parts {
            let bytes = match part.source {
                Source::First => &first.expect("there").bytes,
                Source::Second => &second.expect("there").bytes,
                Source::Own => &own.bytes,
            };
            out.extend_from_slice(&bytes[part.from..part.from + part.len]);
        }
        out
    }

    #[test]
    fn a_key_is_what_the_encoder_writes_before_the_value() {
        let labels = [("__name__", "up"), ("job", "node"), ("x", &"y".repeat(300))];
        let key = key(&labels);
        let (mut packed, mut out) = (Vec::new(), Vec::new());
        pack(labels.into_iter(), &mut packed);
        put_sample(&mut out, &packed, 1.5, 1_790_000_000_000);
        assert_eq!(key.bytes, out[..out.len() - 15]);
        assert_eq!(key.labels().count(), 3);
        assert_eq!(key.labels().flatten().copied().collect::<Vec<u8>>(), packed);
    }

    #[test]
    fn a_series_is_its_neighbour_in_the_family_and_its_pod_in_another() {
        let neighbour =
            key(&[("__name__", "container_cpu_seconds"), ("id", "/pod/1"), ("pod", "web-1a2b3c")]);
        let sibling =
            key(&[("__name__", "container_mem"), ("id", "/pod/2"), ("pod", "web-9z8y7x")]);
        let own =
            key(&[("__name__", "container_cpu_seconds"), ("id", "/pod/2"), ("pod", "web-9z8y7x")]);
        let (mut parts, mut to_neighbour, mut to_sibling) = (Vec::new(), Vec::new(), Vec::new());
        own.align(&neighbour, &mut to_neighbour);
        own.align(&sibling, &mut to_sibling);
        let others = (Some((&neighbour, &*to_neighbour)), Some((&sibling, &*to_sibling)));
        weave(&own, others.0, others.1, &mut parts);
        assert_eq!(woven(&own, Some(&neighbour), Some(&sibling), &parts), own.bytes);
        assert_eq!(parts.len(), 2, "{parts:?}");
        assert_eq!((parts[0].source, parts[0].from), (Source::First, 0));
        assert_eq!(parts[1].source, Source::Second);
        let longest = own.longest_beside(&neighbour, &to_neighbour);
        assert_eq!(longest, own.labels().nth(2));
        assert!(sibling.has(longest.expect("one differs")));
    }

    #[test]
    fn without_others_a_key_is_its_own() {
        let own = key(&[("__name__", "up")]);
        let mut parts = Vec::new();
        weave(&own, None, None, &mut parts);
        assert_eq!(parts, [Part { source: Source::Own, from: 0, len: own.bytes.len() }]);
    }

    proptest! {
        #[test]
        fn the_parts_of_any_key_make_the_key(
            sets in prop::collection::vec(
                prop::collection::vec(("[ab]{1,3}", "[abc]{0,40}"), 0..6),
                3,
            ),
            junk in prop::collection::vec(any::<u8>(), 0..30),
        ) {
            let keys: Vec<Key> = sets.iter().map(|labels| {
                let labels: Vec<_> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                key(&labels)
            }).collect();
            let mut broken = Key::default();
            broken.set(|out| { out.extend_from_slice(&junk); true });
            let mut parts = Vec::new();
            for (first, second) in [
                (Some(&keys[1]), Some(&keys[2])),
                (None, Some(&keys[1])),
                (Some(&broken), Some(&keys[0])),
            ] {
                for own in [&keys[0], &broken] {
                    let mut same = [Vec::new(), Vec::new()];
                    for (other, same) in [first, second].into_iter().zip(&mut same) {
                        other.iter().for_each(|other| own.align(other, same));
                    }
                    let first_with = first.map(|key| (key, &*same[0]));
                    let second_with = second.map(|key| (key, &*same[1]));
                    weave(own, first_with, second_with, &mut parts);
                    prop_assert_eq!(&woven(own, first, second, &parts), &own.bytes);
                }
            }
        }
    }
}
