//! Services that Consul knows: one watch over their names, and one over the instances of each.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::client::{Ask, Client, read_file, secret};
use crate::config::{ConsulSd, Secret};
use crate::discovery::json::{field, label_name, number, text};
use crate::discovery::remote::{Reply, user_agent};
use crate::model::{Labels, TargetGroup};

/// How long Consul holds a question for news; and how long we wait for its answer.
const HOLD: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(45);
/// Before a question that failed is asked again.
const RETRY: Duration = Duration::from_secs(15);

struct Consul {
    sd: ConsulSd,
    client: Client,
    reply: Reply,
}

pub(super) async fn run(sd: ConsulSd, reply: Reply) {
    let client = loop {
        match Client::new(&sd.http, &user_agent()) {
            Ok(client) => break client,
            Err(error) => reply.failed(error.to_string()),
        }
        sleep(RETRY).await;
    };
    let consul = Arc::new(Consul { sd, client, reply });
    let mut watches: BTreeMap<String, Watch> = BTreeMap::new();
    let mut index = None;
    // Named services without further conditions need no list of all.
    if !consul.sd.services.is_empty() && consul.sd.tags.is_empty() {
        for name in &consul.sd.services {
            let watch = watch(Arc::clone(&consul), name.clone());
            watches.insert(name.clone(), Watch(tokio::spawn(watch)));
        }
        return core::future::pending().await;
    }
    loop {
        match consul.services(&mut index).await {
            Ok(names) => {
                let gone: Vec<String> =
                    watches.keys().filter(|name| !names.contains(*name)).cloned().collect();
                for name in gone {
                    watches.remove(&name);
                    consul.reply.some(vec![(name, None)]);
                }
                if names.is_empty() && watches.is_empty() {
                    consul.reply.some(Vec::new());
                }
                for name in names {
                    let start = || Watch(tokio::spawn(watch(Arc::clone(&consul), name.clone())));
                    watches.entry(name.clone()).or_insert_with(start);
                }
                sleep(consul.sd.refresh_interval.min(HOLD)).await;
            }
            Err(why) => {
                index = None;
                consul.reply.failed(why);
                sleep(RETRY).await;
            }
        }
    }
}

/// Ends its task with itself.
struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(consul: Arc<Consul>, name: String) {
    let mut index = None;
    loop {
        match consul.instances(&name, &mut index).await {
            Ok(group) => {
                consul.reply.some(vec![(name.clone(), Some(group))]);
                sleep(consul.sd.refresh_interval.min(HOLD)).await;
            }
            Err(why) => {
                index = None;
                consul.reply.failed(format!("service {name:?}: {why}"));
                sleep(RETRY).await;
            }
        }
    }
}

