//! The client's side of one connection: one response after another.

use memchr::memchr;

use crate::base::limits::HEAD_BYTES;
use crate::http::body::{Body, Piece};
use crate::http::{Head, HttpError};

/// Every response begins so.
const START: &[u8] = b"HTTP/1.";
/// Of a peer that does not speak HTTP, as much is shown.
const SHOWN_BYTES: usize = 24;

/// Reads the response to one request after another on one connection. Not for `HEAD` and `CONNECT`, whose responses
/// have no body whatever their head says.
#[derive(Debug)]
pub struct ResponseReader {
    state: State,
    head: Head,
    /// The head as far as it came, or the one before it if that was interim.
    bytes: Vec<u8>,
    /// Start of the line being collected, within `bytes`.
    line: usize,
    /// Bytes of interim (1xx) heads before this one.
    interim_bytes: usize,
    keep_alive: bool,
}

#[derive(Clone, Debug)]
enum State {
    Body(Body),
    Ended,
    /// The same error again for whoever goes on reading.
    Failed(HttpError),
    Head,
}

/// What some bytes of a response were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'i> {
    /// All bytes are used and more are needed.
    More,
    /// The final head is there: [`ResponseReader::head`].
    Head,
    /// Some bytes of the body, without framing, never empty.
    Body(&'i [u8]),
    /// The response is complete. `keep_alive`: the connection can carry another exchange.
    End { keep_alive: bool },
}

impl Default for ResponseReader {
    fn default() -> ResponseReader {
        ResponseReader::new()
    }
}

impl ResponseReader {
    /// Limits: [`HEAD_BYTES`] and [`HEAD_FIELDS`](crate::base::limits::HEAD_FIELDS). No memory is taken before the
    /// first byte.
    pub fn new() -> ResponseReader {
        ResponseReader {
            state: State::Head,
            head: Head::default(),
            bytes: Vec::new(),
            line: 0,
            interim_bytes: 0,
            keep_alive: false,
        }
    }

    /// For the next exchange, keeping the memory.
    pub fn reset(&mut self) {
        self.state = State::Head;
        self.head.clear();
        self.forget_head();
        self.interim_bytes = 0;
        self.keep_alive = false;
    }

    /// The final head, once [`Part::Head`] has been told.
    pub fn head(&self) -> Option<&Head> {
        (self.head.status >= 200).then_some(&self.head)
    }

