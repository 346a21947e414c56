//! A response head: status, reason, header fields.

use core::mem::MaybeUninit;
use core::ops::Range;

use crate::base::limits::HEAD_FIELDS;
use crate::http::HttpError;

/// Status line and fields of one response. Its memory is used again for the next one.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub status: u16,
    pub reason: String,
    /// HTTP/1.1 rather than 1.0.
    pub(crate) is_1_1: bool,
    /// Names and values one after the other; bytes that are not UTF-8 are replaced.
    text: String,
    fields: Vec<(Range<usize>, Range<usize>)>,
}

impl Head {
    /// The first field of that name, in any case of letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// All fields of that name in their order.
    pub fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.fields
            .iter()
            .filter(move |(found, _)| self.slice(found).eq_ignore_ascii_case(name))
            .map(|(_, value)| self.slice(value))
    }

    /// The elements of a list-valued field, over all its lines.
    pub(crate) fn elements<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let lines = self.headers(name).flat_map(|line| line.split(','));
        lines.map(str::trim_ascii).filter(|element| !element.is_empty())
    }

    pub(crate) fn clear(&mut self) {
        self.status = 0;
        self.reason.clear();
        self.text.clear();
        self.fields.clear();
    }

    /// Reads a whole head, its empty line included.
    // spec: RFC 9112 §4, §5
    pub(crate) fn parse(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        self.clear();
        let mut config = httparse::ParserConfig::default();
        // A folded value still comes from old servers; a user agent has to read it as one with blanks (§5.2).
        config.allow_obsolete_multiline_headers_in_responses(true);
        let mut fields = [const { MaybeUninit::uninit() }; HEAD_FIELDS];
        let mut response = httparse::Response::new(&mut []);
        match config.parse_response_with_uninit_headers(&mut response, bytes, &mut fields) {
            Ok(httparse::Status::Complete(used)) if used == bytes.len() => {}
            Ok(_) => return Err(HttpError::BadHead("it ends too early")),
            Err(error) => return Err(refusal(error)),
        }
        self.is_1_1 = response.version == Some(1);
        self.status = response.code.unwrap_or(0);
        if self.status < 100 {
            return Err(HttpError::BadHead("the status is below 100"));
        }
        self.reason.push_str(response.reason.unwrap_or(""));
        for field in response.headers.iter() {
            let name = self.push(field.name.as_bytes());
            let value = self.push(field.value);
            self.fields.push((name, value));
        }
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.text.len();
        for (index, line) in bytes.split(|byte| matches!(byte, b'\r' | b'\n')).enumerate() {
            let line = line.trim_ascii();
            if index > 0 && !line.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(&String::from_utf8_lossy(line));
        }
        start..self.text.len()
    }

    fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or("")
    }
}

fn refusal(error: httparse::Error) -> HttpError {
    match error {
        httparse::Error::HeaderName => {
            HttpError::BadHead("a header name has a forbidden character")
        }
        httparse::Error::HeaderValue => {
            HttpError::BadHead("a header value has a forbidden character")
        }
        httparse::Error::NewLine => HttpError::BadHead("a line end is wrong"),
        httparse::Error::Status => HttpError::BadHead("the status line is wrong"),
        httparse::Error::Token => HttpError::BadHead("a token is wrong"),
        httparse::Error::TooManyHeaders => HttpError::TooManyFields,
        httparse::Error::Version => HttpError::BadHead("the version is not HTTP/1.0 or HTTP/1.1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_any_case_and_order_is_kept() {
        let mut head = Head::default();
        head.parse(
            b"HTTP/1.1 200 All good\r\nA: 1\r\nb:\t x y \r\na: 2, 3\r\nFold: one\r\n  two\r\nEmpty:\r\n\r\n",
        )
        .expect("fine");
        assert_eq!((head.status, head.reason.as_str(), head.is_1_1), (200, "All good", true));
        assert_eq!(head.header("B"), Some("x y"));
        assert_eq!(head.headers("a").collect::<Vec<_>>(), ["1", "2, 3"]);
        assert_eq!(head.elements("A").collect::<Vec<_>>(), ["1", "2", "3"]);
        assert_eq!(head.header("fold"), Some("one two"));
        assert_eq!(head.header("empty"), Some(""));
        assert_eq!(head.header("none"), None);
        head.parse(b"HTTP/1.0 404\r\nx: \xff\xfe\r\n\r\n").expect("fine");
        assert_eq!((head.status, head.reason.as_str(), head.is_1_1), (404, "", false));
        assert_eq!(head.header("x"), Some("\u{fffd}\u{fffd}"));
        assert_eq!(head.header("a"), None);
    }

    #[test]
    fn malformed_heads_are_refused() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\nname : v\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\nna me: v\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n: v\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nnocolon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\na: \0\r\n\r\n",
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"HTTP/1.1 099 OK\r\n\r\n",
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"HTTP/2.0 200 OK\r\n\r\n",
            b"HTTP/1.1  200 OK\r\n\r\n",
            b"\r\n",
            b"",
        ] {
            let result = Head::default().parse(bytes);
            assert!(matches!(result, Err(HttpError::BadHead(_))), "{result:?}");
        }
    }
}
