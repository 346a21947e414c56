//! A role: its sources, and which groups a change concerns.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::config::{KubernetesRole, KubernetesSd};
use crate::discovery::json::{field, text};
use crate::discovery::kubernetes::endpoints::{
    Attach, SERVICE_NAME, endpoints_group, refers, slice_group,
};
use crate::discovery::kubernetes::follow::{Event, Source, follow, query};
use crate::discovery::kubernetes::pod::{Meta, namespace, pod_group};
use crate::discovery::kubernetes::role::{ingress_group, node_group, node_labels, service_group};
use crate::discovery::kubernetes::session::{Surroundings, open};
use crate::discovery::kubernetes::store::{Key, Kind, Store, key};
use crate::discovery::remote::Reply;
use crate::model::TargetGroup;

const RETRY: Duration = Duration::from_secs(10);
/// Events that may wait for the role.
const EVENTS: usize = 256;

pub(in crate::discovery) async fn run(sd: KubernetesSd, reply: Reply) {
    loop {
        let opened = open(&sd, &Surroundings::real());
        match opened {
            Ok(session) => {
                let sources = sources(&sd, &session.namespaces);
                let (sender, events) = channel(EVENTS);
                let session = Arc::new(session);
                let mut followers = JoinSet::new();
                for (number, source) in sources.iter().enumerate() {
                    let session = Arc::clone(&session);
                    followers.spawn(follow(session, source.clone(), number, sender.clone()));
                }
                drop(sender);
                // Ends when the followers do, and takes them along when it is dropped.
                Role::new(sd.clone(), sources).serve(events, &reply).await;
            }
            Err(why) => reply.failed(why),
        }
        sleep(RETRY).await;
    }
}

fn main_kind(role: KubernetesRole) -> Kind {
    match role {
        KubernetesRole::Endpoints => Kind::Endpoints,
        KubernetesRole::EndpointSlice => Kind::EndpointSlice,
        KubernetesRole::Ingress => Kind::Ingress,
        KubernetesRole::Node => Kind::Node,
        KubernetesRole::Pod => Kind::Pod,
        KubernetesRole::Service => Kind::Service,
    }
}

/// Every kind of object that the role needs, in every namespace asked for.
fn sources(sd: &KubernetesSd, namespaces: &[String]) -> Vec<Source> {
    let main = main_kind(sd.role);
    let mut kinds = vec![main];
    if matches!(main, Kind::Endpoints | Kind::EndpointSlice) {
        kinds.extend([Kind::Service, Kind::Pod]);
    }
    if sd.attach_node && matches!(main, Kind::Endpoints | Kind::EndpointSlice | Kind::Pod) {
        kinds.push(Kind::Node);
    }
    if sd.attach_namespace && main != Kind::Node {
        kinds.push(Kind::Namespace);
    }
    let mut sources = Vec::new();
    for kind in kinds {
        let selector = sd.selectors.iter().find(|selector| main_kind(selector.role) == kind);
        let query = selector.map_or_else(String::new, |found| query(&found.label, &found.field));
        let (base, name) = match kind {
            Kind::Endpoints => ("/api/v1", "endpoints"),
            Kind::EndpointSlice => ("/apis/discovery.k8s.io/v1", "endpointslices"),
            Kind::Ingress => ("/apis/networking.k8s.io/v1", "ingresses"),
            Kind::Namespace => ("/api/v1", "namespaces"),
            Kind::Node => ("/api/v1", "nodes"),
            Kind::Pod => ("/api/v1", "pods"),
            Kind::Service => ("/api/v1", "services"),
        };
        if namespaces.is_empty() || matches!(kind, Kind::Node | Kind::Namespace) {
            sources.push(Source { kind, path: format!("{base}/{name}"), query });
            continue;
        }
        for namespace in namespaces {
            let path = format!("{base}/namespaces/{namespace}/{name}");
            sources.push(Source { kind, path, query: query.clone() });
        }
    }
    sources
}

struct Role {
    sd: KubernetesSd,
    main: Kind,
    sources: Vec<Source>,
    store: Store,
    /// Sources that have not been listed yet: until all are, nothing is said.
    missing: BTreeSet<usize>,
    /// Groups that were said, by the key of their object.
    said: BTreeMap<Key, String>,
}

impl Role {
    fn new(sd: KubernetesSd, sources: Vec<Source>) -> Role {
        Role {
            main: main_kind(sd.role),
            missing: (0..sources.len()).collect(),
            store: Store::default(),
            said: BTreeMap::new(),
            sd,
            sources,
        }
    }

