//! Tokens by OAuth 2: asked for with a secret, or with an assertion signed by a key.

use core::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::auth;
use crate::client::clock::now;
use crate::client::form::{escape, form};
use crate::client::jwt::{Claims, sign};
use crate::client::material::{ReadFile, read_file, secret};
use crate::client::wire::Wire;
use crate::client::{Ask, ClientError, Stream};
use crate::config::{Grant, OAuth2};

/// A token is no longer used so long before it ends.
const MARGIN: Duration = Duration::from_secs(10);
/// Bytes of a token server's answer.
const ANSWER_BYTES: usize = 1 << 20;
pub const FORM: &str = "application/x-www-form-urlencoded";

/// What a token's server gave.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The value of `Authorization`.
    pub header: String,
    /// How long it is good for, if the server said so.
    pub good_for: Option<Duration>,
}

/// Tokens of one configuration, kept while they are good.
#[derive(Debug)]
pub struct Tokens {
    config: OAuth2,
    wire: Wire,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    secrets: Secrets,
    header: String,
    until: Option<Instant>,
}

impl core::fmt::Debug for Kept {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Kept").field("until", &self.until).finish_non_exhaustive()
    }
}

/// What the configuration says in files, read. When it changes, tokens that were had by it are not used any more.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    client_secret: String,
    certificate_key: String,
}

impl Secrets {
    /// Told apart from others by this.
    pub fn key(&self) -> String {
        format!("{:?} {:?}", self.client_secret, self.certificate_key)
    }

    pub fn read(config: &OAuth2, read: ReadFile<'_>) -> Result<Secrets, String> {
        let key = config.certificate_key.as_ref();
        Ok(Secrets {
            client_secret: secret(&config.client_secret, read)?,
            certificate_key: key.map_or(Ok(String::new()), |key| secret(key, read))?,
        })
    }
}

impl Tokens {
    pub fn new(config: &OAuth2, user_agent: &str) -> Result<Tokens, ClientError> {
        let wire = Wire::new(user_agent, &config.tls, &config.proxy, true)?;
        Ok(Tokens { config: config.clone(), wire, kept: Mutex::new(None) })
    }

    /// The value of `Authorization`: the token that is kept, or a new one.
    // spec: CFG §2.7
    pub async fn header(&self) -> Result<String, ClientError> {
        let secrets = Secrets::read(&self.config, &read_file).map_err(ClientError::Settings)?;
        let mut kept = self.kept.lock().await;
        if let Some(kept) = &*kept
            && kept.secrets == secrets
            && kept.until.is_none_or(|until| Instant::now() < until)
        {
            return Ok(kept.header.clone());
        }
        let token = fetch(&self.wire, &self.config, &secrets).await?;
        let until = token.good_for.map(|good| Instant::now() + good.saturating_sub(MARGIN));
        *kept = Some(Kept { secrets, header: token.header.clone(), until });
        Ok(token.header)
    }
}

/// Asks for a token.
// spec: RFC 6749 §4.4, RFC 7523 §2.1
pub async fn fetch(wire: &Wire, config: &OAuth2, secrets: &Secrets) -> Result<Token, ClientError> {
    let mut pairs = vec![("grant_type", config.grant.name())];
    let scopes = config.scopes.join(" ");
    if config.grant == Grant::JwtBearer {
        let assertion = assertion(config, secrets)?;
        pairs.push(("assertion", &assertion));
        return post(wire, config, &pairs, None).await;
    }
    if !scopes.is_empty() {
        pairs.push(("scope", &scopes));
    }
    for (name, value) in &config.endpoint_params {
        pairs.retain(|(known, _)| known != name);
        pairs.push((name, value));
    }
    // Servers differ in where they want the client's name and secret, and do not say so: as Go does, first there, then
    // here.
    let id = (escape(&config.client_id), escape(&secrets.client_secret));
    match post(wire, config, &pairs, Some(auth::basic(&id.0, &id.1))).await {
        Err(ClientError::Token(_)) => {
            pairs.push(("client_id", &config.client_id));
            if !secrets.client_secret.is_empty() {
                pairs.push(("client_secret", &secrets.client_secret));
            }
            post(wire, config, &pairs, None).await
        }
        outcome => outcome,
    }
}