    /// Takes some of `input`: bytes used and what they made. To be called again with the rest until it gives
    /// [`Part::More`] or [`Part::End`]; a response without a body ends with a call that uses no bytes. After an
    /// error the connection is of no use.
    pub fn read<'i>(&mut self, input: &'i [u8]) -> Result<(usize, Part<'i>), HttpError> {
        let result = self.advance(input);
        if let Err(error) = &result {
            self.state = State::Failed(error.clone());
        }
        result
    }

    /// The peer closed. `Ok` if the response was complete, or is now that its body was to end so; else the error
    /// tells whether a response had begun.
    pub fn closed(&mut self) -> Result<(), HttpError> {
        let error = match &self.state {
            State::Body(Body::Length(0) | Body::UntilClose) | State::Ended => {
                self.state = State::Ended;
                return Ok(());
            }
            State::Body(Body::Chunked(_) | Body::Length(_)) => HttpError::ClosedInBody,
            State::Failed(error) => error.clone(),
            State::Head if self.bytes.is_empty() && self.interim_bytes == 0 => {
                HttpError::ClosedBeforeResponse
            }
            State::Head => HttpError::ClosedInHead,
        };
        self.state = State::Failed(error.clone());
        Err(error)
    }

    fn advance<'i>(&mut self, input: &'i [u8]) -> Result<(usize, Part<'i>), HttpError> {
        match &mut self.state {
            State::Body(body) => {
                let (used, piece) = body.read(input)?;
                let part = match piece {
                    Piece::Data(bytes) => Part::Body(bytes),
                    Piece::More => Part::More,
                    Piece::End => {
                        self.state = State::Ended;
                        Part::End { keep_alive: self.keep_alive && used == input.len() }
                    }
                };
                Ok((used, part))
            }
            State::Ended if input.is_empty() => Ok((0, Part::More)),
            State::Ended => Err(HttpError::ExcessBytes),
            State::Failed(error) => Err(error.clone()),
            State::Head => self.read_head(input),
        }
    }

    /// Collects whole lines until an empty one; an interim head is dropped and the next one begun.
    // spec: RFC 9112 §2.2, RFC 9110 §15.2
    fn read_head<'i>(&mut self, input: &'i [u8]) -> Result<(usize, Part<'i>), HttpError> {
        let mut rest = input;
        while !rest.is_empty() {
            let (line, tail) = match memchr(b'\n', rest).and_then(|at| at.checked_add(1)) {
                Some(len) => rest.split_at_checked(len).unwrap_or((rest, &[])),
                None => (rest, &[][..]),
            };
            rest = tail;
            let total =
                self.interim_bytes.saturating_add(self.bytes.len()).saturating_add(line.len());
            if total > HEAD_BYTES {
                self.check_start(line)?;
                return Err(HttpError::HeadTooLong);
            }
            self.bytes.extend_from_slice(line);
            self.check_start(&[])?;
            if !line.ends_with(b"\n") {
                break;
            }
            let blank = matches!(self.bytes.get(self.line..), Some(b"\n" | b"\r\n"));
            self.line = self.bytes.len();
            if blank && self.finish_head()? {
                return Ok((input.len().saturating_sub(rest.len()), Part::Head));
            }
        }
        Ok((input.len(), Part::More))
    }

    /// Says at once, not after 64 KiB, that the peer speaks something else.
    fn check_start(&self, coming: &[u8]) -> Result<(), HttpError> {
        let start = self.bytes.iter().chain(coming);
        if start.clone().zip(START).all(|(found, wanted)| found == wanted) {
            return Ok(());
        }
        let shown: Vec<u8> = start.take(SHOWN_BYTES).copied().collect();
        Err(HttpError::NotHttp(shown.escape_ascii().to_string()))
    }

    /// True if the head is the final one.
    fn finish_head(&mut self) -> Result<bool, HttpError> {
        if let Err(error) = self.head.parse(&self.bytes) {
            self.head.clear();
            return Err(error);
        }
        match self.head.status {
            101 => return Err(HttpError::SwitchedProtocols),
            100..200 => {
                self.interim_bytes = self.interim_bytes.saturating_add(self.bytes.len());
                self.forget_head();
                return Ok(false);
            }
            _ => {}
        }
        let body = Body::of(&self.head)?;
        self.keep_alive = !matches!(body, Body::UntilClose) && wants_more(&self.head);
        self.state = State::Body(body);
        self.forget_head();
        Ok(true)
    }

    fn forget_head(&mut self) {
        self.bytes.clear();
        self.line = 0;
    }
}

