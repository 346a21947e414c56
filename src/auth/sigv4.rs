//! AWS Signature Version 4: a request proves that its sender has a key, and that nobody has changed it.

use core::fmt;
use core::fmt::Write as _;

use ring::digest::{Context, SHA256, digest};
use ring::hmac;

use crate::base::Timestamp;

/// Who signs, and for what.
#[derive(Clone, PartialEq, Eq)]
pub struct SigV4 {
    pub access_key: String,
    pub secret_key: String,
    /// Of temporary credentials; else empty.
    pub session_token: String,
    pub region: String,
    /// `aps` for remote write.
    pub service: String,
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    pub method: &'a str,
    /// Path and query as in the request line.
    pub target: &'a str,
    pub host: &'a str,
    /// Empty: the request has none.
    pub content_type: &'a str,
    /// SHA-256 of the body.
    pub body: [u8; 32],
    pub time: Timestamp,
}

impl fmt::Debug for SigV4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigV4").field("region", &self.region).finish_non_exhaustive()
    }
}

/// SHA-256 over the parts one after the other.
pub fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    parts.into_iter().for_each(|part| context.update(part));
    first_32(context.finish().as_ref())
}

fn first_32(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    out
}

impl SigV4 {
    /// The headers to add to the request, `Authorization` last.
    // spec: AWS IAM, Create a signed AWS API request
    pub fn headers(&self, request: &Signed<'_>) -> Vec<(&'static str, String)> {
        let time = amz_date(request.time);
        let date = time.get(..8).unwrap_or_default();
        let body = hex(&request.body);
        let mut signed = vec![
            ("host", request.host),
            ("x-amz-content-sha256", body.as_str()),
            ("x-amz-date", time.as_str()),
        ];
        if !request.content_type.is_empty() {
            signed.insert(0, ("content-type", request.content_type.trim()));
        }
        if !self.session_token.is_empty() {
            signed.push(("x-amz-security-token", &self.session_token));
        }
        let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        let mut canonical = format!("{}\n", request.method);
        encode(path, true, &mut canonical);
        canonical.push('\n');
        canonical.push_str(&canonical_query(query));
        canonical.push('\n');
        for (name, value) in &signed {
            canonical.push_str(&format!("{name}:{value}\n"));
        }
        canonical.push_str(&format!("\n{names}\n{body}"));

        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let hashed = hex(&first_32(digest(&SHA256, canonical.as_bytes()).as_ref()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashed}");
        let mut key = hmac_sha256(format!("AWS4{}", self.secret_key).as_bytes(), date.as_bytes());
        for part in [self.region.as_str(), &self.service, "aws4_request"] {
            key = hmac_sha256(&key, part.as_bytes());
        }
        let signature = hex(&hmac_sha256(&key, to_sign.as_bytes()));
        let credential = format!("{}/{scope}", self.access_key);
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
        );
        let mut headers =
            vec![("X-Amz-Date", time.clone()), ("X-Amz-Content-Sha256", body.clone())];
        if !self.session_token.is_empty() {
            headers.push(("X-Amz-Security-Token", self.session_token.clone()));
        }
        headers.push(("Authorization", value));
        headers
    }
}

fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    first_32(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Names and values encoded once, whatever they were, and sorted.
fn canonical_query(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (mut to_name, mut to_value) = (String::new(), String::new());
            encode_bytes(&decode(name), false, &mut to_name);
            encode_bytes(&decode(value), false, &mut to_value);
            (to_name, to_value)
        })
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn encode(text: &str, path: bool, out: &mut String) {
    encode_bytes(text.as_bytes(), path, out);
}

/// A path is encoded although it has been already: its `%` becomes `%25`, as every service but S3 expects.
fn encode_bytes(bytes: &[u8], path: bool, out: &mut String) {
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b'/' if path => out.push('/'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

fn decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digit = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

/// `20150830T123600Z`
fn amz_date(time: Timestamp) -> String {
    let seconds = time.0.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    // Counted from 0000-03-01, so that the leap day is a year's last.
    let days = days.saturating_add(719_468);
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2015-08-30T12:36:00Z, the moment of AWS's own examples.
    const MOMENT: Timestamp = Timestamp(1_440_938_160_000);

    fn signer(service: &str) -> SigV4 {
        SigV4 {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: String::new(),
            region: "us-east-1".to_owned(),
            service: service.to_owned(),
        }
    }

    #[test]
    fn the_signing_key_is_that_of_the_published_example() {
        // AWS General Reference, "Deriving the signing key": 20150830, us-east-1, iam.
        let mut key = hmac_sha256(b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", b"20150830");
        for part in ["us-east-1", "iam", "aws4_request"] {
            key = hmac_sha256(&key, part.as_bytes());
        }
        let wanted = "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9";
        assert_eq!(hex(&key), wanted);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (ms, wanted) in [
            (0, "19700101T000000Z"),
            (MOMENT.0, "20150830T123600Z"),
            (951_782_400_000, "20000229T000000Z"),
            (4_107_542_399_999, "21000228T235959Z"),
            (4_107_542_400_000, "21000301T000000Z"),
            (-1, "19691231T235959Z"),
        ] {
            assert_eq!(amz_date(Timestamp(ms)), wanted);
        }
    }

    #[test]
    fn queries_and_paths_are_put_in_their_canonical_form() {
        assert_eq!(canonical_query("b=2&a=x%20y&a=&c&a=%2b/"), "a=&a=%2B%2F&a=x%20y&b=2&c=");
        let mut path = String::new();
        encode("/a b/%41~", true, &mut path);
        assert_eq!(path, "/a%20b/%2541~");
    }

    #[test]
    fn every_part_of_a_request_changes_its_signature() {
        let request = Signed {
            method: "POST",
            target: "/workspaces/ws-1/api/v1/remote_write",
            host: "aps-workspaces.us-east-1.amazonaws.com",
            content_type: "application/x-protobuf",
            body: sha256([b"bo".as_slice(), b"dy"]),
            time: MOMENT,
        };
        assert_eq!(request.body, sha256([b"body".as_slice()]));
        let signer = signer("aps");
        let signature = |signer: &SigV4, request: &Signed<'_>| {
            let (name, value) = signer.headers(request).pop().expect("the last");
            assert_eq!(name, "Authorization");
            value.rsplit_once("Signature=").expect("one").1.to_owned()
        };
        let first = signature(&signer, &request);
        assert_eq!(first.len(), 64);
        assert_eq!(first, signature(&signer, &request));
        for other in [
            Signed { method: "PUT", ..request },
            Signed { target: "/other", ..request },
            Signed { host: "other", ..request },
            Signed { content_type: "", ..request },
            Signed { body: [0; 32], ..request },
            Signed { time: Timestamp(MOMENT.0 + 1000), ..request },
        ] {
            assert_ne!(first, signature(&signer, &other), "{other:?}");
        }
        let temporary = SigV4 { session_token: "t".to_owned(), ..signer.clone() };
        let headers = temporary.headers(&request);
        let token = headers.iter().find(|(name, _)| *name == "X-Amz-Security-Token");
        assert_eq!(token.map(|(_, value)| value.as_str()), Some("t"));
        let wanted = "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;\
                      x-amz-security-token,";
        assert!(headers.last().is_some_and(|(_, value)| value.contains(wanted)));
        assert!(!format!("{signer:?}").contains("wJalr"));
    }
}
