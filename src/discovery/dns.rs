//! Groups that the domain name system knows (spec: SD-13).

use std::collections::BTreeMap;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::time::sleep;

use crate::config::{DnsKind, DnsSd};
use crate::discovery::remote::Reply;
use crate::model::{Labels, TargetGroup};

pub(super) async fn run(sd: DnsSd, reply: Reply) {
    loop {
        // What `/etc/resolv.conf` says may change.
        match system() {
            Ok(resolver) => refresh(&sd, &resolver, &reply).await,
            Err(why) => reply.failed(why),
        }
        sleep(sd.refresh_interval).await;
    }
}

fn system() -> Result<TokioResolver, String> {
    let mut builder = TokioResolver::builder_tokio()
        .map_err(|error| format!("the resolver's configuration cannot be read: {error}"))?;
    // Answers are as old as the refresh interval already.
    builder.options_mut().cache_size = 0;
    builder.build().map_err(|error| error.to_string())
}

/// A name that cannot be looked up keeps its group; one that does not exist has an empty one.
async fn refresh(sd: &DnsSd, resolver: &TokioResolver, reply: &Reply) {
    let mut groups = Vec::new();
    let mut failures = Vec::new();
    for name in &sd.names {
        match look_up(sd, resolver, name).await {
            Ok(targets) => {
                let group =
                    TargetGroup { source: name.clone(), targets, labels: Labels::default() };
                groups.push((name.clone(), Some(group)));
            }
            Err(why) => failures.push(format!("{name}: {why}")),
        }
    }
    if !groups.is_empty() {
        reply.some(groups);
    }
    if !failures.is_empty() {
        reply.failed(failures.join("; "));
    }
}

async fn look_up(sd: &DnsSd, resolver: &TokioResolver, name: &str) -> Result<Vec<Labels>, String> {
    let kind = match sd.kind {
        DnsKind::A => RecordType::A,
        DnsKind::Aaaa => RecordType::AAAA,
        DnsKind::Mx => RecordType::MX,
        DnsKind::Ns => RecordType::NS,
        DnsKind::Srv => RecordType::SRV,
    };
    match resolver.lookup(name, kind).await {
        Ok(found) => {
            Ok(found.answers().iter().filter_map(|answer| target(sd, name, &answer.data)).collect())
        }
        Err(error) if error.is_nx_domain() || error.is_no_records_found() => Ok(Vec::new()),
        Err(error) => Err(error.to_string()),
    }
}

