//! Numbers as Go reads and OpenMetrics writes them.

use crate::exposition::error::{ParseError, shown};
use crate::model::NAN;

/// Integers below this many digits are exact in a double.
const EXACT_DIGITS: usize = 15;

/// Go's decimal floats, `Inf` and `Infinity` with an optional sign, and `NaN` without one, in any case of letters. Any
/// NaN becomes [`NAN`]. A magnitude below the smallest double is zero, one beyond the largest is refused;
/// [`float_error`] says why.
// spec: SCR-33
#[inline]
pub(super) fn parse_float(text: &[u8]) -> Option<f64> {
    small_integer(text).or_else(|| parse_any(text))
}

#[inline]
fn small_integer(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > EXACT_DIGITS {
        return None;
    }
    let mut value = 0u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    Some(value as f64)
}

fn parse_any(text: &[u8]) -> Option<f64> {
    let (sign, magnitude) = match text {
        [b'+', rest @ ..] => (1.0, rest),
        [b'-', rest @ ..] => (-1.0, rest),
        _ => (1.0, text),
    };
    match magnitude.first()? {
        b'0'..=b'9' | b'.' => {
            fast_float2::parse::<f64, _>(text).ok().filter(|value| value.is_finite())
        }
        b'i' | b'I' => (magnitude.eq_ignore_ascii_case(b"inf")
            || magnitude.eq_ignore_ascii_case(b"infinity"))
        .then_some(sign * f64::INFINITY),
        _ => text.eq_ignore_ascii_case(b"nan").then_some(NAN),
    }
}

/// Why [`parse_float`] refuses `text`.
#[cold]
pub(super) fn float_error(text: &[u8]) -> ParseError {
    if text.iter().any(|byte| matches!(byte, b'p' | b'P' | b'_')) {
        ParseError::ValueUnsupported(shown(text))
    } else if fast_float2::parse::<f64, _>(text).is_ok_and(f64::is_infinite) {
        ParseError::ValueRange(shown(text))
    } else {
        ParseError::ValueSyntax(shown(text))
    }
}

/// Seconds with a fraction to milliseconds, cut towards zero. `None` for NaN and the infinities. What does not fit
/// becomes the smallest integer, as on the machines Prometheus mostly runs on.
// spec: SCR-30
pub(super) fn seconds_to_ms(seconds: f64) -> Option<i64> {
    if !seconds.is_finite() {
        return None;
    }
    let ms = seconds * 1000.0;
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&ms);
    Some(if fits { ms as i64 } else { i64::MIN })
}

/// Digits only, as the text format has it.
// spec: SCR-30
#[inline]
pub(super) fn parse_ms(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    let mut value = 0i64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i64::from(digit))?;
    }
    Some(value)
}

/// The canonical spelling of a bucket bound or quantile: shortest digits that read back, never like an integer.
// spec: SCR-36
pub(super) fn canonical(value: f64) -> String {
    if value == 0.0 {
        return "0.0".to_owned();
    }
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Where Go's shortest `%g` does without an exponent.
    if (-4..6).contains(&exponent) {
        let plain = format!("{value}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_read_as_go_reads_them() {
        let good: &[(&str, f64)] = &[
            ("0", 0.0),
            ("1", 1.0),
            ("+7", 7.0),
            ("-0", -0.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("-.5e1", -5.0),
            ("1E-3", 0.001),
            ("1e+3", 1000.0),
            ("000000000000000000000012", 12.0),
            ("999999999999999", 999_999_999_999_999.0),
            ("9007199254740993", 9_007_199_254_740_992.0),
            ("1e-9999999999", 0.0),
            ("0e9999999999", 0.0),
            ("4.9e-324", 5e-324),
            ("1.7976931348623157e308", f64::MAX),
            ("inf", f64::INFINITY),
            ("+INF", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("NaN", NAN),
            ("nAn", NAN),
        ];
        for (text, value) in good {
            let got = parse_float(text.as_bytes()).map(f64::to_bits);
            assert_eq!(got, Some(value.to_bits()), "{text}");
        }
    }

    #[test]
    fn what_go_does_not_read_is_refused() {
        let bad = [
            "",
            "+",
            "-",
            ".",
            "e5",
            ".e5",
            "1e",
            "1e+",
            "1.2.3",
            "--1",
            "+-1",
            " 1",
            "1 ",
            "1\r",
            "0x1p3",
            "0x10",
            "1_0",
            "0b1",
            "0o1",
            "true",
            "+NaN",
            "-nan",
            "nanx",
            "infi",
            "infinityx",
            "1e309",
            "-1e400",
            "1f",
            "1d0",
            "\0",
            "1\0",
            "١",
        ];
        for text in bad {
            assert!(parse_float(text.as_bytes()).is_none(), "{text:?}");
        }
        assert_eq!(float_error(b"1e309"), ParseError::ValueRange("1e309".to_owned()));
        assert_eq!(float_error(b"1e"), ParseError::ValueSyntax("1e".to_owned()));
        assert_eq!(float_error(b"1_0"), ParseError::ValueUnsupported("1_0".to_owned()));
    }

    #[test]
    fn bounds_get_their_canonical_spelling() {
        for (value, wanted) in [
            (1.0, "1.0"),
            (-1.0, "-1.0"),
            (0.0, "0.0"),
            (-0.0, "0.0"),
            (2.5, "2.5"),
            (100_000.0, "100000.0"),
            (999_999.5, "999999.5"),
            (1e6, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (1e10, "1e+10"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(canonical(value), wanted);
        }
    }

    #[test]
    fn timestamps_are_digits_in_text_and_float_seconds_in_openmetrics() {
        for (text, wanted) in [
            ("0", Some(0)),
            ("1700000000000", Some(1_700_000_000_000)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
        ] {
            assert_eq!(parse_ms(text.as_bytes()), wanted, "{text}");
        }
        for (seconds, wanted) in [
            (1.5, Some(1500)),
            (-1.0005, Some(-1000)),
            (1e300, Some(i64::MIN)),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ] {
            assert_eq!(seconds_to_ms(seconds), wanted, "{seconds}");
        }
    }
}
