//! Groups that an HTTP server lists (spec: SD-12).

use std::collections::BTreeMap;

use serde::Deserialize;
use tokio::time::sleep;

use crate::client::{Ask, Client};
use crate::config::HttpSd;
use crate::discovery::remote::{Reply, user_agent};
use crate::model::{Labels, TargetGroup};

/// Longest list taken: a hundred thousand targets with many labels.
const BYTES_MAX: usize = 256 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    targets: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
}

pub(super) async fn run(sd: HttpSd, reply: Reply) {
    let mut client = None;
    loop {
        match fetch(&sd, &mut client).await {
            Ok(groups) => reply.all(groups),
            Err(why) => reply.failed(why),
        }
        sleep(sd.refresh_interval).await;
    }
}

async fn fetch(sd: &HttpSd, kept: &mut Option<Client>) -> Result<Vec<TargetGroup>, String> {
    if kept.is_none() {
        *kept = Some(Client::new(&sd.http, &user_agent()).map_err(|error| error.to_string())?);
    }
    let Some(client) = kept else {
        return Err("no client".to_owned());
    };
    let seconds = sd.refresh_interval.as_secs_f64().to_string();
    let mut ask = Ask::get(&sd.url)
        .header("Accept", "application/json")
        .header("X-Prometheus-Refresh-Interval-Seconds", seconds)
        .timeout(sd.refresh_interval);
    ask.bytes_max = BYTES_MAX;
    let answer = client.call(ask).await.map_err(|error| error.to_string())?;
    if answer.status != 200 {
        return Err(format!("server returned HTTP status {}", answer.status));
    }
    let kind = answer.header("content-type").unwrap_or_default().trim();
    if !is_json(kind) {
        return Err(format!("unsupported content type {kind:?}"));
    }
    parse(&answer.body, &sd.url)
}

/// JSON, in UTF-8 if a charset is named.
fn is_json(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    let (name, charset) = kind.split_once(';').unwrap_or((&kind, "charset=utf-8"));
    let charset = charset.trim().strip_prefix("charset=").unwrap_or("?");
    name == "application/json" && ["utf-8", "\"utf-8\""].contains(&charset)
}

fn parse(body: &[u8], url: &str) -> Result<Vec<TargetGroup>, String> {
    let listed: Vec<Option<Listed>> =
        serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let groups = listed.into_iter().enumerate().map(|(index, listed)| {
        let listed =
            listed.ok_or_else(|| format!("nil target group item found (index {index})"))?;
        let targets = listed.targets.unwrap_or_default();
        let targets = targets.iter().map(|address| Labels::from_iter([("__address__", address)]));
        let mut labels = listed.labels.unwrap_or_default();
        if labels.contains_key("") {
            return Err("\"\" is not a valid label name".to_owned());
        }
        labels.insert("__meta_url".to_owned(), url.to_owned());
        Ok(TargetGroup {
            source: format!("{url}:{index}"),
            targets: targets.collect(),
            labels: labels.iter().collect(),
        })
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_strictly() {
        let text = br#"[{"targets":["a:1","b:2"],"labels":{"x":"y"}},{"targets":null}]"#;
        let groups = parse(text, "http://s").expect("good");
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].source, "http://s:0");
        assert_eq!(groups[0].targets[1].get("__address__"), "b:2");
        assert_eq!(groups[0].labels.get("__meta_url"), "http://s");
        assert_eq!(groups[0].labels.get("x"), "y");
        for wrong in [
            &br#"{"targets":[]}"#[..],
            br#"[{"targets":[1]}]"#,
            br#"[{"target":[]}]"#,
            br#"[null]"#,
            br#"[{"labels":{"":"x"}}]"#,
            b"",
            b"[]x",
        ] {
            assert!(parse(wrong, "u").is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }

    #[test]
    fn only_json_in_utf_8_is_read() {
        for (kind, good) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;charset=\"utf-8\"", true),
            ("application/json; charset=latin1", false),
            ("text/plain", false),
            ("", false),
        ] {
            assert_eq!(is_json(kind), good, "{kind}");
        }
    }
}
