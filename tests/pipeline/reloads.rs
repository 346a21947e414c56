//! A new configuration takes effect, and a bad one does not.

use std::fs;

use crate::agent::{Agent, config};
use crate::exporter::Numbered;
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
