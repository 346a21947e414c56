//! TLS, basic auth and bearer tokens, against servers that demand them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::agent::{Agent, config};
use crate::exporter::Numbered;
use crate::peers;
use crate::program::Program;
use crate::receiver::Receiver;
use crate::scratch::{Scratch, free_port};
use crate::wait;
use crate::web;

/// The bcrypt hash of `secret`, at the lowest cost.
pub const SECRET_HASH: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

/// Makes `ca.pem`, and `server.pem` with `server.key` for 127.0.0.1 signed by it, and a stranger's `other.pem`.
pub fn certificates(scratch: &Scratch) {
    let names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
    let script = format!(
        "set -e
         new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30'
         openssl req -x509 $new -subj '/CN=test root' -keyout ca.key -out ca.pem
         openssl req -x509 $new -subj '/CN=another root' -keyout other.key -out other.pem
         openssl req $new -subj '/CN=localhost' -keyout server.key -out server.csr
         printf '{names}\\nbasicConstraints=CA:FALSE\\n' >server.ext
         openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
           -extfile server.ext -out server.pem"
    );
    let output = Command::new("sh").arg("-c").arg(script).current_dir(scratch.path("")).output();
    let output = output.expect("a shell starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl is needed for this test: {text}");
}

/// A node_exporter that speaks TLS and wants a user and a password.
pub fn node_exporter(scratch: &Scratch, port: u16) -> Program {
    let (certificate, key) = (scratch.path("server.pem"), scratch.path("server.key"));
    let web = scratch.write(
        "node-web.yml",
        &format!(
            "tls_server_config:\n  cert_file: {}\n  key_file: {}\n\
             basic_auth_users:\n  scraper: {SECRET_HASH}\n",
            certificate.display(),
            key.display()
        ),
    );
    let mut command = Command::new(peers::node_exporter());
    command
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg(format!("--web.config.file={}", web.display()));
    Program::start(&mut command, &scratch.path("node.log"))
}

/// A proxy before the receiver that speaks TLS and wants a bearer token.
pub fn gate(scratch: &Scratch, port: u16, receiver: &Receiver) -> Program {
    let (certificate, key) = (scratch.path("server.pem"), scratch.path("server.key"));
    let users = scratch.write(
        "gate.yml",
        &format!(
            "users:\n  - bearer_token: token-of-the-agent\n    url_prefix: http://127.0.0.1:{}/\n",
            receiver.port()
        ),
    );
    let mut command = Command::new(peers::vmauth());
    command
        .arg(format!("-auth.config={}", users.display()))
        .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
        .arg("-tls")
        .arg(format!("-tlsCertFile={}", certificate.display()))
        .arg(format!("-tlsKeyFile={}", key.display()));
    Program::start(&mut command, &scratch.path("gate.log"))
}

pub fn job(name: &str, port: u16, ca: &Path, password: &str) -> String {
    format!(
        "  - job_name: {name}\n    scheme: https\n    tls_config:\n      ca_file: {}\n    \
         basic_auth:\n      username: scraper\n      password: {password}\n    \
         static_configs:\n      - targets: [\"127.0.0.1:{port}\"]\n",
        ca.display()
    )
}

#[test]
fn secrets_and_certificates_are_presented_and_checked() {
    let scratch = Scratch::new();
    certificates(&scratch);
    let receiver = Receiver::victoria_metrics(&scratch);
    let (node_port, gate_port) = (free_port(), free_port());
    let _node = node_exporter(&scratch, node_port);
    let _gate = gate(&scratch, gate_port, &receiver);
    let (ca, other) = (scratch.path("ca.pem"), scratch.path("other.pem"));
    let token = scratch.write("token", "token-of-the-agent\n");
    let mut yaml = String::from("global:\n  scrape_interval: 2s\nscrape_configs:\n");
    yaml.push_str(&job("good", node_port, &ca, "secret"));
    yaml.push_str(&job("wrong-password", node_port, &ca, "guess"));
    yaml.push_str(&job("wrong-root", node_port, &other, "secret"));
    yaml.push_str(&format!(
        "remote_write:\n  - url: https://127.0.0.1:{gate_port}/api/v1/write\n    authorization:\n      \
         credentials_file: {}\n    tls_config:\n      ca_file: {}\n",
        token.display(),
        ca.display()
    ));
    let mut agent = Agent::new(&scratch, &yaml);
    agent.start();
    for (job, up) in [("good", 1.0), ("wrong-password", 0.0), ("wrong-root", 0.0)] {
        let selector = format!("up{{job=\"{job}\"}}");
        wait::until_true(&format!("up of {job} is {up}"), || {
            receiver.values(&selector).last() == Some(&up)
        });
    }
    assert!(!receiver.samples("node_cpu_seconds_total{job=\"good\"}").is_empty());
    let strangers = receiver.samples("node_cpu_seconds_total{job!=\"good\"}");
    assert!(strangers.is_empty(), "a page came without the right to it");
    let log = agent.log();
    assert!(!log.contains("token-of-the-agent"), "a secret is in the log: {log}");
}

