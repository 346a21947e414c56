//! What is scraped arrives.

use std::process::Command;

use crate::agent::{Agent, config};
use crate::exporter::Numbered;
use crate::peers;
use crate::program::Program;
use crate::receiver::Receiver;
use crate::scratch::{Scratch, free_port};
use crate::wait;

#[test]
fn node_exporter_and_our_own_page_arrive_at_prometheus_and_at_victoria_metrics() {
    let scratch = Scratch::new();
    let node_port = free_port();
    let mut command = Command::new(peers::node_exporter());
    command.arg(format!("--web.listen-address=127.0.0.1:{node_port}"));
    let _node = Program::start(&mut command, &scratch.path("node.log"));
    let receivers = [Receiver::prometheus(&scratch), Receiver::victoria_metrics(&scratch)];
    let urls: Vec<String> = receivers.iter().map(Receiver::url).collect();
    let mut agent = Agent::new(&scratch, "");
    // Two seconds: the exporter needs a while for its page on a busy machine.
    let yaml = config(&[node_port, agent.port()], &urls).replace("250ms", "2s");
    scratch.write(&format!("agent-{}.yml", agent.port()), &yaml);
    agent.start();
    for receiver in &receivers {
        for (port, name) in
            [(node_port, "node_cpu_seconds_total"), (agent.port(), "prometheus_build_info")]
        {
            let instance = format!("instance=\"127.0.0.1:{port}\"");
            wait::until_true(&format!("{name} has arrived"), || {
                let found = receiver.samples(&format!("{name}{{{instance}}}"));
                found.iter().any(|series| series.labels.get("job").is_some_and(|job| job == "test"))
            });
            let up = format!("up{{{instance}}}");
            wait::until_true("the target is up", || receiver.values(&up).last() == Some(&1.0));
            let scraped = format!("scrape_samples_scraped{{{instance}}}");
            wait::until_true("the report series have arrived", || {
                receiver.values(&scraped).last().is_some_and(|count| *count > 10.0)
            });
        }
    }
    assert!(agent.stop().success());
}

#[test]
fn one_endpoint_down_delays_nothing_for_the_other_and_gets_everything_later() {
    let scratch = Scratch::new();
    let healthy = Receiver::prometheus(&scratch);
    let mut absent = Receiver::prometheus(&scratch);
    absent.stop();
    let exporter = Numbered::start();
    let urls = [absent.url(), healthy.url()];
    let mut agent = Agent::new(&scratch, &config(&[exporter.port()], &urls));
    agent.start();
    exporter.more(20);
    let meanwhile = exporter.hold();
    healthy.assert_complete(&exporter, meanwhile);
    exporter.release();
    exporter.more(4);
    absent.start();
    let last = exporter.hold();
    healthy.assert_complete(&exporter, last);
    absent.assert_complete(&exporter, last);
}
