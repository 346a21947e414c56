//! A column of doubles: one nibble each says how, then the bytes. Every bit pattern survives.
//!
//! ```text
//! ⌈n/2⌉ control bytes: value i in bits 0-3 (i even) or 4-7 (i odd) of byte i/2; then the bytes
//!
//!   0      +0                                      no byte
//!   1-7    integer, zigzag, little-endian          1-7 bytes
//!   8      the double itself                       8 bytes
//!   9      staleness marker                        no byte
//!   10     the ordinary NaN                        no byte
//!   11, 12 +Inf, -Inf                              no byte
//!   13     a double that is exactly a float        4 bytes
//!   14, 15 reserved
//! ```

use crate::base::limits::RECORD_BYTES;
use crate::base::{unzigzag, zigzag};
use crate::model::NAN;

/// Most bytes of one value, its nibble excluded.
pub(super) const VALUE_BYTES_MAX: usize = 8;

/// Appends the column.
pub(super) fn put_values(values: &[f64], out: &mut Vec<u8>) {
    let start = out.len();
    let controls = values.len().div_ceil(2);
    out.resize(start + controls + values.len() * VALUE_BYTES_MAX, 0);
    let (control, data) = out[start..].split_at_mut(controls);
    let mut at = 0;
    let mut put = |value: f64| {
        let (code, word, len) = encode(value);
        // There are eight bytes of room for each value that is still to come, so a whole word
        // always fits.
        data[at..at + 8].copy_from_slice(&word.to_le_bytes());
        at += len;
        code
    };
    let pairs = values.chunks_exact(2);
    let last = pairs.remainder();
    for (pair, control) in pairs.zip(control.iter_mut()) {
        let low = put(pair[0]);
        *control = low | put(pair[1]) << 4;
    }
    if let ([value], Some(control)) = (last, control.last_mut()) {
        *control = put(*value);
    }
    out.truncate(start + controls + at);
}

/// Nibble, bytes as a little-endian word, and how many of them count.
#[inline(always)]
pub(super) fn encode(value: f64) -> (u8, u64, usize) {
    let integer = value as i64;
    let word = zigzag(integer);
    // Comparing bits keeps -0 out, and NaN; integers of more than seven bytes are no shorter than
    // doubles.
    if (integer as f64).to_bits() == value.to_bits() && word >> 56 == 0 {
        let len = (71 - word.leading_zeros()) / 8;
        return (len as u8, word, len as usize);
    }
    encode_other(value)
}

#[inline]
fn encode_other(value: f64) -> (u8, u64, usize) {
    let bits = value.to_bits();
    let single = value as f32;
    if f64::from(single).to_bits() == bits && single.is_finite() {
        return (13, u64::from(single.to_bits()), 4);
    }
    if value.is_finite() {
        return (8, bits, 8);
    }
    let constant = (9..=12u8).find(|code| CODES[usize::from(*code)].constant == bits);
    constant.map_or((8, bits, 8), |code| (code, 0, 0))
}

/// How to decode one nibble without a branch: masks choose between the readings of the word, or-ed
/// with a constant.
#[derive(Clone, Copy)]
pub(super) struct Code {
    pub(super) len: usize,
    /// The bytes of the word that belong to the value.
    keep: u64,
    integer: u64,
    double: u64,
    single: u64,
    constant: u64,
}

pub(super) static CODES: [Code; 16] = codes();

const fn codes() -> [Code; 16] {
    const NONE: Code = Code { len: 0, keep: 0, integer: 0, double: 0, single: 0, constant: 0 };
    let mut codes = [NONE; 16];
    let mut len = 1;
    while len < 8 {
        codes[len] = Code { len, keep: (1 << (8 * len)) - 1, integer: u64::MAX, ..NONE };
        len += 1;
    }
    codes[8] = Code { len: 8, keep: u64::MAX, double: u64::MAX, ..NONE };
    codes[9].constant = 0x7ff0_0000_0000_0002;
    codes[10].constant = NAN.to_bits();
    codes[11].constant = f64::INFINITY.to_bits();
    codes[12].constant = f64::NEG_INFINITY.to_bits();
    codes[13] = Code { len: 4, keep: 0xffff_ffff, single: u64::MAX, ..NONE };
    codes
}

/// Bytes that a control byte's two values take; a reserved nibble asks for more than any record
/// has.
static PAIR_BYTES: [u32; 256] = pair_bytes();

const fn pair_bytes() -> [u32; 256] {
    let codes = codes();
    let mut pairs = [0; 256];
    let mut at = 0;
    while at < 256 {
        let (low, high) = (at & 15, at >> 4);
        pairs[at] = (codes[low].len + codes[high].len) as u32;
        if low > 13 || high > 13 {
            pairs[at] = RECORD_BYTES as u32 + 1;
        }
        at += 1;
    }
    pairs
}