/// Whether the peer goes on after this response.
// spec: RFC 9112 §9.3
fn wants_more(head: &Head) -> bool {
    let says = |word: &str| head.elements("connection").any(|said| said.eq_ignore_ascii_case(word));
    !says("close") && (head.is_1_1 || says("keep-alive"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::limits::HEAD_FIELDS;

    /// What a whole exchange came to: status, body, keep-alive (`None` if the peer had to close).
    type Outcome = Result<(u16, Vec<u8>, Option<bool>), HttpError>;

    /// Feeds `input` in pieces cut at `cuts`, then closes.
    fn exchange(reader: &mut ResponseReader, input: &[u8], cuts: &[usize]) -> Outcome {
        reader.reset();
        let (mut body, mut heads, mut end) = (Vec::new(), 0, None);
        let mut start = 0;
        for cut in cuts.iter().copied().chain([input.len()]) {
            let cut = cut.clamp(start, input.len());
            let mut rest = &input[start..cut];
            start = cut;
            while end.is_none() || !rest.is_empty() {
                let (used, part) = reader.read(rest)?;
                rest = &rest[used..];
                match part {
                    Part::More => {
                        assert!(rest.is_empty(), "More leaves nothing");
                        break;
                    }
                    Part::Head => heads += 1,
                    Part::Body(bytes) => {
                        assert!(!bytes.is_empty());
                        body.extend_from_slice(bytes);
                    }
                    Part::End { keep_alive } => end = Some(keep_alive),
                }
                assert_eq!(reader.head().is_some(), heads == 1);
            }
        }
        reader.closed()?;
        Ok((reader.head().expect("read").status, body, end))
    }

    fn whole(input: &str) -> Outcome {
        exchange(&mut ResponseReader::new(), input.as_bytes(), &[])
    }

    fn body(status: u16, body: &str, keep_alive: Option<bool>) -> Outcome {
        Ok((status, body.as_bytes().to_vec(), keep_alive))
    }

    fn good() -> Vec<(&'static str, Outcome)> {
        vec![
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", body(200, "hello", Some(true))),
            ("HTTP/1.1 200\nContent-Length: 2\n\nhi", body(200, "hi", Some(true))),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", body(200, "", Some(true))),
            ("HTTP/1.1 200 OK\r\n\r\nuntil close", body(200, "until close", None)),
            ("HTTP/1.1 200 OK\r\n\r\n", body(200, "", None)),
            ("HTTP/1.1 204 No Content\r\n\r\n", body(204, "", Some(true))),
            ("HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n", body(304, "", Some(true))),
            ("HTTP/1.1 999 Odd\r\nContent-Length: 1\r\n\r\nx", body(999, "x", Some(true))),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", body(200, "x", Some(false))),
            (
                "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx",
                body(200, "x", Some(true)),
            ),
            (
                "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 1\r\n\r\nx",
                body(200, "x", Some(false)),
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\nContent-Length: 1\r\n\r\nx",
                body(200, "x", Some(true)),
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n\
                 HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
                body(200, "x", Some(true)),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n\
                 4\r\nwiki\r\n0000A ;name=\"v;\"\r\n0123456789\r\n0\r\n\r\n",
                body(200, "wiki0123456789", Some(true)),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                 1  \r\na\r\n0;x\r\nTrailer: 1\r\nOther: 2\r\n\r\n",
                body(200, "a", Some(false)),
            ),
        ]
    }

    fn bad() -> Vec<(&'static str, HttpError)> {
        [ended_wrongly(), framed_wrongly()].concat()
    }

    fn ended_wrongly() -> Vec<(&'static str, HttpError)> {
        vec![
            ("", HttpError::ClosedBeforeResponse),
            ("HTT", HttpError::ClosedInHead),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", HttpError::ClosedInHead),
            ("HTTP/1.1 100 Continue\r\n\r\n", HttpError::ClosedInHead),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", HttpError::ClosedInBody),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx", HttpError::ExcessBytes),
            ("HTTP/1.1 204 No\r\n\r\nx", HttpError::ExcessBytes),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellox", HttpError::ExcessBytes),
        ]
    }

    fn framed_wrongly() -> Vec<(&'static str, HttpError)> {
        let length = |text: &str| HttpError::BadContentLength(text.to_owned());
        let coding = |text: &str| HttpError::UnknownTransferEncoding(text.to_owned());
        vec![
            ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", length("-5")),
            ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", length("+5")),
            ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", length("")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5,6\r\n\r\n", length("5,6")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\n", length("5,")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", length("5, 6")),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
                length("99999999999999999999"),
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                HttpError::ConflictingFraming,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                coding("gzip, chunked"),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
                coding("chunked, chunked"),
            ),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", coding("chunked")),
            ("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", HttpError::SwitchedProtocols),
            ("SSH-2.0-x\r\n", HttpError::NotHttp("SSH-2.0-x\\r\\n".to_owned())),
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", HttpError::NotHttp("\\r\\n".to_owned())),
        ]
    }

    #[test]
    fn bodies_end_where_their_head_says() {
        for (input, wanted) in good() {
            assert_eq!(whole(input), wanted, "{input}");
        }
    }

    #[test]
    fn broken_responses_are_refused_with_the_rule_they_break() {
        for (input, wanted) in bad() {
            assert_eq!(whole(input), Err(wanted), "{input}");
        }
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for chunks in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            " 1\r\n",
            "1 1\r\n",
            "1\n",
            "1\rx",
            "1\r\na\n",
            "1\r\nab",
            ";x\r\n",
            "11111111111111111\r\n",
            "1;x\n",
            "0\r\n\n",
            "0\r\na\n",
            "0\r\na\rb",
            "0\r\n\rx",
        ] {
            let input = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
            assert_eq!(whole(&input), Err(HttpError::BadChunk), "{chunks:?}");
        }
        for chunks in ["", "1", "ffffffffffffffff\r\nabc", "1\r\na", "0\r\n", "0\r\na: b\r\n"] {
            let input = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
            assert_eq!(whole(&input), Err(HttpError::ClosedInBody), "{chunks:?}");
        }
    }

    #[test]
    fn everything_a_peer_can_make_long_has_a_limit() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let long = "x".repeat(HEAD_BYTES);
        for (input, wanted) in [
            (format!("HTTP/1.1 200 OK\r\nA: {long}\r\n\r\n"), HttpError::HeadTooLong),
            ("HTTP/1.1 200 OK\r\n".to_owned() + &"A: b\r\n".repeat(20_000), HttpError::HeadTooLong),
            ("HTTP/1.1 100 Continue\r\n\r\n".repeat(3000), HttpError::HeadTooLong),
            (
                format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(HEAD_FIELDS + 1)),
                HttpError::TooManyFields,
            ),
            (format!("{chunked}1;{long}"), HttpError::ExtensionsTooLong),
            (format!("{chunked}{}", "1;xxx\r\na\r\n".repeat(30_000)), HttpError::ExtensionsTooLong),
            (format!("{chunked}0\r\na: {long}"), HttpError::TrailersTooLong),
            (
                format!("{chunked}0\r\n{}", "a:\r\n".repeat(HEAD_FIELDS + 1)),
                HttpError::TrailersTooLong,
            ),
        ] {
            assert_eq!(whole(&input), Err(wanted.clone()));
            assert!(wanted.to_string().contains("limit of "), "{wanted}");
        }
        let fields = "A: b\r\n".repeat(HEAD_FIELDS - 1);
        let most = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
        assert_eq!(whole(&most), body(200, "", Some(true)));
    }

    #[test]
    fn a_connection_with_bytes_left_over_is_not_kept() {
        let mut reader = ResponseReader::new();
        let input = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1";
        let (mut rest, mut parts) = (&input[..], Vec::new());
        while !matches!(parts.last(), Some(Part::End { .. })) {
            let (used, part) = reader.read(rest).expect("fine");
            rest = &rest[used..];
            parts.push(part);
        }
        assert_eq!(parts, [Part::Head, Part::Body(b"x"), Part::End { keep_alive: false }]);
        assert_eq!(reader.read(rest), Err(HttpError::ExcessBytes));
        assert_eq!(reader.read(b""), Err(HttpError::ExcessBytes));
        assert_eq!(reader.closed(), Err(HttpError::ExcessBytes));
    }

    #[test]
    fn a_reader_serves_one_exchange_after_another() {
        let mut reader = ResponseReader::new();
        for _ in 0..2 {
            for (input, wanted) in good() {
                assert_eq!(exchange(&mut reader, input.as_bytes(), &[]), wanted);
            }
            for (input, wanted) in bad() {
                assert_eq!(exchange(&mut reader, input.as_bytes(), &[]), Err(wanted));
            }
        }
    }

    #[test]
    fn byte_by_byte_is_the_same_as_at_once() {
        for (input, wanted) in good() {
            let cuts: Vec<usize> = (0..input.len()).collect();
            assert_eq!(exchange(&mut ResponseReader::new(), input.as_bytes(), &cuts), wanted);
        }
    }

    proptest! {
        #[test]
        fn every_cutting_gives_the_same_parts(
            pick in 0usize..1000,
            cuts in prop::collection::vec(0usize..120, 0..8),
        ) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let good = good();
            let (input, wanted) = &good[pick % good.len()];
            let outcome = exchange(&mut ResponseReader::new(), input.as_bytes(), &cuts);
            prop_assert_eq!(&outcome, wanted);
            let bad = bad();
            let (input, wanted) = &bad[pick % bad.len()];
            let outcome = exchange(&mut ResponseReader::new(), input.as_bytes(), &cuts);
            let kind = outcome.as_ref().err().map(core::mem::discriminant);
            prop_assert_eq!(kind, Some(core::mem::discriminant(wanted)));
        }

        #[test]
        fn damaged_responses_never_panic_and_mean_the_same_however_cut(
            pick in 0usize..1000,
            edits in prop::collection::vec((0usize..120, any::<u8>()), 1..6),
            cuts in prop::collection::vec(0usize..120, 0..8),
        ) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let good = good();
            let mut input = good[pick % good.len()].0.as_bytes().to_vec();
            for (at, byte) in edits {
                let at = at % input.len();
                input[at] = byte;
            }
            let once = exchange(&mut ResponseReader::new(), &input, &[]);
            let cut = exchange(&mut ResponseReader::new(), &input, &cuts);
            match (&once, &cut) {
                (Ok(_), _) => prop_assert_eq!(&once, &cut),
                (Err(one), Err(other)) => {
                    prop_assert_eq!(core::mem::discriminant(one), core::mem::discriminant(other));
                }
                (Err(_), Ok(_)) => prop_assert!(false, "{:?} {:?}", once, cut),
            }
        }

        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>, start in any::<bool>()) {
            let head: &[u8] = if start { b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" } else { b"" };
            let input = [head, &bytes].concat();
            let _ = exchange(&mut ResponseReader::new(), &input, &[]);
        }
    }
}
