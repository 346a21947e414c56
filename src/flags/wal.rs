//! The command line of `corelane wal`.

use core::time::Duration;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::base::parse_duration;
use crate::flags::Exit;

/// Exit code of a command line that cannot be used: 1 means that damage was found.
const WRONG: u8 = 2;

/// What is asked of a stopped agent's data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalCommand {
    Verify(Look),
    Dump(Dump),
    Export(Export),
    Stats(Look),
}

/// A directory, and the configuration that knows its endpoints by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub dir: PathBuf,
    pub config_file: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    pub dir: PathBuf,
    pub shard: Option<u16>,
    /// Segment and offset.
    pub from: Option<(u32, u32)>,
    pub limit: Option<u64>,
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    pub dir: PathBuf,
    /// URL of a receiver of remote write.
    pub to: String,
    /// Name or URL of the endpoint whose backlog is sent; without one, all that the log holds.
    pub endpoint: Option<String>,
    pub config_file: Option<PathBuf>,
    /// Milliseconds since the epoch, both included.
    pub from: Option<i64>,
    pub until: Option<i64>,
    /// Samples to pass over at the beginning.
    pub skip: u64,
    pub headers: Vec<(String, String)>,
    pub ca_file: Option<PathBuf>,
    /// How long one request is tried again.
    pub retry_for: Duration,
}

/// Reads the command line from the word `wal` on. `Err` also for `--help`, with code 0.
pub fn parse_wal(args: impl IntoIterator<Item = OsString>) -> Result<WalCommand, Exit> {
    let matches = command().try_get_matches_from(args).map_err(|error| {
        let text = error.render().to_string();
        match error.kind() {
            ErrorKind::DisplayHelp => Exit { code: 0, stdout: text, stderr: String::new() },
            _ => Exit { code: WRONG, stdout: String::new(), stderr: text },
        }
    })?;
    Ok(match matches.subcommand() {
        Some(("dump", given)) => WalCommand::Dump(Dump {
            dir: dir(given),
            shard: given.get_one("shard").copied(),
            from: given.get_one("from").copied(),
            limit: given.get_one("limit").copied(),
            json: given.get_one::<String>("format").is_some_and(|format| format == "json"),
        }),
        Some(("export", given)) => WalCommand::Export(export(given)),
        Some(("stats", given)) => WalCommand::Stats(look(given)),
        Some((_, given)) => WalCommand::Verify(look(given)),
        None => unreachable!("a sub-command is required"),
    })
}

fn look(given: &ArgMatches) -> Look {
    Look { dir: dir(given), config_file: given.get_one("config.file").cloned() }
}

fn export(given: &ArgMatches) -> Export {
    Export {
        dir: dir(given),
        to: given.get_one("to").cloned().unwrap_or_default(),
        endpoint: given.get_one("endpoint").cloned(),
        config_file: given.get_one("config.file").cloned(),
        from: given.get_one("from").copied(),
        until: given.get_one("until").copied(),
        skip: given.get_one("skip").copied().unwrap_or_default(),
        headers: given.get_many("header").into_iter().flatten().cloned().collect(),
        ca_file: given.get_one("ca-file").cloned(),
        retry_for: given.get_one("retry-for").copied().unwrap_or_default(),
    }
}

fn dir(given: &ArgMatches) -> PathBuf {
    given.get_one("DIR").cloned().unwrap_or_default()
}

