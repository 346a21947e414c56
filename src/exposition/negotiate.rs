//! Which format a target is asked for, and which one it says it answered in.

use std::fmt;

use crate::exposition::entry::Format;
use crate::model::Escaping;

/// One way to write a page, by the names that `scrape_protocols` uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    OpenMetrics001,
    OpenMetrics1,
    Proto,
    Text004,
    Text1,
}

impl Protocol {
    pub const ALL: [Protocol; 5] = [
        Protocol::OpenMetrics001,
        Protocol::OpenMetrics1,
        Protocol::Proto,
        Protocol::Text004,
        Protocol::Text1,
    ];

    /// Asked for where the configuration does not say, best first.
    // spec: SCR-10
    pub const DEFAULT: [Protocol; 4] =
        [Protocol::OpenMetrics1, Protocol::OpenMetrics001, Protocol::Text1, Protocol::Text004];

    /// As the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::OpenMetrics001 => "OpenMetricsText0.0.1",
            Protocol::OpenMetrics1 => "OpenMetricsText1.0.0",
            Protocol::Proto => "PrometheusProto",
            Protocol::Text004 => "PrometheusText0.0.4",
            Protocol::Text1 => "PrometheusText1.0.0",
        }
    }

    /// The protocol of that name, letters compared exactly.
    pub fn from_name(name: &str) -> Option<Protocol> {
        Protocol::ALL.into_iter().find(|protocol| protocol.name() == name)
    }

    /// As the `Accept` header writes it.
    // spec: SCR-11, SCR-12
    fn media_range(self) -> &'static str {
        match self {
            Protocol::OpenMetrics001 => "application/openmetrics-text;version=0.0.1",
            Protocol::OpenMetrics1 => "application/openmetrics-text;version=1.0.0",
            Protocol::Proto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            Protocol::Text004 => "text/plain;version=0.0.4",
            Protocol::Text1 => "text/plain;version=1.0.0",
        }
    }

    fn format(self) -> Format {
        match self {
            Protocol::OpenMetrics001 | Protocol::OpenMetrics1 => Format::OpenMetrics,
            Protocol::Proto => Format::Protobuf,
            Protocol::Text004 | Protocol::Text1 => Format::Text,
        }
    }
}

/// The `Accept` header for `protocols`, best first. Each protocol should stand in it once. Only the newest text formats
/// know of `escaping`.
// spec: SCR-11
pub fn accept_header(protocols: &[Protocol], escaping: Escaping) -> String {
    let mut header = String::new();
    let mut weight = Protocol::ALL.len() + 1;
    for protocol in protocols {
        header.push_str(protocol.media_range());
        if matches!(protocol, Protocol::OpenMetrics1 | Protocol::Text1) {
            header.push_str(&format!(";escaping={}", escaping.name()));
        }
        header.push_str(&format!(";q=0.{weight},"));
        weight = weight.saturating_sub(1);
    }
    header.push_str(&format!("*/*;q=0.{weight}"));
    header
}

/// Why an answer cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NegotiateError {
    /// No content type.
    Blank,
    /// A content type that breaks the grammar of content types.
    Malformed(String),
    /// A content type that is none of ours.
    Unsupported(String),
}

impl fmt::Display for NegotiateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NegotiateError::Blank => f.write_str(
                "non-compliant scrape target sending blank Content-Type and no \
                 fallback_scrape_protocol specified for target",
            ),
            NegotiateError::Malformed(content_type) => write!(
                f,
                "cannot parse Content-Type {content_type:?} and no fallback_scrape_protocol for target"
            ),
            NegotiateError::Unsupported(content_type) => write!(
                f,
                "received unsupported Content-Type {content_type:?} and no \
                 fallback_scrape_protocol specified for target"
            ),
        }
    }
}

impl std::error::Error for NegotiateError {}

/// The format of an answer with that `Content-Type`. An empty body needs none, so the caller need not ask.
// spec: prometheus 3.4 Content-type handling
pub fn format_of(
    content_type: Option<&str>,
    fallback: Option<Protocol>,
) -> Result<Format, NegotiateError> {
    let content_type = content_type.unwrap_or_default();
    let error = if content_type.is_empty() {
        NegotiateError::Blank
    } else {
        match media_type(content_type).as_deref() {
            Some("application/openmetrics-text") => return Ok(Format::OpenMetrics),
            Some("application/vnd.google.protobuf") => return Ok(Format::Protobuf),
            Some("text/plain") => return Ok(Format::Text),
            Some(_) => NegotiateError::Unsupported(content_type.to_owned()),
            None => NegotiateError::Malformed(content_type.to_owned()),
        }
    };
    fallback.map(Protocol::format).ok_or(error)
}

