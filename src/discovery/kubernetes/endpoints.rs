//! Endpoints and slices of them, with the service and the pods behind (spec: SD §2.8.1).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::discovery::json::{field, items, label_name, number, text};
use crate::discovery::kubernetes::pod::{
    Meta, container_labels, containers, join, name, namespace, pod_labels, port_labels,
};
use crate::discovery::kubernetes::role::service_labels;
use crate::discovery::kubernetes::store::{Kind, Store};
use crate::model::{Labels, TargetGroup};

/// Says which service a slice belongs to.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// What is attached to an object: by its namespace, and by a node's name.
pub(super) struct Attach<'a> {
    pub(super) namespace: Meta,
    pub(super) node: &'a dyn Fn(&str) -> Meta,
}

/// Pods met behind an endpoint, by name, with the ports that the endpoint has.
type Seen<'a> = BTreeMap<String, (&'a Value, Vec<u64>)>;

struct Behind<'a> {
    store: &'a Store,
    namespace: &'a str,
    attach: &'a Attach<'a>,
    seen: Seen<'a>,
    targets: Vec<Labels>,
}

pub(super) fn endpoints_group(
    store: &Store,
    endpoints: &Value,
    attach: &Attach<'_>,
) -> TargetGroup {
    let (space, own) = (namespace(endpoints), name(endpoints));
    let mut shared = Meta::default();
    shared.set("namespace", space);
    shared.set("endpoints_name", own);
    shared.object("endpoints", endpoints);
    if let Some(service) = store.get(Kind::Service, space, own) {
        shared.add(&service_labels(service));
    }
    shared.add(&attach.namespace);
    let mut behind = Behind::new(store, space, attach);
    for subset in items(endpoints, "subsets") {
        for port in items(subset, "ports") {
            for (list, ready) in [("addresses", "true"), ("notReadyAddresses", "false")] {
                for address in items(subset, list) {
                    let mut meta = Meta::default();
                    meta.set("endpoint_port_name", text(port, "name"));
                    meta.set("endpoint_port_protocol", protocol(port));
                    meta.set("endpoint_ready", ready);
                    meta.set("endpoint_hostname", text(address, "hostname"));
                    meta.set("endpoint_node_name", text(address, "nodeName"));
                    let reference = field(address, "targetRef");
                    meta.set("endpoint_address_target_kind", text(reference, "kind"));
                    meta.set("endpoint_address_target_name", text(reference, "name"));
                    behind.add(meta, text(address, "ip"), number(port, "port"), address);
                }
            }
        }
    }
    let source = format!("endpoints/{space}/{own}");
    TargetGroup { source, targets: behind.finish(), labels: shared.labels() }
}

pub(super) fn slice_group(store: &Store, slice: &Value, attach: &Attach<'_>) -> TargetGroup {
    let (space, own) = (namespace(slice), name(slice));
    let mut shared = Meta::default();
    shared.set("namespace", space);
    shared.set("endpointslice_name", own);
    shared.set("endpointslice_address_type", text(slice, "addressType"));
    shared.object("endpointslice", slice);
    let labels = field(field(slice, "metadata"), "labels");
    let service = field(labels, SERVICE_NAME).as_str().unwrap_or_default();
    if let Some(service) = store.get(Kind::Service, space, service) {
        shared.add(&service_labels(service));
    }
    shared.add(&attach.namespace);
    let mut behind = Behind::new(store, space, attach);
    for port in items(slice, "ports") {
        for endpoint in items(slice, "endpoints") {
            for address in items(endpoint, "addresses").iter().filter_map(Value::as_str) {
                behind.add(slice_labels(port, endpoint), address, number(port, "port"), endpoint);
            }
        }
    }
    let source = format!("endpointslice/{space}/{own}");
    TargetGroup { source, targets: behind.finish(), labels: shared.labels() }
}