/// `None`: a record of another kind, as those are that lead to the one asked for.
fn target(sd: &DnsSd, name: &str, data: &RData) -> Option<Labels> {
    let mut labels = BTreeMap::from([("__meta_dns_name", name.to_owned())]);
    let plain = |name: &str| name.trim_end_matches('.').to_owned();
    let address = match data {
        RData::A(address) => format!("{}:{}", address.0, sd.port),
        RData::AAAA(address) => format!("[{}]:{}", address.0, sd.port),
        RData::MX(record) => {
            let host = record.exchange.to_string();
            let address = format!("{}:{}", plain(&host), sd.port);
            labels.insert("__meta_dns_mx_record_target", host);
            address
        }
        RData::NS(record) => {
            let host = record.0.to_string();
            let address = format!("{}:{}", plain(&host), sd.port);
            labels.insert("__meta_dns_ns_record_target", host);
            address
        }
        RData::SRV(record) => {
            let host = record.target.to_string();
            let address = format!("{}:{}", plain(&host), record.port);
            labels.insert("__meta_dns_srv_record_target", host);
            labels.insert("__meta_dns_srv_record_port", record.port.to_string());
            address
        }
        _ => return None,
    };
    labels.insert("__address__", address);
    Some(labels.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, UdpSocket};
    use std::process::{Child, Command, Stdio};

    use crossbeam_channel::unbounded;
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;

    use super::*;
    use crate::discovery::remote::News;

    /// dnsmasq with a few records, ended with the test.
    struct Server {
        child: Child,
        port: u16,
    }

    impl Server {
        /// `None`: it is not installed.
        fn start() -> Option<Server> {
            let free = UdpSocket::bind("127.0.0.1:0").expect("free port");
            let port = free.local_addr().expect("bound").port();
            drop(free);
            let mut command = Command::new("dnsmasq");
            command
                .args([
                    "--keep-in-foreground",
                    "--no-resolv",
                    "--no-hosts",
                    "--conf-file=/dev/null",
                ])
                .args(["--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file", "--user="])
                .arg(format!("--port={port}"))
                .args([
                    "--local=/test/",
                    "--host-record=a.test,10.0.0.1",
                    "--host-record=a.test,10.0.0.2",
                ])
                .args(["--host-record=six.test,fd00::1", "--cname=alias.test,a.test"])
                .args([
                    "--srv-host=_web._tcp.test,a.test,8080",
                    "--srv-host=_web._tcp.test,b.test,8081",
                ])
                .args(["--mx-host=test,mail.test,10"])
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let child = command.spawn().ok()?;
            Some(Server { child, port })
        }

        fn resolver(&self) -> TokioResolver {
            let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
            (udp.port, tcp.port) = (self.port, self.port);
            let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let server = NameServerConfig::new(ip, true, vec![udp, tcp]);
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
            let provider = TokioRuntimeProvider::default();
            TokioResolver::builder_with_config(config, provider).build().expect("usable")
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }

    fn sd(name: &str, kind: DnsKind) -> DnsSd {
        let refresh_interval = core::time::Duration::from_secs(30);
        DnsSd { names: vec![name.to_owned()], kind, port: 80, refresh_interval }
    }

    #[test]
    fn records_of_a_real_server_become_targets() {
        let Some(server) = Server::start() else {
            eprintln!("SKIPPED: dnsmasq is not installed (Debian: dnsmasq-base)");
            return;
        };
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        let found = |name: &str, kind: DnsKind| {
            let mut found = runtime.block_on(look_up(&sd(name, kind), &server.resolver(), name))?;
            found.sort();
            Ok::<_, String>(found)
        };
        let addresses = |found: &[Labels]| -> Vec<String> {
            found.iter().map(|labels| labels.get("__address__").to_owned()).collect()
        };
        // It may take a moment to begin.
        let first = (0..100).find_map(|_| found("a.test", DnsKind::A).ok());
        let first = first.expect("an answer");
        assert_eq!(addresses(&first), ["10.0.0.1:80", "10.0.0.2:80"]);
        assert_eq!(first[0].get("__meta_dns_name"), "a.test");
        for (name, kind, wanted) in [
            ("alias.test", DnsKind::A, &["10.0.0.1:80", "10.0.0.2:80"][..]),
            ("six.test", DnsKind::Aaaa, &["[fd00::1]:80"]),
            ("_web._tcp.test", DnsKind::Srv, &["a.test:8080", "b.test:8081"]),
            ("test", DnsKind::Mx, &["mail.test:80"]),
            ("none.test", DnsKind::A, &[]),
            ("a.test", DnsKind::Ns, &[]),
        ] {
            let found = found(name, kind).expect(name);
            assert_eq!(addresses(&found), wanted, "{name}");
        }
        let services = found("_web._tcp.test", DnsKind::Srv).expect("there");
        assert_eq!(services[0].get("__meta_dns_srv_record_target"), "a.test.");
        assert_eq!(services[0].get("__meta_dns_srv_record_port"), "8080");
        // Without a server a name keeps its group: nothing is said of it.
        let resolver = server.resolver();
        drop(server);
        let (sender, said) = unbounded();
        runtime.block_on(refresh(&sd("a.test", DnsKind::A), &resolver, &Reply::to(sender)));
        let news: Vec<News> = said.try_iter().map(|found| found.news).collect();
        assert!(matches!(news.as_slice(), [News::Failed(_)]), "{news:?}");
    }
}
