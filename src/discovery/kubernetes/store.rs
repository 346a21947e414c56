//! The objects that are known, as little of them as labels need.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::discovery::json::{at, field, items, text};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Endpoints,
    EndpointSlice,
    Ingress,
    Namespace,
    Node,
    Pod,
    Service,
}

/// Namespace (empty for what has none) and name.
pub(super) type Key = (String, String);

#[derive(Debug, Default)]
pub(super) struct Store {
    objects: BTreeMap<Kind, BTreeMap<Key, Held>>,
}

#[derive(Debug)]
struct Held {
    /// Number of the source that spoke of it.
    source: usize,
    object: Value,
}

pub(super) fn key(object: &Value) -> Key {
    let metadata = field(object, "metadata");
    (text(metadata, "namespace").to_owned(), text(metadata, "name").to_owned())
}

impl Store {
    /// True if it changed something that labels are made of.
    pub(super) fn put(&mut self, kind: Kind, source: usize, object: &Value) -> bool {
        let held = Held { source, object: slim(kind, object) };
        let objects = self.objects.entry(kind).or_default();
        match objects.insert(key(object), held) {
            Some(before) => {
                objects.get(&key(object)).is_some_and(|now| now.object != before.object)
            }
            None => true,
        }
    }

    pub(super) fn remove(&mut self, kind: Kind, key: &Key) -> bool {
        self.objects.get_mut(&kind).is_some_and(|objects| objects.remove(key).is_some())
    }

    /// In place of all that the source said. Keys of what changed or went.
    pub(super) fn replace(&mut self, kind: Kind, source: usize, found: &[Value]) -> Vec<Key> {
        let mut changed = Vec::new();
        let now: std::collections::BTreeSet<Key> = found.iter().map(key).collect();
        self.objects.entry(kind).or_default().retain(|key, held| {
            let stays = held.source != source || now.contains(key);
            if !stays {
                changed.push(key.clone());
            }
            stays
        });
        for object in found {
            if self.put(kind, source, object) {
                changed.push(key(object));
            }
        }
        changed
    }

    pub(super) fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Value> {
        let objects = self.objects.get(&kind)?;
        objects.get(&(namespace.to_owned(), name.to_owned())).map(|held| &held.object)
    }

    pub(super) fn all(&self, kind: Kind) -> impl Iterator<Item = (&Key, &Value)> {
        let objects = self.objects.get(&kind).into_iter().flatten();
        objects.map(|(key, held)| (key, &held.object))
    }

    pub(super) fn in_namespace(
        &self,
        kind: Kind,
        namespace: &str,
    ) -> impl Iterator<Item = (&Key, &Value)> {
        let from = (namespace.to_owned(), String::new());
        let objects = self.objects.get(&kind).into_iter();
        let wanted = namespace.to_owned();
        objects
            .flat_map(move |objects| objects.range(from.clone()..))
            .take_while(move |((namespace, _), _)| *namespace == wanted)
            .map(|(key, held)| (key, &held.object))
    }
}

/// Without what changes all the time and says nothing: heartbeats, managed fields, resource versions.
fn slim(kind: Kind, object: &Value) -> Value {
    let metadata = field(object, "metadata");
    let mut kept = Map::new();
    for name in ["name", "namespace", "uid", "labels", "annotations", "ownerReferences"] {
        if let Some(value) = metadata.get(name) {
            kept.insert(name.to_owned(), value.clone());
        }
    }
    let copy = |paths: &[&str]| -> Value {
        let fields = paths.iter().map(|path| ((*path).to_owned(), at(object, path).clone()));
        Value::Object(fields.filter(|(_, value)| !value.is_null()).collect())
    };
    let rest = match kind {
        Kind::Endpoints => copy(&["subsets"]),
        Kind::EndpointSlice => copy(&["addressType", "endpoints", "ports"]),
        Kind::Ingress | Kind::Service => copy(&["spec"]),
        Kind::Namespace => json!({}),
        Kind::Node => json!({
            "spec": {"providerID": at(object, "spec.providerID")},
            "status": {
                "addresses": at(object, "status.addresses"),
                "kubeletPort": at(object, "status.daemonEndpoints.kubeletEndpoint.Port"),
                "conditions": conditions(object),
            },
        }),
        Kind::Pod => json!({
            "spec": {
                "nodeName": at(object, "spec.nodeName"),
                "containers": containers(object, "spec.containers"),
                "initContainers": containers(object, "spec.initContainers"),
            },
            "status": {
                "podIP": at(object, "status.podIP"),
                "hostIP": at(object, "status.hostIP"),
                "phase": at(object, "status.phase"),
                "conditions": conditions(object),
                "ids": ids(object),
            },
        }),
    };
    let mut slim = json!({"metadata": kept});
    if let (Some(slim), Value::Object(rest)) = (slim.as_object_mut(), rest) {
        slim.extend(rest);
    }
    slim
}

/// Status by type.
fn conditions(object: &Value) -> Value {
    let all = items(object, "status.conditions").iter();
    all.map(|one| (text(one, "type").to_owned(), field(one, "status").clone()))
        .collect::<Map<_, _>>()
        .into()
}

fn containers(object: &Value, path: &str) -> Value {
    let each = items(object, path).iter().map(|container| {
        json!({
            "name": field(container, "name"),
            "image": field(container, "image"),
            "ports": field(container, "ports"),
        })
    });
    each.collect::<Vec<_>>().into()
}

/// Container ids by name.
fn ids(object: &Value) -> Value {
    let running = items(object, "status.containerStatuses").iter();
    let all = running.chain(items(object, "status.initContainerStatuses"));
    all.map(|one| (text(one, "name").to_owned(), field(one, "containerID").clone()))
        .collect::<Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_new_is_no_change_and_a_list_replaces_its_own_only() {
        let pod = |name: &str, version: &str, phase: &str| {
            json!({"metadata": {"namespace": "n", "name": name, "resourceVersion": version},
                "status": {"phase": phase}})
        };
        let mut store = Store::default();
        assert!(store.put(Kind::Pod, 0, &pod("a", "1", "Pending")));
        assert!(!store.put(Kind::Pod, 0, &pod("a", "2", "Pending")));
        assert!(store.put(Kind::Pod, 0, &pod("a", "3", "Running")));
        store.put(Kind::Pod, 1, &pod("c", "1", "Running"));
        let changed = store.replace(Kind::Pod, 0, &[pod("b", "4", "Running")]);
        let names: Vec<&str> = changed.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let left: Vec<&str> =
            store.in_namespace(Kind::Pod, "n").map(|((_, name), _)| name.as_str()).collect();
        assert_eq!(left, ["b", "c"]);
        assert_eq!(store.in_namespace(Kind::Pod, "m").count(), 0);
    }
}
