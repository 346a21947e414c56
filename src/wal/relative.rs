//! A column of doubles, each told by how it differs from an older one of the same series, its *base*; a series that has
//! none has +0.
//!
//! ```text
//! ⌈n/4⌉ control bytes: value i in bits 2·(i mod 4) and up of byte i/4; then the bytes
//!
//!   0      the base                                          no byte
//!   1, 2   an integer that much away from the base, zigzag   1 or 2 bytes
//!   3      a byte that says how, then its bytes:
//!          0-13      as in `values.rs`
//!          80 + 10 × scale + len   (base · 10³⁽ˢᶜᵃˡᵉ⁺¹⁾ rounded + a zigzag integer of len bytes) / 10³⁽ˢᶜᵃˡᵉ⁺¹⁾
//! ```

use crate::base::{unzigzag, zigzag};
use crate::model::SeriesRef;
use crate::wal::values::{CODES, decode, encode};

/// Of the bases of a column.
#[derive(Clone, Debug, Default)]
pub(super) struct Bases {
    /// Older samples.
    pub(super) refs: Vec<SeriesRef>,
    pub(super) values: Vec<f64>,
    /// One for each value of the column.
    pub(super) column: Vec<f64>,
    /// Older samples by ref, as far as anybody asked.
    sorted: Vec<(SeriesRef, u32)>,
}

/// What is relative to what does not matter for what was decoded.
impl PartialEq for Bases {
    fn eq(&self, _: &Bases) -> bool {
        true
    }
}

impl Bases {
    /// Finds the base of each of `refs` among the older samples.
    pub(super) fn align(&mut self, refs: &[SeriesRef]) {
        self.column.clear();
        if self.refs == refs {
            self.column.extend_from_slice(&self.values);
            return;
        }
        self.sorted.clear();
        let mut next = 0;
        for series in refs {
            // Mostly the one after the last.
            if self.refs.get(next) != Some(series) {
                next = self.find(*series);
            }
            self.column.push(self.values.get(next).copied().unwrap_or(0.0));
            next = next.saturating_add(1);
        }
    }

    /// Where a series is; beyond the end if it is not there.
    fn find(&mut self, series: SeriesRef) -> usize {
        if self.sorted.is_empty() {
            self.sorted.extend(self.refs.iter().copied().zip(0..));
            self.sorted.sort_unstable();
        }
        let at = self.sorted.partition_point(|(other, _)| *other < series);
        match self.sorted.get(at) {
            Some((other, place)) if *other == series => *place as usize,
            _ => usize::MAX,
        }
    }
}

const DECIMAL: u8 = 0x80;
/// By scale.
const POWERS: [f64; 3] = [1e3, 1e6, 1e9];
/// Integers below are exact, and so are their differences.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Most bytes of one value, its control bits excluded.
const ESCAPED_BYTES_MAX: usize = 1 + 8;

/// Appends the column.
pub(super) fn put_relative(values: &[f64], bases: &[f64], out: &mut Vec<u8>) {
    let start = out.len();
    let controls = values.len().div_ceil(4);
    out.resize(start + controls + values.len() * ESCAPED_BYTES_MAX + 8, 0);
    let (control, data) = out[start..].split_at_mut(controls);
    let mut at = 0;
    for (number, (value, base)) in values.iter().zip(bases).enumerate() {
        let (code, word, len) = difference(*value, *base);
        // Behind each value is room for a whole word.
        data[at..at + 8].copy_from_slice(&word.to_le_bytes());
        at += len;
        if code == 3 {
            at += put_escaped(*value, *base, &mut data[at..]);
        }
        control[number / 4] |= code << (2 * (number % 4));
    }
    out.truncate(start + controls + at);
}

