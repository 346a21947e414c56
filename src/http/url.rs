//! URLs of targets and remotes.

use core::fmt;
use core::net::Ipv6Addr;

/// An absolute URL, cut into what a client needs. `Display` and `Debug` hide the password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    /// In small letters.
    pub scheme: String,
    /// Name or address, as written, without brackets; an IPv6 zone stands after `%`.
    pub host: String,
    /// The scheme's default if none is written, 0 for a scheme that is not known here.
    pub port: u16,
    /// Path and query as they stand in a request line: begins with `/`, only visible ASCII.
    pub target: String,
    /// User and password, percent-decoded; the password may be empty.
    pub userinfo: Option<(String, String)>,
}

/// Why a text is not a URL that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlError {
    BadEscape,
    BadHost,
    BadPort,
    BadScheme,
    ControlCharacter,
    NoHost,
    NoScheme,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UrlError::BadEscape => "URL has a % that is not followed by two hex digits",
            UrlError::BadHost => {
                "URL has a host that is neither an address nor a name in ASCII letters"
            }
            UrlError::BadPort => "URL has a port that is not a number below 65536",
            UrlError::BadScheme => "URL has a scheme with a forbidden character",
            UrlError::ControlCharacter => "URL has a control character",
            UrlError::NoHost => "URL has no host",
            UrlError::NoScheme => "URL has no scheme such as http://",
        })
    }
}

impl core::error::Error for UrlError {}

impl Url {
    /// Reads `scheme://[user[:password]@]host[:port][/path][?query][#fragment]`; the fragment is dropped, characters
    /// that cannot stand in a request line are percent-encoded.
    // spec: RFC 3986 §3
    pub fn parse(text: &str) -> Result<Url, UrlError> {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(UrlError::ControlCharacter);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::NoScheme)?;
        let scheme = parse_scheme(scheme)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let (userinfo, host_port) = match authority.rsplit_once('@') {
            Some((userinfo, host_port)) => (Some(parse_userinfo(userinfo)?), host_port),
            None => (None, authority),
        };
        let (host, port) = parse_host_port(host_port)?;
        let port = port.unwrap_or_else(|| default_port(&scheme));
        Ok(Url { scheme, host, port, target: parse_target(target)?, userinfo })
    }

    /// The value of `Host`: the port only if it is not the scheme's default, brackets around IPv6, no zone.
    pub fn authority(&self) -> String {
        let address = self.host.split('%').next().unwrap_or("");
        let mut text =
            if address.contains(':') { format!("[{address}]") } else { self.host.clone() };
        if self.port != default_port(&self.scheme) {
            text.push_str(&format!(":{}", self.port));
        }
        text
    }

    /// Resolves a `Location`. The user goes along only where the location names no host of its own, so a redirect
    /// never carries a password elsewhere.
    // spec: RFC 3986 §5.2
    pub fn join(&self, location: &str) -> Result<Url, UrlError> {
        if location.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(UrlError::ControlCharacter);
        }
        if location.starts_with("//") {
            return Url::parse(&format!("{}:{location}", self.scheme));
        }
        let first = location.split(['/', '?', '#']).next().unwrap_or("");
        if let Some((scheme, _)) = first.split_once(':') {
            // `a:b` without slashes has a scheme and no host, which is of no use here.
            parse_scheme(scheme)?;
            return Url::parse(location);
        }
        let location = location.split('#').next().unwrap_or("");
        let (path, _) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let target = match location.bytes().next() {
            None => self.target.clone(),
            Some(b'/') => location.to_owned(),
            Some(b'?') => format!("{path}{location}"),
            Some(_) => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{location}")
            }
        };
        Ok(Url { target: without_dots(&parse_target(&target)?), ..self.clone() })
    }

    /// With the password, for whoever has to send it.
    pub fn revealed(&self) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let mut text = format!("{}://", self.scheme);
        if let Some((user, password)) = &self.userinfo {
            encode(user, plain, &mut text);
            text.push(':');
            encode(password, plain, &mut text);
            text.push('@');
        }
        text.push_str(&self.authority());
        text.push_str(&self.target);
        text
    }

    pub fn is_tls(&self) -> bool {
        self.scheme == "https"
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if let Some((user, password)) = &self.userinfo {
            let mut text = String::new();
            encode(user, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte), &mut text);
            // As Go prints it, so that logs of both look alike.
            write!(f, "{text}{}@", if password.is_empty() { "" } else { ":xxxxx" })?;
        }
        write!(f, "{}{}", self.authority(), self.target)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

