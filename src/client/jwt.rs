//! Assertions: claims signed with an RSA key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
};
use serde_json::{Map, Value};

use crate::client::clock::now;
use crate::config::Signature;
use crate::tls::{RsaKey, rsa_key};

/// How long an assertion is good for, in seconds.
const GOOD_FOR: u64 = 600;

/// What an assertion says. Empty texts are left out.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    pub iss: String,
    pub sub: String,
    pub aud: String,
    pub scope: String,
    /// Further ones, with values as JSON; they go before the others.
    pub more: Vec<(String, String)>,
}

/// An assertion that is good from now on. `key_pem`: an RSA key; `key_id` may be empty.
// spec: RFC 7515 §3, RFC 7519 §4.1
pub fn sign(
    signature: Signature,
    key_id: &str,
    key_pem: &[u8],
    claims: &Claims,
) -> Result<String, String> {
    let now = now().0.max(0) as u64 / 1000;
    let mut id = [0; 16];
    let random = SystemRandom::new();
    random.fill(&mut id).map_err(|_| "no randomness to be had".to_owned())?;
    let text = payload(signature, key_id, claims, now, &id);
    let key = match rsa_key(key_pem).map_err(|error| error.to_string())? {
        RsaKey::Pkcs1(der) => RsaKeyPair::from_der(&der),
        RsaKey::Pkcs8(der) => RsaKeyPair::from_pkcs8(&der),
    };
    let key = key.map_err(|error| format!("the private key cannot be used: {error}"))?;
    let encoding: &dyn RsaEncoding = match signature {
        Signature::Rs256 => &RSA_PKCS1_SHA256,
        Signature::Rs384 => &RSA_PKCS1_SHA384,
        Signature::Rs512 => &RSA_PKCS1_SHA512,
    };
    let mut signed = vec![0; key.public().modulus_len()];
    key.sign(encoding, &random, text.as_bytes(), &mut signed)
        .map_err(|_| "the private key cannot sign".to_owned())?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signed)))
}

/// What is signed: header and claims.
fn payload(signature: Signature, key_id: &str, claims: &Claims, now: u64, id: &[u8; 16]) -> String {
    let mut header = Map::new();
    header.insert("alg".to_owned(), signature.name().into());
    header.insert("typ".to_owned(), "JWT".into());
    if !key_id.is_empty() {
        header.insert("kid".to_owned(), key_id.into());
    }
    let mut said = Map::new();
    for (name, value) in
        [("iss", &claims.iss), ("sub", &claims.sub), ("aud", &claims.aud), ("scope", &claims.scope)]
    {
        if !value.is_empty() {
            said.insert(name.to_owned(), value.as_str().into());
        }
    }
    said.insert("iat".to_owned(), now.into());
    said.insert("exp".to_owned(), (now + GOOD_FOR).into());
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    said.insert("jti".to_owned(), id.into());
    for (name, value) in &claims.more {
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value.as_str()));
        said.insert(name.clone(), value);
    }
    let encode = |part: Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(part).to_string());
    format!("{}.{}", encode(header), encode(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_claims_stand_in_the_assertion() {
        let claims = Claims {
            iss: "me".to_owned(),
            aud: "https://t/".to_owned(),
            more: vec![("n".to_owned(), "7".to_owned()), ("aud".to_owned(), "\"x\"".to_owned())],
            ..Claims::default()
        };
        let text = payload(Signature::Rs384, "k", &claims, 1000, &[1; 16]);
        let parts: Vec<Value> = text
            .split('.')
            .map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64"))
            .map(|json| serde_json::from_slice(&json).expect("JSON"))
            .collect();
        assert_eq!(parts[0], serde_json::json!({"alg": "RS384", "typ": "JWT", "kid": "k"}));
        let wanted = serde_json::json!({
            "iss": "me", "aud": "x", "iat": 1000, "exp": 1600, "n": 7, "jti": "01".repeat(16)
        });
        assert_eq!(parts[1], wanted);
    }

    #[test]
    fn a_key_that_is_none_is_an_error_that_does_not_show_it() {
        let error = sign(Signature::Rs256, "", b"not a key at all", &Claims::default());
        assert!(!error.expect_err("no key").contains("not a key"));
    }
}