/// Control bits, bytes as a little-endian word, and how many of them count.
#[inline(always)]
fn difference(value: f64, base: f64) -> (u8, u64, usize) {
    if value.to_bits() == base.to_bits() {
        return (0, 0, 0);
    }
    let (integer, from) = (value as i64, base as i64);
    // Comparing bits keeps -0 out, and NaN.
    let exact =
        (integer as f64).to_bits() == value.to_bits() && (from as f64).to_bits() == base.to_bits();
    let word = zigzag(integer.wrapping_sub(from));
    match exact && word < 1 << 16 {
        true => {
            let len = 1 + usize::from(word > 0xff);
            (len as u8, word, len)
        }
        false => (3, 0, 0),
    }
}

/// Gives the bytes it took.
fn put_escaped(value: f64, base: f64, out: &mut [u8]) -> usize {
    let (code, word, len) = encode(value);
    let (tag, word, len) = match decimal(value, base) {
        Some((tag, word, shorter)) if shorter < len => (tag, word, shorter),
        _ => (code, word, len),
    };
    out[0] = tag;
    out[1..9].copy_from_slice(&word.to_le_bytes());
    1 + len
}

/// How far a decimal fraction is from the base, if it is one of a few digits.
fn decimal(value: f64, base: f64) -> Option<(u8, u64, usize)> {
    POWERS.iter().zip(0u8..).find_map(|(power, scale)| {
        let integer = (value * power).round();
        let from = (base * power).round();
        if !(integer.abs() < EXACT && from.abs() < EXACT) {
            return None;
        }
        let word = zigzag(integer as i64 - from as i64);
        let len = (71 - word.leading_zeros() as usize) / 8;
        let tag = DECIMAL | scale << 4 | len as u8;
        let same = moved(base, *power, word).to_bits() == value.to_bits();
        same.then_some((tag, word, len))
    })
}

fn moved(base: f64, power: f64, word: u64) -> f64 {
    let from = (base * power).round() as i64;
    from.wrapping_add(unzigzag(word)) as f64 / power
}

/// Fills `out` with one value for each base; `bytes` must be the whole column and nothing more. `None` if it is not.
pub(super) fn take_relative(bytes: &[u8], bases: &[f64], out: &mut Vec<f64>) -> Option<()> {
    let (control, data) = bytes.split_at_checked(bases.len().div_ceil(4))?;
    out.clear();
    out.reserve(bases.len());
    let mut at = 0;
    for (four, control) in bases.chunks(4).zip(control) {
        let mut codes = *control;
        for base in four {
            let code = usize::from(codes & 3);
            codes >>= 2;
            if code == 3 {
                let (value, len) = escaped(data.get(at..)?, *base)?;
                out.push(value);
                at += len;
                continue;
            }
            let word = match data.get(at..at + 2) {
                Some(two) => u16::from_le_bytes([two[0], two[1]]),
                None => data.get(at).copied().map_or(0, u16::from),
            };
            let word = u64::from(word) & ((1 << (8 * code)) - 1);
            let integer = (*base as i64).wrapping_add(unzigzag(word));
            out.push(if code == 0 { *base } else { integer as f64 });
            at += code;
        }
        if codes != 0 {
            return None;
        }
    }
    (at == data.len()).then_some(())
}