/// Fills `out` with exactly `count` values; `bytes` must be the whole column and nothing more.
/// `None` if it is not.
pub(super) fn take_values(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Option<()> {
    let (control, data) = bytes.split_at_checked(count.div_ceil(2))?;
    let needed: u64 = control.iter().map(|byte| u64::from(PAIR_BYTES[usize::from(*byte)])).sum();
    if needed != data.len() as u64 {
        return None;
    }
    // Only growth costs zeroing; the loop below sets every value. One more for an odd count, cut
    // off at the end.
    out.resize(control.len() * 2, 0.0);
    let (pairs, _) = out.as_chunks_mut::<2>();
    let mut done = 0;
    let mut at = 0;
    for (pair, control) in pairs.iter_mut().zip(control) {
        let Some(window) = data.get(at..at + 16) else {
            break;
        };
        at += decode_pair(window, *control, pair);
        done += 1;
    }
    // The last values have fewer than sixteen bytes behind them: the same loop over a padded copy.
    let mut tail = [0; 32];
    let rest = &data[at..];
    if done < pairs.len() {
        tail[..rest.len()].copy_from_slice(rest);
        at = 0;
        for (pair, control) in pairs[done..].iter_mut().zip(&control[done..]) {
            at += decode_pair(&tail[at..at + 16], *control, pair);
        }
    }
    out.truncate(count);
    Some(())
}

#[inline(always)]
fn decode_pair(window: &[u8], control: u8, pair: &mut [f64; 2]) -> usize {
    let (low, high) = (&CODES[usize::from(control & 15)], &CODES[usize::from(control >> 4)]);
    pair[0] = decode(&window[..8], low);
    pair[1] = decode(&window[low.len..low.len + 8], high);
    low.len + high.len
}

#[inline(always)]
pub(super) fn decode(eight: &[u8], code: &Code) -> f64 {
    let mut word = [0; 8];
    word.copy_from_slice(eight);
    let word = u64::from_le_bytes(word) & code.keep;
    let integer = (unzigzag(word) as f64).to_bits() & code.integer;
    let single = f64::from(f32::from_bits(word as u32)).to_bits() & code.single;
    f64::from_bits(integer | (word & code.double) | single | code.constant)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::stale_marker;

    fn round_trip(values: &[f64]) -> usize {
        let mut bytes = vec![7];
        put_values(values, &mut bytes);
        let mut out = vec![1.5; 3];
        take_values(&bytes[1..], values.len(), &mut out).expect("what was written reads back");
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&out), bits(values));
        bytes.len() - 1
    }

    #[test]
    fn each_code_takes_the_bytes_that_the_table_says() {
        let two = |power: i32| 2f64.powi(power);
        for (value, bytes) in [
            (0.0, 0),
            (1.0, 1),
            (-64.0, 1),
            (127.0, 1),
            (128.0, 2),
            (32_767.0, 2),
            (32_768.0, 3),
            (-8_388_608.0, 3),
            (two(31), 5),
            (two(54) - 2.0, 7),
            (-two(55), 7),
            (two(60), 4),
            (two(60) + 256.0, 8),
            (-0.0, 4),
            (0.5, 4),
            (0.1, 8),
            (stale_marker(), 0),
            (NAN, 0),
            (f64::INFINITY, 0),
            (f64::NEG_INFINITY, 0),
            (f64::MAX, 8),
            (f64::MIN_POSITIVE, 8),
            (f64::from_bits(1), 8),
            (f64::from_bits(0x7ff8_0000_0000_0000), 8),
            (f64::from_bits(0xfff0_0000_0000_0002), 8),
        ] {
            assert_eq!(round_trip(&[value]), 1 + bytes, "{value}");
        }
    }

    #[test]
    fn a_column_of_any_length_reads_back_and_no_other_length_does() {
        for count in 0..70usize {
            let values: Vec<f64> =
                (0..count).map(|i| if i % 3 == 0 { 0.1 } else { (i * i) as f64 }).collect();
            let mut bytes = Vec::new();
            put_values(&values, &mut bytes);
            round_trip(&values);
            for len in 0..bytes.len() {
                assert_eq!(take_values(&bytes[..len], count, &mut Vec::new()), None);
            }
            bytes.push(0);
            assert_eq!(take_values(&bytes, count, &mut Vec::new()), None);
        }
        assert_eq!(take_values(&[0x0e], 1, &mut Vec::new()), None, "a reserved nibble");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn every_bit_pattern_survives(bits in prop::collection::vec(any::<u64>(), 0..40)) {
            round_trip(&bits.into_iter().map(f64::from_bits).collect::<Vec<_>>());
        }

        #[test]
        fn integers_and_short_fractions_survive(
            values in prop::collection::vec((any::<i64>(), 0u32..64, 0u32..8), 0..40),
        ) {
            let value = |(integer, shift, digits)| (integer >> shift) as f64 / 10f64.powi(digits as i32);
            round_trip(&values.into_iter().map(value).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            count in 0usize..80,
        ) {
            let mut out = Vec::new();
            if take_values(&bytes, count, &mut out).is_some() {
                prop_assert_eq!(out.len(), count);
            }
        }
    }
}
