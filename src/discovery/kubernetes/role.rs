//! Nodes, services and ingresses as groups (spec: SD §2.8.1).

use serde_json::Value;

use crate::discovery::json::{at, field, items, label_name, number, text};
use crate::discovery::kubernetes::pod::{Meta, join, name, namespace};
use crate::model::TargetGroup;

const KUBELET: u64 = 10_250;
const ADDRESSES: [&str; 6] =
    ["InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname"];

/// What a node tells of itself, its targets and, on request, of everything that runs on it.
pub(super) fn node_labels(node: &Value) -> Meta {
    let mut meta = Meta::default();
    meta.set("node_name", name(node));
    meta.set("node_provider_id", text(node, "spec.providerID"));
    for (kind, status) in at(node, "status.conditions").as_object().into_iter().flatten() {
        let status = status.as_str().unwrap_or_default().to_lowercase();
        meta.set(&format!("node_condition_{}", label_name(kind)), status);
    }
    meta.object("node", node);
    meta
}

pub(super) fn node_group(node: &Value) -> TargetGroup {
    let source = format!("node/{}", name(node));
    let addresses = items(node, "status.addresses");
    let of_kind = |kind: &str| addresses.iter().find(|address| text(address, "type") == kind);
    let Some(chosen) = ADDRESSES.iter().find_map(|kind| of_kind(kind)) else {
        return TargetGroup { source, ..TargetGroup::default() };
    };
    let port = number(node, "status.kubeletPort");
    let mut meta = Meta::default();
    meta.address(join(text(chosen, "address"), if port == 0 { KUBELET } else { port }));
    meta.0.insert("instance".to_owned(), name(node).to_owned());
    for address in addresses {
        let label = format!("node_address_{}", label_name(text(address, "type")));
        meta.0
            .entry(format!("{}{label}", crate::discovery::kubernetes::pod::PREFIX))
            .or_insert_with(|| text(address, "address").to_owned());
    }
    TargetGroup { source, targets: vec![meta.labels()], labels: node_labels(node).labels() }
}

/// Also of the endpoints behind it.
pub(super) fn service_labels(service: &Value) -> Meta {
    let mut meta = Meta::default();
    meta.set("service_name", name(service));
    meta.object("service", service);
    meta
}

pub(super) fn service_group(service: &Value, attached: &Meta) -> TargetGroup {
    let source = format!("svc/{}/{}", namespace(service), name(service));
    let mut shared = service_labels(service);
    shared.set("namespace", namespace(service));
    shared.add(attached);
    let kind = text(service, "spec.type");
    let kind = if kind.is_empty() { "ClusterIP" } else { kind };
    let targets = items(service, "spec.ports").iter().map(|port| {
        let number = number(port, "port");
        let mut meta = Meta::default();
        meta.address(format!("{}.{}.svc:{number}", name(service), namespace(service)));
        meta.set("service_port_name", text(port, "name"));
        meta.set("service_port_number", number.to_string());
        let protocol = text(port, "protocol");
        meta.set("service_port_protocol", if protocol.is_empty() { "TCP" } else { protocol });
        meta.set("service_type", kind);
        match kind {
            "ExternalName" => meta.set("service_external_name", text(service, "spec.externalName")),
            _ => meta.set("service_cluster_ip", text(service, "spec.clusterIP")),
        }
        if kind == "LoadBalancer" {
            meta.set("service_loadbalancer_ip", text(service, "spec.loadBalancerIP"));
        }
        meta.labels()
    });
    TargetGroup { source, targets: targets.collect(), labels: shared.labels() }
}

pub(super) fn ingress_group(ingress: &Value, attached: &Meta) -> TargetGroup {
    let source = format!("ingress/{}/{}", namespace(ingress), name(ingress));
    let mut shared = Meta::default();
    shared.set("namespace", namespace(ingress));
    shared.set("ingress_name", name(ingress));
    shared.set("ingress_class_name", text(ingress, "spec.ingressClassName"));
    shared.object("ingress", ingress);
    shared.add(attached);
    let secured: Vec<&str> = items(ingress, "spec.tls")
        .iter()
        .flat_map(|tls| items(tls, "hosts"))
        .filter_map(Value::as_str)
        .collect();
    let mut targets = Vec::new();
    for rule in items(ingress, "spec.rules") {
        let host = text(rule, "host");
        let scheme = if secured.iter().any(|tls| covers(tls, host)) { "https" } else { "http" };
        let mut add = |path: &str| {
            let mut meta = Meta::default();
            meta.address(host.to_owned());
            meta.set("ingress_scheme", scheme);
            meta.set("ingress_host", host);
            meta.set("ingress_path", if path.is_empty() { "/" } else { path });
            targets.push(meta.labels());
        };
        match field(field(rule, "http"), "paths").as_array() {
            Some(paths) if !paths.is_empty() => {
                paths.iter().for_each(|path| add(text(path, "path")))
            }
            _ => add("/"),
        }
    }
    TargetGroup { source, targets, labels: shared.labels() }
}

