//! `load crash`: which agents go through which scenarios, and what is made of the findings.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::agent::{Agent, Kind};
use crate::crash::plan::{Measure, Scenario};
use crate::crash::report::{self, Finding};
use crate::crash::trial::Trial;
use crate::crash::{disk, receiver};
use crate::report::default_dir;
use crate::run::scratch_dir;
use crate::system;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The subcommand with its flags.
pub fn flags() -> Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).help(help);
    let many = |name, help| flag(name, help).action(ArgAction::Append);
    Command::new("crash")
        .about("Kills agents on a schedule while their receiver fails, and looks for every sample")
        .arg(many("agent", "corelane, prometheus or vmagent; repeatable").default_value("corelane"))
        .arg(many(
            "scenario",
            "kills, starts, outages, strict, moves, full, full-kills; repeatable; else all",
        ))
        .arg(flag("kills", "Kills in all, dealt out over the scenarios").default_value("300"))
        .arg(flag("life", "Shortest and longest life in ms").default_value("100..1500"))
        .arg(flag("seed", "The same seed gives the same schedule").default_value("1"))
        .arg(flag("minutes", "Longest time for a scenario").default_value("60"))
        .arg(flag("receiver", "sink, prometheus or victoriametrics").default_value("sink"))
        .arg(flag("disk", "Small filesystem: tmpfs or ext4").default_value("tmpfs"))
        .arg(flag("corelane", "Our binary; else target/release/corelane"))
        .arg(flag("peers", "Folder of scripts/peers; else $CORELANE_PEERS, .peers"))
        .arg(flag("dir", "Folder for the files of the runs; else a temporary one"))
        .arg(flag("out", "Folder for the raw findings; else one below bench/runs"))
        .arg(Arg::new("flags").last(true).num_args(0..).help("Further flags for the first agent"))
}

/// Runs what is asked for. Agents go through a scenario at the same time. An error when ours is not lossless.
pub fn crash(matches: &ArgMatches) -> Outcome<()> {
    system::raise_files();
    let scratch = given(matches, "dir").unwrap_or_else(scratch_dir);
    let out = given(matches, "out").unwrap_or_else(|| default_dir("crash"));
    let (mut findings, mut faults) = (Vec::new(), Vec::new());
    for trials in trials(matches, &scratch)? {
        let threads: Vec<_> = trials
            .into_iter()
            .map(|trial| {
                thread::spawn(move || (trial.run().map_err(|error| error.to_string()), trial))
            })
            .collect();
        for thread in threads {
            let (outcome, trial) = thread.join().map_err(|_| "a trial has panicked")?;
            let title = format!("{} {}", trial.agent.kind.name(), trial.scenario.name());
            match outcome {
                Ok(finding) => {
                    let saved = finding.save(&out)?;
                    eprintln!("{title}: done, raw findings in {}", saved.display());
                    if trial.agent.kind == Kind::Corelane {
                        faults.extend(finding.faults());
                    }
                    findings.push(finding);
                }
                Err(error) if trial.scenario.fills_disk() && !disk_works(&trial) => {
                    eprintln!("{title}: skipped, only root can mount a small filesystem: {error}");
                }
                Err(error) => faults.push(format!("{title}: {error}")),
            }
        }
    }
    println!("{}", report::table(&findings));
    findings.iter().flat_map(Finding::remarks).for_each(|remark| eprintln!("{remark}"));
    if faults.is_empty() {
        if given(matches, "dir").is_none() {
            drop(std::fs::remove_dir_all(&scratch));
        }
        return Ok(());
    }
    eprintln!("files of the runs: {}", scratch.display());
    Err(faults.join("\n").into())
}

fn disk_works(trial: &Trial) -> bool {
    disk::Small::mount(trial.disk, &trial.dir.join("probe")).is_ok()
}

fn given(matches: &ArgMatches, name: &str) -> Option<PathBuf> {
    matches.get_one::<String>(name).map(PathBuf::from)
}

/// The trials by scenario.
fn trials(matches: &ArgMatches, scratch: &Path) -> Outcome<Vec<Vec<Trial>>> {
    let text = |name: &str| matches.get_one::<String>(name).map_or("", String::as_str);
    let number = |name: &str| {
        let parsed = text(name).parse::<u64>();
        parsed.map_err(|_| format!("--{name}: {:?} is no number", text(name)))
    };
    let scenarios = chosen(matches, "scenario", &Scenario::ALL, Scenario::name)?;
    let kinds = chosen(matches, "agent", &Kind::ALL, Kind::name)?;
    let life_ms = text("life").split_once("..").and_then(|(shortest, longest)| {
        let (shortest, longest) = (shortest.parse().ok()?, longest.parse().ok()?);
        (0 < shortest && shortest <= longest).then_some((shortest, longest))
    });
    let life_ms = life_ms.ok_or("--life: want SHORTEST..LONGEST in ms")?;
    let kills = number("kills")?.div_ceil(scenarios.len() as u64) as usize;
    let (seed, minutes) = (number("seed")?, number("minutes")?);
    let receiver = match text("receiver") {
        "sink" => receiver::Kind::Sink,
        "prometheus" => receiver::Kind::Prometheus,
        "victoriametrics" => receiver::Kind::VictoriaMetrics,
        other => return Err(format!("there is no receiver {other:?}").into()),
    };
    let disk = match text("disk") {
        "tmpfs" => disk::Kind::Tmpfs,
        "ext4" => disk::Kind::Ext4,
        other => return Err(format!("there is no small filesystem {other:?}").into()),
    };
    let peers =
        given(matches, "peers").or_else(|| env::var_os("CORELANE_PEERS").map(PathBuf::from));
    let peers = peers.unwrap_or_else(|| PathBuf::from(".peers"));
    let agents: Vec<Agent> = kinds
        .iter()
        .enumerate()
        .map(|(number, kind)| Agent {
            kind: *kind,
            binary: given(matches, "corelane")
                .filter(|_| *kind == Kind::Corelane)
                .unwrap_or_else(|| kind.binary(&peers)),
            flags: match matches.get_many::<String>("flags") {
                Some(flags) if number == 0 => flags.cloned().collect(),
                _ => Vec::new(),
            },
            cores: 1,
        })
        .collect();
    let trial = |scenario: Scenario, agent: &Agent| Trial {
        agent: agent.clone(),
        scenario,
        measure: Measure { seed, kills, life_ms },
        receiver,
        disk,
        dir: scratch.join(format!("{}-{}", scenario.name(), agent.kind.name())),
        peers: peers.clone(),
        time_max: Duration::from_secs(minutes * 60),
    };
    let of = |scenario: &Scenario| agents.iter().map(|agent| trial(*scenario, agent)).collect();
    Ok(scenarios.iter().map(of).collect())
}

/// The things named by a repeatable flag, or all.
fn chosen<T: Copy>(
    matches: &ArgMatches,
    flag: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<Vec<T>, String> {
    let Some(wanted) = matches.get_many::<String>(flag) else {
        return Ok(all.to_vec());
    };
    let find = |wanted: &String| {
        let found = all.iter().copied().find(|one| name(*one) == wanted);
        found.ok_or_else(|| format!("--{flag}: there is no {wanted:?}"))
    };
    wanted.map(find).collect()
}