fn default_port(scheme: &str) -> u16 {
    match scheme {
        "http" => 80,
        "https" => 443,
        _ => 0,
    }
}

fn parse_scheme(text: &str) -> Result<String, UrlError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    match text.bytes().next() {
        None => Err(UrlError::NoScheme),
        Some(first) if first.is_ascii_alphabetic() && text.bytes().all(allowed) => {
            Ok(text.to_ascii_lowercase())
        }
        Some(_) => Err(UrlError::BadScheme),
    }
}

fn parse_userinfo(text: &str) -> Result<(String, String), UrlError> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    Ok((decode(user)?, decode(password)?))
}

/// `None` where no port is written, also after a lone colon.
fn parse_host_port(text: &str) -> Result<(String, Option<u16>), UrlError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, after) = rest.split_once(']').ok_or(UrlError::BadHost)?;
            let port = match after.strip_prefix(':') {
                Some(port) => port,
                None if after.is_empty() => "",
                None => return Err(UrlError::BadHost),
            };
            (parse_ipv6(inner)?, port)
        }
        None => {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            if host.is_empty() {
                return Err(UrlError::NoHost);
            }
            let allowed =
                |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
            if !host.bytes().all(allowed) {
                return Err(UrlError::BadHost);
            }
            (host.to_owned(), port)
        }
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let plain = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|_| plain).ok_or(UrlError::BadPort)?;
    Ok((host, Some(port)))
}

/// An address, with a zone written `%25zone` as the RFC wants or `%zone` as people do.
// spec: RFC 6874
fn parse_ipv6(text: &str) -> Result<String, UrlError> {
    let (address, zone) = text.split_once('%').unwrap_or((text, ""));
    let _: Ipv6Addr = address.parse().map_err(|_| UrlError::BadHost)?;
    if address.len() == text.len() {
        return Ok(address.to_owned());
    }
    let zone = zone.strip_prefix("25").unwrap_or(zone);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if zone.is_empty() || !zone.bytes().all(allowed) {
        return Err(UrlError::BadHost);
    }
    Ok(format!("{address}%{zone}"))
}

/// Path and query as they go into a request line.
fn parse_target(text: &str) -> Result<String, UrlError> {
    let text = text.split('#').next().unwrap_or("");
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    decode(path)?;
    let mut target = String::with_capacity(text.len().max(1));
    if !path.starts_with('/') {
        target.push('/');
    }
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    encode(path, plain, &mut target);
    if let Some(query) = query {
        target.push('?');
        // A query is sent as it is written where that is possible: exporters take odd ones, as `match[]={a="b"}`.
        encode(query, |byte| byte.is_ascii_graphic(), &mut target);
    }
    Ok(target)
}

/// Resolves `.` and `..` in the path.
// spec: RFC 3986 §5.2.4
fn without_dots(target: &str) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let mut out = String::with_capacity(target.len());
    for segment in &kept {
        out.push('/');
        out.push_str(segment);
    }
    let last = path.rsplit('/').next().unwrap_or("");
    if kept.is_empty() || matches!(last, "." | "..") {
        out.push('/');
    }
    if let Some(query) = query {
        out.push('?');
        out.push_str(query);
    }
    out
}

