//! Content codings: what a response body is decoded with, and what a request body is compressed with.

use core::fmt;

use crate::http::{Gzip, HttpError};

/// Decodes a response body as it comes, never more at once than it is given room for.
#[derive(Debug)]
pub enum Decoder {
    Gzip(Box<Gzip>),
    /// As it is. Whoever wants to spare the copy looks for this and takes the bytes himself.
    Identity,
}

impl Decoder {
    /// For a response with that `Content-Encoding`; one that is not known here is refused by its name.
    // spec: SCR-14
    pub fn for_response(content_encoding: Option<&str>) -> Result<Decoder, HttpError> {
        let mut decoder = Decoder::Identity;
        decoder.reset(content_encoding)?;
        Ok(decoder)
    }

    /// For the next response, keeping the memory if its coding is the same. After an error the decoder is as it was.
    pub fn reset(&mut self, content_encoding: Option<&str>) -> Result<(), HttpError> {
        let name = content_encoding.unwrap_or("").trim_ascii();
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if name.is_empty() || is("identity") {
            *self = Decoder::Identity;
        } else if !is("gzip") && !is("x-gzip") {
            return Err(HttpError::UnknownContentEncoding(name.to_owned()));
        } else if let Decoder::Gzip(gzip) = self {
            gzip.reset();
        } else {
            *self = Decoder::Gzip(Box::new(Gzip::new()));
        }
        Ok(())
    }

    /// Appends up to `room` decoded bytes to `out`; gives the bytes of `input` used.
    ///
    /// If exactly `room` bytes were appended there may be more to come of the same input: call again, with the rest
    /// of the input or with none. If fewer were, all of `input` is used. After an error the decoder needs a reset,
    /// and `out` may hold bytes decoded before the damage.
    pub fn decode(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        room: usize,
    ) -> Result<usize, HttpError> {
        match self {
            Decoder::Gzip(gzip) => gzip.decode(input, out, room),
            Decoder::Identity => {
                let taken = input.get(..room).unwrap_or(input);
                out.extend_from_slice(taken);
                Ok(taken.len())
            }
        }
    }

    /// The body ended, and [`Decoder::decode`] has nothing more to give: an error if it is cut off.
    pub fn finish(&mut self) -> Result<(), HttpError> {
        match self {
            Decoder::Gzip(gzip) => gzip.finish(),
            Decoder::Identity => Ok(()),
        }
    }
}

/// Memory of Snappy compression, used again for every request: a table of 32 KiB and room for the largest output.
pub struct SnappyEncoder {
    encoder: snap::raw::Encoder,
    /// Never shortened, so that it is zeroed only when it grows.
    output: Vec<u8>,
}

impl Default for SnappyEncoder {
    fn default() -> SnappyEncoder {
        SnappyEncoder { encoder: snap::raw::Encoder::new(), output: Vec::new() }
    }
}

impl fmt::Debug for SnappyEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnappyEncoder").field("bytes", &self.output.len()).finish_non_exhaustive()
    }
}

/// Replaces `out` with `raw` in Snappy's block format.
///
/// # Panics
///
/// If `raw` is 4 GiB or longer, which no request can be.
// spec: RW-25
pub fn snappy(encoder: &mut SnappyEncoder, raw: &[u8], out: &mut Vec<u8>) {
    let len_max = snap::raw::max_compress_len(raw.len());
    if encoder.output.len() < len_max {
        encoder.output.resize(len_max, 0);
    }
    let len = encoder
        .encoder
        .compress(raw, &mut encoder.output)
        .expect("a request is bounded far below 4 GiB and the output has room for the worst case");
    out.clear();
    out.extend_from_slice(encoder.output.get(..len).unwrap_or(&[]));
}

/// Why a request's body cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnappyError {
    Malformed,
    /// It says that it is so many bytes.
    TooLong(u64),
}

impl fmt::Display for SnappyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnappyError::Malformed => f.write_str("snappy: corrupt input"),
            SnappyError::TooLong(bytes) => {
                write!(f, "snappy: decoded block of {bytes} bytes is too large")
            }
        }
    }
}

