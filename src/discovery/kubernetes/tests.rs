//! The whole of a role against a stand-in for an API server, which lists in pages, watches from a version on, forgets old
//! versions and breaks connections off.

#![expect(clippy::disallowed_types, reason = "the stand-in has a thread for each connection")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crossbeam_channel::{Receiver, unbounded};
use serde_json::{Value, json};

use crate::config::{SdConfig, parse};
use crate::discovery::kubernetes::run;
use crate::discovery::remote::{Found, News, Reply};
use crate::model::TargetGroup;

/// Long enough for any machine; a passing test does not wait for it.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Cluster {
    version: u64,
    /// By collection, such as `pods`, namespace and name.
    objects: BTreeMap<(String, String, String), Value>,
    /// Version, collection, kind of event, object.
    events: Vec<(u64, String, &'static str, Value)>,
    /// Watches from before this version are too old.
    oldest: u64,
    /// Watches of an older generation are broken off.
    generation: u64,
    lists: u64,
    down: bool,
}

#[derive(Clone, Default)]
struct ApiServer {
    cluster: Arc<(Mutex<Cluster>, Condvar)>,
}

impl ApiServer {
    fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("free port");
        let address = listener.local_addr().expect("bound");
        let server = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || drop(server.serve(stream)));
            }
        });
        address
    }

    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.0.lock().expect("no panic")
    }

    fn change(&self, change: impl FnOnce(&mut Cluster)) {
        change(&mut self.cluster());
        self.cluster.1.notify_all();
    }

    fn put(&self, collection: &str, mut object: Value) {
        self.change(|cluster| {
            cluster.version += 1;
            object["metadata"]["resourceVersion"] = json!(cluster.version.to_string());
            let text = |name: &str| object["metadata"][name].as_str().unwrap_or("").to_owned();
            let key = (collection.to_owned(), text("namespace"), text("name"));
            let known = cluster.objects.insert(key, object.clone()).is_some();
            let kind = if known { "MODIFIED" } else { "ADDED" };
            cluster.events.push((cluster.version, collection.to_owned(), kind, object));
        });
    }

    fn delete(&self, collection: &str, namespace: &str, name: &str) {
        self.change(|cluster| {
            let key = (collection.to_owned(), namespace.to_owned(), name.to_owned());
            let object = cluster.objects.remove(&key).expect("there");
            cluster.version += 1;
            let version = cluster.version;
            cluster.events.push((version, collection.to_owned(), "DELETED", object));
        });
    }

    fn cut(&self) {
        self.change(|cluster| cluster.generation += 1);
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut out = stream;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let mut header = String::from("x");
            while !header.trim().is_empty() {
                header.clear();
                reader.read_line(&mut header)?;
            }
            let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            let query: BTreeMap<&str, &str> =
                query.split('&').filter_map(|pair| pair.split_once('=')).collect();
            if self.cluster().down {
                out.write_all(b"HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n")?;
            } else if query.contains_key("watch") {
                return self.watch(out, path, query["resourceVersion"].parse().expect("a version"));
            } else {
                let body = self.list(path, &query).to_string();
                write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
            }
        }
    }

    /// One object a page, so that every list needs several.
    fn list(&self, path: &str, query: &BTreeMap<&str, &str>) -> Value {
        let mut cluster = self.cluster();
        let wanted = path.rsplit('/').next().unwrap_or_default();
        let from: usize = query.get("continue").map_or(0, |token| token.parse().expect("ours"));
        cluster.lists += u64::from(from == 0);
        let all: Vec<&Value> = cluster
            .objects
            .iter()
            .filter(|((collection, ..), _)| collection == wanted)
            .map(|(_, object)| object)
            .collect();
        let more = if from + 1 < all.len() { (from + 1).to_string() } else { String::new() };
        let page: Vec<&Value> = all.into_iter().skip(from).take(1).collect();
        let version = cluster.version.to_string();
        json!({"metadata": {"resourceVersion": version, "continue": more}, "items": page})
    }

    fn watch(&self, mut out: TcpStream, path: &str, from: u64) -> std::io::Result<()> {
        out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let mut send = |event: Value| {
            let line = format!("{event}\n");
            write!(out, "{:x}\r\n{line}\r\n", line.len())
        };
        let wanted = path.rsplit('/').next().unwrap_or_default();
        let mut cluster = self.cluster();
        let (generation, mut at) = (cluster.generation, from);
        if from < cluster.oldest {
            send(json!({"type": "ERROR", "object": {"code": 410}}))?;
            return out.write_all(b"0\r\n\r\n");
        }
        while cluster.generation == generation {
            let news: Vec<Value> = cluster
                .events
                .iter()
                .filter(|(version, collection, ..)| *version > at && collection == wanted)
                .map(|(_, _, kind, object)| json!({"type": kind, "object": object}))
                .collect();
            for event in news {
                send(event)?;
            }
            at = cluster.version;
            let bookmark = json!({"metadata": {"resourceVersion": at.to_string()}});
            send(json!({"type": "BOOKMARK", "object": bookmark}))?;
            cluster = self.cluster.1.wait(cluster).expect("no panic");
        }
        Ok(())
    }
}

