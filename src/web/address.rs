//! Addresses: where to listen, and the URL by which others reach this process.

use core::fmt;
use std::fs;
use std::io;
use std::net::{TcpListener, ToSocketAddrs};

/// Why the admin server cannot have an address. One sentence that names it.
#[derive(Debug)]
pub enum AddressError {
    Bind { address: String, cause: io::Error },
    External { url: String, why: &'static str },
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Bind { address, cause } => {
                write!(f, "cannot listen on web address {address:?}: {cause}")
            }
            AddressError::External { url, why } => {
                write!(f, "external URL {url:?} cannot be used: {why}")
            }
        }
    }
}

impl std::error::Error for AddressError {}

/// One listener per address, in order. `:9090` means every address of the machine (spec: CLI-5).
pub fn bind(addresses: &[String]) -> Result<Vec<TcpListener>, AddressError> {
    addresses
        .iter()
        .map(|address| {
            bind_one(address)
                .map_err(|cause| AddressError::Bind { address: address.clone(), cause })
        })
        .collect()
}

fn bind_one(address: &str) -> io::Result<TcpListener> {
    if let Some(port) = address.strip_prefix(':') {
        // Both protocols through one socket; where IPv6 is switched off, IPv4 alone.
        let both = TcpListener::bind(format!("[::]:{port}"));
        return both.or_else(|_| TcpListener::bind(format!("0.0.0.0:{port}")));
    }
    let found: Vec<_> = address.to_socket_addrs()?.collect();
    TcpListener::bind(found.as_slice())
}

/// Where others reach the admin server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUrl {
    /// `http` or `https`.
    pub scheme: String,
    /// Host with port, if one is written.
    pub host: String,
    /// Empty or beginning with a slash; no slash at the end.
    pub path: String,
}

impl ExternalUrl {
    /// From what was written; when that is empty, `http://<hostname>:<port>/` (spec: CLI-10).
    pub fn new(given: &str, hostname: &str, port: u16) -> Result<ExternalUrl, AddressError> {
        if given.is_empty() {
            let host = format!("{hostname}:{port}");
            return Ok(ExternalUrl { scheme: "http".to_owned(), host, path: String::new() });
        }
        let wrong = |why| AddressError::External { url: given.to_owned(), why };
        let (scheme, rest) = given
            .split_once("://")
            .ok_or_else(|| wrong("it must begin with http:// or https://"))?;
        if scheme != "http" && scheme != "https" {
            return Err(wrong("its scheme must be http or https"));
        }
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if host.is_empty() {
            return Err(wrong("it names no host"));
        }
        Ok(ExternalUrl { scheme: scheme.to_owned(), host: host.to_owned(), path: normal(path) })
    }

    /// The URL of a target as seen from outside: this machine's own names become the external one. `port`: ours.
    // spec: HTTP-20
    pub(super) fn globalize(&self, url: &str, port: u16) -> String {
        let Some((scheme, rest)) = url.split_once("://") else {
            return url.to_owned();
        };
        let (address, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (host, target_port) = split_port(address);
        if !["localhost", "127.0.0.1", "[::1]"].contains(&host) {
            return url.to_owned();
        }
        match target_port {
            Some(target_port) if target_port == port.to_string() => {
                format!("{}://{}{path}", self.scheme, self.host)
            }
            Some(target_port) => {
                format!("{scheme}://{}:{target_port}{path}", split_port(&self.host).0)
            }
            None => format!("{scheme}://{}{path}", split_port(&self.host).0),
        }
    }
}

/// The port is what follows the last colon outside of brackets.
fn split_port(address: &str) -> (&str, Option<&str>) {
    match address.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (address, None),
    }
}

/// Prefix of all routes: empty, or `/prefix` (spec: CLI-11). `given` empty: path of the external URL.
pub fn route_prefix(given: &str, external: &ExternalUrl) -> String {
    if given.is_empty() { external.path.clone() } else { normal(given) }
}

fn normal(path: &str) -> String {
    let trimmed = path.trim_matches('/');
    if trimmed.is_empty() { String::new() } else { format!("/{trimmed}") }
}

/// This machine's name; `localhost` when it has none.
pub fn hostname() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_named_in_one_line() {
        let first = bind(&["127.0.0.1:0".to_owned()]).expect("free port");
        let taken = first[0].local_addr().expect("bound").to_string();
        let text = bind(std::slice::from_ref(&taken)).expect_err("taken").to_string();
        assert!(text.contains(&taken) && !text.contains('\n'), "{text}");
        assert!(bind(&["no port".to_owned()]).is_err());
        assert_eq!(bind(&[":0".to_owned(), "localhost:0".to_owned()]).expect("free").len(), 2);
    }

    #[test]
    fn the_external_url_gives_prefix_and_public_names() {
        let external = ExternalUrl::new("https://p.example/prom/", "box", 9090).expect("good");
        assert_eq!(external.path, "/prom");
        for (given, prefix) in [("", "/prom"), ("/", ""), ("x/y/", "/x/y")] {
            assert_eq!(route_prefix(given, &external), prefix, "{given}");
        }
        let own = ExternalUrl::new("", "box", 9090).expect("good");
        for (url, outside) in [
            ("http://localhost:9090/metrics", "http://box:9090/metrics"),
            ("http://127.0.0.1:9100/metrics", "http://box:9100/metrics"),
            ("http://[::1]:9100/m?a=b:c", "http://box:9100/m?a=b:c"),
            ("http://10.0.0.1:9090/metrics", "http://10.0.0.1:9090/metrics"),
        ] {
            assert_eq!(own.globalize(url, 9090), outside);
        }
        assert_eq!(external.globalize("http://localhost:9090/m", 9090), "https://p.example/m");
        for wrong in ["p.example", "ftp://x", "http:///x"] {
            assert!(ExternalUrl::new(wrong, "box", 1).is_err(), "{wrong}");
        }
    }
}