    async fn serve(mut self, mut events: Receiver<Event>, reply: &Reply) {
        while let Some(event) = events.recv().await {
            let mut changed = BTreeSet::new();
            self.take(event, &mut changed, reply);
            // What came in the meantime goes along.
            while let Ok(event) = events.try_recv() {
                self.take(event, &mut changed, reply);
            }
            if !self.missing.is_empty() || (changed.is_empty() && !self.said.is_empty()) {
                continue;
            }
            if self.said.is_empty() {
                changed = self.store.all(self.main).map(|(key, _)| key.clone()).collect();
                let groups: Vec<TargetGroup> =
                    changed.iter().filter_map(|key| self.group(key)).collect();
                self.said = changed
                    .iter()
                    .zip(&groups)
                    .map(|(key, group)| (key.clone(), group.source.clone()))
                    .collect();
                reply.all(groups);
                continue;
            }
            reply.some(changed.iter().filter_map(|key| self.say(key)).collect());
        }
    }

    /// The group of an object, or that it is gone.
    fn say(&mut self, key: &Key) -> Option<(String, Option<TargetGroup>)> {
        match self.group(key) {
            Some(group) => {
                self.said.insert(key.clone(), group.source.clone());
                Some((group.source.clone(), Some(group)))
            }
            None => self.said.remove(key).map(|source| (source, None)),
        }
    }

    fn take(&mut self, event: Event, changed: &mut BTreeSet<Key>, reply: &Reply) {
        match event {
            Event::Listed { source, objects } => {
                self.missing.remove(&source);
                let kind = self.sources[source].kind;
                for key in self.store.replace(kind, source, &objects) {
                    self.concerned(kind, &key, changed);
                }
            }
            Event::Changed { source, object } => {
                let kind = self.sources[source].kind;
                if self.store.put(kind, source, &object) {
                    self.concerned(kind, &key(&object), changed);
                }
            }
            Event::Gone { source, object } => {
                let kind = self.sources[source].kind;
                if self.store.remove(kind, &key(&object)) {
                    self.concerned(kind, &key(&object), changed);
                }
            }
            Event::Failed { why } => reply.failed(why),
        }
    }

    /// Adds the objects of the role whose labels a change may have changed.
    fn concerned(&self, kind: Kind, changed: &Key, out: &mut BTreeSet<Key>) {
        let (space, name) = changed;
        let mine = |wanted: &dyn Fn(&Value) -> bool, out: &mut BTreeSet<Key>| {
            let all = self.store.in_namespace(self.main, space);
            out.extend(all.filter(|(_, object)| wanted(object)).map(|(key, _)| key.clone()));
        };
        match kind {
            kind if kind == self.main => drop(out.insert(changed.clone())),
            Kind::Pod => mine(&|object| refers(object, Some(name), None), out),
            Kind::Service if self.main == Kind::Endpoints => drop(out.insert(changed.clone())),
            Kind::Service => mine(
                &|object| {
                    let labels = field(field(object, "metadata"), "labels");
                    field(labels, SERVICE_NAME) == name.as_str()
                },
                out,
            ),
            Kind::Namespace => {
                out.extend(self.store.in_namespace(self.main, name).map(|(key, _)| key.clone()));
            }
            Kind::Node => {
                let on_it = |object: &Value| {
                    text(object, "spec.nodeName") == name || refers(object, None, Some(name))
                };
                let all = self.store.all(self.main);
                out.extend(all.filter(|(_, object)| on_it(object)).map(|(key, _)| key.clone()));
            }
            Kind::Endpoints | Kind::EndpointSlice | Kind::Ingress => {}
        }
    }

    fn group(&self, key: &Key) -> Option<TargetGroup> {
        let object = self.store.get(self.main, &key.0, &key.1)?;
        let node = |name: &str| {
            let wanted = self.sd.attach_node && !name.is_empty();
            let found = wanted.then(|| self.store.get(Kind::Node, "", name)).flatten();
            found.map(node_labels).unwrap_or_default()
        };
        let mut spaced = Meta::default();
        if self.sd.attach_namespace
            && let Some(found) = self.store.get(Kind::Namespace, "", namespace(object))
        {
            spaced.object("namespace", found);
        }
        let attach = Attach { namespace: spaced, node: &node };
        Some(match self.main {
            Kind::Endpoints => endpoints_group(&self.store, object, &attach),
            Kind::EndpointSlice => slice_group(&self.store, object, &attach),
            Kind::Ingress => ingress_group(object, &attach.namespace),
            Kind::Node | Kind::Namespace => node_group(object),
            Kind::Pod => {
                let mut attached = attach.namespace;
                attached.add(&node(text(object, "spec.nodeName")));
                pod_group(object, &attached)
            }
            Kind::Service => service_group(object, &attach.namespace),
        })
    }
}