fn follow(address: SocketAddr, rest: &str) -> Receiver<Found> {
    let text = format!(
        "scrape_configs: [{{job_name: a, kubernetes_sd_configs: [{{api_server: 'http://{address}', {rest}}}]}}]"
    );
    let (mut config, _) = parse(&text, Path::new("p.yml"), &|_| None).expect("good");
    let SdConfig::Kubernetes(sd) = config.scrape_configs[0].sd_configs.remove(0) else {
        panic!("not ours");
    };
    let (sender, found) = unbounded();
    std::thread::spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        runtime.block_on(run(*sd, Reply::to(sender)));
    });
    found
}

/// Applies what is said until it is as wanted. Failures are counted.
fn until(
    found: &Receiver<Found>,
    known: &mut BTreeMap<String, TargetGroup>,
    wanted: impl Fn(&BTreeMap<String, TargetGroup>) -> bool,
) {
    while !wanted(known) {
        match found.recv_timeout(PATIENCE).expect("something is said").news {
            News::All(groups) => {
                *known = groups.into_iter().map(|group| (group.source.clone(), group)).collect();
            }
            News::Some(groups) => {
                for (source, group) in groups {
                    match group {
                        Some(group) => drop(known.insert(source, group)),
                        None => drop(known.remove(&source)),
                    }
                }
            }
            News::Failed(_) => {}
        }
    }
}

fn pod(name: &str, app: &str) -> Value {
    json!({"metadata": {"namespace": "n", "name": name, "uid": "u", "labels": {"app": app},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "rs", "controller": true}]},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i",
            "ports": [{"name": "web", "containerPort": 80, "protocol": "TCP"}, {"containerPort": 81}]}]},
        "status": {"podIP": "10.0.0.7", "hostIP": "1.1.1.1", "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "c", "containerID": "containerd://x"}]}})
}

fn slice() -> Value {
    json!({"metadata": {"namespace": "n", "name": "s-1", "labels": {"kubernetes.io/service-name": "s"}},
        "addressType": "IPv4", "ports": [{"name": "web", "port": 80, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["10.0.0.7"], "conditions": {"ready": true}, "nodeName": "n1",
            "targetRef": {"kind": "Pod", "name": "p", "namespace": "n"}}]})
}

