//! Who may enter: passwords, a bound on requests, and the headers of every answer, as `--web.config.file` says.
//!
//! The file and what it names are looked at again every second, so that passwords and certificates change without a
//! reload. A file that cannot be used changes nothing.

#![expect(clippy::disallowed_types, reason = "handlers share what the door keeper remembers")]

use core::time::Duration;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::header::{AUTHORIZATION, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_rustls::rustls::ServerConfig;

use crate::auth;
use crate::config::{ClientAuth, Secret, TlsVersion, WebConfig, WebTls, parse_web};
use crate::telemetry::Logger;
use crate::tls;
use crate::web::answer;

const LOOK: Duration = Duration::from_secs(1);
/// After a wrong password nobody else's is tried for so long: ten guesses a second, whoever makes them.
const PENALTY: Duration = Duration::from_millis(100);
/// Requests that may wait for their password to be tried.
const WAITING: usize = 16;
/// Passwords remembered as good.
const REMEMBERED: usize = 256;
/// Tried where there is no such user, so that an answer's time does not tell who exists. Nobody knows its password.
const NOBODY: &str = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

/// The admin server's door keeper.
pub struct Gate {
    path: Option<PathBuf>,
    logger: Logger,
    held: Mutex<Held>,
    /// Keyed hashes of credentials that were right, with the hash they were right for.
    good: Mutex<HashSet<u64>>,
    key: RandomState,
    waiting: Semaphore,
    /// One password at a time.
    work: Semaphore,
    bucket: Mutex<Bucket>,
}

struct Held {
    rules: Arc<Rules>,
    looked: Instant,
    /// Said once per text that cannot be used.
    refused: Option<Files>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

/// Every file as it was read, by path.
type Files = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// What is in force.
#[derive(Default)]
pub(super) struct Rules {
    files: Files,
    pub(super) tls: Option<Arc<ServerConfig>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    users: BTreeMap<String, String>,
    rate: Option<(Duration, u32)>,
}

impl Gate {
    /// Reads the file. `None`: everybody may enter.
    ///
    /// # Errors
    /// One sentence: the file, or something that it names, cannot be used.
    pub fn open(path: Option<&Path>, logger: Logger) -> Result<Gate, String> {
        let rules = path.map_or_else(|| Ok(Rules::default()), read)?;
        let now = Instant::now();
        let tokens = rules.rate.map_or(0.0, |(_, burst)| f64::from(burst));
        Ok(Gate {
            path: path.map(Path::to_owned),
            logger,
            held: Mutex::new(Held { rules: Arc::new(rules), looked: now, refused: None }),
            good: Mutex::default(),
            key: RandomState::new(),
            waiting: Semaphore::new(WAITING),
            work: Semaphore::new(1),
            bucket: Mutex::new(Bucket { tokens, at: now }),
        })
    }

    /// The rules in force, read again if a second has passed.
    pub(super) fn rules(&self) -> Arc<Rules> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(path) = &self.path
            && now.duration_since(held.looked) >= LOOK
        {
            held.looked = now;
            let files = held.rules.files.keys().map(|path| (path.clone(), fs::read(path).ok()));
            let files: Files = files.collect();
            if files != held.rules.files && held.refused.as_ref() != Some(&files) {
                match read(path) {
                    Ok(rules) if rules.tls.is_some() == held.rules.tls.is_some() => {
                        held.rules = Arc::new(rules);
                        held.refused = None;
                    }
                    Ok(_) => {
                        self.refuse(&mut held, files, "TLS is switched on or off by a restart only")
                    }
                    Err(why) => self.refuse(&mut held, files, &why),
                }
            }
        }
        Arc::clone(&held.rules)
    }

    fn refuse(&self, held: &mut Held, files: Files, why: &str) {
        held.refused = Some(files);
        let fields = [("err", why.to_owned())];
        self.logger.error("web", "The web configuration changed and cannot be used", &fields);
    }

    /// `Err`: the answer to one who may not enter.
    pub(super) async fn admit(&self, rules: &Rules, headers: &HeaderMap) -> Result<(), Response> {
        if !self.within_rate(rules) {
            return Err(too_many());
        }
        if rules.users.is_empty() {
            return Ok(());
        }
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((user, password)) = given.and_then(auth::parse_basic) else {
            return Err(unauthorized());
        };
        let hash = rules.users.get(&user);
        let mark = self.key.hash_one((&user, &password, hash));
        let lock = || self.good.lock().unwrap_or_else(PoisonError::into_inner);
        if lock().contains(&mark) {
            return Ok(());
        }
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(too_many());
        };
        let _turn = self.work.acquire().await.ok();
        let tried = hash.map_or(NOBODY, String::as_str).to_owned();
        // A hash of cost 10 takes some 50 ms of CPU: not on the thread that answers for our health.
        let right = spawn_blocking(move || bcrypt::verify(password, &tried).unwrap_or(false));
        if right.await.unwrap_or(false) && hash.is_some() {
            let mut good = lock();
            if good.len() >= REMEMBERED {
                good.clear();
            }
            good.insert(mark);
            return Ok(());
        }
        sleep(PENALTY).await;
        Err(unauthorized())
    }

    fn within_rate(&self, rules: &Rules) -> bool {
        let Some((interval, burst)) = rules.rate else {
            return true;
        };
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let earned = now.duration_since(bucket.at).as_secs_f64() / interval.as_secs_f64();
        bucket.tokens = (bucket.tokens + earned).min(f64::from(burst));
        bucket.at = now;
        let free = bucket.tokens >= 1.0;
        if free {
            bucket.tokens -= 1.0;
        }
        free
    }
}

