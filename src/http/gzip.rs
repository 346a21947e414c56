//! Gzip as a stream: header, deflate data, trailer, as many members as come.

use core::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use crate::http::HttpError;

/// Output is made in steps of this size: each is zeroed before it is written, and small ones stay in the cache.
const STEP_BYTES: usize = 64 << 10;

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const DEFLATE: u8 = 8;
const FLAG_HEADER_CRC: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;
const FLAGS_RESERVED: u8 = 0b1110_0000;

/// State of one gzip body, about 50 KiB, used again for the next.
// spec: RFC 1952
pub struct Gzip {
    at: At,
    inflate: Decompress,
    crc: crc32fast::Hasher,
    /// Decoded bytes of the member, in the trailer's 32 bits.
    amount: u32,
    /// Flags of the member's header, cleared as the parts they announce are passed.
    flags: u8,
    /// Bytes of a fixed-size part still to come, or already there, by place.
    count: u16,
    /// The little-endian number being collected.
    number: u32,
}

impl fmt::Debug for Gzip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gzip").field("at", &self.at).finish_non_exhaustive()
    }
}

/// The next byte's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before any byte: the only place where nothing has come yet.
    Start,
    Magic2,
    Method,
    Flags,
    /// Six bytes: modification time, extra flags, system.
    Fixed,
    ExtraLen1,
    ExtraLen2,
    Extra,
    Name,
    Comment,
    HeaderCrc,
    Deflate,
    Crc,
    Size,
    /// After a member: the end, or another one.
    Between,
}

impl Gzip {
    pub(crate) fn new() -> Gzip {
        Gzip {
            at: At::Start,
            inflate: Decompress::new(false),
            crc: crc32fast::Hasher::new(),
            amount: 0,
            flags: 0,
            count: 0,
            number: 0,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.at = At::Start;
    }

    /// See [`Decoder::decode`](crate::http::Decoder::decode).
    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        room: usize,
    ) -> Result<usize, HttpError> {
        let end = out.len().saturating_add(room);
        let mut rest = input;
        loop {
            if self.at == At::Deflate {
                let wanted = end.saturating_sub(out.len()).min(STEP_BYTES);
                if wanted == 0 {
                    break;
                }
                let (used, made) = self.inflate(rest, out, wanted)?;
                rest = rest.get(used..).unwrap_or(&[]);
                if self.at == At::Deflate && made < wanted && rest.is_empty() {
                    break;
                }
                continue;
            }
            let Some((&byte, tail)) = rest.split_first() else {
                break;
            };
            self.at = self.step(byte)?;
            rest = tail;
        }
        Ok(input.len().saturating_sub(rest.len()))
    }

    /// `Ok` at the end of a member only.
    pub(crate) fn finish(&self) -> Result<(), HttpError> {
        if self.at == At::Between { Ok(()) } else { Err(HttpError::GzipCutOff) }
    }

    /// Bytes used and bytes appended, at most `wanted`.
    fn inflate(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        wanted: usize,
    ) -> Result<(usize, usize), HttpError> {
        let start = out.len();
        out.resize(start.saturating_add(wanted), 0);
        let room = out.get_mut(start..).unwrap_or(&mut []);
        let (used, made) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, room, FlushDecompress::None);
        let used = self.inflate.total_in().saturating_sub(used) as usize;
        let made = self.inflate.total_out().saturating_sub(made) as usize;
        self.crc.update(room.get(..made).unwrap_or(&[]));
        self.amount = self.amount.wrapping_add(made as u32);
        out.truncate(start.saturating_add(made));
        match status {
            Ok(Status::StreamEnd) => {
                self.begin_number(At::Crc);
                Ok((used, made))
            }
            // No progress with input left and room to write: the data asks for the impossible.
            Ok(_) if used == 0 && made == 0 && !input.is_empty() => Err(HttpError::BadGzip),
            Ok(_) => Ok((used, made)),
            Err(_) => Err(HttpError::BadGzip),
        }
    }

    fn step(&mut self, byte: u8) -> Result<At, HttpError> {
        self.count = self.count.saturating_add(1);
        match self.at {
            At::Start | At::Between if byte == MAGIC[0] => Ok(At::Magic2),
            At::Magic2 if byte == MAGIC[1] => Ok(At::Method),
            At::Method if byte == DEFLATE => Ok(At::Flags),
            At::Flags if byte & FLAGS_RESERVED == 0 => {
                self.flags = byte;
                self.count = 0;
                Ok(At::Fixed)
            }
            At::Fixed if self.count < 6 => Ok(At::Fixed),
            At::Fixed => Ok(self.after_header_part()),
            At::ExtraLen1 => {
                self.number = u32::from(byte);
                Ok(At::ExtraLen2)
            }
            At::ExtraLen2 => {
                self.number |= u32::from(byte) << 8;
                self.count = 0;
                Ok(if self.number == 0 { self.after_header_part() } else { At::Extra })
            }
            At::Extra if u32::from(self.count) < self.number => Ok(At::Extra),
            At::Extra => Ok(self.after_header_part()),
            At::Name | At::Comment if byte != 0 => Ok(self.at),
            At::Name | At::Comment => Ok(self.after_header_part()),
            // The header's own checksum is passed over: what the header says is not used.
            At::HeaderCrc if self.count < 2 => Ok(At::HeaderCrc),
            At::HeaderCrc => Ok(self.after_header_part()),
            At::Crc | At::Size => self.trailer(byte),
            At::Start | At::Between | At::Magic2 | At::Method | At::Flags | At::Deflate => {
                Err(HttpError::BadGzipHeader)
            }
        }
    }

    /// The next optional part of the header, or the data.
    fn after_header_part(&mut self) -> At {
        self.count = 0;
        let parts = [
            (FLAG_EXTRA, At::ExtraLen1),
            (FLAG_NAME, At::Name),
            (FLAG_COMMENT, At::Comment),
            (FLAG_HEADER_CRC, At::HeaderCrc),
        ];
        for (flag, at) in parts {
            if self.flags & flag != 0 {
                self.flags &= !flag;
                return at;
            }
        }
        self.inflate.reset(false);
        self.crc.reset();
        self.amount = 0;
        At::Deflate
    }

    fn begin_number(&mut self, at: At) {
        self.at = at;
        self.count = 0;
        self.number = 0;
    }

    fn trailer(&mut self, byte: u8) -> Result<At, HttpError> {
        self.number = self.number >> 8 | u32::from(byte) << 24;
        if self.count < 4 {
            return Ok(self.at);
        }
        let (wanted, next) = match self.at {
            At::Crc => (self.crc.clone().finalize(), At::Size),
            _ => (self.amount, At::Between),
        };
        if self.number != wanted {
            return Err(HttpError::GzipChecksum);
        }
        self.begin_number(next);
        Ok(next)
    }
}
