//! A dozen kills of the real program, with everything else that may happen to it. The program is the one beside the test,
//! as `cargo test --all-targets` or `cargo test --test pipeline` has built it last.

#[cfg(test)]
mod tests {
    use std::env;
    use std::path::PathBuf;
    use std::time::Duration;

    use crate::agent::{Agent, Kind};
    use crate::crash::plan::{Measure, Scenario};
    use crate::crash::trial::Trial;
    use crate::crash::{disk, receiver};

    fn program() -> PathBuf {
        let test = env::current_exe().unwrap();
        test.ancestors().nth(2).unwrap().join("corelane")
    }

    fn survives(scenario: Scenario) {
        let name = format!("corelane-crash-{}-{}", std::process::id(), scenario.name());
        let trial = Trial {
            agent: Agent { kind: Kind::Corelane, binary: program(), flags: Vec::new(), cores: 1 },
            scenario,
            measure: Measure { seed: 1, kills: 6, life_ms: (50, 600) },
            receiver: receiver::Kind::Sink,
            disk: disk::Kind::Tmpfs,
            dir: env::temp_dir().join(name),
            peers: PathBuf::new(),
            time_max: Duration::from_secs(300),
        };
        let finding = trial.run().unwrap();
        let examples = finding.verdict.examples.join("\n");
        assert_eq!(finding.faults(), [""; 0], "{examples}\nfiles in {}", trial.dir.display());
        assert!(finding.kills >= 6 && finding.verdict.counts.distinct > 1000, "{finding:?}");
        drop(std::fs::remove_dir_all(&trial.dir));
    }

    #[test]
    fn kills_stops_reloads_and_other_cores_in_outages_lose_nothing() {
        survives(Scenario::Moves);
    }

    #[test]
    fn kills_in_outages_of_a_receiver_that_wants_order_lose_nothing() {
        survives(Scenario::Strict);
    }
}
