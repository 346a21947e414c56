//! Flags, then the coordinator, or a command; exit codes.

use std::process::ExitCode;

use corelane::{coordinator, flags, inspect, tools};

fn main() -> ExitCode {
    let args = std::env::args_os();
    let first = std::env::args().nth(1).unwrap_or_default();
    let ended = if first == "wal" {
        flags::parse_wal(args.skip(1)).map(inspect::run)
    } else if flags::TOOLS.contains(&first.as_str()) {
        flags::parse_tool(args.skip(1)).map(tools::run)
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
