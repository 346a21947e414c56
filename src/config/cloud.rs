//! `sigv4`, `azuread` and `google_iam`: who we are to a cloud's own receiver.

use crate::config::error::ConfigError;
use crate::config::parse::Context;
use crate::config::reader::{Field, Section};
use crate::config::types::{AzureAd, AzureCloud, AzureWay, CloudAuth, Secret, SigV4Config};

/// Where Kubernetes puts the token of a workload's identity.
const WORKLOAD_TOKEN: &str = "/var/run/secrets/azure/tokens/azure-identity-token";

/// Takes the fields from `section`. `exclusive`: said where there is more than one way to authenticate; `another`: there
/// is one already.
// spec: CFG §2.6
pub(super) fn read_cloud(
    section: &mut Section<'_>,
    another: bool,
    exclusive: &str,
    context: &Context<'_>,
) -> Result<Option<CloudAuth>, ConfigError> {
    let mut found = None;
    for name in ["sigv4", "azuread", "google_iam"] {
        let Some(field) = section.take_written(name) else {
            continue;
        };
        if another || found.is_some() {
            return Err(field.error(exclusive));
        }
        found = Some(match name {
            "sigv4" => CloudAuth::SigV4(read_sigv4(&field)?),
            "azuread" => CloudAuth::AzureAd(read_azuread(&field, context)?),
            _ => read_google(&field, context)?,
        });
    }
    Ok(found)
}

fn read_sigv4(field: &Field<'_>) -> Result<SigV4Config, ConfigError> {
    let mut section = field.section()?;
    let config = SigV4Config {
        region: section.text("region", "")?,
        access_key: section.text("access_key", "")?,
        secret_key: Secret::Inline(section.text("secret_key", "")?),
        profile: section.text("profile", "")?,
        role_arn: section.text("role_arn", "")?,
        external_id: section.text("external_id", "")?,
        use_fips_sts_endpoint: section.flag("use_fips_sts_endpoint", false)?,
    };
    section.finish(&[])?;
    if config.access_key.is_empty() != config.secret_key.is_empty() {
        return Err(field.error(
            "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in \
             the SigV4 config",
        ));
    }
    if !config.external_id.is_empty() && config.role_arn.is_empty() {
        return Err(field.error("external_id can only be used with role_arn"));
    }
    Ok(config)
}

fn read_google(field: &Field<'_>, context: &Context<'_>) -> Result<CloudAuth, ConfigError> {
    let mut section = field.section()?;
    let file = section.text("credentials_file", "")?;
    section.finish(&[])?;
    let file = Some(file).filter(|file| !file.is_empty()).map(|file| context.resolve(&file));
    Ok(CloudAuth::GoogleIam(file))
}

fn read_azuread(field: &Field<'_>, context: &Context<'_>) -> Result<AzureAd, ConfigError> {
    let mut section = field.section()?;
    let cloud = match section.take_written("cloud") {
        None => AzureCloud::Public,
        Some(field) => match field.text()?.as_str() {
            "" | "AzurePublic" => AzureCloud::Public,
            "AzureChina" => AzureCloud::China,
            "AzureGovernment" => AzureCloud::Government,
            _ => return Err(field.error("must provide a cloud in the Azure AD config")),
        },
    };
    let mut ways: Vec<AzureWay> = Vec::new();
    for name in ["managed_identity", "oauth", "workload_identity", "sdk", "certificate"] {
        // An empty section is one that is there.
        let Some(field) = section.take(name) else {
            continue;
        };
        let way = match name {
            "managed_identity" => read_managed(&field)?,
            "oauth" => read_oauth(&field)?,
            "workload_identity" => read_workload(&field, context)?,
            _ => {
                return Err(field
                    .error("not supported yet: use managed_identity, workload_identity or oauth"));
            }
        };
        if !ways.is_empty() {
            let message = "cannot provide multiple authentication methods in the Azure AD config";
            return Err(field.error(message));
        }
        ways.push(way);
    }
    let scope = section.text("scope", "")?;
    section.finish(&[])?;
    let Some(way) = ways.pop() else {
        return Err(field.error(
            "must provide an Azure Managed Identity, Azure Workload Identity, Azure OAuth or Azure \
             SDK in the Azure AD config",
        ));
    };
    Ok(AzureAd { cloud, way, scope })
}

fn read_managed(field: &Field<'_>) -> Result<AzureWay, ConfigError> {
    let mut section = field.section()?;
    let client_id = section.text("client_id", "")?;
    section.finish(&[])?;
    if !client_id.is_empty() && !is_uuid(&client_id) {
        return Err(field.error("the provided Azure Managed Identity client_id is invalid"));
    }
    Ok(AzureWay::ManagedIdentity { client_id })
}

fn read_oauth(field: &Field<'_>) -> Result<AzureWay, ConfigError> {
    let mut section = field.section()?;
    let client_secret = Secret::Inline(section.text("client_secret", "")?);
    let client_id = section.text("client_id", "")?;
    let tenant_id = section.text("tenant_id", "")?;
    section.finish(&[])?;
    check_ids(field, "OAuth", &client_id, &tenant_id)?;
    if client_secret.is_empty() {
        let message = "must provide an Azure OAuth client_secret in the Azure AD config";
        return Err(field.error(message));
    }
    Ok(AzureWay::OAuth { client_id, client_secret, tenant_id })
}

fn read_workload(field: &Field<'_>, context: &Context<'_>) -> Result<AzureWay, ConfigError> {
    let mut section = field.section()?;
    let client_id = section.text("client_id", "")?;
    let tenant_id = section.text("tenant_id", "")?;
    let file = section.text("token_file_path", WORKLOAD_TOKEN)?;
    section.finish(&[])?;
    check_ids(field, "Workload Identity", &client_id, &tenant_id)?;
    let file = if file.is_empty() { WORKLOAD_TOKEN } else { &file };
    Ok(AzureWay::WorkloadIdentity { client_id, tenant_id, token_file: context.resolve(file) })
}

fn check_ids(
    field: &Field<'_>,
    what: &str,
    client_id: &str,
    tenant_id: &str,
) -> Result<(), ConfigError> {
    for (name, id) in [("client_id", client_id), ("tenant_id", tenant_id)] {
        if id.is_empty() {
            let message = format!("must provide an Azure {what} {name} in the Azure AD config");
            return Err(field.error(message));
        }
    }
    if !is_uuid(client_id) {
        return Err(field.error(format!("the provided Azure {what} client_id is invalid")));
    }
    // It becomes a part of a URL's path.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if !tenant_id.bytes().all(plain) {
        return Err(field.error(format!("the provided Azure {what} tenant_id is invalid")));
    }
    Ok(())
}

/// 8, 4, 4, 4 and 12 hexadecimal digits between dashes.
fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lens: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lens == [8, 4, 4, 4, 12] && parts.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}