impl Rules {
    pub(super) fn dress(&self, mut response: Response) -> Response {
        for (name, value) in &self.headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }
}

fn unauthorized() -> Response {
    let response = answer::text(StatusCode::UNAUTHORIZED, "Unauthorized\n");
    answer::with(response, WWW_AUTHENTICATE, "Basic")
}

fn too_many() -> Response {
    let response = answer::text(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests\n");
    answer::with(response, RETRY_AFTER, "1")
}

fn read(path: &Path) -> Result<Rules, String> {
    let mut files = Files::new();
    let mut load = |path: &Path| -> Result<Vec<u8>, String> {
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        files.insert(path.to_owned(), bytes.as_ref().ok().cloned());
        bytes
    };
    let wrong = |why: String| format!("web configuration (--web.config.file): {why}");
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = load(&absolute).map_err(&wrong)?;
    let text = String::from_utf8(text).map_err(|_| wrong("not text".to_owned()))?;
    let config = parse_web(&text, &absolute).map_err(|error| wrong(error.to_string()))?;
    let WebConfig { tls, headers, users, rate_limit } = config;
    let tls = match tls {
        Some(tls) => {
            let settings = settings(&tls, &mut load).map_err(&wrong)?;
            Some(tls::server_config(&settings).map_err(|error| wrong(error.to_string()))?)
        }
        None => None,
    };
    let headers = headers
        .iter()
        .filter_map(|(name, value)| Some((name.parse().ok()?, HeaderValue::from_str(value).ok()?)));
    let headers = headers.collect();
    let users = users.into_iter().collect();
    Ok(Rules { files, tls, headers, users, rate: rate_limit })
}

fn settings(
    config: &WebTls,
    load: &mut dyn FnMut(&Path) -> Result<Vec<u8>, String>,
) -> Result<tls::ServerSettings, String> {
    let mut pem = |secret: &Secret| match secret {
        Secret::Inline(text) => Ok(text.clone().into_bytes()),
        Secret::File(path) => load(path),
    };
    let version = |version: TlsVersion| match version {
        TlsVersion::Tls13 => tls::Version::Tls13,
        _ => tls::Version::Tls12,
    };
    let authorities = |ca_pem: Vec<u8>, required| tls::ClientCheck::Authorities {
        ca_pem,
        required,
        names: config.client_names.clone(),
    };
    let ca = config.client_ca.as_ref().map(&mut pem).transpose()?.unwrap_or_default();
    let client = match config.client_auth {
        ClientAuth::Nothing => tls::ClientCheck::Nothing,
        ClientAuth::Request => tls::ClientCheck::Anybody { required: false },
        ClientAuth::RequireAny => tls::ClientCheck::Anybody { required: true },
        ClientAuth::VerifyIfGiven => authorities(ca, false),
        ClientAuth::RequireAndVerify => authorities(ca, true),
    };
    Ok(tls::ServerSettings {
        cert_pem: pem(&config.cert)?,
        key_pem: pem(&config.key)?,
        client,
        min_version: Some(version(config.min_version)),
        max_version: Some(version(config.max_version)),
        cipher_suites: config.cipher_suites.clone(),
        curves: config.curves.clone(),
    })
}
