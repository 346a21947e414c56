//! A client made of a configuration's HTTP fields.

use crate::client::material::{authorization, http_headers, read_file};
use crate::client::oauth2::Tokens;
use crate::client::wire::Wire;
use crate::client::{Answer, Ask, ClientError, Stream};
use crate::config::HttpClientConfig;

/// Obeys all of [`HttpClientConfig`]; files are read again for every request. May be used by several tasks at once.
#[derive(Debug)]
pub struct Client {
    config: HttpClientConfig,
    wire: Wire,
    tokens: Option<Tokens>,
}

impl Client {
    /// `user_agent`: product and version.
    ///
    /// # Errors
    /// The settings cannot be used: a file is missing, a certificate is malformed.
    pub fn new(config: &HttpClientConfig, user_agent: &str) -> Result<Client, ClientError> {
        let wire = Wire::new(user_agent, &config.tls, &config.proxy, config.follow_redirects)?;
        let tokens = match &config.oauth2 {
            Some(oauth2) => Some(Tokens::new(oauth2, user_agent)?),
            None => None,
        };
        Ok(Client { config: config.clone(), wire, tokens })
    }

    /// The whole answer, whatever its status.
    pub async fn call(&self, ask: Ask) -> Result<Answer, ClientError> {
        let (timeout, bytes_max) = (ask.timeout, ask.bytes_max);
        let exchange = async { self.begin(ask).await?.whole(bytes_max).await };
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(ClientError::Timeout))
    }

    /// The answer as soon as its head is there; the body comes in pieces.
    pub async fn stream(&self, ask: Ask) -> Result<Stream, ClientError> {
        let timeout = ask.timeout;
        let begun = tokio::time::timeout(timeout, self.begin(ask)).await;
        begun.unwrap_or(Err(ClientError::Timeout))
    }

    async fn begin(&self, mut ask: Ask) -> Result<Stream, ClientError> {
        let settings = ClientError::Settings;
        ask.headers.extend(authorization(&self.config, &read_file).map_err(settings)?);
        if let Some(tokens) = &self.tokens {
            ask.headers.push(("Authorization".to_owned(), tokens.header().await?));
        }
        ask.headers.extend(http_headers(&self.config.http_headers, &read_file).map_err(settings)?);
        Ok(Stream::new(self.wire.send(&ask).await?))
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::client::standin::StandIn;
    use crate::config::{Grant, HttpHeader, OAuth2, ProxyConfig, Secret, Signature, TlsConfig};

    fn plain() -> HttpClientConfig {
        HttpClientConfig {
            basic_auth: None,
            authorization: None,
            oauth2: None,
            tls: TlsConfig::default(),
            proxy: ProxyConfig::default(),
            http_headers: Vec::new(),
            follow_redirects: true,
        }
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().expect("a runtime").block_on(future)
    }

    fn oauth2(token_url: String) -> OAuth2 {
        OAuth2 {
            client_id: "me".to_owned(),
            client_secret: Secret::Inline("s&crt".to_owned()),
            certificate_key: None,
            certificate_key_id: String::new(),
            grant: Grant::ClientCredentials,
            signature: Signature::Rs256,
            iss: String::new(),
            audience: String::new(),
            claims: Vec::new(),
            scopes: vec!["a".to_owned(), "b".to_owned()],
            token_url,
            endpoint_params: vec![("resource".to_owned(), "x y".to_owned())],
            tls: TlsConfig::default(),
            proxy: ProxyConfig::default(),
        }
    }

    #[test]
    fn headers_go_along_and_the_answer_comes_whole() {
        let server =
            StandIn::start(|_| "HTTP/1.1 200 OK\r\nETag: e\r\nContent-Length: 4\r\n\r\nbody");
        let secrets = vec![Secret::Inline("hidden".to_owned())];
        let header = HttpHeader { name: "X-A".to_owned(), values: vec!["1".to_owned()], secrets };
        let config = HttpClientConfig { http_headers: vec![header], ..plain() };
        let client = Client::new(&config, "Corelane/test").expect("usable");
        let ask = Ask::get(server.url("/x?y=z")).header("Accept", "text/plain");
        let answer = run(client.call(ask)).expect("an answer");
        assert_eq!((answer.status, answer.header("etag")), (200, Some("e")));
        assert_eq!(answer.text().expect("200"), "body");
        let request = server.requests().remove(0);
        assert!(request.starts_with("GET /x?y=z HTTP/1.1\r\n"), "{request}");
        for line in ["user-agent: Corelane/test", "x-a: 1", "x-a: hidden", "accept: text/plain"] {
            assert!(request.contains(line), "{line}: {request}");
        }
    }

    #[test]
    fn a_token_is_asked_for_once_and_in_both_ways() {
        let tokens = StandIn::start(|request| match request.contains("client_secret=s%26crt") {
            true => {
                "HTTP/1.1 200 OK\r\nContent-Length: 39\r\n\r\n{\"access_token\":\"t1\",\"expires_in\":3600}"
            }
            false => "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
        });
        let server = StandIn::start(|_| "HTTP/1.1 204 OK\r\n\r\n");
        let config =
            HttpClientConfig { oauth2: Some(Box::new(oauth2(tokens.url("/token")))), ..plain() };
        let client = Client::new(&config, "Corelane/test").expect("usable");
        run(async {
            for _ in 0..2 {
                let answer = client.call(Ask::get(server.url("/"))).await.expect("an answer");
                assert_eq!(answer.status, 204);
            }
        });
        let asked = tokens.requests();
        assert_eq!(asked.len(), 2, "{asked:?}");
        // me:s%26crt
        assert!(asked[0].contains("authorization: Basic bWU6cyUyNmNydA=="), "{asked:?}");
        let form = "grant_type=client_credentials&scope=a+b&resource=x+y";
        assert!(asked[0].ends_with(form), "{asked:?}");
        assert!(asked[1].ends_with(&format!("{form}&client_id=me&client_secret=s%26crt")));
        for request in server.requests() {
            assert!(request.contains("authorization: Bearer t1\r\n"), "{request}");
        }
    }

    #[test]
    fn a_token_server_that_refuses_is_named_without_the_secret() {
        let tokens = StandIn::start(|_| "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
        let config =
            HttpClientConfig { oauth2: Some(Box::new(oauth2(tokens.url("/token")))), ..plain() };
        let client = Client::new(&config, "Corelane/test").expect("usable");
        let error = run(client.call(Ask::get("http://127.0.0.1:9/"))).expect_err("no token");
        let wanted = "oauth2: cannot fetch token: server returned HTTP status 403: no";
        assert_eq!(error.to_string(), wanted);
    }

    #[test]
    fn requests_go_through_the_proxy() {
        let proxy = StandIn::start(|_| "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let url = proxy.url("").replace("http://", "http://u:p@");
        let config = HttpClientConfig {
            proxy: ProxyConfig { url: Secret::Inline(url), ..ProxyConfig::default() },
            ..plain()
        };
        let client = Client::new(&config, "Corelane/test").expect("usable");
        let answer = run(client.call(Ask::get("http://nowhere.invalid/x"))).expect("an answer");
        assert_eq!(answer.status, 200);
        let request = proxy.requests().remove(0);
        assert!(request.starts_with("GET http://nowhere.invalid/x HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("proxy-authorization: Basic dTpw"), "{request}");
    }

    #[test]
    fn a_server_is_verified_by_the_name_that_is_configured() {
        let pair = rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("made");
        let server = StandIn::start_tls(&pair, |_| "HTTP/1.1 204 OK\r\n\r\n");
        for (server_name, trusted, error) in [
            ("a.example", true, ""),
            ("", true, "127.0.0.1"),
            ("b.example", true, "b.example"),
            ("a.example", false, "invalid peer certificate"),
        ] {
            let other = rcgen::generate_simple_self_signed(["x".to_owned()]).expect("made");
            let ca = if trusted { pair.cert.pem() } else { other.cert.pem() };
            let server_name = server_name.to_owned();
            let tls =
                TlsConfig { ca: Some(Secret::Inline(ca)), server_name, ..TlsConfig::default() };
            let config = HttpClientConfig { tls, ..plain() };
            let client = Client::new(&config, "Corelane/test").expect("usable");
            match run(client.call(Ask::get(server.url("/")))) {
                Ok(answer) => assert!(answer.status == 204 && error.is_empty(), "{error}"),
                Err(found) => {
                    let found = found.to_string();
                    assert!(!error.is_empty() && found.contains(error), "{found}");
                }
            }
        }
    }

    #[test]
    fn a_missing_file_is_said_before_anything_is_asked() {
        let missing = Some(Secret::File(PathBuf::from("/nowhere/ca.pem")));
        let tls = TlsConfig { ca: missing, ..TlsConfig::default() };
        let config = HttpClientConfig { tls, ..plain() };
        let error = Client::new(&config, "Corelane/test").expect_err("no file");
        assert!(error.to_string().contains(&Path::new("/nowhere/ca.pem").display().to_string()));
    }

    #[test]
    fn bodies_have_a_limit() {
        let server = StandIn::start(|_| "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789");
        let client = Client::new(&plain(), "Corelane/test").expect("usable");
        let ask = Ask { bytes_max: 8, ..Ask::get(server.url("/")) };
        assert_eq!(run(client.call(ask)), Err(ClientError::TooLong(8)));
        let body = run(async {
            let mut stream = client.stream(Ask::get(server.url("/"))).await?;
            let mut body = Vec::new();
            while let Some(bytes) = stream.chunk().await? {
                body.extend(bytes);
            }
            Ok::<_, ClientError>(body)
        });
        assert_eq!(body.as_deref(), Ok(&b"123456789"[..]));
    }
}