impl Consul {
    /// Answered when something has changed since `index`, or after a while.
    async fn ask(&self, path: &str, index: &mut Option<u64>) -> Result<Value, String> {
        let sd = &self.sd;
        let mut url = format!("{}://{}{}/v1/{path}?", sd.scheme, sd.server, sd.path_prefix);
        let mut add = |name: &str, value: &str| {
            if !value.is_empty() {
                url.push_str(&format!("{name}={}&", escape(value)));
            }
        };
        add("dc", &sd.datacenter);
        add("ns", &sd.namespace);
        add("partition", &sd.partition);
        sd.node_meta.iter().for_each(|(name, value)| add("node-meta", &format!("{name}:{value}")));
        if path.starts_with("health/") {
            sd.tags.iter().for_each(|tag| add("tag", tag));
        } else {
            add("filter", &sd.filter);
        }
        if sd.allow_stale {
            add("stale", "true");
        }
        if let Some(index) = index {
            add("index", &index.to_string());
            add("wait", &format!("{}s", HOLD.as_secs()));
        }
        let mut ask = Ask::get(url).timeout(PATIENCE);
        if sd.token != Secret::Inline(String::new()) {
            ask = ask.header("X-Consul-Token", secret(&sd.token, &read_file)?);
        }
        let answer = self.client.call(ask).await.map_err(|error| error.to_string())?;
        let now = answer.header("x-consul-index").and_then(|index| index.parse().ok());
        let text = answer.text().map_err(|error| error.to_string())?;
        // An index that goes back is a server that began anew.
        *index = now.filter(|now| index.is_none_or(|before| *now >= before) && *now > 0);
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    /// Names of services that have all tags and are asked for.
    async fn services(&self, index: &mut Option<u64>) -> Result<BTreeSet<String>, String> {
        let listed = self.ask("catalog/services", index).await?;
        let wanted = |name: &str, tags: &Value| {
            let has = |tag: &String| {
                tags.as_array().is_some_and(|tags| tags.iter().any(|known| known == tag))
            };
            (self.sd.services.is_empty() || self.sd.services.iter().any(|known| known == name))
                && self.sd.tags.iter().all(has)
        };
        let listed = listed.as_object().ok_or("the list of services is no object")?;
        Ok(listed
            .iter()
            .filter(|(name, tags)| wanted(name, tags))
            .map(|(name, _)| name.clone())
            .collect())
    }

    async fn instances(&self, name: &str, index: &mut Option<u64>) -> Result<TargetGroup, String> {
        let found = self.ask(&format!("health/service/{}", escape(name)), index).await?;
        let found = found.as_array().ok_or("the list of instances is no list")?;
        Ok(group(name, found, &self.sd.tag_separator))
    }
}

fn group(name: &str, found: &[Value], separator: &str) -> TargetGroup {
    let targets = found.iter().map(|entry| instance(entry, separator)).collect();
    let labels = Labels::from_iter([("__meta_consul_service", name)]);
    TargetGroup { source: name.to_owned(), targets, labels }
}

fn instance(entry: &Value, separator: &str) -> Labels {
    let (node, service) = (field(entry, "Node"), field(entry, "Service"));
    let own = text(service, "Address");
    let host = if own.is_empty() { text(node, "Address") } else { own };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let port = number(service, "Port");
    let tags: Vec<&str> = field(service, "Tags")
        .as_array()
        .map(|tags| tags.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    let mut set = |name: &str, value: String| drop(labels.insert(name.to_owned(), value));
    set("__address__", format!("{host}:{port}"));
    set("__meta_consul_address", text(node, "Address").to_owned());
    set("__meta_consul_dc", text(node, "Datacenter").to_owned());
    set("__meta_consul_node", text(node, "Node").to_owned());
    set("__meta_consul_namespace", text(service, "Namespace").to_owned());
    set("__meta_consul_partition", text(service, "Partition").to_owned());
    set("__meta_consul_health", health(entry).to_owned());
    set("__meta_consul_service_address", own.to_owned());
    set("__meta_consul_service_id", text(service, "ID").to_owned());
    set("__meta_consul_service_port", port.to_string());
    set("__meta_consul_tags", format!("{separator}{}{separator}", tags.join(separator)));
    for (prefix, names) in [
        ("__meta_consul_metadata_", field(node, "Meta")),
        ("__meta_consul_service_metadata_", field(service, "Meta")),
        ("__meta_consul_tagged_address_", field(node, "TaggedAddresses")),
    ] {
        for (name, value) in names.as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            set(&format!("{prefix}{}", label_name(name)), value.to_owned());
        }
    }
    labels.retain(|_, value| !value.is_empty());
    labels.iter().collect()
}

/// The worst of all checks.
fn health(entry: &Value) -> &'static str {
    let checks = field(entry, "Checks").as_array().map(Vec::as_slice).unwrap_or_default();
    let worst = checks.iter().map(|check| match text(check, "Status") {
        _ if text(check, "CheckID").starts_with("_node_maintenance")
            || text(check, "CheckID").starts_with("_service_maintenance") =>
        {
            3
        }
        "critical" => 2,
        "warning" => 1,
        _ => 0,
    });
    ["passing", "warning", "critical", "maintenance"][worst.max().unwrap_or(0)]
}

fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let bytes = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_instance_has_the_labels_of_its_node_and_its_service() {
        let entry = json!({
            "Node": {"Node": "n1", "Address": "10.0.0.1", "Datacenter": "dc1",
                "Meta": {"rack-id": "r1"}, "TaggedAddresses": {"lan": "10.0.0.1"}},
            "Service": {"ID": "web-1", "Service": "web", "Address": "", "Port": 80,
                "Tags": ["a", "b"], "Meta": {"v": "2"}},
            "Checks": [{"CheckID": "x", "Status": "passing"}, {"CheckID": "y", "Status": "warning"}]
        });
        let group = group("web", &[entry], ",");
        assert_eq!(group.labels.get("__meta_consul_service"), "web");
        for (name, value) in [
            ("__address__", "10.0.0.1:80"),
            ("__meta_consul_address", "10.0.0.1"),
            ("__meta_consul_dc", "dc1"),
            ("__meta_consul_health", "warning"),
            ("__meta_consul_metadata_rack_id", "r1"),
            ("__meta_consul_node", "n1"),
            ("__meta_consul_service_id", "web-1"),
            ("__meta_consul_service_metadata_v", "2"),
            ("__meta_consul_service_port", "80"),
            ("__meta_consul_tagged_address_lan", "10.0.0.1"),
            ("__meta_consul_tags", ",a,b,"),
        ] {
            assert_eq!(group.targets[0].get(name), value, "{name}");
        }
    }
}
