//! Load for scraping agents, and the account of what arrived: exporters, a sink, and runs of an agent between them.
//!
//!   load run --scenario S1 --agent corelane      one agent, one scenario
//!   load compare --scenario S7                   corelane, prometheus and vmagent in turn
//!   load compare --scenario S3                   the same at a rising rate, until one core is saturated
//!   load growth bench/runs/FOLDER                a table and plots of runs that differ in one thing
//!   load exporters --targets 10 --series 1000    the exporters alone
//!   load crash --agent corelane --kills 300      kills, outages and restarts; every sample looked for
//!   load sink --fault refuse@20..80              the sink alone, statistics on its control port
//!
//! The agent has a CPU of its own; exporters, sink and driver share another. CPU is the process clock of all the
//! agent's threads over a window after a warm-up. Latency is measured by marker samples whose value is the
//! microsecond of their serving. Loss is exact: samples on fully served pages less distinct samples received.
#![expect(clippy::disallowed_methods, reason = "a load driver reads clocks and waits")]

mod agent;
mod compare;
mod control;
mod crash;
mod decode;
mod exporters;
mod fault;
mod flags;
mod growth;
mod ledger;
mod mailbox;
mod page;
mod ramp;
mod report;
mod run;
mod scenario;
mod sink;
mod system;

use std::error::Error;
use std::process::ExitCode;

use clap::ArgMatches;

fn main() -> ExitCode {
    let matches = flags::command().get_matches();
    let outcome = match matches.subcommand() {
        Some(("compare", matches)) => compare::compare(matches),
        Some(("crash", matches)) => crash::crash(matches),
        Some(("growth", matches)) => growth::growth(matches),
        Some(("exporters", matches)) => serve_exporters(matches),
        Some(("run", matches)) => compare::one(matches),
        Some(("sink", matches)) => serve_sink(matches),
        _ => Err("no such subcommand".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve_exporters(matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let scenario = flags::scenario(matches)?;
    system::raise_files();
    let load = exporters::Load {
        targets: scenario.targets,
        series: scenario.series,
        churn_per_serving: scenario.churn_per_serving(),
        width: scenario.label_bytes,
        gzip: scenario.gzip,
        port: flags::number(matches, "port"),
    };
    let exporters = exporters::start(&load)?;
    let last = exporters::address(scenario.targets.saturating_sub(1), exporters.port);
    println!("{} to {last}", exporters::address(0, exporters.port));
    control::serve(flags::number(matches, "control-port"), |method, path| match (method, path) {
        ("GET", "/stats") => {
            let served = exporters.asker.ask(exporters::Question::Served)?;
            serde_json::to_string(&served).ok()
        }
        ("POST", "/stop") => {
            exporters.asker.tell(exporters::Question::Stop).then(|| String::from("{}"))
        }
        _ => None,
    })?;
    Ok(())
}

fn serve_sink(matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let interval_ms: u64 = flags::number(matches, "interval-ms");
    let faults = flags::faults(matches);
    let account = ledger::Ledger::new(interval_ms as i64, 1);
    let sink = sink::start(flags::number(matches, "port"), account, faults)?;
    println!("http://127.0.0.1:{}/api/v1/write", sink.port);
    control::serve(flags::number(matches, "control-port"), |method, path| match (method, path) {
        ("GET", "/stats") => serde_json::to_string(&sink.asker.ask(sink::Question::Books)?).ok(),
        ("POST", "/reset") => sink.asker.tell(sink::Question::Reset).then(|| String::from("{}")),
        _ => None,
    })?;
    Ok(())
}
