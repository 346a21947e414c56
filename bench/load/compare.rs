//! Runs of one agent or of all, and what is printed of them.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};

use clap::ArgMatches;

use crate::agent::{Agent, Kind};
use crate::flags;
use crate::ramp;
use crate::report::{self, Finding};
use crate::run;
use crate::scenario::Scenario;
use crate::system;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// `load run`.
pub fn one(matches: &ArgMatches) -> Outcome<()> {
    let name = matches.get_one::<String>("agent").map_or("corelane", String::as_str);
    let kind = Kind::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| format!("there is no agent {name:?}"))?;
    let binary = matches.get_one::<String>("binary").map(PathBuf::from);
    let finding = measure(matches, kind, binary)?;
    println!("{}\n{}", report::table_head(), finding.row());
    Ok(())
}

/// `load compare`.
pub fn compare(matches: &ArgMatches) -> Outcome<()> {
    let runs: usize = flags::number(matches, "runs");
    let mut findings = Vec::new();
    for kind in Kind::ALL {
        let mut of_kind = Vec::new();
        for _ in 0..runs.max(1) {
            let ours = matches.get_one::<String>("corelane").map(PathBuf::from);
            of_kind.push(measure(matches, kind, ours.filter(|_| kind == Kind::Corelane))?);
        }
        of_kind.sort_by(|a, b| a.cpu_us_per_sample.total_cmp(&b.cpu_us_per_sample));
        findings.push(of_kind.swap_remove(of_kind.len() / 2));
    }
    print_table(&findings, runs);
    Ok(())
}

fn print_table(findings: &[Finding], runs: usize) {
    let Some(first) = findings.first() else {
        return;
    };
    println!("{}\n", first.scenario.describe());
    let (_, cpus, _) = system::machine();
    println!(
        "{}, {cpus} CPUs, Linux {}, agent on {} of them; of {runs} run(s) the one with median CPU per sample\n",
        first.cpu_model, first.kernel, first.cores
    );
    println!("{}", report::table_head());
    for finding in findings {
        println!("{}", finding.row());
    }
    println!();
    for finding in findings {
        println!("- {}: {}", finding.agent, finding.version);
    }
}

fn measure(matches: &ArgMatches, kind: Kind, binary: Option<PathBuf>) -> Outcome<Finding> {
    let scenario = flags::scenario(matches)?;
    let given = |name: &str| matches.get_one::<String>(name).map(PathBuf::from);
    let peers = given("peers").or_else(|| env::var_os("CORELANE_PEERS").map(PathBuf::from));
    let peers = peers.unwrap_or_else(|| PathBuf::from(".peers"));
    let agent = Agent {
        kind,
        binary: binary.unwrap_or_else(|| kind.binary(&peers)),
        flags: matches
            .get_many::<String>("flags")
            .map(|flags| flags.cloned().collect())
            .unwrap_or_default(),
        cores: flags::number::<usize>(matches, "cores").max(1),
    };
    let scratch = given("dir").unwrap_or_else(run::scratch_dir);
    let out = given("out").unwrap_or_else(|| report::default_dir(&scenario.name));
    let faults = flags::faults(matches);
    let one = |scenario: &Scenario| -> Outcome<Finding> {
        let finding = run::run(scenario, &agent, &scratch, &faults)?;
        let saved = finding.save(&out)?;
        eprintln!("  raw findings in {}", Path::new(&saved).display());
        Ok(finding)
    };
    let finding = if scenario.ramp { ramp::climb(&scenario, one)? } else { one(&scenario)? };
    if given("dir").is_none() {
        drop(std::fs::remove_dir_all(&scratch));
    }
    Ok(finding)
}
