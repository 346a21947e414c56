//! The admin server beside a real Prometheus agent: the same answers in shape, status and words.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::agent::{Agent, config};
use crate::exporter::Numbered;
use crate::peers;
use crate::program::Program;
use crate::scratch::{Scratch, free_port};
use crate::secure::{SECRET_HASH, certificates};
use crate::wait;
use crate::web;

/// Paths of all leaves with the kind of each; what stands in lists is told by the first item.
fn shape(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            // Labels newer than the reference that is at hand.
            for (name, value) in fields
                .iter()
                .filter(|(name, _)| !name.ends_with("histograms__") && !name.ends_with("_nhcb__"))
            {
                shape(&format!("{path}.{name}"), value, found);
            }
        }
        Value::Array(items) => {
            found.insert(format!("{path}: list"));
            if let Some(first) = items.first() {
                shape(&format!("{path}[]"), first, found);
            }
        }
        Value::Null => drop(found.insert(format!("{path}: null"))),
        Value::Bool(_) => drop(found.insert(format!("{path}: bool"))),
        Value::Number(_) => drop(found.insert(format!("{path}: number"))),
        Value::String(_) => drop(found.insert(format!("{path}: text"))),
    }
}

fn shape_of(port: u16, path: &str) -> BTreeSet<String> {
    let value = web::get_json(port, path).unwrap_or_else(|| panic!("{path}: no answer in JSON"));
    let mut found = BTreeSet::new();
    shape("", &value, &mut found);
    found
}

fn prometheus(scratch: &Scratch, yaml: &str, port: u16) -> Program {
    let file = scratch.write("prometheus.yml", yaml);
    let mut command = Command::new(peers::prometheus());
    command
        .arg("--agent")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.agent.path={}", scratch.path("prometheus").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    Program::start(&mut command, &scratch.path("prometheus.log"))
}

// spec: HTTP-1 to HTTP-33
#[test]
fn the_api_answers_as_a_prometheus_agent_does() {
    let scratch = Scratch::new();
    let exporter = Numbered::start();
    let yaml = config(&[exporter.port()], &[]).replace(
        "    static_configs:",
        "    relabel_configs: [{source_labels: [x], regex: y, action: drop}]\n    static_configs:\n      \
         - {targets: [\"a:1\"], labels: {x: y}}",
    );
    let mut agent = Agent::new(&scratch, &yaml);
    // Lifecycle is off as with the other.
    agent.flags(&["--no-web.enable-lifecycle"]);
    agent.start();
    let port = free_port();
    let _other = prometheus(&scratch, &yaml, port);
    let is_up = |port: u16| {
        let found = web::get_json(port, "/api/v1/targets?state=active")?;
        (found["data"]["activeTargets"][0]["health"] == "up").then_some(())
    };
    wait::until("both have scraped", || is_up(agent.port()).and(is_up(port)));
    for path in [
        "/api/v1/targets",
        "/api/v1/targets?state=active",
        "/api/v1/targets?state=Dropped",
        "/api/v1/targets?scrapePool=none",
        "/api/v1/scrape_pools",
        "/api/v1/status/config",
        "/api/v1/status/runtimeinfo",
        "/api/v1/status/buildinfo",
        "/api/v1/status/walreplay",
        "/api/v1/notifications",
        "/version",
    ] {
        assert_eq!(shape_of(agent.port(), path), shape_of(port, path), "{path}");
    }
    // Every flag that it has, as text; we have more.
    let (ours, theirs) =
        (shape_of(agent.port(), "/api/v1/status/flags"), shape_of(port, "/api/v1/status/flags"));
    let missing: Vec<_> = theirs
        .difference(&ours)
        // Debian's own.
        .filter(|flag| !flag.contains("web.local-assets"))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    words_are_equal(agent.port(), port);
}

