//! Labels of pods, and what all objects have in common (spec: SD §2.8.1).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::discovery::json::{at, field, items, label_name, number, text};
use crate::model::{Labels, TargetGroup};

pub(super) const PREFIX: &str = "__meta_kubernetes_";

/// Labels under construction; empty values are left out at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Meta(pub(super) BTreeMap<String, String>);

impl Meta {
    /// `name` without the prefix of all of them.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(format!("{PREFIX}{name}"), value.into());
    }

    pub(super) fn address(&mut self, address: String) {
        self.0.insert("__address__".to_owned(), address);
    }

    pub(super) fn add(&mut self, others: &Meta) {
        self.0.extend(others.0.iter().map(|(name, value)| (name.clone(), value.clone())));
    }

    /// Labels and annotations of an object, as those of `role`.
    pub(super) fn object(&mut self, role: &str, object: &Value) {
        for kind in ["label", "annotation"] {
            let all = at(object, &format!("metadata.{kind}s"));
            for (name, value) in all.as_object().into_iter().flatten() {
                let name = label_name(name);
                self.set(&format!("{role}_{kind}_{name}"), value.as_str().unwrap_or_default());
                self.set(&format!("{role}_{kind}present_{name}"), "true");
            }
        }
    }

    pub(super) fn labels(self) -> Labels {
        self.0.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}

pub(super) fn join(host: &str, port: u64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pub(super) fn namespace(object: &Value) -> &str {
    text(object, "metadata.namespace")
}

pub(super) fn name(object: &Value) -> &str {
    text(object, "metadata.name")
}

/// What every target of a pod has.
pub(super) fn pod_labels(pod: &Value) -> Meta {
    let mut meta = Meta::default();
    meta.set("pod_name", name(pod));
    meta.set("pod_ip", text(pod, "status.podIP"));
    let ready = text(pod, "status.conditions.Ready").to_lowercase();
    meta.set("pod_ready", if ready.is_empty() { "unknown".to_owned() } else { ready });
    meta.set("pod_phase", text(pod, "status.phase"));
    meta.set("pod_node_name", text(pod, "spec.nodeName"));
    meta.set("pod_host_ip", text(pod, "status.hostIP"));
    meta.set("pod_uid", text(pod, "metadata.uid"));
    let owners = items(pod, "metadata.ownerReferences").iter();
    let mut owners = owners.filter(|owner| field(owner, "controller") == true);
    if let Some(owner) = owners.next() {
        meta.set("pod_controller_kind", text(owner, "kind"));
        meta.set("pod_controller_name", text(owner, "name"));
    }
    meta.object("pod", pod);
    meta
}

/// Each container with whether it only prepares the others.
pub(super) fn containers(pod: &Value) -> impl Iterator<Item = (&Value, bool)> {
    let ordinary = items(pod, "spec.containers").iter().map(|container| (container, false));
    ordinary.chain(items(pod, "spec.initContainers").iter().map(|container| (container, true)))
}

pub(super) fn container_labels(meta: &mut Meta, container: &Value, init: bool) {
    meta.set("pod_container_name", text(container, "name"));
    meta.set("pod_container_image", text(container, "image"));
    meta.set("pod_container_init", if init { "true" } else { "false" });
}

pub(super) fn port_labels(meta: &mut Meta, port: &Value) {
    meta.set("pod_container_port_name", text(port, "name"));
    meta.set("pod_container_port_number", number(port, "containerPort").to_string());
    let protocol = text(port, "protocol");
    meta.set("pod_container_port_protocol", if protocol.is_empty() { "TCP" } else { protocol });
}

/// One target for each port that the pod's containers declare; one for a container that declares none.
pub(super) fn pod_group(pod: &Value, attached: &Meta) -> TargetGroup {
    let source = format!("pod/{}/{}", namespace(pod), name(pod));
    let host = text(pod, "status.podIP");
    if host.is_empty() {
        return TargetGroup { source, ..TargetGroup::default() };
    }
    let mut shared = pod_labels(pod);
    shared.set("namespace", namespace(pod));
    shared.add(attached);
    let mut targets = Vec::new();
    for (container, init) in containers(pod) {
        let mut meta = Meta::default();
        container_labels(&mut meta, container, init);
        let id = field(at(pod, "status.ids"), text(container, "name"));
        meta.set("pod_container_id", id.as_str().unwrap_or_default());
        let ports = items(container, "ports");
        for port in ports {
            let mut meta = meta.clone();
            port_labels(&mut meta, port);
            meta.address(join(host, number(port, "containerPort")));
            targets.push(meta.labels());
        }
        if ports.is_empty() {
            meta.address(if host.contains(':') { format!("[{host}]") } else { host.to_owned() });
            targets.push(meta.labels());
        }
    }
    TargetGroup { source, targets, labels: shared.labels() }
}
