//! Credentials of AWS, found where its own libraries look for them.

use core::time::Duration;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::auth::{SigV4, Signed, sha256};
use crate::client::clock::{good_until, now};
use crate::client::form::form;
use crate::client::source::{file, plain, variable};
use crate::client::wire::Wire;
use crate::client::{Answer, Ask, AwsKey, ClientError, Credential, Issued, Stream};
use crate::config::SigV4Config;

const FORM: &str = "application/x-www-form-urlencoded";
/// How long an assumed role is asked for, in seconds, as AWS's library does.
const ROLE_SECONDS: u64 = 900;
const METADATA: &str = "http://169.254.169.254";
const CONTAINERS: &str = "http://169.254.170.2";
const ANSWER_BYTES: usize = 1 << 20;
/// A machine that is none of AWS's does not answer at all.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);

/// A section of the shared files.
type Profile = BTreeMap<String, String>;

fn fault(why: impl Into<String>) -> ClientError {
    ClientError::Credentials(why.into())
}

pub async fn fetch(wire: &Wire, config: &SigV4Config) -> Result<Issued, ClientError> {
    let name = match config.profile.as_str() {
        "" => variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned()),
        name => name.to_owned(),
    };
    let profile = profile(&name);
    let region = region(config, &profile)?;
    let (mut key, mut good_for) = base(wire, config, &name, &profile, &region).await?;
    key.region.clone_from(&region);
    if !config.role_arn.is_empty() {
        key = assume(wire, config, &key).await?;
        good_for = Some(Duration::from_secs(ROLE_SECONDS));
    }
    Ok(Issued { credential: Credential::Aws(key), good_for })
}

fn region(config: &SigV4Config, profile: &Profile) -> Result<String, ClientError> {
    let written = Some(config.region.clone()).filter(|region| !region.is_empty());
    written
        .or_else(|| variable("AWS_REGION"))
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .or_else(|| profile.get("region").cloned())
        .ok_or_else(|| fault("region not configured in sigv4 or in default credentials chain"))
}

