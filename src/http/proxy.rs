//! Which requests go through a proxy.

use core::fmt;
use core::net::IpAddr;
use std::borrow::Cow;

use crate::base::{Route, Tunnel};
use crate::http::{Url, UrlError, write_request};

/// Proxies by the scheme of the request, and what is reached without them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    /// The machine itself and what the rules name are reached without.
    excepts: bool,
    rules: Vec<Rule>,
    /// Sent to a proxy that is asked for a tunnel.
    connect_headers: Vec<(String, String)>,
}

/// A server that passes requests on.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub url: Url,
    /// The value of `Proxy-Authorization`.
    authorization: Option<String>,
}

impl fmt::Debug for Proxies {
    /// Headers may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = |proxy: &Option<Proxy>| proxy.as_ref().map(|proxy| proxy.url.to_string());
        let (http, https) = (url(&self.http), url(&self.https));
        f.debug_struct("Proxies")
            .field("http", &http)
            .field("https", &https)
            .finish_non_exhaustive()
    }
}

/// Something that is reached without a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Everything,
    /// Port 0: any.
    Address(IpAddr, u16),
    /// Address and the length of its prefix.
    Range(IpAddr, u8),
    /// Names below it, itself too unless it was written with a dot before it. Port 0: any.
    Domain {
        name: String,
        itself: bool,
        port: u16,
    },
}

/// A proxy that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// A header for it has a character that would end the line.
    Header,
    /// TLS would have to be spoken within TLS.
    Nested,
    Scheme(String),
    Url(UrlError),
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::Header => f.write_str("proxy: a header for it must not be sent"),
            ProxyError::Nested => {
                f.write_str("an https server through a proxy over https is not supported yet")
            }
            ProxyError::Scheme(scheme) => {
                write!(f, "proxies over {scheme:?} are not supported yet, only http and https")
            }
            ProxyError::Url(error) => write!(f, "proxy: {error}"),
        }
    }
}

impl core::error::Error for ProxyError {}

impl Proxies {
    /// One proxy for everything, but for what `no_proxy` names if it is not empty; then also but for the machine itself.
    // spec: CFG §2.7; Go's http.ProxyURL and httpproxy
    pub fn fixed(url: &str, no_proxy: &str) -> Result<Proxies, ProxyError> {
        if url.is_empty() {
            return Ok(Proxies::default());
        }
        let proxy = usable(Url::parse(url).map_err(ProxyError::Url)?)?;
        Ok(Proxies {
            http: Some(proxy.clone()),
            https: Some(proxy),
            excepts: !no_proxy.is_empty(),
            rules: rules(no_proxy),
            connect_headers: Vec::new(),
        })
    }

    /// Adds what proxies want: headers for tunnels, and `credentials` made of the users and passwords in their URLs.
    pub fn authorized(
        mut self,
        connect_headers: Vec<(String, String)>,
        credentials: &dyn Fn(&str, &str) -> String,
    ) -> Proxies {
        self.connect_headers = connect_headers;
        for proxy in [&mut self.http, &mut self.https].into_iter().flatten() {
            let userinfo = proxy.url.userinfo.as_ref();
            proxy.authorization = userinfo.map(|(user, password)| credentials(user, password));
        }
        self
    }

