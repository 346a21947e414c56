//! Fields of protobuf messages as they lie in bytes.

use crate::exposition::error::ParseError;

/// One field's value. Groups are long out of use and refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Value<'a> {
    pub(super) fn varint(self) -> Result<u64, ParseError> {
        match self {
            Value::Varint(value) => Ok(value),
            _ => Err(ParseError::Protobuf("a field of another wire type")),
        }
    }

    pub(super) fn double(self) -> Result<f64, ParseError> {
        match self {
            Value::Fixed64(bits) => Ok(f64::from_bits(bits)),
            _ => Err(ParseError::Protobuf("a field of another wire type")),
        }
    }

    pub(super) fn bytes(self) -> Result<&'a [u8], ParseError> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(ParseError::Protobuf("a field of another wire type")),
        }
    }
}

/// What a message begins with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Taken<'a> {
    Field {
        number: u32,
        value: Value<'a>,
        used: usize,
    },
    /// The field takes at least so many bytes, and they are not there.
    Short {
        needs: u64,
    },
}

/// A varint and the bytes it takes; `None`: its end is not there.
#[inline]
pub(super) fn varint(bytes: &[u8]) -> Result<Option<(u64, usize)>, ParseError> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        let group = u64::from(byte & 0x7f);
        if at == 9 && group > 1 {
            return Err(ParseError::Protobuf("a number of more than 64 bits"));
        }
        value |= group << (7 * at);
        if *byte < 0x80 {
            return Ok(Some((value, at + 1)));
        }
    }
    if bytes.len() < 10 { Ok(None) } else { Err(ParseError::Protobuf("a number without an end")) }
}

/// The field at the beginning of `bytes`.
#[inline]
pub(super) fn take(bytes: &[u8]) -> Result<Taken<'_>, ParseError> {
    let short = |needs: usize| Ok(Taken::Short { needs: needs as u64 });
    let Some((tag, at)) = varint(bytes)? else { return short(bytes.len() + 1) };
    let number = u32::try_from(tag >> 3).unwrap_or(0);
    if number == 0 {
        return Err(ParseError::Protobuf("a field without a number"));
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let (value, len) = match tag & 7 {
        0 => match varint(rest)? {
            Some((value, len)) => (Value::Varint(value), len),
            None => return short(bytes.len() + 1),
        },
        1 => match rest.first_chunk() {
            Some(eight) => (Value::Fixed64(u64::from_le_bytes(*eight)), 8),
            None => return short(at + 8),
        },
        2 => {
            let Some((len, before)) = varint(rest)? else { return short(bytes.len() + 1) };
            let body = usize::try_from(len).ok().and_then(|len| rest.get(before..)?.get(..len));
            match body {
                Some(body) => (Value::Bytes(body), before + body.len()),
                None => {
                    return Ok(Taken::Short { needs: len.saturating_add((at + before) as u64) });
                }
            }
        }
        5 => match rest.first_chunk() {
            Some(four) => (Value::Fixed32(u32::from_le_bytes(*four)), 4),
            None => return short(at + 4),
        },
        _ => return Err(ParseError::Protobuf("a field of an unknown wire type")),
    };
    Ok(Taken::Field { number, value, used: at + len })
}

/// A field's number, its value, and all its bytes with the tag.
pub(super) type Field<'a> = (u32, Value<'a>, &'a [u8]);

/// Reads a message that is here in full, field by field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    rest: &'a [u8],
}

impl<'a> Message<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Message<'a> {
        Message { rest: bytes }
    }

    #[inline]
    pub(super) fn field(&mut self) -> Result<Option<Field<'a>>, ParseError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        match take(self.rest)? {
            Taken::Field { number, value, used } => {
                let (whole, rest) = self.rest.split_at_checked(used).unwrap_or_default();
                self.rest = rest;
                Ok(Some((number, value, whole)))
            }
            Taken::Short { .. } => {
                Err(ParseError::Protobuf("a field that goes beyond its message"))
            }
        }
    }
}

