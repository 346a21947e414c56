//! Moving forward over the bytes of one line: names, blanks, quoted strings.

use memchr::{memchr, memchr2};

use crate::exposition::error::ParseError;

pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// May begin a metric name.
pub(super) fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b':'
}

/// May stand in a metric name.
pub(super) fn is_name_byte(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit()
}

/// `bytes` without leading blanks.
#[inline]
pub(super) fn trim_start(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        if !is_blank(*first) {
            break;
        }
        rest = tail;
    }
    rest
}

/// What a quoted string is for, which decides what it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoted {
    /// Raw newlines, no NUL.
    Name,
    /// Neither.
    NameOnOneLine,
    /// Raw newlines and NUL.
    Value,
    /// NUL, no raw newlines.
    ValueOnOneLine,
    /// Neither.
    ValueOfExemplar,
}

impl Quoted {
    fn may_hold_newline(self) -> bool {
        matches!(self, Quoted::Name | Quoted::Value)
    }

    fn may_hold_nul(self) -> bool {
        matches!(self, Quoted::Value | Quoted::ValueOnOneLine)
    }

    fn allows(self, inside: &[u8]) -> bool {
        (self.may_hold_nul() || memchr(0, inside).is_none())
            && (self.may_hold_newline() || memchr(b'\n', inside).is_none())
    }

    fn broken(self) -> ParseError {
        match self {
            Quoted::Name | Quoted::NameOnOneLine => ParseError::LabelName,
            Quoted::Value | Quoted::ValueOnOneLine | Quoted::ValueOfExemplar => {
                ParseError::LabelValue
            }
        }
    }
}

/// A place in a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Goes past `byte` if it is next.
    pub(super) fn skip(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, tail)) if *first == byte => {
                self.rest = tail;
                true
            }
            _ => false,
        }
    }

    pub(super) fn skip_blanks(&mut self) {
        self.rest = trim_start(self.rest);
    }

    /// A classic metric name, possibly empty.
    pub(super) fn metric_name(&mut self) -> &'a [u8] {
        match self.peek() {
            Some(first) if is_name_start(first) => self.take(is_name_byte),
            _ => &[],
        }
    }

    /// A classic label name, possibly empty.
    pub(super) fn label_name(&mut self) -> &'a [u8] {
        match self.peek() {
            Some(first) if is_name_start(first) && first != b':' => {
                self.take(|byte| is_name_byte(byte) && byte != b':')
            }
            _ => &[],
        }
    }

    /// From an opening quote past the closing one; gives what stands between, escapes and all.
    pub(super) fn quoted(&mut self, kind: Quoted) -> Result<&'a [u8], ParseError> {
        if !self.skip(b'"') {
            return Err(kind.broken());
        }
        let body = self.rest;
        let mut rest = body;
        loop {
            let Some((_, found)) =
                memchr2(b'"', b'\\', rest).and_then(|at| rest.split_at_checked(at))
            else {
                let open = kind.may_hold_newline() && kind.allows(body);
                return Err(if open { ParseError::OpenQuote } else { kind.broken() });
            };
            rest = found.get(1..).unwrap_or_default();
            if found.first() == Some(&b'"') {
                break;
            }
            // An escape is a backslash and any byte but a newline. Prometheus's lexer does not see a NUL in a value.
            while kind.may_hold_nul() && rest.first() == Some(&0) {
                rest = rest.get(1..).unwrap_or_default();
            }
            match rest.split_first() {
                Some((&escaped, tail)) if escaped != b'\n' => rest = tail,
                _ => return Err(kind.broken()),
            }
        }
        self.rest = rest;
        let len = body.len().saturating_sub(rest.len()).saturating_sub(1);
        let inside = body.get(..len).unwrap_or_default();
        if kind.allows(inside) { Ok(inside) } else { Err(kind.broken()) }
    }

    fn take(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let len = self.rest.iter().take_while(|&&byte| belongs(byte)).count();
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_string_ends_at_the_first_quote_that_is_not_escaped() {
        type Row<'a> = (&'a [u8], Quoted, Result<(&'a [u8], &'a [u8]), ParseError>);
        let rows: &[Row<'_>] = &[
            (br#""ab"} 1"#, Quoted::Value, Ok((b"ab", b"} 1"))),
            (br#""""#, Quoted::Name, Ok((b"", b""))),
            (br#""a\"b\\"x"#, Quoted::Value, Ok((br#"a\"b\\"#, b"x"))),
            (b"\"a\nb\"", Quoted::Value, Ok((b"a\nb", b""))),
            (b"\"a\nb\"", Quoted::ValueOnOneLine, Err(ParseError::LabelValue)),
            (b"\"a\0b\"", Quoted::ValueOnOneLine, Ok((b"a\0b", b""))),
            (b"\"a\0b\"", Quoted::Name, Err(ParseError::LabelName)),
            (b"\"a\\\0\"b\"", Quoted::Value, Ok((b"a\\\0\"b", b""))),
            (b"\"a\\\nb\"", Quoted::Value, Err(ParseError::LabelValue)),
            (b"\"a\\", Quoted::Value, Err(ParseError::LabelValue)),
            (b"\"a", Quoted::Value, Err(ParseError::OpenQuote)),
            (b"\"a\0", Quoted::Name, Err(ParseError::LabelName)),
            (b"\"a", Quoted::ValueOnOneLine, Err(ParseError::LabelValue)),
            (b"a", Quoted::Name, Err(ParseError::LabelName)),
            (b"", Quoted::Value, Err(ParseError::LabelValue)),
        ];
        for (input, kind, wanted) in rows {
            let mut cursor = Cursor::new(input);
            let got = cursor.quoted(*kind).map(|inside| (inside, cursor.rest()));
            assert_eq!(&got, wanted, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn names_stop_at_the_first_foreign_byte() {
        for (input, metric, label) in [
            ("a:b_9 1", "a:b_9", "a"),
            (":x", ":x", ""),
            ("9a", "", ""),
            ("_a-b", "_a", "_a"),
            ("", "", ""),
        ] {
            assert_eq!(Cursor::new(input.as_bytes()).metric_name(), metric.as_bytes());
            assert_eq!(Cursor::new(input.as_bytes()).label_name(), label.as_bytes());
        }
    }
}
