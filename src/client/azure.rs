//! Tokens of Azure AD.

use core::time::Duration;

use crate::client::form::form;
use crate::client::oauth2::{FORM, token};
use crate::client::source::{plain, variable};
use crate::client::wire::Wire;
use crate::client::{Ask, ClientError, Credential, Issued};
use crate::config::{AzureAd, AzureCloud, AzureWay};

const METADATA: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Authority and scope.
fn of_cloud(cloud: AzureCloud) -> (&'static str, &'static str) {
    match cloud {
        AzureCloud::China => {
            ("https://login.chinacloudapi.cn/", "https://monitor.azure.cn//.default")
        }
        AzureCloud::Government => {
            ("https://login.microsoftonline.us/", "https://monitor.azure.us//.default")
        }
        AzureCloud::Public => {
            ("https://login.microsoftonline.com/", "https://monitor.azure.com//.default")
        }
    }
}

pub async fn fetch(wire: &Wire, config: &AzureAd) -> Result<Issued, ClientError> {
    let (authority, own) = of_cloud(config.cloud);
    let scope = if config.scope.is_empty() { own } else { &config.scope };
    let authority = variable("AZURE_AUTHORITY_HOST").unwrap_or_else(|| authority.to_owned());
    let login =
        |tenant: &str| format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
    let ask = match &config.way {
        AzureWay::OAuth { client_id, client_secret, tenant_id } => {
            let pairs = [
                ("grant_type", "client_credentials"),
                ("client_id", client_id),
                ("client_secret", plain(client_secret)),
                ("scope", scope),
            ];
            Ask::post(login(tenant_id), FORM, form(&pairs).into_bytes())
        }
        AzureWay::WorkloadIdentity { client_id, tenant_id, token_file } => {
            let assertion = std::fs::read_to_string(token_file).map_err(|error| {
                ClientError::Token(format!("unable to read {}: {error}", token_file.display()))
            })?;
            let pairs = [
                ("grant_type", "client_credentials"),
                ("client_id", client_id.as_str()),
                ("client_assertion_type", ASSERTION),
                ("client_assertion", assertion.trim()),
                ("scope", scope),
            ];
            Ask::post(login(tenant_id), FORM, form(&pairs).into_bytes())
        }
        AzureWay::ManagedIdentity { client_id } => managed(client_id, scope),
    };
    let token = token(wire, &ask).await?;
    Ok(Issued { credential: Credential::Header(token.header), good_for: token.good_for })
}

/// The identity that the platform gives us.
fn managed(client_id: &str, scope: &str) -> Ask {
    let resource = scope.strip_suffix("/.default").unwrap_or(scope);
    let mut pairs = vec![("resource", resource)];
    if !client_id.is_empty() {
        pairs.push(("client_id", client_id));
    }
    let ask = match (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER")) {
        (Some(endpoint), Some(header)) => {
            pairs.push(("api-version", "2019-08-01"));
            Ask::get(format!("{endpoint}?{}", form(&pairs))).header("X-IDENTITY-HEADER", header)
        }
        _ => {
            pairs.push(("api-version", "2018-02-01"));
            Ask::get(format!("{METADATA}?{}", form(&pairs))).header("Metadata", "true")
        }
    };
    ask.timeout(METADATA_TIMEOUT)
}
