//! Clouds' own ways to prove who writes, against stand-ins that check the proof.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

use crate::agent::{Agent, config};
use crate::exporter::Numbered;
use crate::front::{Front, Reply, Request};
use crate::receiver::Receiver;
use crate::scratch::Scratch;
use crate::wait;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Recomputes the signature of a request from what AWS says about it; gives the access key that signed.
// spec: AWS IAM, Create a signed AWS API request
fn signed_by(request: &Request, secret: &str, region: &str, service: &str) -> Option<String> {
    let value = request.header("Authorization")?.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let parts = value.split(',').filter_map(|part| part.trim().split_once('='));
    let parts: BTreeMap<&str, &str> = parts.collect();
    let (access, scope) = parts["Credential"].split_once('/')?;
    let date = request.header("X-Amz-Date")?;
    let wanted_scope = format!("{}/{region}/{service}/aws4_request", &date[..8]);
    let body = hex(digest(&SHA256, &request.body).as_ref());
    if scope != wanted_scope || request.header("X-Amz-Content-Sha256") != Some(&body) {
        return None;
    }
    let names: Vec<&str> = parts["SignedHeaders"].split(';').collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert!(names == sorted && names.contains(&"host"), "{names:?}");
    let headers: String = names
        .iter()
        .map(|name| format!("{name}:{}\n", request.header(name).expect("a signed header")))
        .collect();
    let canonical = format!(
        "{}\n{}\n\n{headers}\n{}\n{body}",
        request.method(),
        request.target(),
        parts["SignedHeaders"]
    );
    let hashed = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashed}");
    let mac = |key: &[u8], data: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::sign(&key, data.as_bytes()).as_ref().to_vec()
    };
    let key =
        scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part));
    (hex(&mac(&key, &text)) == parts["Signature"]).then(|| access.to_owned())
}

// spec: CFG §2.6
#[test]
fn requests_to_aws_are_signed_with_the_keys_of_an_assumed_role() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let numbered = Numbered::start();
    let sts = Front::start(|request| {
        let form = request.form();
        assert_eq!(signed_by(request, "own+secret", "eu-x-1", "sts").as_deref(), Some("OWN"));
        assert_eq!((form["Action"].as_str(), form["RoleArn"].as_str()), ("AssumeRole", "arn:r"));
        assert_eq!(form["ExternalId"], "e x");
        let body = "<R><Credentials><AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>role/secret\
                    </SecretAccessKey><SessionToken>to+ken==</SessionToken></Credentials></R>";
        Reply::Answer("200 OK", String::new(), body.to_owned())
    });
    let (bad, port): (Arc<AtomicU64>, _) = (Arc::default(), receiver.port());
    let count = Arc::clone(&bad);
    let guard = Front::start(move |request| {
        let by = signed_by(request, "role/secret", "eu-x-1", "aps");
        let token = request.header("X-Amz-Security-Token");
        if (by.as_deref(), token) == (Some("ROLE"), Some("to+ken==")) {
            return Reply::Forward(port);
        }
        count.fetch_add(1, Ordering::SeqCst);
        Reply::status("403 Forbidden")
    });
    let keys = "[edge]\naws_access_key_id = OWN\naws_secret_access_key = own+secret\n";
    let keys = scratch.write("aws", keys);
    let yaml = config(&[numbered.port()], &[guard.url("/api/v1/write")]);
    let sigv4 = "    sigv4: {region: eu-x-1, profile: edge, role_arn: 'arn:r', external_id: e x}\n";
    let mut agent = Agent::new(&scratch, &format!("{yaml}{sigv4}"));
    agent.variables(&[
        ("AWS_ENDPOINT_URL_STS", sts.url("/")),
        ("AWS_SHARED_CREDENTIALS_FILE", keys.display().to_string()),
    ]);
    agent.start();
    numbered.more(3);
    let last = numbered.hold();
    receiver.assert_complete(&numbered, last);
    assert_eq!(bad.load(Ordering::SeqCst), 0, "a signature did not hold");
    assert!(!agent.log().contains("secret"), "{}", agent.log());
}

const ID: &str = "00000000-1111-2222-3333-444444444444";

