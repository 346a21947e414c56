//! Reads a remote-write 1.0 message without building it: each series as the bytes of its labels and its samples.
//!
//! spec: remote write 1.0, `prometheus.WriteRequest`.

use std::fmt;

/// The message is not what the protocol says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body is no remote-write 1.0 message")
    }
}

impl std::error::Error for Malformed {}

/// One sample of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    pub value: f64,
}

/// Calls `take` for every sample with the encoded labels of its series, in the order of the message.
pub fn samples(message: &[u8], mut take: impl FnMut(&[u8], Sample)) -> Result<(), Malformed> {
    let mut rest = message;
    while !rest.is_empty() {
        match field(&mut rest)? {
            (1, Field::Bytes(series)) => one_series(series, &mut take)?,
            _ => continue,
        }
    }
    Ok(())
}

/// The labels of a series, decoded: name and value.
pub fn labels(encoded: &[u8]) -> Result<Vec<(String, String)>, Malformed> {
    let mut rest = encoded;
    let mut labels = Vec::new();
    while !rest.is_empty() {
        let (1, Field::Bytes(mut label)) = field(&mut rest)? else {
            return Err(Malformed);
        };
        let mut pair = (String::new(), String::new());
        while !label.is_empty() {
            match field(&mut label)? {
                (1, Field::Bytes(name)) => pair.0 = String::from_utf8_lossy(name).into_owned(),
                (2, Field::Bytes(value)) => pair.1 = String::from_utf8_lossy(value).into_owned(),
                _ => continue,
            }
        }
        labels.push(pair);
    }
    Ok(labels)
}

fn one_series(series: &[u8], take: &mut impl FnMut(&[u8], Sample)) -> Result<(), Malformed> {
    // Every sender writes the labels first and together, so their bytes are one slice.
    let mut rest = series;
    while rest.first() == Some(&0x0a) {
        field(&mut rest)?;
    }
    let labels = &series[..series.len() - rest.len()];
    while !rest.is_empty() {
        match field(&mut rest)? {
            (1, Field::Bytes(_)) => return Err(Malformed),
            (2, Field::Bytes(sample)) => take(labels, one_sample(sample)?),
            _ => continue,
        }
    }
    Ok(())
}

fn one_sample(sample: &[u8]) -> Result<Sample, Malformed> {
    let mut decoded = Sample { timestamp_ms: 0, value: 0.0 };
    let mut rest = sample;
    while !rest.is_empty() {
        match field(&mut rest)? {
            (1, Field::Fixed64(bits)) => decoded.value = f64::from_bits(bits),
            (2, Field::Varint(timestamp)) => decoded.timestamp_ms = timestamp as i64,
            _ => continue,
        }
    }
    Ok(decoded)
}

enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'a [u8]),
}

fn field<'a>(rest: &mut &'a [u8]) -> Result<(u64, Field<'a>), Malformed> {
    let tag = varint(rest)?;
    let value = match tag & 7 {
        0 => Field::Varint(varint(rest)?),
        1 => {
            let (bytes, after) = rest.split_first_chunk::<8>().ok_or(Malformed)?;
            *rest = after;
            Field::Fixed64(u64::from_le_bytes(*bytes))
        }
        2 => {
            let length = usize::try_from(varint(rest)?).map_err(|_| Malformed)?;
            let (bytes, after) = rest.split_at_checked(length).ok_or(Malformed)?;
            *rest = after;
            Field::Bytes(bytes)
        }
        5 => {
            *rest = rest.get(4..).ok_or(Malformed)?;
            Field::Fixed32
        }
        _ => return Err(Malformed),
    };
    Ok((tag >> 3, value))
}

#[inline]
fn varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0u64;
    for (index, byte) in rest.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *rest = &rest[index + 1..];
            return Ok(value);
        }
    }
    Err(Malformed)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[derive(Clone, PartialEq, prost::Message)]
    struct WriteRequest {
        #[prost(message, repeated, tag = "1")]
        series: Vec<TimeSeries>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct TimeSeries {
        #[prost(message, repeated, tag = "1")]
        labels: Vec<Label>,
        #[prost(message, repeated, tag = "2")]
        samples: Vec<Point>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Label {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(string, tag = "2")]
        value: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Point {
        #[prost(double, tag = "1")]
        value: f64,
        #[prost(int64, tag = "2")]
        timestamp: i64,
    }

    fn message() -> Vec<u8> {
        let label = |name: &str, value: &str| Label { name: name.into(), value: value.into() };
        let series = |name: &str, samples| TimeSeries {
            labels: vec![label("__name__", name), label("job", "x")],
            samples,
        };
        let point = |value, timestamp| Point { value, timestamp };
        let series = vec![
            series("a", vec![point(1.5, 10), point(0.0, -20)]),
            series("b", vec![point(2.0, 0)]),
        ];
        WriteRequest { series }.encode_to_vec()
    }

    #[test]
    fn what_an_independent_encoder_wrote_is_read_back() {
        let mut seen = Vec::new();
        samples(&message(), |encoded, sample| {
            let name = labels(encoded).unwrap()[0].1.clone();
            seen.push((name, sample.timestamp_ms, sample.value));
        })
        .unwrap();
        let expected = [("a", 10, 1.5), ("a", -20, 0.0), ("b", 0, 2.0)];
        assert_eq!(seen, expected.map(|(name, time, value)| (name.to_owned(), time, value)));
    }

    #[test]
    fn a_cut_message_is_refused_or_shorter_and_never_a_panic() {
        let whole = message();
        for length in 0..whole.len() {
            let mut count = 0;
            let _ = samples(&whole[..length], |_, _| count += 1);
            assert!(count < 3);
        }
    }
}