pub(super) fn command() -> Command {
    let dir = Arg::new("DIR")
        .required(true)
        .value_parser(clap::value_parser!(PathBuf))
        .help("Data directory of a stopped agent; it is only read.");
    let config = Arg::new("config.file")
        .long("config.file")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("The agent's configuration, for the names of its endpoints.");
    let shard = Arg::new("shard")
        .long("shard")
        .value_name("N")
        .value_parser(clap::value_parser!(u16))
        .help("This shard only.");
    let from = Arg::new("from")
        .long("from")
        .value_name("PLACE")
        .value_parser(place)
        .help("Begin there, SEGMENT:OFFSET as the other commands print places.");
    let limit = Arg::new("limit")
        .long("limit")
        .value_name("N")
        .value_parser(clap::value_parser!(u64))
        .help("At most so many samples.");
    let format = Arg::new("format")
        .long("format")
        .value_name("NAME")
        .value_parser(["text", "json"])
        .default_value("text")
        .help("How a sample is printed, one on a line.");
    Command::new("wal")
        .bin_name("corelane wal")
        .about("Looks at the data directory of a stopped agent. Nothing in it is changed.")
        .after_help(
            "Exit codes: 0 all is well, 1 damage was found (everything else was done), 2 it could not be done.",
        )
        .subcommand_required(true)
        .subcommand(
            Command::new("verify")
                .about("Checks every file and every record, and shows cursors with what they still hold back.")
                .arg(dir.clone())
                .arg(config.clone()),
        )
        .subcommand(
            Command::new("dump")
                .about("Prints samples in the order of the log: labels, value to the last bit, milliseconds.")
                .args([dir.clone(), shard, from, limit, format]),
        )
        .subcommand(export_command(&dir, &config))
        .subcommand(
            Command::new("stats")
                .about("Shows what takes the space, and what each endpoint still has to get.")
                .args([dir, config]),
        )
}

fn export_command(dir: &Arg, config: &Arg) -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let time = clap::value_parser!(i64);
    Command::new("export")
        .about("Sends what the log holds to a receiver by remote write 1.0. No cursor moves.")
        .arg(dir.clone())
        .arg(text("to", "URL", "Where to send.").required(true))
        .arg(text(
            "endpoint",
            "NAME",
            "Only what this endpoint has not acknowledged: its name, or its URL if it has none.",
        ))
        .arg(config.clone().help(
            "The agent's configuration: its external labels are added, and the endpoint's write_relabel_configs applied.",
        ))
        .args([
            text("from", "MS", "No samples before it, milliseconds since the epoch.")
                .value_parser(time)
                .allow_negative_numbers(true),
            text("until", "MS", "No samples after it.")
                .value_parser(time)
                .allow_negative_numbers(true),
            text("skip", "N", "Pass over so many samples: how an export that stopped says to go on.")
                .value_parser(clap::value_parser!(u64)),
            text("header", "NAME: VALUE", "A header of every request; may be repeated.")
                .value_parser(header)
                .action(ArgAction::Append),
            text("ca-file", "FILE", "Certificates to trust instead of the system's.")
                .value_parser(clap::value_parser!(PathBuf)),
            text("retry-for", "DURATION", "How long to try again what may succeed later.")
                .value_parser(|text: &str| parse_duration(text).map_err(|error| error.to_string()))
                .default_value("1m"),
        ])
}

fn header(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once(':').filter(|(name, _)| !name.trim().is_empty());
    let (name, value) = parts.ok_or_else(|| "not a header such as `Name: value`".to_owned())?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn place(text: &str) -> Result<(u32, u32), String> {
    let parts = text
        .split_once(':')
        .and_then(|(segment, offset)| Some((segment.parse().ok()?, offset.parse().ok()?)));
    parts.ok_or_else(|| "not a place such as 17:4096".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<WalCommand, Exit> {
        parse_wal(line.split(' ').map(OsString::from))
    }

    #[test]
    fn commands_are_read_and_what_is_wrong_ends_with_2() {
        let look = Look { dir: "d".into(), config_file: None };
        assert_eq!(read("wal verify d"), Ok(WalCommand::Verify(look.clone())));
        assert_eq!(read("wal stats d"), Ok(WalCommand::Stats(look)));
        assert_eq!(
            read("wal dump d --shard 1 --from 17:4096 --limit=3 --format json"),
            Ok(WalCommand::Dump(Dump {
                dir: "d".into(),
                shard: Some(1),
                from: Some((17, 4096)),
                limit: Some(3),
                json: true,
            }))
        );
        for wrong in
            ["wal", "wal verify", "wal mend d", "wal dump d --from 17", "wal dump d --limit x"]
        {
            assert_eq!(read(wrong).expect_err(wrong).code, 2, "{wrong}");
        }
        for help in ["wal --help", "wal dump --help"] {
            let exit = read(help).expect_err(help);
            assert!(exit.code == 0 && exit.stdout.contains("Usage: corelane wal"), "{exit:?}");
        }
    }
}
