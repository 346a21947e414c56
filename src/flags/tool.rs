//! The command lines of the everyday commands, completions and the manual.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command};
use clap_complete::Shell;

use crate::flags::Exit;

/// Exit code of a command line that cannot be used: 1 means that something was found.
const WRONG: u8 = 2;

/// First words of these commands.
pub const TOOLS: [&str; 4] = ["check", "completions", "man", "relabel"];

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolCommand {
    /// `all`: also fields that are obeyed as they are.
    CheckConfig {
        file: PathBuf,
        all: bool,
    },
    /// Without a file: standard input.
    CheckMetrics {
        file: Option<PathBuf>,
    },
    Completions {
        shell: Shell,
    },
    Man,
    RelabelTest {
        file: PathBuf,
        job: String,
        metric: bool,
        labels: Vec<(String, String)>,
    },
}

/// Reads the command line from the word on that names the command. `Err` also for `--help`, with code 0.
pub fn parse_tool(args: impl IntoIterator<Item = OsString>) -> Result<ToolCommand, Exit> {
    let args = core::iter::once(OsString::from("corelane")).chain(args);
    let command = commands(Command::new("corelane").subcommand_required(true));
    let matches = command.try_get_matches_from(args).map_err(|error| {
        let text = error.render().to_string();
        match error.kind() {
            ErrorKind::DisplayHelp => Exit { code: 0, stdout: text, stderr: String::new() },
            _ => Exit { code: WRONG, stdout: String::new(), stderr: text },
        }
    })?;
    Ok(match matches.subcommand() {
        Some(("check", given)) => match given.subcommand() {
            Some(("metrics", given)) => {
                ToolCommand::CheckMetrics { file: given.get_one("FILE").cloned() }
            }
            Some((_, given)) => {
                ToolCommand::CheckConfig { file: file(given), all: given.get_flag("all") }
            }
            None => unreachable!("a sub-command is required"),
        },
        Some(("completions", given)) => ToolCommand::Completions {
            shell: given.get_one("SHELL").copied().unwrap_or(Shell::Bash),
        },
        Some(("relabel", given)) => relabel(given.subcommand().map_or(given, |(_, given)| given)),
        _ => ToolCommand::Man,
    })
}

fn file(given: &ArgMatches) -> PathBuf {
    given.get_one("FILE").cloned().unwrap_or_default()
}

fn relabel(given: &ArgMatches) -> ToolCommand {
    ToolCommand::RelabelTest {
        file: file(given),
        job: given.get_one("job").cloned().unwrap_or_default(),
        metric: given.get_flag("metric"),
        labels: given.get_many("LABEL").into_iter().flatten().cloned().collect(),
    }
}

/// Adds the commands to the program's own.
pub(super) fn commands(program: Command) -> Command {
    let path =
        || Arg::new("FILE").value_parser(clap::value_parser!(PathBuf)).help("Configuration file.");
    let all = Arg::new("all")
        .long("all")
        .action(ArgAction::SetTrue)
        .help("Also show what is obeyed as it is.");
    let check = Command::new("check")
        .about("Looks for what is wrong, without an agent.")
        .subcommand_required(true)
        .subcommand(
            Command::new("config")
                .about("Says of each field whether it is obeyed, translated, without effect or refused.")
                .args([path().required(true), all]),
        )
        .subcommand(
            Command::new("metrics")
                .about("Looks for errors and odd habits in a page of metrics.")
                .arg(path().help("The page; standard input if there is none.")),
        );
    let job = Arg::new("job")
        .long("job")
        .required(true)
        .value_name("NAME")
        .help("A job, or the name of a remote_write entry.");
    let metric = Arg::new("metric")
        .long("metric")
        .action(ArgAction::SetTrue)
        .help("The job's metric_relabel_configs instead of its relabel_configs.");
    let labels = Arg::new("LABEL")
        .num_args(0..)
        .value_parser(label)
        .help("Labels to begin with, as name=value.");
    let relabel = Command::new("relabel")
        .about("Shows what relabeling does.")
        .subcommand_required(true)
        .subcommand(
            Command::new("test")
                .about("Shows step by step what each rule makes of labels. Ends with 1 if they are dropped.")
                .args([path().required(true), job, metric, labels]),
        );
    let shell = Arg::new("SHELL").required(true).value_parser(clap::value_parser!(Shell));
    program
        .subcommand(check)
        .subcommand(relabel)
        .subcommand(Command::new("completions").about("Prints completions for a shell.").arg(shell))
        .subcommand(Command::new("man").about("Prints the manual page."))
}

fn label(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = parts.ok_or_else(|| "not a label such as name=value".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<ToolCommand, Exit> {
        parse_tool(line.split(' ').map(OsString::from))
    }

    #[test]
    fn commands_are_read_and_what_is_wrong_ends_with_2() {
        let check = ToolCommand::CheckConfig { file: "a.yml".into(), all: true };
        assert_eq!(read("check config a.yml --all"), Ok(check));
        assert_eq!(read("check metrics"), Ok(ToolCommand::CheckMetrics { file: None }));
        assert_eq!(read("completions zsh"), Ok(ToolCommand::Completions { shell: Shell::Zsh }));
        assert_eq!(read("man"), Ok(ToolCommand::Man));
        let labels = vec![("a".to_owned(), "b=c".to_owned())];
        let test = ToolCommand::RelabelTest {
            file: "a.yml".into(),
            job: "j".to_owned(),
            metric: false,
            labels,
        };
        assert_eq!(read("relabel test a.yml --job j a=b=c"), Ok(test));
        for wrong in ["check", "check config", "relabel test a.yml", "completions tcsh", "relabel"]
        {
            assert_eq!(read(wrong).expect_err(wrong).code, 2, "{wrong}");
        }
        assert_eq!(read("check --help").expect_err("help").code, 0);
    }
}