    /// What the usual variables say; `variable` gives the value of one. Large letters go before small ones.
    pub fn from_environment(
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Proxies, ProxyError> {
        let either = |large: &str, small: &str| {
            let value = variable(large).filter(|value| !value.is_empty());
            value.or_else(|| variable(small)).unwrap_or_default()
        };
        let proxy = |text: String| match text.as_str() {
            "" => Ok(None),
            text if text.contains("://") => {
                usable(Url::parse(text).map_err(ProxyError::Url)?).map(Some)
            }
            text => {
                let url = Url::parse(&format!("http://{text}")).map_err(ProxyError::Url)?;
                usable(url).map(Some)
            }
        };
        Ok(Proxies {
            http: proxy(either("HTTP_PROXY", "http_proxy"))?,
            https: proxy(either("HTTPS_PROXY", "https_proxy"))?,
            excepts: true,
            rules: rules(&either("NO_PROXY", "no_proxy")),
            connect_headers: Vec::new(),
        })
    }

    /// The proxy for a request to `url`, if it goes through one.
    pub fn choose(&self, url: &Url) -> Option<&Proxy> {
        let proxy = if url.is_tls() { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !(self.excepts && self.passed_by(url)))
    }

    /// What stands in the request line: path and query, or the whole URL if it is for a proxy.
    // spec: RFC 9112 §3.2.2
    pub fn target<'u>(&self, url: &'u Url) -> Cow<'u, str> {
        match self.choose(url) {
            Some(_) if !url.is_tls() => {
                Cow::Owned(format!("{}://{}{}", url.scheme, url.authority(), url.target))
            }
            _ => Cow::Borrowed(&url.target),
        }
    }

    /// The value of `Proxy-Authorization` for a request to `url`. A tunnel's goes along with [`Proxies::route`].
    pub fn authorization(&self, url: &Url) -> Option<&str> {
        self.choose(url).filter(|_| !url.is_tls())?.authorization.as_deref()
    }

    /// The way to the server at `url`; `tls` is the key of the settings to use where TLS is spoken.
    // spec: RFC 9110 §9.3.6
    pub fn route(&self, url: &Url, tls: u32) -> Result<Route, ProxyError> {
        let direct = Route {
            host: url.host.clone(),
            port: url.port,
            tls: url.is_tls().then_some(tls),
            ..Route::default()
        };
        let Some(proxy) = self.choose(url) else {
            return Ok(direct);
        };
        let (host, port) = (proxy.url.host.clone(), proxy.url.port);
        if !url.is_tls() {
            let tls = proxy.url.is_tls().then_some(tls);
            return Ok(Route { host, port, tls, ..Route::default() });
        }
        if proxy.url.is_tls() {
            return Err(ProxyError::Nested);
        }
        let mut headers: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &self.connect_headers {
            headers.push((name, value));
        }
        headers.extend(proxy.authorization.as_deref().map(|value| ("Proxy-Authorization", value)));
        let name = url.host.split('%').next().unwrap_or_default();
        let peer = match name.contains(':') {
            true => format!("[{name}]:{}", url.port),
            false => format!("{name}:{}", url.port),
        };
        let mut request = Vec::new();
        write_request(&mut request, "CONNECT", &peer, &peer, &headers, None)
            .map_err(|_| ProxyError::Header)?;
        Ok(Route { tunnel: Some(Box::new(Tunnel { host, port, request })), ..direct })
    }

    /// True if nothing goes through a proxy.
    pub fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    fn passed_by(&self, url: &Url) -> bool {
        let host = url.host.split('%').next().unwrap_or_default().to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        self.rules.iter().any(|rule| rule.matches(&host, address, url.port))
    }
}

fn usable(url: Url) -> Result<Proxy, ProxyError> {
    match url.scheme.as_str() {
        "http" | "https" => Ok(Proxy { url, authorization: None }),
        _ => Err(ProxyError::Scheme(url.scheme)),
    }
}

impl Rule {
    fn matches(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let fits = |wanted: u16| wanted == 0 || wanted == port;
        match self {
            Rule::Everything => true,
            Rule::Address(own, wanted) => address == Some(*own) && fits(*wanted),
            Rule::Range(own, prefix) => {
                address.is_some_and(|address| within(address, *own, *prefix))
            }
            Rule::Domain { name, itself, port } => {
                let below = host.strip_suffix(name.as_str());
                let below = below.is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
                (below || (*itself && host == name)) && fits(*port)
            }
        }
    }
}

/// The first `prefix` bits are the same.
fn within(address: IpAddr, range: IpAddr, prefix: u8) -> bool {
    let prefix = u32::from(prefix);
    let differ = match (address, range) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    differ >= prefix
}

/// Elements between commas; what makes no sense matches nothing.
fn rules(list: &str) -> Vec<Rule> {
    list.split(',').filter_map(|element| rule(&element.trim().to_ascii_lowercase())).collect()
}

