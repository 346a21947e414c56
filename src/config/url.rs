//! The little that must be known of URLs: whether one can be parsed, and how to print one.

use core::fmt::Write;

/// Checks that a URL is absolute and made of the right characters. Any scheme passes.
pub(super) fn check_url(url: &str) -> Result<(), &'static str> {
    if url.chars().any(|c| c.is_control()) {
        return Err("a URL has no control characters");
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err("not an absolute URL such as https://host/path");
    };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(named) {
        return Err("the URL's scheme is malformed");
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, ""),
    };
    if name.is_empty() || name.contains([' ', '"', '<', '>', '\\', '^', '`', '{', '|', '}']) {
        return Err("the URL's host is missing or malformed");
    }
    if name.starts_with('[') != name.ends_with(']')
        || (!name.starts_with('[') && name.contains(':'))
    {
        return Err("the URL's host is malformed: an IPv6 address goes in brackets");
    }
    if !port.is_empty() && port.parse::<u16>().is_err() {
        return Err("the URL's port is not a port number");
    }
    if !escapes_are_whole(path) {
        return Err("the URL has a % without two hexadecimal digits");
    }
    Ok(())
}

fn escapes_are_whole(text: &str) -> bool {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let path = text.split(['?', '#']).next().unwrap_or("").as_bytes();
    let mut escapes = path.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    escapes.all(|(at, _)| is_hex(path.get(at + 1)) && is_hex(path.get(at + 2)))
}

/// The URL with a password written in it replaced by `xxxxx`.
pub(super) fn redacted(url: &str) -> String {
    let found = url.split_once("://").and_then(|(scheme, rest)| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (user, host) = rest[..end].rsplit_once('@')?;
        let (user, _) = user.split_once(':')?;
        Some(format!("{scheme}://{user}:xxxxx@{host}{}", &rest[end..]))
    });
    found.unwrap_or_else(|| url.to_owned())
}

/// A path as it is sent: begins with `/`, other than plain characters percent-encoded.
pub(super) fn escape_path(path: &str, out: &mut String) {
    if !path.starts_with('/') {
        out.push('/');
    }
    for byte in path.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte);
        push_byte(byte, plain, out);
    }
}

/// A query's name or value.
pub(super) fn escape_query(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            _ => push_byte(byte, byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte), out),
        }
    }
}

fn push_byte(byte: u8, plain: bool, out: &mut String) {
    if plain {
        out.push(char::from(byte));
    } else {
        // Writing to a string cannot fail.
        let _ = write!(out, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_absolute_and_whole() {
        for url in [
            "http://h",
            "https://user:p@h:9090/a/b?c=d#e",
            "http://[::1]:80/",
            "http://[::1]",
            "ftp://h/",
            "http://h:/x",
            "http://h/%41?q=%zz",
        ] {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
        for url in [
            "h:9090/x",
            "/x",
            "://h",
            "1a://h",
            "http://",
            "http:///x",
            "http://a b/",
            "http://h:x/",
            "http://h:70000/",
            "http://::1/",
            "http://[::1/",
            "http://h/%4",
            "http://h/\n",
        ] {
            assert!(check_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn passwords_do_not_show() {
        assert_eq!(redacted("http://u:p@h/x?y"), "http://u:xxxxx@h/x?y");
        assert_eq!(redacted("http://u@h/"), "http://u@h/");
        assert_eq!(redacted("http://h/a:b@c"), "http://h/a:b@c");
    }
}
