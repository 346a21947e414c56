//! Flags, then the coordinator; exit codes.

use std::process::ExitCode;

use corelane::{coordinator, flags};

fn main() -> ExitCode {
    match flags::parse(std::env::args_os()) {
        Ok(flags) => coordinator::run(flags),
        Err(exit) => {
            print(&exit.stdout, &mut std::io::stdout());
            print(&exit.stderr, &mut std::io::stderr());
            ExitCode::from(exit.code)
        }
    }
}

/// A reader that has gone away is no failure of ours.
fn print(text: &str, to: &mut dyn std::io::Write) {
    let _ = to.write_all(text.as_bytes());
}