fn rule(text: &str) -> Option<Rule> {
    if text.is_empty() {
        return None;
    }
    if text == "*" {
        return Some(Rule::Everything);
    }
    if let Some((address, prefix)) = text.split_once('/') {
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= most)?;
        return Some(Rule::Range(address, prefix));
    }
    if let Ok(address) = text.parse() {
        return Some(Rule::Address(address, 0));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (text, 0),
    };
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse() {
        return Some(Rule::Address(address, port));
    }
    let name = host.strip_prefix('*').unwrap_or(host);
    let below = name.strip_prefix('.');
    let itself = below.is_none();
    let name = below.unwrap_or(name).to_owned();
    (!name.is_empty()).then_some(Rule::Domain { name, itself, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[test]
    fn what_no_proxy_names_is_reached_without() {
        for (no_proxy, target, through) in [
            ("", "http://localhost/", true),
            ("", "http://127.0.0.1:1/", true),
            ("x", "http://localhost/", false),
            ("x", "http://127.0.0.1:1/", false),
            ("x", "http://[::1]/", false),
            ("x", "http://a.example/", true),
            ("example.com", "http://example.com/", false),
            ("example.com", "http://a.EXAMPLE.com/", false),
            ("example.com", "http://anexample.com/", true),
            (".example.com", "http://example.com/", true),
            (".example.com", "https://a.b.example.com/", false),
            ("*.example.com", "http://a.example.com/", false),
            ("*.example.com", "http://example.com/", true),
            ("example.com:8080", "http://example.com/", true),
            ("example.com:8080", "http://a.example.com:8080/", false),
            ("example.com:443", "https://example.com/", false),
            ("a, 10.0.0.0/8 ,b", "http://10.1.2.3/", false),
            ("10.0.0.0/8", "http://11.1.2.3/", true),
            ("10.0.0.0/8", "http://ten.example/", true),
            ("fd00::/8", "http://[fd12::1]:9/", false),
            ("192.0.2.1", "http://192.0.2.1:9/", false),
            ("192.0.2.1:9", "http://192.0.2.1:9/", false),
            ("192.0.2.1:9", "http://192.0.2.1/", true),
            ("[2001:db8::1]:9", "http://[2001:db8::1]:9/", false),
            ("2001:db8::1", "http://[2001:db8::1]/", false),
            ("0.0.0.0/0", "http://192.0.2.1/", false),
            ("10.0.0.0/33,a:b,,/", "http://a/", true),
            ("*", "https://anything.example/", false),
        ] {
            let proxies = Proxies::fixed("http://u:p@proxy:3128", no_proxy).expect("valid");
            let found = proxies.choose(&url(target));
            assert_eq!(found.is_some(), through, "{no_proxy:?} {target}");
            let proxy = found.map(|proxy| (proxy.url.host.as_str(), proxy.url.port));
            assert!(proxy.is_none_or(|proxy| proxy == ("proxy", 3128)));
        }
    }

    #[test]
    fn the_environment_names_a_proxy_for_each_scheme() {
        let env = |name: &str| match name {
            "http_proxy" => Some("small:1".to_owned()),
            "HTTP_PROXY" => Some(String::new()),
            "HTTPS_PROXY" => Some("http://large:2".to_owned()),
            "https_proxy" => Some("http://small:2".to_owned()),
            "no_proxy" => Some("direct".to_owned()),
            _ => None,
        };
        let proxies = Proxies::from_environment(&env).expect("valid");
        let host = |target: &str| proxies.choose(&url(target)).map(|proxy| proxy.url.host.clone());
        assert_eq!(host("http://a/").as_deref(), Some("small"));
        assert_eq!(host("https://a/").as_deref(), Some("large"));
        assert_eq!(host("https://direct/"), None);
        assert_eq!(host("http://localhost/"), None);
        assert!(Proxies::from_environment(&|_| None).expect("valid").is_empty());
    }

    #[test]
    fn plain_requests_are_for_the_proxy_and_others_go_through_a_tunnel() {
        let headers = vec![("X-A".to_owned(), "1".to_owned())];
        let made = |url: &str| {
            let proxies = Proxies::fixed(url, "direct").expect("valid");
            proxies.authorized(headers.clone(), &|user, password| format!("{user} {password}"))
        };
        let proxies = made("http://u:p@proxy:3128");
        let plain = url("http://a:81/x?y");
        assert_eq!(proxies.target(&plain), "http://a:81/x?y");
        assert_eq!(proxies.authorization(&plain), Some("u p"));
        let way = proxies.route(&plain, 7).expect("a way");
        assert_eq!((way.host.as_str(), way.port, way.tls), ("proxy", 3128, None));
        assert_eq!(way.tunnel, None);

        let secure = url("https://[2001:db8::1]/x");
        assert_eq!((proxies.target(&secure), proxies.authorization(&secure)), ("/x".into(), None));
        let way = proxies.route(&secure, 7).expect("a way");
        assert_eq!((way.host.as_str(), way.port, way.tls), ("2001:db8::1", 443, Some(7)));
        let tunnel = way.tunnel.expect("a tunnel");
        assert_eq!((tunnel.host.as_str(), tunnel.port), ("proxy", 3128));
        let wanted = "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\nX-A: 1\r\n\
                      Proxy-Authorization: u p\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&tunnel.request), wanted);
        assert!(!format!("{tunnel:?} {proxies:?}").contains("u p"));

        let direct = url("http://direct/x");
        assert_eq!((proxies.target(&direct), proxies.authorization(&direct)), ("/x".into(), None));
        assert_eq!(proxies.route(&direct, 7).expect("a way").host, "direct");

        let over_tls = made("https://proxy");
        let way = over_tls.route(&plain, 7).expect("a way");
        assert_eq!((way.host.as_str(), way.port, way.tls), ("proxy", 443, Some(7)));
        assert_eq!(over_tls.route(&secure, 7), Err(ProxyError::Nested));
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_refused() {
        let socks = ProxyError::Scheme("socks5".to_owned());
        assert_eq!(Proxies::fixed("socks5://a:1", ""), Err(socks.clone()));
        assert!(Proxies::fixed("a b", "").is_err());
        let env = |name: &str| (name == "HTTP_PROXY").then(|| "socks5://a:1".to_owned());
        assert_eq!(Proxies::from_environment(&env), Err(socks));
    }
}
