//! Fields of protobuf messages that came from outside, read in place.

use core::fmt;

use crate::base::{Reader, unzigzag};

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// A field goes beyond its message.
    CutOff,
    /// A number of more than 64 bits, or one without an end.
    Number,
    /// A field has number 0, or a wire type that is not used any more.
    Tag,
    /// More of these than a series may have.
    TooMany(&'static str),
    /// A field has another wire type than its number says.
    WireType(u32),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::CutOff => f.write_str("a field goes beyond its message"),
            WireError::Number => f.write_str("a number has more than 64 bits or no end"),
            WireError::Tag => f.write_str("a field has no number or an unknown wire type"),
            WireError::TooMany(what) => write!(f, "a series has too many {what}"),
            WireError::WireType(number) => write!(f, "field {number} has another wire type"),
        }
    }
}

impl std::error::Error for WireError {}

/// One field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// A field: its number and its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    pub number: u32,
    pub value: Value<'a>,
}

impl<'a> Field<'a> {
    pub fn varint(&self) -> Result<u64, WireError> {
        match self.value {
            Value::Varint(value) => Ok(value),
            _ => Err(WireError::WireType(self.number)),
        }
    }

    /// A `sint32`.
    pub fn signed(&self) -> Result<i32, WireError> {
        Ok(unzigzag(self.varint()? & 0xffff_ffff) as i32)
    }

    pub fn double(&self) -> Result<f64, WireError> {
        self.fixed64().map(f64::from_bits)
    }

    pub fn fixed64(&self) -> Result<u64, WireError> {
        match self.value {
            Value::Fixed64(bits) => Ok(bits),
            _ => Err(WireError::WireType(self.number)),
        }
    }

    pub fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::WireType(self.number)),
        }
    }

    /// Every element of a repeated number, packed or not.
    pub fn varints(&self, mut each: impl FnMut(u64)) -> Result<(), WireError> {
        let Value::Bytes(packed) = self.value else {
            each(self.varint()?);
            return Ok(());
        };
        let mut reader = Reader::new(packed);
        while !reader.is_empty() {
            each(reader.uvarint().ok_or(WireError::Number)?);
        }
        Ok(())
    }

    /// The same for numbers of eight bytes.
    pub fn fixed64s(&self, mut each: impl FnMut(u64)) -> Result<(), WireError> {
        let Value::Bytes(packed) = self.value else {
            each(self.fixed64()?);
            return Ok(());
        };
        let (whole, rest) = packed.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(WireError::CutOff);
        }
        whole.iter().for_each(|eight| each(u64::from_le_bytes(*eight)));
        Ok(())
    }
}

/// Reads a message that is here in full, field by field. Unknown fields are for the caller to pass over.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    reader: Reader<'a>,
}

impl<'a> Fields<'a> {
    pub fn new(message: &'a [u8]) -> Fields<'a> {
        Fields { reader: Reader::new(message) }
    }

    /// The next field; `None` at the end.
    #[inline]
    pub fn field(&mut self) -> Result<Option<Field<'a>>, WireError> {
        let reader = &mut self.reader;
        if reader.is_empty() {
            return Ok(None);
        }
        let tag = reader.uvarint().ok_or(WireError::Number)?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| *number > 0);
        let number = number.ok_or(WireError::Tag)?;
        let value = match tag & 7 {
            0 => Value::Varint(reader.uvarint().ok_or(WireError::Number)?),
            1 => Value::Fixed64(reader.u64().ok_or(WireError::CutOff)?),
            2 => {
                let len = reader.uvarint().ok_or(WireError::Number)?;
                let len = usize::try_from(len).map_err(|_| WireError::CutOff)?;
                Value::Bytes(reader.bytes(len).ok_or(WireError::CutOff)?)
            }
            5 => Value::Fixed32(reader.u32().ok_or(WireError::CutOff)?),
            _ => return Err(WireError::Tag),
        };
        Ok(Some(Field { number, value }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_order_and_what_is_none_is_refused() {
        let bytes =
            [0x08, 0x96, 0x01, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x1a, 2, b'a', b'b', 0x25, 1, 0, 0, 0];
        let wanted = [
            Field { number: 1, value: Value::Varint(150) },
            Field { number: 2, value: Value::Fixed64(1) },
            Field { number: 3, value: Value::Bytes(b"ab") },
            Field { number: 4, value: Value::Fixed32(1) },
        ];
        let mut fields = Fields::new(&bytes);
        for field in wanted {
            assert_eq!(fields.field(), Ok(Some(field)));
        }
        assert_eq!(fields.field(), Ok(None));
        for (bytes, error) in [
            (&[0x00, 0x01][..], WireError::Tag),
            (&[0x0b], WireError::Tag),
            (&[0x0a, 5, 1], WireError::CutOff),
            (&[0x09, 5, 1], WireError::CutOff),
            (&[0xff; 10], WireError::Number),
            (&[0x08, 0x80], WireError::Number),
        ] {
            assert_eq!(Fields::new(bytes).field(), Err(error), "{bytes:?}");
        }
        let wrong = Field { number: 7, value: Value::Fixed32(1) };
        assert_eq!(wrong.varint(), Err(WireError::WireType(7)));
        assert!(wrong.varints(|_| {}).is_err() && wrong.fixed64s(|_| {}).is_err());
    }
}