fn assertion(config: &OAuth2, secrets: &Secrets) -> Result<String, ClientError> {
    let pick = |own: &str, other: &str| if own.is_empty() { other } else { own }.to_owned();
    let claims = Claims {
        iss: pick(&config.iss, &config.client_id),
        sub: config.client_id.clone(),
        aud: pick(&config.audience, &config.token_url),
        scope: config.scopes.join(" "),
        more: config.claims.clone(),
    };
    let key = secrets.certificate_key.as_bytes();
    sign(config.signature, &config.certificate_key_id, key, &claims).map_err(ClientError::Token)
}

async fn post(
    wire: &Wire,
    config: &OAuth2,
    pairs: &[(&str, &str)],
    authorization: Option<String>,
) -> Result<Token, ClientError> {
    let mut ask = Ask::post(&config.token_url, FORM, form(pairs).into_bytes());
    if let Some(value) = authorization {
        ask = ask.header("Authorization", value);
    }
    token(wire, &ask).await
}

/// Makes a request whose answer is a token.
pub async fn token(wire: &Wire, ask: &Ask) -> Result<Token, ClientError> {
    let exchange = async { Stream::new(wire.send(ask).await?).whole(ANSWER_BYTES).await };
    let answer = tokio::time::timeout(ask.timeout, exchange).await;
    let answer = answer.unwrap_or(Err(ClientError::Timeout))?;
    let text = answer.text().map_err(|error| ClientError::Token(error.to_string()))?;
    read_token(&text).map_err(ClientError::Token)
}

/// Reads a token server's answer.
// spec: RFC 6749 §5.1
fn read_token(text: &str) -> Result<Token, String> {
    let answer: Value =
        serde_json::from_str(text).map_err(|_| "the answer is not JSON".to_owned())?;
    let access = answer["access_token"].as_str().unwrap_or_default();
    if access.is_empty() {
        return Err("server response missing access_token".to_owned());
    }
    let kind = answer["token_type"].as_str().unwrap_or_default();
    let kind = match kind.to_ascii_lowercase().as_str() {
        "" | "bearer" => "Bearer",
        "mac" => "MAC",
        "basic" => "Basic",
        _ => kind,
    };
    // Some servers write the number as a text.
    let seconds = match &answer["expires_in"] {
        Value::String(text) => text.parse().ok(),
        value => value.as_f64().map(|seconds| seconds as u64),
    };
    // And some the moment at which it ends.
    let ends = answer["expires_on"].as_str().and_then(|text| text.parse::<i64>().ok());
    let left = ends.map(|ends| ends.saturating_sub(now().0 / 1000).max(1) as u64);
    let good_for = seconds.or(left).filter(|seconds| *seconds > 0).map(Duration::from_secs);
    Ok(Token { header: auth::bearer(kind, access), good_for })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_with_a_token_are_read() {
        let good = |seconds| Some(Duration::from_secs(seconds));
        for (text, header, good_for) in [
            (r#"{"access_token":"a"}"#, "Bearer a", None),
            (r#"{"access_token":"a","token_type":"bearer","expires_in":60}"#, "Bearer a", good(60)),
            (r#"{"access_token":"a","token_type":"X","expires_in":"7"}"#, "X a", good(7)),
            (r#"{"access_token":"a","token_type":"MAC","expires_in":0}"#, "MAC a", None),
        ] {
            let token = read_token(text).expect("valid");
            assert_eq!((token.header.as_str(), token.good_for), (header, good_for), "{text}");
        }
        for text in ["", "[]", "{}", r#"{"access_token":""}"#, r#"{"error":"x"}"#] {
            assert!(read_token(text).is_err(), "{text}");
        }
    }
}
