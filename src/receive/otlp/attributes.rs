//! Attributes: keys and values of any kind, as texts.

use std::collections::BTreeMap;

use crate::base::limits;
use crate::wire::{Field, Fields, WireError};

/// By key; of a key that is there twice the last counts.
pub(super) type Attributes = BTreeMap<String, String>;

/// Values within values.
const DEPTH: u32 = 16;

/// Reads one `KeyValue`. One whose texts are not UTF-8 is passed over.
pub(super) fn read_attribute(body: &[u8], into: &mut Attributes) -> Result<(), WireError> {
    if into.len() >= limits::PUSH_LABELS {
        return Err(WireError::TooMany("attributes"));
    }
    if let Some((key, Any::Text(text) | Any::Other(text))) = key_value(body, DEPTH)? {
        into.insert(key, text);
    }
    Ok(())
}

/// A value as it stands alone.
enum Any {
    /// In JSON it has quotes.
    Text(String),
    Other(String),
}

impl Any {
    fn json(self) -> String {
        match self {
            Any::Text(text) => quoted(&text),
            Any::Other(text) => text,
        }
    }
}

fn key_value(body: &[u8], depth: u32) -> Result<Option<(String, Any)>, WireError> {
    let (mut key, mut value) = ("", Any::Text(String::new()));
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field()? {
        match field.number {
            1 => match core::str::from_utf8(field.bytes()?) {
                Ok(text) => key = text,
                Err(_) => return Ok(None),
            },
            2 => value = any(field.bytes()?, depth)?,
            _ => {}
        }
    }
    Ok(Some((key.to_owned(), value)))
}

fn any(body: &[u8], depth: u32) -> Result<Any, WireError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(WireError::TooMany("values within values"));
    };
    let mut value = Any::Text(String::new());
    let mut fields = Fields::new(body);
    while let Some(field) = fields.field()? {
        value = match field.number {
            1 => Any::Text(String::from_utf8_lossy(field.bytes()?).into_owned()),
            2 => Any::Other((field.varint()? != 0).to_string()),
            3 => Any::Other((field.varint()? as i64).to_string()),
            4 => Any::Other(field.double()?.to_string()),
            5 => Any::Other(list(&field, depth)?),
            6 => Any::Other(map(&field, depth)?),
            7 => Any::Text(base64(field.bytes()?)),
            _ => continue,
        };
    }
    Ok(value)
}

fn list(field: &Field<'_>, depth: u32) -> Result<String, WireError> {
    let mut items = Vec::new();
    let mut fields = Fields::new(field.bytes()?);
    while let Some(field) = fields.field()? {
        if field.number == 1 {
            items.push(any(field.bytes()?, depth)?.json());
        }
        if items.len() > limits::PUSH_LABELS {
            return Err(WireError::TooMany("values"));
        }
    }
    Ok(format!("[{}]", items.join(",")))
}

fn map(field: &Field<'_>, depth: u32) -> Result<String, WireError> {
    let mut items = BTreeMap::new();
    let mut fields = Fields::new(field.bytes()?);
    while let Some(field) = fields.field()? {
        if field.number == 1
            && let Some((key, value)) = key_value(field.bytes()?, depth)?
        {
            items.insert(quoted(&key), value.json());
        }
        if items.len() > limits::PUSH_LABELS {
            return Err(WireError::TooMany("values"));
        }
    }
    let items = items.iter().map(|(key, value)| format!("{key}:{value}"));
    Ok(format!("{{{}}}", items.collect::<Vec<_>>().join(",")))
}

/// As in JSON.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Trace and span ids are shown so.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As OpenTelemetry shows bytes.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS.get((bits >> (18 - 6 * at) & 63) as usize).copied();
            let there = at <= three.len();
            out.push(letter.filter(|_| there).map_or('=', char::from));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_base64_and_hex() {
        for (bytes, wanted) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(bytes.as_bytes()), wanted);
        }
        assert_eq!(hex(&[0, 0xab]), "00ab");
    }

    #[test]
    fn values_of_any_kind_are_texts_and_depth_is_bounded() {
        let mut attributes = Attributes::new();
        // k: [true, {"a": 1}]
        let body = [
            &b"\x0a\x01k\x12\x11\x2a\x0f\x0a\x02\x10\x01\x0a\x09\x32\x07\x0a\x05\x0a\x01a\x12"[..],
            b"\x00",
        ]
        .concat();
        read_attribute(&body, &mut attributes).expect("whole");
        assert_eq!(attributes.get("k").map(String::as_str), Some("[true,{\"a\":\"\"}]"));
        let mut deep = vec![0x10, 1];
        for _ in 0..40 {
            let mut list = vec![0x0a, deep.len() as u8];
            list.append(&mut deep);
            deep = vec![0x2a, list.len() as u8];
            deep.append(&mut list);
            if deep.len() > 100 {
                break;
            }
        }
        let mut body = vec![0x12, deep.len() as u8];
        body.append(&mut deep);
        assert!(read_attribute(&body, &mut attributes).is_err());
    }
}