/// Who we are before a role is assumed.
async fn base(
    wire: &Wire,
    config: &SigV4Config,
    name: &str,
    profile: &Profile,
    region: &str,
) -> Result<(AwsKey, Option<Duration>), ClientError> {
    if !config.access_key.is_empty() {
        let key = AwsKey {
            access_key: config.access_key.clone(),
            secret_key: plain(&config.secret_key).to_owned(),
            ..AwsKey::default()
        };
        return Ok((key, None));
    }
    if !config.profile.is_empty() {
        return of_profile(name, profile).map(|key| (key, None));
    }
    if let (Some(access_key), Some(secret_key)) =
        (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
    {
        let session_token = variable("AWS_SESSION_TOKEN").unwrap_or_default();
        let key = AwsKey { access_key, secret_key, session_token, ..AwsKey::default() };
        return Ok((key, None));
    }
    if let (Some(path), Some(role)) =
        (variable("AWS_WEB_IDENTITY_TOKEN_FILE"), variable("AWS_ROLE_ARN"))
    {
        let key = web_identity(wire, config, region, &file(&path)?, &role).await?;
        return Ok((key, Some(Duration::from_secs(ROLE_SECONDS))));
    }
    if profile.contains_key("aws_access_key_id") {
        return of_profile(name, profile).map(|key| (key, None));
    }
    if let Some(answer) = container(wire).await? {
        return of_json(&answer);
    }
    machine(wire).await
}

fn of_profile(name: &str, profile: &Profile) -> Result<AwsKey, ClientError> {
    let get = |field: &str| profile.get(field).cloned().unwrap_or_default();
    let key = AwsKey {
        access_key: get("aws_access_key_id"),
        secret_key: get("aws_secret_access_key"),
        session_token: get("aws_session_token"),
        region: String::new(),
    };
    if key.access_key.is_empty() || key.secret_key.is_empty() {
        let why = "aws_access_key_id and aws_secret_access_key; other ways are not supported yet";
        return Err(fault(format!("the profile {name:?} has no {why}")));
    }
    Ok(key)
}

/// What the shared files say of a profile; those that are not there say nothing.
fn profile(name: &str) -> Profile {
    let home = |rest: &str| variable("HOME").map(|home| format!("{home}/.aws/{rest}"));
    let mut found = Profile::new();
    let config = variable("AWS_CONFIG_FILE").or_else(|| home("config"));
    let credentials = variable("AWS_SHARED_CREDENTIALS_FILE").or_else(|| home("credentials"));
    for path in [config, credentials].into_iter().flatten() {
        found.extend(section(&file(&path).unwrap_or_default(), name));
    }
    found
}

/// `[name]`, or `[profile name]` as one of the two files has it.
fn section(text: &str, name: &str) -> Profile {
    let mut inside = false;
    let mut found = Profile::new();
    for line in text.lines() {
        let indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.starts_with(['#', ';']) || line.is_empty() {
            continue;
        }
        if let Some(title) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let title = title.trim();
            let own = title.strip_prefix("profile").map_or(title, str::trim);
            inside = own == name || title == name;
        } else if let Some((field, value)) = line.split_once('=')
            && inside
            && !indented
        {
            found.insert(field.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

fn sts(config: &SigV4Config, region: &str) -> String {
    if let Some(url) = variable("AWS_ENDPOINT_URL_STS") {
        return url;
    }
    let name = if config.use_fips_sts_endpoint { "sts-fips" } else { "sts" };
    let china = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://{name}.{region}.amazonaws.com{china}/")
}

// spec: AWS STS, AssumeRole
async fn assume(wire: &Wire, config: &SigV4Config, key: &AwsKey) -> Result<AwsKey, ClientError> {
    let seconds = ROLE_SECONDS.to_string();
    let mut pairs = vec![
        ("Action", "AssumeRole"),
        ("Version", "2011-06-15"),
        ("RoleArn", &config.role_arn),
        ("RoleSessionName", "corelane"),
        ("DurationSeconds", &seconds),
    ];
    if !config.external_id.is_empty() {
        pairs.push(("ExternalId", &config.external_id));
    }
    let body = form(&pairs).into_bytes();
    let url = crate::http::Url::parse(&sts(config, &key.region))
        .map_err(|error| fault(format!("STS: {error}")))?;
    let signer = SigV4 {
        access_key: key.access_key.clone(),
        secret_key: key.secret_key.clone(),
        session_token: key.session_token.clone(),
        region: key.region.clone(),
        service: "sts".to_owned(),
    };
    let headers = signer.headers(&Signed {
        method: "POST",
        target: &url.target,
        host: &url.authority(),
        content_type: FORM,
        body: sha256([body.as_slice()]),
        time: now(),
    });
    let mut ask = Ask::post(url.revealed(), FORM, body);
    for (name, value) in headers {
        ask = ask.header(name, value);
    }
    of_xml(&asked(wire, &ask).await?.text()?, &key.region)
}

// spec: AWS STS, AssumeRoleWithWebIdentity
async fn web_identity(
    wire: &Wire,
    config: &SigV4Config,
    region: &str,
    token: &str,
    role: &str,
) -> Result<AwsKey, ClientError> {
    let session = variable("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "corelane".to_owned());
    let seconds = ROLE_SECONDS.to_string();
    let pairs = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", role),
        ("RoleSessionName", &session),
        ("DurationSeconds", &seconds),
        ("WebIdentityToken", token.trim()),
    ];
    let ask = Ask::post(sts(config, region), FORM, form(&pairs).into_bytes());
    of_xml(&asked(wire, &ask).await?.text()?, region)
}

async fn asked(wire: &Wire, ask: &Ask) -> Result<Answer, ClientError> {
    let exchange = async { Stream::new(wire.send(ask).await?).whole(ANSWER_BYTES).await };
    tokio::time::timeout(ask.timeout, exchange).await.unwrap_or(Err(ClientError::Timeout))
}

/// The credentials in an answer of STS, which has each of these elements once.
fn of_xml(text: &str, region: &str) -> Result<AwsKey, ClientError> {
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(value, _)| value.trim().to_owned())
    };
    let key = (element("AccessKeyId"), element("SecretAccessKey"), element("SessionToken"));
    let (Some(access_key), Some(secret_key), Some(session_token)) = key else {
        return Err(fault("the answer of STS has no credentials"));
    };
    Ok(AwsKey { access_key, secret_key, session_token, region: region.to_owned() })
}

/// What the agent beside a container says, if there is one.
async fn container(wire: &Wire) -> Result<Option<String>, ClientError> {
    let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let relative = relative.map(|path| format!("{CONTAINERS}{path}"));
    let Some(url) = relative.or_else(|| variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")) else {
        return Ok(None);
    };
    let token = match variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(file(&path)?.trim().to_owned()),
        None => variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    let mut ask = Ask::get(url).timeout(METADATA_TIMEOUT);
    if let Some(token) = token {
        ask = ask.header("Authorization", token);
    }
    asked(wire, &ask).await?.text().map(Some)
}

/// The role of the machine that we run on.
// spec: AWS EC2, Instance metadata service version 2
async fn machine(wire: &Wire) -> Result<(AwsKey, Option<Duration>), ClientError> {
    let none = || fault("no credentials: none are configured, and the machine has none");
    if variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value == "true") {
        return Err(none());
    }
    let server = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    let server = server.unwrap_or_else(|| METADATA.to_owned());
    let server = server.trim_end_matches('/');
    let token = Ask { method: "PUT", ..Ask::get(format!("{server}/latest/api/token")) };
    let token = token.header("X-aws-ec2-metadata-token-ttl-seconds", "21600");
    let token = asked(wire, &token.timeout(METADATA_TIMEOUT)).await.map_err(|_| none())?.text()?;
    let get = |path: &str| {
        let url = format!("{server}/latest/meta-data/iam/security-credentials/{path}");
        let ask = Ask::get(url).timeout(METADATA_TIMEOUT);
        ask.header("X-aws-ec2-metadata-token", token.trim())
    };
    let roles = asked(wire, &get("")).await?.text()?;
    let role = roles.lines().next().unwrap_or_default().trim().to_owned();
    of_json(&asked(wire, &get(&role)).await?.text()?)
}

fn of_json(text: &str) -> Result<(AwsKey, Option<Duration>), ClientError> {
    let wrong = || fault("the answer has no credentials");
    let answer: Value = serde_json::from_str(text).map_err(|_| wrong())?;
    let field = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let key = AwsKey {
        access_key: field("AccessKeyId"),
        secret_key: field("SecretAccessKey"),
        session_token: field("Token"),
        region: String::new(),
    };
    if key.access_key.is_empty() || key.secret_key.is_empty() {
        return Err(wrong());
    }
    Ok((key, good_until(&field("Expiration"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_found_in_either_file_and_under_either_title() {
        let text = "[default]\naws_access_key_id = A\n# a = b\n[profile two]\nregion=eu-1\n\
                    s3 =\n  region = no\n[three]\nAWS_secret_access_key=S=\n";
        let get = |name: &str, field: &str| section(text, name).get(field).cloned();
        assert_eq!(get("default", "aws_access_key_id").as_deref(), Some("A"));
        assert_eq!(get("two", "region").as_deref(), Some("eu-1"));
        assert_eq!(get("three", "aws_secret_access_key").as_deref(), Some("S="));
        assert!(section(text, "four").is_empty());
    }

    #[test]
    fn answers_of_sts_and_of_machines_are_read() {
        let text = "<A><AccessKeyId> a </AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
                    <SessionToken>t</SessionToken></A>";
        let key = of_xml(text, "r").expect("whole");
        assert_eq!((key.access_key.as_str(), key.session_token.as_str()), ("a", "t"));
        assert!(of_xml("<AccessKeyId>a</AccessKeyId>", "r").is_err());
        let text = r#"{"AccessKeyId":"a","SecretAccessKey":"s","Token":"t"}"#;
        let (key, good_for) = of_json(text).expect("whole");
        assert_eq!((key.secret_key.as_str(), good_for), ("s", None));
        assert!(of_json("{}").is_err());
    }
}
