//! Flags, then the coordinator, or a command for a stopped agent's directory; exit codes.

use std::process::ExitCode;

use corelane::{coordinator, flags, inspect};

fn main() -> ExitCode {
    let args = std::env::args_os();
    let ended = if std::env::args_os().nth(1).is_some_and(|word| word == "wal") {
        flags::parse_wal(args.skip(1)).map(inspect::run)
    } else {
        flags::parse(args).map(coordinator::run)
    };
    ended.unwrap_or_else(|exit| {
        print(&exit.stdout, &mut std::io::stdout());
        print(&exit.stderr, &mut std::io::stderr());
        ExitCode::from(exit.code)
    })
}

/// A reader that has gone away is no failure of ours.
fn print(text: &str, to: &mut dyn std::io::Write) {
    let _ = to.write_all(text.as_bytes());
}
