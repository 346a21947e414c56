//! Which requests go through a proxy.

use core::fmt;
use core::net::IpAddr;

use crate::http::{Url, UrlError};

/// Proxies by the scheme of the request, and what is reached without them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    /// The machine itself and what the rules name are reached without.
    excepts: bool,
    rules: Vec<Rule>,
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
    Scheme(String),
    Url(UrlError),
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
        })
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
            text => Url::parse(&format!("http://{text}")).map(Some).map_err(ProxyError::Url),
        };
        Ok(Proxies {
            http: proxy(either("HTTP_PROXY", "http_proxy"))?,
            https: proxy(either("HTTPS_PROXY", "https_proxy"))?,
            excepts: true,
            rules: rules(&either("NO_PROXY", "no_proxy")),
        })
    }

    /// The proxy for a request to `url`, if it goes through one.
    pub fn choose(&self, url: &Url) -> Option<&Url> {
        let proxy = if url.is_tls() { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !(self.excepts && self.passed_by(url)))
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

fn usable(url: Url) -> Result<Url, ProxyError> {
    match url.scheme.as_str() {
        "http" | "https" => Ok(url),
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
            assert!(found.is_none_or(|proxy| proxy.host == "proxy" && proxy.port == 3128));
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
        let host = |target: &str| proxies.choose(&url(target)).map(|proxy| proxy.host.clone());
        assert_eq!(host("http://a/").as_deref(), Some("small"));
        assert_eq!(host("https://a/").as_deref(), Some("large"));
        assert_eq!(host("https://direct/"), None);
        assert_eq!(host("http://localhost/"), None);
        assert!(Proxies::from_environment(&|_| None).expect("valid").is_empty());
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
