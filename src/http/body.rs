//! Where a response body ends.

use crate::base::limits::{HEAD_BYTES, HEAD_FIELDS};
use crate::http::{Head, HttpError};

/// How the body is delimited, and how far it has been read.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Chunked(Chunked),
    /// So many bytes are to come.
    Length(u64),
    /// Until the peer closes.
    UntilClose,
}

/// What some bytes of a body were.
pub(crate) enum Piece<'i> {
    Data(&'i [u8]),
    End,
    /// Framing, or nothing: more bytes are needed.
    More,
}

impl Body {
    /// Two fields that disagree, or a coding that is not known, are refused: guessing here is how responses are
    /// smuggled.
    // spec: RFC 9112 §6.3
    pub(crate) fn of(head: &Head) -> Result<Body, HttpError> {
        if matches!(head.status, 204 | 304) {
            return Ok(Body::Length(0));
        }
        let length = content_length(head)?;
        let mut codings = head.elements("transfer-encoding");
        let Some(coding) = codings.next() else {
            return Ok(length.map_or(Body::UntilClose, Body::Length));
        };
        if length.is_some() {
            return Err(HttpError::ConflictingFraming);
        }
        let known =
            head.is_1_1 && coding.eq_ignore_ascii_case("chunked") && codings.next().is_none();
        if !known {
            let all: Vec<&str> = head.elements("transfer-encoding").collect();
            return Err(HttpError::UnknownTransferEncoding(all.join(", ")));
        }
        Ok(Body::Chunked(Chunked::default()))
    }

    /// Takes from the front of `input`; gives the bytes used.
    pub(crate) fn read<'i>(&mut self, input: &'i [u8]) -> Result<(usize, Piece<'i>), HttpError> {
        match self {
            Body::Chunked(chunked) => chunked.read(input),
            Body::Length(0) => Ok((0, Piece::End)),
            Body::Length(rest) => Ok(data(input, rest)),
            Body::UntilClose if input.is_empty() => Ok((0, Piece::More)),
            Body::UntilClose => Ok((input.len(), Piece::Data(input))),
        }
    }
}

/// Several equal lengths are one; anything else that is not a plain number is refused.
fn content_length(head: &Head) -> Result<Option<u64>, HttpError> {
    let mut length = None;
    for line in head.headers("content-length") {
        for element in line.split(',') {
            let element = element.trim_ascii();
            let plain = !element.is_empty() && element.bytes().all(|byte| byte.is_ascii_digit());
            let value = element.parse::<u64>().ok().filter(|_| plain);
            if value.is_none() || (length.is_some() && length != value) {
                let all: Vec<&str> = head.headers("content-length").collect();
                return Err(HttpError::BadContentLength(all.join(", ")));
            }
            length = value;
        }
    }
    Ok(length)
}

/// As much of `input` as `rest` allows.
fn data<'i>(input: &'i [u8], rest: &mut u64) -> (usize, Piece<'i>) {
    let len = usize::try_from(*rest).unwrap_or(usize::MAX).min(input.len());
    let Some(taken) = input.get(..len).filter(|taken| !taken.is_empty()) else {
        return (0, Piece::More);
    };
    *rest = rest.saturating_sub(len as u64);
    (len, Piece::Data(taken))
}

/// The chunked coding. Lines end in CR LF and nothing else.
// spec: RFC 9112 §7.1
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunked {
    at: At,
    /// Of the chunk being read: first its size as far as it is known, then the data still to come.
    rest: u64,
    digits: u8,
    extension_bytes: usize,
    trailer_bytes: usize,
    trailer_fields: usize,
}

/// The next byte's place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Size,
    /// Blanks after the size.
    AfterSize,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer line.
    Trailer,
    TrailerText,
    TrailerLf,
    LastLf,
    End,
}

impl Chunked {
    fn read<'i>(&mut self, input: &'i [u8]) -> Result<(usize, Piece<'i>), HttpError> {
        let mut rest = input;
        loop {
            let used = input.len().saturating_sub(rest.len());
            match self.at {
                At::End => return Ok((used, Piece::End)),
                At::Data => {
                    let (len, piece) = data(rest, &mut self.rest);
                    if self.rest == 0 {
                        self.at = At::DataCr;
                    }
                    return Ok((used.saturating_add(len), piece));
                }
                _ => {}
            }
            let Some((&byte, tail)) = rest.split_first() else {
                return Ok((used, Piece::More));
            };
            self.at = self.step(byte)?;
            rest = tail;
        }
    }

    fn step(&mut self, byte: u8) -> Result<At, HttpError> {
        match (self.at, byte) {
            (At::Size, _) if byte.is_ascii_hexdigit() => self.digit(byte),
            (At::Size | At::AfterSize, b' ' | b'\t') if self.digits > 0 => self.blank(),
            (At::Size | At::AfterSize, b';') if self.digits > 0 => {
                self.blank()?;
                Ok(At::Extension)
            }
            (At::Size | At::AfterSize, b'\r') if self.digits > 0 => Ok(At::SizeLf),
            (At::Extension, b'\r') => Ok(At::SizeLf),
            (At::Extension, byte) if byte != b'\n' => {
                self.blank()?;
                Ok(At::Extension)
            }
            (At::SizeLf, b'\n') => {
                self.digits = 0;
                Ok(if self.rest == 0 { At::Trailer } else { At::Data })
            }
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => Ok(At::Size),
            (At::Trailer, b'\r') => Ok(At::LastLf),
            (At::Trailer, byte) if byte != b'\n' => {
                self.trailer_fields = self.trailer_fields.saturating_add(1);
                self.trailer_byte()
            }
            (At::TrailerText, b'\r') => Ok(At::TrailerLf),
            (At::TrailerText, byte) if byte != b'\n' => self.trailer_byte(),
            (At::TrailerLf, b'\n') => Ok(At::Trailer),
            (At::LastLf, b'\n') => Ok(At::End),
            _ => Err(HttpError::BadChunk),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<At, HttpError> {
        let value = (byte as char).to_digit(16).ok_or(HttpError::BadChunk)?;
        // Sixteen digits are 64 bits.
        if self.digits == 16 {
            return Err(HttpError::BadChunk);
        }
        self.digits = self.digits.saturating_add(1);
        self.rest = self.rest.wrapping_shl(4) | u64::from(value);
        Ok(At::Size)
    }

    /// Counts what stands on a size line without being needed, over the whole response: otherwise one byte of data
    /// could cost any number of others.
    fn blank(&mut self) -> Result<At, HttpError> {
        self.extension_bytes = self.extension_bytes.saturating_add(1);
        if self.extension_bytes > HEAD_BYTES {
            return Err(HttpError::ExtensionsTooLong);
        }
        Ok(At::AfterSize)
    }

    fn trailer_byte(&mut self) -> Result<At, HttpError> {
        self.trailer_bytes = self.trailer_bytes.saturating_add(1);
        if self.trailer_bytes > HEAD_BYTES || self.trailer_fields > HEAD_FIELDS {
            return Err(HttpError::TrailersTooLong);
        }
        Ok(At::TrailerText)
    }
}