/// What a block of Snappy says its decoded length is, if that is at most `most`.
pub fn snappy_len(block: &[u8], most: usize) -> Result<usize, SnappyError> {
    let len = snap::raw::decompress_len(block).map_err(|_| SnappyError::Malformed)?;
    if len > most { Err(SnappyError::TooLong(len as u64)) } else { Ok(len) }
}

/// Decodes a block that says that it is at most `most` bytes; no more memory is taken, whatever it holds.
pub fn unsnappy(block: &[u8], most: usize) -> Result<Vec<u8>, SnappyError> {
    let mut out = vec![0; snappy_len(block, most)?];
    let decoded = snap::raw::Decoder::new().decompress(block, &mut out);
    out.truncate(decoded.map_err(|_| SnappyError::Malformed)?);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, GzBuilder};

    use super::*;

    fn page(lines: usize) -> Vec<u8> {
        let line = |n| format!("metric_{n}{{job=\"a\",path=\"/{}\"}} {}\n", n * 7919 % 1000, n * n);
        (0..lines).map(line).collect::<String>().into_bytes()
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzBuilder::new().write(Vec::new(), Compression::default());
        encoder.write_all(plain).expect("memory");
        encoder.finish().expect("memory")
    }

    fn gzip_with_every_field(plain: &[u8]) -> Vec<u8> {
        let builder = GzBuilder::new().filename("page").comment("a comment").extra(vec![7u8; 300]);
        let mut encoder = builder.mtime(77).write(Vec::new(), Compression::best());
        encoder.write_all(plain).expect("memory");
        let mut bytes = encoder.finish().expect("memory");
        // The header checksum that flate2 does not write: flag, and two bytes before the data.
        bytes[3] |= 2;
        let header = 10 + 2 + 300 + 5 + 10;
        bytes.splice(header..header, [0x12, 0x34]);
        bytes
    }

    /// Feeds `input` in pieces of `piece`, draining with `room`.
    fn decode(
        decoder: &mut Decoder,
        input: &[u8],
        piece: usize,
        room: usize,
    ) -> Result<Vec<u8>, HttpError> {
        let mut out = Vec::new();
        for mut rest in input.chunks(piece) {
            loop {
                let before = out.len();
                let used = decoder.decode(rest, &mut out, room)?;
                rest = &rest[used..];
                assert!(out.len() - before <= room);
                if out.len() - before < room {
                    assert!(rest.is_empty(), "with room left all input is used");
                    break;
                }
            }
        }
        decoder.finish()?;
        Ok(out)
    }

    #[test]
    fn gzip_is_decoded_however_it_is_cut() {
        let mut decoder = Decoder::for_response(Some("GZIP")).expect("known");
        let plain = page(3000);
        let mut members = gzip_with_every_field(&plain[..1000]);
        members.extend(gzip(b""));
        members.extend(gzip(&plain[1000..]));
        for input in [gzip(&plain), gzip_with_every_field(&plain), members] {
            for (piece, room) in
                [(1, 1 << 20), (1, 1), (7, 100), (1 << 20, 1 << 20), (4096, 65_536)]
            {
                decoder.reset(Some("x-gzip")).expect("known");
                assert!(
                    decode(&mut decoder, &input, piece, room) == Ok(plain.clone()),
                    "{piece} {room}"
                );
            }
        }
    }

    #[test]
    fn every_cut_off_gzip_body_is_an_error() {
        let input = gzip_with_every_field(&page(5));
        let mut decoder = Decoder::for_response(Some("gzip")).expect("known");
        for len in 0..input.len() {
            decoder.reset(Some("gzip")).expect("known");
            let result = decode(&mut decoder, &input[..len], 64, 1 << 20);
            assert_eq!(result, Err(HttpError::GzipCutOff), "{len}");
        }
    }

    #[test]
    fn damage_and_trailing_bytes_are_errors() {
        let plain = page(20);
        let good = gzip(&plain);
        let len = good.len();
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] ^= byte;
            bytes
        };
        let and = |more: &[u8]| [&good[..], more].concat();
        for (name, input, wanted) in [
            ("magic", with(0, 1), HttpError::BadGzipHeader),
            ("method", with(2, 1), HttpError::BadGzipHeader),
            ("reserved flag", with(3, 0x80), HttpError::BadGzipHeader),
            ("block type", with(10, 0x06), HttpError::BadGzip),
            ("checksum", with(len - 8, 1), HttpError::GzipChecksum),
            ("size", with(len - 1, 1), HttpError::GzipChecksum),
            ("trailing text", and(b"x"), HttpError::BadGzipHeader),
            ("trailing zeros", and(&[0; 8]), HttpError::BadGzipHeader),
            ("half a member", and(&good[..20]), HttpError::GzipCutOff),
        ] {
            for piece in [1, 1 << 20] {
                let mut decoder = Decoder::for_response(Some("gzip")).expect("known");
                assert_eq!(
                    decode(&mut decoder, &input, piece, 1 << 20),
                    Err(wanted.clone()),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn a_bomb_gives_only_as_much_as_there_is_room_for() {
        let input = gzip(&vec![0u8; 20 << 20]);
        assert!(input.len() < 64 << 10);
        let mut decoder = Decoder::for_response(Some("gzip")).expect("known");
        let mut out = Vec::new();
        let used = decoder.decode(&input, &mut out, 100_000).expect("fine");
        assert_eq!(out.len(), 100_000);
        assert!(used < input.len());
        assert!(out.capacity() < 1 << 20);
        assert_eq!(decoder.decode(&input[used..], &mut out, 0), Ok(0));
    }

    #[test]
    fn other_codings_are_refused_by_name() {
        for name in ["br", "zstd", "gzip, gzip", "deflate"] {
            let error = Decoder::for_response(Some(name)).expect_err(name);
            assert_eq!(error, HttpError::UnknownContentEncoding(name.to_owned()));
        }
        for name in [None, Some(""), Some("identity")] {
            let mut decoder = Decoder::for_response(name).expect("known");
            assert_eq!(decode(&mut decoder, b"abc", 2, 1), Ok(b"abc".to_vec()));
        }
    }

    #[test]
    fn snappy_round_trips_through_reused_memory() {
        let (mut encoder, mut out) = (SnappyEncoder::default(), Vec::new());
        for raw in [page(5000), Vec::new(), page(3), vec![1; 100_000]] {
            snappy(&mut encoder, &raw, &mut out);
            assert!(snap::raw::Decoder::new().decompress_vec(&out).expect("valid") == raw);
        }
    }

    #[test]
    fn a_block_that_says_it_is_long_is_refused_before_memory_is_taken() {
        let (mut encoder, mut out) = (SnappyEncoder::default(), Vec::new());
        snappy(&mut encoder, &page(100), &mut out);
        assert_eq!(unsnappy(&out, 1 << 20), Ok(page(100)));
        assert_eq!(unsnappy(&out, 100), Err(SnappyError::TooLong(page(100).len() as u64)));
        assert_eq!(unsnappy(&out[..50], 1 << 20), Err(SnappyError::Malformed));
        assert_eq!(
            unsnappy(&[0xff, 0xff, 0xff, 0xff, 0x0f], 1 << 20).map(drop),
            Err(SnappyError::TooLong(u64::from(u32::MAX)))
        );
        assert_eq!(unsnappy(&[], 10), Err(SnappyError::Malformed));
    }

    proptest::proptest! {
        #[test]
        fn random_bytes_never_panic(mut bytes: Vec<u8>, room in 0usize..100) {
            let mut out = Vec::new();
            let mut decoder = Decoder::for_response(Some("gzip")).expect("known");
            let _ = decoder.decode(&bytes, &mut out, room);
            bytes.splice(0..0, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0]);
            decoder.reset(Some("gzip")).expect("known");
            let _ = decoder.decode(&bytes, &mut out, room);
            proptest::prop_assert!(out.len() <= 2 * room);
        }
    }
}