/// What is not JSON, and what an agent cannot do.
fn words_are_equal(ours: u16, theirs: u16) {
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/-/healthy"),
        ("GET", "/-/ready"),
        ("HEAD", "/-/ready"),
        ("GET", "/-/reload"),
        ("POST", "/-/reload"),
        ("GET", "/-/quit"),
        ("PUT", "/-/quit"),
        ("GET", "/federate"),
        ("GET", "/api/v1/query?query=up"),
        ("POST", "/api/v1/query_range"),
        ("GET", "/api/v1/labels"),
        ("GET", "/api/v1/label/job/values"),
        ("GET", "/api/v1/series"),
        ("GET", "/api/v1/alerts"),
        ("GET", "/api/v1/rules"),
        ("GET", "/api/v1/alertmanagers"),
        ("GET", "/api/v1/status/tsdb"),
        ("POST", "/api/v1/admin/tsdb/snapshot"),
        ("GET", "/api/v1/nothing"),
        ("GET", "/user/nothing"),
    ] {
        let ask = |port| web::request(port, method, path).expect("an answer");
        let (answer, wanted) = (ask(ours), ask(theirs));
        assert_eq!(
            (answer.status, answer.body.trim()),
            (wanted.status, wanted.body.trim()),
            "{path}"
        );
    }
    for path in ["/api/v1/write", "/api/v1/otlp/v1/metrics"] {
        let ask = |port| web::post(port, path).expect("an answer").status;
        assert_eq!(ask(ours), ask(theirs), "{path}");
    }
    for path in ["/agent", "/targets", "/config", "/flags", "/status", "/service-discovery"] {
        // Debian's Prometheus has no pages.
        assert_eq!(web::get(ours, path).expect("an answer").status, 200, "{path}");
    }
}

/// curl, since a test's own client knows no TLS. Status and body, or its error code.
fn curl(arguments: &[&str]) -> (String, String) {
    let mut command = Command::new("curl");
    command.args(["-sS", "-m", "20", "-w", "\n%{http_code}"]).args(arguments);
    let output = command.output().expect("curl is needed for this test");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", ""));
    (status.to_owned(), body.to_owned())
}

// spec: HTTP §6.6
#[test]
fn the_admin_server_speaks_tls_and_asks_for_a_password() {
    let scratch = Scratch::new();
    certificates(&scratch);
    let users = format!("basic_auth_users: {{scraper: {SECRET_HASH}}}\n");
    let tls = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n";
    let file = scratch.write("web.yml", &format!("{tls}{users}"));
    let mut agent = Agent::new(&scratch, &config(&[], &[]));
    agent.flags(&[&format!("--web.config.file={}", file.display())]);
    agent.launch();
    let ca = scratch.path("ca.pem").display().to_string();
    let url = |path: &str| format!("https://127.0.0.1:{}{path}", agent.port());
    let ask = |path: &str, password: &str| {
        let user = format!("scraper:{password}");
        curl(&["--cacert", &ca, "-u", &user, &url(path)])
    };
    wait::until("it is ready", || (ask("/-/ready", "secret").0 == "200").then_some(()));
    assert_eq!(ask("/api/v1/targets", "secret").0, "200");
    assert_eq!(ask("/api/v1/targets", "guess").0, "401");
    assert_eq!(curl(&["--cacert", &ca, &url("/-/healthy")]).0, "401");
    assert!(web::get(agent.port(), "/-/healthy").is_none(), "it answered without TLS");
    let other = scratch.path("other.pem").display().to_string();
    assert_eq!(curl(&["--cacert", &other, &url("/-/healthy")]).0, "000");
    // A client's certificate is asked for from now on, and nothing was restarted; the broken file before changed nothing.
    scratch.write("web.yml", "tls_server_config: {cert_file: gone.pem, key_file: server.key}\n");
    wait::until("it is said", || {
        assert_eq!(ask("/-/healthy", "secret").0, "200");
        agent.log().contains("cannot be used").then_some(())
    });
    let client = "tls_server_config: {cert_file: server.pem, key_file: server.key, client_ca_file: ca.pem, \
                  client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: [localhost]}\n";
    fs::write(&file, client).expect("written");
    wait::until("it is obeyed", || (ask("/-/healthy", "secret").0 == "000").then_some(()));
    let (pem, key) = (scratch.path("server.pem"), scratch.path("server.key"));
    let (pem, key) = (pem.display().to_string(), key.display().to_string());
    let shown = curl(&["--cacert", &ca, "--cert", &pem, "--key", &key, &url("/-/healthy")]);
    assert_eq!(shown.0, "200");
}