#[test]
fn a_reload_that_adds_the_first_https_targets_brings_them_up_with_their_own_roots() {
    let scratch = Scratch::new();
    certificates(&scratch);
    let receiver = Receiver::prometheus(&scratch);
    let node_port = free_port();
    let _node = node_exporter(&scratch, node_port);
    let plain = Numbered::start();
    let first = config(&[plain.port()], &[receiver.url()]);
    let mut agent = Agent::new(&scratch, &first);
    agent.start();
    plain.more(2);

    let ca = scratch.path("ca.pem");
    let root = format!("      ca_file: {}\n", ca.display());
    let checked = "      insecure_skip_verify: false\n";
    let trusting = job("trusting", node_port, &ca, "secret");
    let trusting = trusting.replace(&root, &format!("{root}{checked}"));
    // The same place, but nothing says whom to trust: there are no settings of TLS at all.
    let settings = format!("    tls_config:\n{root}");
    let rootless = job("rootless", node_port, &ca, "secret").replace(&settings, "");
    // A page over TLS takes a while on a busy machine.
    let slower = |job: String| {
        let times = "    scrape_interval: 2s\n    scrape_timeout: 2s\n";
        job.replace("    scheme: https\n", &format!("    scheme: https\n{times}"))
    };
    let shown = |job: &str| {
        let found = web::get_json(agent.port(), "/api/v1/targets")?;
        let targets = found["data"]["activeTargets"].as_array()?;
        let target = targets.iter().find(|target| target["scrapePool"] == job)?;
        let text = |field: &str| target[field].as_str().map(str::to_owned);
        Some((text("health")?, text("lastError")?))
    };
    // First the one alone, then the other before it: which settings are whose must not go by their order.
    let (trusting, rootless) = (slower(trusting), slower(rootless));
    for jobs in [rootless.clone(), format!("{trusting}{rootless}")] {
        let yaml = first.replace("remote_write:\n", &format!("{jobs}remote_write:\n"));
        fs::write(agent.config(), yaml).unwrap();
        assert_eq!(agent.reload().status, 200);
        wait::until_true("the job without roots is down", || {
            shown("rootless").is_some_and(|(health, _)| health == "down")
        });
    }

    for (job, health) in [("trusting", "up"), ("rootless", "down")] {
        let (found, error) = wait::until(&format!("{job} has been scraped"), || {
            shown(job).filter(|(health, _)| health != "unknown")
        });
        assert_eq!(found, health, "{job}: {error:?}");
        assert_eq!(error.contains("unknown authority"), job == "rootless", "{job}: {error:?}");
        let up = if health == "up" { 1.0 } else { 0.0 };
        wait::until_true(&format!("two scrapes of {job} have arrived"), || {
            receiver.values(&format!("up{{job=\"{job}\"}}")).len() >= 2
        });
        let ups = receiver.values(&format!("up{{job=\"{job}\"}}"));
        assert!(ups.iter().all(|found| *found == up), "{job}: {ups:?}");
    }
    assert!(!receiver.samples("node_cpu_seconds_total{job=\"trusting\"}").is_empty());
    let last = plain.hold();
    receiver.assert_complete(&plain, last);
}

// spec: CFG §2.7
#[test]
fn a_client_certificate_is_presented_and_read_again_when_it_changes() {
    let scratch = Scratch::new();
    certificates(&scratch);
    let receiver = Receiver::prometheus(&scratch);
    let port = free_port();
    let (ca, server, key) =
        (scratch.path("ca.pem"), scratch.path("server.pem"), scratch.path("server.key"));
    let web = scratch.write(
        "mutual-web.yml",
        &format!(
            "tls_server_config:\n  cert_file: {}\n  key_file: {}\n  client_ca_file: {}\n  \
             client_auth_type: RequireAndVerifyClientCert\n",
            server.display(),
            key.display(),
            ca.display()
        ),
    );
    let mut command = Command::new(peers::node_exporter());
    command
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg(format!("--web.config.file={}", web.display()));
    let _node = Program::start(&mut command, &scratch.path("mutual.log"));
    // At first a stranger's, then one that the same root has signed.
    let (own, own_key) = (scratch.path("own.pem"), scratch.path("own.key"));
    fs::copy(scratch.path("other.pem"), &own).unwrap();
    fs::copy(scratch.path("other.key"), &own_key).unwrap();
    let yaml = format!(
        "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: mutual\n    \
         scheme: https\n    tls_config: {{ca_file: {}, cert_file: {}, key_file: {}}}\n    \
         static_configs:\n      - targets: [\"127.0.0.1:{port}\"]\nremote_write:\n  - url: {}\n",
        ca.display(),
        own.display(),
        own_key.display(),
        receiver.url()
    );
    let mut agent = Agent::new(&scratch, &yaml);
    agent.start();
    let error = agent.failure(port);
    assert!(error.contains("TLS"), "{error}");
    fs::copy(&key, &own_key).unwrap();
    fs::copy(&server, &own).unwrap();
    wait::until_true("the new certificate is presented", || {
        receiver.values("up{job=\"mutual\"}").last() == Some(&1.0)
    });
}
