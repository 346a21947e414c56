//! One kind of object in one place: listed, then watched.

use core::time::Duration;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc::Sender;
use tokio::time::{sleep, timeout};

use crate::client::{Ask, ClientError};
use crate::discovery::json::{number, text};
use crate::discovery::kubernetes::session::Session;
use crate::discovery::kubernetes::store::Kind;

/// Objects asked for at once.
const PAGE: u32 = 500;
/// How long the server keeps a watch; and how long we wait for it to say anything, which it does by then.
const WATCH_SECONDS: u64 = 300;
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS + 30);
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// One line of a watch: an object and some words.
const LINE_BYTES: usize = 16 << 20;

/// What is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) kind: Kind,
    /// Below the server, as `/api/v1/namespaces/x/pods`.
    pub(super) path: String,
    /// Selectors, escaped, each ended by `&`.
    pub(super) query: String,
}

/// What came of it. `source`: its number.
#[derive(Debug)]
pub(super) enum Event {
    /// In place of all that this source said before.
    Listed {
        source: usize,
        objects: Vec<Value>,
    },
    Changed {
        source: usize,
        object: Value,
    },
    Gone {
        source: usize,
        object: Value,
    },
    Failed {
        why: String,
    },
}

enum Trouble {
    /// What we know is too old to go on from: list again.
    TooOld,
    Other(String),
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Trouble {
        match error {
            ClientError::Status(410, _) => Trouble::TooOld,
            error => Trouble::Other(error.to_string()),
        }
    }
}

/// Until nobody listens.
pub(super) async fn follow(
    session: Arc<Session>,
    source: Source,
    number: usize,
    events: Sender<Event>,
) {
    let mut retry = RETRY_MIN;
    let mut version: Option<String> = None;
    loop {
        let step = match version.take() {
            None => list(&session, &source).await.map(|(objects, version)| {
                (Some(Event::Listed { source: number, objects }), Some(version))
            }),
            Some(from) => {
                let mut at = from;
                let ended = watch(&session, &source, number, &mut at, &events).await;
                ended.map(|()| (None, Some(at.clone()))).or_else(|trouble| match trouble {
                    Trouble::TooOld => Ok((None, None)),
                    other => {
                        version = Some(at);
                        Err(other)
                    }
                })
            }
        };
        match step {
            Ok((event, next)) => {
                version = next;
                retry = RETRY_MIN;
                if let Some(event) = event
                    && events.send(event).await.is_err()
                {
                    return;
                }
            }
            Err(trouble) => {
                let why = match trouble {
                    Trouble::TooOld => "the list expired while it was read".to_owned(),
                    Trouble::Other(why) => why,
                };
                let why = format!("{}: {why}", source.path);
                if events.send(Event::Failed { why }).await.is_err() {
                    return;
                }
                sleep(retry).await;
                retry = (retry * 2).min(RETRY_MAX);
            }
        }
    }
}

/// All objects, and the version to watch from.
async fn list(session: &Session, source: &Source) -> Result<(Vec<Value>, String), Trouble> {
    let (mut objects, mut token) = (Vec::new(), String::new());
    loop {
        let mut url = format!("{}{}?{}limit={PAGE}", session.server, source.path, source.query);
        if !token.is_empty() {
            url.push_str(&format!("&continue={}", escape(&token)));
        }
        let ask = Ask::get(url).header("Accept", "application/json");
        let answer = session.client.call(ask).await?.text()?;
        let mut page: Value = serde_json::from_str(&answer)
            .map_err(|error| Trouble::Other(format!("not a list: {error}")))?;
        text(&page, "metadata.continue").clone_into(&mut token);
        let version = text(&page, "metadata.resourceVersion").to_owned();
        if let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) {
            objects.extend(found);
        }
        if token.is_empty() {
            return Ok((objects, version));
        }
    }
}