fn slice_labels(port: &Value, endpoint: &Value) -> Meta {
    let mut meta = Meta::default();
    meta.set("endpointslice_port", number(port, "port").to_string());
    meta.set("endpointslice_port_name", text(port, "name"));
    meta.set("endpointslice_port_protocol", protocol(port));
    meta.set("endpointslice_port_app_protocol", text(port, "appProtocol"));
    for condition in ["ready", "serving", "terminating"] {
        if let Some(holds) = field(field(endpoint, "conditions"), condition).as_bool() {
            meta.set(&format!("endpointslice_endpoint_conditions_{condition}"), holds.to_string());
        }
    }
    meta.set("endpointslice_endpoint_hostname", text(endpoint, "hostname"));
    meta.set("endpointslice_endpoint_node_name", text(endpoint, "nodeName"));
    meta.set("endpointslice_endpoint_zone", text(endpoint, "zone"));
    let topology = field(endpoint, "deprecatedTopology");
    for (name, value) in topology.as_object().into_iter().flatten() {
        let name = label_name(name);
        let value = value.as_str().unwrap_or_default();
        meta.set(&format!("endpointslice_endpoint_topology_{name}"), value);
        meta.set(&format!("endpointslice_endpoint_topology_present_{name}"), "true");
    }
    let reference = field(endpoint, "targetRef");
    meta.set("endpointslice_address_target_kind", text(reference, "kind"));
    meta.set("endpointslice_address_target_name", text(reference, "name"));
    meta
}

fn protocol(port: &Value) -> &str {
    match text(port, "protocol") {
        "" => "TCP",
        protocol => protocol,
    }
}

impl<'a> Behind<'a> {
    fn new(store: &'a Store, namespace: &'a str, attach: &'a Attach<'a>) -> Behind<'a> {
        Behind { store, namespace, attach, seen: Seen::new(), targets: Vec::new() }
    }

    /// One address and port; `endpoint` says what is behind it.
    fn add(&mut self, mut meta: Meta, host: &str, port: u64, endpoint: &Value) {
        meta.address(join(host, port));
        let reference = field(endpoint, "targetRef");
        let mut node = text(endpoint, "nodeName");
        if text(reference, "kind") == "Node" {
            node = text(reference, "name");
        }
        meta.add(&(self.attach.node)(node));
        if let Some(pod) = self.pod(reference) {
            let seen = self.seen.entry(name(pod).to_owned()).or_insert((pod, Vec::new()));
            seen.1.push(port);
            meta.add(&pod_labels(pod));
            let declared = containers(pod).find_map(|(container, init)| {
                let mut ports = items(container, "ports").iter();
                let found = ports.find(|declared| number(declared, "containerPort") == port)?;
                Some((container, init, found))
            });
            if let Some((container, init, declared)) = declared {
                container_labels(&mut meta, container, init);
                port_labels(&mut meta, declared);
            }
        }
        self.targets.push(meta.labels());
    }

    fn pod(&self, reference: &Value) -> Option<&'a Value> {
        if text(reference, "kind") != "Pod" {
            return None;
        }
        let other = text(reference, "namespace");
        let space = if other.is_empty() { self.namespace } else { other };
        self.store.get(Kind::Pod, space, text(reference, "name"))
    }

    /// With the ports of the pods that are no endpoints.
    fn finish(mut self) -> Vec<Labels> {
        for (pod, ports) in self.seen.values() {
            let host = text(pod, "status.podIP");
            if host.is_empty() {
                continue;
            }
            for (container, init) in containers(pod) {
                for port in items(container, "ports") {
                    let number = number(port, "containerPort");
                    if ports.contains(&number) {
                        continue;
                    }
                    let mut meta = pod_labels(pod);
                    meta.address(join(host, number));
                    container_labels(&mut meta, container, init);
                    port_labels(&mut meta, port);
                    meta.add(&(self.attach.node)(text(pod, "spec.nodeName")));
                    self.targets.push(meta.labels());
                }
            }
        }
        self.targets
    }
}

/// Whether an object speaks of a pod or, where `node` is given, of anything on that node.
pub(super) fn refers(object: &Value, pod: Option<&str>, node: Option<&str>) -> bool {
    let subsets = items(object, "subsets").iter();
    let addresses = subsets.flat_map(|subset| {
        items(subset, "addresses").iter().chain(items(subset, "notReadyAddresses"))
    });
    addresses.chain(items(object, "endpoints")).any(|address| {
        let reference = field(address, "targetRef");
        let (kind, target) = (text(reference, "kind"), text(reference, "name"));
        pod.is_some_and(|pod| kind == "Pod" && target == pod)
            || node.is_some_and(|node| {
                text(address, "nodeName") == node || (kind == "Node" && target == node)
            })
    })
}