#[test]
fn slices_follow_their_pods_services_and_nodes_over_broken_watches() {
    let server = ApiServer::default();
    server.put("pods", pod("p", "one"));
    server.put("pods", pod("q", "one"));
    server.put(
        "services",
        json!({"metadata": {"namespace": "n", "name": "s", "labels": {"x": "1"}}}),
    );
    server.put("nodes", json!({"metadata": {"name": "n1", "labels": {"zone": "z"}}}));
    server.put("endpointslices", slice());
    let found = follow(server.start(), "role: endpointslice, attach_metadata: {node: true}");
    let mut known = BTreeMap::new();
    let source = "endpointslice/n/s-1";
    until(&found, &mut known, |known| known.contains_key(source));
    let group = &known[source];
    assert_eq!(group.labels.get("__meta_kubernetes_service_label_x"), "1");
    assert_eq!(group.labels.get("__meta_kubernetes_endpointslice_address_type"), "IPv4");
    let addresses: Vec<&str> =
        group.targets.iter().map(|labels| labels.get("__address__")).collect();
    assert_eq!(addresses, ["10.0.0.7:80", "10.0.0.7:81"]);
    for (name, value) in [
        ("endpointslice_port_name", "web"),
        ("endpointslice_endpoint_conditions_ready", "true"),
        ("endpointslice_address_target_name", "p"),
        ("pod_name", "p"),
        ("pod_ready", "true"),
        ("pod_label_app", "one"),
        ("pod_controller_name", "rs"),
        ("pod_container_port_name", "web"),
        ("node_label_zone", "z"),
    ] {
        assert_eq!(group.targets[0].get(&format!("__meta_kubernetes_{name}")), value, "{name}");
    }
    let lists = server.cluster().lists;
    // Broken off: the watch goes on where it was, and nothing is listed again.
    server.cut();
    server.put("pods", pod("p", "two"));
    let app = |known: &BTreeMap<String, TargetGroup>, wanted: &str| {
        known
            .get(source)
            .is_some_and(|group| group.targets[0].get("__meta_kubernetes_pod_label_app") == wanted)
    };
    until(&found, &mut known, |known| app(known, "two"));
    assert_eq!(server.cluster().lists, lists);
    // Away: what is known stays.
    server.change(|cluster| cluster.down = true);
    server.cut();
    while !matches!(found.recv_timeout(PATIENCE).expect("said").news, News::Failed(_)) {}
    assert!(app(&known, "two"));
    // Back, and too old to go on: listed again, what went meanwhile is gone.
    server.delete("endpointslices", "n", "s-1");
    server.change(|cluster| {
        cluster.oldest = cluster.version;
        cluster.down = false;
    });
    until(&found, &mut known, |known| !known.contains_key(source));
    assert!(server.cluster().lists > lists);
}

#[test]
fn pods_have_a_target_for_each_port_and_none_without_an_address() {
    let server = ApiServer::default();
    server.put("pods", pod("p", "one"));
    let found = follow(server.start(), "role: pod, namespaces: {names: [n]}");
    let mut known = BTreeMap::new();
    until(&found, &mut known, |known| known.contains_key("pod/n/p"));
    let group = &known["pod/n/p"];
    for (name, value) in [
        ("namespace", "n"),
        ("pod_name", "p"),
        ("pod_ip", "10.0.0.7"),
        ("pod_phase", "Running"),
        ("pod_host_ip", "1.1.1.1"),
        ("pod_node_name", "n1"),
        ("pod_uid", "u"),
        ("pod_controller_kind", "ReplicaSet"),
        ("pod_labelpresent_app", "true"),
    ] {
        assert_eq!(group.labels.get(&format!("__meta_kubernetes_{name}")), value, "{name}");
    }
    let first = &group.targets[0];
    assert_eq!(first.get("__address__"), "10.0.0.7:80");
    assert_eq!(first.get("__meta_kubernetes_pod_container_id"), "containerd://x");
    assert_eq!(group.targets[1].get("__meta_kubernetes_pod_container_port_protocol"), "TCP");
    let mut starting = pod("p", "one");
    starting["status"] = json!({"phase": "Pending"});
    server.put("pods", starting);
    until(&found, &mut known, |known| known["pod/n/p"].targets.is_empty());
    server.delete("pods", "n", "p");
    until(&found, &mut known, |known| known.is_empty());
}

#[test]
fn endpoints_follow_their_service() {
    let server = ApiServer::default();
    let endpoints = json!({"metadata": {"namespace": "n", "name": "s"}, "subsets": [{
        "addresses": [{"ip": "10.0.0.7", "targetRef": {"kind": "Pod", "name": "p"}}],
        "notReadyAddresses": [{"ip": "10.0.0.8", "hostname": "h"}],
        "ports": [{"name": "web", "port": 80}]}]});
    server.put("endpoints", endpoints);
    server.put("pods", pod("p", "one"));
    let found = follow(server.start(), "role: endpoints");
    let mut known = BTreeMap::new();
    until(&found, &mut known, |known| known.contains_key("endpoints/n/s"));
    let shown: Vec<(&str, &str)> = known["endpoints/n/s"]
        .targets
        .iter()
        .map(|labels| (labels.get("__address__"), labels.get("__meta_kubernetes_endpoint_ready")))
        .collect();
    assert_eq!(shown, [("10.0.0.7:80", "true"), ("10.0.0.8:80", "false"), ("10.0.0.7:81", "")]);
    server.put(
        "services",
        json!({"metadata": {"namespace": "n", "name": "s", "labels": {"a": "b"}}}),
    );
    until(&found, &mut known, |known| {
        known["endpoints/n/s"].labels.get("__meta_kubernetes_service_label_a") == "b"
    });
}