/// A value and the bytes it took.
fn escaped(data: &[u8], base: f64) -> Option<(f64, usize)> {
    let (tag, rest) = data.split_first()?;
    let mut eight = [0; 8];
    let word = |eight: &mut [u8; 8], len: usize| {
        eight.get_mut(..len)?.copy_from_slice(rest.get(..len)?);
        Some(u64::from_le_bytes(*eight))
    };
    if tag & DECIMAL == 0 {
        let code = CODES.get(usize::from(*tag)).filter(|_| *tag < 14)?;
        word(&mut eight, code.len)?;
        return Some((decode(&eight, code), 1 + code.len));
    }
    let (power, len) = (POWERS.get(usize::from(tag >> 4 & 7))?, usize::from(tag & 15));
    let word = word(&mut eight, len)?;
    Some((moved(base, *power, word), 1 + len))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::stale_marker;

    fn round_trip(values: &[f64], bases: &[f64]) -> usize {
        let mut bytes = vec![7];
        put_relative(values, bases, &mut bytes);
        let mut out = vec![1.5; 3];
        take_relative(&bytes[1..], bases, &mut out).expect("what was written reads back");
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&out), bits(values));
        bytes.len() - 1
    }

    #[test]
    fn what_is_near_its_base_takes_few_bytes() {
        for (value, base, bytes) in [
            (0.0, 0.0, 0),
            (12345.0, 12345.0, 0),
            (0.1, 0.1, 0),
            (12400.0, 12345.0, 1),
            (12345.0 - 128.0, 12345.0, 1),
            (13_000.0, 12345.0, 2),
            (1_000_000.0, 12345.0, 1 + 3),
            (5.0, 0.0, 1),
            (12345.678901, 12345.678845, 1 + 1),
            (12345.678901, 12345.0, 1 + 3),
            (0.25, 0.125, 1 + 1),
            (1.0 / 3.0, 0.5, 1 + 8),
            (stale_marker(), 12345.0, 1),
            (f64::INFINITY, 1.0, 1),
            (-0.0, 0.0, 1 + 4),
            (0.0, -0.0, 1),
            (f64::MAX, 1.0, 1 + 8),
            (7.0, f64::NAN, 1 + 1),
            (7.0, f64::MAX, 1 + 1),
        ] {
            assert_eq!(round_trip(&[value], &[base]), 1 + bytes, "{value} after {base}");
        }
    }

    #[test]
    fn a_column_of_another_length_is_not_read() {
        let bases: Vec<f64> = (0..9).map(f64::from).collect();
        let values: Vec<f64> = bases.iter().map(|base| base * 300.0 + 0.1).collect();
        let mut bytes = Vec::new();
        put_relative(&values, &bases, &mut bytes);
        for len in 0..bytes.len() {
            assert_eq!(take_relative(&bytes[..len], &bases, &mut Vec::new()), None);
        }
        bytes.push(0);
        assert_eq!(take_relative(&bytes, &bases, &mut Vec::new()), None);
    }

    #[test]
    fn bases_are_found_by_ref() {
        let refs = |numbers: &[u32]| numbers.iter().copied().map(SeriesRef).collect::<Vec<_>>();
        let mut bases = Bases {
            refs: refs(&[5, 6, 7, 100, 3]),
            values: vec![0.5, 0.6, 0.7, 1.0, 0.3],
            ..Bases::default()
        };
        for (wanted, column) in [
            (refs(&[5, 6, 7, 100, 3]), vec![0.5, 0.6, 0.7, 1.0, 0.3]),
            (refs(&[6, 7, 3, 4, 100]), vec![0.6, 0.7, 0.3, 0.0, 1.0]),
            (refs(&[3, 3, 9]), vec![0.3, 0.3, 0.0]),
            (refs(&[]), vec![]),
        ] {
            bases.align(&wanted);
            assert_eq!(bases.column, column);
        }
    }

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            any::<i32>().prop_map(f64::from),
            (any::<i64>(), 0i32..10).prop_map(|(i, digits)| (i >> 20) as f64 / 10f64.powi(digits)),
            Just(0.0),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn every_value_survives_after_any_other(
            pairs in prop::collection::vec((number(), number(), any::<bool>()), 0..40),
        ) {
            let bases: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
            let value = |&(value, base, near): &(f64, f64, bool)| if near { base + 3.0 } else { value };
            round_trip(&pairs.iter().map(value).collect::<Vec<_>>(), &bases);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            bases in prop::collection::vec(number(), 0..80),
        ) {
            let mut out = Vec::new();
            if take_relative(&bytes, &bases, &mut out).is_some() {
                prop_assert_eq!(out.len(), bases.len());
            }
        }
    }
}
