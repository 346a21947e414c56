//! A new configuration takes effect, and a bad one does not.

use std::fs;

use crate::agent::{Agent, INTERVAL, config};
use crate::exporter::Numbered;
use crate::figures::Figures;
use crate::receiver::Receiver;
use crate::scratch::Scratch;
use crate::wait;

#[test]
fn a_hang_up_adds_a_target_and_a_bad_file_changes_nothing() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let (first, second, third) = (Numbered::start(), Numbered::start(), Numbered::start());
    let urls = [receiver.url()];
    let mut agent = Agent::new(&scratch, &config(&[first.port()], &urls));
    agent.start();
    first.more(2);

    let two = config(&[first.port(), second.port()], &urls);
    fs::write(agent.config(), &two).unwrap();
    agent.hang_up();
    second.more(2);

    // The unknown key is on line 4.
    let bad = two.replace("scrape_configs:", "scrape_konfigs: []\nscrape_configs:");
    fs::write(agent.config(), &bad).unwrap();
    let answer = agent.reload();
    assert_eq!(answer.status, 500, "{answer:?}");
    for part in ["failed to reload config", ".yml:4: ", "scrape_konfigs"] {
        assert!(answer.body.contains(part), "{:?} does not say {part:?}", answer.body);
    }
    first.more(2);
    second.more(2);

    fs::write(agent.config(), config(&[second.port(), third.port()], &urls)).unwrap();
    assert_eq!(agent.reload().status, 200);
    third.more(2);
    wait::until_true("the first target is gone", || agent.target(first.port()).is_none());
    let gone = first.pages();
    second.more(4);
    assert_eq!(first.pages(), gone, "a removed target is still scraped");

    receiver.assert_complete(&first, gone);
    for exporter in [&second, &third] {
        let last = exporter.hold();
        receiver.assert_complete(exporter, last);
    }
}

#[test]
fn a_reload_in_an_outage_loses_nothing() {
    let scratch = Scratch::new();
    let mut receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::start();
    let yaml = config(&[exporter.port()], &[receiver.url()]);
    let mut agent = Agent::new(&scratch, &yaml);
    agent.start();
    exporter.more(4);
    receiver.stop();
    exporter.more(8);
    let changed = yaml.replace("queue_config:\n", "queue_config:\n      max_shards: 7\n");
    fs::write(agent.config(), changed).unwrap();
    assert_eq!(agent.reload().status, 200);
    exporter.more(8);
    receiver.start();
    exporter.more(2);
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
}

/// A configuration with one more field in the job.
fn with_field(yaml: &str, field: &str) -> String {
    yaml.replace("job_name: test\n", &format!("job_name: test\n    {field}\n"))
}

fn reload(agent: &Agent, yaml: &str) {
    fs::write(agent.config(), yaml).expect("a config file");
    let answer = agent.reload();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_target_limit_lowered_by_a_reload_fails_every_target_until_it_is_raised() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let exporters = [Numbered::start(), Numbered::start()];
    let ports = exporters.each_ref().map(Numbered::port);
    let yaml = config(&ports, &[receiver.url()]);
    let limited = |limit: u32| with_field(&yaml, &format!("target_limit: {limit}"));
    let mut agent = Agent::new(&scratch, &limited(2));
    agent.start();
    for round in 1..=2 {
        for exporter in &exporters {
            exporter.more(2);
            // No page is on its way when the limit changes.
            exporter.hold();
        }
        reload(&agent, &limited(1));
        for (exporter, port) in exporters.iter().zip(ports) {
            exporter.release();
            wait::until_true("the target fails by the limit", || {
                agent
                    .failure(port)
                    .contains("target_limit exceeded (number of targets: 2, limit: 1)")
            });
            let up = format!("up{{instance=\"127.0.0.1:{port}\"}}");
            wait::until_true("the receiver knows that the target is down", || {
                receiver.values(&up).last() == Some(&0.0)
            });
        }
        let before = exporters.each_ref().map(Numbered::pages);
        reload(&agent, &limited(2));
        for port in ports {
            wait::until_true(&format!("the target is up again, round {round}"), || {
                agent
                    .target(port)
                    .is_some_and(|target| target["health"] == "up" && target["lastError"] == "")
            });
        }
        for (exporter, before) in exporters.iter().zip(before) {
            wait::until_true("the exporter is scraped", || exporter.pages() > before);
        }
    }
    for exporter in &exporters {
        let last = exporter.hold();
        receiver.assert_complete(exporter, last);
    }
}

