//! Where credentials that end come from, and what is got there.

use core::time::Duration;

use crate::base::stable_hash;
use crate::client::material::{ReadFile, secret};
use crate::client::oauth2::{self, Secrets};
use crate::client::wire::Wire;
use crate::client::{ClientError, aws, azure, google};
use crate::config::{
    AzureAd, AzureWay, CloudAuth, OAuth2, ProxyConfig, Secret, SigV4Config, TlsConfig,
};

/// Somebody who gives out credentials, and what has to be told to get some; secrets are in place. Equal sources give
/// equal credentials.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    Aws(SigV4Config),
    Azure(AzureAd),
    /// The text of the file with credentials, if one is configured.
    Google(Option<String>),
    OAuth2(Box<OAuth2>, Secrets),
}

/// What requests prove themselves with.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    Aws(AwsKey),
    /// The value of `Authorization`.
    Header(String),
}

/// What AWS requests are signed with.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AwsKey {
    pub access_key: String,
    pub secret_key: String,
    /// Of temporary credentials; else empty.
    pub session_token: String,
    pub region: String,
}

/// A credential, and how long it is good for; for ever if that is not known.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    pub credential: Credential,
    pub good_for: Option<Duration>,
}

impl core::fmt::Debug for Source {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Source::Aws(_) => "Aws",
            Source::Azure(_) => "Azure",
            Source::Google(_) => "Google",
            Source::OAuth2(..) => "OAuth2",
        })
    }
}

impl core::fmt::Debug for Credential {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("<secret>")
    }
}

impl Source {
    pub fn of_oauth2(config: &OAuth2, read: ReadFile<'_>) -> Result<Source, String> {
        let secrets = Secrets::read(config, read)?;
        Ok(Source::OAuth2(Box::new(config.clone()), secrets))
    }

    pub fn of_cloud(config: &CloudAuth, read: ReadFile<'_>) -> Result<Source, String> {
        let inline = |hidden: &Secret| secret(hidden, read).map(Secret::Inline);
        match config {
            CloudAuth::SigV4(aws) => {
                Ok(Source::Aws(SigV4Config { secret_key: inline(&aws.secret_key)?, ..aws.clone() }))
            }
            CloudAuth::AzureAd(azure) => {
                let mut azure = azure.clone();
                if let AzureWay::OAuth { client_secret, .. } = &mut azure.way {
                    *client_secret = inline(client_secret)?;
                }
                Ok(Source::Azure(azure))
            }
            CloudAuth::GoogleIam(None) => Ok(Source::Google(None)),
            CloudAuth::GoogleIam(Some(path)) => {
                let text = secret(&Secret::File(path.clone()), read)?;
                Ok(Source::Google(Some(text)))
            }
        }
    }

    /// The same for equal sources, in this process and others.
    pub fn key(&self) -> u64 {
        let text = match self {
            Source::Aws(aws) => format!("aws {aws:?} {}", plain(&aws.secret_key)),
            Source::Azure(azure) => {
                let hidden = match &azure.way {
                    AzureWay::OAuth { client_secret, .. } => plain(client_secret),
                    _ => "",
                };
                format!("azure {azure:?} {hidden}")
            }
            Source::Google(text) => format!("google {text:?}"),
            Source::OAuth2(config, secrets) => format!("oauth2 {config:?} {}", secrets.key()),
        };
        stable_hash(text.as_bytes())
    }

    /// The credential, if nobody has to be asked for it.
    pub fn at_once(&self) -> Option<Credential> {
        let Source::Aws(aws) = self else {
            return None;
        };
        let complete =
            !aws.access_key.is_empty() && !aws.region.is_empty() && aws.role_arn.is_empty();
        complete.then(|| {
            Credential::Aws(AwsKey {
                access_key: aws.access_key.clone(),
                secret_key: plain(&aws.secret_key).to_owned(),
                session_token: String::new(),
                region: aws.region.clone(),
            })
        })
    }

    /// Asks for a credential.
    pub async fn fetch(&self, user_agent: &str) -> Result<Issued, ClientError> {
        if let Source::OAuth2(config, secrets) = self {
            let wire = Wire::new(user_agent, &config.tls, &config.proxy, true)?;
            let token = oauth2::fetch(&wire, config, secrets).await?;
            return Ok(Issued {
                credential: Credential::Header(token.header),
                good_for: token.good_for,
            });
        }
        // As the clouds' own libraries do.
        let proxy = ProxyConfig { from_environment: true, ..ProxyConfig::default() };
        let wire = Wire::new(user_agent, &TlsConfig::default(), &proxy, true)?;
        match self {
            Source::Aws(config) => aws::fetch(&wire, config).await,
            Source::Azure(config) => azure::fetch(&wire, config).await,
            Source::Google(text) => google::fetch(&wire, text.as_deref()).await,
            Source::OAuth2(..) => Err(ClientError::Token("asked twice".to_owned())),
        }
    }
}

/// A secret that has been read.
pub fn plain(secret: &Secret) -> &str {
    match secret {
        Secret::Inline(text) => text,
        Secret::File(_) => "",
    }
}

/// A variable of the environment that is not empty.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Text of a file that a cloud's library would read.
pub fn file(path: &str) -> Result<String, ClientError> {
    let text = std::fs::read_to_string(path);
    text.map_err(|error| ClientError::Token(format!("unable to read {path}: {error}")))
}