/// `*.x` covers one label before `x`.
fn covers(tls: &str, host: &str) -> bool {
    let wild = tls.strip_prefix("*.").is_some_and(|domain| {
        host.split_once('.').is_some_and(|(first, rest)| !first.is_empty() && rest == domain)
    });
    wild || tls == host
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::discovery::kubernetes::store::{Kind, Store};

    fn slim(kind: Kind, object: &Value) -> Value {
        let mut store = Store::default();
        store.put(kind, 0, object);
        store.all(kind).next().expect("put").1.clone()
    }

    #[test]
    fn a_node_is_reached_at_its_best_address() {
        let node = slim(
            Kind::Node,
            &json!({"metadata": {"name": "n1", "labels": {"a.b/c": "d"}}, "spec": {"providerID": "p"},
                "status": {"addresses": [{"type": "Hostname", "address": "h"},
                    {"type": "InternalIP", "address": "10.0.0.1"}],
                "conditions": [{"type": "Ready", "status": "True"}]}}),
        );
        let group = node_group(&node);
        assert_eq!(group.source, "node/n1");
        for (name, value) in [
            ("__address__", "10.0.0.1:10250"),
            ("instance", "n1"),
            ("__meta_kubernetes_node_address_Hostname", "h"),
            ("__meta_kubernetes_node_address_InternalIP", "10.0.0.1"),
        ] {
            assert_eq!(group.targets[0].get(name), value, "{name}");
        }
        for (name, value) in [
            ("__meta_kubernetes_node_name", "n1"),
            ("__meta_kubernetes_node_provider_id", "p"),
            ("__meta_kubernetes_node_condition_Ready", "true"),
            ("__meta_kubernetes_node_label_a_b_c", "d"),
            ("__meta_kubernetes_node_labelpresent_a_b_c", "true"),
        ] {
            assert_eq!(group.labels.get(name), value, "{name}");
        }
    }

    #[test]
    fn a_service_has_a_target_for_each_port() {
        let service = slim(
            Kind::Service,
            &json!({"metadata": {"namespace": "n", "name": "s", "annotations": {"x/y": "z"}},
                "spec": {"type": "LoadBalancer", "clusterIP": "10.1.0.1", "loadBalancerIP": "1.2.3.4",
                    "ports": [{"name": "web", "port": 80, "protocol": "TCP"}, {"port": 443}]}}),
        );
        let group = service_group(&service, &Meta::default());
        assert_eq!((group.source.as_str(), group.targets.len()), ("svc/n/s", 2));
        for (name, value) in [
            ("__address__", "s.n.svc:80"),
            ("__meta_kubernetes_service_port_name", "web"),
            ("__meta_kubernetes_service_port_number", "80"),
            ("__meta_kubernetes_service_port_protocol", "TCP"),
            ("__meta_kubernetes_service_type", "LoadBalancer"),
            ("__meta_kubernetes_service_cluster_ip", "10.1.0.1"),
            ("__meta_kubernetes_service_loadbalancer_ip", "1.2.3.4"),
        ] {
            assert_eq!(group.targets[0].get(name), value, "{name}");
        }
        assert_eq!(group.labels.get("__meta_kubernetes_service_annotation_x_y"), "z");
        assert_eq!(group.labels.get("__meta_kubernetes_namespace"), "n");
    }

    #[test]
    fn an_ingress_has_a_target_for_each_path() {
        let ingress = json!({"metadata": {"namespace": "n", "name": "i"}, "spec": {
            "ingressClassName": "c", "tls": [{"hosts": ["*.x.org"]}],
            "rules": [{"host": "a.x.org", "http": {"paths": [{"path": "/p"}, {"path": ""}]}},
                {"host": "a.b.x.org"}]}});
        let group = ingress_group(&slim(Kind::Ingress, &ingress), &Meta::default());
        let shown: Vec<(&str, &str, &str)> = group
            .targets
            .iter()
            .map(|labels| {
                (
                    labels.get("__address__"),
                    labels.get("__meta_kubernetes_ingress_scheme"),
                    labels.get("__meta_kubernetes_ingress_path"),
                )
            })
            .collect();
        let wanted =
            [("a.x.org", "https", "/p"), ("a.x.org", "https", "/"), ("a.b.x.org", "http", "/")];
        assert_eq!(shown, wanted);
        assert_eq!(group.labels.get("__meta_kubernetes_ingress_class_name"), "c");
    }
}
