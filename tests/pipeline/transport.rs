//! The ways to targets and receivers: proxies, tokens, headers, redirects, Unix sockets.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::agent::{Agent, INTERVAL, config};
use crate::exporter::Numbered;
use crate::figures::Figures;
use crate::front::{Front, Reply};
use crate::receiver::Receiver;
use crate::scratch::{Scratch, free_port};
use crate::secure::{certificates, gate, job, node_exporter};
use crate::wait;

/// Names the target of the job `test` after the exporter behind it.
fn behind(yaml: &str, numbered: &Numbered) -> String {
    let labels = format!("]\n        labels: {{instance: '127.0.0.1:{}'}}\n", numbered.port());
    yaml.replacen("]\n", &labels, 1)
}

/// Lines of a job or an endpoint, indented as its fields are.
fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("    {line}\n")).collect()
}

// spec: CFG §2.7
#[test]
fn targets_and_receivers_are_reached_through_a_proxy_that_knows_us() {
    let scratch = Scratch::new();
    certificates(&scratch);
    let receiver = Receiver::victoria_metrics(&scratch);
    let (node_port, gate_port) = (free_port(), free_port());
    let _node = node_exporter(&scratch, node_port);
    let _gate = gate(&scratch, gate_port, &receiver);
    let plain = Numbered::start();
    let counts: Arc<[AtomicU64; 2]> = Arc::default();
    let (seen, plain_port) = (Arc::clone(&counts), plain.port());
    let proxy = Front::start(move |request| {
        // user:pw
        if request.header("Proxy-Authorization") != Some("Basic dXNlcjpwdw==") {
            return Reply::status("407 Who are you");
        }
        let tunnel = request.method() == "CONNECT";
        seen[usize::from(tunnel)].fetch_add(1, Ordering::SeqCst);
        if !tunnel {
            let whole = format!("http://127.0.0.1:{plain_port}/metrics");
            assert_eq!(request.target(), whole);
            return Reply::Forward(plain_port);
        }
        let port = request.target().rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.expect("a port");
        if port == gate_port && request.header("X-Key") != Some("k") {
            return Reply::status("403 No key");
        }
        Reply::Tunnel(port)
    });
    let through = |user: &str| format!("proxy_url: http://{user}@127.0.0.1:{}", proxy.port());
    let ca = scratch.path("ca.pem");
    let secure = |name: &str, user: &str| {
        format!("{}{}", job(name, node_port, &ca, "secret"), indented(&[through(user)]))
    };
    let mut yaml = format!(
        "global:\n  scrape_interval: {INTERVAL}\nscrape_configs:\n  - job_name: plain\n    \
         static_configs:\n      - targets: [\"127.0.0.1:{}\"]\n{}",
        plain.port(),
        indented(&[through("user:pw")])
    );
    let slow = "    scrape_interval: 2s\n    scrape_timeout: 2s\n";
    yaml.push_str(&format!("{}{slow}", secure("secure", "user:pw")));
    yaml.push_str(&format!("{}{slow}", secure("stranger", "user:guess")));
    yaml.push_str(&format!(
        "remote_write:\n  - url: https://127.0.0.1:{gate_port}/api/v1/write\n{}",
        indented(&[
            through("user:pw"),
            "proxy_connect_header: {X-Key: [k]}".to_owned(),
            "authorization: {credentials: token-of-the-agent}".to_owned(),
            format!("tls_config: {{ca_file: {}}}", ca.display()),
        ])
    ));
    let mut agent = Agent::new(&scratch, &yaml);
    agent.start();
    for (job, up) in [("plain", 1.0), ("secure", 1.0), ("stranger", 0.0)] {
        let selector = format!("up{{job=\"{job}\"}}");
        wait::until_true(&format!("up of {job} is {up}"), || {
            receiver.values(&selector).last() == Some(&up)
        });
    }
    assert!(counts.iter().all(|count| count.load(Ordering::SeqCst) > 0), "{counts:?}");
    let found = crate::web::get_json(agent.port(), "/api/v1/targets").expect("answers");
    let targets = found["data"]["activeTargets"].as_array().expect("a list");
    let stranger = targets.iter().find(|target| target["scrapePool"] == "stranger");
    let error = stranger.expect("there")["lastError"].as_str().unwrap_or_default().to_owned();
    assert!(error.contains("proxy: it answered 407 Who are you"), "{error}");
    assert!(!agent.log().contains("user:pw"), "{}", agent.log());
}

