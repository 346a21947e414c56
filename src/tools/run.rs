//! A command from its arguments to its exit code.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::flags::{ToolCommand, completions, manual};
use crate::tools::check::check;
use crate::tools::lint::lint;
use crate::tools::steps::steps;

/// What a command has to say, and whether it found something.
pub(super) struct Said {
    pub(super) text: String,
    pub(super) found: bool,
}

/// Runs a command. 0: all is well; 1: something was found; 2: it could not be done.
pub fn run(command: ToolCommand) -> ExitCode {
    match perform(&command) {
        Ok(said) => {
            // A reader that has gone away is no failure of ours.
            let _ = io::stdout().lock().write_all(said.text.as_bytes());
            ExitCode::from(u8::from(said.found))
        }
        Err(why) => {
            let _ = writeln!(io::stderr(), "corelane: {why}");
            ExitCode::from(2)
        }
    }
}

fn perform(command: &ToolCommand) -> Result<Said, String> {
    match command {
        ToolCommand::CheckConfig { file, all } => check(&text_of(file)?, file, *all),
        ToolCommand::CheckMetrics { file } => {
            let page = match file {
                Some(file) => {
                    fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?
                }
                None => {
                    let mut page = Vec::new();
                    io::stdin().read_to_end(&mut page).map_err(|error| error.to_string())?;
                    page
                }
            };
            Ok(lint(&page))
        }
        ToolCommand::RelabelTest { file, job, metric, labels } => {
            steps(&text_of(file)?, file, job, *metric, labels)
        }
        ToolCommand::Completions { shell } => Ok(Said { text: completions(*shell), found: false }),
        ToolCommand::Man => Ok(Said { text: manual(), found: false }),
    }
}

fn text_of(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}
