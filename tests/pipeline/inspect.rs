//! `corelane wal` on what a killed agent leaves: checked, shown, and sent elsewhere.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::Output;

use crate::agent::{Agent, command, config};
use crate::exporter::Numbered;
use crate::receiver::Receiver;
use crate::scratch::{Scratch, contents, free_port};
use crate::secure::{certificates, gate};

/// Exit code, what was printed and what was said about it.
fn wal(agent: &Agent, verb: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let run = command().args(["wal", verb]).arg(agent.data()).args(more).output();
    let Output { status, stdout, stderr } = run.expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_killed_agents_backlog_is_checked_shown_and_sent_elsewhere_in_order() {
    let scratch = Scratch::new();
    let mut away = Receiver::prometheus(&scratch);
    away.stop();
    let up = Receiver::prometheus(&scratch);
    let exporters: Vec<Numbered> = (0..4).map(|_| Numbered::start()).collect();
    let ports: Vec<u16> = exporters.iter().map(Numbered::port).collect();
    let mut agent = Agent::new(&scratch, &config(&ports, &[away.url(), up.url()]));
    // The first number of cores leaves a directory that the second adopts, with another epoch.
    for cores in ["--cores=2", "--cores=1"] {
        agent.flags(&[cores, "--storage.agent.wal-segment-size=256KiB"]);
        agent.start();
        exporters.iter().for_each(Numbered::release);
        exporters[0].more(6);
        if cores == "--cores=1" {
            let (code, _, said) = wal(&agent, "verify", &[]);
            assert_eq!(code, Some(2), "{said}");
            let lock = agent.data().join("lock");
            assert!(said.contains(&format!("holds the lock {}", lock.display())), "{said}");
        }
        for exporter in &exporters {
            exporter.hold();
        }
        agent.kill();
    }
    let before = contents(agent.data());

    let named = format!("--config.file={}", agent.config().display());
    let (code, found, said) = wal(&agent, "verify", &[&named]);
    assert_eq!(code, Some(0), "{found}{said}");
    for part in ["clean=false", "shard=0", "shard=1", "epoch=2", "endpoint=\"remote-1\""] {
        assert!(found.contains(part), "{part:?} is not in {found}");
    }
    let (code, found, said) = wal(&agent, "stats", &[&named]);
    assert!(code == Some(0) && found.contains("remote-0"), "{found}{said}");
    let (code, found, said) = wal(&agent, "dump", &["--limit=5"]);
    assert_eq!((code, found.lines().count()), (Some(0), 5), "{found}{said}");

    away.start();
    let to = format!("--to={}", away.url());
    let (code, _, said) = wal(&agent, "export", &["--endpoint=remote-0", &to, &named]);
    assert_eq!(code, Some(0), "{said}");
    for exporter in &exporters {
        away.assert_complete(exporter, exporter.pages());
        up.assert_complete(exporter, exporter.pages());
    }
    assert!(contents(agent.data()) == before, "a file has changed");

    // Damage costs a record and shows in the code of each command.
    let mut segments = contents(agent.data());
    segments.retain(|(path, bytes)| {
        path.extension().is_some_and(|end| end == "seg") && bytes.starts_with(b"CLseg")
    });
    let (path, _) = segments.remove(0);
    let file = File::options().write(true).open(&path).expect("a segment");
    file.write_all_at(b"\xff\xff\xff", 4096 + 24).expect("written");
    let (code, found, _) = wal(&agent, "verify", &[]);
    assert!(code == Some(1) && found.contains("offset=4096 samples_lost="), "{found}");
    assert_eq!(wal(&agent, "stats", &[]).0, Some(1));
    assert_eq!(wal(&agent, "dump", &[]).0, Some(1));
}

#[test]
fn an_export_over_tls_proves_who_it_is_and_checks_who_answers() {
    let scratch = Scratch::new();
    certificates(&scratch);
    let receiver = Receiver::victoria_metrics(&scratch);
    let port = free_port();
    let _gate = gate(&scratch, port, &receiver);
    let exporter = Numbered::start();
    let mut agent = Agent::new(&scratch, &config(&[exporter.port()], &[]));
    agent.start();
    exporter.more(3);
    let last = exporter.hold();
    agent.kill();

    let to = format!("--to=https://127.0.0.1:{port}/api/v1/write");
    let trusted = format!("--ca-file={}", scratch.path("ca.pem").display());
    let other = format!("--ca-file={}", scratch.path("other.pem").display());
    let token = "--header=Authorization: Bearer token-of-the-agent";
    let cases: [(&[&str], &str); 2] = [
        (&[&to, &other, token, "--retry-for=0s"], "authority"),
        (&[&to, &trusted], "refused: 401"),
    ];
    crate::wait::until_true("the gate is open", || {
        !wal(&agent, "export", cases[0].0).2.contains("Connection refused")
    });
    for (flags, part) in cases {
        let (code, _, said) = wal(&agent, "export", flags);
        assert!(code == Some(2) && said.contains(part), "{code:?}: {said}");
    }
    let (code, _, said) = wal(&agent, "export", &[&to, &trusted, token]);
    assert_eq!(code, Some(0), "{said}");
    receiver.assert_complete(&exporter, last);
}
