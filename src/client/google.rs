//! Tokens of Google's IAM.

use core::time::Duration;

use serde_json::Value;

use crate::client::form::form;
use crate::client::jwt::{Claims, sign};
use crate::client::oauth2::{FORM, token};
use crate::client::source::{file, variable};
use crate::client::wire::Wire;
use crate::client::{Ask, ClientError, Credential, Issued};
use crate::config::{Grant, Signature};

const SCOPE: &str = "https://www.googleapis.com/auth/monitoring.write";
const TOKENS: &str = "https://oauth2.googleapis.com/token";
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);

/// `text`: a file with credentials; without it they are looked for where Google's libraries look.
pub async fn fetch(wire: &Wire, text: Option<&str>) -> Result<Issued, ClientError> {
    let found = match text {
        Some(text) => Some(text.to_owned()),
        None => default_credentials()?,
    };
    let ask = match found {
        Some(text) => of_file(&text).map_err(ClientError::Token)?,
        None => of_machine(),
    };
    let token = token(wire, &ask).await?;
    Ok(Issued { credential: Credential::Header(token.header), good_for: token.good_for })
}

fn default_credentials() -> Result<Option<String>, ClientError> {
    if let Some(path) = variable("GOOGLE_APPLICATION_CREDENTIALS") {
        return file(&path).map(Some);
    }
    let home = variable("HOME").unwrap_or_default();
    Ok(file(&format!("{home}/.config/gcloud/application_default_credentials.json")).ok())
}

/// The request for a token that a file with credentials allows.
fn of_file(text: &str) -> Result<Ask, String> {
    let key: Value =
        serde_json::from_str(text).map_err(|_| "the credentials are not JSON".to_owned())?;
    let field = |name: &str| key[name].as_str().unwrap_or_default();
    let tokens = Some(field("token_uri")).filter(|url| !url.is_empty()).unwrap_or(TOKENS);
    let body = match field("type") {
        "service_account" => {
            let claims = Claims {
                iss: field("client_email").to_owned(),
                aud: tokens.to_owned(),
                scope: SCOPE.to_owned(),
                ..Claims::default()
            };
            let private_key = field("private_key").as_bytes();
            let assertion = sign(Signature::Rs256, field("private_key_id"), private_key, &claims)?;
            form(&[("grant_type", Grant::JwtBearer.name()), ("assertion", &assertion)])
        }
        "authorized_user" => form(&[
            ("grant_type", "refresh_token"),
            ("client_id", field("client_id")),
            ("client_secret", field("client_secret")),
            ("refresh_token", field("refresh_token")),
        ]),
        other => return Err(format!("credentials of type {other:?} are not supported yet")),
    };
    Ok(Ask::post(tokens, FORM, body.into_bytes()))
}

/// The service account of the machine that we run on.
fn of_machine() -> Ask {
    let host = variable("GCE_METADATA_HOST");
    let host = host.unwrap_or_else(|| "metadata.google.internal".to_owned());
    let query = form(&[("scopes", SCOPE)]);
    let path = "computeMetadata/v1/instance/service-accounts/default/token";
    let ask = Ask::get(format!("http://{host}/{path}?{query}")).timeout(METADATA_TIMEOUT);
    ask.header("Metadata-Flavor", "Google")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_refreshes_and_other_kinds_are_refused_by_name() {
        let text = r#"{"type":"authorized_user","client_id":"i","client_secret":"s",
                       "refresh_token":"r","token_uri":"http://t/x"}"#;
        let ask = of_file(text).expect("usable");
        assert_eq!(ask.url, "http://t/x");
        let form = "grant_type=refresh_token&client_id=i&client_secret=s&refresh_token=r";
        assert_eq!(String::from_utf8(ask.body).expect("text"), form);
        let other = of_file(r#"{"type":"external_account"}"#).expect_err("refused");
        assert!(other.contains("external_account"), "{other}");
        assert!(of_file("no").is_err());
    }
}