fn encode(text: &str, plain: impl Fn(u8) -> bool, out: &mut String) {
    for byte in text.bytes() {
        if plain(byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// Percent-decodes; what is not UTF-8 afterwards is replaced.
fn decode(text: &str) -> Result<String, UrlError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| (byte as char).to_digit(16));
        let (high, low) =
            (digit().ok_or(UrlError::BadEscape)?, digit().ok_or(UrlError::BadEscape)?);
        out.push((high << 4 | low) as u8);
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Text, scheme, host, port, target, authority.
    const PARTS: &[(&str, &str, &str, u16, &str, &str)] = &[
        ("http://a", "http", "a", 80, "/", "a"),
        ("HTTPS://A.example:443/x", "https", "A.example", 443, "/x", "A.example"),
        ("http://a:9090/metrics?x=y#frag", "http", "a", 9090, "/metrics?x=y", "a:9090"),
        ("http://a:/", "http", "a", 80, "/", "a"),
        ("http://a?x=/@:", "http", "a", 80, "/?x=/@:", "a"),
        ("http://a#x", "http", "a", 80, "/", "a"),
        ("http://[::1]", "http", "::1", 80, "/", "[::1]"),
        ("https://[fe80::1%25eth0]:1/", "https", "fe80::1%eth0", 1, "/", "[fe80::1]:1"),
        ("http://[fe80::1%eth0]/", "http", "fe80::1%eth0", 80, "/", "[fe80::1]"),
        ("http://my_service.ns.svc:80", "http", "my_service.ns.svc", 80, "/", "my_service.ns.svc"),
        ("invalid://host/x", "invalid", "host", 0, "/x", "host"),
        ("s3://host:5/x", "s3", "host", 5, "/x", "host:5"),
        ("http://a/b c\"ü%41?d e{ü}", "http", "a", 80, "/b%20c%22%C3%BC%41?d%20e{%C3%BC}", "a"),
        ("http://a/?match[]={a=\"b\"}&%zz", "http", "a", 80, "/?match[]={a=\"b\"}&%zz", "a"),
    ];

    #[test]
    fn urls_are_cut_into_parts() {
        for (text, scheme, host, port, target, authority) in PARTS {
            let url = url(text);
            let parts = (&*url.scheme, &*url.host, url.port, &*url.target, &*url.authority());
            assert_eq!(parts, (*scheme, *host, *port, *target, *authority), "{text}");
            assert!(url.userinfo.is_none());
            assert_eq!(url.is_tls(), *scheme == "https");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        for (text, wanted) in [
            ("", UrlError::NoScheme),
            ("a:9090", UrlError::NoScheme),
            ("://a", UrlError::NoScheme),
            ("1http://a", UrlError::BadScheme),
            ("ht tp://a", UrlError::BadScheme),
            ("http://", UrlError::NoHost),
            ("http:///x", UrlError::NoHost),
            ("http://:80", UrlError::NoHost),
            ("http://u:p@", UrlError::NoHost),
            ("http://a b/", UrlError::BadHost),
            ("http://ü/", UrlError::BadHost),
            ("http://a%20b/", UrlError::BadHost),
            ("http://[::1", UrlError::BadHost),
            ("http://[::1]x", UrlError::BadHost),
            ("http://[a]/", UrlError::BadHost),
            ("http://[::1%25]/", UrlError::BadHost),
            ("http://[::1%25a b]/", UrlError::BadHost),
            ("http://a:b", UrlError::BadPort),
            ("http://a:65536", UrlError::BadPort),
            ("http://a:+1", UrlError::BadPort),
            ("http://::1/", UrlError::NoHost),
            ("http://a/%4", UrlError::BadEscape),
            ("http://a/%4x", UrlError::BadEscape),
            ("http://%zz@a/", UrlError::BadEscape),
            ("http://a/\r\nX: y", UrlError::ControlCharacter),
        ] {
            assert_eq!(Url::parse(text), Err(wanted), "{text:?}");
        }
    }

    #[test]
    fn users_are_decoded_and_passwords_never_shown() {
        let with = url("http://us%65r%40:p%3Aa:ss@a/x");
        assert_eq!(with.userinfo, Some(("user@".to_owned(), "p:a:ss".to_owned())));
        assert_eq!(with.to_string(), "http://user%40:xxxxx@a/x");
        assert_eq!(with.revealed(), "http://user%40:p%3Aa%3Ass@a/x");
        assert_eq!(format!("{with:?}"), "Url(http://user%40:xxxxx@a/x)");
        assert_eq!(url("http://u@a").to_string(), "http://u@a/");
        assert_eq!(url("http://[::1]:9100/m?a=b").to_string(), "http://[::1]:9100/m?a=b");
        assert_eq!(url("http://a@b@c/").userinfo, Some(("a@b".to_owned(), String::new())));
    }

    #[test]
    fn locations_are_resolved_as_the_rfc_shows() {
        let base = url("http://u:p@a:81/b/c/d;p?q");
        for (location, wanted) in [
            ("g", "http://u:xxxxx@a:81/b/c/g"),
            ("./g", "http://u:xxxxx@a:81/b/c/g"),
            ("g/", "http://u:xxxxx@a:81/b/c/g/"),
            ("/g", "http://u:xxxxx@a:81/g"),
            ("//g", "http://g/"),
            ("?y", "http://u:xxxxx@a:81/b/c/d;p?y"),
            ("g?y", "http://u:xxxxx@a:81/b/c/g?y"),
            ("#s", "http://u:xxxxx@a:81/b/c/d;p?q"),
            ("g#s", "http://u:xxxxx@a:81/b/c/g"),
            (";x", "http://u:xxxxx@a:81/b/c/;x"),
            ("", "http://u:xxxxx@a:81/b/c/d;p?q"),
            (".", "http://u:xxxxx@a:81/b/c/"),
            ("..", "http://u:xxxxx@a:81/b/"),
            ("../g", "http://u:xxxxx@a:81/b/g"),
            ("../../../g", "http://u:xxxxx@a:81/g"),
            ("/./g", "http://u:xxxxx@a:81/g"),
            ("/../g", "http://u:xxxxx@a:81/g"),
            ("g.", "http://u:xxxxx@a:81/b/c/g."),
            ("./g/.", "http://u:xxxxx@a:81/b/c/g/"),
            ("g;x=1/../y", "http://u:xxxxx@a:81/b/c/y"),
            ("g?y/../x", "http://u:xxxxx@a:81/b/c/g?y/../x"),
            ("https://other/x", "https://other/x"),
            ("http://a:81/x", "http://a:81/x"),
            ("g:h?", ""),
            ("mailto:x", ""),
            ("/a\nb", ""),
        ] {
            match base.join(location) {
                Ok(url) => assert_eq!(url.to_string(), wanted, "{location}"),
                Err(_) => assert_eq!(wanted, "", "{location}"),
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn what_parses_can_be_sent_and_parses_again(
            text in "http://(u(:p%20)?@)?[a-z0-9.]{1,5}(:[0-9]{1,5})?\\PC{0,20}",
            location in "[a.:/?#%\\PC]{0,12}",
        ) {
            if let Ok(url) = Url::parse(&text) {
                proptest::prop_assert!(url.target.starts_with('/'));
                let mut out = Vec::new();
                let written =
                    crate::http::write_request(&mut out, "GET", &url.target, &url.authority(), &[], None);
                proptest::prop_assert!(written.is_ok());
                let plain = Url { userinfo: None, ..url };
                proptest::prop_assert_eq!(Url::parse(&plain.to_string()), Ok(plain.clone()));
                if let Ok(joined) = plain.join(&location) {
                    let target = &joined.target;
                    proptest::prop_assert!(target.bytes().all(|byte| byte.is_ascii_graphic()));
                }
            }
        }
    }
}
