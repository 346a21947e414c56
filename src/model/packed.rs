//! Label sets as bytes: exactly the `labels` fields of a remote-write 1.0 `TimeSeries`, in order.
//!
//! ```text
//! repeated  0A len(label)  0A len(name) name  12 len(value) value      lengths are varints
//! ```
//!
//! So the log stores them once and the drain copies them into requests without looking inside.

use core::cmp::Ordering;

use crate::base::{Reader, put_uvarint, uvarint_len};

/// Appends one label in packed form.
pub fn pack_label(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let (name_len, value_len) = (name.len() as u64, value.len() as u64);
    let inner = 2 + uvarint_len(name_len) + name.len() + uvarint_len(value_len) + value.len();
    out.push(0x0a);
    put_uvarint(out, inner as u64);
    out.push(0x0a);
    put_uvarint(out, name_len);
    out.extend_from_slice(name);
    out.push(0x12);
    put_uvarint(out, value_len);
    out.extend_from_slice(value);
}

/// Appends sorted pairs in packed form.
pub fn pack<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>, out: &mut Vec<u8>) {
    for (name, value) in labels {
        pack_label(out, name.as_bytes(), value.as_bytes());
    }
}

/// Packed labels, read in place. Iteration stops at the first malformed byte, so damaged bytes read as fewer labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PackedLabels<'a>(pub &'a [u8]);

impl<'a> PackedLabels<'a> {
    /// `(name, value)` in order.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut reader = Reader::new(self.0);
        core::iter::from_fn(move || {
            let (name, value, _) = next_label(&mut reader)?;
            Some((core::str::from_utf8(name).ok()?, core::str::from_utf8(value).ok()?))
        })
    }

    pub fn get(self, name: &str) -> &'a str {
        self.iter().find(|(found, _)| *found == name).map_or("", |(_, value)| value)
    }
}

/// Name and value of the first label, and the bytes that it takes.
#[inline]
pub fn packed_label(bytes: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let (name, value, entry) = next_label(&mut Reader::new(bytes))?;
    Some((name, value, entry.len()))
}

/// Name, value and the whole entry's bytes.
fn next_label<'a>(reader: &mut Reader<'a>) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
    let before = reader.rest();
    if reader.u8()? != 0x0a {
        return None;
    }
    let len = reader.uvarint()? as usize;
    let mut inner = Reader::new(reader.bytes(len)?);
    if inner.u8()? != 0x0a {
        return None;
    }
    let len = inner.uvarint()? as usize;
    let name = inner.bytes(len)?;
    if inner.u8()? != 0x12 {
        return None;
    }
    let len = inner.uvarint()? as usize;
    let value = inner.bytes(len)?;
    let used = before.len() - reader.rest().len();
    Some((name, value, &before[..used]))
}

/// Name of the first label, and the bytes that the label takes. Lengths below 128, which nearly all are, are read
/// without a loop.
#[inline]
fn front(bytes: &[u8]) -> Option<(&[u8], usize)> {
    if let [0x0a, len @ 0..0x80, 0x0a, name_len @ 0..0x80, rest @ ..] = bytes {
        let used = 2 + usize::from(*len);
        if used <= bytes.len()
            && let Some(name) = rest.get(..usize::from(*name_len))
        {
            return Some((name, used));
        }
    }
    let (name, _, entry) = next_label(&mut Reader::new(bytes))?;
    Some((name, entry.len()))
}

/// Appends `own` with those of `added` whose name `own` does not have, sorted: external labels never win over a
/// series' own (spec: RW-10). Runs of `own` are copied whole.
pub fn merge_packed(own: &[u8], added: &[u8], out: &mut Vec<u8>) {
    let mut right = Reader::new(added);
    let mut extra = next_label(&mut right);
    let (mut copied, mut at) = (0, 0);
    while let Some((extra_name, _, extra_entry)) = extra {
        let Some((name, used)) = front(&own[at..]) else { break };
        // Mostly the first bytes tell.
        let order = match (extra_name.first(), name.first()) {
            (Some(left), Some(right)) if left != right => left.cmp(right),
            _ => extra_name.cmp(name),
        };
        if order == Ordering::Greater {
            at += used;
            continue;
        }
        if order == Ordering::Less {
            out.extend_from_slice(&own[copied..at]);
            out.extend_from_slice(extra_entry);
            copied = at;
        }
        extra = next_label(&mut right);
    }
    if extra.is_none() {
        out.extend_from_slice(&own[copied..]);
        return;
    }
    out.extend_from_slice(&own[copied..at]);
    while let Some((_, _, entry)) = extra {
        out.extend_from_slice(entry);
        extra = next_label(&mut right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;

    fn packed(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        pack(pairs.iter().copied().collect::<Labels>().iter(), &mut out);
        out
    }

    #[test]
    fn packed_labels_read_back_and_merge_like_sets() {
        let own = packed(&[("__name__", "up"), ("job", "a"), ("zone", "z")]);
        assert_eq!(PackedLabels(&own).get("job"), "a");
        assert_eq!(PackedLabels(&own).iter().count(), 3);
        let added = packed(&[("a", "1"), ("job", "other"), ("region", "eu"), ("zz", "2")]);
        let mut merged = Vec::new();
        merge_packed(&own, &added, &mut merged);
        let wanted = [
            ("__name__", "up"),
            ("a", "1"),
            ("job", "a"),
            ("region", "eu"),
            ("zone", "z"),
            ("zz", "2"),
        ];
        assert_eq!(PackedLabels(&merged).iter().collect::<Vec<_>>(), wanted);
        merged.clear();
        merge_packed(&own, &[], &mut merged);
        assert_eq!(merged, own);
        merged.clear();
        merge_packed(&[], &added, &mut merged);
        assert_eq!(merged, added);
    }

    #[test]
    fn damaged_bytes_read_as_fewer_labels() {
        let own = packed(&[("a", "b"), ("c", "d")]);
        for cut in 0..own.len() {
            assert!(PackedLabels(&own[..cut]).iter().count() < 2);
        }
    }
}