/// Makes `key.pem` and `public.der`.
fn rsa_keys(scratch: &Scratch) {
    let script = "openssl genrsa -out key.pem 2048 && \
                  openssl rsa -in key.pem -RSAPublicKey_out -outform DER -out public.der";
    let output = Command::new("sh").arg("-c").arg(script).current_dir(scratch.path("")).output();
    let output = output.expect("a shell starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Checks a service account's assertion; gives its claims.
fn claims(assertion: &str, public: &[u8]) -> Value {
    let (text, signature) = assertion.rsplit_once('.').expect("three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
    key.verify(text.as_bytes(), &signature).expect("the signature holds");
    let (header, claims) = text.split_once('.').expect("two parts");
    let read = |part: &str| {
        let json = URL_SAFE_NO_PAD.decode(part).expect("base64");
        serde_json::from_slice::<Value>(&json).expect("JSON")
    };
    assert_eq!(read(header)["kid"], "k1");
    read(claims)
}

/// Gives a token that is called after the proof it was given.
fn token_server(public: Vec<u8>) -> Front {
    Front::start(move |request| {
        let form = request.form();
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let path = request.target().split('?').next().unwrap_or_default();
        let azure =
            field("scope") == "https://monitor.azure.us//.default" && field("client_id") == ID;
        let token = match path {
            "/tenant-1/oauth2/v2.0/token" if azure && field("client_secret") == "s&s" => "oauth",
            "/tenant-2/oauth2/v2.0/token" if azure && field("client_assertion") == "jwt" => {
                "workload"
            }
            "/identity" => {
                assert_eq!(request.header("X-IDENTITY-HEADER"), Some("h"));
                let query = request.target();
                let resource = "resource=https%3A%2F%2Fmonitor.azure.com%2F&";
                assert!(query.contains(resource) && query.contains(ID), "{query}");
                "managed"
            }
            "/google" => {
                let said = claims(field("assertion"), &public);
                assert_eq!(said["iss"], "agent@project");
                assert_eq!(said["scope"], "https://www.googleapis.com/auth/monitoring.write");
                assert!(said["aud"].as_str().is_some_and(|aud| aud.ends_with("/google")));
                "google"
            }
            _ => return Reply::status("400 Bad"),
        };
        Reply::json(format!("{{\"access_token\":\"{token}\",\"expires_in\":3600}}"))
    })
}

// spec: CFG §2.6
#[test]
fn azure_and_google_give_tokens_for_the_proofs_they_want() {
    let scratch = Scratch::new();
    rsa_keys(&scratch);
    let numbered = Numbered::start();
    let public = std::fs::read(scratch.path("public.der")).expect("made");
    let tokens = token_server(public);
    let kinds = ["oauth", "workload", "managed", "google"];
    let taken: Arc<[AtomicU64; 4]> = Arc::default();
    let counts = Arc::clone(&taken);
    let guard = Front::start(move |request| {
        let kind = request.target().trim_start_matches('/');
        let at = kinds.iter().position(|known| *known == kind).expect("a known path");
        if request.header("Authorization") == Some(&format!("Bearer {kind}")) {
            counts[at].fetch_add(1, Ordering::SeqCst);
            return Reply::status("204 Taken");
        }
        Reply::status("401 No")
    });
    let pem = std::fs::read_to_string(scratch.path("key.pem")).expect("made");
    let account = serde_json::json!({
        "type": "service_account", "private_key": pem, "private_key_id": "k1",
        "client_email": "agent@project", "token_uri": tokens.url("/google"),
    });
    let account = scratch.write("account.json", &account.to_string());
    let jwt = scratch.write("jwt", "jwt\n");
    let secret = format!("{{client_id: {ID}, client_secret: s&s, tenant_id: tenant-1}}");
    let workload =
        format!("{{client_id: {ID}, tenant_id: tenant-2, token_file_path: '{}'}}", jwt.display());
    let ways = [
        format!("azuread: {{cloud: AzureGovernment, oauth: {secret}}}"),
        format!("azuread: {{cloud: AzureGovernment, workload_identity: {workload}}}"),
        format!("azuread: {{managed_identity: {{client_id: {ID}}}}}"),
        format!("google_iam: {{credentials_file: '{}'}}", account.display()),
    ];
    let mut yaml = config(&[numbered.port()], &[]);
    yaml.push_str("remote_write:\n");
    for (kind, way) in kinds.iter().zip(ways) {
        let url = guard.url(&format!("/{kind}"));
        yaml.push_str(&format!("  - name: {kind}\n    url: {url}\n    {way}\n"));
    }
    let mut agent = Agent::new(&scratch, &yaml);
    agent.variables(&[
        ("AZURE_AUTHORITY_HOST", tokens.url("/")),
        ("IDENTITY_ENDPOINT", tokens.url("/identity")),
        ("IDENTITY_HEADER", "h".to_owned()),
    ]);
    agent.start();
    wait::until_true("every endpoint has taken something", || {
        taken.iter().all(|count| count.load(Ordering::SeqCst) > 0)
    });
}
