//! A command from its arguments to its exit code.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use crate::flags::WalCommand;
use crate::inspect::dump::dump;
use crate::inspect::error::InspectError;
use crate::inspect::export::export;
use crate::inspect::stats::stats;
use crate::inspect::verify::verify;

const CLEAN: u8 = 0;
const DAMAGED: u8 = 1;
const FAILED: u8 = 2;

/// Runs a command. 0: all is well; 1: damage was found and everything else done; 2: it could not be done.
pub fn run(command: WalCommand) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut notes = io::stderr();
    let done = perform(&command, &mut out, &mut notes)
        .and_then(|code| out.flush().map(|()| code).map_err(InspectError::from));
    ExitCode::from(match done {
        Ok(code) => code,
        // Whoever reads has seen enough.
        Err(InspectError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => CLEAN,
        Err(error) => {
            // If that cannot be said either, the code still says it.
            writeln!(notes, "corelane wal: {error}").unwrap_or_default();
            FAILED
        }
    })
}

fn perform(
    command: &WalCommand,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> Result<u8, InspectError> {
    let damaged = match command {
        WalCommand::Verify(look) => verify(look, out)?.damaged > 0,
        WalCommand::Dump(asked) => dump(asked, out, notes)?.lost > 0,
        WalCommand::Export(asked) => export(asked, notes)?.lost > 0,
        WalCommand::Stats(look) => stats(look, out)?.lost > 0,
    };
    Ok(if damaged { DAMAGED } else { CLEAN })
}
