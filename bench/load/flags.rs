//! The command line.

use std::str::FromStr;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::crash;
use crate::fault::Fault;
use crate::scenario::Scenario;

/// Every subcommand with its flags.
pub fn command() -> Command {
    let exporters = with_scenario(Command::new("exporters").about("Serves targets until killed"))
        .arg(number_flag("port", "Port of every target; 0 takes a free one").default_value("9400"))
        .arg(number_flag("control-port", "GET /stats, POST /stop").default_value("9401"));
    let sink = Command::new("sink")
        .about("Receives remote write 1.0 until killed")
        .arg(number_flag("port", "0 takes a free one").default_value("9500"))
        .arg(number_flag("control-port", "GET /stats, POST /reset").default_value("9501"))
        .arg(number_flag("interval-ms", "Scrape interval of what will come").default_value("10000"))
        .arg(fault_flag());
    let run = with_runs(Command::new("run").about("Measures one agent"))
        .arg(
            Arg::new("agent")
                .long("agent")
                .default_value("corelane")
                .help("or prometheus, vmagent"),
        )
        .arg(Arg::new("binary").long("binary").help("The agent's binary; else found by its name"));
    let compare = with_runs(Command::new("compare").about("Measures every agent in turn"))
        .arg(Arg::new("corelane").long("corelane").help("Our binary; else target/release/corelane"))
        .arg(
            number_flag("runs", "Runs of each agent; the one with median CPU is shown")
                .default_value("3"),
        );
    let growth = Command::new("growth")
        .about("Writes a table and plots of what `scripts/growth` has measured")
        .arg(Arg::new("runs").required(true).help("Folder of raw findings"))
        .arg(Arg::new("docs").long("docs").default_value("docs").help("Where to write"));
    Command::new("load")
        .about("Load for scraping agents, and the account of what arrived")
        .subcommand_required(true)
        .subcommands([compare, crash::flags(), exporters, growth, run, sink])
}

fn with_scenario(command: Command) -> Command {
    command
        .arg(
            Arg::new("scenario")
                .long("scenario")
                .default_value("quick")
                .help("S1 to S7, S7-small, idle or quick, with -gzip, x3 or -rtt20 behind it; the other flags change it"),
        )
        .arg(number_flag("targets", "Targets"))
        .arg(number_flag("series", "Series of each target"))
        .arg(number_flag("interval-ms", "Scrape interval"))
        .arg(number_flag("churn-percent", "Percent of the pods replaced in a minute"))
        .arg(number_flag("label-bytes", "Bytes of one more label on every line"))
        .arg(number_flag("round-trip-ms", "Milliseconds after which the sink answers"))
        .arg(number_flag("endpoints", "Endpoints that get the same, each a sink of its own"))
        .arg(Arg::new("gzip").long("gzip").action(ArgAction::SetTrue).help("Compressed pages"))
}

fn with_runs(command: Command) -> Command {
    with_scenario(command)
        .arg(number_flag("warmup-s", "Seconds before the window"))
        .arg(number_flag("window-s", "Seconds that are measured"))
        .arg(
            number_flag("cores", "CPUs that the agent may use; all of them if there are no more")
                .default_value("1"),
        )
        .arg(
            Arg::new("name")
                .long("name")
                .help("What the findings are filed under; else the scenario"),
        )
        .arg(fault_flag())
        .arg(
            Arg::new("peers")
                .long("peers")
                .help("Folder of scripts/peers; else $CORELANE_PEERS, .peers"),
        )
        .arg(
            Arg::new("dir")
                .long("dir")
                .help("Folder for the agent's data, emptied first; else a temporary one"),
        )
        .arg(
            Arg::new("out")
                .long("out")
                .help("Folder for the raw findings; else one below bench/runs"),
        )
        .arg(Arg::new("flags").last(true).num_args(0..).help("Further flags for the agent"))
}

fn number_flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("N").help(help)
}

fn fault_flag() -> Arg {
    Arg::new("fault")
        .long("fault")
        .action(ArgAction::Append)
        .value_parser(value_parser!(Fault))
        .help("KIND@FROM..TO in seconds; KIND is a status, busy:STATUS, delay:MS, hang, lost-ack, refuse or reset")
}

/// The faults asked for.
pub fn faults(matches: &ArgMatches) -> Vec<Fault> {
    matches.get_many("fault").map(|faults| faults.copied().collect()).unwrap_or_default()
}

/// The value of a flag that has a default.
pub fn number<N: FromStr + Default>(matches: &ArgMatches, name: &str) -> N {
    matches.get_one::<String>(name).and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The scenario named, with the changes asked for.
pub fn scenario(matches: &ArgMatches) -> Result<Scenario, String> {
    let name = matches.get_one::<String>("scenario").map_or("quick", String::as_str);
    let mut scenario =
        Scenario::named(name).ok_or_else(|| format!("there is no scenario {name:?}"))?;
    change(matches, "targets", &mut scenario.targets)?;
    change(matches, "series", &mut scenario.series)?;
    change(matches, "interval-ms", &mut scenario.interval_ms)?;
    change(matches, "churn-percent", &mut scenario.churn_percent)?;
    change(matches, "label-bytes", &mut scenario.label_bytes)?;
    change(matches, "endpoints", &mut scenario.endpoints)?;
    change(matches, "round-trip-ms", &mut scenario.round_trip_ms)?;
    scenario.gzip |= matches.get_flag("gzip");
    if matches.try_contains_id("window-s").is_ok() {
        change(matches, "warmup-s", &mut scenario.warmup_s)?;
        change(matches, "window-s", &mut scenario.window_s)?;
    }
    if let Some(name) = matches.try_get_one::<String>("name").ok().flatten() {
        name.clone_into(&mut scenario.name);
    }
    if scenario.series == 0 || scenario.interval_ms == 0 || scenario.endpoints == 0 {
        return Err(String::from("series, interval and endpoints must be at least 1"));
    }
    Ok(scenario)
}

fn change<N: FromStr>(matches: &ArgMatches, name: &str, value: &mut N) -> Result<(), String> {
    if let Some(text) = matches.get_one::<String>(name) {
        *value = text.parse().map_err(|_| format!("--{name}: {text:?} is no number"))?;
    }
    Ok(())
}
