//! Another number of cores takes over what the cores before left.

use std::fs;

use crate::agent::{Agent, config};
use crate::exporter::Numbered;
use crate::figures::Figures;
use crate::laws::assert_books_of_all_starts;
use crate::receiver::Receiver;
use crate::scratch::Scratch;

#[test]
fn a_backlog_survives_one_core_then_two_then_one_in_order() {
    let scratch = Scratch::new();
    let mut receiver = Receiver::prometheus(&scratch);
    // So many that two cores get some each.
    let exporters: Vec<Numbered> = (0..6).map(|_| Numbered::start()).collect();
    let ports: Vec<u16> = exporters.iter().map(Numbered::port).collect();
    let mut agent = Agent::new(&scratch, &config(&ports, &[receiver.url()]));
    agent.flags(&["--cores=1"]);
    agent.start();
    exporters[0].more(4);
    receiver.stop();
    for (cores, killed) in [("--cores=2", false), ("--cores=1", true)] {
        exporters[0].more(8);
        for exporter in &exporters {
            exporter.hold();
        }
        if killed {
            agent.kill();
        } else {
            assert!(agent.stop().success());
        }
        for exporter in &exporters {
            exporter.release();
        }
        agent.flags(&[cores]);
        agent.start();
    }
    exporters[0].more(8);
    receiver.start();
    exporters[0].more(4);
    for exporter in &exporters {
        let last = exporter.hold();
        receiver.assert_complete(exporter, last);
    }
    fs::write(agent.config(), config(&[], &[receiver.url()])).expect("a config file");
    assert_eq!(agent.reload().status, 200);
    assert_books_of_all_starts(&Figures::at_rest(&agent));
}