/// The media type in small letters, if it and all its parameters are well formed and no parameter stands twice.
fn media_type(content_type: &str) -> Option<String> {
    let (media, mut rest) = match content_type.find(';') {
        Some(at) => content_type.split_at_checked(at)?,
        None => (content_type, ""),
    };
    let media = media.trim().to_ascii_lowercase();
    let (kind, subtype) = media.split_once('/').unwrap_or((&media, "x"));
    if !is_token(kind) || !is_token(subtype) {
        return None;
    }
    let mut seen: Vec<String> = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() || rest.trim_end() == ";" {
            return Some(media);
        }
        let (name, tail) = parameter(rest)?;
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
        rest = tail;
    }
}

/// `; name=token` or `; name="quoted"`: the name in small letters, and what follows.
fn parameter(rest: &str) -> Option<(String, &str)> {
    let (name, value) = rest.strip_prefix(';')?.split_once('=')?;
    let name = name.trim_start();
    if !is_token(name) {
        return None;
    }
    let Some(quoted) = value.strip_prefix('"') else {
        let end = value.find(|c: char| !is_token_char(c)).unwrap_or(value.len());
        let (token, tail) = value.split_at_checked(end)?;
        return (!token.is_empty()).then(|| (name.to_ascii_lowercase(), tail));
    };
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((name.to_ascii_lowercase(), quoted.get(at.checked_add(1)?..)?)),
            '\\' => {
                chars.next()?;
            }
            '\r' | '\n' => return None,
            _ => {}
        }
    }
    None
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_accept_header_is_the_one_prometheus_sends() {
        assert_eq!(
            accept_header(&Protocol::DEFAULT, Escaping::AllowUtf8),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        );
        let proto_first: Vec<Protocol> =
            [Protocol::Proto].into_iter().chain(Protocol::DEFAULT).collect();
        assert_eq!(
            accept_header(&proto_first, Escaping::AllowUtf8),
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;\
             q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
             text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
        );
        assert_eq!(
            accept_header(&[Protocol::Text004, Protocol::Text1], Escaping::Underscores),
            "text/plain;version=0.0.4;q=0.6,text/plain;version=1.0.0;escaping=underscores;q=0.5,*/*;q=0.4"
        );
    }

    #[test]
    fn protocols_have_the_names_of_the_configuration() {
        for protocol in Protocol::ALL {
            assert_eq!(Protocol::from_name(protocol.name()), Some(protocol));
        }
        assert_eq!(Protocol::from_name("prometheusproto"), None);
    }

    #[test]
    fn content_types_choose_the_format_or_fall_back() {
        use Format::{OpenMetrics, Text};
        let rows: &[(&str, Option<Format>)] = &[
            ("text/plain", Some(Text)),
            ("text/plain; version=9.9; charset=utf-8", Some(Text)),
            ("Text/Plain;charset=\"utf-8\";", Some(Text)),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", Some(OpenMetrics)),
            ("application/openmetrics-text;version=0.0.1", Some(OpenMetrics)),
            ("text/html", None),
            ("application/json", None),
            ("", None),
            ("invalid/", None),
            ("a/b/c", None),
            ("/", None),
            ("text/plain; charset", None),
            ("text/plain; a=1; A=2", None),
            ("text/plain; a=\"b", None),
            ("text/plain; =b", None),
            ("text/plain; é=b", None),
        ];
        for (content_type, wanted) in rows {
            assert_eq!(format_of(Some(content_type), None).ok(), *wanted, "{content_type}");
            let fallback = format_of(Some(content_type), Some(Protocol::Text1));
            assert_eq!(fallback, Ok(wanted.unwrap_or(Text)), "{content_type}");
        }
        let proto = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily";
        assert_eq!(format_of(Some(proto), Some(Protocol::Text1)), Ok(Format::Protobuf));
        assert_eq!(format_of(None, Some(Protocol::Proto)), Ok(Format::Protobuf));
        assert_eq!(format_of(None, Some(Protocol::OpenMetrics1)), Ok(OpenMetrics));
        assert_eq!(format_of(None, None), Err(NegotiateError::Blank));
    }

    #[test]
    fn refusals_are_worded_as_prometheus_words_them() {
        let error = format_of(Some("text/html"), None).expect_err("unsupported").to_string();
        assert_eq!(
            error,
            "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol \
             specified for target"
        );
        let error = format_of(Some("text/plain; charset"), None).expect_err("malformed");
        assert_eq!(
            error.to_string(),
            "cannot parse Content-Type \"text/plain; charset\" and no fallback_scrape_protocol for target"
        );
    }
}
