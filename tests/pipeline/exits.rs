//! How the program ends when it cannot start: the code says what kind of fault it was, the text says which.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::agent::{Agent, command, config};
use crate::exporter::Numbered;
use crate::peers;
use crate::program::Program;
use crate::receiver::Receiver;
use crate::scratch::{Scratch, contents, free_port};
use crate::wait;
use crate::web;

/// Runs to the end; exit code and everything printed.
fn run(scratch: &Scratch, flags: &[String]) -> (Option<i32>, String) {
    let log = scratch.path("run.log");
    let mut program = Program::start(command().args(flags), &log);
    let status = program.wait();
    (status.code(), program.log())
}

fn usual(config: &Path, data: &Path, port: u16) -> Vec<String> {
    vec![
        format!("--config.file={}", config.display()),
        format!("--storage.agent.path={}", data.display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ]
}

// spec: CLI-50
#[test]
fn a_missing_file_is_2_an_unknown_flag_1_a_server_flag_3() {
    let cases: [(&str, i32, &[&str]); 3] = [
        ("--config.file=/nonexistent/p.yml", 2, &["/nonexistent/p.yml"]),
        ("--no.such.flag", 1, &["no.such.flag"]),
        (
            "--storage.tsdb.path=x",
            3,
            &["can not be used in agent mode", "[\"--storage.tsdb.path\"]"],
        ),
    ];
    for (flag, code, parts) in cases {
        let scratch = Scratch::new();
        let good = scratch.write("good.yml", "global: {}\n");
        let mut flags = usual(&good, &scratch.path("data"), free_port());
        if flag.starts_with("--config.file") {
            flags.remove(0);
        }
        flags.push(flag.to_owned());
        let (found, text) = run(&scratch, &flags);
        assert_eq!(found, Some(code), "{flag}: {text}");
        let errors = text.lines().filter(|line| !line.contains("level=INFO"));
        assert_eq!(errors.count(), 1, "{flag}: not one line: {text}");
        for part in parts {
            assert!(text.contains(part), "{flag}: {text:?} does not say {part:?}");
        }
    }
}

// spec: CLI-50
#[test]
fn a_bad_file_is_2_and_the_text_says_where() {
    let scratch = Scratch::new();
    let bad = scratch.write("bad.yml", "global:\n  scrape_interval: 1s\n  scrape_intervall: 2s\n");
    let (code, text) = run(&scratch, &usual(&bad, &scratch.path("data"), free_port()));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("bad.yml:3: ") && text.contains("scrape_intervall"), "{text}");
}

#[test]
fn more_cores_than_cpus_is_1_and_the_text_says_what_to_do() {
    let scratch = Scratch::new();
    let good = scratch.write("good.yml", "global: {}\n");
    let mut flags = usual(&good, &scratch.path("data"), free_port());
    flags.push("--cores=4096".to_owned());
    let (code, text) = run(&scratch, &flags);
    assert_eq!(code, Some(1), "{text}");
    for part in ["--cores=4096", "CPU", "lower --cores", "--no-pin"] {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
    assert!(!scratch.path("data").exists(), "it touched the data first");
}

#[test]
fn a_port_in_use_is_1() {
    let scratch = Scratch::new();
    let port = free_port();
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let good = scratch.write("good.yml", "global: {}\n");
    let (code, text) = run(&scratch, &usual(&good, &scratch.path("data"), port));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&port.to_string()), "{text}");
}

#[test]
fn a_second_program_on_the_same_data_is_1_and_harms_nothing() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::start();
    let mut agent = Agent::new(&scratch, &config(&[exporter.port()], &[receiver.url()]));
    agent.start();
    exporter.more(2);
    let (code, text) = run(&scratch, &usual(agent.config(), agent.data(), free_port()));
    assert_eq!(code, Some(1), "{text}");
    let folder = agent.data().display().to_string();
    assert!(text.contains("in use by another process") && text.contains(&folder), "{text}");
    exporter.more(4);
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
}

#[test]
fn the_log_of_a_real_prometheus_is_refused_and_left_as_it_was() {
    let scratch = Scratch::new();
    let exporter = Numbered::start();
    let receiver = Receiver::prometheus(&scratch);
    let yaml = scratch.write("theirs.yml", &config(&[exporter.port()], &[receiver.url()]));
    let data = scratch.path("data");
    let flags = usual(&yaml, &data, free_port());
    let mut command = Command::new(peers::prometheus());
    command.arg("--agent").args(&flags);
    let mut theirs = Program::start(&mut command, &scratch.path("theirs.log"));
    exporter.more(3);
    theirs.signal("TERM");
    theirs.wait();
    let before = contents(&data);
    assert!(before.iter().any(|file| file.0.to_string_lossy().contains("/wal/")), "{before:?}");
    let pages = exporter.pages();
    let (code, text) = run(&scratch, &flags);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("Prometheus") && text.contains("wal"), "{text}");
    assert!(contents(&data) == before, "files of the other program were changed");
    assert_eq!(exporter.pages(), pages, "it scraped before it refused");
}

#[test]
fn quit_over_http_ends_with_0() {
    let scratch = Scratch::new();
    let mut agent = Agent::new(&scratch, "global: {}\n");
    agent.start();
    let answer = web::post(agent.port(), "/-/quit").unwrap();
    assert_eq!((answer.status, answer.body.contains("Goodbye")), (200, true), "{answer:?}");
    let status = wait::until("the agent ends", || agent.ended());
    assert_eq!(status.code(), Some(0));
}