#[test]
fn two_changes_of_relabeling_between_two_scrapes_leave_only_the_last_in_force() {
    let scratch = Scratch::new();
    let receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::start();
    // Long, so that both reloads are done before the next scrape.
    let yaml = config(&[exporter.port()], &[receiver.url()]).replace(INTERVAL, "2s");
    let labelled = |label: &str| {
        let rule = format!("{{target_label: v, replacement: {label}}}");
        with_field(&yaml, &format!("metric_relabel_configs: [{rule}]"))
    };
    let values =
        |label: &str| receiver.values(&format!("scrape_number{{series=\"0\",v=\"{label}\"}}"));
    let mut agent = Agent::new(&scratch, &labelled("A"));
    agent.start();
    exporter.more(1);
    let old = exporter.pages();
    wait::until_true("the page before the change has arrived", || {
        values("A").last() == Some(&(old as f64))
    });
    reload(&agent, &labelled("B"));
    reload(&agent, &labelled("C"));
    assert_eq!(exporter.pages(), old, "a scrape came between: this run shows nothing");
    exporter.more(2);
    wait::until_true("two pages after the change have arrived", || values("C").len() >= 2);
    assert!(values("B").is_empty(), "a rule was in force that no scrape should have met");
    let pages = |range: std::ops::RangeInclusive<u64>| range.map(|page| page as f64);
    assert_eq!(values("A"), pages(1..=old).collect::<Vec<_>>());
    assert_eq!(values("C")[..2], pages(old + 1..=old + 2).collect::<Vec<_>>());
}

/// Out of the configuration in an outage, and in it again: under the same name, or under its first.
fn comes_back(
    first: impl Fn(&str) -> String,
    again: impl Fn(&str) -> String,
    through_a_restart: bool,
) {
    let scratch = Scratch::new();
    let mut receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::start();
    let with = config(&[exporter.port()], &[receiver.url()]);
    let without = config(&[exporter.port()], &[]);
    let mut agent = Agent::new(&scratch, &first(&with));
    agent.start();
    exporter.more(4);
    receiver.stop();
    exporter.more(4);
    reload(&agent, &without);
    exporter.more(4);
    if through_a_restart {
        exporter.hold();
        agent.kill();
        exporter.release();
        agent.start();
        exporter.more(2);
    }
    let kept = Figures::of(&agent).sum("corelane_removed_endpoint_samples_pending", "");
    assert!(kept > 0, "nothing is kept for the endpoint");
    reload(&agent, &again(&with));
    exporter.more(2);
    receiver.start();
    exporter.more(2);
    let last = exporter.hold();
    receiver.assert_complete(&exporter, last);
}

#[test]
fn an_endpoint_that_comes_back_goes_on_where_it_was() {
    comes_back(str::to_owned, str::to_owned, false);
}

#[test]
fn an_endpoint_that_comes_back_after_a_restart_goes_on_where_it_was() {
    comes_back(str::to_owned, str::to_owned, true);
}

#[test]
fn an_endpoint_that_comes_back_with_a_name_goes_on_where_it_was_without() {
    let nameless = |yaml: &str| yaml.replace("  - name: remote-0\n    url:", "  - url:");
    comes_back(nameless, str::to_owned, false);
}

#[test]
fn what_a_removed_endpoint_did_not_take_is_given_up_after_a_while_and_counted() {
    let scratch = Scratch::new();
    let mut receiver = Receiver::prometheus(&scratch);
    let exporter = Numbered::start();
    let with = config(&[exporter.port()], &[receiver.url()]);
    let mut agent = Agent::new(&scratch, &with);
    agent.flags(&["--wal.removed-endpoint-grace=1s", "--cores=1"]);
    agent.start();
    exporter.more(4);
    receiver.stop();
    exporter.more(4);
    reload(&agent, &config(&[exporter.port()], &[]));
    let lost = "reason=\"endpoint_removed\"";
    wait::until_true("the endpoint is waited for in vain", || {
        agent.log().contains("did not come back")
    });
    assert!(Figures::of(&agent).sum("corelane_endpoint_samples_lost_total", lost) > 0);
    let kept = Figures::of(&agent).sum("corelane_removed_endpoint_samples_pending", "");
    assert_eq!(kept, 0, "something is still kept");
}