/// Every element of a repeated number, packed or not, is given to `each`.
pub(super) fn varints(value: Value<'_>, mut each: impl FnMut(u64)) -> Result<(), ParseError> {
    let mut rest = match value {
        Value::Bytes(packed) => packed,
        single => {
            each(single.varint()?);
            return Ok(());
        }
    };
    while !rest.is_empty() {
        let Some((element, used)) = varint(rest)? else {
            return Err(ParseError::Protobuf("a packed field that ends within a number"));
        };
        each(element);
        rest = rest.get(used..).unwrap_or_default();
    }
    Ok(())
}

/// The same for doubles.
pub(super) fn doubles(value: Value<'_>, mut each: impl FnMut(f64)) -> Result<(), ParseError> {
    let packed = match value {
        Value::Bytes(packed) => packed,
        single => {
            each(single.double()?);
            return Ok(());
        }
    };
    let (whole, rest) = packed.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(ParseError::Protobuf("a packed field that ends within a number"));
    }
    for eight in whole {
        each(f64::from_le_bytes(*eight));
    }
    Ok(())
}

/// A `google.protobuf.Timestamp` in milliseconds.
pub(super) fn timestamp(body: &[u8]) -> Result<i64, ParseError> {
    let (mut seconds, mut nanos) = (0i64, 0i64);
    let mut message = Message::new(body);
    while let Some((number, value, _)) = message.field()? {
        match number {
            1 => seconds = value.varint()? as i64,
            2 => nanos = value.varint()? as i64,
            _ => {}
        }
    }
    Ok(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_taken_when_they_are_whole() {
        let rows: &[(&[u8], u32, Value<'_>)] = &[
            (&[0x08, 0x96, 0x01], 1, Value::Varint(150)),
            (&[0x11, 1, 0, 0, 0, 0, 0, 0, 0], 2, Value::Fixed64(1)),
            (&[0x1a, 2, b'a', b'b'], 3, Value::Bytes(b"ab")),
            (&[0x25, 1, 0, 0, 0], 4, Value::Fixed32(1)),
            (&[0x82, 0x01, 0], 16, Value::Bytes(b"")),
        ];
        for &(bytes, number, value) in rows {
            let used = bytes.len();
            let mut more = bytes.to_vec();
            more.push(0x77);
            assert_eq!(take(&more), Ok(Taken::Field { number, value, used }));
            for cut in 0..used {
                match take(&bytes[..cut]) {
                    Ok(Taken::Short { needs }) => {
                        assert!(needs as usize > cut && needs as usize <= used, "{bytes:?} {cut}");
                    }
                    other => panic!("{bytes:?} {cut} {other:?}"),
                }
            }
        }
    }

    #[test]
    fn what_is_no_field_is_refused() {
        for bytes in [
            &[0x00, 0x01][..],
            &[0x0b],
            &[0x0c],
            &[0x0e],
            &[0x0f],
            &[0xff; 10],
            &[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02],
        ] {
            assert!(take(bytes).is_err(), "{bytes:?}");
        }
        let mut message = Message::new(&[0x0a, 5, 1]);
        assert!(message.field().is_err());
    }

    #[test]
    fn repeated_numbers_are_read_packed_and_single() {
        let mut got = Vec::new();
        varints(Value::Bytes(&[1, 0x80, 1]), |value| got.push(value)).expect("whole");
        varints(Value::Varint(7), |value| got.push(value)).expect("whole");
        assert_eq!(got, [1, 128, 7]);
        assert!(varints(Value::Bytes(&[0x80]), |_| {}).is_err());
        let mut got = Vec::new();
        doubles(Value::Bytes(&1.5f64.to_le_bytes()), |value| got.push(value)).expect("whole");
        doubles(Value::Fixed64(2f64.to_bits()), |value| got.push(value)).expect("whole");
        assert_eq!(got, [1.5, 2.0]);
        assert!(doubles(Value::Bytes(&[0; 9]), |_| {}).is_err());
        assert!(doubles(Value::Varint(1), |_| {}).is_err());
    }
}