// spec: CFG §2.7
#[test]
fn tokens_are_fetched_renewed_and_asked_for_again_after_a_failure() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let numbered = Numbered::start();
    let (open, issued): (Arc<AtomicBool>, Arc<AtomicU64>) = Default::default();
    let (gate, count) = (Arc::clone(&open), Arc::clone(&issued));
    let tokens = Front::start(move |request| {
        if !gate.load(Ordering::SeqCst) {
            return Reply::status("503 Later");
        }
        // me:it
        assert_eq!(request.header("Authorization"), Some("Basic bWU6aXQ="));
        assert_eq!(request.form()["scope"], "write");
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        Reply::json(format!("{{\"access_token\":\"t{number}\",\"expires_in\":\"3\"}}"))
    });
    let refused: Arc<AtomicU64> = Arc::default();
    // A token that has been renewed is good for a moment longer.
    let guarded = |port: u16| {
        let (issued, refused) = (Arc::clone(&issued), Arc::clone(&refused));
        Front::start(move |request| {
            let number = request.header("Authorization").and_then(|value| {
                value.strip_prefix("Bearer t").and_then(|number| number.parse::<u64>().ok())
            });
            if number.is_some_and(|number| number + 1 >= issued.load(Ordering::SeqCst)) {
                return Reply::Forward(port);
            }
            refused.fetch_add(1, Ordering::SeqCst);
            Reply::status("401 No")
        })
    };
    let (target, write) = (guarded(numbered.port()), guarded(receiver.port()));
    let oauth2 = format!(
        "oauth2: {{client_id: me, client_secret_file: secret, scopes: [write], token_url: '{}'}}",
        tokens.url("/token")
    );
    scratch.write("secret", "it\n");
    let yaml = config(&[target.port()], &[write.url("/api/v1/write")]);
    let yaml = behind(&yaml, &numbered);
    let lines = indented(&[oauth2]);
    let yaml = yaml.replace("    static_configs:\n", &format!("{lines}    static_configs:\n"));
    let mut agent = Agent::new(&scratch, &format!("{yaml}{lines}"));
    agent.start();
    let error = agent.failure(target.port());
    assert!(error.contains("oauth2: cannot fetch token") && error.contains("503"), "{error}");
    wait::until_true("the endpoint says why nothing is sent", || {
        agent.log().contains("Failed to send samples")
    });
    assert_eq!(numbered.pages(), 0);
    let missing = || Figures::of(&agent).sum("corelane_credentials_missing", "");
    assert_eq!(missing(), 1);
    open.store(true, Ordering::SeqCst);
    wait::until_true("the third token is in use", || issued.load(Ordering::SeqCst) >= 3);
    assert_eq!(missing(), 0);
    numbered.more(3);
    let last = numbered.hold();
    receiver.assert_complete(&numbered, last);
    assert_eq!(refused.load(Ordering::SeqCst), 0, "a token was used that is none any more");
    assert!(!agent.log().contains("Bearer"), "{}", agent.log());
}

/// Answers every request on a Unix socket with the same page.
fn unix_exporter(path: &Path) {
    let listener = UnixListener::bind(path).expect("a socket");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut writer = stream.try_clone().expect("a copy");
                let page = "of_a_socket 1\n";
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if line.is_empty() {
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{page}",
                            page.len()
                        );
                        drop(writer.write_all(answer.as_bytes()));
                    }
                }
            });
        }
    });
}

// spec: CFG §2.7, SCR-20
#[test]
fn headers_redirects_and_unix_sockets_are_obeyed() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let numbered = Numbered::start();
    let (socket, token) = (scratch.path("x.sock"), scratch.write("token", "one\n"));
    unix_exporter(&socket);
    let second: Arc<AtomicBool> = Arc::default();
    let (wants_second, port) = (Arc::clone(&second), numbered.port());
    let target = Front::start(move |request| {
        let wanted = if wants_second.load(Ordering::SeqCst) { "two" } else { "one" };
        match request.headers("X-Token") == ["plain", "hidden", wanted] {
            true => Reply::Forward(port),
            false => Reply::status("401 No"),
        }
    });
    let away: Arc<AtomicU64> = Arc::default();
    let (count, port) = (Arc::clone(&away), receiver.port());
    let there = Front::start(move |request| {
        // What was meant for another host.
        assert_eq!(request.header("Authorization"), None, "{}", request.head);
        count.fetch_add(1, Ordering::SeqCst);
        Reply::Forward(port)
    });
    let location = format!("Location: {}\r\n", there.url("/api/v1/write"));
    let here = Front::start(move |request| {
        assert!(request.header("Authorization").is_some(), "{}", request.head);
        Reply::Answer("307 There", location.clone(), String::new())
    });
    let headers = indented(&[format!(
        "http_headers: {{X-Token: {{values: [plain], secrets: [hidden], files: ['{}']}}}}",
        token.display()
    )]);
    let yaml = config(&[target.port()], &[here.url("/api/v1/write")]);
    let yaml = behind(&yaml, &numbered);
    let yaml = yaml.replace("    static_configs:\n", &format!("{headers}    static_configs:\n"));
    let job = format!(
        "  - job_name: socket\n    static_configs:\n      - targets: [anything]\n        \
         labels: {{__unix_socket__: '{}'}}\n",
        socket.display()
    );
    let yaml = yaml.replace("remote_write:\n", &format!("{job}remote_write:\n"));
    let auth = indented(&["basic_auth: {username: u, password: p}".to_owned()]);
    let mut agent = Agent::new(&scratch, &format!("{yaml}{auth}"));
    agent.start();
    numbered.more(2);
    second.store(true, Ordering::SeqCst);
    fs::write(&token, "two\n").expect("written");
    let seen = numbered.pages();
    wait::until_true("the new token is sent", || numbered.pages() > seen + 1);
    wait::until_true("the page of the socket arrives", || {
        receiver.values("of_a_socket").last() == Some(&1.0)
    });
    let last = numbered.hold();
    receiver.assert_complete(&numbered, last);
    assert!(away.load(Ordering::SeqCst) > 0);
}
