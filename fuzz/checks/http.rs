//! Responses of a hostile peer: nothing panics, decoded output stays within its room, and a response that is
//! accepted means the same however its bytes are cut.

use corelane::base::Timestamp;
use corelane::http::{Decoder, HttpError, Part, ResponseReader, Url, retry_after};

/// Room for one call of the decoder, small so that every place is cut.
const ROOM: usize = 100;
/// Decoded bytes looked at in all.
const DECODED_BYTES_MAX: usize = 1 << 20;

/// Status, body and whether the connection lives on, with `input` fed in pieces of `piece` bytes.
fn exchange(input: &[u8], piece: usize) -> Result<(u16, Vec<u8>, Option<bool>), HttpError> {
    let mut reader = ResponseReader::new();
    let (mut body, mut end) = (Vec::new(), None);
    for mut rest in input.chunks(piece) {
        while end.is_none() || !rest.is_empty() {
            let (used, part) = reader.read(rest)?;
            rest = &rest[used..];
            match part {
                Part::More => break,
                Part::Head => assert!(reader.head().is_some()),
                Part::Body(bytes) => body.extend_from_slice(bytes),
                Part::End { keep_alive } => end = Some(keep_alive),
            }
        }
    }
    reader.closed()?;
    let head = reader.head().expect("a complete response has a head");
    look_at(head.header("location"), head.header("retry-after"));
    decode(head.header("content-encoding"), &body);
    Ok((head.status, body, end))
}

fn look_at(location: Option<&str>, wait: Option<&str>) {
    let base = Url::parse("http://user:secret@host:9090/a/b?c").expect("valid");
    if let Some(Ok(url)) = location.map(|location| base.join(location)) {
        assert!(url.target.starts_with('/') && url.target.is_ascii());
        assert!(!url.to_string().contains("secret"));
    }
    let _ = wait.map(|value| retry_after(value, Timestamp(1_790_000_000_000)));
}

fn decode(coding: Option<&str>, body: &[u8]) {
    let Ok(mut decoder) = Decoder::for_response(coding) else {
        return;
    };
    let (mut out, mut rest) = (Vec::new(), body);
    while out.len() < DECODED_BYTES_MAX {
        let before = out.len();
        let Ok(used) = decoder.decode(rest, &mut out, ROOM) else {
            return;
        };
        rest = &rest[used..];
        let made = out.len() - before;
        assert!(made <= ROOM);
        if made < ROOM {
            assert!(rest.is_empty());
            break;
        }
    }
    let _ = decoder.finish();
}

pub fn check(input: &[u8]) {
    let whole = exchange(input, usize::MAX);
    for piece in [1, 7] {
        let cut = exchange(input, piece);
        match (&whole, &cut) {
            (Ok(_), _) => assert_eq!(whole, cut),
            (Err(_), Ok(_)) => panic!("accepted only when cut: {whole:?} {cut:?}"),
            // The bytes shown of a peer that does not speak HTTP depend on how many have come.
            (Err(one), Err(other)) => {
                assert_eq!(core::mem::discriminant(one), core::mem::discriminant(other));
            }
        }
    }
    // The same bytes as a gzip body, past the reader.
    decode(Some("gzip"), input);
    if let Ok(text) = core::str::from_utf8(input) {
        look_at(Some(text), Some(text));
    }
}