/// From `version`, which goes along, until the server ends it.
async fn watch(
    session: &Session,
    source: &Source,
    number: usize,
    version: &mut String,
    events: &Sender<Event>,
) -> Result<(), Trouble> {
    let url = format!(
        "{}{}?{}watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={}",
        session.server,
        source.path,
        source.query,
        escape(version)
    );
    let ask = Ask::get(url).header("Accept", "application/json");
    let mut stream = session.client.stream(ask).await?;
    if stream.status == 410 {
        return Err(Trouble::TooOld);
    }
    if stream.status != 200 {
        return Err(Trouble::Other(format!("server returned HTTP status {}", stream.status)));
    }
    let mut line = Vec::new();
    loop {
        let silent = |_| Trouble::Other("the watch fell silent".to_owned());
        let Some(bytes) = timeout(SILENCE, stream.chunk()).await.map_err(silent)?? else {
            return Ok(());
        };
        let mut rest = bytes.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (piece, after) = rest.split_at(end);
            line.extend_from_slice(piece);
            rest = &after[1..];
            if let Some(event) = read(&line, number, version)? {
                // Nobody listens: the task is about to end.
                let _ = events.send(event).await;
            }
            line.clear();
        }
        line.extend_from_slice(rest);
        if line.len() > LINE_BYTES {
            return Err(Trouble::Other("an object is too long".to_owned()));
        }
    }
}

/// One line of a watch.
fn read(line: &[u8], source: usize, version: &mut String) -> Result<Option<Event>, Trouble> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let mut event: Value = serde_json::from_slice(line)
        .map_err(|error| Trouble::Other(format!("not an event: {error}")))?;
    let object = event.get_mut("object").map(Value::take).unwrap_or_default();
    let kind = text(&event, "type");
    if kind == "ERROR" {
        return Err(match number(&object, "code") {
            410 => Trouble::TooOld,
            _ => Trouble::Other(text(&object, "message").to_owned()),
        });
    }
    let now = text(&object, "metadata.resourceVersion");
    if !now.is_empty() {
        now.clone_into(version);
    }
    Ok(match kind {
        "ADDED" | "MODIFIED" => Some(Event::Changed { source, object }),
        "DELETED" => Some(Event::Gone { source, object }),
        _ => None,
    })
}

pub(super) fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let bytes = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    bytes.collect()
}

/// Selectors of a kind as the query says them.
pub(super) fn query(label: &str, field: &str) -> String {
    let mut query = String::new();
    if !label.is_empty() {
        query.push_str(&format!("labelSelector={}&", escape(label)));
    }
    if !field.is_empty() {
        query.push_str(&format!("fieldSelector={}&", escape(field)));
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_carry_the_version_along_and_an_old_one_is_known() {
        let mut version = "1".to_owned();
        let mut step = |line: &str| {
            let event = read(line.as_bytes(), 0, &mut version);
            let said = match event {
                Ok(Some(Event::Changed { .. })) => "changed",
                Ok(Some(Event::Gone { .. })) => "gone",
                Ok(_) => "nothing",
                Err(Trouble::TooOld) => "too old",
                Err(Trouble::Other(_)) => "trouble",
            };
            format!("{said} {version}")
        };
        for (line, wanted) in [
            (r#"{"type":"ADDED","object":{"metadata":{"resourceVersion":"2"}}}"#, "changed 2"),
            (r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}"#, "nothing 9"),
            (r#"{"type":"DELETED","object":{"metadata":{"resourceVersion":"10"}}}"#, "gone 10"),
            ("  ", "nothing 10"),
            (r#"{"type":"ERROR","object":{"code":410}}"#, "too old 10"),
            (r#"{"type":"ERROR","object":{"code":500,"message":"x"}}"#, "trouble 10"),
            ("{", "trouble 10"),
        ] {
            assert_eq!(step(line), wanted, "{line}");
        }
        assert_eq!(query("a=b,c", ""), "labelSelector=a%3Db%2Cc&");
    }
}
